//! Names of persons: one spelling for display, and the parts where they are certain.
//!
//! Nothing is transliterated and simplified and traditional forms are left alone; that is comparison's business.

use std::borrow::Cow;

use super::IssueKind;
use super::fold::{is_han, is_mask, prepare};
use super::null::is_null;
use super::surname;

pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonName {
    /// As one would write it: no title, one blank between words, `·` between parts of a transcribed name. When masked,
    /// `*` for each hidden character (`张**`).
    pub value: String,
    /// Only where certain: a Han name that begins with a surname, `Last, First`, or a Latin name of two or more words
    /// none of which is a Chinese surname. A masked name has no given name.
    pub family: Option<String>,
    pub given: Option<String>,
    pub masked: bool,
}

/// Forms of address after a Han name, longest first.
const HAN_TITLES: [&str; 40] = [
    "总经理", "董事长", "副总", "先生", "女士", "小姐", "太太", "夫人", "老师", "同学", "师傅", "医生", "大夫", "教授",
    "博士", "律师", "经理", "主任", "老板", "店长", "总监", "会长", "院长", "校长", "局长", "处长", "科长", "阿姨",
    "叔叔", "大哥", "大姐", "大爷", "大妈", "同志", "女生", "男士", "老師", "醫生", "同學", "經理",
];

/// Words before or after a Latin name that are no part of it; compared without case and full stop.
const LATIN_TITLES: [&str; 24] = [
    "mr", "mrs", "ms", "miss", "mx", "mister", "dr", "prof", "professor", "sir", "madam", "madame", "mme", "mlle",
    "monsieur", "herr", "frau", "dhr", "mevr", "sig", "phd", "md", "esq", "mba",
];

/// Words inside a surname that stay in lower case and belong to what follows.
const PARTICLES: [&str; 16] = [
    "van", "von", "der", "den", "de", "del", "della", "di", "da", "dos", "du", "la", "le", "ter", "bin", "al",
];

/// Whole names that nobody has; a number may follow.
const NOBODY: [&str; 58] = [
    "顾客", "会员", "散客", "客户", "匿名", "匿名用户", "匿名买家", "游客", "用户", "新用户", "手机用户", "微信用户", "淘宝用户", "新会员",
    "普通会员", "微信会员", "淘宝会员", "临时会员", "零售", "零售客户", "零售顾客", "散户", "过路客", "普通顾客", "普通客户", "默认",
    "默认客户", "默认会员", "默认用户", "现金", "现金客户", "本人", "姓名", "不详", "佚名", "先生", "女士", "小姐", "guest", "customer",
    "member", "user", "anonymous", "unknown", "nobody", "walk in", "walkin", "cash", "test", "tester", "testing", "name",
    "first last", "no name", "asdf", "abc", "xxx", "vip",
];

/// Latin words of which a placeholder is made: `Test User`, `Cash Customer`.
const NOBODYS_WORDS: [&str; 15] = [
    "test", "tester", "testing", "user", "customer", "guest", "account", "cash", "sale", "walk", "in", "anonymous",
    "unknown", "demo", "dummy",
];

/// # Errors
/// `Placeholder` for what names nobody (`散客`, `测试`, `Guest`, digits, all masked); `Unparsable` never.
pub fn person_name(text: &str) -> Result<Option<PersonName>, IssueKind> {
    let Some(text) = prepare(text) else { return Ok(None) };
    if let Some((last, first)) = text.split_once(',')
        && !text.contains(is_han)
        && first.contains(char::is_alphabetic)
        && last.contains(char::is_alphabetic)
        && !is_title(first.trim())
    {
        return turned(last, first);
    }
    let (mut value, masked) = tidy(&text);
    strip(&mut value);
    refuse(&value)?;
    if value.contains(is_han) {
        let (family, given) = han_parts(&value, masked);
        return Ok(Some(PersonName { family, given, value, masked }));
    }
    recase(&mut value);
    let (family, given) = if masked { (None, None) } else { latin_parts(&value) };
    Ok(Some(PersonName { family, given, value, masked }))
}

