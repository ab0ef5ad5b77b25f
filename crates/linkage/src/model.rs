//! The parameters of a match model, and the weights that they give.
//!
//! Fellegi and Sunter (1969): a level `l` of a comparison weighs `log2(m/u)` bits, where `m = P(l | one person)` and
//! `u = P(l | two persons)`; the weights of all comparisons and the prior odds add up to the odds that two records are of one
//! person. For equal values `u` is that of the value: `(n - 1) / (N - 1)` for a value that `n` of `N` records have, times the
//! share of the pairs that agree in a value so frequent and are of two persons. A missing value weighs nothing.
//!
//! Two persons of one household share what a household has, so that there the levels weigh `log2(m/h)` against it, whatever the value. A pair's
//! odds are those of one person against both, strangers and a household: less than each by itself.

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use crate::features::{Excluded, Features, Field};
use crate::field::{CLASSES, DIFFERENT, Kind, LEVELS, MOST_FIELDS, NEAR};
use crate::key::Key;

/// The version of what a model means; one of another version is not read.
pub const VERSION: u32 = 2;

/// Values less frequent than so many others have the frequency of the rest.
pub(crate) const MOST_FREQUENT: usize = 1 << 14;

/// The class of frequency of a value that `count` records have: the level of two equal ones.
pub(crate) fn class(count: f64) -> u8 {
    let step = (count.max(1.0).log2() / 2.0) as usize;
    1 + step.min(CLASSES - 1) as u8
}

/// The parameters of one comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub name: String,
    pub kind: Kind,
    /// By level: probability given one person, of those where both values are known. All equal ones are at 1.
    pub m: [f64; LEVELS],
    /// By level: the same, given two persons.
    pub u: [f64; LEVELS],
    /// By level, where a household may share the field: the same, given two of one household.
    pub h: [f64; LEVELS],
    /// Probability that both values are known, given one person.
    pub known: f64,
    /// By class of frequency: of the pairs that agree in such a value, the share that is of two persons.
    pub strangers: [f64; CLASSES],
    /// Values of this class of frequency, and of higher ones, are shared by strangers (a till's phone, `test@test.com`): they are
    /// taken as missing.
    pub generic: Option<u8>,
    /// How many records have a value.
    pub records: u64,
    /// Hashes of the most frequent values, sorted, and how many records have them.
    pub frequent: Vec<(u64, u32)>,
    /// How many records have a value that is not among them, on average over records.
    pub rest: f64,
}

impl Comparison {
    /// `u` of two equal values that `count` records have.
    pub fn u_equal(&self, count: f64) -> f64 {
        let others = self.records.max(2) as f64 - 1.0;
        let strangers = self.strangers[usize::from(class(count)) - 1];
        ((count.max(2.0) - 1.0) / others * strangers).min(1.0)
    }

    /// Bits of a level that is not equality.
    pub fn weight(&self, level: u8) -> f64 {
        match level {
            0 => 0.0,
            level => (self.m[usize::from(level)] / self.u[usize::from(level)]).log2(),
        }
    }

    /// Bits of equality in a value that `count` records have.
    pub fn weight_equal(&self, count: f64) -> f64 {
        (self.m[1] / self.u_equal(count)).log2()
    }
}

/// A level of a comparison as a chart shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// `equal, in a rare value`, `one edit`, …
    pub name: String,
    /// Probability given one person, and given two.
    pub m: f64,
    pub u: f64,
    /// Log2 of `m / u`.
    pub bits: f64,
}

impl Comparison {
    /// What can be said of two known values, from what speaks most for one person on; equality in the rarest and in the most
    /// frequent value.
    pub fn levels(&self) -> Vec<Level> {
        let equal = |name: &str, count: f64| {
            let (m, u) = (self.m[1], self.u_equal(count));
            Level { name: format!("equal, {name}"), m, u, bits: self.weight_equal(count) }
        };
        let most = self.frequent.iter().map(|(_, count)| f64::from(*count)).fold(self.rest, f64::max);
        let mut levels = vec![equal("in a rare value", 2.0)];
        if most > 4.0 {
            levels.push(equal("in the most frequent value", most));
        }
        let near = (NEAR..).zip(self.kind.levels()).map(|(level, _)| level);
        levels.extend(near.chain([DIFFERENT]).map(|level| {
            let at = usize::from(level);
            let name = self.kind.level(level).to_owned();
            Level { name, m: self.m[at], u: self.u[at], bits: self.weight(level) }
        }));
        levels
    }
}

