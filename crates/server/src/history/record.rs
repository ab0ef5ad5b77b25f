//! The records of the history, one line of JSON each.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An instant at which a schedule of a job is due. With the job's name it is a slot's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    pub at: DateTime<Utc>,
    /// The source whose own schedule it is; none if it is the pipeline's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// All slots of one schedule from the first to the last, both included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
    pub count: u64,
}

/// Why slots were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The server was not there, or too late.
    Misfire,
    /// The run before was still going.
    Overlap,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Success,
    Failed,
    /// A source wants to be left alone for a while.
    Waiting,
    /// The server was asked to stop.
    Stopped,
    /// The server ended before the run's end could be recorded.
    Lost,
}

/// Something that lasts and that alerts are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The last run of a job has failed.
    Failing,
    /// A slot of a job is not begun, or a run not ended, in time.
    Late,
    /// A file cannot be read as a pipeline.
    Broken,
}

/// Something that happened, at a time of the wall clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Record {
    /// A schedule is watched: its slots after `from` count.
    Watch {
        at: DateTime<Utc>,
        job: String,
        file: PathBuf,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        cron: String,
        timezone: String,
        from: DateTime<Utc>,
    },
    /// A schedule is no longer part of its job.
    Unwatch {
        at: DateTime<Utc>,
        job: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// A job is gone, with all that was queued for it.
    Forget { at: DateTime<Utc>, job: String },
    /// Slots are due. They are the reason of `run`, which is queued if it was not yet, and stands for the missed ones too.
    Due {
        at: DateTime<Utc>,
        job: String,
        run: u64,
        /// Not to be started before this.
        ready: DateTime<Utc>,
        slots: Vec<Slot>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missed: Vec<Span>,
    },
    /// Slots that no run stands for, by policy.
    Skip { at: DateTime<Utc>, job: String, why: Why, spans: Vec<Span> },
    /// A queued run is about to be started.
    Start { at: DateTime<Utc>, job: String, run: u64, lake: String },
    /// A run has ended. With `again` it is queued once more.
    End {
        at: DateTime<Utc>,
        job: String,
        run: u64,
        end: End,
        /// The program's exit code, if it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit: Option<i32>,
        milliseconds: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<DateTime<Utc>>,
    },
    /// A queued run has nothing to do any more.
    Drop { at: DateTime<Utc>, job: String, run: u64 },
    /// People were told that a condition holds, or that it is over.
    Told { at: DateTime<Utc>, condition: Condition, subject: String, holds: bool },
}
