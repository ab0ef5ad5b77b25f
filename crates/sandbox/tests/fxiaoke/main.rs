//! What a client of the made-up tenant could see, over real connections, one server per test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod alter;
mod client;
mod faults;
mod objects;
mod queries;
mod tokens;
#[path = "../support/wire.rs"]
mod wire;
mod world;
mod writes;

use tributary_sandbox::fxiaoke::{Limits, Options, Tenant, serve};
use tributary_sandbox::http::{Handle, Scenario};

fn options() -> Options {
    Options { people: 600, ..Options::default() }
}

/// A server over few people that behaves.
fn server() -> Handle<Tenant> {
    serve(options(), Scenario::default(), 0).unwrap()
}

fn limited(limits: Limits) -> Handle<Tenant> {
    serve(Options { limits, ..options() }, Scenario::default(), 0).unwrap()
}

fn misbehaving(scenario: Scenario) -> Handle<Tenant> {
    serve(options(), scenario, 0).unwrap()
}
