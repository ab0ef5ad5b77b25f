//! Secrets for the configuration of a world: files, as no test may set its process's environment.

use std::io::Write;

use serde_json::{Value, json};

/// A folder of secrets that is gone with this value. References lead to its files, and what is in them is known.
#[derive(Debug)]
pub struct SecretFiles {
    folder: tempfile::TempDir,
}

impl SecretFiles {
    /// # Errors
    /// If there is no place for temporary files.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    /// Writes a secret and gives the reference to it, such as `{"file": "/tmp/…/token"}`. Only its owner may read the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, name: &str, value: &str) -> std::io::Result<Value> {
        let path = self.folder.path().join(name);
        // Who reads it at this moment must not find it empty.
        if std::fs::read_to_string(&path).is_ok_and(|written| written == value) {
            return Ok(json!({ "file": path }));
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?.write_all(value.as_bytes())?;
        Ok(json!({ "file": path }))
    }

    /// A reference that leads to nothing.
    pub fn missing(&self, name: &str) -> Value {
        json!({ "file": self.folder.path().join("missing").join(name) })
    }
}
