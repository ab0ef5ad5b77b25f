//! The blocks of each key, in parts that threads share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hashbrown::HashSet;

use super::{Edge, Scored};
use crate::features::{Excluded, Features};
use crate::field::MOST_FIELDS;
use crate::key::{Atom, Key};
use crate::model::{Bound, Model};
use crate::text::mix;

/// A block that was too large to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// How many records share the value.
    pub records: u64,
    /// One of them: the one with the lowest key hash.
    pub example: u32,
}

/// What a key found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReport {
    pub key: Key,
    /// Pairs that this key was the first to hold.
    pub compared: u64,
    /// Edges among them.
    pub edges: u64,
    pub largest: u64,
    pub refused_blocks: u64,
    pub refused_records: u64,
    /// The largest of the refused blocks.
    pub refused: Vec<Refused>,
}

/// So many refused blocks are named for each key.
const NAMED: usize = 5;
/// Parts of a key's blocks, by their hash: fixed, so that the number of threads does not show.
const PARTS: usize = 256;
/// Bits of a filter for blocks.
const FILTER: usize = 1 << 22;

/// Records with the hashes of their blocks.
type Blocked = Vec<(u64, u32)>;

pub(crate) struct Blocks<'a> {
    features: &'a Features,
    threads: usize,
    /// The atoms that any key has.
    width: usize,
    /// Row by row.
    atoms: Vec<u32>,
    /// By key: its atoms as bits of the width.
    masks: Vec<u64>,
    /// By record: the keys by whose blocks it was compared.
    active: Vec<AtomicU64>,
}

/// What a run is about where it is not about all pairs of all records.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// By record, whether its pairs are scored; others are only scored against these.
    pub changed: &'a [bool],
    /// Blocks that are too large. The features need not hold all of their records, so that counting them would not tell.
    pub refused: &'a HashSet<u64>,
}
pub(crate) type Only<'a> = Option<Part<'a>>;

