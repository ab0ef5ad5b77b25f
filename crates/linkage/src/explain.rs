//! Why two records are one, or are not: what each comparison says and what it weighs.

use serde::{Deserialize, Serialize};

use crate::features::Features;
use crate::field::{Kind, MISSING, MOST_FIELDS, NEAR};
use crate::model::{Bound, Model, probability};
use crate::score::blocks::held;

/// One comparison of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub name: String,
    pub kind: Kind,
    /// The level in words: `equal`, `one edit`, `different`, `missing`, …
    pub level: String,
    /// Probability of the level given one person, and given two; both 1 where a value is missing. Of equal values `u` is that
    /// of equality in any value.
    pub m: f64,
    pub u: f64,
    /// Log2 of `m / u`.
    pub bits: f64,
    /// What is added because these equal values are rarer, or more frequent, than others.
    pub frequency_bits: f64,
    /// How many records the model takes the equal values to have.
    pub frequency: Option<f64>,
}

/// A pair's score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Log2 of the odds of two records at random.
    pub prior: f64,
    pub evidence: Vec<Evidence>,
    /// What is taken off since two persons of one household may share some of this.
    pub household: f64,
    /// The prior, all bits of the evidence, and what is taken off.
    pub bits: f64,
    pub probability: f64,
    /// Whether it reaches the model's threshold.
    pub edge: bool,
    /// The keys that both records agree in, in words. If there is none the pair is not compared, whatever its score.
    pub keys: Vec<String>,
}

/// Explains the pair of two records, whether or not a key holds both.
pub fn explain(model: &Model, features: &Features, a: u32, b: u32) -> Explanation {
    let bound = Bound::new(model, features);
    let mut levels = [0; MOST_FIELDS];
    let bits = f64::from(bound.bits(a, b, &mut levels));
    let row = features.row(a);
    let evidence: Vec<Evidence> = model
        .comparisons
        .iter()
        .enumerate()
        .map(|(field, comparison)| {
            let level = levels[field];
            let all = f64::from(bound.of_level(field, level, row[field]));
            let equal = (1..NEAR).contains(&level);
            let at = if equal { 1 } else { usize::from(level) };
            let (m, u) = if level == MISSING { (1.0, 1.0) } else { (comparison.m[at], comparison.u[at]) };
            let frequency = || {
                let hash = features.hashes(field)[row[field] as usize];
                let known = comparison.frequent.binary_search_by_key(&hash, |(hash, _)| *hash);
                known.map_or(comparison.rest, |at| f64::from(comparison.frequent[at].1))
            };
            let bits = if level == MISSING { 0.0 } else { (m / u).log2() };
            Evidence {
                name: comparison.name.clone(),
                kind: comparison.kind,
                level: comparison.kind.level(level).to_owned(),
                m,
                u,
                bits,
                frequency_bits: if equal { all - bits } else { 0.0 },
                frequency: equal.then(frequency),
            }
        })
        .collect();
    let excluded = model.excluded(features);
    let held = model.keys.iter().filter(|key| held(key, features, &excluded, a, b));
    let keys = held.map(|key| model.words(key)).collect();
    Explanation {
        prior: model.prior,
        household: bits - model.prior - evidence.iter().map(|of| of.bits + of.frequency_bits).sum::<f64>(),
        evidence,
        bits,
        probability: probability(bits),
        edge: bits as f32 >= model.least_bits(),
        keys,
    }
}
