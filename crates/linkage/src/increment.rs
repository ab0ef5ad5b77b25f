//! A small change of the records: only pairs that touch it are scored, under a model that stays as it is.
//!
//! A full run under the same model finds the edges that were kept and those found here, no more and no fewer. What makes this
//! true is that a pair's score and its keys depend on the two records and the model alone. One thing does not: a block that
//! grows beyond the model's limit is no longer compared. Where a change carries a block over the limit, or back, the block's other
//! records are named and scored again.
//!
//! The features need not be of all records. It is enough that they hold all records of each block that a changed one is in:
//! [`blocks`] says which those are, for an index of records by block.

use crate::features::Features;
use crate::model::{Bound, Model};
use crate::score::blocks::{AGAIN, Blocks, GONE, NEW};
use crate::score::{Edge, Scored};

/// What has changed, by numbers of records in the features.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Records that are new or have other values now.
    pub new: &'a [u32],
    /// What was: records as they stood before they changed or went, each a record of its own in the features.
    pub gone: &'a [u32],
    /// Records that are as they were and whose edges are all looked for again.
    pub again: &'a [u32],
}

/// The edges of the changed records.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// All edges that touch a record of `new` or `again`. What was known of these, and of `gone`, is void.
    pub scored: Scored,
    /// Records of blocks that have become too large, or are so no more, that were not in `again`. If there are any, the
    /// run must be made anew with them.
    pub crossed: Vec<u32>,
}

/// The blocks of a record: key number and hash, the same in any features built with the same seed.
pub fn blocks(model: &Model, features: &Features) -> Vec<Vec<(u32, u64)>> {
    let blocks = Blocks::new(model, features, 1);
    let of = |record: u32| {
        let of_key = |key: usize| Some((key as u32, blocks.hash(key, record)?));
        (0..model.keys.len()).filter_map(of_key).collect()
    };
    (0..features.len() as u32).map(of).collect()
}

/// Scores the pairs that touch a change, once.
pub fn score_changed(model: &Model, features: &Features, change: &Change, threads: usize) -> Changed {
    let mut flags = vec![0u8; features.len()];
    for (records, flag) in [(change.new, NEW), (change.gone, GONE), (change.again, AGAIN)] {
        for record in records {
            if let Some(flags) = flags.get_mut(*record as usize) {
                *flags |= flag;
            }
        }
    }
    let bound = Bound::new(model, features);
    let (scored, crossed) = Blocks::new(model, features, threads).run(model, &bound, Some(&flags));
    Changed { scored, crossed }
}

/// The edges after a change, given those before it: [`score_changed`] until no block crosses the limit. The features hold all
/// records.
pub fn update(model: &Model, features: &Features, kept: &[Edge], change: &Change, threads: usize) -> Vec<Edge> {
    let mut again = change.again.to_vec();
    let found = loop {
        let done = score_changed(model, features, &Change { again: &again, ..*change }, threads);
        if done.crossed.is_empty() {
            break done.scored.edges;
        }
        again.extend(done.crossed);
    };
    let mut void = vec![false; features.len()];
    for record in change.new.iter().chain(change.gone).chain(&again) {
        if let Some(void) = void.get_mut(*record as usize) {
            *void = true;
        }
    }
    let still = kept.iter().copied().filter(|edge| !void[edge.a as usize] && !void[edge.b as usize]);
    let mut edges: Vec<Edge> = still.chain(found).collect();
    edges.sort_unstable_by_key(|edge| (edge.a, edge.b));
    edges
}
