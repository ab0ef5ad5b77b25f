//! A small change of the records: only pairs that touch it are scored, under a model that stays as it is.
//!
//! A full run under the same model finds the edges that were kept and those found here, no more and no fewer. What makes this
//! true is that a pair's score and its blocks depend on the two records and the model alone. One thing does not: a block that
//! grows beyond the model's limit is no longer compared. Where a change carries a block over the limit, or back, the edges of
//! all its records are looked for again.
//!
//! The caller keeps an index: which blocks is each record in ([`RecordBlocks`])? [`near`] says of a change which other records have to be
//! looked at, and [`score_changed`] finds the edges, given the features of these and of the changed ones.

use hashbrown::{HashMap, HashSet};

use crate::features::Features;
use crate::model::{Bound, Model};
use crate::score::Scored;
use crate::score::blocks::{Blocks, Part};

/// The blocks of records, as hashes; they are the same in any features built with the same seed.
pub struct RecordBlocks<'a>(Blocks<'a>);

impl<'a> RecordBlocks<'a> {
    pub fn new(model: &Model, features: &'a Features, threads: usize) -> Self {
        Self(Blocks::new(model, features, threads))
    }

    /// Puts the blocks of a record in place of what was found before.
    pub fn of(&self, record: u32, found: &mut Vec<u64>) {
        self.0.of(record, found);
    }
}

/// What has to be looked at besides the changed records.
#[derive(Debug, Clone, Default)]
pub struct Near {
    /// Records to compare the changed ones with, and each other with `again`.
    pub near: Vec<u32>,
    /// Records of blocks that have become too large, or are so no more: they count as changed from here on.
    pub again: Vec<u32>,
    /// The blocks of any of them that are too large.
    pub refused: HashSet<u64>,
}

/// A block that a change touches.
#[derive(Default, Clone, Copy)]
struct Touched {
    /// Records that are as they were.
    others: u32,
    before: u32,
    after: u32,
    /// Whether some record that counts as changed is in it now.
    wanted: bool,
}

/// A set of hashes that mostly says no, and never wrongly.
struct Filter(Vec<u64>);

impl Filter {
    fn new(hashes: impl ExactSizeIterator<Item = u64>) -> Filter {
        let mut filter = Filter(vec![0; (hashes.len() * 16).next_power_of_two().max(64) / 64]);
        for hash in hashes {
            let at = filter.place(hash);
            filter.0[at / 64] |= 1 << (at % 64);
        }
        filter
    }

    fn place(&self, hash: u64) -> usize {
        hash as usize & (self.0.len() * 64 - 1)
    }

    fn may_have(&self, hash: u64) -> bool {
        let at = self.place(hash);
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
}

/// Which records a change touches. `before` and `after` are the blocks of the changed records, one list for each; `others` hands out all
/// other records with theirs, each time it is called.
pub fn near(
    model: &Model,
    before: &[Vec<u64>],
    after: &[Vec<u64>],
    others: impl Fn(&mut dyn FnMut(u32, &[u64])),
) -> Near {
    let most = model.most_in_block;
    let mut blocks: HashMap<u64, Touched> = HashMap::new();
    before.iter().flatten().for_each(|block| blocks.entry(*block).or_default().before += 1);
    for block in after.iter().flatten() {
        let touched = blocks.entry(*block).or_default();
        touched.after += 1;
        touched.wanted = true;
    }
    let count = |blocks: &mut HashMap<u64, Touched>| {
        blocks.values_mut().for_each(|touched| touched.others = 0);
        let filter = Filter::new(blocks.keys().copied());
        others(&mut |_, of| {
            for block in of.iter().filter(|block| filter.may_have(**block)) {
                if let Some(touched) = blocks.get_mut(block) {
                    touched.others += 1;
                }
            }
        });
    };
    count(&mut blocks);
    let mut found = Near::default();
    let crossed: HashSet<u64> = blocks
        .iter()
        .filter(|(_, touched)| (touched.others + touched.before > most) != (touched.others + touched.after > most))
        .map(|(block, _)| *block)
        .collect();
    if !crossed.is_empty() {
        let mut all: Vec<u64> = vec![];
        others(&mut |record, of| {
            if of.iter().any(|block| crossed.contains(block)) {
                found.again.push(record);
                all.extend(of);
            }
        });
        for block in all {
            blocks.entry(block).or_default().wanted = true;
        }
        count(&mut blocks);
    }
    let too_large = |touched: &Touched| touched.others + touched.after > most;
    found.refused = blocks.iter().filter(|(_, touched)| too_large(touched)).map(|(block, _)| *block).collect();
    let compared: HashSet<u64> = blocks
        .iter()
        .filter(|(_, touched)| touched.wanted && touched.others > 0 && !too_large(touched))
        .map(|(block, _)| *block)
        .collect();
    let filter = Filter::new(compared.iter().copied());
    let again: HashSet<u32> = found.again.iter().copied().collect();
    others(&mut |record, of| {
        let near = of.iter().any(|block| filter.may_have(*block) && compared.contains(block));
        if near && !again.contains(&record) {
            found.near.push(record);
        }
    });
    found
}

/// All edges that touch a changed record. The features hold the changed records and those that are [`near`] them; what was known of
/// edges that touch a changed record is void.
pub fn score_changed(
    model: &Model,
    features: &Features,
    changed: &[u32],
    refused: &HashSet<u64>,
    threads: usize,
) -> Scored {
    let mut flags = vec![false; features.len()];
    for record in changed {
        if let Some(flag) = flags.get_mut(*record as usize) {
            *flag = true;
        }
    }
    let bound = Bound::new(model, features);
    let part = Part { changed: &flags, refused };
    Blocks::new(model, features, threads).run(model, &bound, Some(part))
}
