//! Keeping secrets out of what is told.

/// `text` without what may be a secret: 64 hexadecimal digits or more in a row.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len()));
        masked.push_str(before);
        masked.push_str(if digits.len() >= 64 { "…" } else { digits });
        rest = after;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_and_nothing_else() {
        let secret = "0123456789abcdef".repeat(4);
        let text = format!("key_of(Utf8(\"{secret}\"), a@0), commit 00ff, 王 deadbeef");
        assert_eq!(mask(&text), "key_of(Utf8(\"…\"), a@0), commit 00ff, 王 deadbeef");
        assert_eq!(mask(&secret), "…");
        assert_eq!(mask(""), "");
    }
}
