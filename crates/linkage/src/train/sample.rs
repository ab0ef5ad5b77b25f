//! Which pairs the model is trained on: pairs at random, pairs that agree in a value of one field, by how frequent it is, and
//! pairs that agree in two fields. All are chosen by hashes of keys and values, so that the order of records plays no part.

use super::em::Source;
use super::{Frequencies, Levels};
use crate::features::{Excluded, Features, packed};
use crate::field::{CLASSES, Kind, MOST_FIELDS};
use crate::model::class;
use crate::text::mix;

/// So many pairs at random, or all there are.
const RANDOM: usize = 500_000;
/// So many of each agreement in one value, by class, and in two.
const OF_ONE: usize = 4_000;
const OF_TWO: usize = 8_000;
/// Agreements are looked for among so many records.
const LOOKED_AT: usize = 100_000;
/// A sample says something if its pairs are not many more than there are persons.
const MOST_PER_RECORD: f64 = 20.0;

pub(super) struct Sample {
    pub sources: Vec<Source>,
    /// The pairs of each source.
    pub pairs: Vec<Vec<(u32, u32)>>,
    /// How many pairs of records there are.
    pub all_pairs: f64,
    /// Values that were taken as missing.
    pub excluded: Excluded,
}

pub(super) fn sample(features: &Features, excluded: Excluded, between: bool, frequent: &[Frequencies]) -> Sample {
    let mut found = Sample { sources: vec![], pairs: vec![], all_pairs: all_pairs(features, between), excluded };
    let random = random(features, between);
    found.add(features, random, 0, None, 0.0);
    let size = features.len() as f64;
    let looked_at: Vec<Vec<u32>> =
        (0..features.fields().len()).map(|field| some_values(features, &found.excluded, field)).collect();
    let fields: Vec<usize> = (0..features.fields().len()).filter(|field| frequent[*field].records > 0).collect();
    for field in &fields {
        let mut drawn = agreeing(features, (&looked_at, &found.excluded), between, 1 << field, OF_ONE, true);
        for (at, (pairs, total)) in drawn.iter_mut().enumerate() {
            found.add(features, std::mem::take(pairs), 1 << field, Some(at), *total);
        }
    }
    let wide = |field: &&usize| !matches!(features.fields()[**field].kind, Kind::Gender);
    let fields: Vec<&usize> = fields.iter().filter(wide).collect();
    for (at, first) in fields.iter().enumerate() {
        for second in &fields[at + 1..] {
            let mask = 1 << **first | 1 << **second;
            if let Some((pairs, total)) =
                agreeing(features, (&looked_at, &found.excluded), between, mask, OF_TWO, false).pop()
                && total <= MOST_PER_RECORD * size
            {
                found.add(features, pairs, mask, None, total);
            }
        }
    }
    found
}

fn all_pairs(features: &Features, between: bool) -> f64 {
    let of = |n: f64| n * (n - 1.0) / 2.0;
    let mut all = of(features.len() as f64);
    if between {
        let mut sources = features.sources.clone();
        sources.sort_unstable();
        all -= sources.chunk_by(|a, b| a == b).map(|same| of(same.len() as f64)).sum::<f64>();
    }
    all.max(1.0)
}

impl Sample {
    fn add(&mut self, features: &Features, pairs: Vec<(u32, u32)>, agree: u32, at: Option<usize>, total: f64) {
        if pairs.is_empty() {
            return;
        }
        let mut patterns: Vec<u64> = pairs
            .iter()
            .map(|(a, b)| {
                let mut levels: Levels = [0; MOST_FIELDS];
                let by_count = |field: usize, value: u32| class(f64::from(features.counts[field][value as usize]));
                features.levels(*a, *b, &self.excluded, by_count, &mut levels);
                packed(&levels)
            })
            .collect();
        patterns.sort_unstable();
        let patterns = patterns.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect();
        self.sources.push(Source { agree, class: at, total, patterns });
        self.pairs.push(pairs);
    }
}

/// Neighbours, and their neighbours, in the order of hashed keys.
fn random(features: &Features, between: bool) -> Vec<(u32, u32)> {
    let size = features.len();
    let mut shuffled: Vec<(u64, u32)> =
        features.keys.iter().enumerate().map(|(record, key)| (mix(*key), record as u32)).collect();
    // A few records of each hash are enough.
    let keep = RANDOM.max(2);
    if size > keep {
        shuffled.select_nth_unstable(keep);
        shuffled.truncate(keep);
    }
    shuffled.sort_unstable();
    let size = shuffled.len();
    let mut pairs = Vec::with_capacity(RANDOM);
    'far: for distance in 1..=size / 2 {
        // At half way round each pair would come twice.
        let starts = if 2 * distance == size { distance } else { size };
        for at in 0..starts {
            let (a, b) = (shuffled[at].1, shuffled[(at + distance) % size].1);
            if !between || features.sources[a as usize] != features.sources[b as usize] {
                pairs.push((a, b));
            }
            if pairs.len() == RANDOM {
                break 'far;
            }
        }
    }
    pairs
}