/// `LAST, First` as `First Last`.
fn turned(last: &str, first: &str) -> Result<Option<PersonName>, IssueKind> {
    let (mut family, family_masked) = tidy(last);
    let (mut given, given_masked) = tidy(first);
    for part in [&mut family, &mut given] {
        strip(part);
        recase(part);
    }
    let value = format!("{given} {family}");
    refuse(&value)?;
    let masked = family_masked || given_masked;
    let words = given.split(' ').count();
    let (family, given) = match value.match_indices(' ').nth(words.saturating_sub(1)) {
        Some((at, _)) if !masked => (Some(value[at + 1..].to_owned()), Some(value[..at].to_owned())),
        _ => (None, None),
    };
    Ok(Some(PersonName { family, given, value, masked }))
}

/// Letters, marks and the few signs a name may hold; masks as `*`, dots as `·`; no blank beside a Han character; a
/// bracket at the end and digits after a Han name dropped. Tells whether anything is masked.
fn tidy(text: &str) -> (String, bool) {
    let text = match (text.find(['(', '[', '【']), text.ends_with([')', ']', '】'])) {
        (Some(open), true) if text[..open].contains(char::is_alphabetic) => &text[..open],
        _ => text,
    };
    let han = text.contains(is_han);
    let text: Cow<'_, str> = match text.chars().all(|c| is_sign(c, han)) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.chars().filter(|c| is_sign(*c, han)).collect()),
    };
    let mut value = String::with_capacity(text.len());
    let mut blank = false;
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map_or(' ', |(_, next)| *next);
        let between_letters = before.is_alphabetic() && next.is_alphabetic() && next != '某';
        before = c;
        let kept = match c {
            _ if DOTS.contains(&c) && between_letters => '·',
            '某' if han => '*',
            'x' | 'X' if (han && !is_latin_word(&text, at)) || is_run_of_x(&text, at) => '*',
            '•' | '●' | '○' | '□' | '?' => '*',
            _ if is_mask(c) => '*',
            _ if DOTS.contains(&c) => '·',
            ' ' | '_' | '/' | '+' => {
                blank = true;
                continue;
            }
            '’' | '‘' | 'ʼ' | '`' | '´' => '\'',
            '-' | '‐' | '‑' | '–' => '-',
            _ => c,
        };
        let last = value.chars().next_back().unwrap_or(kept);
        let joined = (is_han(last) || is_han(kept)) && !last.is_ascii_alphabetic() && !kept.is_ascii_alphabetic();
        if blank && !value.is_empty() && !joined {
            value.push(' ');
        }
        blank = false;
        // 买买提.艾力
        if is_han(kept) && value.strip_suffix('.').is_some_and(|name| name.ends_with(is_han)) {
            value.pop();
            value.push('·');
        }
        value.push(kept);
    }
    trim(&mut value);
    let masked = value.contains('*');
    (value, masked)
}

/// What parts a transcribed name; `•` and `●` mask where they do not stand between letters.
const DOTS: [char; 7] = ['·', '・', '‧', '∙', '⋅', '•', '●'];

/// Whether a name may hold this, or something written for a mask, a dot or a blank.
fn is_sign(c: char, han: bool) -> bool {
    c.is_alphanumeric()
        || is_mark(c)
        || is_mask(c)
        || DOTS.contains(&c)
        || matches!(c, ' ' | '_' | '/' | '+' | '.' | '\'' | '’' | '‘' | '`' | '´' | '-' | '‐' | '‑' | '–')
        || (han && matches!(c, '○' | '□' | '?'))
}

/// Cuts off signs that no name begins or ends with, and digits after a Han name.
fn trim(value: &mut String) {
    if value.contains(is_han) {
        value.truncate(value.trim_end_matches(|c: char| c.is_numeric() || matches!(c, '-' | '.' | ' ')).len());
    }
    value.truncate(value.trim_end_matches(['-', '\'', '·', ' ']).len());
    let start = value.len() - value.trim_start_matches(['-', '\'', '·', '.', ' ']).len();
    value.drain(..start);
}

/// Takes titles and stray signs away until none is left.
fn strip(value: &mut String) {
    loop {
        let before = value.len();
        strip_titles(value);
        trim(value);
        if value.len() == before {
            return;
        }
    }
}

