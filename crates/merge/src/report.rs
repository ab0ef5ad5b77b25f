//! What a merge did and how sure it is of it, for a person to judge by. Writes nothing, and holds no value of a record: records are
//! named by their keys.

use std::collections::BTreeMap;

use serde::Serialize;
use tributary_engine::{Result, Session};
use tributary_lake::Lake;
use tributary_linkage::explain::{Explanation, explain};
use tributary_linkage::model::{Level, probability};

use crate::matching::{Clustered, Likely, Matching};
use crate::people;
use crate::rules::Rules;

/// The thresholds whose effect is shown, besides the one in force.
const THRESHOLDS: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999];
/// So many of the largest clusters, of the most doubtful ones and of borderline pairs are shown.
const NAMED: usize = 12;
/// So many records of a cluster are named.
const RECORDS: usize = 6;

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub parties: u64,
    pub stubs: u64,
    /// Clusters with a party.
    pub customers: u64,
    /// Certain edges by type of identifier.
    pub certain: BTreeMap<String, u64>,
    /// Values that too many share, by type and cap.
    pub refused: BTreeMap<String, u64>,
    /// Pairs kept apart in spite of a shared identifier.
    pub vetoed: u64,
    /// How many customers have so many records.
    pub sizes: BTreeMap<u64, u64>,
    pub largest: Vec<Cluster>,
    /// Those whose weakest tie is the weakest.
    pub doubtful: Vec<Cluster>,
    pub likely: Option<LikelyReport>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Cluster {
    pub size: u64,
    /// Some of its records.
    pub records: Vec<String>,
    /// Of the likely edges that hold it together, the one with the least bits: its records, its bits.
    pub weakest: Option<(String, String, f32)>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LikelyReport {
    /// The model's number in `identity.model`; none if it was made for this report.
    pub model: Option<i64>,
    pub trained_on: u64,
    /// Log2 of the odds of two records at random.
    pub prior: f64,
    /// Expected number of pairs of one person, and the share of them that the keys find.
    pub matches: f64,
    pub coverage: f64,
    /// Expected number of pairs of two persons of one household.
    pub households: f64,
    pub threshold: f64,
    pub comparisons: Vec<ComparisonReport>,
    /// Of the pairs with at least [`LikelyReport::histogram_from`] bits, how many have so many (rounded down).
    pub histogram: BTreeMap<i64, u64>,
    pub histogram_from: f64,
    pub by_threshold: Vec<At>,
    pub keys: Vec<KeyReport>,
    /// Values taken as missing: field, how many records have it, the key of one.
    pub generic: Vec<(String, u64, String)>,
    /// Pairs nearest to the threshold.
    pub borderline: Vec<Pair>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ComparisonReport {
    pub name: String,
    /// Probability that both of two records of one person have a value.
    pub known: f64,
    pub levels: Vec<Level>,
}

#[derive(Debug, Clone, Serialize)]
pub struct At {
    pub threshold: f64,
    pub edges: u64,
    /// Expected share of them that is right, by their probabilities.
    pub right: f64,
    pub customers: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct KeyReport {
    pub name: String,
    /// Pairs that it was the first to hold, and those with at least [`LikelyReport::histogram_from`] bits among them.
    pub compared: u64,
    pub found: u64,
    pub largest_block: u64,
    pub refused_blocks: u64,
    pub refused_records: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Pair {
    pub a: String,
    pub b: String,
    pub one_customer: bool,
    pub explanation: Explanation,
}

/// Merges `clean` once more, by the model that the lake has, and tells of it.
///
/// # Errors
/// If the lake cannot be read.
pub async fn run(lake: &Lake, session: &Session, rules: &Rules) -> Result<Report> {
    people::load(lake, session).await?;
    let mut matching = Matching::read(session, rules, THRESHOLDS[0], None).await?;
    let threshold = rules.likely.map_or(1.0, |likely| likely.threshold);
    let customers: Vec<(f64, u64)> = match &matching.likely {
        None => vec![],
        Some(_) => {
            let at = |threshold| {
                let clustered = matching.cluster(threshold);
                (threshold, matching.customers(&clustered))
            };
            sorted(threshold).into_iter().map(at).collect()
        }
    };
    let clustered = matching.cluster(threshold);
    let records = &matching.records;
    let stubs = records.all.iter().filter(|record| record.stub).count() as u64;
    let vetoed = matching.certain.against.iter().filter(|row| matches!(row.kind, crate::evidence::Kind::Vetoed(_)));
    let clusters = Clusters::new(&matching, &clustered, threshold);
    let mut sizes = BTreeMap::new();
    for size in clusters.parties.iter().filter(|size| **size > 0) {
        *sizes.entry(u64::from(*size)).or_default() += 1;
    }
    Ok(Report {
        parties: records.all.len() as u64 - stubs,
        stubs,
        customers: sizes.values().sum(),
        certain: matching.certain_by_type(),
        refused: matching.certain.refused.clone(),
        vetoed: vetoed.count() as u64,
        sizes,
        largest: clusters.largest(&matching, &clustered),
        doubtful: clusters.doubtful(&matching, &clustered),
        likely: matching.likely.as_ref().map(|likely| of_likely(&matching, likely, &clustered, threshold, &customers)),
    })
}

fn sorted(threshold: f64) -> Vec<f64> {
    let mut thresholds: Vec<f64> = THRESHOLDS.into_iter().chain([threshold]).collect();
    thresholds.sort_unstable_by(f64::total_cmp);
    thresholds.dedup();
    thresholds
}

fn key(matching: &Matching, record: u32) -> String {
    matching.records.get(record).map(|record| record.key.text().as_ref().to_owned()).unwrap_or_default()
}

fn of_likely(
    matching: &Matching,
    likely: &Likely,
    clustered: &Clustered,
    threshold: f64,
    customers: &[(f64, u64)],
) -> LikelyReport {
    let model = &likely.model;
    let edges = &likely.scored.edges;
    let mut histogram = BTreeMap::new();
    for edge in edges {
        *histogram.entry(edge.bits.floor() as i64).or_default() += 1;
    }
    let by_threshold = customers.iter().map(|(threshold, customers)| {
        let least = (threshold / (1.0 - threshold)).log2() as f32;
        let (mut found, mut right) = (0u64, 0.0);
        for edge in edges.iter().filter(|edge| edge.bits >= least) {
            found += 1;
            right += probability(f64::from(edge.bits));
        }
        let right = if found > 0 { right / found as f64 } else { 1.0 };
        At { threshold: *threshold, edges: found, right, customers: *customers }
    });
    let party = |party: u32| likely.parties.numbers.get(party as usize).copied().unwrap_or(u32::MAX);
    let middle = (threshold / (1.0 - threshold)).log2() as f32;
    let mut near: Vec<(u32, u32, u32)> =
        edges.iter().map(|edge| ((edge.bits - middle).abs().to_bits(), edge.a, edge.b)).collect();
    if near.len() > NAMED {
        near.select_nth_unstable(NAMED);
        near.truncate(NAMED);
    }
    near.sort_unstable();
    let label = |record: u32| clustered.clusters.label.get(record as usize);
    let borderline = near.into_iter().map(|(_, a, b)| Pair {
        a: key(matching, party(a)),
        b: key(matching, party(b)),
        one_customer: label(party(a)) == label(party(b)),
        explanation: explain(model, &likely.parties.features, a, b),
    });
    let generic = model.generic(&likely.parties.features).into_iter().take(NAMED);
    LikelyReport {
        model: likely.number,
        trained_on: model.records,
        prior: model.prior,
        matches: model.matches,
        coverage: model.coverage,
        households: model.households,
        threshold,
        comparisons: model
            .comparisons
            .iter()
            .filter(|of| of.records > 0)
            .map(|of| ComparisonReport { name: of.name.clone(), known: of.known, levels: of.levels() })
            .collect(),
        histogram,
        histogram_from: (THRESHOLDS[0] / (1.0 - THRESHOLDS[0])).log2(),
        by_threshold: by_threshold.collect(),
        keys: likely
            .scored
            .keys
            .iter()
            .map(|key| KeyReport {
                name: model.words(&key.key),
                compared: key.compared,
                found: key.edges,
                largest_block: key.largest,
                refused_blocks: key.refused_blocks,
                refused_records: key.refused_records,
            })
            .collect(),
        generic: generic.map(|of| (of.name, of.records.into(), key(matching, party(of.example)))).collect(),
        borderline: borderline.collect(),
    }
}

/// Clusters by label.
struct Clusters {
    /// How many parties each has.
    parties: Vec<u32>,
    /// The weakest likely edge of a strongest spanning tree of it, by its place; `u32::MAX`: none.
    weakest: Vec<u32>,
}

impl Clusters {
    fn new(matching: &Matching, clustered: &Clustered, threshold: f64) -> Self {
        let label = &clustered.clusters.label;
        let mut parties = vec![0; label.len()];
        for (record, label) in matching.records.all.iter().zip(label) {
            parties[*label as usize] += u32::from(!record.stub);
        }
        let mut weakest = vec![u32::MAX; label.len()];
        if let Some(likely) = &matching.likely {
            let least = (threshold / (1.0 - threshold)).log2() as f32;
            let mut forest = matching.certain_forest();
            let mut order: Vec<u32> =
                (0u32..).zip(&likely.scored.edges).filter(|(_, e)| e.bits >= least).map(|(at, _)| at).collect();
            order.sort_unstable_by(|a, b| {
                let bits = |at: &u32| likely.scored.edges[*at as usize].bits;
                bits(b).total_cmp(&bits(a)).then(a.cmp(b))
            });
            for at in order {
                let edge = &likely.scored.edges[at as usize];
                let ends =
                    [edge.a, edge.b].map(|party| likely.parties.numbers.get(party as usize).copied().unwrap_or(0));
                let [a, b] = ends.map(|record| forest.find(record));
                if a != b && label[ends[0] as usize] == label[ends[1] as usize] {
                    forest.union(a, b);
                    // The last one is the weakest.
                    weakest[label[ends[0] as usize] as usize] = at;
                }
            }
        }
        Self { parties, weakest }
    }

    fn told(&self, label: u32, matching: &Matching, clustered: &Clustered) -> Cluster {
        let of_cluster =
            (0u32..).zip(&clustered.clusters.label).filter(|(_, of)| **of == label).map(|(record, _)| record);
        let weakest = self.weakest.get(label as usize).zip(matching.likely.as_ref()).and_then(|(at, likely)| {
            let edge = likely.scored.edges.get(*at as usize)?;
            let end = |party: u32| likely.parties.numbers.get(party as usize).map(|record| key(matching, *record));
            Some((end(edge.a)?, end(edge.b)?, edge.bits))
        });
        Cluster {
            size: of_cluster.clone().count() as u64,
            records: of_cluster.take(RECORDS).map(|record| key(matching, record)).collect(),
            weakest,
        }
    }

    fn largest(&self, matching: &Matching, clustered: &Clustered) -> Vec<Cluster> {
        let mut labels: Vec<(std::cmp::Reverse<u32>, u32)> = self
            .parties
            .iter()
            .zip(0u32..)
            .filter(|(size, _)| **size > 1)
            .map(|(size, label)| (std::cmp::Reverse(*size), label))
            .collect();
        labels.sort_unstable();
        labels.into_iter().take(NAMED).map(|(_, label)| self.told(label, matching, clustered)).collect()
    }

    fn doubtful(&self, matching: &Matching, clustered: &Clustered) -> Vec<Cluster> {
        let Some(likely) = &matching.likely else { return vec![] };
        let bits = |at: u32| likely.scored.edges.get(at as usize).map(|edge| edge.bits);
        let mut labels: Vec<(f32, u32)> =
            self.weakest.iter().zip(0u32..).filter_map(|(at, label)| Some((bits(*at)?, label))).collect();
        labels.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        labels.into_iter().take(NAMED).map(|(_, label)| self.told(label, matching, clustered)).collect()
    }
}
