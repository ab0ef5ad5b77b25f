//! The records of a page: looked at for id and time of change, and handed on as they came unless a part is to be added.
//!
//! A record that cannot be read does not take its page along: it is handed on as it is, for the decoder to reject.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use tributary_connector::http::{Value, locate};
use tributary_connector::{Error, JsonPage, JsonShape, Kind};

use crate::api::Reply;
use crate::time::Time;

/// A record's fields, each as its JSON.
pub(crate) type Fields = BTreeMap<String, Box<RawValue>>;

/// A record that can be read.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub id: u64,
    pub time: Option<Time>,
    raw: Bytes,
    /// All fields, once one was added.
    whole: Option<Fields>,
}

#[derive(Debug, Clone)]
enum Item {
    Row(Row),
    Bad(Bytes),
}

/// The records of a page, and what the page says of the next.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    items: Vec<Item>,
    /// The array as it came, while nothing was changed.
    array: Option<Bytes>,
    pub more: Option<bool>,
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow, rename = "Modified_Time")]
    time: Option<&'a RawValue>,
}

impl Rows {
    /// The records of an answer, which are under `key`.
    pub(crate) fn read(reply: &Reply, key: &str) -> Result<Self, Error> {
        if reply.is_none() {
            return Ok(Self { more: Some(false), ..Self::default() });
        }
        let located = locate(&reply.bytes, key, &["info.more_records", "info.next_page_token"])?;
        let field = |at: usize| located.fields.get(at).and_then(Option::as_ref);
        let more = field(0).and_then(Value::as_bool);
        let next = field(1).and_then(Value::text).filter(|token| !token.is_empty()).map(str::to_owned);
        let Some(page) = located.page else {
            return Err(Error::new(Kind::Protocol, format!("there is no `{key}` in the answer")));
        };
        // The vendor says "none" without a body. A page without records that does not say that it is the last is something else.
        if located.records == 0 && more != Some(false) {
            return Err(Error::new(Kind::Protocol, "a page has no records and does not say that it is the last"));
        }
        let items: Vec<Item> = elements(&page.bytes).into_iter().map(item).collect();
        if items.len() as u64 != located.records {
            return Err(Error::new(Kind::Protocol, "the records of a page cannot be told apart"));
        }
        Ok(Self { items, array: Some(page.bytes), more, next })
    }

    /// How many there are, readable or not.
    pub(crate) fn len(&self) -> u64 {
        self.items.len() as u64
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.items.iter().filter_map(|item| match item {
            Item::Row(row) => Some(row),
            Item::Bad(_) => None,
        })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.array = None;
        self.items.iter_mut().filter_map(|item| match item {
            Item::Row(row) => Some(row),
            Item::Bad(_) => None,
        })
    }

    /// Keeps the records that `keep`; those that cannot be read stay.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Row) -> bool) {
        let before = self.items.len();
        self.items.retain(|item| match item {
            Item::Row(row) => keep(row),
            Item::Bad(_) => true,
        });
        if self.items.len() < before {
            self.array = None;
        }
    }

    /// Adds the records of another page behind these.
    pub(crate) fn append(&mut self, others: Rows) {
        self.array = None;
        self.items.extend(others.items);
    }

    /// Adds the columns of `others`, which are the same records as another query shows them. Gives back the ids of those that it
    /// does not show, or in another version: they have to be read anew.
    pub(crate) fn add(&mut self, others: Rows) -> Vec<u64> {
        let mut others: HashMap<u64, Row> = others
            .items
            .into_iter()
            .filter_map(|item| match item {
                Item::Row(row) => Some((row.id, row)),
                Item::Bad(_) => None,
            })
            .collect();
        let mut torn = Vec::new();
        for row in self.iter_mut() {
            let other = others.remove(&row.id).filter(|other| other.time == row.time);
            let added = other.and_then(|other| other.fields()).is_some_and(|fields| row.extend(fields));
            if !added {
                torn.push(row.id);
            }
        }
        torn
    }

    /// The records as a page.
    pub(crate) fn page(self) -> JsonPage {
        let bytes = match self.array {
            Some(bytes) => bytes,
            None => {
                let mut bytes = BytesMut::from(&b"["[..]);
                for item in &self.items {
                    if bytes.len() > 1 {
                        bytes.extend_from_slice(b",");
                    }
                    match item {
                        Item::Bad(raw) => bytes.extend_from_slice(raw),
                        Item::Row(Row { whole: Some(fields), .. }) => bytes.extend_from_slice(&written(fields)),
                        Item::Row(row) => bytes.extend_from_slice(&row.raw),
                    }
                }
                bytes.extend_from_slice(b"]");
                bytes.freeze()
            }
        };
        JsonPage { bytes, shape: JsonShape::Array, first_line: 1 }
    }
}

impl Row {
    /// As it came.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// All its fields; of two of one name the last counts.
    pub(crate) fn fields(&self) -> Option<Fields> {
        self.whole.clone().or_else(|| serde_json::from_slice(&self.raw).ok())
    }

    fn extend(&mut self, more: Fields) -> bool {
        let Some(mut fields) = self.fields() else { return false };
        fields.extend(more);
        self.whole = Some(fields);
        true
    }

    /// Becomes `other` as far as `wanted` names its fields.
    pub(crate) fn become_whole(&mut self, other: &Row, wanted: impl Fn(&str) -> bool) {
        let Some(mut fields) = other.fields() else { return };
        fields.retain(|name, _| wanted(name));
        self.time = other.time;
        self.whole = Some(fields);
    }

