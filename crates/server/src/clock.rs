//! The wall clock as an argument.
//!
//! Slots are instants of the wall clock, which may jump; waits and durations go by tokio's own, which does not. A test
//! pauses the latter and computes the former from it.

use chrono::{DateTime, Utc};

/// What time it is.
pub trait Clock: Send + Sync {
    /// The wall clock's time. It may go back, or forward in a leap.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
