//! What was due, started and ended: the scheduler's memory.
//!
//! The state is nothing but the records applied in order, so what is on disk is what the scheduler knows. A record is durable
//! before what it says is done: a slot is on disk before its run starts, and a run that has no end on disk is run again.

mod folder;
mod journal;
mod record;
mod state;

pub use folder::Folder;
pub use journal::{Journal, Medium};
pub use record::{Condition, End, Record, Slot, Span, Why};
pub use state::{Counts, Finished, Going, JobState, Pending, State, Watched};
