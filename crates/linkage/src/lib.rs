//! Likely edges: which records are probably one person, with no identifier that says so for certain.
//!
//! The crate is pure. It takes [`features`] of records and gives [`Edge`]s, by a model that needs no labels: it knows no
//! table, no engine, no clock and no file. Records are numbered by the caller; each has a key hash, and what is sampled is chosen
//! by it, so that neither the order of the records nor the number of threads shows in a result.
//!
//! | module | answers |
//! |---|---|
//! | [`features`] | what of a record is compared, as rows of small numbers? |
//! | [`train`] | which parameters, and which blocking keys, do these records call for? |
//! | [`model`] | what does a level of agreement weigh, and how likely is a match? |
//! | [`score`] | which pairs are edges? |
//! | [`increment`] | which edges have come, and which must go, where some records have changed? |
//! | [`refine`] | which clusters do edges make, without the bridges that contradict them? |
//! | [`forest`] | which records are joined? |
//! | [`explain`] | why are two records one, or not one? |
//! | [`evaluate`] | how good are clusters, given the truth? |
//! | [`names`] | are two names forms of one name? how many unlike names share a value? |
#![forbid(unsafe_code)]

pub mod evaluate;
pub mod explain;
pub mod features;
mod field;
pub mod forest;
pub mod increment;
mod key;
pub mod model;
pub mod names;
pub mod refine;
pub mod score;
mod text;
pub mod train;

pub use features::{Builder, Features, Party};
pub use field::Kind;
pub use key::{Atom, Key};
pub use model::Model;
pub use score::{Edge, Scored, score};
pub use train::{Options, train};
