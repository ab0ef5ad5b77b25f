//! JSON records to columns. Numbers keep their exact text on the way; none passes through a float.
//!
//! A text column takes any scalar's text, and the JSON text of an object or array. Fields that the schema lacks go to
//! `_extra` under their path (`receiver.town`, `lines[0].gift`), and so do values of the wrong type, which are null in
//! their column. Of equal keys in an object the last one counts. What is not a JSON object, is nested deeper than 128, or
//! holds half a surrogate pair is one rejected record.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use memchr::{memchr, memchr_iter, memchr2_iter};
use serde_json::value::RawValue;

use super::Decoded;
use super::extra::Extra;
use super::found::{Found, string_end};
use super::parse::MAX_DEPTH;
use super::text::unit;
use super::tree::{Members, Record};
use crate::{Form, JsonPage, JsonShape, Rejected};

pub(super) fn decode(page: &JsonPage, schema: &SchemaRef, first_record: u64) -> Result<Decoded, ArrowError> {
    let bytes = &page.bytes[..];
    let clean = simdutf8::basic::from_utf8(bytes).is_ok();
    let (mut members, mut extra, mut tape) = (Members::new(schema.fields()), Extra::default(), Vec::new());
    let mut found = Found::new(page);
    let mut records = Vec::new();
    let mut rejected = Vec::new();
    let (mut line, mut line_at) = (page.first_line, 0);
    for record in first_record.. {
        // A good record is read where it should begin, and that it ends there as well is seen after it has been read.
        let (start, end) = found.ahead();
        let read = members.read(&bytes[start..end], &mut tape).map_or(start, |length| start + length);
        let Some((from, to)) = found.next(read) else { break };
        let element = &bytes[from..to];
        // What stands after an array is not where its next element would be.
        let whole = (from, to) == (start, read) || from != start && members.read(element, &mut tape) == Some(to - from);
        if whole && from < to && !found.is_no_array && (clean || simdutf8::basic::from_utf8(element).is_ok()) {
            members.append(&Record { bytes: element, tape: &tape, row: records.len() }, 0, None, &mut extra);
            records.push(record);
            if records.len() == 1 {
                // As if the others were like the first; a page of very many tells little by its first one.
                let more = ((bytes.len() - to) / (to - from + 1) + 1).min(1 << 14);
                members.reserve(more);
                records.reserve(more);
            }
            continue;
        }
        let why = if found.is_no_array { Why::NotAnArray } else { why(element) };
        line += memchr_iter(b'\n', &bytes[line_at..from]).count() as u64;
        line_at = from;
        rejected.push(Rejected {
            record,
            line: (page.shape == JsonShape::Lines).then_some(line),
            bytes: Bytes::copy_from_slice(element),
            undecodable: matches!(why, Why::NotUtf8),
            form: (!found.is_no_array).then_some(Form::Json),
            error: why.in_words(),
        });
    }
    let rows = records.len();
    let arrays = members.finish(None, &mut extra)?;
    let (extra, misfits) = extra.finish(rows)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?;
    Ok(Decoded { batch, extra, record: UInt64Array::from(records), rejected, misfits })
}

/// Where the page's records are, well formed or not.
pub(super) fn records_of(page: &JsonPage) -> Vec<(usize, usize)> {
    let mut found = Found::new(page);
    std::iter::from_fn(|| found.next(found.ahead().0)).collect()
}

/// Why a record is rejected.
enum Why {
    NotUtf8,
    NotAnArray,
    NotAnObject,
    TooDeep,
    HalfSurrogate,
    TooLong,
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
            Self::TooLong => "record is too long".to_owned(),
            // Not the error's own text, which may hold a value.
            Self::Syntax(e) => format!("record is not valid JSON: line {}, column {} of it", e.line(), e.column()),
        }
    }
}

/// Why the record `bytes`, which could not be read, is rejected.
fn why(bytes: &[u8]) -> Why {
    let Ok(text) = simdutf8::basic::from_utf8(bytes) else { return Why::NotUtf8 };
    if !text.starts_with('{') {
        return serde_json::from_str::<&RawValue>(text).map_or_else(Why::Syntax, |_| Why::NotAnObject);
    }
    if memchr2_iter(b'{', b'[', bytes).count() > MAX_DEPTH && depth(bytes) > MAX_DEPTH {
        return Why::TooDeep;
    }
    match serde_json::from_str::<HashMap<String, &RawValue>>(text) {
        Err(e) => Why::Syntax(e),
        Ok(_) if !has_whole_surrogates(bytes) => Why::HalfSurrogate,
        Ok(_) => Why::TooLong,
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
    let unit = |at: usize| unit(bytes.get(at..)?);
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
