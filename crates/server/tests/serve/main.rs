//! What a user of `tributary serve` can see, with the time, the disk and the runs made up, and once with real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod oracle;
mod support;

mod alerts;
mod calendar;
mod crashes;
mod midnight;
mod policies;
#[cfg(unix)]
mod process;
mod reload;
mod web;
mod year;