/// Combining marks that NFKC leaves, and the marks of Indic and Arabic scripts.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}' | '\u{900}'..='\u{dff}' | '\u{e31}'..='\u{e4e}')
}

/// Whether the `x` at this place stands among other Latin letters, as in `张 Max`.
fn is_latin_word(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches(['x', 'X']).chars().next_back();
    let after = text[at..].trim_start_matches(['x', 'X']).chars().next();
    [before, after].into_iter().flatten().any(|c| c.is_ascii_alphabetic())
}

/// Whether the `x` at this place belongs to a word of two or more `x` and nothing else, as in `Zhang XX`.
fn is_run_of_x(text: &str, at: usize) -> bool {
    let start = text[..at].trim_end_matches(['x', 'X']).len();
    let run = text[start..].len() - text[start..].trim_start_matches(['x', 'X']).len();
    run >= 2 && !text[..start].ends_with(char::is_alphanumeric) && !text[start + run..].starts_with(char::is_alphanumeric)
}

fn is_title(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    LATIN_TITLES.iter().any(|title| word.eq_ignore_ascii_case(title))
        || word.eq_ignore_ascii_case("ph.d")
        || word.eq_ignore_ascii_case("m.d")
}

/// Titles at either end, as long as something is left.
fn strip_titles(value: &mut String) {
    while let Some((first, rest)) = value.split_once(' ')
        && is_title(first)
    {
        value.drain(..value.len() - rest.len());
    }
    // `Mr.王`
    if let Some((first, rest)) = value.split_once('.')
        && is_title(first)
        && rest.starts_with(char::is_alphabetic)
    {
        value.drain(..value.len() - rest.len());
    }
    while let Some((rest, last)) = value.rsplit_once(' ')
        && is_title(last)
    {
        value.truncate(rest.len());
    }
    for title in HAN_TITLES {
        if let Some(rest) = value.strip_suffix(title) {
            let rest = rest.trim_end_matches([' ', '·']);
            if !rest.is_empty() {
                value.truncate(rest.len());
            }
            break;
        }
    }
    // 王总, but not 张总 as part of a longer name.
    if value.ends_with('总') && surname::leading(value).is_some_and(|end| value[end..] == *"总") {
        value.truncate(value.len() - '总'.len_utf8());
    }
}

fn refuse(value: &str) -> Result<(), IssueKind> {
    let stem = value.trim_end_matches(|c: char| c.is_numeric() || matches!(c, ' ' | '*' | '-' | '_' | '.'));
    if is_null(value) || !stem.contains(char::is_alphabetic) || stem.starts_with("测试") || stem.starts_with("測試") {
        return Err(IssueKind::Placeholder);
    }
    let nobody = NOBODY.iter().any(|name| stem.eq_ignore_ascii_case(name))
        || stem.contains([' ', '-'])
            && stem
                .split([' ', '-'])
                .all(|word| NOBODYS_WORDS.iter().any(|nobody| word.eq_ignore_ascii_case(nobody)));
    if nobody { Err(IssueKind::Placeholder) } else { Ok(()) }
}

fn han_parts(value: &str, masked: bool) -> (Option<String>, Option<String>) {
    let pure = value.chars().all(|c| is_han(c) || c == '*');
    if !pure || value.chars().count() > 4 {
        return (None, None);
    }
    let Some(end) = surname::leading(value) else { return (None, None) };
    let (family, given) = value.split_at(end);
    (Some(family.to_owned()), (!masked && !given.is_empty()).then(|| given.to_owned()))
}

/// The last word and the particles before it, where no word might be a Chinese surname.
fn latin_parts(value: &str) -> (Option<String>, Option<String>) {
    if value.split(' ').any(surname::is_pinyin) {
        return (None, None);
    }
    let name = value.trim_end_matches([' ', '.']);
    let name = match name.rsplit_once(' ') {
        Some((rest, last)) if matches!(last, "Jr" | "Sr" | "II" | "III" | "IV") => rest,
        _ => name,
    };
    let Some((mut given, _)) = name.rsplit_once(' ') else { return (None, None) };
    while let Some((rest, last)) = given.rsplit_once(' ')
        && PARTICLES.contains(&last)
    {
        given = rest;
    }
    (Some(name[given.len()..].trim().to_owned()), Some(given.to_owned()))
}

