//! What a run tells while it goes on, for progress bars and plain lines.

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note<'a> {
    /// The lake is being worked on by another; this run begins when that one has ended.
    Queued {
        behind: &'a str,
    },
    /// A stream is being read from now on.
    Stream {
        source: &'a str,
        stream: &'a str,
    },
    /// Records decoded, and the bytes they came from.
    Read {
        rows: u64,
        bytes: u64,
    },
    /// A batch is committed: so many rows of the stream are safe.
    Committed {
        rows: u64,
    },
    /// What is being waited for.
    Waiting {
        what: &'a str,
    },
    /// The stream is through.
    StreamDone {
        rows: u64,
    },
    /// A stage begins.
    Stage {
        name: &'a str,
    },
    StageDone {
        name: &'a str,
        new: bool,
    },
}

/// Listens to a run.
pub trait Observer: Send + Sync {
    fn note(&self, note: Note<'_>);
}

/// Listens to nothing.
pub struct Silent;

impl Observer for Silent {
    fn note(&self, _: Note<'_>) {}
}