/// One of so many values of a field is looked at.
fn parts(features: &Features) -> u64 {
    (features.len() / LOOKED_AT).max(1) as u64
}

/// The records whose value of a field is one of those looked at.
fn some_values(features: &Features, excluded: &Excluded, field: usize) -> Vec<u32> {
    let parts = parts(features);
    let chosen: Vec<bool> = features.hashes(field).iter().map(|hash| mix(*hash).is_multiple_of(parts)).collect();
    let of = |record: &u32| features.value(excluded, *record, field) as usize;
    (0..features.len() as u32).filter(|record| of(record) != 0 && chosen[of(record)]).collect()
}

/// The hash of what records agree in, the record's key, and its number.
type Found = (u64, u64, u32);

/// Pairs that agree in these fields, and how many there are of them; by class of frequency, or all in one.
fn agreeing(
    features: &Features,
    (looked_at, excluded): (&[Vec<u32>], &Excluded),
    between: bool,
    fields: u32,
    most: usize,
    by_class: bool,
) -> Vec<(Vec<(u32, u32)>, f64)> {
    let list: Vec<usize> = (0..MOST_FIELDS).filter(|field| fields >> field & 1 == 1).collect();
    let parts = parts(features);
    let Some(most_values) = list.iter().max_by_key(|field| (features.hashes(**field).len(), **field)) else {
        return vec![];
    };
    let mut records: Vec<Found> = Vec::new();
    for record in &looked_at[*most_values] {
        let row = features.row(*record);
        let told =
            |field: &usize| features.value(excluded, *record, *field) != 0 && !features.hidden(*field, row[*field]);
        if list.iter().all(told) {
            let hash = list.iter().fold(0, |hash, field| mix(hash ^ features.hashes(*field)[row[*field] as usize]));
            records.push((hash, features.keys[*record as usize], *record));
        }
    }
    records.sort_unstable();
    let mut groups: Vec<Vec<&[Found]>> = vec![vec![]; if by_class { CLASSES } else { 1 }];
    for group in records.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        let at = if by_class {
            let value = features.row(group[0].2)[list[0]];
            usize::from(class(f64::from(features.counts[list[0]][value as usize]))) - 1
        } else {
            0
        };
        groups[at].push(group);
    }
    let drawn = groups.into_iter().map(|groups| draw(features, between, &groups, most, parts));
    drawn.collect()
}

/// At most `most` of the pairs within groups, evenly.
fn draw(features: &Features, between: bool, groups: &[&[Found]], most: usize, parts: u64) -> (Vec<(u32, u32)>, f64) {
    let of = |group: &[Found]| group.len() as u64 * (group.len() as u64 - 1) / 2;
    let total: u64 = groups.iter().map(|group| of(group)).sum();
    let taken = total.min(most as u64);
    let mut pairs = Vec::with_capacity(taken as usize);
    let (mut at, mut before) = (0, 0);
    for number in 0..taken {
        let stride = total / taken.max(1);
        let jitter = if stride > 1 { mix(number) % stride } else { 0 };
        let wanted = ((u128::from(number) * u128::from(total) / u128::from(taken)) as u64 + jitter).min(total - 1);
        while wanted >= before + of(groups[at]) {
            before += of(groups[at]);
            at += 1;
        }
        // Pair number `rest` of the group: (1,0), (2,0), (2,1), (3,0), …
        let rest = wanted - before;
        let mut high = ((((8 * rest + 1) as f64).sqrt() + 1.0) / 2.0) as u64;
        while high * (high - 1) / 2 > rest {
            high -= 1;
        }
        while (high + 1) * high / 2 <= rest {
            high += 1;
        }
        let low = rest - high * (high - 1) / 2;
        let (a, b) = (groups[at][high as usize].2, groups[at][low as usize].2);
        if !between || features.sources[a as usize] != features.sources[b as usize] {
            pairs.push((a, b));
        }
    }
    let kept = if taken == 0 { 0.0 } else { pairs.len() as f64 / taken as f64 };
    (pairs, total as f64 * parts as f64 * kept)
}
