//! Reads JSON Lines: pages of whole lines, counted where they are not blank.

use bytes::Bytes;
use memchr::{memchr_iter, memrchr};
use tributary_connector::{Data, JsonPage, JsonShape, Rejected};

use crate::cut::{KEPT, MAX_RECORD, count_lines};
use crate::pages::{Halt, Pages};
use crate::text::Text;

/// Reads all of `text` into `pages`, about `page_bytes` at a time.
///
/// # Errors
/// If reading fails or nobody listens any more.
pub fn read(text: &mut Text, page_bytes: usize, pages: &mut Pages<'_>) -> Result<(), Halt> {
    let mut buffer = Vec::with_capacity(page_bytes);
    let mut first_line = 1;
    let mut ended = false;
    // Set while a line that is too long is passed over.
    let mut passing = false;
    while !ended {
        ended = text.fill(&mut buffer, page_bytes).map_err(|e| pages.unreadable(e))?;
        if passing {
            let line_end = memchr::memchr(b'\n', &buffer).map_or(buffer.len(), |newline| newline + 1);
            passing = !buffer[..line_end].ends_with(b"\n");
            first_line += count_lines(&buffer[..line_end]);
            buffer.drain(..line_end);
        }
        let end = if ended { buffer.len() } else { memrchr(b'\n', &buffer).map_or(0, |newline| newline + 1) };
        let mut rest = buffer[end..].to_vec();
        buffer.truncate(end);
        first_line = send(&Bytes::from(buffer), first_line, pages)?;
        if rest.len() > MAX_RECORD {
            passing = true;
            reject(&rest, first_line, pages)?;
            rest.clear();
        }
        buffer = rest;
        buffer.reserve(page_bytes);
    }
    Ok(())
}

/// Hands out lines, rejects those that are too long, and gives the number of the line that follows.
fn send(lines: &Bytes, first_line: u64, pages: &mut Pages<'_>) -> Result<u64, Halt> {
    let (mut start, mut line) = (0, first_line);
    if lines.len() > MAX_RECORD {
        let mut at = 0;
        for end in memchr_iter(b'\n', lines).map(|newline| newline + 1).chain([lines.len()]) {
            if end - at > MAX_RECORD {
                line = page(lines.slice(start..at), line, pages)?;
                reject(&lines[at..end], line, pages)?;
                (start, line) = (end, line + 1);
            }
            at = end;
        }
    }
    page(lines.slice(start..), line, pages)
}

fn page(bytes: Bytes, first_line: u64, pages: &mut Pages<'_>) -> Result<u64, Halt> {
    let (lines, records) = (count_lines(&bytes), count(&bytes));
    if records > 0 {
        pages.send(Data::Json(JsonPage { bytes, shape: JsonShape::Lines, first_line }), records)?;
    }
    Ok(first_line + lines)
}

fn reject(row: &[u8], line: u64, pages: &mut Pages<'_>) -> Result<(), Halt> {
    let rejected = Rejected {
        record: pages.records(),
        line: Some(line),
        bytes: Bytes::copy_from_slice(&row[..row.len().min(KEPT)]),
        error: "line is longer than 16 MiB".to_owned(),
        undecodable: false,
        form: None,
    };
    pages.send(Data::Rejected(vec![rejected]), 1)
}

/// Lines with anything but white space on them.
fn count(bytes: &[u8]) -> u64 {
    let mut start = 0;
    let mut count = 0;
    for end in memchr_iter(b'\n', bytes).chain([bytes.len()]) {
        count += u64::from(bytes[start..end].iter().any(|b| !b.is_ascii_whitespace()));
        start = (end + 1).min(bytes.len());
    }
    count
}