/// A trained model: all that is needed to score pairs and to explain a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub version: u32,
    pub comparisons: Vec<Comparison>,
    /// Log2 of the odds that two records, taken at random, are of one person.
    pub prior: f64,
    /// Pairs with at least this match probability are edges.
    pub threshold: f64,
    /// What is compared, in this order.
    pub keys: Vec<Key>,
    /// Larger blocks are not compared but split.
    pub most_in_block: u32,
    /// Whether only records of different sources are compared.
    pub between_sources: bool,
    /// The share of the pairs of one person, among those that their evidence shows, that the keys are expected to find.
    pub coverage: f64,
    /// Expected number of pairs of one person among the records of the training.
    pub matches: f64,
    /// Expected number of pairs of two persons of one household.
    pub households: f64,
    /// How many records there were.
    pub records: u64,
}

impl Model {
    /// Bits at which a pair becomes an edge.
    pub(crate) fn least_bits(&self) -> f32 {
        (self.threshold / (1.0 - self.threshold)).log2() as f32
    }

    /// A blocking key in words, such as `sound of name + city`.
    pub fn words(&self, key: &Key) -> String {
        let codes = self.comparisons.iter().filter(|comparison| comparison.kind == Kind::Code);
        key.words(&codes.map(|comparison| comparison.name.as_str()).collect::<Vec<_>>())
    }

    /// Whether the records have the fields of this model.
    pub fn fits(&self, features: &Features) -> bool {
        let same = |(c, f): (&Comparison, &Field)| c.name == f.name && c.kind == f.kind;
        self.version == VERSION
            && self.comparisons.len() == features.fields().len()
            && self.comparisons.iter().zip(features.fields()).all(same)
    }
}

/// Match probability of a pair with so many bits.
pub fn probability(bits: f64) -> f64 {
    1.0 / (1.0 + (-bits).exp2())
}

/// A value that is taken as missing because strangers share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generic {
    /// The comparison's name.
    pub name: String,
    /// How many of the records have it.
    pub records: u32,
    /// One of them: the one with the lowest key hash.
    pub example: u32,
}

impl Model {
    pub(crate) fn excluded(&self, features: &Features) -> Excluded {
        let of_field = |(field, comparison): (usize, &Comparison)| {
            let Some(from) = comparison.generic else { return vec![] };
            let shared: HashSet<u64> = comparison
                .frequent
                .iter()
                .filter(|(_, n)| class(f64::from(*n)) >= from)
                .map(|(hash, _)| *hash)
                .collect();
            if shared.is_empty() {
                return vec![];
            }
            features.hashes(field).iter().map(|hash| shared.contains(hash)).collect()
        };
        Excluded(self.comparisons.iter().enumerate().map(of_field).collect())
    }

    /// The values that the model takes as missing, the most frequent first.
    pub fn generic(&self, features: &Features) -> Vec<Generic> {
        let excluded = self.excluded(features);
        let mut found: Vec<Generic> = vec![];
        for (field, values) in excluded.0.iter().enumerate().filter(|(_, values)| !values.is_empty()) {
            let mut lowest: HashMap<u32, (u64, u32)> = HashMap::new();
            for record in 0..features.len() as u32 {
                let value = features.row(record)[field];
                if values[value as usize] {
                    let own = (features.keys[record as usize], record);
                    lowest.entry(value).and_modify(|least| *least = own.min(*least)).or_insert(own);
                }
            }
            found.extend(lowest.into_iter().map(|(value, (_, example))| Generic {
                name: self.comparisons[field].name.clone(),
                records: features.counts[field][value as usize],
                example,
            }));
        }
        found.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| (&a.name, a.example).cmp(&(&b.name, b.example))));
        found
    }
}

/// A model's weights by the numbers that the values have in some features.
pub(crate) struct Bound<'a> {
    pub features: &'a Features,
    /// Log2 of the odds of one person against two strangers, and against two of a household.
    priors: (f32, f32),
    excluded: Excluded,
    /// By field and value: the class of its frequency.
    classes: Vec<Vec<u8>>,
    /// By field and value: bits of agreement in it, against strangers.
    equal: Vec<Vec<f32>>,
    /// By field and level: bits against strangers, and against a household, where equality is at 1; none where a household shares nothing.
    levels: Vec<[f32; LEVELS]>,
    levels_at_home: Vec<Option<[f32; LEVELS]>>,
}

