//! The suite that every connector must pass. It can detect loss, and proves that it can.
//!
//! A connector's test names its [`Subject`]: the connector, worlds to read from whose truth is known, and what its author declares.
//! [`all`] holds the one against the other, and [`mutations::all`] plants defects between them and asks that the suite sees each.
//!
//! ```ignore
//! #[test]
//! fn conforms() {
//!     tributary_conformance::all(&Shop).assert(&["null cursors"]);
//! }
//!
//! #[test]
//! fn each_defect_is_seen() {
//!     tributary_conformance::mutations::all(&Shop).assert(&["null cursor dropped"]);
//! }
//! ```
//!
//! What goes wrong is laid between connector and world by the suite's own [`wire`], and time is the world's, so that a day passes in
//! a moment. What the suite does not do: it does not speak to a vendor (see [`cassette`] for what a vendor once said), and it does
//! not look into a lake; it has one in memory that follows the framework's rules.

#![forbid(unsafe_code)]

pub mod cassette;
pub mod checks;
mod clock;
mod compare;
mod failure;
mod ledger;
pub mod mutations;
mod parallel;
mod report;
mod rows;
mod secrets;
mod stage;
mod subject;
mod traffic;
pub mod wire;

pub use failure::{Details, Failure, Passed};
pub use report::{Line, Report, all};
pub use secrets::SecretFiles;
pub use subject::{Budget, Change, Credentials, Declared, DeclaredStream, Deletes, Size, Subject, Unsupported, World};
