//! The seam to whatever runs a pipeline.

use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// One run to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The scheduler's number of the run; the same if it is tried again.
    pub run: u64,
    pub job: String,
    pub file: PathBuf,
    /// The sources to read; empty for all.
    pub sources: Vec<String>,
}

/// How a run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub exit: Exit,
    /// When the sources that want to be left alone may be asked again.
    pub waiting_until: Option<DateTime<Utc>>,
    /// What went wrong, in a line; no secret and no record's values.
    pub message: Option<String>,
}

/// What became of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0 done, 1 failed, 2 the user's input was wrong, 3 waiting.
    Code(i32),
    /// Ended by a signal, or in a way that has no code.
    Killed,
    /// It could not be started.
    NotStarted,
}

/// Starts runs.
pub trait Runner: Send + Sync {
    /// Starts a run and does not wait for it. What cannot be started is a run that ends at once, with [`Exit::NotStarted`].
    fn start(&self, start: &Start) -> Box<dyn Running>;
}

/// A run that was started. Dropping it ends the run as [`Running::kill`] does.
#[async_trait]
pub trait Running: Send {
    /// Waits for the end. May be dropped and called again until it has returned once.
    async fn wait(&mut self) -> Outcome;

    /// Asks the run to end soon and well. Returns at once.
    fn terminate(&mut self);

    /// Ends the run, which may leave work undone but must do no harm. Returns at once.
    fn kill(&mut self);
}
