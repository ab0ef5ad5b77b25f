//! What a client of the made-up CRM could see, over real connections, one server per test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod alter;
mod bulk;
mod client;
mod faults;
mod lists;
mod queries;
mod tokens;
#[path = "../support/wire.rs"]
mod wire;
mod world;

use tributary_sandbox::http::{Handle, Scenario};
use tributary_sandbox::zoho::{Crm, Limits, Options, serve};

/// A server over few people that behaves.
fn server() -> Handle<Crm> {
    serve(Options { people: 600, ..Options::default() }, Scenario::default(), 0).unwrap()
}

fn limited(limits: Limits) -> Handle<Crm> {
    serve(Options { people: 600, limits, ..Options::default() }, Scenario::default(), 0).unwrap()
}

fn misbehaving(scenario: Scenario) -> Handle<Crm> {
    serve(Options { people: 600, ..Options::default() }, scenario, 0).unwrap()
}