/// Whether both records agree in all atoms of a key.
pub(crate) fn held(key: &Key, features: &Features, excluded: &Excluded, a: u32, b: u32) -> bool {
    key.atoms.iter().all(|atom| {
        let value = atom.of(features, excluded, a);
        value != 0 && value == atom.of(features, excluded, b)
    })
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(model: &Model, features: &'a Features, threads: usize) -> Blocks<'a> {
        let mut used: Vec<Atom> = model.keys.iter().flat_map(|key| key.atoms.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        used.truncate(64);
        let place = |atom: &Atom| used.binary_search(atom).unwrap_or(0);
        let masks =
            model.keys.iter().map(|key| key.atoms.iter().fold(0, |mask, atom| mask | 1u64 << place(atom))).collect();
        let width = used.len();
        let excluded = model.excluded(features);
        let mut atoms = vec![0u32; width * features.len()];
        let threads = threads.max(1);
        let chunk = features.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            for (number, rows) in atoms.chunks_mut((chunk * width).max(1)).enumerate() {
                let (used, excluded) = (&used, &excluded);
                scope.spawn(move || {
                    for (at, row) in rows.chunks_mut(width).enumerate() {
                        let record = (number * chunk + at) as u32;
                        for (value, atom) in row.iter_mut().zip(used) {
                            *value = atom.of(features, excluded, record);
                        }
                    }
                });
            }
        });
        let active = (0..features.len()).map(|_| AtomicU64::new(0)).collect();
        Blocks { features, threads, width, atoms, masks, active }
    }

    fn row(&self, record: u32) -> &[u32] {
        &self.atoms[record as usize * self.width..][..self.width]
    }

    /// The hash of a record's block; none where it lacks an atom.
    pub(crate) fn hash(&self, key: usize, record: u32) -> Option<u64> {
        let row = self.row(record);
        let (mut hash, mut mask) = (key as u64, self.masks[key]);
        while mask != 0 {
            let value = row[mask.trailing_zeros() as usize];
            if value == 0 {
                return None;
            }
            hash = mix(hash << 32 ^ hash >> 32 ^ u64::from(value));
            mask &= mask - 1;
        }
        Some(hash)
    }

    /// The hashes of all blocks that a record is in.
    pub(crate) fn of(&self, record: u32, found: &mut Vec<u64>) {
        found.clear();
        found.extend((0..self.masks.len()).filter_map(|key| self.hash(key, record)));
    }

    /// Scores key by key.
    pub(crate) fn run(&self, model: &Model, bound: &Bound, only: Only) -> Scored {
        let mut scored = Scored::default();
        let mut refused: Vec<Vec<u32>> = vec![vec![]; model.keys.len()];
        for (number, key) in model.keys.iter().enumerate() {
            let among = key.splits.map(|of| match only {
                None => std::mem::take(&mut refused[of]),
                Some(part) => {
                    let too_large =
                        |record: &u32| self.hash(of, *record).is_some_and(|hash| part.refused.contains(&hash));
                    (0..self.features.len() as u32).filter(too_large).collect()
                }
            });
            if among.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let mut done = self.key(number, model, bound, only, among.as_deref());
            scored.edges.append(&mut done.edges);
            // The next that splits the same blocks takes them on.
            if let (Some(of), Some(among)) = (key.splits, among) {
                refused[of] = among;
            }
            let mut named = done.refused;
            named.sort_unstable_by(|a, b| b.records.cmp(&a.records).then(a.example.cmp(&b.example)));
            named.truncate(NAMED);
            scored.keys.push(KeyReport {
                key: key.clone(),
                compared: done.compared,
                edges: done.found,
                largest: done.largest,
                refused_blocks: done.refused_blocks,
                refused_records: done.left.len() as u64,
                refused: named,
            });
            done.left.sort_unstable();
            refused[number] = done.left;
        }
        scored.edges.sort_unstable_by_key(|edge| (edge.a, edge.b));
        scored
    }

    /// The records of a key by the highest bits of their block's hash; where a run is about some records, only blocks that
    /// may hold one of these.
    fn parts(&self, key: usize, only: Only, among: Option<&[u32]>) -> Vec<Blocked> {
        let all = 0..self.features.len() as u32;
        let touched: Option<Vec<u64>> = only.map(|only| {
            let mut touched = vec![0u64; FILTER / 64];
            for record in all.clone().filter(|record| only.changed[*record as usize]) {
                if let Some(hash) = self.hash(key, record) {
                    let at = hash as usize % FILTER;
                    touched[at / 64] |= 1 << (at % 64);
                }
            }
            touched
        });
        let may_be = |hash: u64| {
            let at = hash as usize % FILTER;
            touched.as_ref().is_none_or(|touched| touched[at / 64] >> (at % 64) & 1 == 1)
        };
        let expected = if only.is_some() { 0 } else { among.map_or(self.features.len(), <[u32]>::len) / PARTS * 9 / 8 };
        let mut parts: Vec<Blocked> = (0..PARTS).map(|_| Vec::with_capacity(expected)).collect();
        let mut take = |record: u32| {
            if let Some(hash) = self.hash(key, record).filter(|hash| may_be(*hash)) {
                parts[(hash >> 56) as usize].push((hash, record));
            }
        };
        match among {
            Some(records) => records.iter().for_each(|record| take(*record)),
            None => all.for_each(&mut take),
        }
        parts
    }

    fn key(&self, key: usize, model: &Model, bound: &Bound, only: Only, among: Option<&[u32]>) -> Done {
        let mut parts = self.parts(key, only, among);
        let next = AtomicUsize::new(0);
        let shared: Vec<Mutex<Option<Blocked>>> = parts.drain(..).map(|part| Mutex::new(Some(part))).collect();
        let work = || {
            let mut done: Vec<(usize, Done)> = vec![];
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(slot) = shared.get(number) else { return done };
                let part = slot.lock().ok().and_then(|mut part| part.take());
                if let Some(part) = part {
                    done.push((number, self.part(key, model, bound, only, part)));
                }
            }
        };
        let mut done: Vec<(usize, Done)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..self.threads).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for thread in threads {
                match thread.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|(number, _)| *number);
        let mut whole = Done::default();
        for (_, mut part) in done {
            whole.edges.append(&mut part.edges);
            whole.left.append(&mut part.left);
            whole.refused.append(&mut part.refused);
            whole.compared += part.compared;
            whole.found += part.found;
            whole.refused_blocks += part.refused_blocks;
            whole.largest = whole.largest.max(part.largest);
        }
        whole
    }

    fn part(&self, key: usize, model: &Model, bound: &Bound, only: Only, mut part: Blocked) -> Done {
        drop_single(&mut part);
        part.sort_unstable();
        let mut done = Done::default();
        for block in part.chunk_by(|a, b| a.0 == b.0).filter(|block| block.len() > 1) {
            let too_large = match only {
                None => block.len() > model.most_in_block as usize,
                Some(part) => part.refused.contains(&block[0].0),
            };
            let now = block.len();
            done.largest = done.largest.max(now as u64);
            if too_large {
                let lowest = block.iter().map(|(_, record)| (self.features.keys[*record as usize], *record)).min();
                let example = lowest.map_or(0, |(_, record)| record);
                done.refused_blocks += 1;
                done.refused.push(Refused { records: now as u64, example });
                done.left.extend(block.iter().map(|(_, record)| *record));
                continue;
            }
            for (_, record) in block {
                self.active[*record as usize].fetch_or(1 << key, Ordering::Relaxed);
            }
            self.block(key, model, bound, only, block, &mut done);
        }
        done
    }

    fn block(&self, key: usize, model: &Model, bound: &Bound, only: Only, block: &[(u64, u32)], done: &mut Done) {
        let least = model.least_bits();
        let mut levels = [0; MOST_FIELDS];
        for (at, (_, a)) in block.iter().enumerate() {
            let row = self.row(*a);
            let earlier = self.active[*a as usize].load(Ordering::Relaxed) & ((1 << key) - 1);
            for (_, b) in &block[at + 1..] {
                if only.is_some_and(|only| !only.changed[*a as usize] && !only.changed[*b as usize]) {
                    continue;
                }
                if model.between_sources && self.features.sources[*a as usize] == self.features.sources[*b as usize] {
                    continue;
                }
                let seen = earlier & self.active[*b as usize].load(Ordering::Relaxed);
                if seen != 0 && self.held_before(row, self.row(*b), seen) {
                    continue;
                }
                done.compared += 1;
                let bits = bound.bits(*a, *b, &mut levels);
                if bits >= least {
                    done.found += 1;
                    done.edges.push(Edge { a: *a.min(b), b: *a.max(b), bits });
                }
            }
        }
    }

    /// Whether one of the keys `seen`, by which both were compared, holds both in one block.
    fn held_before(&self, a: &[u32], b: &[u32], mut seen: u64) -> bool {
        let mut equal = 0u64;
        for (at, (x, y)) in a.iter().zip(b).enumerate() {
            equal |= u64::from(x == y) << at;
        }
        while seen != 0 {
            let mask = self.masks[seen.trailing_zeros() as usize];
            if equal & mask == mask {
                return true;
            }
            seen &= seen - 1;
        }
        false
    }
}

/// Leaves out most records that are alone in their block, without sorting: those whose hash's low bits come once.
fn drop_single(part: &mut Blocked) {
    let bits = (part.len() * 8).next_power_of_two().max(64);
    let (mut once, mut twice) = (vec![0u64; bits / 64], vec![0u64; bits / 64]);
    for (hash, _) in &*part {
        let at = *hash as usize & (bits - 1);
        let bit = 1 << (at % 64);
        twice[at / 64] |= once[at / 64] & bit;
        once[at / 64] |= bit;
    }
    part.retain(|(hash, _)| {
        let at = *hash as usize & (bits - 1);
        twice[at / 64] >> (at % 64) & 1 == 1
    });
}

/// What one part of a key's blocks gave.
#[derive(Default)]
struct Done {
    edges: Vec<Edge>,
    compared: u64,
    found: u64,
    largest: u64,
    refused_blocks: u64,
    refused: Vec<Refused>,
    /// Records of refused blocks.
    left: Vec<u32>,
}
