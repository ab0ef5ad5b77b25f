//! Reads delimited text: finds its layout, and hands out pages of whole records.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tributary_connector::{CsvDialect, CsvPage, Data, Error, Form, Kind, Rejected};

use crate::config::TotalRow;
use crate::cut::{Broken, Cutter, KEPT, MAX_RECORD, Piece, count_lines};
use crate::layout::{self, Row};
use crate::pages::{Halt, Pages};
use crate::text::Text;

/// What is configured of delimited text, checked.
#[derive(Debug, Clone)]
pub struct Options {
    pub delimiter: Option<u8>,
    pub quote: u8,
    pub skip_rows: Option<u64>,
    pub header: Option<Vec<String>>,
    pub total_row: TotalRow,
}

/// How one file's table is laid out.
#[derive(Debug, Clone)]
pub struct Layout {
    pub delimiter: u8,
    /// The columns' names.
    pub header: Vec<String>,
    /// Lines above the header.
    pub titles: u64,
    /// Lines of the header itself.
    pub header_lines: u64,
}

impl Layout {
    /// Finds the layout of `text`; `None` if there is no row in it.
    ///
    /// # Errors
    /// [`Kind::Data`] if it is no text, or its first row does not end.
    pub fn find(text: &Text, options: &Options, name: &str) -> Result<Option<Self>, Error> {
        let sample = text.sample();
        if sample.starts_with("PK\u{3}\u{4}") || sample.contains("\0\0\0\0") {
            return Err(Error::new(Kind::Data, format!("`{name}` is not text")).hint("set `format`, or `encoding`"));
        }
        if !text.is_whole() && !sample.contains('\n') {
            return Err(Error::new(Kind::Data, format!("the first row of `{name}` does not end within 256 KiB")));
        }
        Ok(Self::of_sample(&sample, options))
    }

