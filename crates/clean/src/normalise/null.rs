//! What counts as no value.
//!
//! Exports write "nothing" in many ways. Only spellings that cannot be a value of any field are listed; `0`, `NA` and
//! `nan` (a given name) are not among them.

use super::fold::is_invisible;

/// Written by people and programs for "no value"; compared without regard to ASCII case.
const NULLS: [&str; 25] = [
    "-",
    "--",
    "---",
    "—",
    "——",
    "–",
    "－",
    "/",
    "\\",
    "\\n",
    "null",
    "(null)",
    "<null>",
    "[null]",
    "none",
    "n/a",
    "#n/a",
    "undefined",
    "无",
    "暂无",
    "空",
    "未填",
    "未填写",
    "未知",
    "没有",
];

/// The longest of them in bytes.
const LONGEST: usize = 9;

/// The text without surrounding blanks, controls and invisible characters, or `None` where that is no value.
pub(super) fn present(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c));
    let null = text.is_empty() || (text.len() <= LONGEST && listed(text));
    (!null).then_some(text)
}

/// Whether a field holding this text holds no value.
pub fn is_null(text: &str) -> bool {
    present(text).is_none()
}

fn listed(text: &str) -> bool {
    // pandas writes `NaN`, a person is called Nan or NAN.
    text == "NaN" || NULLS.iter().any(|null| text.eq_ignore_ascii_case(null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_its_many_spellings() {
        for text in [
            "",
            " ",
            "\t\r\n",
            "\u{3000}",
            "\u{feff}",
            "-",
            " - ",
            "NULL",
            "null",
            "Null",
            "无",
            "未填写",
            "N/A",
            "n/a",
            "\\N",
            "None",
            "\u{a0}--\u{a0}",
            "NaN",
            "undefined",
            "/",
        ] {
            assert!(is_null(text), "{text:?}");
        }
    }

    #[test]
    fn values_that_merely_look_like_nothing_are_kept() {
        for text in ["0", "NA", "Nan", "无锡", "-1", "nullo", "空空", "N"] {
            assert!(!is_null(text), "{text:?}");
        }
    }

    #[test]
    fn the_length_shortcut_covers_the_list() {
        assert_eq!(NULLS.iter().map(|null| null.len()).max(), Some(LONGEST));
    }
}
