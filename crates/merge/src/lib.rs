//! Merging records into customers: which records are one person, under which id, with which values.
//!
//! The stages [`people`] (records → ids, tables `identity.*`) and [`golden`] (ids → golden records, tables `customer.*`) read
//! and write tables. The modules below them are the pure core. They take slices and give values back; they know no table, no clock and no
//! randomness, and the order of their input does not show in their output. Records are numbered by the caller, `u32`
//! positions in an array sorted by the record's key, so that the order of numbers is the order of keys.
//!
//! | module | answers |
//! |---|---|
//! | [`names`] | are two names forms of one name? how many unlike names share a value? |
//! | [`certain`] | which records that share one strong identifier are certainly one person? |
//! | [`cluster`] | which records are one person, all edges and prohibitions considered? |
//! | [`identity`] | which customer id does each cluster bear, and what has changed since the last run? |
//! | [`survive`] | which value does the golden record show? |
//!
//! Between the two, `matching` reads the records of a lake (`records`, `identifiers`, [`likely`], [`decision`]) and clusters them;
//! [`people`] gives the clusters their ids, [`evaluate`] holds them against the truth, [`report`] tells what a person wants to see.
#![forbid(unsafe_code)]

mod batch;
mod buckets;
pub mod certain;
pub mod cluster;
pub mod decision;
pub mod evaluate;
mod events;
mod evidence;
pub mod golden;
mod id;
mod identifiers;
pub mod identity;
mod increment;
mod index;
pub mod likely;
mod matching;
mod members;
mod membership;
pub use tributary_linkage::names;
mod news;
pub mod people;
mod profile;
mod records;
pub mod report;
mod rules;
pub mod survive;
mod tables;
mod world;

pub use rules::{FieldRule, IdentifierRule, Likely, Rules};
