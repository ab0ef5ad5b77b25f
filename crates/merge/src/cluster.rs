//! Clusters: records joined by edges, except where a constraint forbids it.
//!
//! Union-find over record numbers. What a steward has joined comes first ([`Joiner::force`]). Edges are taken strongest first, so that where two
//! edges together would break a constraint the weaker one yields; equally strong ones are taken by record numbers, so that
//! the order of the input does not matter. A union is refused if the two clusters
//! - hold different values of an identifier that a person has only one of (see [`Unique`]), or
//! - contain a pair that a steward has said are two people.
//!
//! A refused edge is reported, not repaired: which side is wrong is for a person to say.
//!
//! Not done: making edges, weighing likely ones against the clusters they would join ([`tributary_linkage::refine`]), splitting a
//! cluster that is merely large, and deciding which of two stewards is right.

#[cfg(test)]
mod tests;

use tributary_linkage::forest::Forest;
use tributary_linkage::refine::Join;

/// Two records are one person, by evidence of some strength (higher is stronger; what each means is the caller's).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    pub a: u32,
    pub b: u32,
    pub strength: u8,
}

/// Of a unique identifier: record, identifier type, hash of the value. A record that itself holds two values of one type says
/// that its person has both; clusters conflict if both hold the type and have no value in common.
pub type Unique = (u32, u32, u64);

/// Why an edge was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// The clusters hold different values of this identifier type (the lowest, if several).
    Unique { identifier: u32 },
    /// These two records must not be one customer (the lowest pair, if several).
    CannotLink { a: u32, b: u32 },
    /// There is no record of that number.
    NoSuchRecord,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clusters {
    /// For each record the smallest record number in its cluster.
    pub label: Vec<u32>,
    /// Edges that would have broken a constraint, lower record first, sorted, each pair once with its strongest edge's
    /// conflict. An edge whose ends came together in another way is not among them.
    pub refused: Vec<(u32, u32, Conflict)>,
}

/// Clusters the records `0..records`. Constraints that name no such record are left out.
pub fn cluster(records: u32, edges: &[Edge], unique: &[Unique], cannot: &[(u32, u32)]) -> Clusters {
    let mut joiner = Joiner::new(records, unique, cannot);
    joiner.join_all(edges);
    joiner.finish()
}

/// Clusters in the making.
pub struct Joiner {
    forest: Forest,
    records: u32,
    /// Of roots: values of unique identifiers.
    values: Lists<(u32, u64)>,
    /// Of roots: (own record, record that must not join it).
    enemies: Lists<(u32, u32)>,
    refused: Vec<(u32, u32, Conflict)>,
}

impl Joiner {
    /// The records `0..records`, each by itself.
    pub fn new(records: u32, unique: &[Unique], cannot: &[(u32, u32)]) -> Joiner {
        let unique = unique.iter().map(|(record, identifier, value)| (*record, (*identifier, *value)));
        let both_ways = cannot.iter().filter(|(a, b)| a != b && *a < records && *b < records);
        Joiner {
            forest: Forest::new(records),
            records,
            values: Lists::new(records, unique),
            enemies: Lists::new(records, both_ways.flat_map(|(a, b)| [(*a, (*a, *b)), (*b, (*b, *a))])),
            refused: vec![],
        }
    }

    /// Joins by edges, the strongest first.
    pub fn join_all(&mut self, edges: &[Edge]) {
        let mut sorted: Vec<(u8, u32, u32)> =
            edges.iter().filter(|e| e.a != e.b).map(|e| (u8::MAX - e.strength, e.a.min(e.b), e.a.max(e.b))).collect();
        sorted.sort_unstable();
        sorted.dedup();
        for (_, a, b) in sorted {
            self.join(a, b);
        }
    }

    /// Joins the clusters of two records because a steward has said so: unique identifiers that differ do not keep them apart, and
    /// only what a steward has said of another pair does.
    pub fn force(&mut self, a: u32, b: u32) -> bool {
        self.unite(a, b, false)
    }

    fn unite(&mut self, a: u32, b: u32, by_evidence: bool) -> bool {
        let (a, b) = (a.min(b), a.max(b));
        if b >= self.records {
            self.refused.push((a, b, Conflict::NoSuchRecord));
            return false;
        }
        let (root_a, root_b) = (self.forest.find(a), self.forest.find(b));
        if root_a == root_b {
            return true;
        }
        let values = (self.values.of(root_a), self.values.of(root_b));
        let conflict = if by_evidence { unlike_values(values.0, values.1) } else { None };
        let conflict = conflict.or_else(|| {
            let (of_a, of_b) = (self.enemies.of(root_a), self.enemies.of(root_b));
            enemy_pair(&mut self.forest, of_a, of_b, (root_a, root_b))
        });
        if let Some(conflict) = conflict {
            self.refused.push((a, b, conflict));
            return false;
        }
        let (kept, gone) = self.forest.union(root_a, root_b);
        self.values.join(kept, gone);
        self.enemies.join(kept, gone);
        true
    }

