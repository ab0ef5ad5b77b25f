//! Opens files and hashes what is read of them, so that a file that changes meanwhile is noticed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use tokio::runtime::Handle;
use tributary_connector::{Error, Kind};

use crate::place::{Entry, Place, Stat};
use crate::{local, remote};

/// Read at once: hashing finds these bytes still in the processor's cache.
const CHUNK: usize = 256 * 1024;

/// A file being read from its start.
pub struct Input {
    reader: Box<dyn Read + Send>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Input {
    /// Opens `entry`'s file; gives how it is now.
    ///
    /// # Errors
    /// If it is gone or cannot be read.
    pub fn open(entry: &Entry, runtime: &Handle) -> Result<(Stat, Self), Error> {
        let opened = match &entry.place {
            Place::Local(path) => File::open(path).and_then(|file| {
                let meta = file.metadata()?;
                Ok((local::stat_of(&meta), Box::new(file) as Box<dyn Read + Send>))
            }),
            Place::Remote(store, path) => remote::read(runtime, store, path),
        };
        let (stat, reader) = opened.map_err(|e| unreadable(entry, e))?;
        Ok((stat, Self::new(reader)))
    }

    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, hasher: blake3::Hasher::new(), bytes: 0 }
    }

    /// Appends up to `bytes` to `buffer`; fewer only at the end of the file.
    ///
    /// # Errors
    /// If reading fails.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, bytes: usize) -> io::Result<usize> {
        let start = buffer.len();
        buffer.resize(start + bytes, 0);
        let mut end = start;
        while end < start + bytes {
            let until = (end + CHUNK).min(start + bytes);
            match self.read(&mut buffer[end..until]) {
                Ok(0) => break,
                Ok(length) => end += length,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        buffer.truncate(end);
        Ok(end - start)
    }

    /// Reads what is left, and gives the hash of everything.
    ///
    /// # Errors
    /// If reading fails.
    pub fn finish(mut self) -> io::Result<(u64, String)> {
        let mut rest = vec![0; CHUNK];
        while self.read(&mut rest)? > 0 {}
        Ok((self.bytes, self.hasher.finalize().to_hex().to_string()))
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        self.bytes += length as u64;
        Ok(length)
    }
}

/// The hash of `entry`'s content and how the file was when it was taken.
///
/// # Errors
/// If it is gone, cannot be read, or changes meanwhile.
pub fn hash(entry: &Entry, runtime: &Handle) -> Result<(Stat, String), Error> {
    let (stat, input) = Input::open(entry, runtime)?;
    let (_, hash) = input.finish().map_err(|e| unreadable(entry, e))?;
    check(entry, &stat, runtime)?;
    Ok((stat, hash))
}

/// The whole file to seek in: itself, or a copy that is gone when it is closed. With the hash of its content.
///
/// # Errors
/// If it is gone or cannot be read.
pub fn whole(entry: &Entry, runtime: &Handle) -> Result<(Stat, File, String), Error> {
    let failed = |e| unreadable(entry, e);
    let (stat, mut input) = Input::open(entry, runtime)?;
    let mut file = match &entry.place {
        Place::Local(path) => File::open(path).map_err(failed)?,
        Place::Remote(..) => {
            let mut copy = tempfile::tempfile().map_err(failed)?;
            io::copy(&mut input, &mut copy).map_err(failed)?;
            copy
        }
    };
    let (_, hash) = input.finish().map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok((stat, file, hash))
}

/// Whether the file is still as it was when it was opened.
///
/// # Errors
/// If it is not: what was read of it must not be used.
pub fn check(entry: &Entry, before: &Stat, runtime: &Handle) -> Result<(), Error> {
    let now = match &entry.place {
        Place::Local(path) => local::stat(path),
        Place::Remote(store, path) => remote::stat(runtime, store, path),
    };
    match now {
        Ok(now) if before.same(&now) => Ok(()),
        Ok(_) => Err(Error::new(Kind::Data, format!("`{}` changed while it was read", entry.partition))
            .hint("it is read again next time; let the exporter write under another name and rename when done")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(Error::new(Kind::NotFound, format!("`{}` vanished while it was read", entry.partition)).source(e))
        }
        Err(e) => Err(unreadable(entry, e)),
    }
}

pub fn unreadable(entry: &Entry, e: io::Error) -> Error {
    let kind = match e.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        _ if matches!(entry.place, Place::Remote(..)) => Kind::Transport,
        _ => Kind::Data,
    };
    Error::new(kind, format!("`{}` could not be read", entry.partition)).source(e)
}
