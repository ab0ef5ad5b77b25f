//! The lake: what it promises, what it survives, and its upkeep.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

/// As in the program; with the system's allocator a third of the time goes into it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod crowd;
mod faults;
mod model;
mod promises;
mod support;
mod upkeep;
