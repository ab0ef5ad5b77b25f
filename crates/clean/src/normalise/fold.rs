//! What every normaliser does first: compatibility forms, invisible characters, a spreadsheet's guards.
//!
//! The common case, short ASCII without anything odd, borrows.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::null::present;

/// Characters that take no room and carry no meaning in a key: soft hyphen, zero-width and direction marks, BOM.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// A Han character (also `〇` and `々`).
pub(super) fn is_han(c: char) -> bool {
    matches!(
        c,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}'
            | '〇' | '々'
    )
}

/// Characters that stand for a hidden one. `x` and `某` depend on the field and are not here.
pub(super) fn is_mask(c: char) -> bool {
    matches!(c, '*' | '＊' | '∗' | '⁎' | '✱' | '●' | '•' | '×' | '█')
}

/// NFKC (full width to half width), every kind of blank to a space, controls and invisible characters dropped.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (b' '..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    let plain = |c: char| c == ' ' || !(c.is_whitespace() || c.is_control() || is_invisible(c));
    if text.chars().all(plain) && is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    let blank = |c: char| if c.is_whitespace() { ' ' } else { c };
    let kept = |c: &char| c.is_whitespace() || !(c.is_control() || is_invisible(*c));
    Cow::Owned(text.chars().filter(kept).nfkc().map(blank).collect())
}

/// Folded, trimmed and without a spreadsheet's guards (`'007`, `="007"`); `None` where there is no value.
pub(super) fn prepare(text: &str) -> Option<Cow<'_, str>> {
    let text = present(text)?;
    Some(match fold(text) {
        Cow::Borrowed(text) => Cow::Borrowed(present(unguard(text))?),
        Cow::Owned(text) => {
            let inner = present(unguard(&text))?;
            if inner.len() == text.len() { Cow::Owned(text) } else { Cow::Owned(inner.to_owned()) }
        }
    })
}

fn unguard(mut text: &str) -> &str {
    loop {
        let before = text.len();
        text = text.trim_start_matches(['\'', '’', '‘', '`', ' ']).trim_end();
        if let Some(inner) = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
            text = inner;
        }
        if text.len() == before {
            return text;
        }
    }
}

/// `1.38E+10`, `1.38E10`, `5e3`: a number that has been shortened.
pub(super) fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let mantissa = mantissa.trim_start_matches(['+', '-']);
    let exponent = exponent.trim_start_matches(['+', '-']);
    !exponent.is_empty()
        && exponent.bytes().all(|b| b.is_ascii_digit())
        && mantissa.bytes().any(|b| b.is_ascii_digit())
        && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',')
}

/// `13800138000.0` as a spreadsheet's number writes it: the digits before the point, if at least `least` of them.
pub(super) fn without_zero_fraction(text: &str, least: usize) -> &str {
    match text.split_once('.') {
        Some((digits, zeros))
            if digits.len() >= least
                && !zeros.is_empty()
                && digits.bytes().all(|b| b.is_ascii_digit())
                && zeros.bytes().all(|b| b == b'0') =>
        {
            digits
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_width_blanks_and_guards() {
        for (text, expected) in [
            ("abc", Some("abc")),
            ("　１３８　", Some("138")),
            ("'7210448301122", Some("7210448301122")),
            ("=\"00123\"", Some("00123")),
            ("\u{202d}138\u{202c}", Some("138")),
            ("a\u{a0}b", Some("a b")),
            ("Ａ－Ｂ", Some("A-B")),
            ("ＮＵＬＬ", None),
            ("'", None),
            ("=\"\"", None),
        ] {
            assert_eq!(prepare(text).as_deref(), expected, "{text:?}");
        }
        assert!(matches!(prepare(" abc "), Some(Cow::Borrowed("abc"))));
        assert!(matches!(prepare("张三"), Some(Cow::Borrowed("张三"))));
    }

    #[test]
    fn knows_a_shortened_number() {
        for text in ["1.38E+10", "1.38e10", "5E3", "-1.5E-3", "1.38001E+10"] {
            assert!(is_scientific(text), "{text}");
        }
        for text in ["13800138000", "E10", "1.5", "abcE10", "1e", "1E5F"] {
            assert!(!is_scientific(text), "{text}");
        }
    }
}
