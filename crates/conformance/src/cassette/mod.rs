//! What a vendor once said, kept in a file: recorded, redacted, and said again.
//!
//! A [`Recording`] stands between a connector and the vendor and writes each request with its answer as a line of JSON. Nothing is
//! written before it is redacted ([`Redaction`]): secrets and personal values become fakes of the same shape, the same value the same
//! fake, so that a page token or an id that a later request repeats still fits. A [`Replay`] serves the file. A request that is not in
//! it is an error and never an empty answer.
//!
//! ```no_run
//! use tributary_conformance::cassette::{Recording, Redaction, Replay};
//!
//! let redaction = Redaction::new().personal("*Owner*").plain("Product_Name");
//! let recording = Recording::start("https://www.zohoapis.com.cn", "tests/cassettes/contacts.jsonl", redaction)?;
//! // read with `recording.url()` as the base URL, then drop it; later, and anywhere:
//! let replay = Replay::open("tests/cassettes/contacts.jsonl")?;
//! let served = replay.serve()?;
//! // read with `served.url()`
//! assert!(replay.unmatched().is_empty());
//! # Ok::<(), tributary_conformance::cassette::Error>(())
//! ```
//!
//! Look through a new cassette before it is shared: what no name and no pattern tells of stays as it is.

mod fake;
mod record;
mod redact;
mod replay;
mod scan;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use record::Recording;
pub use redact::Redaction;
pub use replay::Replay;

/// Stands in a file for the vendor's base URL.
const ORIGIN: &str = "{{origin}}";

/// What is wrong with a cassette.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not use the cassette `{}`", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("line {line} of the cassette `{}` is none", path.display())]
    Line { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("no port could be had for a cassette")]
    Port(#[source] io::Error),
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// A line of a cassette.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// When it was recorded.
    at: chrono::DateTime<chrono::Utc>,
    request: Asked,
    reply: Answered,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    method: String,
    path: String,
    /// Decoded, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    query: Vec<(String, String)>,
    /// For those who read the file; no matter in a replay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Body::is_empty")]
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    status: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Body::is_empty")]
    body: Body,
}

/// Text where it is text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    Bytes { bytes: Vec<u8> },
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Body {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes { bytes: bytes.to_vec() },
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes { bytes } => bytes,
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }
}
