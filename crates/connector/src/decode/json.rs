//! JSON records to columns. Numbers keep their exact text on the way; none passes through a float.
//!
//! A text column takes any scalar's text, and the JSON text of an object or array. Fields that the schema lacks go to
//! `_extra` under their path (`receiver.town`, `lines[0].gift`), and so do values of the wrong type, which are null in
//! their column. Of equal keys in an object the last one counts. What is not a JSON object, is nested deeper than 128, or
//! holds half a surrogate pair is one rejected record.

use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use memchr::{memchr, memchr_iter, memchr2, memchr2_iter};
use serde_json::value::RawValue;

use super::Decoded;
use super::extra::Extra;
use super::tree::{Object, Path, Tree};
use crate::{JsonPage, JsonShape, Rejected};

const MAX_DEPTH: usize = 128;

pub(super) fn decode(page: &JsonPage, schema: &SchemaRef, first_record: u64) -> Result<Decoded, ArrowError> {
    let mut row = Row::new(schema);
    let mut records = Vec::new();
    let mut rejected = Vec::new();
    let (mut line, mut line_at) = (page.first_line, 0);
    for (record, (start, end)) in (first_record..).zip(records_of(page)) {
        let bytes = &page.bytes[start..end];
        let appended = match page.shape {
            JsonShape::Array if !page.bytes.trim_ascii_start().starts_with(b"[") => Err(Why::NotAnArray),
            _ => row.append(bytes, records.len()),
        };
        match appended {
            Ok(()) => records.push(record),
            Err(why) => {
                line += memchr_iter(b'\n', &page.bytes[line_at..start]).count() as u64;
                line_at = start;
                rejected.push(Rejected {
                    record,
                    line: (page.shape == JsonShape::Lines).then_some(line),
                    bytes: Bytes::copy_from_slice(bytes),
                    undecodable: matches!(why, Why::NotUtf8),
                    error: why.in_words(),
                });
            }
        }
    }
    row.finish(schema, records, rejected)
}

/// Where the page's records are, well formed or not.
pub(super) fn records_of(page: &JsonPage) -> Vec<(usize, usize)> {
    match page.shape {
        JsonShape::Lines => lines(&page.bytes),
        JsonShape::Array => elements(&page.bytes),
    }
}

fn lines(bytes: &[u8]) -> Vec<(usize, usize)> {
    let ends = memchr_iter(b'\n', bytes).chain((!bytes.ends_with(b"\n")).then_some(bytes.len()));
    let mut start = 0;
    ends.filter_map(|end| {
        let line = trim(bytes, std::mem::replace(&mut start, end + 1), end);
        (line.0 < line.1).then_some(line)
    })
    .collect()
}

/// The elements of an array: found by brackets and strings alone, so that a bad one does not hide the others. A page that
/// is no array is one record, and so are an array's missing end and what stands after its end: nothing is passed over.
fn elements(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (first, last) = trim(bytes, 0, bytes.len());
    let mut found = Vec::new();
    if first == last {
        return found;
    }
    if bytes[first] != b'[' {
        return vec![(first, last)];
    }
    let (mut at, mut start, mut depth) = (first + 1, first + 1, 0usize);
    while at < last {
        match bytes[at] {
            b'"' => at = string_end(bytes, at),
            b'[' | b'{' => depth += 1,
            byte @ (b',' | b']' | b'}') if depth == 0 => {
                let element = trim(bytes, start, at);
                if element.0 < element.1 || byte == b',' || !found.is_empty() {
                    found.push(element);
                }
                start = at + 1;
                if byte != b',' {
                    if start < last {
                        found.push(trim(bytes, start, last));
                    }
                    return found;
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    let element = trim(bytes, start.min(last), last);
    if element.0 < element.1 {
        found.push(element);
    }
    if depth == 0 {
        found.push((last, last));
    }
    found
}

/// The closing quote of the string whose opening one is at `open`; the end if there is none.
fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        if bytes[at + found] == b'"' {
            return at + found;
        }
        at += found + 2;
    }
    bytes.len()
}

fn trim(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    let slice = &bytes[start..end];
    let start = end - slice.trim_ascii_start().len();
    (start, start + slice.trim_ascii().len())
}

/// Why a record is rejected.
enum Why {
    NotUtf8,
    NotAnArray,
    NotAnObject,
    TooDeep,
    HalfSurrogate,
    Syntax(serde_json::Error),
}

impl Why {
    fn in_words(&self) -> String {
        match self {
            Self::NotUtf8 => "record has bytes that are not UTF-8".to_owned(),
            Self::NotAnArray => "page is not a JSON array".to_owned(),
            Self::NotAnObject => "record is not a JSON object".to_owned(),
            Self::TooDeep => format!("record is nested deeper than {MAX_DEPTH}"),
            Self::HalfSurrogate => "record has half a surrogate pair".to_owned(),
            // Not the error's own text, which may hold a value.
            Self::Syntax(e) => format!("record is not valid JSON: line {}, column {} of it", e.line(), e.column()),
        }
    }
}

/// The columns under construction.
struct Row {
    tree: Vec<Tree>,
    schema: SchemaRef,
    extra: Extra,
}

impl Row {
    fn new(schema: &SchemaRef) -> Self {
        let tree = schema.fields().iter().map(Tree::new).collect();
        Self { tree, schema: Arc::clone(schema), extra: Extra::default() }
    }

    /// Appends a record; on an error nothing has been appended.
    fn append(&mut self, bytes: &[u8], row: usize) -> Result<(), Why> {
        let text = simdutf8::basic::from_utf8(bytes).map_err(|_| Why::NotUtf8)?;
        if !text.starts_with('{') {
            return Err(match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => Why::NotAnObject,
                Err(e) => Why::Syntax(e),
            });
        }
        if memchr2_iter(b'{', b'[', bytes).count() > MAX_DEPTH && depth(bytes) > MAX_DEPTH {
            return Err(Why::TooDeep);
        }
        // This checks the syntax of the whole record, so that what follows does not fail half way.
        let object: Object = serde_json::from_str(text).map_err(Why::Syntax)?;
        if memchr(b'\\', bytes).is_some() && !has_whole_surrogates(bytes) {
            return Err(Why::HalfSurrogate);
        }
        Tree::append_fields(&mut self.tree, self.schema.fields(), object, None, row, &mut self.extra);
        Ok(())
    }

    fn finish(mut self, schema: &SchemaRef, records: Vec<u64>, rejected: Vec<Rejected>) -> Result<Decoded, ArrowError> {
        let rows = records.len();
        let mut arrays = Vec::with_capacity(self.tree.len());
        for (tree, field) in self.tree.into_iter().zip(schema.fields()) {
            arrays.push(tree.finish(&Path::root(field.name()), &mut self.extra)?);
        }
        let (extra, misfits) = self.extra.finish(rows)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?;
        Ok(Decoded { batch, extra, record: UInt64Array::from(records), rejected, misfits })
    }
}

/// How deep `bytes` are nested; brackets in strings do not count.
fn depth(bytes: &[u8]) -> usize {
    let (mut at, mut depth, mut deepest) = (0, 0usize, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Whether each `\ud800`–`\udbff` of a valid JSON text is followed by a `\udc00`–`\udfff`, and none of these stands alone.
fn has_whole_surrogates(bytes: &[u8]) -> bool {
    let unit = |at: usize| -> Option<u32> {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += found;
        at += match unit(at) {
            None => 2,
            Some(0xd800..=0xdbff) => match unit(at + 6) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return false,
            },
            Some(0xdc00..=0xdfff) => return false,
            Some(_) => 6,
        };
    }
    true
}
