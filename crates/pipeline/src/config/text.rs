//! From a place in a string's value to the place in the file: quotes, escapes and line ends of TOML strings.

const DELIMITERS: [&str; 4] = ["\"\"\"", "'''", "\"", "'"];

/// The quotes a token starts with; empty for anything but a string.
pub fn delimiter(token: &str) -> &'static str {
    let of = |quotes: &&&'static str| token.starts_with(**quotes) && token.len() >= 2 * quotes.len();
    DELIMITERS.iter().find(of).copied().unwrap_or("")
}

/// Byte offset in `token` (a TOML string with its quotes) of the byte `offset` of its value.
pub fn raw_offset(token: &str, offset: usize) -> usize {
    let quotes = delimiter(token);
    let end = token.len() - quotes.len();
    let mut raw = quotes.len();
    if quotes.len() == 3 {
        let body = token.get(raw..end).unwrap_or("");
        raw += if body.starts_with("\r\n") { 2 } else { usize::from(body.starts_with('\n')) };
    }
    let mut value = 0;
    while raw < end {
        let rest = token.get(raw..end).unwrap_or("");
        let (raw_len, value_len) = if quotes.starts_with('"') && rest.starts_with('\\') {
            escape(rest)
        } else {
            let len = rest.chars().next().map_or(1, char::len_utf8);
            (len, len)
        };
        if value_len > 0 && value + value_len > offset {
            break;
        }
        raw += raw_len;
        value += value_len;
    }
    raw.min(end)
}

/// Length of the escape at the start of `rest`, there and in the value.
fn escape(rest: &str) -> (usize, usize) {
    let hex = |digits: usize| {
        let code = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        (2 + digits, code.and_then(char::from_u32).map_or(1, char::len_utf8))
    };
    match rest.as_bytes().get(1) {
        Some(b'x') => hex(2),
        Some(b'u') => hex(4),
        Some(b'U') => hex(8),
        // A backslash at the end of a line swallows all white space after it.
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            let white = rest.get(1..).unwrap_or("");
            (1 + white.len() - white.trim_start_matches([' ', '\t', '\r', '\n']).len(), 0)
        }
        _ => (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character of the value is found again in the token.
    fn check(token: &str) {
        let document = format!("a = {token}\n");
        let table = toml::de::DeTable::parse(&document).unwrap();
        let value = table.get_ref().get("a").unwrap().get_ref().as_str().unwrap();
        for (at, c) in value.char_indices() {
            let rest = &token[raw_offset(token, at)..];
            assert!(rest.starts_with(c) || rest.starts_with('\\'), "{token:?} {at} {c:?} {rest:?}");
        }
        let quotes = delimiter(token).len();
        assert_eq!(raw_offset(token, value.len()), token.len() - quotes, "{token:?}");
    }

    #[test]
    fn every_kind_of_string_is_mapped() {
        for token in [
            r#""plain""#,
            r#""姓名 and \"quoted\" \t tab \u00e9 \U0001F600 \x41 end""#,
            r"'literal \n stays'",
            "\"\"\"\nfirst\nsecond \\\n   joined \\\"\\\"\\\" \"\" quotes\"\"\"",
            "\"\"\"\r\nfirst\r\nsecond \\\r\n\r\n   joined\"\"\"",
            "'''\n姓名\n'quoted' \\'''",
            "\"\"",
            "''",
            "\"\"\"\"\"\"",
            "''''''",
        ] {
            check(token);
        }
    }

    #[test]
    fn an_escape_is_one_place() {
        let token = r#""a\u59d3b""#;
        assert_eq!(&token[raw_offset(token, 1)..], r#"\u59d3b""#);
        assert_eq!(&token[raw_offset(token, 2)..], r#"\u59d3b""#);
        assert_eq!(&token[raw_offset(token, 4)..], "b\"");
    }
}