/// Log2 of the odds against two alternatives, from those against each.
fn against_both(a: f32, b: f32) -> f32 {
    let (less, more) = (a.min(b), a.max(b));
    // Far apart, the lesser decides.
    if more - less > 24.0 { less } else { less - (1.0 + (less - more).exp2()).log2() }
}

impl<'a> Bound<'a> {
    pub(crate) fn new(model: &Model, features: &'a Features) -> Bound<'a> {
        let excluded = model.excluded(features);
        let at_home = if model.households < 1.0 { f64::INFINITY } else { (model.matches / model.households).log2() };
        let priors = (model.prior as f32, at_home as f32);
        let mut bound = Bound {
            features,
            priors,
            excluded,
            classes: vec![],
            equal: vec![],
            levels: vec![],
            levels_at_home: vec![],
        };
        for (field, comparison) in model.comparisons.iter().enumerate() {
            let frequent: HashMap<u64, u32> = comparison.frequent.iter().copied().collect();
            let rest = (class(comparison.rest), comparison.weight_equal(comparison.rest) as f32);
            let of_value =
                features.hashes(field).iter().zip(&features.counts[field]).map(|(hash, count)| match count {
                    // The list is that of another field too.
                    0 => (1, 0.0),
                    _ => match frequent.get(hash) {
                        Some(count) => (class(f64::from(*count)), comparison.weight_equal(f64::from(*count)) as f32),
                        None => rest,
                    },
                });
            let (classes, equal) = of_value.unzip();
            bound.classes.push(classes);
            bound.equal.push(equal);
            let mut levels = [0.0; LEVELS];
            for level in NEAR..=DIFFERENT {
                levels[usize::from(level)] = comparison.weight(level) as f32;
            }
            bound.levels.push(levels);
            bound.levels_at_home.push((priors.1.is_finite() && comparison.kind.of_household()).then(|| {
                let mut levels = [0.0; LEVELS];
                for (level, weight) in levels.iter_mut().enumerate().skip(1) {
                    let at = if level < usize::from(NEAR) { 1 } else { level };
                    *weight = (comparison.m[at] / comparison.h[at]).log2() as f32;
                }
                levels
            }));
        }
        bound
    }

    fn levels_of(&self, a: u32, b: u32, levels: &mut [u8]) {
        self.features.levels(a, b, &self.excluded, |field, value| self.classes[field][value as usize], levels);
    }

    /// Bits of a level against strangers, and against two of a household.
    fn weights(&self, field: usize, level: u8, value: u32) -> (f32, f32) {
        let bits = self.of_level(field, level, value);
        (bits, self.levels_at_home[field].map_or(bits, |levels| levels[usize::from(level)]))
    }

    /// Bits for a pair to be of one person, and its levels.
    pub(crate) fn bits(&self, a: u32, b: u32, levels: &mut [u8]) -> f32 {
        self.levels_of(a, b, levels);
        let row = self.features.row(a);
        let mut sums = self.priors;
        for (field, level) in levels.iter().enumerate().take(row.len()) {
            let (bits, at_home) = self.weights(field, *level, row[field]);
            sums = (sums.0 + bits, sums.1 + at_home);
        }
        against_both(sums.0, sums.1)
    }

    /// Bits for two clusters to be of one person: each comparison's mean over the pairs where it is known.
    pub(crate) fn between(&self, of_a: &[u32], of_b: &[u32]) -> f32 {
        let mut sums = [(0.0f32, 0.0f32, 0u32); MOST_FIELDS];
        let mut levels = [0; MOST_FIELDS];
        for a in of_a {
            let row = self.features.row(*a);
            for b in of_b {
                self.levels_of(*a, *b, &mut levels);
                for (field, (level, sum)) in levels.iter().zip(&mut sums).enumerate().take(row.len()) {
                    if *level != 0 {
                        let (bits, at_home) = self.weights(field, *level, row[field]);
                        *sum = (sum.0 + bits, sum.1 + at_home, sum.2 + 1);
                    }
                }
            }
        }
        let known = sums.iter().filter(|(.., known)| *known > 0);
        let (strangers, at_home) = known.fold(self.priors, |all, (bits, at_home, known)| {
            (all.0 + bits / *known as f32, all.1 + at_home / *known as f32)
        });
        against_both(strangers, at_home)
    }

    pub(crate) fn of_level(&self, field: usize, level: u8, value: u32) -> f32 {
        match level {
            0 => 0.0,
            level if level < NEAR => self.equal[field][value as usize],
            level => self.levels[field][usize::from(level)],
        }
    }
}
