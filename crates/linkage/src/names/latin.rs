//! Names in Latin letters, and in any other script that is not hanzi, as words.
//!
//! Words are compared one with one, not the whole text: Mary Smith and Gary Smith are nearly the same text and two people.
//! A word has a typo only if it is long enough to bear one: none below four letters, a swap of neighbours at four, from
//! five on one edit, or two where Jaro-Winkler says that the words still begin alike. Two words that both are syllables of
//! pinyin are never typos of each other: Zhang and Zheng are 张 and 郑. Words with digits must be equal (Customer 1).

use super::han::{Cell, fits};

/// Above this two words two edits apart count as one: christopher and christofer, but not xiaoming and xiaohong (.90).
const LEAST_SIMILARITY: f64 = 0.92;

/// The letter without its accents, or nothing where the character is not part of a word.
pub(crate) fn fold(c: char) -> Option<char> {
    let folded = match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ǎ' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ğ' | 'ģ' => 'g',
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' | 'ǐ' => 'i',
        'ł' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' | 'ǒ' => 'o',
        'ř' => 'r',
        'ś' | 'š' | 'ş' | 'ș' => 's',
        'ť' | 'ț' | 'ţ' => 't',
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ǔ' | 'ǖ' | 'ǘ' | 'ǚ' | 'ǜ' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        _ if c.is_alphanumeric() => c,
        _ => return None,
    };
    Some(folded)
}

/// Whether a character that is no letter ends a word. O'Brien is one; combining marks are parts of their letter.
pub(crate) fn splits(c: char) -> bool {
    !matches!(c, '\'' | '’' | '‘' | '`' | '\u{0300}'..='\u{036F}')
}

/// Whether the words tell more than a family name or initials. Scripts without spaces have a whole name in one word.
pub(super) fn is_full(words: &[String]) -> bool {
    let whole = |word: &String| word.chars().nth(1).is_some();
    words.iter().filter(|word| whole(word)).count() >= 2
        || words.iter().any(|word| whole(word) && word.chars().any(|c| c >= '\u{3000}'))
}

pub(super) fn alike(a: &[String], b: &[String]) -> bool {
    let masked = |words: &[String]| words.iter().any(|word| word.contains('*'));
    match (masked(a), masked(b)) {
        (true, true) => both_masked_alike(a, b),
        (true, false) => masked_alike(a, b),
        (false, true) => masked_alike(b, a),
        (false, false) => clear_alike(a, b),
    }
}

fn cells(words: &[String]) -> Vec<Cell> {
    words.join(" ").chars().map(|c| if c == '*' { Cell::Any } else { Cell::Char(c) }).collect()
}

fn masked_alike(masked: &[String], clear: &[String]) -> bool {
    orders(clear).any(|words| {
        let text: Vec<char> = words.join(" ").chars().collect();
        fits(&cells(masked), &text, |c, text, take| {
            if text.first() == Some(&c) {
                take(1);
            }
        })
    })
}

/// Two masked names: what both show at the start, and at the end, must agree.
fn both_masked_alike(a: &[String], b: &[String]) -> bool {
    super::han::alike(&cells(a), &cells(b))
}

/// The words as they stand, and with the last first, or the first last: a family name changes places.
fn orders(words: &[String]) -> impl Iterator<Item = Vec<String>> {
    [0, 1, words.len().saturating_sub(1)].into_iter().map(|at| {
        let at = at.min(words.len());
        words[at..].iter().chain(&words[..at]).cloned().collect()
    })
}

fn clear_alike(a: &[String], b: &[String]) -> bool {
    // Zhang Xiao Ming, Zhang Xiaoming: words are split as people like.
    let joined = b.concat();
    if orders(a).any(|words| words.concat() == joined) || orders(b).any(|words| words.concat() == a.concat()) {
        return true;
    }
    match (a, b) {
        ([a], [b]) => near(a, b),
        ([one], many) | (many, [one]) => {
            one.chars().nth(1).is_some() && (many.first() == Some(one) || many.last() == Some(one))
        }
        // Both ways round, so that the answer does not depend on which name comes first.
        _ => orders(a).any(|words| aligned(&words, b)) || orders(b).any(|words| aligned(a, &words)),
    }
}

/// First word with first, last with last, and the inner words of the shorter name in order among those of the longer. One
/// pair at least must be two words, not an initial.
fn aligned(a: &[String], b: &[String]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let ([first, inner @ .., last], [long_first, long_inner @ .., long_last]) = (short, long) else {
        return false;
    };
    let fits = |a: &String, b: &String| near(a, b) || initial(a, b) || initial(b, a);
    let mut rest = long_inner.iter();
    fits(first, long_first)
        && fits(last, long_last)
        && inner.iter().all(|word| rest.any(|other| fits(word, other)))
        && [(first, long_first), (last, long_last)].iter().any(|(a, b)| a.chars().nth(1).is_some() && near(a, b))
}

fn initial(letter: &str, word: &str) -> bool {
    letter.chars().count() == 1 && word.starts_with(letter)
}

/// One word, but for a typo.
fn near(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (a_length, b_length) = (a.chars().count(), b.chars().count());
    let least = a_length.min(b_length);
    if least < 4 || a.chars().chain(b.chars()).any(char::is_numeric) || (is_syllable(a) && is_syllable(b)) {
        return false;
    }
    let edits = strsim::osa_distance(a, b);
    if least == 4 {
        let sorted = |word: &str| {
            let mut letters: Vec<char> = word.chars().collect();
            letters.sort_unstable();
            letters
        };
        return edits == 1 && sorted(a) == sorted(b);
    }
    edits <= 1 || (edits == 2 && strsim::jaro_winkler(a, b) >= LEAST_SIMILARITY)
}

/// Whether a word is one syllable of pinyin: an initial and a final (some pairs that do not occur are let through).
fn is_syllable(word: &str) -> bool {
    const INITIALS: &[&str] = &[
        "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r", "z", "c", "s",
        "y", "w",
    ];
    const FINALS: &[&str] = &[
        "a", "o", "e", "i", "u", "v", "ai", "ei", "ao", "ou", "an", "en", "ang", "eng", "ong", "ia", "ie", "iao", "iu",
        "ian", "in", "iang", "ing", "iong", "ua", "uo", "uai", "ui", "uan", "un", "uang", "ue", "ve", "yu",
    ];
    let rest = INITIALS.iter().find_map(|initial| word.strip_prefix(initial));
    rest.is_some_and(|rest| FINALS.contains(&rest))
}
