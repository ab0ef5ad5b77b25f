//! Delimited text to columns. Fields are bound to columns by the header's names.
//!
//! An empty field is null, quoted or not: exports write `""` for nothing. A row with more or fewer fields than the header,
//! with a broken quote, or with bytes that the encoding does not have is one rejected record.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{UInt64Array, new_null_array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;

use super::Decoded;
use super::column::Column;
use super::extra::Extra;
use super::split::{Bad, Block, Splitter, raw_records};
use crate::{CsvDialect, CsvPage, Form, Rejected};

/// Rows that are split before their columns are built; small enough that a block's text stays in the cache.
const BLOCK: usize = 512;

pub(super) fn decode(page: &CsvPage, schema: &SchemaRef, first_record: u64) -> Result<Decoded, ArrowError> {
    if page.bytes.len() > i32::MAX as usize / 2 {
        return Err(ArrowError::InvalidArgumentError("a page of delimited text is over 1 GiB".to_owned()));
    }
    let dialect = &page.dialect;
    let utf8 = dialect.encoding == encoding_rs::UTF_8;
    if let Some(text) = text(&page.bytes, dialect) {
        let table = table(text.as_bytes(), dialect, schema)?;
        if utf8 || table.bad.is_empty() {
            let mut lines = Lines::new(page);
            let rejected =
                table.bad.iter().map(|bad| lines.reject(bad, u64::from(bad.ordinal) + first_record)).collect();
            let records = table.rows.iter().map(|&(ordinal, _)| first_record + u64::from(ordinal)).collect::<Vec<_>>();
            return table.finish(schema, records.into(), rejected);
        }
    }
    by_record(page, schema, first_record)
}

/// Decodes record by record, so that bytes of the wrong encoding reject theirs alone and rejected bytes are the source's.
fn by_record(page: &CsvPage, schema: &SchemaRef, first_record: u64) -> Result<Decoded, ArrowError> {
    let mut lines = Lines::new(page);
    let mut rejected = Vec::new();
    let mut clean = String::with_capacity(page.bytes.len());
    // Of each clean record: where it starts in `clean`, its number, and where it was in the page.
    let mut places = Vec::new();
    for (record, (start, end)) in (first_record..).zip(raw_records(&page.bytes, &page.dialect)) {
        match text(&page.bytes[start..end], &page.dialect) {
            Some(text) => {
                places.push((clean.len(), record, start, end));
                clean.push_str(&text);
                if !clean.ends_with('\n') {
                    clean.push('\n');
                }
            }
            None => rejected.push(Rejected {
                undecodable: true,
                ..lines.rejected(
                    record,
                    start,
                    end,
                    format!("row has bytes that are not {}", page.dialect.encoding.name()),
                )
            }),
        }
    }
    let table = table(clean.as_bytes(), &page.dialect, schema)?;
    let place = |start: u32| {
        let after = places.partition_point(|&(at, ..)| at <= start as usize);
        places[after.saturating_sub(1)]
    };
    let mut lines = Lines::new(page);
    rejected.extend(table.bad.iter().map(|bad| {
        let (_, record, start, end) = place(bad.start);
        lines.rejected(record, start, end, bad.problem.in_words(page.dialect.header.len()))
    }));
    rejected.sort_by_key(|rejected| rejected.record);
    let records = table.rows.iter().map(|&(_, start)| place(start).1).collect::<Vec<_>>();
    table.finish(schema, records.into(), rejected)
}

/// `bytes` as UTF-8, if all of them are of the encoding.
fn text<'a>(bytes: &'a [u8], dialect: &CsvDialect) -> Option<Cow<'a, str>> {
    if dialect.encoding == encoding_rs::UTF_8 {
        simdutf8::basic::from_utf8(bytes).ok().map(Cow::Borrowed)
    } else {
        dialect.encoding.decode_without_bom_handling_and_without_replacement(bytes)
    }
}

/// A text in columns.
struct Table {
    columns: Vec<Option<Column>>,
    extra: Extra,
    /// Per row: its ordinal and start.
    rows: Vec<(u32, u32)>,
    bad: Vec<Bad>,
}

