//! How good the merge of a lake is, given the truth about some records, by threshold. Writes nothing.

use std::collections::HashMap;

use serde::Serialize;
use tributary_engine::{Result, Session};
use tributary_lake::Lake;
use tributary_linkage::evaluate::{Evaluation, evaluate};

use crate::id::RecordKey;
use crate::matching::{Clustered, Matching};
use crate::people;
use crate::rules::Rules;

/// The thresholds that are tried, besides the one in force.
const THRESHOLDS: [f64; 13] = [0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999];

/// The quality at one threshold.
#[derive(Debug, Clone, Serialize)]
pub struct At {
    /// The least probability of a likely edge; 1: certain edges only.
    pub threshold: f64,
    /// Whether it is the one in force.
    pub in_force: bool,
    /// Clusters, those of stubs alone among them.
    pub clusters: u64,
    #[serde(flatten)]
    pub quality: Evaluation,
}

/// What the truth says of a merge.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluated {
    /// Records of which the truth is known.
    pub known: u64,
    /// Records of which it is not.
    pub unknown: u64,
    /// Records that the truth names and the lake has not.
    pub absent: u64,
    pub by_threshold: Vec<At>,
}

/// Merges `clean` at several thresholds, by the model that the lake has, or by a new one, which is not kept. `truth` says of records, by
/// key, which person they are, in whatever words.
///
/// # Errors
/// If the lake cannot be read.
pub async fn run(lake: &Lake, session: &Session, rules: &Rules, truth: &[(String, String)]) -> Result<Evaluated> {
    people::load(lake, session).await?;
    let in_force = rules.likely.map_or(1.0, |likely| likely.threshold);
    let mut matching = Matching::read(session, rules, THRESHOLDS[0], None).await?;
    let mut persons: HashMap<&str, u32> = HashMap::new();
    let mut of: Vec<Option<u32>> = vec![None; matching.records.all.len()];
    let mut absent = 0;
    for (record, person) in truth {
        let next = u32::try_from(persons.len()).unwrap_or(u32::MAX);
        let person = *persons.entry(person).or_insert(next);
        let number = RecordKey::new(record).ok().and_then(|key| matching.records.number(key));
        match number.and_then(|number| of.get_mut(number as usize)) {
            Some(place) => *place = Some(person),
            None => absent += 1,
        }
    }
    let known = of.iter().flatten().count() as u64;
    let mut thresholds = vec![in_force, 1.0];
    if matching.likely.is_some() {
        thresholds.extend(THRESHOLDS);
    }
    thresholds.sort_unstable_by(f64::total_cmp);
    thresholds.dedup();
    let mut by_threshold = vec![];
    for threshold in thresholds {
        let Clustered { clusters, .. } = matching.cluster(threshold);
        by_threshold.push(At {
            threshold,
            in_force: threshold == in_force,
            clusters: clusters.label.iter().zip(0u32..).filter(|(label, record)| *label == record).count() as u64,
            quality: evaluate(&clusters.label, &of),
        });
    }
    Ok(Evaluated { known, unknown: of.len() as u64 - known, absent, by_threshold })
}
