//! Where a lake lies: a local folder, or a prefix in an object store.

use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use crate::durable::Durable;
use crate::{Error, Result};

/// A lake's place. `store` reaches from the root of its bucket or file system; `prefix` is the lake within.
#[derive(Debug, Clone)]
pub struct Location {
    /// As the user wrote it, for messages.
    pub text: String,
    /// Ends with a slash.
    pub url: Url,
    pub store: Arc<dyn ObjectStore>,
    pub prefix: Path,
    pub local: bool,
}

impl Location {
    /// Reads `text`: a URL (`s3://`, `gs://`, `az://`, …, with options from the environment as the vendors' own tools take
    /// them) or a path, relative to the working directory.
    ///
    /// # Errors
    /// [`Error::Location`] if it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: String| Error::Location { location: text.into(), why };
        if text.contains("://") && !text.starts_with("file://") {
            let mut url = Url::parse(text).map_err(|e| refuse(e.to_string()))?;
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            if let Some(store) = url.host_str().filter(|_| url.scheme() == "fault").and_then(crate::fault::mounted) {
                let prefix = Path::from(url.path());
                let url = Url::parse("memory:///lake/").map_err(|e| refuse(e.to_string()))?;
                return Ok(Self { text: text.into(), url, store, prefix, local: false });
            }
            let options = std::env::vars()
                .filter(|(key, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| key.starts_with(prefix)));
            let options = options.map(|(key, value)| (key.to_ascii_lowercase(), value));
            let (store, prefix) = object_store::parse_url_opts(&url, options).map_err(|e| refuse(e.to_string()))?;
            return Ok(Self { text: text.into(), url, store: store.into(), prefix, local: false });
        }
        let path = text.strip_prefix("file://").unwrap_or(text);
        let path = absolute(FsPath::new(path)).map_err(|e| refuse(e.to_string()))?;
        if path.exists() && !path.is_dir() {
            return Err(refuse("it is a file; a lake is a folder".into()));
        }
        let url = Url::from_directory_path(&path).map_err(|()| refuse("its path is not UTF-8".into()))?;
        let prefix = Path::from_absolute_path(&path).map_err(|e| refuse(e.to_string()))?;
        let staging = path.join("_tributary").join("staging");
        Ok(Self { text: text.into(), url, store: Arc::new(Durable::new(staging)), prefix, local: true })
    }

    /// A path within the lake, from parts without slashes.
    pub fn path<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Path {
        parts.into_iter().fold(self.prefix.clone(), |path, part| path.join(part))
    }
}

/// An absolute path without `.` and `..`; the path need not exist.
fn absolute(path: &FsPath) -> std::io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Ok(clean)
}
