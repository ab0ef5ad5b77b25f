//! How rows get into a file: the file itself, rows that are sent again, and lines of CSV.
//!
//! Of the rows offered, 3 % come again, the same, some rows later in the same file, as exports do that were retried. Only
//! the rows that wait for this are kept in memory.

use std::collections::BTreeMap;
use std::fs::{File, create_dir_all};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use encoding_rs::GB18030;
use rand::RngExt;

use crate::Error;
use crate::chance::Dice;
use crate::summary::FileCount;

const RESENT: f64 = 0.03;

/// A file being written; errors name it.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    out: BufWriter<File>,
    bytes: u64,
}

impl Output {
    /// Makes the file at `path` below `folder`, and its folder.
    pub(crate) fn create(folder: &Path, path: &str) -> Result<Self, Error> {
        let path = file_path(folder, path)?;
        match File::create(&path) {
            Ok(file) => Ok(Self { path, out: BufWriter::new(file), bytes: 0 }),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Writes text in GB18030.
    pub(crate) fn gb18030(&mut self, text: &str) -> Result<(), Error> {
        let (bytes, _, unmappable) = GB18030.encode(text);
        if unmappable { Err(Error::Encode { path: self.path.clone() }) } else { self.bytes(&bytes) }
    }

    /// Writes one JSON value and a line feed.
    pub(crate) fn json_line(&mut self, value: &impl serde::Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| Error::Write { path: self.path.clone(), source: error.into() })?;
        line.push(b'\n');
        self.bytes(&line)
    }

    /// Ends the file; answers its size.
    pub(crate) fn finish(mut self) -> Result<u64, Error> {
        match self.out.flush() {
            Ok(()) => Ok(self.bytes),
            Err(source) => Err(Error::Write { path: self.path, source }),
        }
    }
}

/// Where a file lies, its folder being made.
pub(crate) fn file_path(folder: &Path, path: &str) -> Result<PathBuf, Error> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        create_dir_all(parent).map_err(|source| Error::Write { path: parent.to_path_buf(), source })?;
    }
    Ok(path)
}

/// Passes rows on, some of them twice.
#[derive(Debug)]
pub(crate) struct Repeats<T> {
    waiting: BTreeMap<(u64, u64), T>,
    rows: u64,
    resent: u64,
}

impl<T> Default for Repeats<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), rows: 0, resent: 0 }
    }
}

impl<T> Repeats<T> {
    /// Emits the row, and before the next one those whose time to come again it is.
    pub(crate) fn offer<E>(
        &mut self,
        dice: &mut Dice,
        row: T,
        mut emit: impl FnMut(&T) -> Result<(), E>,
    ) -> Result<(), E> {
        emit(&row)?;
        self.rows += 1;
        if dice.random_bool(RESENT) {
            self.waiting.insert((self.rows + dice.random_range(0..400), self.rows), row);
        }
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= self.rows) {
            emit(&first.remove())?;
            self.rows += 1;
            self.resent += 1;
        }
        Ok(())
    }

    /// Emits the rows that still wait; answers the rows emitted in all, and of these those that came again.
    pub(crate) fn finish<E>(mut self, mut emit: impl FnMut(&T) -> Result<(), E>) -> Result<FileCount, E> {
        for row in std::mem::take(&mut self.waiting).into_values() {
            emit(&row)?;
            self.rows += 1;
            self.resent += 1;
        }
        Ok(FileCount { rows: self.rows, resent: self.resent, bytes: 0 })
    }
}

/// One record of CSV; a field is quoted where RFC 4180 asks for it.
#[derive(Debug, Default)]
pub(crate) struct CsvLine {
    text: String,
    fields: usize,
}

impl CsvLine {
    pub(crate) fn field(mut self, field: &str) -> Self {
        if self.fields > 0 {
            self.text.push(',');
        }
        self.fields += 1;
        if field.contains([',', '"', '\n', '\r']) {
            self.text.push('"');
            self.text.push_str(&field.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(field);
        }
        self
    }

    pub(crate) fn fields<'a>(self, fields: impl IntoIterator<Item = &'a str>) -> Self {
        fields.into_iter().fold(self, Self::field)
    }

    pub(crate) fn end(mut self, line_end: &str) -> String {
        self.text.push_str(line_end);
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Purpose, dice};

    #[test]
    fn rows_come_again_later_and_only_once() {
        let (mut dice, mut repeats, mut seen) = (dice(1, Purpose::Members), Repeats::default(), Vec::new());
        for row in 0..20_000_u32 {
            repeats
                .offer(&mut dice, row, |row| {
                    seen.push(*row);
                    Ok::<(), ()>(())
                })
                .unwrap();
        }
        let count = repeats
            .finish(|row| {
                seen.push(*row);
                Ok::<(), ()>(())
            })
            .unwrap();
        assert_eq!(count.rows, seen.len() as u64);
        assert_eq!(count.rows - count.resent, 20_000);
        assert!((500..700).contains(&count.resent), "{count:?}");
        let mut times = vec![0; 20_000];
        seen.iter().for_each(|&row| times[row as usize] += 1);
        assert!(times.iter().all(|&times| times == 1 || times == 2));
    }

    #[test]
    fn a_field_is_quoted_where_it_must_be() {
        let line = CsvLine::default().fields(["a", "1,299.00", "\"b\"", "", "c\nd"]).end("\r\n");
        assert_eq!(line, "a,\"1,299.00\",\"\"\"b\"\"\",,\"c\nd\"\r\n");
    }
}
