//! Training: pairs are sampled from the records, and the model's parameters estimated from their agreement patterns.

mod em;
mod plan;
mod sample;

pub use em::{Estimate, Source, estimate};

use crate::features::Features;
use crate::field::{CLASSES, MOST_FIELDS};
use crate::model::{Comparison, MOST_FREQUENT, Model, VERSION, class};

/// What a training is asked for. The default suits records of any size and kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Pairs with at least this match probability become edges.
    pub threshold: f64,
    /// Whether only records of different sources are compared.
    pub between_sources: bool,
    /// So many comparisons per record may be made…
    pub comparisons_per_record: f64,
    /// …or so many in all, where that is more.
    pub comparisons: f64,
    /// Larger blocks are split, or refused.
    pub most_in_block: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            threshold: 0.5,
            between_sources: false,
            comparisons_per_record: 12.0,
            comparisons: 2e6,
            most_in_block: 300,
        }
    }
}

/// How frequent the values of a field are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frequencies {
    pub records: u64,
    /// By class: chance that another record has the value of a record whose value is of that class.
    pub mean: [f64; CLASSES],
    /// By class: how many pairs of records agree in such a value.
    pub pairs: [f64; CLASSES],
}

fn frequencies(features: &Features, field: usize) -> Frequencies {
    let mut found = Frequencies::default();
    let mut records = [0.0; CLASSES];
    for count in features.counts[field].iter().skip(1).filter(|count| **count > 0) {
        let (n, at) = (f64::from(*count), usize::from(class(f64::from(*count))) - 1);
        found.records += u64::from(*count);
        records[at] += n;
        found.pairs[at] += n * (n - 1.0) / 2.0;
    }
    let others = (found.records.max(2) - 1) as f64;
    for at in 0..CLASSES {
        let mean = if records[at] > 0.0 { 2.0 * found.pairs[at] / records[at] } else { 1.0 };
        // A value that one record has alone is taken as one that a second might have.
        found.mean[at] = mean.max(0.5) / others;
    }
    found
}

/// A model for these records. Needs no labels.
pub fn train(features: &Features, options: &Options) -> Model {
    let width = features.fields().len();
    let frequent: Vec<Frequencies> = (0..width).map(|field| frequencies(features, field)).collect();
    let sample = sample::sample(features, options.between_sources, &frequent);
    let means: Vec<[f64; CLASSES]> = frequent.iter().map(|of| of.mean).collect();
    let kinds: Vec<_> = features.fields().iter().map(|field| field.kind).collect();
    let estimate = estimate(&sample.sources, &kinds, &means, sample.all_pairs);
    let comparisons = (0..width)
        .map(|field| comparison(features, field, frequent[field].records, &estimate))
        .collect();
    let share = (estimate.matches / sample.all_pairs).clamp(1e-15, 0.5);
    let mut model = Model {
        version: VERSION,
        comparisons,
        prior: (share / (1.0 - share)).log2(),
        threshold: options.threshold,
        keys: vec![],
        most_in_block: options.most_in_block,
        between_sources: options.between_sources,
        coverage: 0.0,
        matches: estimate.matches,
        records: features.len() as u64,
    };
    let draws = plan::matches(features, &sample, &estimate, &means);
    (model.keys, model.coverage) = plan::plan(features, &draws, estimate.matches, options);
    model
}

fn comparison(features: &Features, field: usize, records: u64, estimate: &Estimate) -> Comparison {
    let counts = &features.counts[field];
    let mut by_count: Vec<(u32, u64)> = features
        .hashes(field)
        .iter()
        .zip(counts)
        .skip(1)
        .filter(|(_, count)| **count > 1)
        .map(|(hash, count)| (*count, *hash))
        .collect();
    // All values of one count, or none of them: which of equals are kept would be chance.
    if by_count.len() > MOST_FREQUENT {
        by_count.sort_unstable_by(|a, b| b.cmp(a));
        let least = by_count[MOST_FREQUENT].0;
        by_count.retain(|(count, _)| *count > least);
    }
    let mut frequent: Vec<(u64, u32)> = by_count.into_iter().map(|(count, hash)| (hash, count)).collect();
    frequent.sort_unstable();
    let square = |n: u32| f64::from(n) * f64::from(n);
    let kept: (f64, f64) = frequent.iter().fold((0.0, 0.0), |(n, s), (_, count)| (n + f64::from(*count), s + square(*count)));
    let all = counts.iter().skip(1).fold(0.0, |sum, count| sum + square(*count));
    let left = records as f64 - kept.0;
    Comparison {
        name: features.fields()[field].name.clone(),
        kind: features.fields()[field].kind,
        m: estimate.m[field],
        u: estimate.u[field],
        known: estimate.known[field],
        strangers: estimate.strangers[field],
        records,
        frequent,
        rest: if left > 0.5 { ((all - kept.1) / left).max(1.0) } else { 1.0 },
    }
}

/// Levels that a draw or a pattern may have.
pub(crate) type Levels = [u8; MOST_FIELDS];