fn table(text: &[u8], dialect: &CsvDialect, schema: &SchemaRef) -> Result<Table, ArrowError> {
    let width = dialect.header.len();
    let guess = text.len() / width.max(1);
    let mut extra = Extra::default();
    // Of each column of the schema: the field it is bound to, and its key in `_extra` for values that do not fit.
    let mut columns = Vec::with_capacity(schema.fields().len());
    let mut bound = vec![false; width];
    for field in schema.fields() {
        let place = dialect.header.iter().position(|name| name == field.name());
        columns.push(place.map(|place| {
            bound[place] = true;
            (place, field.name(), extra.key(field.name()), Column::new(field, guess / 16, guess))
        }));
    }
    let unknown: Vec<(usize, u32)> =
        (0..width).filter(|&place| !bound[place]).map(|place| (place, extra.key(&key(dialect, place)))).collect();

    let mut splitter = Splitter::new(text, dialect);
    let mut block = Block::default();
    let mut rows = Vec::new();
    while splitter.next(&mut block, BLOCK) {
        let buffer = splitter.buffer();
        let fields = |place: usize| block.spans.chunks_exact(width.max(1)).map(move |row| row[place]);
        let text = |(start, end): (u32, u32)| String::from_utf8_lossy(&buffer[start as usize..end as usize]);
        for (place, name, key, column) in columns.iter_mut().flatten() {
            column.extend(buffer, fields(*place), |row| {
                extra.misfit(name);
                extra.text(rows.len() + row, *key, &text(block.spans[row * width + *place]));
            });
        }
        for &(place, key) in &unknown {
            for (row, span) in fields(place).enumerate().filter(|(_, span)| span.0 < span.1) {
                extra.text(rows.len() + row, key, &text(span));
            }
        }
        rows.extend_from_slice(&block.rows);
    }
    let columns = columns.into_iter().map(|bound| bound.map(|(.., column)| column)).collect();
    Ok(Table { columns, extra, rows, bad: splitter.bad })
}

/// The key in `_extra` of a field that no column is bound to; a name that comes again is numbered.
fn key(dialect: &CsvDialect, place: usize) -> Cow<'_, str> {
    let name = &dialect.header[place];
    match dialect.header[..place].iter().filter(|other| *other == name).count() {
        0 => Cow::Borrowed(name),
        earlier => Cow::Owned(format!("{name}_{}", earlier + 1)),
    }
}

impl Table {
    fn finish(
        mut self,
        schema: &SchemaRef,
        record: UInt64Array,
        rejected: Vec<Rejected>,
    ) -> Result<Decoded, ArrowError> {
        let rows = self.rows.len();
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.into_iter().zip(schema.fields()) {
            arrays.push(match column {
                Some(column) => column.finish(|row, text| {
                    self.extra.misfit(field.name());
                    let key = self.extra.key(field.name());
                    self.extra.text(row, key, text);
                })?,
                None => new_null_array(field.data_type(), rows),
            });
        }
        let (extra, misfits) = self.extra.finish(rows)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?;
        Ok(Decoded { batch, extra, record, rejected, misfits })
    }
}

/// Finds the line numbers of places in a page, in ascending order.
struct Lines<'a> {
    page: &'a CsvPage,
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(page: &'a CsvPage) -> Self {
        Self { page, at: 0, line: page.first_line }
    }

    fn reject(&mut self, bad: &Bad, record: u64) -> Rejected {
        let error = bad.problem.in_words(self.page.dialect.header.len());
        self.rejected(record, bad.start as usize, bad.end as usize, error)
    }

    fn rejected(&mut self, record: u64, start: usize, end: usize, error: String) -> Rejected {
        let bytes = &self.page.bytes;
        self.line += memchr::memchr_iter(b'\n', &bytes[self.at.min(start)..start]).count() as u64;
        self.at = start;
        let row = &bytes[start..end];
        let row = row.strip_suffix(b"\n").unwrap_or(row);
        // Copied, so that one bad row does not keep its page in memory.
        let bytes = Bytes::copy_from_slice(row.strip_suffix(b"\r").unwrap_or(row));
        let form = Some(Form::Csv(Arc::clone(&self.page.dialect)));
        Rejected { record, line: Some(self.line), bytes, error, undecodable: false, form }
    }
}
