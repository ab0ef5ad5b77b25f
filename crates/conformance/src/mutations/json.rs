//! Pages with some of their records left out, or with other values in them.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use serde_json::value::RawValue;
use tributary_connector::{Data, JsonPage, JsonShape, Page, Stream};

use crate::rows::{self, Row};

/// The records of an array or of lines: found by brackets and strings alone, so that a bad one is found as well.
fn records(page: &JsonPage) -> Vec<&[u8]> {
    let bytes = page.bytes.trim_ascii();
    if page.shape == JsonShape::Lines {
        return bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    }
    let (mut found, mut depth, mut start, mut at) = (Vec::new(), 0usize, 1, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'[' | b'{' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b',' | b']' | b'}' if depth == 1 => {
                found.push(bytes[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    found.retain(|record| !record.is_empty());
    found
}

fn page_of(page: &JsonPage, records: &[&[u8]]) -> Data {
    let bytes = match page.shape {
        JsonShape::Lines => records.join(&b'\n'),
        JsonShape::Array => [b"[", records.join(&b',').as_slice(), b"]"].concat(),
    };
    Data::Json(JsonPage { bytes: Bytes::from(bytes), ..page.clone() })
}

/// The page with those records that `keep`, asked by their place in the page; nothing if none is left.
pub(super) fn retain(page: Page, keep: impl Fn(usize) -> bool) -> Option<Page> {
    let (data, left) = match &page.data {
        Data::Json(json) => {
            let all = records(json);
            let kept: Vec<_> = (0..).zip(all).filter(|(place, _)| keep(*place)).map(|(_, record)| record).collect();
            (page_of(json, &kept), kept.len())
        }
        Data::Batch(batch) => {
            let mask: BooleanArray = (0..batch.num_rows()).map(|row| Some(keep(row))).collect();
            let Ok(kept) = filter_record_batch(batch, &mask) else { return Some(page) };
            let left = kept.num_rows();
            (Data::Batch(kept), left)
        }
        Data::Csv(_) | Data::Rejected(_) => return Some(page),
    };
    (left > 0).then(|| Page { data, records: left as u64, ..page })
}

/// The page with those rows that `keep`, and with what is rejected.
pub(super) fn retain_rows(
    page: Page,
    stream: &Stream,
    cursor: Option<&str>,
    keep: impl Fn(&Row) -> bool,
) -> Option<Page> {
    let Ok(rows) = rows::of(&page, stream, cursor) else { return Some(page) };
    let dropped: Vec<u64> = rows.rows.iter().filter(|row| !keep(row)).map(|row| row.record).collect();
    if dropped.is_empty() {
        return Some(page);
    }
    let first = page.first_record;
    retain(page, |place| !dropped.contains(&(first + place as u64)))
}

/// A page of JSON with other fields: `change` gets a record's fields and their JSON, in order.
pub(super) fn changed(page: Page, change: impl Fn(&mut Vec<(String, Box<RawValue>)>)) -> Page {
    let Data::Json(json) = &page.data else { return page };
    let all = records(json);
    let mut written: Vec<Vec<u8>> = Vec::with_capacity(all.len());
    for record in all {
        // Fields are split by hand as well, so that their order stays and one that comes twice does, too.
        let object = JsonPage { bytes: Bytes::copy_from_slice(record), shape: JsonShape::Array, first_line: 1 };
        let fields = records(&object).into_iter().map(field).collect::<Option<Vec<_>>>();
        let Some(mut fields) = fields else {
            written.push(record.to_vec());
            continue;
        };
        change(&mut fields);
        let texts: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str()))).collect();
        written.push(format!("{{{}}}", texts.join(",")).into_bytes());
    }
    let data = page_of(json, &written.iter().map(Vec::as_slice).collect::<Vec<_>>());
    Page { data, ..page }
}

/// `"name": value`, whose name ends with its first quote that no backslash guards.
fn field(text: &[u8]) -> Option<(String, Box<RawValue>)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut end = 1;
    while text.as_bytes().get(end)? != &b'"' {
        end += if text.as_bytes()[end] == b'\\' { 2 } else { 1 };
    }
    let name = serde_json::from_str(text.get(..=end)?).ok()?;
    let value = text.get(end + 1..)?.trim_start().strip_prefix(':')?;
    Some((name, RawValue::from_string(value.trim().to_owned()).ok()?))
}

/// The two parts of a page, the first with so many records.
pub(super) fn split(page: &Page, at: usize) -> Option<(Page, Page)> {
    let first = retain(page.clone(), |place| place < at)?;
    let second = retain(page.clone(), |place| place >= at)?;
    let second = Page { first_record: page.first_record + at as u64, scope: Arc::clone(&page.scope), ..second };
    Some((first, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        let bytes = Bytes::from(text.to_owned());
        Page {
            partition: "".into(),
            scope: "".into(),
            version: None,
            first_record: 0,
            records: 3,
            op: tributary_connector::Op::Upsert,
            data: Data::Json(JsonPage { bytes, shape: JsonShape::Array, first_line: 1 }),
        }
    }

    fn text(page: &Page) -> String {
        let Data::Json(json) = &page.data else { unreachable!() };
        String::from_utf8(json.bytes.to_vec()).unwrap()
    }

    #[test]
    fn records_are_left_out_and_the_others_stay_as_they_are() {
        let kept = retain(page(r#" [{"a":"],\""}, [1,2] ,{"b":1.50}]"#), |place| place != 1).unwrap();
        assert_eq!((text(&kept).as_str(), kept.records), (r#"[{"a":"],\""},{"b":1.50}]"#, 2));
        assert!(retain(page("[]"), |_| true).is_none());
    }

    #[test]
    fn fields_are_changed_and_bad_records_are_not() {
        let changed = changed(page(r#"[{"a,\"":1,"b":{"c":[1.10,2]}},{"bad"}]"#), |fields| fields.reverse());
        assert_eq!(text(&changed), r#"[{"b":{"c":[1.10,2]},"a,\"":1},{"bad"}]"#);
    }
}
