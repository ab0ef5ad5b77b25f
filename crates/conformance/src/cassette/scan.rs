//! The scalars of a JSON text, with the names above them, so that some can be replaced and every other byte stays as it was.

use std::ops::Range;

/// A string (with its quotes) or a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub range: Range<usize>,
    pub is_text: bool,
    /// The keys it is below, from the outside in; arrays have none.
    pub names: Vec<String>,
}

/// All scalars, in order; nothing if the text is no JSON object or array.
pub(super) fn scalars(text: &str) -> Option<Vec<Scalar>> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let bytes = text.as_bytes();
    if !matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[')) {
        return None;
    }
    let mut found = Vec::new();
    // Per container its key in the one around it, and for objects the key at hand.
    let mut stack: Vec<(Option<String>, bool)> = Vec::new();
    let (mut key, mut at) = (None::<String>, 0);
    while at < bytes.len() {
        match bytes[at] {
            open @ (b'{' | b'[') => {
                let inherited = key.take();
                stack.push((inherited, open == b'{'));
                at += 1;
            }
            b'}' | b']' => {
                stack.pop();
                key = None;
                at += 1;
            }
            b',' => {
                key = None;
                at += 1;
            }
            b'"' => {
                let end = string_end(bytes, at);
                let in_object = stack.last().is_some_and(|(_, object)| *object);
                if in_object && key.is_none() {
                    key = serde_json::from_str(&text[at..end]).ok();
                } else {
                    found.push(Scalar { range: at..end, is_text: true, names: names(&stack, key.as_ref()) });
                }
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let length = bytes[at..].iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count();
                found.push(Scalar { range: at..at + length, is_text: false, names: names(&stack, key.as_ref()) });
                at += length;
            }
            _ => at += 1,
        }
    }
    Some(found)
}

fn names(stack: &[(Option<String>, bool)], key: Option<&String>) -> Vec<String> {
    stack.iter().filter_map(|(name, _)| name.as_ref()).chain(key).cloned().collect()
}

/// Behind the closing quote.
fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_come_with_the_names_above_them() {
        let text = r#"{"a":[1,{"b\"":"x"}],"c":{"d":-2.50e3,"e":null},"f":"g"}"#;
        let found: Vec<_> =
            scalars(text).unwrap().into_iter().map(|s| (text[s.range].to_owned(), s.names.join("/"))).collect();
        let wanted = [("1", "a"), ("\"x\"", "a/b\""), ("-2.50e3", "c/d"), ("\"g\"", "f")];
        assert_eq!(found, wanted.map(|(value, names)| (value.to_owned(), names.to_owned())));
        assert_eq!(scalars("{\"a\":"), None);
        assert_eq!(scalars("7"), None);
    }
}
