//! Cleaning: from what a source wrote to the common customer model.
//!
//! [`normalise`] holds the pure part, one function per kind of value; it knows neither Arrow nor DataFusion. [`functions`]
//! makes DataFusion functions of them, [`Mapping`] says how a stream becomes an entity, [`stage`] does it.

#![forbid(unsafe_code)]

mod account;
mod anew;
mod change;
mod check;
mod difference;
mod feed;
pub mod functions;
mod mapping;
pub mod normalise;
mod pieces;
mod plan;
mod split;
pub mod stage;
#[cfg(test)]
mod stories;
mod tables;

pub use check::{Checker, ExpressionError};
pub use mapping::{Expr, IdentifierMapping, Mapping, ident, literal};
pub use plan::traced_sql;
pub use split::MapCounts;
pub use tables::{event_identifier, field_issue, party_identifier, spec_of};
