//! Splits delimited text into records and fields, by RFC 4180.
//!
//! A field is quoted if its first byte is the quote; a quote inside is doubled. A closing quote is followed by a delimiter,
//! a line end or nothing. A record that breaks this loses its first line, and splitting goes on at the next. Elsewhere a
//! quote is an ordinary character. A line without any byte is no record. Lines end with `\n` or `\r\n`.

use memchr::{memchr, memchr2};

use crate::CsvDialect;

/// A field: where it starts and ends in the buffer.
pub(super) type Span = (u32, u32);

/// A record that is not one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bad {
    pub ordinal: u32,
    pub start: u32,
    pub end: u32,
    pub problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// This many fields, and not as many as the header.
    Fields(u32),
    /// A quote is opened and not closed.
    Unclosed,
    /// A quote inside a quoted field is not doubled.
    NotDoubled,
}

impl Problem {
    pub(super) fn in_words(self, width: usize) -> String {
        match self {
            Self::Fields(1) => format!("row has 1 field, the header has {width}"),
            Self::Fields(fields) => format!("row has {fields} fields, the header has {width}"),
            Self::Unclosed => "a quote is opened and not closed".to_owned(),
            Self::NotDoubled => "a quote inside a quoted field is not doubled".to_owned(),
        }
    }
}

/// Some records of a text.
#[derive(Default)]
pub(super) struct Block {
    /// The fields of all rows, as many for each as the header has.
    pub spans: Vec<Span>,
    /// Per row: its number among the records of the text, and where it starts.
    pub rows: Vec<(u32, u32)>,
}

/// Splits a text that is valid in its encoding, block by block.
pub(super) struct Splitter<'a> {
    text: &'a [u8],
    /// The text and after it the fields that had doubled quotes; empty while there are none.
    unescaped: Vec<u8>,
    dialect: &'a CsvDialect,
    plain: bool,
    at: usize,
    found: u32,
    pub bad: Vec<Bad>,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(text: &'a [u8], dialect: &'a CsvDialect) -> Self {
        let plain = memchr(dialect.quote, text).is_none();
        Self { text, unescaped: Vec::new(), dialect, plain, at: 0, found: 0, bad: Vec::new() }
    }

    /// What the spans of the last block point into.
    pub(super) fn buffer(&self) -> &[u8] {
        if self.unescaped.is_empty() { self.text } else { &self.unescaped }
    }

    /// Fills `block` with about `rows` more records; false if there are none left.
    pub(super) fn next(&mut self, block: &mut Block, rows: usize) -> bool {
        block.spans.clear();
        block.rows.clear();
        self.unescaped.truncate(self.text.len());
        if self.plain {
            self.plain_rows(block, rows);
        } else {
            while block.rows.len() < rows && self.at < self.text.len() {
                self.quoted_row(block);
            }
        }
        self.at < self.text.len() || !block.rows.is_empty()
    }

    /// Rows of a text without any quote: only delimiters and line ends matter, eight bytes at a time.
    fn plain_rows(&mut self, block: &mut Block, rows: usize) {
        let text = self.text;
        let delimiters = u64::from_ne_bytes([self.dialect.delimiter; 8]);
        let newlines = u64::from_ne_bytes([b'\n'; 8]);
        let mut at = self.at;
        let mut row = OpenRow { start: at, field: at, first_span: 0 };
        while let Some(chunk) = text[at..].first_chunk::<8>()
            && block.rows.len() < rows
        {
            let word = u64::from_le_bytes(*chunk);
            let mut hits = zero_bytes(word ^ delimiters) | zero_bytes(word ^ newlines);
            while hits != 0 {
                let hit = at + (hits.trailing_zeros() / 8) as usize;
                hits &= hits - 1;
                block.spans.push((row.field as u32, hit as u32));
                row.field = hit + 1;
                if text[hit] == b'\n' {
                    row = self.close(block, row, hit);
                }
            }
            at += 8;
        }
        if block.rows.len() < rows {
            for (at, byte) in text.iter().enumerate().skip(at) {
                if *byte == self.dialect.delimiter || *byte == b'\n' {
                    block.spans.push((row.field as u32, at as u32));
                    row.field = at + 1;
                    if *byte == b'\n' {
                        row = self.close(block, row, at);
                    }
                }
            }
            if row.start < text.len() {
                block.spans.push((row.field as u32, text.len() as u32));
                row = self.close(block, row, text.len());
            }
        }
        block.spans.truncate(row.first_span);
        self.at = row.start.min(text.len());
    }

    /// Ends a row whose last field ends at `end`; gives the next one.
    fn close(&mut self, block: &mut Block, row: OpenRow, end: usize) -> OpenRow {
        if let Some(last) = block.spans.last_mut()
            && last.1 > last.0
            && self.text[last.1 as usize - 1] == b'\r'
        {
            last.1 -= 1;
        }
        self.take(block, row.first_span, row.start, end);
        OpenRow { start: end + 1, field: end + 1, first_span: block.spans.len() }
    }

    /// Counts the record whose fields are the spans from `first_span`, and drops these if it is none or a bad one.
    fn take(&mut self, block: &mut Block, first_span: usize, start: usize, end: usize) {
        let fields = block.spans.len() - first_span;
        if fields == 1 && block.spans[first_span] == (start as u32, start as u32) {
            block.spans.truncate(first_span);
            return;
        }
        if fields == self.dialect.header.len() {
            block.rows.push((self.found, start as u32));
        } else {
            block.spans.truncate(first_span);
            self.reject(start, end, Problem::Fields(fields as u32));
        }
        self.found += 1;
    }

    fn reject(&mut self, start: usize, end: usize, problem: Problem) {
        self.bad.push(Bad { ordinal: self.found, start: start as u32, end: end as u32, problem });
    }

    /// One row of a text with quotes.
    fn quoted_row(&mut self, block: &mut Block) {
        let (text, start, first_span) = (self.text, self.at, block.spans.len());
        let unescaped = &mut self.unescaped;
        let walked = walk(text, start, self.dialect, false, |field| {
            block.spans.push(match field {
                Walked::Plain(start, end) => (start as u32, end as u32),
                Walked::Doubled(start, end) => {
                    if unescaped.is_empty() {
                        unescaped.extend_from_slice(text);
                    }
                    let from = unescaped.len();
                    undouble(&text[start..end], self.dialect.quote, unescaped);
                    (from as u32, unescaped.len() as u32)
                }
            });
        });
        match walked {
            Ok(next) => {
                self.take(block, first_span, start, next);
                self.at = next;
            }
            Err(problem) => {
                block.spans.truncate(first_span);
                self.at = next_line(text, start);
                self.reject(start, self.at, problem);
                self.found += 1;
            }
        }
    }
}

