//! A text column of JSON values under construction. Other than in a file of delimited text, an empty text is not null.

use arrow::array::StringArray;
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::error::ArrowError;

pub(super) struct Texts {
    values: Vec<u8>,
    /// Where each ends; the bits of a null's are turned over, which makes it negative.
    ends: Vec<i32>,
}

impl Texts {
    /// Short values are copied as blocks of this many bytes, which is faster than copying their length.
    const BLOCK: usize = 16;

    pub(super) fn new() -> Self {
        Self { values: Vec::new(), ends: vec![0] }
    }

    /// Makes room for `times` as much as there is.
    pub(super) fn reserve(&mut self, times: usize) {
        self.values.reserve((self.values.len() + 1).saturating_mul(times).saturating_add(Self::BLOCK));
        self.ends.reserve((self.ends.len() - 1).saturating_mul(times));
    }

    /// Appends what is in `bytes` from `start` to `end`.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8], start: usize, end: usize) {
        let from = bytes.get(start..).unwrap_or_default();
        let length = end.saturating_sub(start);
        match from.first_chunk::<{ Self::BLOCK }>() {
            Some(block) if length <= Self::BLOCK => {
                let end = self.values.len() + length;
                self.values.extend_from_slice(block);
                self.values.truncate(end);
            }
            _ => self.values.extend_from_slice(from.get(..length).unwrap_or_default()),
        }
        self.ends.push(self.end());
    }

    /// Appends a valid JSON string.
    pub(super) fn push_json(&mut self, json: &[u8]) {
        unescape(json, &mut self.values);
        self.ends.push(self.end());
    }

    pub(super) fn push_null(&mut self) {
        self.ends.push(!self.end());
    }

    /// Where this wraps, `finish` says so.
    fn end(&self) -> i32 {
        self.values.len() as i32
    }

    pub(super) fn finish(mut self) -> Result<StringArray, ArrowError> {
        if i32::try_from(self.values.len()).is_err() {
            return Err(ArrowError::OffsetOverflowError(self.values.len()));
        }
        let mut nulls = None;
        if self.ends.iter().fold(0, |all, end| all | end) < 0 {
            let valid = BooleanBuffer::collect_bool(self.ends.len() - 1, |row| self.ends[row + 1] >= 0);
            nulls = Some(NullBuffer::new(valid));
            self.ends.iter_mut().for_each(|end| *end ^= *end >> 31);
        }
        StringArray::try_new(OffsetBuffer::new(self.ends.into()), Buffer::from(self.values), nulls)
    }
}

/// The content of a valid JSON string, quotes included.
pub(super) fn unescaped(json: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(json.len());
    unescape(json, &mut text);
    text
}

/// Appends the content of a valid JSON string, quotes included, to `out`.
pub(super) fn unescape(json: &[u8], out: &mut Vec<u8>) {
    let mut rest = json.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(json);
    while let Some(plain) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..plain]);
        let (escaped, length) = match rest.get(plain + 1) {
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => unicode(&rest[plain..]),
            Some(&other) => (char::from(other), 2),
            None => break,
        };
        out.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
        rest = rest.get(plain + length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// The character that `\u…` at the start of `text` stands for, and how long it is: half a pair is no character.
fn unicode(text: &[u8]) -> (char, usize) {
    let high = unit(text).unwrap_or_default();
    if let 0xd800..=0xdbff = high
        && let Some(low @ 0xdc00..=0xdfff) = text.get(6..).and_then(unit)
    {
        let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(low) - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(high.into()).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

/// The number in a `\u12ab` at the start of `text`.
pub(super) fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_as_a_parser_reads_them() {
        for json in [
            r#""""#,
            r#""plain 中""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u4e2d\ud842\udfb7x\u0000\u00e9\u00E9""#,
            r#""\\u4e2d\\""#,
            r#""a\nb\\nc""#,
        ] {
            let expected: String = serde_json::from_str(json).unwrap();
            assert_eq!(String::from_utf8(unescaped(json.as_bytes())).unwrap(), expected, "{json}");
        }
    }
}
