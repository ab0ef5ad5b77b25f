//! Names of persons: one spelling for display, and the parts where they are certain.
//!
//! Nothing is transliterated and simplified and traditional forms are left alone; that is comparison's business.

mod latin;
mod nobody;
mod title;

use std::borrow::Cow;

use super::IssueKind;
use super::fold::{is_han, is_mask, prepare};
use super::surname;

pub const VERSION: u32 = 2;

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

/// # Errors
/// `Placeholder` for what names nobody (`散客`, `测试`, `Guest`, digits, all masked); `Ambiguous` for two names in one field
/// (`张三/李四`, `John & Jane Smith`); `Unparsable` for a platform's user name (`tb1234567`).
pub fn person_name(text: &str) -> Result<Option<PersonName>, IssueKind> {
    let Some(text) = prepare(text) else { return Ok(None) };
    let han = text.contains(is_han);
    if text.contains(AND) || (han && text.contains(',')) {
        return one_of(&text);
    }
    if let Some((last, first)) = text.split_once(',')
        && first.contains(char::is_alphabetic)
        && last.contains(char::is_alphabetic)
        && !title::is_after(first.trim())
    {
        return turned(last, first);
    }
    single(&text).map(Some)
}

/// What stands between two names; a comma only between Han names.
const AND: [char; 6] = ['/', '、', '&', ';', '|', '+'];

/// Several names that come to one: `陈先生/女士`, or the same name twice.
fn one_of(text: &str) -> Result<Option<PersonName>, IssueKind> {
    let mut found: Option<PersonName> = None;
    for part in text.split(|c| c == ',' || AND.contains(&c)) {
        match single(part) {
            Ok(name) if found.as_ref().is_none_or(|found| *found == name) => found = Some(name),
            Ok(_) => return Err(IssueKind::Ambiguous),
            Err(IssueKind::Placeholder) => {}
            Err(kind) => return Err(kind),
        }
    }
    found.map(Some).ok_or(IssueKind::Placeholder)
}

fn single(text: &str) -> Result<PersonName, IssueKind> {
    let (mut value, masked) = tidy(text);
    strip(&mut value);
    nobody::refuse(&value)?;
    if value.contains(is_han) {
        let (family, given) = han_parts(&value, masked);
        return Ok(PersonName { family, given, value, masked });
    }
    latin::recase(&mut value);
    let (family, given) = if masked { (None, None) } else { latin::parts(&value) };
    Ok(PersonName { family, given, value, masked })
}

/// `LAST, First` as `First Last`.
fn turned(last: &str, first: &str) -> Result<Option<PersonName>, IssueKind> {
    let (mut family, family_masked) = tidy(last);
    let (mut given, given_masked) = tidy(first);
    for part in [&mut family, &mut given] {
        strip(part);
        latin::recase(part);
    }
    let value = format!("{given} {family}");
    nobody::refuse(&value)?;
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
            ' ' | '_' => {
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
        || matches!(c, ' ' | '_' | '.' | '\'' | '’' | '‘' | '`' | '´' | '-' | '‐' | '‑' | '–')
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
        title::strip(value);
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
    run >= 2
        && !text[..start].ends_with(char::is_alphanumeric)
        && !text[start + run..].starts_with(char::is_alphanumeric)
}

fn han_parts(value: &str, masked: bool) -> (Option<String>, Option<String>) {
    if !value.chars().all(|c| is_han(c) || c == '*') {
        return (None, None);
    }
    let Some(end) = surname::leading(value) else { return (None, None) };
    let (family, given) = value.split_at(end);
    // More is two surnames, a Japanese name or no name.
    if given.chars().count() > if masked { 3 } else { 2 } {
        return (None, None);
    }
    (Some(family.to_owned()), (!masked && !given.is_empty()).then(|| given.to_owned()))
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
            ("VIP张三", "张三", "张", "三"),
            ("张三vip", "张三", "张", "三"),
            ("张三/张三", "张三", "张", "三"),
            ("曾　国藩", "曾国藩", "曾", "国藩"),
        ] {
            assert_eq!(read(text), (value.into(), Some(family.into()), Some(given.into())), "{text}");
        }
        for (text, value, family) in [
            ("王先生", "王", Some("王")),
            ("陈先生/女士", "陈", Some("陈")),
            ("田中太郎", "田中太郎", None),
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
            ("Md Rahman", "Md Rahman"),
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
            ("VAN DER BERG", None, None),
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
            assert_eq!(
                (found.value.as_str(), found.family.as_deref(), found.given, found.masked),
                (value, family, None, true),
                "{text}"
            );
        }
        assert!(!read("Max Xu").0.contains('*'));
    }

    #[test]
    fn names_of_nobody_are_refused() {
        for text in [
            "顾客",
            "会员",
            "散客",
            "测试",
            "测试用户1",
            "匿名",
            "微信用户",
            "手机用户1380",
            "13800138000",
            "123",
            "***",
            "某某",
            "某先生",
            "test",
            "TEST",
            "Test User",
            "guest",
            "Guest 12",
            "Walk-in",
            "Cash Customer",
            "Anonymous",
            "...",
            "？？",
            "🌸",
            "先生",
            "会员888",
            "xxx",
            "XX",
            "Mr.",
            "小红书用户",
            "用户a8f3",
        ] {
            assert_eq!(person_name(text), Err(IssueKind::Placeholder), "{text}");
        }
        for text in ["张三/李四", "张三、李四", "张三，李四", "John & Jane Smith"] {
            assert_eq!(person_name(text), Err(IssueKind::Ambiguous), "{text}");
        }
        for text in ["tb1234567", "wxid_abc123", "t_1500000"] {
            assert_eq!(person_name(text), Err(IssueKind::Unparsable), "{text}");
        }
        for text in ["", " ", "-", "无", "NULL"] {
            assert_eq!(person_name(text), Ok(None), "{text}");
        }
    }
}
