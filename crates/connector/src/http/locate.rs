//! Where things are in a JSON page, by one scan and without a tree.
//!
//! A vendor wraps its records in an envelope: `{"data": [...], "info": {"more_records": true}}`. The records are decoded later
//! and one by one, so all that is wanted here is where their array lies, and a few small values beside it. What no path
//! leads into is passed over by brackets and strings alone: a bad record is the decoder's to reject, not a reason to lose
//! the page. What the scan does tell is whether the page is whole. Of equal keys the last one counts.

use std::ops::Range;

use bytes::Bytes;
use memchr::memchr2;

use crate::decode::stops::{Block, Strings};
use crate::{Error, JsonPage, JsonShape, Kind, Retry};

/// Deeper objects are refused; records within an array are left to the decoder, which has the same limit.
const MAX_DEPTH: usize = 128;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Bool(bool),
    /// Its text, so that no digit is lost.
    Number(String),
    Text(String),
    Object,
    /// Where it lies, brackets included, and how many elements it has.
    Array {
        range: Range<usize>,
        elements: u64,
    },
}

impl Value {
    /// A scalar's text: `true`, `12.30`; `None` for null, objects and arrays.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Number(text) | Self::Text(text) => Some(text),
            Self::Null | Self::Object | Self::Array { .. } => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        self.text().and_then(|text| text.parse().ok())
    }
}

/// The records of a page and the values asked for.
#[derive(Debug)]
pub struct Located {
    /// `None` if the path leads to nothing or null, which a vendor may mean as "none".
    pub page: Option<JsonPage>,
    /// How many records the array has, good or bad.
    pub records: u64,
    /// In the order asked for; `None` if there is no such field.
    pub fields: Vec<Option<Value>>,
}

impl Located {
    /// The value at `path` of the last record: what the next page or run begins after.
    ///
    /// # Errors
    /// [`Kind::Protocol`] if the page is no JSON.
    pub fn last(&self, path: &str) -> Result<Option<Value>, Error> {
        match (&self.page, self.records.checked_sub(1)) {
            (Some(page), Some(last)) => Ok(scan(&page.bytes, &[&format!("{last}.{path}")])?.pop().flatten()),
            _ => Ok(None),
        }
    }
}

/// Finds the array at `records` and the values at `fields`. Paths are keys and positions joined by dots: `data.dataList`,
/// `data.0.code`; the empty one is the document.
///
/// # Errors
/// [`Kind::Protocol`] if the page is no JSON, or something else than an array is at `records`; [`Kind::Transport`], to be
/// retried, if it breaks off.
pub fn locate(bytes: &Bytes, records: &str, fields: &[&str]) -> Result<Located, Error> {
    let paths: Vec<_> = std::iter::once(records).chain(fields.iter().copied()).collect();
    let mut found = scan(bytes, &paths)?.into_iter();
    let (page, count) = match found.next().flatten() {
        Some(Value::Array { range, elements }) => {
            (Some(JsonPage { bytes: bytes.slice(range), shape: JsonShape::Array, first_line: 1 }), elements)
        }
        None | Some(Value::Null) => (None, 0),
        Some(_) => {
            return Err(Error::new(Kind::Protocol, format!("`{records}` is no array")));
        }
    };
    Ok(Located { page, records: count, fields: found.collect() })
}

/// The values at `paths`, in their order.
///
/// # Errors
/// As [`locate`].
pub fn scan(bytes: &[u8], paths: &[&str]) -> Result<Vec<Option<Value>>, Error> {
    let paths: Vec<Vec<&str>> =
        paths.iter().map(|path| path.split('.').filter(|segment| !segment.is_empty()).collect()).collect();
    let mut scan = Scan { bytes, at: 0, found: vec![None; paths.len()], paths: &paths };
    if bytes.starts_with(b"\xef\xbb\xbf") {
        scan.at = 3;
    }
    let all: Vec<_> = (0..paths.len()).collect();
    let flaw = match scan.value(0, &all).and_then(|()| scan.end()) {
        Ok(()) => return Ok(scan.found),
        Err(flaw) => flaw,
    };
    Err(match flaw {
        Flaw::BreaksOff => Error::new(Kind::Transport, "the page breaks off in its JSON").retry(Retry::BackOff),
        Flaw::NoJson => Error::new(Kind::Protocol, format!("the page is no JSON at byte {}", scan.at)),
        Flaw::TooDeep => Error::new(Kind::Protocol, format!("the page is nested deeper than {MAX_DEPTH}")),
    })
}

