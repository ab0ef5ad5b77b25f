//! Which records of a lake are one person: edges of both kinds, and the clusters they make.

use std::collections::BTreeMap;

use tributary_engine::{Error, Result, Session};
use tributary_linkage::forest::Forest;
use tributary_linkage::refine::{Join, refine_into};
use tributary_linkage::{Model, Scored, score};

use crate::cluster::{Clusters, Joiner, Unique};
use crate::decision::Decisions;
use crate::identifiers::{Certain, Holders, Kinds};
use crate::index;
use crate::likely::{self, Comparing, Parties};
use crate::records::{Record, Records, Sources};
use crate::rules::Rules;

/// Records, their edges, and what keeps them apart.
pub(crate) struct Matching {
    pub records: Records,
    /// Types and scopes of identifiers, by number.
    pub kinds: Kinds,
    pub certain: Certain,
    pub decisions: Decisions,
    /// `None` where only certain edges are wanted, or there are too few parties for a model.
    pub likely: Option<Likely>,
}

pub(crate) struct Likely {
    pub model: Model,
    /// The number under which the model is kept; `None`: it is new.
    pub number: Option<i64>,
    pub parties: Parties,
    pub scored: Scored,
}

/// Clusters, and the places of the likely edges that were cut.
pub(crate) struct Clustered {
    pub clusters: Clusters,
    pub cut: Vec<u32>,
}

impl Matching {
    /// Reads `clean` and finds the edges, the likely ones from the rules' threshold on, or from `least` if it is lower. Tables
    /// must be registered.
    pub async fn read(session: &Session, rules: &Rules, least: f64, index: Option<&mut index::Writer>) -> Result<Self> {
        let wanted = rules.likely;
        let kept = match wanted {
            Some(likely) if !likely.retrain => likely::newest(session).await?,
            _ => None,
        };
        let mut comparing = match (&wanted, &kept) {
            (None, _) => None,
            (Some(_), Some(kept)) => Some(Comparing::new(session.lake(), likely::codes_of(&kept.model))),
            (Some(_), None) => Some(Comparing::new(session.lake(), likely::codes(session, rules).await?)),
        };
        let (records, holders) = Records::read(session, rules, comparing.as_mut(), index).await?;
        let Holders { kinds, all, .. } = holders;
        let mut certain = Certain::of(rules, &kinds, all, |number| records.get(number));
        certain.unique.extend(deduplicated(rules, &records.sources, records.all.iter().zip(0..)));
        let decisions = Decisions::read(session, |key| records.number(key)).await?;
        let mut likely = None;
        if let (Some(wanted), Some(comparing)) = (wanted, comparing) {
            let mut sources = records.all.iter().filter(|record| !record.stub).map(|record| record.source);
            let deduplicated = |source: u32| rules.deduplicated.iter().any(|name| name == records.sources.name(source));
            let between = !rules.deduplicated.is_empty() && sources.all(deduplicated);
            likely = scored(comparing.finish(), kept, between, wanted.threshold.min(least)).await?;
        }
        Ok(Self { records, kinds, certain, decisions, likely })
    }

    /// The clusters that the certain edges, and the likely ones from a probability on, make; of a probability of 1, certain edges
    /// only.
    pub fn cluster(&mut self, threshold: f64) -> Clustered {
        let mut joiner = Joiner::new(self.records.len(), &self.certain.unique, &self.decisions.apart);
        for (a, b) in &self.decisions.same {
            joiner.force(*a, *b);
        }
        joiner.join_all(&self.certain.edges);
        let mut cut = vec![];
        if let Some(likely) = self.likely.as_mut().filter(|_| threshold < 1.0) {
            likely.model.threshold = threshold;
            let mut parties = OfParties { joiner: &mut joiner, numbers: &likely.parties.numbers };
            cut = refine_into(&likely.model, &likely.parties.features, &likely.scored.edges, &mut parties);
        }
        Clustered { clusters: joiner.finish(), cut }
    }

    /// How many clusters have a party.
    pub fn customers(&self, clustered: &Clustered) -> u64 {
        let mut has_party = vec![false; self.records.all.len()];
        for (record, label) in self.records.all.iter().zip(&clustered.clusters.label) {
            if let Some(has_party) = has_party.get_mut(*label as usize) {
                *has_party |= !record.stub;
            }
        }
        has_party.into_iter().filter(|has_party| *has_party).count() as u64
    }

    /// Records that certain edges and stewards tie.
    pub fn certain_forest(&self) -> Forest {
        let mut forest = Forest::new(self.records.len());
        let ties = self.certain.edges.iter().map(|edge| (edge.a, edge.b)).chain(self.decisions.same.iter().copied());
        for (a, b) in ties {
            let (a, b) = (forest.find(a), forest.find(b));
            if a != b {
                forest.union(a, b);
            }
        }
        forest
    }

    /// Certain edges by type of identifier.
    pub fn certain_by_type(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for identifier in &self.certain.by {
            if let Some((kind, _)) = self.kinds.names.get(*identifier as usize) {
                *found.entry(kind.clone()).or_default() += 1;
            }
        }
        found
    }
}

/// What keeps records of one source apart that has each person once: as if each had a number of its own in a type that a person
/// has one of.
pub(crate) fn deduplicated<'a>(
    rules: &Rules,
    sources: &Sources,
    records: impl Iterator<Item = (&'a Record, u32)>,
) -> Vec<Unique> {
    let identifier_of = |source: u32| {
        let name = sources.name(source);
        let at = rules.deduplicated.iter().position(|deduplicated| deduplicated == name)?;
        Some(u32::MAX - u32::try_from(at).unwrap_or_default())
    };
    let of: Vec<Option<u32>> = (0..).take(sources.names.len()).map(identifier_of).collect();
    let unique = records.filter(|(record, _)| !record.stub).filter_map(|(record, number)| {
        let identifier = of.get(record.source as usize).copied().flatten()?;
        Some((number, identifier, u64::from(number)))
    });
    unique.collect()
}

/// Trains a model if there is none, and scores the pairs: some seconds of work for a million records, so that it is done where it keeps
/// nobody waiting.
async fn scored(
    parties: Parties,
    kept: Option<likely::Kept>,
    between_sources: bool,
    threshold: f64,
) -> Result<Option<Likely>> {
    let work = move || {
        let (number, mut model) = match kept {
            Some(kept) => (Some(kept.number), kept.model),
            None => (None, likely::trained(&parties.features, between_sources)?),
        };
        model.threshold = threshold;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let scored = score(&model, &parties.features, threads);
        Some(Likely { model, number, parties, scored })
    };
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        let why = format!("the comparison of records ended early: {e}");
        Error::Ledger { stage: crate::people::STAGE.into(), why }
    })
}

/// The clusters of records as those of parties.
pub(crate) struct OfParties<'a> {
    pub joiner: &'a mut Joiner,
    /// Of each party its number among the records.
    pub numbers: &'a [u32],
}

impl OfParties<'_> {
    fn number(&self, party: u32) -> u32 {
        self.numbers.get(party as usize).copied().unwrap_or(u32::MAX)
    }
}

impl Join for OfParties<'_> {
    fn cluster(&mut self, party: u32) -> u32 {
        let number = self.number(party);
        self.joiner.cluster(number)
    }

    fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.number(a), self.number(b));
        self.joiner.join(a, b)
    }
}
