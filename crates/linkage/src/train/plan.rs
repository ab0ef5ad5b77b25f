//! Which keys to block on: as many of the expected matches as a budget of comparisons buys.
//!
//! Matches are drawn from what training has seen: for each group of fields an outcome of a pair that was chosen by other
//! fields, all groups independently. So a draw may agree in nothing that the sample was chosen by, as a real match may.
//! Only draws whose evidence would make them an edge count: no key can help the others.

use super::em::{Estimate, Ratios};
use super::sample::Sample;
use super::{Levels, Options};
use crate::features::{Excluded, Features, packed};
use crate::field::{CLASSES, MOST_FIELDS};
use crate::key::{Atom, Key};
use crate::model::class;
use crate::text::mix;

/// An expected match: the atoms that both records have in common, and how likely it is found to be a match.
pub(super) struct Draw {
    equal: u64,
    weight: f64,
}

const DRAWS: u64 = 8192;
/// Outcomes kept of a group.
const OUTCOMES: usize = 3000;
/// The more of a source's pairs are matches the better they tell of them: those with a smaller share are only asked where…
const SHARES: [f64; 3] = [0.3, 0.05, 0.0];
/// …the others have shown fewer matches than so many.
const FEW: f64 = 20.0;
/// Costs of keys are estimated from so many records.
const COSTED: usize = 20_000;
/// So many keys at most: with those that split them they are bits of a number.
const MOST_KEYS: usize = 20;
const SPLITS: usize = 2;
/// Hashing and sorting the records for one more key costs as much as so many comparisons per record.
const COST_OF_KEY: f64 = 1.0;
/// Beyond the comparisons that are free, a key must find a match for so many.
const MOST_PER_MATCH: f64 = 100.0;
/// A key that finds less than this share of the matches is not worth its keep.
const LEAST_GAIN: f64 = 2e-4;

pub(super) fn matches(features: &Features, sample: &Sample, estimate: &Estimate, mean: &[[f64; CLASSES]]) -> Vec<Draw> {
    let atoms = Atom::all(features);
    let kinds: Vec<_> = features.fields().iter().map(|field| field.kind).collect();
    let ratios = estimate.ratios(&kinds, mean);
    let mut groups: Vec<(usize, u32)> = vec![];
    for (field, of) in features.fields().iter().enumerate() {
        let group = of.kind.group(field);
        match groups.iter_mut().find(|(number, _)| *number == group) {
            Some((_, fields)) => *fields |= 1 << field,
            None => groups.push((group, 1 << field)),
        }
    }
    let outcomes: Vec<Vec<(u64, u64)>> =
        groups.iter().map(|(_, fields)| outcomes(features, sample, estimate, &ratios, &atoms, *fields)).collect();
    let shares = [estimate.matches, estimate.households].map(|pairs| (pairs / sample.all_pairs).clamp(0.0, 0.25));
    let draw = |number: u64| {
        let (mut pattern, mut equal) = (0, 0);
        for (group, outcomes) in outcomes.iter().enumerate().filter(|(_, outcomes)| !outcomes.is_empty()) {
            let at = mix(number << 8 | group as u64 | 1 << 63) % outcomes.len() as u64;
            pattern |= outcomes[at as usize].0;
            equal |= outcomes[at as usize].1;
        }
        let (weight, _) = ratios.posterior(0, pattern, (shares[0], shares[1]));
        Draw { equal, weight: if weight >= 0.5 { weight } else { 0.0 } }
    };
    (0..DRAWS).map(draw).collect()
}

/// What the fields of a group show of pairs of one person: levels, and atoms in common.
fn outcomes(
    features: &Features,
    sample: &Sample,
    estimate: &Estimate,
    ratios: &Ratios,
    atoms: &[Atom],
    fields: u32,
) -> Vec<(u64, u64)> {
    let of_group: Vec<(usize, Atom)> =
        atoms.iter().copied().enumerate().filter(|(_, atom)| atom.fields() & fields != 0).collect();
    let mut posteriors: Vec<(f64, u32, u32, u64)> = vec![];
    let mut above = f64::INFINITY;
    for least in SHARES {
        posteriors.extend(shown_by(features, sample, estimate, ratios, fields, least..above));
        above = least;
        if posteriors.iter().map(|(posterior, ..)| posterior).sum::<f64>() >= FEW {
            break;
        }
    }
    let total: f64 = posteriors.iter().map(|(posterior, ..)| posterior).sum();
    let step = (total / OUTCOMES as f64).max(1.0);
    let shown =
        (0..MOST_FIELDS).filter(|field| fields >> field & 1 == 1).fold(0u64, |bits, field| bits | 15 << (4 * field));
    let (mut outcomes, mut seen, mut next) = (vec![], 0.0, step / 2.0);
    for (posterior, a, b, pattern) in posteriors {
        seen += posterior;
        if seen < next {
            continue;
        }
        next += step;
        let mut equal = 0;
        for (at, atom) in &of_group {
            let value = atom.of(features, &sample.excluded, a);
            if value != 0 && value == atom.of(features, &sample.excluded, b) {
                equal |= 1u64 << at;
            }
        }
        outcomes.push((pattern & shown, equal));
    }
    outcomes
}

