//! The pipeline file and what is done with it.
//!
//! [`config::parse`] turns TOML into [`Pipeline`], where everything that can be wrong later knows its place in the file;
//! [`validate`] holds it against the connectors, the customer model and the columns of the sources. Both report all they
//! find, as [`Diagnostic`]s with line, column, caret and mend. Neither reaches for anything outside.

#![forbid(unsafe_code)]

pub mod backfill;
mod claims;
pub mod config;
pub mod diagnostic;
mod edge;
mod evolve;
pub mod observe;
mod project;
pub mod quarantine;
pub mod raw;
pub mod reset;
mod retract;
mod run;
pub mod sample;
mod schema_event;
mod shipped;
mod standing;
mod sync;
pub mod undo;
pub mod upkeep;
mod validate;

pub use config::{Parsed, Pipeline, json_schema, load, parse, parse_bytes};
pub use diagnostic::{Diagnostic, Span, Spanned};
pub use project::{Project, ReadySource, RunDate};
pub use run::{Error, Plan, RunOptions, Step, Summary, plan, run};
pub use sample::Sample;
pub use sync::{Counts as SyncCounts, Report as SyncReport};
pub use validate::{Columns, ExprError, Expressions, Model, validate};
