//! Blocks are streamed and their pairs scored; only edges leave.
//!
//! A pair is scored by the first key whose block holds both records: of each record the atoms that keys consist of are at
//! hand, and a bit for each key by whose block it was compared, so that any pair knows which earlier key has seen it.

pub(crate) mod blocks;

pub use blocks::{KeyReport, Refused};

use crate::features::Features;
use crate::model::{Bound, Model};
use blocks::Blocks;

/// Two records that are one person with at least the model's threshold of probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// The lower record.
    pub a: u32,
    pub b: u32,
    /// Log2 of the odds that they are one person; see [`crate::model::probability`].
    pub bits: f32,
}

/// What was compared, and what was not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scored {
    /// Sorted, each pair once.
    pub edges: Vec<Edge>,
    pub keys: Vec<KeyReport>,
}

impl Scored {
    /// How many pairs were scored.
    pub fn comparisons(&self) -> u64 {
        self.keys.iter().map(|key| key.compared).sum()
    }
}

/// All edges among the records. `threads` shows in the time, not in the result.
pub fn score(model: &Model, features: &Features, threads: usize) -> Scored {
    let bound = Bound::new(model, features);
    let blocks = Blocks::new(model, features, threads);
    blocks.run(model, &bound, None)
}
