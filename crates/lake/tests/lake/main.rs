//! The lake: what it promises, what it survives, and its upkeep.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod crowd;
mod faults;
mod model;
mod promises;
mod support;
mod upkeep;