    /// Whether a text of one of these fields has exactly so many characters.
    pub(crate) fn has_text_of(&self, names: &[String], characters: usize) -> bool {
        if self.raw.len() < characters {
            return false;
        }
        let Some(fields) = self.fields() else { return false };
        names.iter().filter_map(|name| fields.get(name)).any(|value| {
            let text: Option<String> = serde_json::from_str(value.get()).ok();
            text.is_some_and(|text| text.chars().count() == characters || text.encode_utf16().count() == characters)
        })
    }
}

fn written(fields: &Fields) -> Vec<u8> {
    // Texts and raw JSON always have a form.
    serde_json::to_vec(fields).unwrap_or_default()
}

fn item(raw: Bytes) -> Item {
    let Ok(head) = serde_json::from_slice::<Head>(&raw) else { return Item::Bad(raw) };
    let unquoted = |value: &RawValue| value.get().trim_matches('"').to_owned();
    let Ok(id) = unquoted(head.id).parse() else { return Item::Bad(raw) };
    let time = head.time.filter(|time| time.get() != "null").map(unquoted);
    match time.as_deref().map(Time::read) {
        Some(None) => Item::Bad(raw),
        time => Item::Row(Row { id, time: time.flatten(), raw: raw.clone(), whole: None }),
    }
}

/// The elements of an array, found by brackets and strings alone.
fn elements(array: &Bytes) -> Vec<Bytes> {
    let (mut found, mut depth, mut start, mut at) = (Vec::new(), 0usize, 0, 0);
    let mut take = |start: usize, end: usize| {
        let element = array.slice(start..end);
        if !element.trim_ascii().is_empty() {
            found.push(element.slice_ref(element.trim_ascii()));
        }
    };
    while let Some(&byte) = array.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(&byte) = array.get(at).filter(|byte| **byte != b'"') {
                    at += if byte == b'\\' { 2 } else { 1 };
                }
            }
            b'[' | b'{' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    take(start, at);
                }
            }
            b',' if depth == 1 => {
                take(start, at);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The ids of some records as a query or a list takes them.
pub(crate) fn joined(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

/// The ids that come more than once.
pub(crate) fn distinct(ids: Vec<u64>) -> Vec<u64> {
    let mut seen = HashSet::new();
    ids.into_iter().filter(|id| seen.insert(*id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(json: &str) -> Rows {
        let bytes = Bytes::from(format!(r#"{{"data":{json},"info":{{"more_records":true,"next_page_token":"t"}}}}"#));
        Rows::read(&Reply { bytes, at: Time(0) }, "data").unwrap()
    }

    fn text(rows: Rows) -> String {
        String::from_utf8(rows.page().bytes.to_vec()).unwrap()
    }

    const TIME: &str = r#""Modified_Time":"2026-07-01T00:00:00+08:00""#;

    #[test]
    fn a_page_that_nothing_is_added_to_is_handed_on_as_it_came() {
        let json = format!(r#"[ {{"id":"7","x":"],}}\"",{TIME}}} , {{"id":8}}]"#);
        let rows = rows(&json);
        assert_eq!((rows.len(), rows.more, rows.next.as_deref()), (2, Some(true), Some("t")));
        let ids: Vec<_> = rows.iter().map(|row| (row.id, row.time.map(|time| time.0))).collect();
        assert_eq!(ids, [(7, Some(1_782_835_200)), (8, None)]);
        assert_eq!(text(rows), json);
    }

    #[test]
    fn a_record_that_cannot_be_read_stays_in_its_place() {
        let bad = [r#"{"id":"x"}"#, r#"{"name":1}"#, r#"{"id":"9","Modified_Time":"soon"}"#, "7"];
        let mut rows = rows(&format!(r#"[{},{{"id":"1"}}]"#, bad.join(",")));
        assert_eq!((rows.len(), rows.iter().count()), (5, 1));
        rows.retain(|_| false);
        assert_eq!(text(rows), format!("[{}]", bad.join(",")));
    }

    #[test]
    fn no_records_are_the_end_only_where_the_page_says_so() {
        let read =
            |json: &'static str| Rows::read(&Reply { bytes: Bytes::from_static(json.as_bytes()), at: Time(0) }, "data");
        assert_eq!(read("").unwrap().more, Some(false));
        assert_eq!(read(r#"{"data":[],"info":{"more_records":false}}"#).unwrap().len(), 0);
        for odd in [
            r#"{"data":[]}"#,
            "{}",
            r#"{"data":[],"info":{"more_records":true}}"#,
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
        ] {
            assert_eq!(read(odd).unwrap_err().kind, Kind::Protocol, "{odd}");
        }
    }

    #[test]
    fn parts_of_one_version_are_put_together_and_others_are_told() {
        let mut first = rows(&format!(r#"[{{"id":"1",{TIME},"a":1.50}},{{"id":"2",{TIME}}},{{"id":"3",{TIME}}}]"#));
        let later = TIME.replace("00:00:00", "00:00:01");
        let torn =
            first.add(rows(&format!(r#"[{{"id":"9",{TIME}}},{{"id":"2",{later}}},{{"id":"1",{TIME},"b":[1]}}]"#)));
        assert_eq!(torn, [2, 3]);
        assert!(text(first).starts_with(&format!(r#"[{{{TIME},"a":1.50,"b":[1],"id":"1"}},"#)));
    }

    #[test]
    fn a_record_read_anew_is_taken_whole_and_with_known_fields_only() {
        let mut page = rows(&format!(r#"[{{"id":"1",{TIME},"a":"cut"}}]"#));
        let single = rows(r#"[{"id":"1","a":"whole","$approved":true}]"#);
        let whole = single.iter().next().unwrap();
        page.iter_mut().for_each(|row| row.become_whole(whole, |name| !name.starts_with('$')));
        assert!(page.iter().all(|row| row.has_text_of(&["a".to_owned()], 5)));
        assert_eq!(text(page), r#"[{"a":"whole","id":"1"}]"#);
    }
}
