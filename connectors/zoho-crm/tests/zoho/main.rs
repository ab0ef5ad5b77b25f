//! What a pipeline could see of the connector, against a stand-in that speaks real HTTP, one server per test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod changes;
mod exports;
mod faults;
mod full;
mod lake;
mod source;
mod spec;
mod tampered;
mod wide;