/// Pairs that were chosen by other fields, of sources with such a share of matches: how likely each is a match, its records, its levels.
fn shown_by(
    features: &Features,
    sample: &Sample,
    estimate: &Estimate,
    ratios: &Ratios,
    fields: u32,
    shares: std::ops::Range<f64>,
) -> Vec<(f64, u32, u32, u64)> {
    let mut found = vec![];
    let of_source = estimate.share.iter().zip(&estimate.house);
    for ((pairs, source), (share, house)) in sample.pairs.iter().zip(&sample.sources).zip(of_source) {
        if source.agree & fields != 0 || source.agree == 0 || !shares.contains(share) {
            continue;
        }
        for (a, b) in pairs {
            let mut levels: Levels = [0; MOST_FIELDS];
            let by_count = |field: usize, value: u32| class(f64::from(features.counts[field][value as usize]));
            features.levels(*a, *b, &sample.excluded, by_count, &mut levels);
            let pattern = packed(&levels);
            found.push((ratios.posterior(source.agree, pattern, (*share, *house)).0, *a, *b, pattern));
        }
    }
    found
}

struct Candidate {
    atoms: Vec<usize>,
    mask: u64,
    /// Comparisons.
    cost: f64,
}

/// The keys, cheapest first, each followed later by those that split its blocks; and the share of the matches they find.
pub(super) fn plan(
    features: &Features,
    excluded: &Excluded,
    draws: &[Draw],
    matches: f64,
    options: &Options,
) -> (Vec<Key>, f64) {
    let atoms = Atom::all(features);
    let size = features.len() as f64;
    let total: f64 = draws.iter().map(|draw| draw.weight).sum();
    if total <= 0.0 {
        return (vec![], 0.0);
    }
    let found_by =
        |mask: u64| -> f64 { draws.iter().filter(|draw| draw.equal & mask == mask).map(|draw| draw.weight).sum() };
    let budget = (options.comparisons_per_record * size).max(options.comparisons);
    let costed = Costed::new(features, excluded, &atoms);
    let mut candidates: Vec<Candidate> = vec![];
    let mut too_dear: Vec<(f64, Vec<usize>, u64)> = vec![];
    let mut consider = |list: Vec<usize>, too_dear: &mut Vec<(f64, Vec<usize>, u64)>| {
        let mask = list.iter().fold(0, |mask, at| mask | 1u64 << at);
        let gain = found_by(mask);
        if gain < LEAST_GAIN * total {
            return;
        }
        let cost = costed.cost(&list);
        if cost > budget * 0.6 {
            too_dear.push((gain, list, mask));
        } else {
            candidates.push(Candidate { atoms: list, mask, cost });
        }
    };
    for first in 0..atoms.len() {
        consider(vec![first], &mut too_dear);
    }
    let apart = |a: usize, b: usize| atoms[a].fields() & atoms[b].fields() == 0;
    for first in 0..atoms.len() {
        for second in first + 1..atoms.len() {
            if apart(first, second) {
                consider(vec![first, second], &mut too_dear);
            }
        }
    }
    // What two atoms leave too large a third may cut.
    too_dear.retain(|(_, list, _)| list.len() == 2);
    too_dear.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    too_dear.truncate(25);
    let mut triples: Vec<Vec<usize>> = vec![];
    for (_, list, _) in &too_dear {
        for third in (0..atoms.len()).filter(|third| list.iter().all(|at| apart(*at, *third))) {
            let mut list = list.clone();
            list.push(third);
            list.sort_unstable();
            triples.push(list);
        }
    }
    triples.sort_unstable();
    triples.dedup();
    for list in triples {
        consider(list, &mut too_dear);
    }
    let (chosen, covered) =
        choose(&candidates, draws, matches / total, &Purse { budget, free: options.comparisons, size });
    let mut keys: Vec<Key> = chosen
        .iter()
        .map(|at| Key { atoms: candidates[*at].atoms.iter().map(|atom| atoms[*atom]).collect(), splits: None })
        .collect();
    for at in 0..keys.len() {
        keys.extend(splits(&keys[at].clone(), at, &atoms, draws));
    }
    (keys, covered / total)
}

/// What comparisons may cost.
struct Purse {
    budget: f64,
    free: f64,
    /// How many records there are.
    size: f64,
}

