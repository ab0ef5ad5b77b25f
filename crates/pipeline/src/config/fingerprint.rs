//! Canonical forms: two texts are equal exactly if what they say is.
//!
//! Callers hash them if they want something short; kept whole, `plan` can say what changed.

use serde_json::Value;

/// JSON with sorted keys and no white space, whatever order the value was built in.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// SQL with white space between words as one space. What has comments or other kinds of quoting is left as it is.
pub fn sql(text: &str) -> String {
    let text = text.trim();
    if ["--", "/*", "$$", "\\"].iter().any(|sign| text.contains(sign)) {
        return text.replace("\r\n", "\n");
    }
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            None if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = serde_json::json!({ "b": [{ "d": 1, "c": "\"" }], "a": null });
        assert_eq!(canonical(&value), r#"{"a":null,"b":[{"c":"\"","d":1}]}"#);
    }

    #[test]
    fn white_space_counts_only_within_quotes() {
        assert_eq!(sql(" a\r\n  =\t'x  y' "), "a = 'x  y'");
        assert_eq!(sql("\"a  b\" || ' '  || c"), "\"a  b\" || ' ' || c");
        assert_eq!(sql("a -- why\n+ b"), "a -- why\n+ b");
    }
}
