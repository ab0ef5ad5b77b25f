//! Clusters from edges, strongest first, without joining what contradicts itself.
//!
//! An edge joins two clusters if they would be an edge as wholes, to which the edge itself adds a quarter, since the noise
//! of records makes the mean of a true cluster less than its edges. Of wholes each comparison weighs what it weighs on average
//! over the pairs with one record in each, where both values are known. So a record with a phone alone and one with an e-mail
//! alone are joined by one that has both, while two families that share one mistaken number are not. Of large clusters some
//! pairs are looked at, so that the cost of an edge has a bound, and a chain of near matches falls apart where its ends have
//! become strangers.

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

/// Clusters the records by the edges among them.
pub fn refine(model: &Model, features: &Features, edges: &[Edge]) -> Clusters {
    let bound = Bound::new(model, features);
    let mut order: Vec<(u32, u64, u32)> = edges.iter().zip(0..).map(|(edge, at)| order(edge, at, features)).collect();
    order.sort_unstable();
    let mut forest = Forest::new(features.len() as u32);
    let mut rings = Rings((0..features.len() as u32).collect());
    let mut cut = vec![];
    for (.., at) in order {
        let edge = &edges[at as usize];
        let (a, b) = (forest.find(edge.a), forest.find(edge.b));
        if a == b {
            continue;
        }
        if forest.size(a) + forest.size(b) > 2 {
            let (of_a, of_b) = (rings.some(edge.a, features), rings.some(edge.b, features));
            if (WHOLES * bound.between(&of_a, &of_b) + edge.bits) / (WHOLES + 1.0) < model.least_bits() {
                cut.push(at);
                continue;
            }
        }
        forest.union(a, b);
        // Rings of two clusters become one where their links are crossed.
        rings.0.swap(edge.a as usize, edge.b as usize);
    }
    cut.sort_unstable();
    Clusters { label: forest.labels(), cut }
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
