//! Identifiers that systems hand out: member numbers, ouid, openid, unionid, device ids.
//!
//! They are opaque, so little is done: what a spreadsheet or a keyboard added is taken away, and what cannot be an
//! identifier is refused. E-mail addresses and phones have normalisers of their own.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::IssueKind;
use super::fold::{is_mask, is_scientific, prepare, without_zero_fraction};

pub const VERSION: u32 = 1;

/// The one kind whose letters are a person's typing, and so written in upper case; elsewhere case tells ids apart.
const TYPED: &str = "member_no";

#[rustfmt::skip]
const PLACEHOLDERS: [&str; 22] = [
    "test", "tester", "demo", "guest", "default", "unknown", "anonymous", "none", "null", "xxx", "xxxx",
    "abc", "abc123", "123456789", "1234567890", "12345678", "散客", "会员", "匿名", "游客", "测试", "非会员",
];

/// The identifier without blanks, guards and invisible characters, and whether it is masked (`*` where hidden).
/// `kind` is the model's name of the identifier type.
///
/// # Errors
/// `ScientificNotation` (`1.38E+10`, also a number over 15 digits that a spreadsheet ends in `.0`); `Placeholder`
/// (zeros only, one character eight times or more, `test`, `散客`, all masked); `Unparsable` (over 256 bytes).
pub fn identifier(kind: &str, text: &str) -> Result<Option<(String, bool)>, IssueKind> {
    let Some(mut text) = prepare(text) else { return Ok(None) };
    if text.contains(' ') {
        // Composed once more: an accent may have stood alone behind its blank.
        text = Cow::Owned(text.chars().filter(|c| *c != ' ').nfkc().collect());
    }
    // `12E5` is an id; a spreadsheet writes the sign.
    if is_scientific(&text) && text.contains(['+', '.']) {
        return Err(IssueKind::ScientificNotation);
    }
    let number = without_zero_fraction(&text, 1);
    if number.len() != text.len() && number.len() > 15 {
        return Err(IssueKind::ScientificNotation);
    }
    if number.len() > 256 {
        return Err(IssueKind::Unparsable);
    }
    let typed = kind == TYPED;
    let mut value = String::with_capacity(number.len());
    let mut masked = false;
    for c in number.chars() {
        match c {
            _ if is_mask(c) => {
                masked = true;
                value.push('*');
            }
            _ if typed => value.push(c.to_ascii_uppercase()),
            _ => value.push(c),
        }
    }
    if is_placeholder(&value) { Err(IssueKind::Placeholder) } else { Ok(Some((value, masked))) }
}

fn is_placeholder(value: &str) -> bool {
    let mut signs = value.chars().filter(|c| !matches!(c, '-' | '_' | '.' | '/' | ':'));
    let Some(first) = signs.next() else { return true };
    let mut count = 1;
    let alike = signs.inspect(|_| count += 1).all(|c| c == first);
    (alike && (matches!(first, '0' | '*') || count >= 8))
        || PLACEHOLDERS.iter().any(|placeholder| value.eq_ignore_ascii_case(placeholder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use IssueKind::*;

    #[test]
    fn identifiers_lose_only_what_was_added() {
        for (kind, text, expected) in [
            ("member_no", "vip 0012 ab", "VIP0012AB"),
            ("member_no", "ＶＩＰ００１２", "VIP0012"),
            ("member_no", "'000123", "000123"),
            ("member_no", "=\"000123\"", "000123"),
            ("member_no", "8801234.0", "8801234"),
            ("member_no", "12e5", "12E5"),
            ("member_no", "888888", "888888"),
            ("ouid", "AAHd5d-HAAeGwJedwSnHktBI", "AAHd5d-HAAeGwJedwSnHktBI"),
            ("unionid", " oWgGz1N_abc=XYZ ", "oWgGz1N_abc=XYZ"),
            ("openid", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M\u{200b}", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"),
            ("customer_id", "7210448301122", "7210448301122"),
            ("customer_id", "813951242628553689", "813951242628553689"),
            ("uuid", "6f1c2d3e-0000-4000-8000-000000000001", "6f1c2d3e-0000-4000-8000-000000000001"),
        ] {
            assert_eq!(identifier(kind, text), Ok(Some((expected.into(), false))), "{text}");
        }
        assert_eq!(identifier("nick", "摩**"), Ok(Some(("摩**".into(), true))));
        assert_eq!(identifier("card", "6222＊＊＊＊1234"), Ok(Some(("6222****1234".into(), true))));
        for text in ["", "NULL", "-", "无"] {
            assert_eq!(identifier("ouid", text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_identifies_nobody_is_refused() {
        for (text, kind) in [
            ("1.38E+10", ScientificNotation),
            ("8.13951E+17", ScientificNotation),
            ("1E+05", ScientificNotation),
            ("813951242628553689.0", ScientificNotation),
            ("0", Placeholder),
            ("000000", Placeholder),
            ("00000000-0000-0000-0000-000000000000", Placeholder),
            ("99999999", Placeholder),
            ("test", Placeholder),
            ("TEST", Placeholder),
            ("散客", Placeholder),
            ("****", Placeholder),
            ("...", Placeholder),
        ] {
            assert_eq!(identifier("member_no", text), Err(kind), "{text}");
        }
    }
}
