//! Free text: composed, trimmed, one blank between words.
//!
//! Nothing else is done to it: width, case and punctuation are the writer's.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::null::present;

pub const VERSION: u32 = 1;

/// NFC, trimmed, runs of blanks (line breaks too) as one space, control characters dropped; `None` for no value.
///
/// Borrows where the text is already so.
pub fn text(text: &str) -> Option<Cow<'_, str>> {
    let text = present(text)?;
    if is_tidy(text) && (text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes) {
        return Some(Cow::Borrowed(text));
    }
    let mut tidy = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.chars().filter(|c| c.is_whitespace() || !is_dropped(*c)).nfc() {
        if c.is_whitespace() {
            blank = true;
        } else {
            if blank && !tidy.is_empty() {
                tidy.push(' ');
            }
            blank = false;
            tidy.push(c);
        }
    }
    present(&tidy).is_some().then_some(Cow::Owned(tidy))
}

fn is_tidy(text: &str) -> bool {
    let mut blank = false;
    text.chars().all(|c| {
        let after_blank = std::mem::replace(&mut blank, c == ' ');
        if c.is_whitespace() { c == ' ' && !after_blank } else { !is_dropped(c) }
    })
}

/// Joiners stay: they make one emoji of several, and Persian needs them.
fn is_dropped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidies_without_rewriting() {
        for (given, expected) in [
            ("hello", Some("hello")),
            ("  hello   world ", Some("hello world")),
            ("第一行\r\n第二行", Some("第一行 第二行")),
            ("Ａ（全角）", Some("Ａ（全角）")),
            ("e\u{301}te\u{301}", Some("été")),
            ("a\u{0}b\u{7}c", Some("abc")),
            ("a\u{3000}\u{3000}b", Some("a b")),
            ("👨\u{200d}👩", Some("👨\u{200d}👩")),
            ("N\u{200b}/A", None),
            ("NULL", None),
            ("   ", None),
        ] {
            assert_eq!(text(given).as_deref(), expected, "{given:?}");
        }
        assert!(matches!(text(" 你好 世界 "), Some(Cow::Borrowed("你好 世界"))));
    }
}
