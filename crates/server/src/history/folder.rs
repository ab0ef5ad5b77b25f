//! The history in a folder of this machine, for one server at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::Medium;
use crate::Error;

const HISTORY: &str = "history.jsonl";
const NEW: &str = "history.jsonl.new";

/// A state folder. It stays locked as long as this lives; the lock goes with the process, however that ends.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    history: Option<File>,
    _lock: File,
}

impl Folder {
    /// Takes the folder, and makes it if it is not there, for nobody else to read.
    ///
    /// # Errors
    /// If another server has it, or it cannot be written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |e| {
            Error::new(format!("could not open the state folder `{}`", path.display()))
                .source(e)
                .hint("name a folder that this user may write with `--state`")
        };
        make(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false);
        let mut lock = options.open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message.
                let _ = lock.read_to_string(&mut holder);
                let holder = if holder.is_empty() { String::new() } else { format!(" (process {})", holder.trim()) };
                return Err(Error::new(format!("another server{holder} has the state folder `{}`", path.display()))
                    .hint("end that one first, or name another folder with `--state`"));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(failed)?;
        writeln!(lock, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { path: path.to_owned(), history: None, _lock: lock })
    }
}

impl Medium for Folder {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        match std::fs::read(self.path.join(HISTORY)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let history = match &mut self.history {
            Some(history) => history,
            none => none.insert(OpenOptions::new().append(true).open(self.path.join(HISTORY))?),
        };
        history.write_all(bytes)?;
        history.sync_data()
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.history = None;
        let mut new = File::create(self.path.join(NEW))?;
        new.write_all(bytes)?;
        new.sync_all()?;
        std::fs::rename(self.path.join(NEW), self.path.join(HISTORY))?;
        sync(&self.path)
    }
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// A rename is durable once the folder is.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_refused_until_the_first_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path()).unwrap();
        let second = Folder::open(folder.path()).unwrap_err();
        let holder = std::process::id();
        assert_eq!(
            second.to_string(),
            format!("another server (process {holder}) has the state folder `{}`", folder.path().display())
        );
        drop(first);
        Folder::open(folder.path()).unwrap();
    }

    #[test]
    fn what_was_appended_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut medium = Folder::open(folder.path()).unwrap();
        assert_eq!(medium.read().unwrap(), b"");
        medium.replace(b"one\n").unwrap();
        medium.append(b"two\n").unwrap();
        medium.append(b"three\n").unwrap();
        assert_eq!(medium.read().unwrap(), b"one\ntwo\nthree\n");
        medium.replace(b"four\n").unwrap();
        medium.append(b"five\n").unwrap();
        assert_eq!(medium.read().unwrap(), b"four\nfive\n");
    }
}