/// Title case where the writer used none: all capitals, or none at all.
fn recase(value: &mut String) {
    let upper = value.contains(char::is_uppercase);
    let lower = value.contains(char::is_lowercase);
    if upper == lower || (upper && value.chars().filter(|c| c.is_alphabetic()).count() < 2) {
        return;
    }
    let mut cased = String::with_capacity(value.len());
    for (i, word) in value.split(' ').enumerate() {
        if i > 0 {
            cased.push(' ');
        }
        let small = word.to_lowercase();
        if i > 0 && PARTICLES.contains(&small.as_str()) {
            cased.push_str(&small);
        } else if upper && matches!(word, "II" | "III" | "IV") {
            cased.push_str(word);
        } else {
            capitalise(&small, &mut cased);
        }
    }
    *value = cased;
}

/// Capitals at the head of each part (`Anne-Marie`, `O'Brien`, `J.R.`) and after `Mc`.
fn capitalise(word: &str, cased: &mut String) {
    let scottish = word.starts_with("mc") && word.len() > 4;
    let mut head = true;
    for (at, c) in word.char_indices() {
        if head || (scottish && at == 2) {
            // `ß` has no capital of its own.
            let mut upper = c.to_uppercase();
            let single = upper.next().filter(|_| upper.next().is_none());
            cased.push(single.unwrap_or(c));
        } else {
            cased.push(c);
        }
        head = matches!(c, '-' | '.' | '·') || (c == '\'' && at == 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Option<String>, Option<String>) {
        match person_name(text) {
            Ok(Some(PersonName { value, family, given, masked: false })) => (value, family, given),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn han_names_are_cleaned_and_parted() {
        for (text, value, family, given) in [
            ("张三", "张三", "张", "三"),
            ("  张　三 ", "张三", "张", "三"),
            ("王芳(VIP)", "王芳", "王", "芳"),
            ("王芳（已婚）", "王芳", "王", "芳"),
            ("王芳2", "王芳", "王", "芳"),
            ("张三13800138000", "张三", "张", "三"),
            ("张伟🌸", "张伟", "张", "伟"),
            ("'李娜", "李娜", "李", "娜"),
            ("欧阳娜娜", "欧阳娜娜", "欧阳", "娜娜"),
            ("欧 阳 锋", "欧阳锋", "欧阳", "锋"),
            ("上官婉儿", "上官婉儿", "上官", "婉儿"),
            ("歐陽修", "歐陽修", "歐陽", "修"),
            ("李建国老师", "李建国", "李", "建国"),
            ("Mr. 王小明", "王小明", "王", "小明"),
            ("王小明 先生", "王小明", "王", "小明"),
            ("曾　国藩", "曾国藩", "曾", "国藩"),
        ] {
            assert_eq!(read(text), (value.into(), Some(family.into()), Some(given.into())), "{text}");
        }
        for (text, value, family) in [
            ("王先生", "王", Some("王")),
            ("王女士", "王", Some("王")),
            ("欧阳先生", "欧阳", Some("欧阳")),
            ("王总", "王", Some("王")),
            ("陈老师", "陈", Some("陈")),
            ("小明", "小明", None),
            ("老王", "老王", None),
            ("买买提·艾力", "买买提·艾力", None),
            ("买买提•艾力", "买买提·艾力", None),
            ("买买提・艾力", "买买提·艾力", None),
            ("买买提.艾力", "买买提·艾力", None),
            ("阿卜杜热合曼·阿布都拉", "阿卜杜热合曼·阿布都拉", None),
            ("杭州某公司", "杭州*公司", None),
            ("张 Max", "张 Max", None),
        ] {
            let Ok(Some(found)) = person_name(text) else { panic!("{text}") };
            assert_eq!((found.value.as_str(), found.family.as_deref(), found.given), (value, family, None), "{text}");
        }
    }

    #[test]
    fn latin_names_get_one_case_and_order() {
        for (text, value) in [
            ("john smith", "John Smith"),
            ("JOHN SMITH", "John Smith"),
            ("John  Smith", "John Smith"),
            ("Mr. John Smith", "John Smith"),
            ("mrs jane o'neil", "Jane O'Neil"),
            ("Dr Jane Doe-Smith PhD", "Jane Doe-Smith"),
            ("JANE DOE-SMITH", "Jane Doe-Smith"),
            ("Ronald McDonald", "Ronald McDonald"),
            ("RONALD MCDONALD", "Ronald McDonald"),
            ("ludwig van beethoven", "Ludwig van Beethoven"),
            ("SMITH, John", "John Smith"),
            ("Smith, John Jr", "John Jr Smith"),
            ("SMITH, JOHN", "John Smith"),
            ("van Dyke, Anne", "Anne van Dyke"),
            ("John Smith, MD", "John Smith MD"),
            ("ZHANG SAN", "Zhang San"),
            ("zhang san", "Zhang San"),
            ("ＪＯＨＮ　ＳＭＩＴＨ", "John Smith"),
            ("JOSÉ GARCÍA", "José García"),
            ("ИВАН ПЕТРОВ", "Иван Петров"),
            ("Sœur Anne’s", "Sœur Anne's"),
            ("J. R. R. TOLKIEN", "J. R. R. Tolkien"),
            ("henry tudor viii", "Henry Tudor Viii"),
            ("JOHN SMITH III", "John Smith III"),
        ] {
            let expected = if text == "John Smith, MD" { "John Smith" } else { value };
            assert_eq!(read(text).0, expected, "{text}");
        }
    }

    #[test]
    fn latin_parts_only_where_certain() {
        for (text, family, given) in [
            ("SMITH, John", Some("Smith"), Some("John")),
            ("ZHANG, San", Some("Zhang"), Some("San")),
            ("Mary Ann Evans", Some("Evans"), Some("Mary Ann")),
            ("Ludwig van Beethoven", Some("van Beethoven"), Some("Ludwig")),
            ("John Smith Jr", Some("Smith"), Some("John")),
            ("Zhang San", None, None),
            ("Bruce Lee", None, None),
            ("Madonna", None, None),
        ] {
            let (_, found_family, found_given) = read(text);
            assert_eq!((found_family.as_deref(), found_given.as_deref()), (family, given), "{text}");
        }
    }

    #[test]
    fn masked_names_keep_their_pattern() {
        for (text, value, family) in [
            ("张*", "张*", Some("张")),
            ("张**", "张**", Some("张")),
            ("张＊＊", "张**", Some("张")),
            ("张某", "张*", Some("张")),
            ("张某某", "张**", Some("张")),
            ("张某某先生", "张**", Some("张")),
            ("张xx", "张**", Some("张")),
            ("张X", "张*", Some("张")),
            ("张●●", "张**", Some("张")),
            ("欧阳**", "欧阳**", Some("欧阳")),
            ("*三", "*三", None),
            ("张*三", "张*三", Some("张")),
            ("J*** S****", "J*** S****", None),
            ("Zhang XX", "Zhang **", None),
        ] {
            let Ok(Some(found)) = person_name(text) else { panic!("{text}") };
            assert_eq!((found.value.as_str(), found.family.as_deref(), found.given, found.masked), (value, family, None, true), "{text}");
        }
        assert!(!read("Max Xu").0.contains('*'));
    }

    #[test]
    fn names_of_nobody_are_refused() {
        for text in [
            "顾客", "会员", "散客", "测试", "测试用户1", "匿名", "微信用户", "手机用户1380", "13800138000", "123", "***", "某某", "某先生",
            "test", "TEST", "Test User", "guest", "Guest 12", "Walk-in", "Cash Customer", "Anonymous", "...", "？？", "🌸", "先生",
            "会员888", "xxx", "XX",
        ] {
            assert_eq!(person_name(text), Err(IssueKind::Placeholder), "{text}");
        }
        for text in ["", " ", "-", "无", "NULL"] {
            assert_eq!(person_name(text), Ok(None), "{text}");
        }
    }
}
