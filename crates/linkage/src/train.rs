//! Training: pairs are sampled from the records, and the model's parameters estimated from their agreement patterns.

mod em;
mod plan;
mod sample;

pub use em::{Estimate, Source, estimate};

use crate::features::{Excluded, Features};
use crate::field::{CLASSES, Kind, MOST_FIELDS};
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

fn frequencies(features: &Features, excluded: &Excluded, field: usize) -> Frequencies {
    let mut found = Frequencies::default();
    let mut records = [0.0; CLASSES];
    let told = |(value, count): &(usize, &u32)| *value > 0 && **count > 0 && !excluded.has(field, *value as u32);
    for (_, count) in features.counts[field].iter().enumerate().filter(told) {
        let (n, at) = (f64::from(*count), usize::from(class(f64::from(*count))) - 1);
        found.records += u64::from(*count);
        records[at] += n;
        found.pairs[at] += n * (n - 1.0) / 2.0;
    }
    let others = (found.records.max(2) - 1) as f64;
    for (at, records) in records.into_iter().enumerate() {
        let mean = if records > 0.0 { 2.0 * found.pairs[at] / records } else { 1.0 };
        // A value that one record has alone is taken as one that a second might have.
        found.mean[at] = mean.max(0.5) / others;
    }
    found
}

/// A model for these records. Needs no labels.
///
/// Values that strangers share are known once a model is there: if there are any, a second one is made without them.
pub fn train(features: &Features, options: &Options) -> Model {
    let (model, sample, estimate, means) = fit(features, Excluded::default(), options);
    let excluded = model.excluded(features);
    if excluded.0.iter().all(Vec::is_empty) {
        return finish(features, model, &sample, &estimate, &means, options);
    }
    drop(sample);
    let (mut again, sample, estimate, means) = fit(features, excluded, options);
    for (comparison, first) in again.comparisons.iter_mut().zip(model.comparisons) {
        comparison.generic = first.generic;
    }
    finish(features, again, &sample, &estimate, &means, options)
}

type Fit = (Model, sample::Sample, Estimate, Vec<[f64; CLASSES]>);

/// A model without keys.
fn fit(features: &Features, excluded: Excluded, options: &Options) -> Fit {
    let width = features.fields().len();
    let frequent: Vec<Frequencies> = (0..width).map(|field| frequencies(features, &excluded, field)).collect();
    let sample = sample::sample(features, excluded, options.between_sources, &frequent);
    let means: Vec<[f64; CLASSES]> = frequent.iter().map(|of| of.mean).collect();
    let kinds: Vec<_> = features.fields().iter().map(|field| field.kind).collect();
    let estimate = estimate(&sample.sources, &kinds, &means, sample.all_pairs);
    let comparisons = (0..width).map(|field| comparison(features, field, &frequent[field], &estimate)).collect();
    let share = (estimate.matches / sample.all_pairs).clamp(1e-15, 0.5);
    let model = Model {
        version: VERSION,
        comparisons,
        prior: (share / (1.0 - share)).log2(),
        threshold: options.threshold,
        keys: vec![],
        most_in_block: options.most_in_block,
        between_sources: options.between_sources,
        coverage: 0.0,
        matches: estimate.matches,
        households: estimate.households,
        records: features.len() as u64,
    };
    (model, sample, estimate, means)
}

fn finish(
    features: &Features,
    mut model: Model,
    sample: &sample::Sample,
    estimate: &Estimate,
    means: &[[f64; CLASSES]],
    options: &Options,
) -> Model {
    let draws = plan::matches(features, sample, estimate, means);
    (model.keys, model.coverage) = plan::plan(features, &sample.excluded, &draws, estimate.matches, options);
    model
}

/// In a field of identifiers, a class of values is generic if of the pairs that share one at least so many are strangers…
const GENERIC: f64 = 0.95;
/// …while of those that share a rarer value no more than so many are.
const IDENTIFYING: f64 = 0.5;

/// The lowest class of an identifier's values that say nothing about who has them.
fn generic(kind: Kind, frequent: &Frequencies, strangers: &[f64; CLASSES]) -> Option<u8> {
    if !matches!(kind, Kind::Phone | Kind::Email | Kind::Code) {
        return None;
    }
    let seen = |at: &usize| frequent.pairs[*at] > 0.0;
    let identifying = (0..CLASSES).filter(seen).find(|at| strangers[*at] <= IDENTIFYING)?;
    let lowest = (identifying + 1..CLASSES).filter(seen).find(|at| strangers[*at] >= GENERIC)?;
    // What is more frequent than a generic value is no better.
    Some(lowest as u8 + 1)
}

fn comparison(features: &Features, field: usize, frequencies: &Frequencies, estimate: &Estimate) -> Comparison {
    let records: u64 = features.counts[field].iter().skip(1).map(|count| u64::from(*count)).sum();
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
    let kept: (f64, f64) =
        frequent.iter().fold((0.0, 0.0), |(n, s), (_, count)| (n + f64::from(*count), s + square(*count)));
    let all = counts.iter().skip(1).fold(0.0, |sum, count| sum + square(*count));
    let left = records as f64 - kept.0;
    Comparison {
        name: features.fields()[field].name.clone(),
        kind: features.fields()[field].kind,
        m: estimate.m[field],
        u: estimate.u[field],
        h: estimate.h[field],
        known: estimate.known[field],
        strangers: estimate.strangers[field],
        generic: generic(features.fields()[field].kind, frequencies, &estimate.strangers[field]),
        records: frequencies.records,
        frequent,
        rest: if left > 0.5 { ((all - kept.1) / left).max(1.0) } else { 1.0 },
    }
}

/// Levels that a draw or a pattern may have.
pub(crate) type Levels = [u8; MOST_FIELDS];