    /// The clusters as they are, and what was refused.
    pub fn finish(self) -> Clusters {
        let label = self.forest.labels();
        let mut refused = self.refused;
        // Stable, so that of a pair's edges the strongest, which came first, is kept.
        refused.sort_by_key(|(a, b, _)| (*a, *b));
        refused.dedup_by_key(|(a, b, _)| (*a, *b));
        refused.retain(|(a, b, why)| *why == Conflict::NoSuchRecord || label[*a as usize] != label[*b as usize]);
        Clusters { label, refused }
    }
}

impl Join for Joiner {
    fn cluster(&mut self, record: u32) -> u32 {
        self.forest.find(record)
    }

    fn join(&mut self, a: u32, b: u32) -> bool {
        self.unite(a, b, true)
    }
}

/// Both lists are sorted by identifier type, then value.
fn unlike_values(mut a: &[(u32, u64)], mut b: &[(u32, u64)]) -> Option<Conflict> {
    while let (Some((of_a, _)), Some((of_b, _))) = (a.first(), b.first()) {
        let identifier = *of_a.min(of_b);
        let (values_a, values_b);
        (values_a, a) = a.split_at(a.partition_point(|(of, _)| *of == identifier));
        (values_b, b) = b.split_at(b.partition_point(|(of, _)| *of == identifier));
        let both = !values_a.is_empty() && !values_b.is_empty();
        if both && !values_a.iter().any(|value| values_b.binary_search(value).is_ok()) {
            return Some(Conflict::Unique { identifier });
        }
    }
    None
}

/// A pair that must not meet and would. Each cluster lists (its own record, the other record), so that one list is enough.
fn enemy_pair(forest: &mut Forest, of_a: &[(u32, u32)], of_b: &[(u32, u32)], roots: (u32, u32)) -> Option<Conflict> {
    let (shorter, other) = if of_a.len() <= of_b.len() { (of_a, roots.1) } else { (of_b, roots.0) };
    let met = shorter.iter().filter(|(_, enemy)| forest.find(*enemy) == other);
    met.map(|(own, enemy)| (*own.min(enemy), *own.max(enemy))).min().map(|(a, b)| Conflict::CannotLink { a, b })
}

/// Short sorted lists, one for each root that has something to list; most have nothing, and cost four bytes.
struct Lists<T> {
    slot: Vec<u32>,
    lists: Vec<Vec<T>>,
}

const NOTHING: u32 = u32::MAX;

impl<T: Ord + Copy> Lists<T> {
    fn new(records: u32, items: impl Iterator<Item = (u32, T)>) -> Lists<T> {
        let mut items: Vec<(u32, T)> = items.filter(|(record, _)| *record < records).collect();
        items.sort_unstable();
        items.dedup();
        let mut slot = if items.is_empty() { Vec::new() } else { vec![NOTHING; records as usize] };
        let mut lists = Vec::new();
        for of_record in items.chunk_by(|a, b| a.0 == b.0) {
            slot[of_record[0].0 as usize] = lists.len() as u32;
            lists.push(of_record.iter().map(|(_, item)| *item).collect());
        }
        Lists { slot, lists }
    }

    fn slot(&self, root: u32) -> Option<usize> {
        self.slot.get(root as usize).filter(|slot| **slot != NOTHING).map(|slot| *slot as usize)
    }

    fn of(&self, root: u32) -> &[T] {
        self.slot(root).map_or(&[], |slot| &self.lists[slot])
    }

    /// Gives the root that is kept what both had, moving the shorter list into the longer.
    fn join(&mut self, kept: u32, gone: u32) {
        let Some(from) = self.slot(gone) else { return };
        let Some(to) = self.slot(kept) else {
            self.slot[kept as usize] = from as u32;
            return;
        };
        let (mut a, mut b) = (std::mem::take(&mut self.lists[to]), std::mem::take(&mut self.lists[from]));
        if a.len() < b.len() {
            std::mem::swap(&mut a, &mut b);
        }
        for item in b {
            if let Err(place) = a.binary_search(&item) {
                a.insert(place, item);
            }
        }
        self.lists[to] = a;
    }
}