struct OpenRow {
    start: usize,
    field: usize,
    first_span: usize,
}

/// The records of `bytes`, whose encoding has not been checked: where each starts and ends, blank lines left out.
pub(super) fn raw_records<'a>(bytes: &'a [u8], dialect: &'a CsvDialect) -> impl Iterator<Item = (usize, usize)> + 'a {
    let multibyte = !dialect.encoding.is_single_byte() && dialect.encoding != encoding_rs::UTF_8;
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            at = walk(bytes, start, dialect, multibyte, |_| {}).unwrap_or_else(|_| next_line(bytes, start));
            if !matches!(&bytes[start..at], b"\n" | b"\r\n" | b"\r") {
                return Some((start, at));
            }
        }
        None
    })
}

enum Walked {
    Plain(usize, usize),
    /// With doubled quotes in it.
    Doubled(usize, usize),
}

/// Walks the fields of the record at `start`; gives the start of the next. `multibyte`: the second byte of a character may
/// look like the delimiter.
fn walk(
    text: &[u8],
    start: usize,
    dialect: &CsvDialect,
    multibyte: bool,
    mut field: impl FnMut(Walked),
) -> Result<usize, Problem> {
    let mut at = start;
    loop {
        let (next, is_line_end) = if text.get(at) == Some(&dialect.quote) {
            let (close, doubled) = closing(text, at + 1, dialect.quote)?;
            field(if doubled { Walked::Doubled(at + 1, close) } else { Walked::Plain(at + 1, close) });
            match &text[close + 1..] {
                [] => return Ok(text.len()),
                [b'\n', ..] => (close + 2, true),
                [b'\r'] => return Ok(text.len()),
                [b'\r', b'\n', ..] => (close + 3, true),
                [byte, ..] if *byte == dialect.delimiter => (close + 2, false),
                _ => return Err(Problem::NotDoubled),
            }
        } else {
            let end = field_end(text, at, start, dialect, multibyte);
            let is_line_end = text.get(end) != Some(&dialect.delimiter);
            let trimmed = if is_line_end && end > at && text[end - 1] == b'\r' { end - 1 } else { end };
            field(Walked::Plain(at, trimmed));
            (end + 1, is_line_end)
        };
        if is_line_end {
            return Ok(next.min(text.len()));
        }
        at = next;
    }
}

/// Where the unquoted field at `at` ends.
fn field_end(text: &[u8], at: usize, row: usize, dialect: &CsvDialect, multibyte: bool) -> usize {
    let mut from = at;
    while let Some(found) = memchr2(dialect.delimiter, b'\n', &text[from..]) {
        let end = from + found;
        if !(multibyte && text[end] == dialect.delimiter && is_trail(&text[row..end])) {
            return end;
        }
        from = end + 1;
    }
    text.len()
}

/// Whether the byte after `before` is the second of a character: an odd number of lead bytes stands before it.
fn is_trail(before: &[u8]) -> bool {
    before.iter().rev().take_while(|&&b| b >= 0x81).count() % 2 == 1
}

/// The quote that closes the field at `from`, and whether there were doubled ones before it.
fn closing(text: &[u8], from: usize, quote: u8) -> Result<(usize, bool), Problem> {
    // Decoding makes text longer, so that a field within the reader's limit is within this one.
    let limit = from.saturating_add(4 * CsvDialect::MAX_FIELD_BYTES).min(text.len());
    let (mut at, mut doubled) = (from, false);
    while let Some(found) = memchr(quote, &text[at..limit]) {
        let close = at + found;
        if text.get(close + 1) != Some(&quote) {
            return Ok((close, doubled));
        }
        doubled = true;
        at = close + 2;
        if at > limit {
            break;
        }
    }
    Err(Problem::Unclosed)
}

fn undouble(text: &[u8], quote: u8, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr(quote, rest) {
        out.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn next_line(text: &[u8], from: usize) -> usize {
    memchr(b'\n', &text[from..]).map_or(text.len(), |end| from + end + 1)
}

/// The high bit of each byte of `word` that is zero.
fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW) + LOW) | word | LOW)
}
