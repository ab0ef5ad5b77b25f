//! Forms of address, which are no part of a name.

use crate::normalise::fold::is_han;
use crate::normalise::surname;

/// Forms of address after a Han name, longest first.
#[rustfmt::skip]
const HAN_TITLES: [&str; 40] = [
    "总经理", "董事长", "副总", "先生", "女士", "小姐", "太太", "夫人", "老师", "同学", "师傅", "医生",
    "大夫", "教授", "博士", "律师", "经理", "主任", "老板", "店长", "总监", "会长", "院长", "校长", "局长",
    "处长", "科长", "阿姨", "叔叔", "大哥", "大姐", "大爷", "大妈", "同志", "女生", "男士", "老師", "醫生",
    "同學", "經理",
];

/// Words before a Latin name that are no part of it; compared without case and full stop.
const LATIN_TITLES: [&str; 19] = [
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "mister",
    "dr",
    "prof",
    "professor",
    "sir",
    "madam",
    "madame",
    "mme",
    "mlle",
    "monsieur",
    "herr",
    "frau",
    "dhr",
    "mevr",
];

/// Words after one. `Md` before a name is short for Mohammad.
const DEGREES: [&str; 5] = ["phd", "ph.d", "md", "m.d", "esq"];

fn is_in(words: &[&str], word: &str) -> bool {
    let word = word.trim_end_matches('.');
    words.iter().any(|title| word.eq_ignore_ascii_case(title))
}

/// Whether a Latin word is a title before a name.
pub(super) fn is_one(word: &str) -> bool {
    is_in(&LATIN_TITLES, word)
}

/// Whether it is one after a name.
pub(super) fn is_after(word: &str) -> bool {
    is_one(word) || is_in(&DEGREES, word)
}

/// Titles at either end, as long as something is left.
pub(super) fn strip(value: &mut String) {
    while let Some((first, rest)) = value.split_once(' ')
        && is_one(first)
    {
        value.drain(..value.len() - rest.len());
    }
    // `Mr.王`
    if let Some((first, rest)) = value.split_once('.')
        && is_one(first)
        && rest.starts_with(char::is_alphabetic)
    {
        value.drain(..value.len() - rest.len());
    }
    while let Some((rest, last)) = value.rsplit_once(' ')
        && is_after(last)
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
    if value.contains(is_han) {
        let vip = |part: Option<&str>| part.is_some_and(|part| part.eq_ignore_ascii_case("vip"));
        if vip(value.get(..3)) {
            value.drain(..3);
        }
        let end = value.len().saturating_sub(3);
        if vip(value.get(end..)) {
            value.truncate(end);
        }
    }
    // 王总, but not 张总 as part of a longer name.
    if value.ends_with('总') && surname::leading(value).is_some_and(|end| value[end..] == *"总") {
        value.truncate(value.len() - '总'.len_utf8());
    }
}
