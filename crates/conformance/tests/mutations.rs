//! The suite sees each defect that is planted around the reference connector, which passes without.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod reference;

use reference::Shop;
use tributary_conformance::mutations;

#[test]
fn each_defect_is_seen_by_the_check_that_is_for_it() {
    let report = mutations::all(&Shop);
    report.assert(&[]);
}
