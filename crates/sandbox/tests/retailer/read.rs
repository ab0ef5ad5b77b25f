//! Reads the files back, strictly: a byte that does not decode or a quote out of place fails the test.

use std::path::Path;

/// The rows of a GB18030 file with CRLF.
pub fn gb18030(path: &Path) -> Vec<Vec<String>> {
    let bytes = std::fs::read(path).unwrap();
    let text = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(&bytes);
    let text = text.unwrap_or_else(|| panic!("{} is not GB18030", path.display()));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    csv(&text.replace("\r\n", "\n"))
}

/// The rows of a UTF-8 file with byte order mark and LF.
pub fn utf8_with_mark(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.contains('\r'));
    csv(text.strip_prefix('\u{feff}').expect("a byte order mark"))
}

/// RFC 4180 with LF.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut letters) = (false, text.chars().peekable());
    while let Some(letter) = letters.next() {
        match (quoted, letter) {
            (true, '"') if letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            (true, '"') => {
                quoted = false;
                assert!(matches!(letters.peek(), Some(',' | '\n')), "a quote within a field");
            }
            (false, '"') => {
                assert!(field.is_empty(), "a quote within a field");
                quoted = true;
            }
            (false, ',') => row.push(std::mem::take(&mut field)),
            (false, '\n') => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            (_, other) => field.push(other),
        }
    }
    assert!(!quoted && field.is_empty() && row.is_empty(), "the last line has no end");
    rows
}
