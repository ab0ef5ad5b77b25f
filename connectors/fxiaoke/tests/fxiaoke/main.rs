//! What the connector promises, against a stand-in for the vendor: nothing lost, nothing twice, nothing silently left out.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod faults;
mod harness;
mod reading;
mod setup;
mod sweeping;
