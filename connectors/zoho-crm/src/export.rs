//! The file of an export: a zip of one CSV file, unpacked and cut into pages as it is read, so that no more than a few pages are
//! unpacked at a time.
//!
//! Records are found by quotes and line ends alone; what is in them is the decoder's business, but for the id.

use std::io::{Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tributary_connector::{CsvDialect, CsvPage, Error, Kind, Retry};

use crate::streams::ID;

const BLOCK: usize = 1 << 16;
/// A record that is longer is taken for one whose quote is not closed.
const LONGEST: usize = 64 << 20;

/// Some records of an export.
#[derive(Debug)]
pub(crate) struct Part {
    pub page: CsvPage,
    pub ids: Vec<u64>,
}

/// Unpacks an export on a thread of its own, in parts of `records`. The file may be broken: nothing of it is sure before the end.
pub(crate) fn unpack(zip: Bytes, records: usize) -> mpsc::Receiver<Result<Part, Error>> {
    let (to, parts) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let unpacked = open(zip, |file| cut(file, records, |part| to.blocking_send(Ok(part)).is_ok()));
        if let Err(error) = unpacked {
            // Whoever has gone does not miss it.
            let _ = to.blocking_send(Err(error));
        }
    });
    parts
}

fn broken(e: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Transport, "an export cannot be unpacked").retry(Retry::BackOff).source(e)
}

fn open(zip: Bytes, read: impl FnOnce(&mut dyn Read) -> Result<(), Error>) -> Result<(), Error> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).map_err(broken)?;
    let mut file = archive.by_index(0).map_err(broken)?;
    read(&mut file)
}

fn cut(file: &mut dyn Read, records: usize, mut each: impl FnMut(Part) -> bool) -> Result<(), Error> {
    let mut cutter = Cutter::default();
    let mut block = vec![0; BLOCK];
    loop {
        let read = file.read(&mut block).map_err(broken)?;
        let ended = read == 0;
        cutter.unread.extend_from_slice(&block[..read]);
        if ended && !cutter.unread.is_empty() && !cutter.unread.ends_with(b"\n") {
            cutter.unread.push(b'\n');
        }
        while let Some(part) = cutter.part(records, ended)? {
            if !each(part) {
                return Ok(());
            }
        }
        if cutter.quoted && (ended || cutter.unread.len() > LONGEST) {
            return Err(Error::new(Kind::Data, "an export ends within a quoted field"));
        }
        if ended {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Cutter {
    unread: Vec<u8>,
    /// How far `unread` was looked at, and where its last whole record ends.
    at: usize,
    end: usize,
    quoted: bool,
    ids: Vec<u64>,
    dialect: Option<Arc<CsvDialect>>,
    id_place: usize,
    line: u64,
    lines: u64,
}

impl Cutter {
    /// The next part, if there is a whole one, or the rest if the file has `ended`.
    fn part(&mut self, records: usize, ended: bool) -> Result<Option<Part>, Error> {
        while let Some(&byte) = self.unread.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' => {
                    self.lines += 1;
                    if !self.quoted {
                        self.record()?;
                        if self.ids.len() >= records {
                            return Ok(self.take());
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(if ended { self.take() } else { None })
    }

    /// A record ends here.
    fn record(&mut self) -> Result<(), Error> {
        let record = self.unread.get(self.end..self.at).unwrap_or_default();
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let record = record.strip_suffix(b"\r").unwrap_or(record);
        if self.dialect.is_none() {
            let record = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
            let mut header: Vec<String> = fields(record).collect();
            let place = header.iter().position(|name| name.eq_ignore_ascii_case(ID));
            self.id_place = place.ok_or_else(|| Error::new(Kind::Protocol, "an export has no column of ids"))?;
            header[self.id_place] = ID.to_owned();
            let encoding = encoding_rs::UTF_8;
            self.dialect = Some(Arc::new(CsvDialect { delimiter: b',', quote: b'"', encoding, header }));
            self.unread.drain(..self.at);
            (self.at, self.end, self.line) = (0, 0, self.lines + 1);
            return Ok(());
        }
        if !record.is_empty() {
            let id = fields(record).nth(self.id_place).and_then(|id| id.trim().parse().ok());
            self.ids.push(id.ok_or_else(|| Error::new(Kind::Data, "a record of an export has no id"))?);
        }
        self.end = self.at;
        Ok(())
    }

    fn take(&mut self) -> Option<Part> {
        let dialect = self.dialect.clone()?;
        let bytes: Vec<u8> = self.unread.drain(..self.end).collect();
        self.at -= self.end;
        self.end = 0;
        let first_line = std::mem::replace(&mut self.line, self.lines + 1);
        let ids = std::mem::take(&mut self.ids);
        (!ids.is_empty()).then(|| Part { page: CsvPage { bytes: bytes.into(), dialect, first_line }, ids })
    }
}

/// The fields of a record, without their quotes.
fn fields(record: &[u8]) -> impl Iterator<Item = String> + '_ {
    let mut rest = Some(record);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let end = text.iter().position(|&byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        rest = end.and_then(|end| text.get(end + 1..));
        let field = String::from_utf8_lossy(&text[..end.unwrap_or(text.len())]).into_owned();
        Some(match field.strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
            Some(inner) => inner.replace("\"\"", "\""),
            None => field,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(csv: &str, records: usize) -> Result<Vec<(u64, Vec<u64>, String)>, Error> {
        let mut found = Vec::new();
        cut(&mut csv.as_bytes(), records, |part| {
            let text = String::from_utf8(part.page.bytes.to_vec()).unwrap();
            assert_eq!(part.page.dialect.header, ["Name", "id"]);
            found.push((part.page.first_line, part.ids, text));
            true
        })?;
        Ok(found)
    }

    #[test]
    fn an_export_is_cut_at_records_and_not_at_lines() {
        let csv = "\u{feff}Name,\"Id\"\r\n\"a\n\"\"b\"\", c\",1\r\nd,\"2\"\r\n\r\ne,3";
        let expected = [
            (2, vec![1], "\"a\n\"\"b\"\", c\",1\r\n".to_owned()),
            (4, vec![2], "d,\"2\"\r\n".to_owned()),
            (5, vec![3], "\r\ne,3\n".to_owned()),
        ];
        assert_eq!(parts(csv, 1).unwrap(), expected);
        assert_eq!(parts(csv, 9).unwrap()[0].1, [1, 2, 3]);
        assert!(parts("Name,Id\n", 5).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_export_is_an_error_and_not_a_short_one() {
        assert_eq!(parts("Name,Id\n\"a,1\nb,2\n", 5).unwrap_err().kind, Kind::Data);
        assert_eq!(parts("Name,Id\na,x\n", 5).unwrap_err().kind, Kind::Data);
        assert_eq!(parts("Name\na\n", 5).unwrap_err().kind, Kind::Protocol);
        let error = open(Bytes::from_static(b"<html>"), |_| Ok(())).unwrap_err();
        assert_eq!((error.kind, error.retry), (Kind::Transport, Retry::BackOff));
    }

    #[test]
    fn long_records_lie_across_blocks() {
        let long = "x".repeat(3 * BLOCK);
        let csv = format!("Name,Id\n\"{long}\n\",1\n{long},2\n");
        let found = parts(&csv, 1).unwrap();
        assert_eq!(found.iter().map(|part| (part.0, part.1[0])).collect::<Vec<_>>(), [(2, 1), (4, 2)]);
        assert_eq!(found.iter().map(|part| part.2.as_str()).collect::<String>(), csv["Name,Id\n".len()..]);
    }
}
