//! The log of requests: what was asked, by whom, and how it was answered. Never a secret, never a body.

use serde::{Deserialize, Serialize};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from one.
    pub number: u64,
    /// `GET`.
    pub method: String,
    /// Without the query, which may hold secrets.
    pub path: String,
    /// The page it asked for, as the stand-in understood it.
    pub page: Option<String>,
    /// The stand-in's time.
    pub time: String,
    /// Milliseconds since the server started, on this machine's clock.
    pub milliseconds: u64,
    /// The table it was about, where the path does not say.
    #[serde(default)]
    pub table: Option<String>,
    /// Which credential it came with: a name, not the secret.
    pub credential: Option<String>,
    /// The status it got.
    pub status: u16,
    /// The code of what went wrong, where the vendor puts one behind a status that says nothing.
    #[serde(default)]
    pub failure: Option<i64>,
    /// The faults that a scenario laid on it, by name.
    pub faults: Vec<String>,
}
