//! Cuts pages of delimited text into whole records, and counts them: the count that decoding is checked against. So this
//! shares no code with decoding, only the rules (see [`tributary_connector::CsvPage`]).

use memchr::{memchr, memchr_iter, memchr2};
use tributary_connector::CsvDialect;

/// A longer record is no record.
pub const MAX_RECORD: usize = 16 << 20;
/// Bytes kept of a record that is too long to be kept whole.
pub const KEPT: usize = 64 * 1024;

/// How records are told apart.
#[derive(Debug, Clone)]
pub struct Cutter {
    pub delimiter: u8,
    pub quote: u8,
    /// Fields of a record.
    pub width: usize,
    /// The header's bytes without its line end: where they come again they are no record.
    pub header: Option<Vec<u8>>,
    /// Whether the second byte of a character may look like the delimiter.
    pub multibyte: bool,
}

/// A stretch of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// This many records; the last one starts at `last`.
    Records { start: usize, end: usize, line: u64, count: u64, last: usize },
    /// One record that cannot be cut out: its first line.
    Broken { start: usize, end: usize, line: u64, why: Broken },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Unclosed,
    NotDoubled,
    TooLong,
}

impl Broken {
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Unclosed => "a quote is opened and not closed",
            Self::NotDoubled => "a quote inside a quoted field is not doubled",
            Self::TooLong => "row is longer than 16 MiB",
        }
    }
}

/// What a page was cut into, and where the next one starts.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    pub pieces: Vec<Piece>,
    pub rest: usize,
    pub rest_line: u64,
}

enum End {
    /// The next record starts here.
    At(usize),
    Broken(Broken),
    /// More has to be read to tell.
    Unknown,
}

impl Cutter {
    /// Cuts `page`, which starts with a record at line `line`. Unless the page is the file's last, a record that nothing
    /// follows is left for the next one, as the last record of a file may be a total. A lone carriage return after a complete
    /// record becomes a line end.
    pub fn cut(&self, page: &mut [u8], line: u64, is_last: bool) -> Cut {
        let quotes = memchr(self.quote, page).is_some();
        let lone_returns = memchr_iter(b'\r', page).any(|at| page.get(at + 1).is_some_and(|&b| b != b'\n'));
        let mut pieces = Vec::new();
        let mut open: Option<Piece> = None;
        let (mut at, mut line) = (0, line);
        let mut last_line = line;
        while at < page.len() {
            let newline = memchr(b'\n', &page[at..]).map(|end| at + end);
            let Some(mut end) = newline.or(is_last.then_some(page.len())) else { break };
            if lone_returns && let Some(found) = self.lone_return(&page[at..end]) {
                end = at + found;
                page[end] = b'\n';
            }
            let row = &page[at..end];
            if row.is_empty() || row == b"\r" {
                (at, line) = (end + 1, line + 1);
                continue;
            }
            if let Some(after) = self.header_at(page, at) {
                pieces.extend(open.take());
                line += count_lines(&page[at..after]);
                at = after;
                continue;
            }
            let next = if quotes && memchr(self.quote, row).is_some() {
                self.record_end(page, at, is_last)
            } else {
                End::At(end + 1)
            };
            match next {
                End::At(next) if next - at > MAX_RECORD => {
                    pieces.extend(open.take());
                    pieces.push(Piece::Broken { start: at, end, line, why: Broken::TooLong });
                    (at, line) = (end + 1, line + 1);
                }
                End::At(next) => {
                    let next = next.min(page.len());
                    last_line = line;
                    match &mut open {
                        Some(Piece::Records { end, count, last, .. }) => (*end, *count, *last) = (next, *count + 1, at),
                        _ => open = Some(Piece::Records { start: at, end: next, line, count: 1, last: at }),
                    }
                    line += if next == end + 1 { 1 } else { count_lines(&page[at..next]) };
                    at = next;
                }
                End::Broken(why) => {
                    pieces.extend(open.take());
                    pieces.push(Piece::Broken { start: at, end, line, why });
                    (at, line) = (end + 1, line + 1);
                }
                End::Unknown => break,
            }
        }
        let (mut rest, mut rest_line) = (at.min(page.len()), line);
        // What follows a record proves that it is not the last one.
        let may_be_last = !is_last && page[rest..].iter().all(|b| matches!(b, b'\n' | b'\r'));
        if may_be_last && let Some(Piece::Records { end, count, last, .. }) = &mut open {
            (rest, rest_line) = (*last, last_line);
            (*end, *count) = (*last, *count - 1);
            if *count == 0 {
                open = None;
            }
        }
        pieces.extend(open);
        Cut { pieces, rest, rest_line }
    }

