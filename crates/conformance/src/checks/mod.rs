//! The checks. Each is a function of a subject; together they are [`CHECKS`].

mod changing;
mod cursor;
mod deletes;
mod faults;
pub(crate) mod memory;
mod outage;
mod pace;
mod resume;
mod secrecy;
mod shape;
mod sharing;
mod values;
mod windows;

pub use changing::change_while_reading;
pub use cursor::{cursor_ties, incremental, late_updates, null_cursors};
pub use deletes::deletes;
pub use faults::{expired_token, faults, redirects};
pub use memory::memory;
pub use outage::outage;
pub use pace::{budget, retry_after};
pub use resume::resume;
pub use secrecy::secrets;
pub use shape::{check, discover, spec};
pub use sharing::shared_credential;
pub use values::{bad_records, full_read, schema_drift, unknown_fields};
pub use windows::windows;

use crate::{DeclaredStream, Failure, Passed, Subject};

/// A check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    pub name: &'static str,
    /// What it asks, in a line.
    pub asks: &'static str,
    pub run: fn(&dyn Subject) -> Result<Passed, Failure>,
}

/// All checks, those first without which the others say little.
pub const CHECKS: &[Check] = &[
    Check { name: SPEC, asks: "is the configuration documented, and strict?", run: spec },
    Check { name: CHECK, asks: "are wrong and missing credentials told as such?", run: check },
    Check { name: DISCOVER, asks: "are the streams as declared, each time?", run: discover },
    Check { name: FULL_READ, asks: "is all read that the vendor holds, value by value?", run: full_read },
    Check { name: UNKNOWN_FIELDS, asks: "is a field kept that nobody declared?", run: unknown_fields },
    Check { name: BAD_RECORDS, asks: "is one bad record one rejected record?", run: bad_records },
    Check { name: SCHEMA_DRIFT, asks: "does a changed schema lose nothing?", run: schema_drift },
    Check { name: RESUME, asks: "can it stop after any event?", run: resume },
    Check { name: INCREMENTAL, asks: "does a later read show only what changed?", run: incremental },
    Check { name: CURSOR_TIES, asks: "is nothing lost where many change in one tick?", run: cursor_ties },
    Check { name: NULL_CURSORS, asks: "is a record read that has no cursor?", run: null_cursors },
    Check { name: LATE_UPDATES, asks: "is a change read that shows late?", run: late_updates },
    Check { name: WINDOWS, asks: "does a window of time show what was changed in it, and no more?", run: windows },
    Check { name: DELETES, asks: "are deletions seen, and those taken back?", run: deletes },
    Check {
        name: CHANGE_WHILE_READING,
        asks: "does it end right if the source changes meanwhile?",
        run: change_while_reading,
    },
    Check { name: FAULTS, asks: "does each fault end in the truth or in an error?", run: faults },
    Check { name: REDIRECTS, asks: "does the credential stay with its origin?", run: redirects },
    Check { name: EXPIRED_TOKEN, asks: "is a token replaced, once, that ends in the middle?", run: expired_token },
    Check { name: RETRY_AFTER, asks: "is the vendor left alone for as long as it says?", run: retry_after },
    Check { name: BUDGET, asks: "is the budget kept, and used?", run: budget },
    Check {
        name: SHARED_CREDENTIAL,
        asks: "do two that share a credential share token and budget?",
        run: shared_credential,
    },
    Check { name: OUTAGE, asks: "does a day without the vendor lose nothing?", run: outage },
    Check { name: SECRETS, asks: "is no secret in any output?", run: secrets },
    Check { name: MEMORY, asks: "does ten times the data take no more memory?", run: memory },
];

pub(crate) const SPEC: &str = "spec";
pub(crate) const CHECK: &str = "check";
pub(crate) const DISCOVER: &str = "discover";
pub(crate) const FULL_READ: &str = "full read";
pub(crate) const UNKNOWN_FIELDS: &str = "unknown fields";
pub(crate) const BAD_RECORDS: &str = "bad records";
pub(crate) const SCHEMA_DRIFT: &str = "schema drift";
pub(crate) const RESUME: &str = "resume";
pub(crate) const INCREMENTAL: &str = "incremental";
pub(crate) const CURSOR_TIES: &str = "cursor ties";
pub(crate) const NULL_CURSORS: &str = "null cursors";
pub(crate) const LATE_UPDATES: &str = "late updates";
pub(crate) const WINDOWS: &str = "windows";
pub(crate) const DELETES: &str = "deletes";
pub(crate) const CHANGE_WHILE_READING: &str = "change while reading";
pub(crate) const FAULTS: &str = "faults";
pub(crate) const REDIRECTS: &str = "redirects";
pub(crate) const EXPIRED_TOKEN: &str = "expired token";
pub(crate) const RETRY_AFTER: &str = "retry after";
pub(crate) const BUDGET: &str = "budget";
pub(crate) const SHARED_CREDENTIAL: &str = "shared credential";
pub(crate) const OUTAGE: &str = "outage";
pub(crate) const SECRETS: &str = "secrets";
pub(crate) const MEMORY: &str = "memory";

/// What one situation of a check came to, for each declared stream. Skipped if it is for all.
fn each_stream(
    check: &'static str,
    subject: &dyn Subject,
    one: impl Fn(&DeclaredStream) -> Result<Passed, Failure>,
) -> Result<Passed, Failure> {
    let declared = subject.declared();
    let (mut notes, mut skipped) = (Vec::new(), Vec::new());
    for stream in &declared.streams {
        match one(stream).map_err(|failure| failure.in_check(check).of(stream.name))? {
            Passed::Yes(note) => notes.push(note),
            Passed::Skipped(reason) => skipped.push(format!("`{}`: {reason}", stream.name)),
        }
    }
    if notes.is_empty() {
        skipped.dedup();
        return Ok(Passed::skipped(skipped.join("; ")));
    }
    notes.retain(|note| !note.is_empty());
    Ok(Passed::with(notes.join("; ")))
}

/// As [`each_stream`], for what is not of a stream.
fn once(check: &'static str, one: impl FnOnce() -> Result<Passed, Failure>) -> Result<Passed, Failure> {
    one().map_err(|failure| failure.in_check(check))
}

/// Goes on if the change could be, and else says why not.
macro_rules! or_skip {
    ($change:expr) => {
        match $change {
            Ok(()) => {}
            Err(unsupported) => return Ok(crate::Passed::skipped(unsupported.to_string())),
        }
    };
}
use or_skip;