    fn of_sample(sample: &str, options: &Options) -> Option<Self> {
        let skip = options.skip_rows.unwrap_or(0);
        let mut body = sample;
        for _ in 0..skip {
            body = body.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let delimiter = options.delimiter.unwrap_or_else(|| layout::delimiter(body, options.quote));
        if let Some(names) = &options.header {
            return Some(Self { delimiter, header: layout::names(names), titles: skip, header_lines: 0 });
        }
        let rows = layout::rows(body, delimiter, options.quote, layout::ROWS);
        let place = match options.skip_rows {
            Some(_) => 0,
            None => layout::header(&rows.iter().map(|row| &row.cells[..]).collect::<Vec<_>>())?,
        };
        let Row { line, lines, cells } = rows.get(place)?;
        let titles = skip + *line as u64;
        Some(Self { delimiter, header: layout::names(cells), titles, header_lines: *lines as u64 })
    }
}

/// Whether the bytes of a file's last record are a total.
pub fn is_total(record: &[u8], dialect: &CsvDialect, rule: TotalRow) -> bool {
    match rule {
        TotalRow::None => false,
        TotalRow::Last => true,
        TotalRow::Detect => {
            let (text, _) = dialect.encoding.decode_without_bom_handling(record);
            layout::rows(&text, dialect.delimiter, dialect.quote, 1)
                .first()
                .is_some_and(|row| layout::is_total(&row.cells, dialect.header.len()))
        }
    }
}

/// Reads all of `text` into `pages`, about `page_bytes` at a time.
///
/// # Errors
/// If reading fails or nobody listens any more.
pub fn read(
    text: &mut Text,
    layout: Layout,
    options: &Options,
    page_bytes: usize,
    pages: &mut Pages<'_>,
) -> Result<(), Halt> {
    let mut buffer = Vec::with_capacity(page_bytes);
    let mut ended = false;
    // The rows above the table, and the header.
    let mut skipped = 0;
    let mut header_start = 0;
    for line in 0..layout.titles + layout.header_lines {
        if line == layout.titles {
            header_start = skipped;
        }
        skipped = next_line(text, &mut buffer, skipped, page_bytes, &mut ended).map_err(|e| pages.unreadable(e))?;
    }
    let header = if layout.header_lines > 0 { &buffer[header_start..skipped] } else { &[] };
    let header = header.strip_suffix(b"\n").unwrap_or(header);
    let header = header.strip_suffix(b"\r").unwrap_or(header).to_vec();
    let mut line = layout.titles + layout.header_lines + 1;
    buffer.drain(..skipped);

    let dialect = Arc::new(CsvDialect {
        delimiter: layout.delimiter,
        quote: options.quote,
        encoding: text.encoding,
        header: layout.header,
    });
    let cutter = Cutter {
        delimiter: dialect.delimiter,
        quote: dialect.quote,
        width: dialect.header.len(),
        header: (!header.is_empty()).then_some(header),
        multibyte: text.encoding != encoding_rs::UTF_8 && !text.encoding.is_single_byte(),
    };
    loop {
        if !ended {
            let room = page_bytes.saturating_sub(buffer.len()).max(page_bytes / 2).max(1);
            ended = text.fill(&mut buffer, room).map_err(|e| pages.unreadable(e))?;
        }
        let mut cut = cutter.cut(&mut buffer, line, ended);
        if ended
            && let Some(Piece::Records { start, end, line, count, last }) = cut.pieces.last_mut()
            && is_total(&buffer[*last..*end], &dialect, options.total_row)
        {
            let line = *line + count_lines(&buffer[*start..*last]);
            tracing::info!(file = pages.partition(), line, "left out the total row at the end");
            (*end, *count) = (*last, *count - 1);
        }
        if cut.rest == 0 && !ended && buffer.len() > MAX_RECORD {
            (line, ended) = pass_over(text, &mut buffer, line, page_bytes, &dialect, pages)?;
            continue;
        }
        let rest = buffer[cut.rest..].to_vec();
        buffer.truncate(cut.rest);
        send(Bytes::from(std::mem::take(&mut buffer)), &cut.pieces, &dialect, pages)?;
        if ended {
            return Ok(());
        }
        buffer = Vec::with_capacity(page_bytes + rest.len());
        buffer.extend_from_slice(&rest);
        line = cut.rest_line;
    }
}

fn send(bytes: Bytes, pieces: &[Piece], dialect: &Arc<CsvDialect>, pages: &mut Pages<'_>) -> Result<(), Halt> {
    for piece in pieces {
        match *piece {
            Piece::Records { count: 0, .. } => {}
            Piece::Records { start, end, line, count, .. } => {
                let page = CsvPage { bytes: bytes.slice(start..end), dialect: Arc::clone(dialect), first_line: line };
                pages.send(Data::Csv(page), count)?;
            }
            Piece::Broken { start, end, line, why } => {
                reject(bytes.get(start..end).unwrap_or_default(), line, why, dialect, pages)?
            }
        }
    }
    Ok(())
}

fn reject(row: &[u8], line: u64, why: Broken, dialect: &Arc<CsvDialect>, pages: &mut Pages<'_>) -> Result<(), Halt> {
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    let rejected = Rejected {
        record: pages.records(),
        line: Some(line),
        bytes: Bytes::copy_from_slice(if why == Broken::TooLong { &row[..row.len().min(KEPT)] } else { row }),
        error: why.in_words().to_owned(),
        undecodable: false,
        form: (why != Broken::TooLong).then(|| Form::Csv(Arc::clone(dialect))),
    };
    pages.send(Data::Rejected(vec![rejected]), 1)
}

/// Rejects a line of which more than the longest record has been read, and reads on to its end.
fn pass_over(
    text: &mut Text,
    buffer: &mut Vec<u8>,
    line: u64,
    page_bytes: usize,
    dialect: &Arc<CsvDialect>,
    pages: &mut Pages<'_>,
) -> Result<(u64, bool), Halt> {
    let kept = buffer[..KEPT.min(buffer.len())].to_vec();
    let mut ended = false;
    loop {
        if let Some(end) = memchr::memchr(b'\n', buffer) {
            buffer.drain(..=end);
            break;
        }
        buffer.clear();
        if ended {
            break;
        }
        ended = text.fill(buffer, page_bytes).map_err(|e| pages.unreadable(e))?;
    }
    reject(&kept, line, Broken::TooLong, dialect, pages)?;
    Ok((line + 1, ended))
}

/// Where the line after `from` starts, reading on if need be.
fn next_line(
    text: &mut Text,
    buffer: &mut Vec<u8>,
    from: usize,
    page_bytes: usize,
    ended: &mut bool,
) -> io::Result<usize> {
    loop {
        if let Some(end) = memchr::memchr(b'\n', &buffer[from..]) {
            return Ok(from + end + 1);
        }
        if *ended {
            return Ok(buffer.len());
        }
        *ended = text.fill(buffer, page_bytes)?;
    }
}
