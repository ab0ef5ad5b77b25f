//! The reference connector passes all checks: the suite asks for nothing that cannot be had.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod reference;

use reference::Shop;

#[test]
fn the_reference_conforms() {
    tributary_conformance::all(&Shop).assert(&[]);
}