/// Greedily by matches per cost; then the cheapest first. A draw stands for `each` matches.
fn choose(candidates: &[Candidate], draws: &[Draw], each: f64, purse: &Purse) -> (Vec<usize>, f64) {
    let total: f64 = draws.iter().map(|draw| draw.weight).sum();
    let mut left: Vec<&Draw> = draws.iter().filter(|draw| draw.weight > 0.0).collect();
    let (mut chosen, mut spent, mut covered): (Vec<usize>, f64, f64) = (vec![], 0.0, 0.0);
    while chosen.len() < MOST_KEYS {
        let mut best: Option<(f64, f64, usize)> = None;
        for (at, candidate) in candidates.iter().enumerate() {
            let after = spent + candidate.cost;
            if after > purse.budget || chosen.contains(&at) {
                continue;
            }
            let mask = candidate.mask;
            let gain: f64 = left.iter().filter(|draw| draw.equal & mask == mask).map(|draw| draw.weight).sum();
            let pays = after <= purse.free || gain * each * MOST_PER_MATCH >= candidate.cost;
            let worth = gain / (candidate.cost + COST_OF_KEY * purse.size);
            if pays && gain >= LEAST_GAIN * total && best.is_none_or(|(most, ..)| worth > most) {
                best = Some((worth, gain, at));
            }
        }
        let Some((_, gain, at)) = best else { break };
        chosen.push(at);
        spent += candidates[at].cost;
        covered += gain;
        left.retain(|draw| draw.equal & candidates[at].mask != candidates[at].mask);
    }
    // What is free is spent: training may not have seen all ways in which records of one person differ.
    let mut single: Vec<usize> = (0..candidates.len()).filter(|at| candidates[*at].atoms.len() == 1).collect();
    single.sort_by(|a, b| candidates[*a].cost.total_cmp(&candidates[*b].cost).then(a.cmp(b)));
    for at in single {
        if chosen.len() < MOST_KEYS && !chosen.contains(&at) && spent + candidates[at].cost <= purse.free {
            spent += candidates[at].cost;
            chosen.push(at);
        }
    }
    chosen.sort_by(|a, b| candidates[*a].cost.total_cmp(&candidates[*b].cost).then(a.cmp(b)));
    (chosen, covered)
}

/// The keys that split the blocks of a key which are too large.
fn splits(key: &Key, at: usize, atoms: &[Atom], draws: &[Draw]) -> Vec<Key> {
    let bit = |atom: &Atom| 1u64 << atoms.iter().position(|other| other == atom).unwrap_or(0);
    let mask = key.atoms.iter().fold(0, |mask, atom| mask | bit(atom));
    let fields = key.atoms.iter().fold(0, |fields, atom| fields | atom.fields());
    let whole = |atom: &&Atom| {
        matches!(atom, Atom::Name | Atom::Birthday | Atom::Phone | Atom::Email | Atom::Street | Atom::Code(_))
            && atom.fields() & fields == 0
    };
    let gain = |atom: &Atom| -> f64 {
        let mask = mask | bit(atom);
        draws.iter().filter(|draw| draw.equal & mask == mask).map(|draw| draw.weight).sum()
    };
    let mut found: Vec<(f64, Atom)> = atoms.iter().filter(whole).map(|atom| (gain(atom), *atom)).collect();
    found.retain(|(gain, _)| *gain > 0.0);
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let split = |(_, atom): (f64, Atom)| {
        let mut atoms = key.atoms.clone();
        atoms.push(atom);
        Key { atoms, splits: Some(at) }
    };
    found.into_iter().take(SPLITS).map(split).collect()
}

/// Some records' atoms, to count how many pairs a key has.
struct Costed {
    values: Vec<Vec<u32>>,
    scale: f64,
}

impl Costed {
    fn new(features: &Features, excluded: &Excluded, atoms: &[Atom]) -> Costed {
        let mut hashed: Vec<(u64, u32)> =
            features.keys.iter().enumerate().map(|(record, key)| (mix(*key ^ 0x5eed), record as u32)).collect();
        if hashed.len() > COSTED {
            hashed.select_nth_unstable(COSTED);
            hashed.truncate(COSTED);
        }
        let values: Vec<Vec<u32>> = atoms
            .iter()
            .map(|atom| hashed.iter().map(|(_, record)| atom.of(features, excluded, *record)).collect())
            .collect();
        let part = features.len() as f64 / hashed.len().max(1) as f64;
        Costed { values, scale: part * part }
    }

    fn cost(&self, list: &[usize]) -> f64 {
        let mut hashes: Vec<u64> = Vec::with_capacity(COSTED);
        for record in 0..self.values.first().map_or(0, Vec::len) {
            let mut hash = 0;
            if list.iter().all(|atom| {
                let value = self.values[*atom][record];
                hash = mix(hash ^ u64::from(value));
                value != 0
            }) {
                hashes.push(hash);
            }
        }
        hashes.sort_unstable();
        let pairs = |same: &[u64]| same.len() as f64 * (same.len() as f64 - 1.0) / 2.0;
        hashes.chunk_by(|a, b| a == b).map(pairs).sum::<f64>() * self.scale
    }
}
