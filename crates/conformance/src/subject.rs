//! What is tested: a connector, worlds for it to read from, and what its author declares.
//!
//! The suite stands between the two: it lays its faults, its log and its clock between connector and world by itself
//! ([`crate::wire`]), so that a world needs to know nothing of them. A world is a stand-in for the vendor whose truth is known.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tributary_connector::AnyFactory;

use crate::wire::{Reply, Request};

/// A connector under test.
pub trait Subject: Sync {
    /// The connector as a registry would hold it.
    fn factory(&self) -> Arc<dyn AnyFactory>;

    /// What its author says of it; each word is held against it.
    fn declared(&self) -> Declared;

    /// A fresh world, the same each time. Called very often, so it should be there within milliseconds.
    ///
    /// # Errors
    /// What kept it from starting.
    fn world(&self, size: Size) -> Result<Box<dyn World>, Box<dyn std::error::Error + Send + Sync>>;
}

/// How much there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Of each declared stream three to five pages, the last one not full; its records differ in time, but for some ties.
    Small,
    /// Ten times that.
    Large,
}

/// A stand-in for the vendor, and its truth.
pub trait World: Send {
    /// The base URLs it serves, such as `http://127.0.0.1:4711`, without a slash at the end; empty if it is not read by HTTP. They
    /// must be in [`World::config`] word for word, because the suite puts its own in their place.
    fn origins(&self) -> Vec<String>;

    /// A configuration that reads from this world. Secrets are references ([`crate::SecretFiles`] makes some).
    fn config(&self, credentials: Credentials) -> Value;

    /// The records that a stream holds now, deleted ones not, each an object of all its fields under the names and in the forms that
    /// the vendor's API shows. Taken from the store, not by the API that is read.
    fn truth(&mut self, stream: &str) -> Vec<Value>;

    /// Lets something happen to a stream. The time may go on, but not in [`Change::TieAgain`].
    ///
    /// # Errors
    /// [`Unsupported`] if this cannot happen at this vendor, with the reason; nothing has happened then.
    fn change(&mut self, stream: &str, change: &Change) -> Result<(), Unsupported>;

    /// What time it is in this world.
    fn now(&self) -> DateTime<Utc>;

    /// The time goes on up to `to`, and stays where it is if that is over. All that ages by the vendor's clock (tokens, quotas) ages.
    fn advance(&mut self, to: DateTime<Utc>);

    /// What must be in no output: client secrets, refresh tokens, passwords. Tokens in an `Authorization` header are found without.
    fn secrets(&self) -> Vec<String>;
}

/// Which credentials a configuration has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    Good,
    /// They are there, and the vendor refuses them.
    Wrong,
    /// The references lead to nothing.
    Missing,
}

/// What may happen to a stream. A tick is the smallest step of its cursor, such as a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// New records, each in a tick of its own, later than all before.
    Insert {
        records: usize,
    },
    /// Other values in records that are there, each in a tick of its own, later than all before.
    Update {
        records: usize,
    },
    /// So many records, changed or new, in one and the same tick, later than all before.
    Tie {
        records: usize,
    },
    /// Others, in the very tick of the newest record there is.
    TieAgain {
        records: usize,
    },
    Delete {
        records: usize,
    },
    /// Deleted records come back, with their keys.
    Restore {
        records: usize,
    },
    /// Changes that become visible now, and claim to be so much older.
    Late {
        records: usize,
        by: Duration,
    },
    /// New records whose cursor is null.
    NullCursor {
        records: usize,
    },
    /// A field that was not there before, with a value in every record; in descriptions of the stream as well, if there are any.
    AddField {
        name: String,
    },
    /// Values of a field that is no text become text that its type cannot hold, in some records.
    ChangeType,
    /// All access tokens are void; new ones can be had.
    ExpireTokens,
}

/// Something that cannot happen at this vendor, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(pub String);

impl Unsupported {
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a connector's author says of it.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The streams that the suite reads.
    pub streams: Vec<DeclaredStream>,
    /// Where access tokens are got: a pattern as in [`DeclaredStream::pages`]; `None` if there are none.
    pub tokens: Option<&'static str>,
    /// What the vendor allows.
    pub budgets: Vec<Budget>,
    /// Requests under way at once that the vendor allows.
    pub at_once: Option<usize>,
    /// How the vendor says that there are too many requests; a `Retry-After` is added where one is tested. Default: an empty 429.
    pub throttled: Reply,
    /// How the vendor says that it has failed. Default: a 503 for people.
    pub failed: Reply,
    /// How long after a change a read surely shows it: the connector may keep a distance to the present. Default: none.
    pub settle: Duration,
}

impl Declared {
    pub fn new(streams: impl IntoIterator<Item = DeclaredStream>) -> Self {
        Self {
            streams: streams.into_iter().collect(),
            tokens: None,
            budgets: Vec::new(),
            at_once: None,
            throttled: Reply::empty(429),
            failed: Reply::of(503, "text/html", "<html><body>Service Unavailable</body></html>"),
            settle: Duration::ZERO,
        }
    }
}

/// A stream as declared.
#[derive(Debug, Clone)]
pub struct DeclaredStream {
    pub name: &'static str,
    /// The columns that name a record. Without any, only the number of records is compared.
    pub key: &'static [&'static str],
    /// The column whose growth the vendor tells changes by. Default: none.
    pub cursor: Option<&'static str>,
    /// A later read shows only what changed. Default: false.
    pub incremental: bool,
    /// Default: never.
    pub deletes: Deletes,
    /// Updates that come late by no more than this are still read. Default: nothing.
    pub lookback: Duration,
    /// Records of a full page.
    pub page_size: usize,
    /// Rows that a read may show although they did not change, beside what `lookback` brings: those at the cursor's edge. Default: a
    /// page.
    pub overlap: usize,
    /// The requests that answer with records: a path, after a method if need be, in which `*` stands for any text: `GET /v2/orders*`. Several are divided by `|`.
    pub pages: &'static str,
    /// A text field of each record, for bytes and fields to be put into: `"name":"…"`. It must not be first of all in its object.
    pub text: Option<&'static str>,
    /// How the vendor says that a page has no records.
    pub none: Reply,
    /// Columns that the connector adds.
    pub derived: &'static [&'static str],
}

impl DeclaredStream {
    pub fn new(name: &'static str, key: &'static [&'static str], pages: &'static str, page_size: usize) -> Self {
        Self {
            name,
            key,
            cursor: None,
            incremental: false,
            deletes: Deletes::Never,
            lookback: Duration::ZERO,
            page_size,
            overlap: page_size,
            pages,
            text: None,
            none: Reply::empty(204),
            derived: &[],
        }
    }
}

/// When a deletion is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletes {
    Never,
    /// In the next read.
    Feed,
    /// In a read so much later at the latest: the connector compares from time to time.
    Reconcile(Duration),
}

/// `amount` in any span of `per`.
#[derive(Debug, Clone)]
pub struct Budget {
    pub name: &'static str,
    pub amount: u64,
    pub per: Duration,
    /// What a request costs; 0 if it does not count here.
    pub cost: fn(&Request) -> u64,
}

impl Budget {
    /// Of requests, whatever they ask for.
    pub fn of_requests(name: &'static str, amount: u64, per: Duration) -> Self {
        Self { name, amount, per, cost: |_| 1 }
    }
}
