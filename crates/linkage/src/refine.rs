//! Clusters from edges, strongest first, without joining what contradicts itself.
//!
//! An edge joins two clusters if they would be an edge as wholes, to which the edge itself adds a quarter, since the noise
//! of records makes the mean of a true cluster less than its edges. Of wholes each comparison weighs what it weighs on average
//! over the pairs with one record in each, where both values are known. So a record with a phone alone and one with an e-mail
//! alone are joined by one that has both, while two families that share one mistaken number are not. Of large clusters some
//! pairs are looked at, so that the cost of an edge has a bound, and a chain of near matches falls apart where its ends have
//! become strangers.

use hashbrown::HashMap;

use crate::features::Features;
use crate::forest::Forest;
use crate::model::{Bound, Model};
use crate::score::Edge;
use crate::text::mix;

/// So many records of either cluster are compared before two are joined.
const LOOKED_AT: usize = 6;
/// The wholes count so many times what the edge counts.
const WHOLES: f32 = 3.0;
/// They are the lowest by hash of so many.
const WALKED: usize = 64;

/// Clusters, and the edges that were cut.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clusters {
    /// For each record the lowest record of its cluster.
    pub label: Vec<u32>,
    /// Weak bridges: edges between clusters that contradict each other, by their place in the edges.
    pub cut: Vec<u32>,
}

/// Clusters that edges may join, some of which may be there already: of more than evidence, and of more than these records.
pub trait Join {
    /// What names the cluster that a record is in now.
    fn cluster(&mut self, record: u32) -> u32;

    /// Makes the clusters of two records one, unless something forbids it, whatever the evidence: then nothing changes and
    /// the answer is `false`.
    fn join(&mut self, a: u32, b: u32) -> bool;
}

impl Join for Forest {
    fn cluster(&mut self, record: u32) -> u32 {
        self.find(record)
    }

    fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            self.union(a, b);
        }
        true
    }
}

/// Clusters the records by the edges among them.
pub fn refine(model: &Model, features: &Features, edges: &[Edge]) -> Clusters {
    let mut forest = Forest::new(features.len() as u32);
    let cut = refine_into(model, features, edges, &mut forest);
    Clusters { label: forest.labels(), cut }
}

/// Joins clusters by the edges among their records that reach the model's threshold, and gives the places of those that were cut,
/// in order.
pub fn refine_into(model: &Model, features: &Features, edges: &[Edge], clusters: &mut impl Join) -> Vec<u32> {
    let bound = Bound::new(model, features);
    let strong = edges.iter().zip(0..).filter(|(edge, _)| edge.bits >= model.least_bits());
    let mut order: Vec<(u32, u64, u32)> = strong.map(|(edge, at)| order(edge, at, features)).collect();
    order.sort_unstable();
    let mut rings = Rings::of(features.len() as u32, clusters);
    let mut cut = vec![];
    for (.., at) in order {
        let edge = &edges[at as usize];
        if clusters.cluster(edge.a) == clusters.cluster(edge.b) {
            continue;
        }
        if !(rings.alone(edge.a) && rings.alone(edge.b)) {
            let (of_a, of_b) = (rings.some(edge.a, features), rings.some(edge.b, features));
            if (WHOLES * bound.between(&of_a, &of_b) + edge.bits) / (WHOLES + 1.0) < model.least_bits() {
                cut.push(at);
                continue;
            }
        }
        if clusters.join(edge.a, edge.b) {
            rings.join(edge.a, edge.b);
        }
    }
    cut.sort_unstable();
    cut
}

/// Strongest first; of equal edges those of the lower key hashes, whatever the records' numbers.
fn order(edge: &Edge, at: u32, features: &Features) -> (u32, u64, u32) {
    let (a, b) = (features.keys[edge.a as usize], features.keys[edge.b as usize]);
    // The bits of a float above zero are in its order; below zero they are turned.
    let bits = edge.bits.to_bits();
    let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    (!ascending, mix(mix(a.min(b)) ^ a.max(b)), at)
}

/// The records of a cluster, each with the next, so that they make a ring.
struct Rings(Vec<u32>);

impl Rings {
    /// The rings of the clusters that are there.
    fn of(records: u32, clusters: &mut impl Join) -> Rings {
        let mut rings = Rings((0..records).collect());
        let mut first: HashMap<u32, u32> = HashMap::with_capacity(records as usize);
        for record in 0..records {
            let first = *first.entry(clusters.cluster(record)).or_insert(record);
            rings.join(first, record);
        }
        rings
    }

    fn alone(&self, record: u32) -> bool {
        self.0[record as usize] == record
    }

    /// Rings of two clusters become one where their links are crossed; within one ring this would part it.
    fn join(&mut self, a: u32, b: u32) {
        self.0.swap(a as usize, b as usize);
    }

    /// The record that an edge ends at and some others of its cluster: of the next in its ring those with the lowest hashes.
    fn some(&self, end: u32, features: &Features) -> Vec<u32> {
        let mut found: Vec<(u64, u32)> = vec![];
        let mut record = self.0[end as usize];
        while record != end && found.len() < WALKED {
            found.push((mix(features.keys[record as usize]), record));
            record = self.0[record as usize];
        }
        if found.len() >= LOOKED_AT {
            found.select_nth_unstable(LOOKED_AT - 1);
            found.truncate(LOOKED_AT - 1);
        }
        found.sort_unstable();
        std::iter::once(end).chain(found.into_iter().map(|(_, record)| record)).collect()
    }
}