enum Flaw {
    BreaksOff,
    NoJson,
    TooDeep,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    paths: &'a [Vec<&'a str>],
    found: Vec<Option<Value>>,
}

impl Scan<'_> {
    /// The value that comes next. `active`: the paths whose first `level` segments lead to it.
    fn value(&mut self, level: usize, active: &[usize]) -> Result<(), Flaw> {
        if level > MAX_DEPTH {
            return Err(Flaw::TooDeep);
        }
        self.blank();
        let start = self.at;
        let deeper: Vec<_> = active.iter().copied().filter(|&path| self.paths[path].len() > level).collect();
        let value = match self.peek()? {
            b'{' if deeper.is_empty() => {
                self.pass()?;
                Value::Object
            }
            b'{' => {
                self.object(level, &deeper)?;
                Value::Object
            }
            b'[' => {
                let elements = if deeper.is_empty() { self.pass()? } else { self.array(level, &deeper)? };
                Value::Array { range: start..self.at, elements }
            }
            b'"' => Value::Text(self.string()?),
            _ => self.literal()?,
        };
        for &path in active.iter().filter(|&&path| self.paths[path].len() == level) {
            self.found[path] = Some(value.clone());
        }
        Ok(())
    }

    fn object(&mut self, level: usize, active: &[usize]) -> Result<(), Flaw> {
        self.at += 1;
        self.blank();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            if self.peek()? != b'"' {
                return Err(Flaw::NoJson);
            }
            let key = self.string()?;
            self.blank();
            self.expect(b':')?;
            self.member(level, &key, active)?;
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Flaw::NoJson),
            }
        }
    }

    fn array(&mut self, level: usize, active: &[usize]) -> Result<u64, Flaw> {
        self.at += 1;
        self.blank();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(0);
        }
        for position in 0u64.. {
            self.member(level, &position.to_string(), active)?;
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(position + 1);
                }
                _ => return Err(Flaw::NoJson),
            }
        }
        Err(Flaw::NoJson)
    }

    /// The value of `key`; what an earlier one of the same name had is forgotten.
    fn member(&mut self, level: usize, key: &str, active: &[usize]) -> Result<(), Flaw> {
        let matching: Vec<_> = active.iter().copied().filter(|&path| self.paths[path][level] == key).collect();
        for &path in &matching {
            self.found[path] = None;
        }
        if matching.is_empty() {
            self.blank();
            return match self.peek()? {
                b'{' | b'[' => self.pass().map(drop),
                b'"' => self.pass_string(),
                _ => self.literal().map(drop),
            };
        }
        self.value(level + 1, &matching)
    }

    /// Passes over an object or array; gives the number of its elements. No recursion, whatever the depth.
    fn pass(&mut self) -> Result<u64, Flaw> {
        let first = self.at + 1;
        let (mut depth, mut outermost_array, mut commas) = (0usize, None, 0u64);
        let mut strings = Strings::default();
        for at in (self.at..self.bytes.len()).step_by(Block::LENGTH) {
            let block = Block::new(self.bytes, at);
            let outside = !strings.next(&block);
            let mut brackets = block.brackets() & outside;
            // Of all commas only those between elements count: few blocks have any.
            let mut count = |places: u64| {
                if places != 0 {
                    commas += u64::from((block.places(b',') & outside & places).count_ones());
                }
            };
            // What comes after the last bracket.
            let mut after = u64::MAX;
            while brackets != 0 {
                let place = brackets.trailing_zeros();
                let before = (1 << place) - 1;
                brackets &= brackets - 1;
                if depth == 1 {
                    count(after & before);
                }
                after = !before;
                match self.bytes.get(at + place as usize) {
                    Some(byte @ (b'{' | b'[')) => {
                        depth += 1;
                        if *byte == b'[' && outermost_array.is_none() {
                            outermost_array = Some(depth);
                        }
                        if depth > MAX_DEPTH && outermost_array.is_none() {
                            return Err(Flaw::TooDeep);
                        }
                    }
                    Some(b'}' | b']') => {
                        if outermost_array == Some(depth) {
                            outermost_array = None;
                        }
                        depth -= 1;
                        if depth == 0 {
                            let last = at + place as usize;
                            self.at = first;
                            self.blank();
                            let empty = self.at == last;
                            self.at = last + 1;
                            return Ok(if empty { 0 } else { commas + 1 });
                        }
                    }
                    _ => {}
                }
            }
            if depth == 1 {
                count(after);
            }
        }
        Err(Flaw::BreaksOff)
    }

    fn pass_string(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        while let Some(found) = self.bytes.get(self.at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            let closes = self.bytes[self.at + found] == b'"';
            self.at += found + if closes { 1 } else { 2 };
            if closes {
                return Ok(());
            }
        }
        Err(Flaw::BreaksOff)
    }

    fn string(&mut self) -> Result<String, Flaw> {
        let start = self.at;
        self.pass_string()?;
        let quoted = &self.bytes[start..self.at];
        Ok(serde_json::from_slice(quoted)
            .unwrap_or_else(|_| String::from_utf8_lossy(&quoted[1..quoted.len() - 1]).into_owned()))
    }

    fn literal(&mut self) -> Result<Value, Flaw> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.'))
            .unwrap_or(rest.len());
        let text = &rest[..length];
        let value = match text {
            b"null" => Value::Null,
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            _ => {
                match std::str::from_utf8(text) {
                    Ok(text) if is_number(text) => Value::Number(text.to_owned()),
                    // `12` may have been `123` and `tru` was `true`: the page may as well have ended too early.
                    _ if length > 0 && length == rest.len() => return Err(Flaw::BreaksOff),
                    _ => return Err(Flaw::NoJson),
                }
            }
        };
        self.at += length;
        Ok(value)
    }

    fn blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, Flaw> {
        self.bytes.get(self.at).copied().ok_or(Flaw::BreaksOff)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Flaw> {
        if self.peek()? != byte {
            return Err(Flaw::NoJson);
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Flaw> {
        self.blank();
        if self.at < self.bytes.len() { Err(Flaw::NoJson) } else { Ok(()) }
    }
}

/// By RFC 8259, of whatever size: a number too large for a float is no reason to lose a page.
fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> (usize, &str) {
        let length = text.bytes().take_while(u8::is_ascii_digit).count();
        (length, &text[length..])
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, mut rest) = digits(unsigned);
    if whole == 0 || (whole > 1 && unsigned.starts_with('0')) {
        return false;
    }
    for (marks, signed) in [(&['.'][..], false), (&['e', 'E'][..], true)] {
        if let Some(after) = rest.strip_prefix(marks) {
            let after = if signed { after.strip_prefix(['+', '-']).unwrap_or(after) } else { after };
            let (length, next) = digits(after);
            if length == 0 {
                return false;
            }
            rest = next;
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str, paths: &[&str]) -> Vec<Option<String>> {
        let values = scan(text.as_bytes(), paths).unwrap();
        values.into_iter().map(|value| value.map(|value| value.text().unwrap_or("-").to_owned())).collect()
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some((*value).to_owned())).collect()
    }

    #[test]
    fn records_and_small_values_are_found_in_any_order() {
        for text in [
            r#"{"data":[{"id":"1","x":"]}"},{"id":"2"}],"info":{"more_records":true,"next_page_token":"a\"b"}}"#,
            "\u{feff} {\"info\" : {\"next_page_token\":\"a\\\"b\", \"more_records\" : true } ,\"data\": [ {\"id\":\"1\",\"x\":\"]}\"}\n,{\"id\":\"2\"} ] }\n",
        ] {
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            let located = locate(&bytes, "data", &["info.more_records", "info.next_page_token", "info.none"]).unwrap();
            assert_eq!(located.records, 2);
            assert_eq!(located.last("id").unwrap(), Some(Value::Text("2".into())));
            let page = located.page.unwrap();
            let records: serde_json::Value = serde_json::from_slice(&page.bytes).unwrap();
            assert_eq!(records, serde_json::json!([{"id":"1","x":"]}"},{"id":"2"}]));
            assert_eq!(located.fields, [Some(Value::Bool(true)), Some(Value::Text("a\"b".into())), None]);
        }
    }

    #[test]
    fn of_equal_keys_the_last_one_counts_with_all_that_is_in_it() {
        assert_eq!(found(r#"{"a":1,"a":2}"#, &["a"]), some(&["2"]));
        assert_eq!(found(r#"{"d":{"x":1,"y":2},"d":{"x":3}}"#, &["d.x", "d.y"]), [Some("3".to_owned()), None]);
        assert_eq!(found(r#"{"d":{"x":1},"d":5}"#, &["d.x"]), [None]);
        assert_eq!(found(r#"{"d":1,"\u0064":2}"#, &["d"]), some(&["2"]));
    }

    #[test]
    fn positions_lead_into_arrays() {
        let text = r#"{"data":[{"code":"A"},{"code":"B"}]}"#;
        assert_eq!(found(text, &["data.1.code", "data.0.code", "data", "data.2.code"])[..3], some(&["B", "A", "-"]));
        assert_eq!(found("[1,[2,3]]", &["1.0", ""]), some(&["2", "-"]));
        assert_eq!(found(" 12.300 ", &[""]), some(&["12.300"]));
        assert_eq!(found(r#"{"a":-1e400,"b":0}"#, &["a", "b"]), some(&["-1e400", "0"]));
        for wrong in ["01", "1.", ".5", "+1", "1e", "-", "0x1", "1.e5"] {
            assert!(scan(wrong.as_bytes(), &[""]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_that_breaks_off_is_to_be_fetched_again() {
        let whole = r#"{"data":[{"id":"1"},{"id":-1.5e3}],"more":true,"t":"x\"y"}"#;
        for end in 0..whole.len() {
            let error = scan(&whole.as_bytes()[..end], &["data", "more"]).unwrap_err();
            assert_eq!((error.kind, error.retry), (Kind::Transport, Retry::BackOff), "{}", &whole[..end]);
        }
        assert!(scan(whole.as_bytes(), &[]).is_ok());
    }

    #[test]
    fn what_is_no_json_is_a_fault_of_the_protocol() {
        for text in ["<html></html>", "{}x", "{\"a\" 1}", "{a:1}", "[1 2]", "{\"a\":tru}", "hello world", "{\"a\":1,}"]
        {
            assert_eq!(scan(text.as_bytes(), &["a", "0"]).unwrap_err().kind, Kind::Protocol, "{text}");
        }
        let error = locate(&Bytes::from_static(b"{\"data\":{}}"), "data", &[]).unwrap_err();
        assert_eq!(error.message, "`data` is no array");
        assert!(locate(&Bytes::from_static(b"{\"data\":null}"), "data", &[]).unwrap().page.is_none());
    }

    #[test]
    fn deep_nesting_costs_no_stack_and_one_deep_record_not_the_page() {
        let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let records = format!("{{\"data\":[{},{{}}]}}", deep("{\"a\":", "}"));
        let located = locate(&Bytes::from(records), "data", &[]).unwrap();
        assert_eq!(located.records, 2);
        let error = scan(deep("{\"a\":", "}").as_bytes(), &["a.a.b"]).unwrap_err();
        assert_eq!(error.message, "the page is nested deeper than 128");
    }

    proptest! {
        #[test]
        fn elements_are_counted_as_a_parser_does(
            elements in prop::collection::vec("[a-z\\[\\]{},\"\\\\]{0,6}", 0..5), nested in any::<bool>(),
        ) {
            let array = if nested { serde_json::json!([[elements], {"k": elements}]) } else { serde_json::json!(elements) };
            let text = serde_json::json!({"x": {"y": array}, "after": 1}).to_string();
            let values = scan(text.as_bytes(), &["x.y", "after"]).unwrap();
            let Some(Value::Array { range, elements }) = &values[0] else { panic!("no array") };
            prop_assert_eq!(*elements as usize, array.as_array().unwrap().len());
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text[range.clone()]).unwrap(), array);
            prop_assert_eq!(values[1].as_ref().unwrap().as_u64(), Some(1));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(b"{}[],:\"\\a1 .-n".to_vec()), 0..40)) {
            let _ = scan(&bytes, &["a", "a.a", "0", "1.a", ""]);
        }
    }
}
