//! What has to be known of a page's records: id, time of the last change, and whether they are gone. The rest is decoded
//! elsewhere, from the bytes as they came.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use tributary_connector::decode::records;
use tributary_connector::http::{Located, Value, scan};
use tributary_connector::{Error, JsonPage, JsonShape};

use crate::error::protocol;

/// The fields that are looked at.
pub const LOOKED_AT: [&str; 4] = ["_id", "last_modified_time", "is_deleted", "life_status"];

/// A page whose records have been looked at.
pub struct Looked {
    page: Option<JsonPage>,
    pub rows: Vec<Row>,
}

/// A record in its page.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    range: Range<usize>,
    /// `None` if the record cannot be read or has none; the decoder will reject it.
    pub id: Option<String>,
    /// Milliseconds since 1970.
    pub at: Option<i64>,
    pub deleted: bool,
}

impl Looked {
    pub fn new(located: Located) -> Self {
        let Some(page) = located.page else { return Self { page: None, rows: Vec::new() } };
        let rows = records(&page).into_iter().map(|range| Row::new(&page.bytes, range)).collect();
        Self { page: Some(page), rows }
    }

    /// The id after which the next page begins, if there may be one.
    ///
    /// # Errors
    /// If the ids do not ascend from `after`, so that what is asked for next could leave some out.
    pub fn last<'a>(&'a self, after: Option<&'a str>) -> Result<Option<&'a str>, Error> {
        let mut last = after;
        for id in self.rows.iter().filter_map(|row| row.id.as_deref()) {
            if last.is_some_and(|last| last >= id) {
                return Err(protocol("the ids of a page do not ascend from the page before")
                    .hint("the source did not heed the order that was asked for, or repeated a page"));
            }
            last = Some(id);
        }
        if last == after && !self.rows.is_empty() {
            return Err(protocol("no record of a page has an `_id`"));
        }
        Ok(last.filter(|_| !self.rows.is_empty()))
    }

    /// The record as it came.
    pub fn bytes(&self, row: &Row) -> &[u8] {
        self.page.as_ref().and_then(|page| page.bytes.get(row.range.clone())).unwrap_or_default()
    }

    /// A page of the records that `wanted` chooses by place and look, and how many these are.
    pub fn only(&self, wanted: impl Fn(usize, &Row) -> bool) -> (JsonPage, u64) {
        let rows = self.rows.iter().enumerate();
        let chosen: Vec<&Row> = rows.filter(|(place, row)| wanted(*place, row)).map(|(_, row)| row).collect();
        let count = chosen.len() as u64;
        match &self.page {
            Some(page) if chosen.len() == self.rows.len() => (page.clone(), count),
            _ => {
                let mut bytes = BytesMut::new();
                for row in chosen {
                    bytes.put_u8(if bytes.is_empty() { b'[' } else { b',' });
                    bytes.extend_from_slice(self.bytes(row));
                }
                if bytes.is_empty() {
                    bytes.put_u8(b'[');
                }
                bytes.put_u8(b']');
                (array(bytes.freeze()), count)
            }
        }
    }
}

/// JSON records.
pub fn array(bytes: Bytes) -> JsonPage {
    JsonPage { bytes, shape: JsonShape::Array, first_line: 1 }
}

impl Row {
    fn new(page: &Bytes, range: Range<usize>) -> Self {
        // An id of broken characters must not become the place where the next page begins.
        let text = std::str::from_utf8(&page[range.clone()]).unwrap_or_default();
        let values = scan(text.as_bytes(), &LOOKED_AT).unwrap_or_default();
        let text = |place: usize| values.get(place).and_then(Option::as_ref).and_then(Value::text);
        Self {
            id: text(0).filter(|id| !id.is_empty()).map(str::to_owned),
            at: text(1).and_then(|at| at.parse().ok()),
            // A record that was declared void (作废) is marked as deleted as well, but is still there.
            deleted: matches!(text(2), Some("true" | "1")) && text(3) != Some("invalid"),
            range,
        }
    }
}

#[cfg(test)]
mod tests {
    use tributary_connector::http::locate;

    use super::*;

    fn looked(records: &str) -> Looked {
        let text = format!("{{\"data\":{{\"dataList\":{records}}}}}");
        Looked::new(locate(&Bytes::from(text), "data.dataList", &[]).unwrap())
    }

    #[test]
    fn records_are_looked_at_and_bad_ones_passed_on() {
        let looked = looked(
            r#"[{"_id":"a","last_modified_time":5},{"_id":"b","last_modified_time":"6","is_deleted":true,"life_status":"normal"},
                {"_id":"c","is_deleted":true,"life_status":"invalid"},{"_id":},{"name":"x"}]"#,
        );
        let seen: Vec<_> = looked.rows.iter().map(|row| (row.id.as_deref(), row.at, row.deleted)).collect();
        assert_eq!(
            seen,
            [
                (Some("a"), Some(5), false),
                (Some("b"), Some(6), true),
                (Some("c"), None, false),
                (None, None, false),
                (None, None, false)
            ]
        );
        assert_eq!(looked.last(None).unwrap(), Some("c"));
        let (page, count) = looked.only(|_, row| row.deleted);
        assert_eq!((records(&page).len(), count), (1, 1));
        let (page, count) = looked.only(|_, row| !row.deleted);
        assert_eq!((records(&page).len(), count), (4, 4));
        assert_eq!(&looked.only(|_, _| false).0.bytes[..], b"[]");
    }

    #[test]
    fn ids_have_to_ascend() {
        assert!(looked(r#"[{"_id":"b"},{"_id":"a"}]"#).last(None).is_err());
        assert!(looked(r#"[{"_id":"b"}]"#).last(Some("b")).is_err());
        assert!(looked(r#"[{"x":1}]"#).last(Some("b")).is_err());
        assert_eq!(looked("[]").last(Some("b")).unwrap(), None);
        assert_eq!(looked(r#"[{"_id":"b"}]"#).last(Some("a")).unwrap(), Some("b"));
    }
}
