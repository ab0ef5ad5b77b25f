//! Hanzi read aloud: homophones, and names in pinyin.
//!
//! Readings come from the `pinyin` crate, which knows a character's rare ones, and among them those used in family names
//! (单 shan, 仇 qiu, 尉 yu, 万 mo); [`family_readings`] adds what it lacks, and says which reading a family name has when
//! two names are compared by sound. Tones are not compared: people's Latin names carry none.

use super::han::{Cell, clear, family_len, fits};
use pinyin::ToPinyinMulti;

/// The readings of a family name that is not read as the character usually is.
fn family_readings(c: char) -> Option<&'static [&'static str]> {
    let readings: &[&str] = match c {
        '单' | '單' => &["shan"],
        '曾' => &["zeng"],
        '仇' => &["qiu"],
        '解' => &["xie"],
        '查' => &["zha"],
        '区' | '區' => &["ou"],
        '朴' => &["piao"],
        '尉' => &["wei", "yu"],
        '万' => &["wan", "mo"],
        '盖' => &["gai", "ge"],
        '洗' => &["xian"],
        '乐' | '樂' => &["yue", "le"],
        '员' => &["yun", "yuan"],
        '繁' => &["po", "fan"],
        '缪' => &["miao"],
        '覃' => &["qin", "tan"],
        '翟' => &["zhai", "di"],
        '黑' => &["hei", "he"],
        '秘' => &["bi", "mi"],
        '折' => &["she", "zhe"],
        '召' => &["shao", "zhao"],
        '六' => &["lu", "liu"],
        '令' => &["ling"],
        '澹' => &["tan"],
        '种' => &["chong"],
        '隗' => &["wei", "kui"],
        '阚' => &["kan"],
        '祭' => &["zhai", "ji"],
        '牟' => &["mou", "mu"],
        '句' => &["gou"],
        '藏' => &["zang"],
        '佴' => &["nai"],
        '谌' => &["chen", "shen"],
        '乜' => &["nie"],
        '能' => &["nai", "neng"],
        '阿' => &["a", "e"],
        '柏' => &["bai", "bo"],
        '适' => &["kuo", "shi"],
        '卜' => &["bu"],
        '薄' => &["bo"],
        '都' => &["du"],
        '么' => &["yao"],
        '粘' => &["nian"],
        '郗' => &["xi", "chi"],
        '莘' => &["xin", "shen"],
        '炅' => &["gui"],
        '葉' => &["ye"],
        '重' => &["chong"],
        _ => return None,
    };
    Some(readings)
}

/// Calls `each` with every way a character is spelt in Latin letters; `ü` is spelt `u`, `v` or `yu`.
fn readings(c: char, each: &mut dyn FnMut(&str)) {
    let known = c.to_pinyin_multi().into_iter().flatten().map(|reading| reading.plain());
    for reading in known.chain(family_readings(c).into_iter().flatten().copied()) {
        if reading.contains('ü') {
            for letters in ["u", "v", "yu"] {
                each(&reading.replace('ü', letters));
            }
        } else {
            each(reading);
        }
    }
}

fn any_reading(c: char, is: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    readings(c, &mut |reading| found |= is(reading));
    found
}

/// Whether two characters sound the same where they stand: in a family name by its readings there, else by the usual
/// reading of each. Rare readings do not count: they would make homophones of characters nobody confuses.
pub(super) fn homophones(a: char, b: char, in_family: bool) -> bool {
    let usual = |c: char| c.to_pinyin_multi().and_then(|multi| multi.get_opt(0)).map(|reading| reading.plain());
    let as_family = |c: char| if in_family { family_readings(c) } else { None };
    match (as_family(a), as_family(b)) {
        (Some(a), Some(b)) => a.iter().any(|reading| b.contains(reading)),
        (Some(family), None) => usual(b).is_some_and(|reading| family.contains(&reading)),
        (None, Some(family)) => usual(a).is_some_and(|reading| family.contains(&reading)),
        (None, None) => usual(a).is_some_and(|reading| usual(b) == Some(reading)),
    }
}

/// Is the Latin name a spelling of the hanzi name?
pub(super) fn alike(han: &[Cell], words: &[String]) -> bool {
    if words.iter().any(|word| word.contains('*')) {
        return masked_words_alike(han, words);
    }
    let joined = |words: &[String]| -> Vec<char> { words.iter().flat_map(|word| word.chars()).collect() };
    let Some(Cell::Char(first)) = han.first() else {
        // The family name is hidden: what is visible must be at the end of the given name, in either order.
        return (0..words.len()).any(|at| fits(han, &joined(&rotated(words, at)), reads));
    };
    let shown: Vec<char> =
        han.iter().map_while(|cell| if let Cell::Char(c) = cell { Some(*c) } else { None }).collect();
    let (family, given) = han.split_at(family_len(&shown));
    if let [word] = words {
        let letters: Vec<char> = word.chars().collect();
        // Zhang, or Zhangwei written as one word. Behind a mask the word's end could be anything (占* is not Zhang).
        return fits(family, &letters, reads) || (clear(han).is_some() && fits(han, &letters, reads));
    }
    // Zhang Wei, Wei Zhang; a compound family name may be one word (Ouyang) or two.
    let most = family.len().min(words.len() - 1);
    (1..=most).any(|length| {
        [rotated(words, 0), rotated(words, words.len() - length)].iter().any(|words| {
            let (family_words, given_words) = words.split_at(length);
            let letters = joined(family_words);
            let whole = fits(family, &letters, reads);
            let initial = letters.len() == 1 && any_reading(*first, |reading| reading.starts_with(&letters[..]));
            if given.is_empty() {
                return whole;
            }
            (whole && (fits(given, &joined(given_words), reads) || initials(given, given_words)))
                || (initial && clear(given).is_some() && fits(given, &joined(given_words), reads))
        })
    })
}

/// W for 伟, X M or XM's first letter for 晓明.
fn initials(given: &[Cell], words: &[String]) -> bool {
    words.len() <= given.len()
        && words.iter().zip(given).all(|(word, cell)| match cell {
            Cell::Char(c) => word.chars().count() == 1 && any_reading(*c, |reading| reading.starts_with(word.as_str())),
            Cell::Any => false,
        })
}

/// Of a masked Latin name only its visible starts say anything: one of its outer words must begin as the family name does.
fn masked_words_alike(han: &[Cell], words: &[String]) -> bool {
    let Some(Cell::Char(family)) = han.first() else {
        return true;
    };
    [words.first(), words.last()].into_iter().flatten().any(|word| {
        let shown = word.split('*').next().unwrap_or_default();
        any_reading(*family, |reading| reading.starts_with(shown) || (word.contains('*') && shown.starts_with(reading)))
    })
}

fn reads(c: char, text: &[char], take: &mut dyn FnMut(usize)) {
    readings(c, &mut |reading| {
        if reading.chars().count() <= text.len() && reading.chars().eq(text[..reading.chars().count()].iter().copied())
        {
            take(reading.chars().count());
        }
    });
}

fn rotated(words: &[String], at: usize) -> Vec<String> {
    words[at..].iter().chain(&words[..at]).cloned().collect()
}
