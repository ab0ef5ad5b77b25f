//! Small files that the processes of a machine share: one lock each, replaced as a whole.
//!
//! The lock is a file of its own, because the data file is replaced and a lock on it would be of a file that is gone. It is
//! advisory and the system drops it when its holder dies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Kind};

/// Where budgets and tokens are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `$XDG_STATE_HOME/tributary`, or `~/.local/state/tributary`.
    ///
    /// # Errors
    /// [`Kind::Config`] if the user has no home.
    pub fn of_user() -> Result<Self, Error> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_STATE_HOME")
            .or_else(|| Some(absolute("HOME")?.join(".local/state")))
            .map(|path| Self(path.join("tributary")))
            .ok_or_else(|| {
                Error::new(Kind::Config, "there is no folder to keep budgets and tokens in")
                    .hint("set `XDG_STATE_HOME` or `HOME` to an absolute path")
            })
    }

    /// The file of `kind` for a credential. Its name is a hash, so that the folder does not tell whose accounts there are.
    pub(super) fn file(&self, kind: &str, credential: &str) -> StateFile {
        let hash = blake3::derive_key("tributary 2026 name of a state file", credential.as_bytes());
        StateFile(self.0.join(kind).join(hex::encode(&hash[..16])))
    }
}

#[derive(Debug, Clone)]
pub(super) struct StateFile(PathBuf);

/// A state file that no other process changes meanwhile.
pub(super) struct Held {
    path: PathBuf,
    _lock: File,
}

impl StateFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Waits for the lock; not on an async thread.
    pub(super) fn lock(&self) -> io::Result<Held> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        create_private_folder(folder)?;
        let lock =
            private(OpenOptions::new().write(true).create(true).truncate(false)).open(self.0.with_extension("lock"))?;
        lock.lock()?;
        Ok(Held { path: self.0.clone(), _lock: lock })
    }

    /// As [`StateFile::lock`], from async code.
    pub(super) async fn lock_async(&self) -> io::Result<Held> {
        let file = self.clone();
        tokio::task::spawn_blocking(move || file.lock()).await.map_err(io::Error::other)?
    }

    pub(super) fn failed(&self, e: io::Error) -> Error {
        Error::new(Kind::Config, format!("could not use `{}`", self.0.display()))
            .hint("name another folder for the state, or mend this one's permissions")
            .source(e)
    }
}

impl Held {
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Replaces the file as a whole. `durable`: it is there after a power cut as well.
    pub(super) fn replace(&self, bytes: &[u8], durable: bool) -> io::Result<()> {
        // The lock is ours, so nobody else writes under this name; one left by a process that died is in the way.
        let new = self.path.with_extension("new");
        match fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&new)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&new, &self.path)?;
        if durable && let Some(folder) = self.path.parent() {
            sync_folder(folder)?;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn create_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = Folder::at(folder.path().join("state")).file("tokens", "zoho/me");
        let held = file.lock().unwrap();
        assert_eq!(held.read().unwrap(), None);
        fs::write(file.path().with_extension("new"), "left by a process that died").unwrap();
        held.replace(b"one", true).unwrap();
        held.replace(b"two", false).unwrap();
        assert_eq!(held.read().unwrap().as_deref(), Some(b"two".as_slice()));
        assert!(!file.path().to_string_lossy().contains("zoho"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(file.path()), mode(file.path().parent().unwrap())), (0o600, 0o700));
        }
    }

    #[test]
    fn a_second_holder_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = Folder::at(folder.path()).file("budget", "x");
        let count = || -> u64 {
            let held = file.lock().unwrap();
            let before: u64 =
                held.read().unwrap().map_or(0, |bytes| String::from_utf8(bytes).unwrap().parse().unwrap());
            held.replace((before + 1).to_string().as_bytes(), false).unwrap();
            before + 1
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        count();
                    }
                });
            }
        });
        assert_eq!(count(), 161);
    }
}