    /// A carriage return within a line without quotes that ends a record, because the record has all its fields.
    fn lone_return(&self, row: &[u8]) -> Option<usize> {
        let last = row.len().checked_sub(1)?;
        if memchr(self.quote, row).is_some() {
            return None;
        }
        memchr_iter(b'\r', row)
            .filter(|&at| at < last)
            .find(|&at| memchr_iter(self.delimiter, &row[..at]).count() + 1 == self.width)
    }

    /// What follows the header that comes again at `at`.
    fn header_at(&self, page: &[u8], at: usize) -> Option<usize> {
        let header = self.header.as_deref()?;
        match page[at..].strip_prefix(header)? {
            [] | [b'\r'] => Some(page.len()),
            [b'\n', ..] => Some(at + header.len() + 1),
            [b'\r', b'\n', ..] => Some(at + header.len() + 2),
            _ => None,
        }
    }

    /// Where the record at `start` ends, for one with quotes in it.
    fn record_end(&self, page: &[u8], start: usize, is_last: bool) -> End {
        let unknown = |at: usize| match is_last {
            _ if at - start > MAX_RECORD => End::Broken(Broken::TooLong),
            true => End::At(page.len()),
            false => End::Unknown,
        };
        let mut at = start;
        loop {
            if page.get(at) != Some(&self.quote) {
                match self.unquoted_end(page, at, start) {
                    None => return unknown(page.len()),
                    Some(end) if page[end] == b'\n' => return End::At(end + 1),
                    Some(end) => at = end + 1,
                }
                continue;
            }
            let close = match self.closing(page, at + 1, is_last) {
                Ok(close) => close,
                Err(end) => return end,
            };
            match &page[close + 1..] {
                [b'\n', ..] => return End::At(close + 2),
                [b'\r', b'\n', ..] => return End::At(close + 3),
                [] | [b'\r'] => return unknown(page.len()),
                [byte, ..] if *byte == self.delimiter => at = close + 2,
                _ => return End::Broken(Broken::NotDoubled),
            }
        }
    }

    /// The delimiter or line end after the unquoted field at `at`, in the record at `start`.
    fn unquoted_end(&self, page: &[u8], at: usize, start: usize) -> Option<usize> {
        let mut from = at;
        loop {
            let end = from + memchr2(self.delimiter, b'\n', &page[from..])?;
            // In GB18030 and its kin a byte is a character's second if an odd number of lead bytes stands before it.
            let leads = || page[start..end].iter().rev().take_while(|&&b| b >= 0x81).count();
            if !(self.multibyte && page[end] == self.delimiter && leads() % 2 == 1) {
                return Some(end);
            }
            from = end + 1;
        }
    }

    /// The quote that closes the field whose content starts at `from`.
    fn closing(&self, page: &[u8], from: usize, is_last: bool) -> Result<usize, End> {
        let limit = page.len().min(from + CsvDialect::MAX_FIELD_BYTES + 1);
        let too_many_lines = |end: usize| {
            end - from > CsvDialect::MAX_FIELD_LINES
                && count_lines(&page[from..end]) > CsvDialect::MAX_FIELD_LINES as u64
        };
        let mut at = from;
        while at < limit
            && let Some(found) = memchr(self.quote, &page[at..limit])
        {
            let close = at + found;
            match page.get(close + 1) {
                Some(&next) if next == self.quote => at = close + 2,
                None if !is_last => return Err(End::Unknown),
                _ if too_many_lines(close) => return Err(End::Broken(Broken::Unclosed)),
                _ => return Ok(close),
            }
        }
        if is_last || limit < page.len() || too_many_lines(limit) {
            return Err(End::Broken(Broken::Unclosed));
        }
        Err(End::Unknown)
    }
}

pub fn count_lines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}
