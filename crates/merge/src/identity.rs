//! Customer ids over time: which id each cluster bears, and what happened since the last run.
//!
//! Clusters come and go with the data; ids must not, for other systems hold them. An old id goes to the cluster that has
//! most of its members, so that after a merge or a split the larger part of the people a system knows by that id are still
//! meant by it. Old id and cluster are paired by members shared (a record that comes back after it was gone counts for the
//! id it had), then by the oldest record they share, then by the smallest key of those; each id and each cluster once, best
//! pair first. The rest of the clusters get new ids, each founded by the cluster's oldest record (by key, if several are
//! equally old). A record may found again; the generation keeps its ids apart.
//!
//! [`assign`] wants a closed set: every cluster that has a record of an id given, and every member, live and retired, of an
//! id that a given record has or had. A whole lake is one; so is what a change touches.
//!
//! Nothing depends on the order of the input. The same clusters again give no event, and [`replay`] of the events on the
//! members before gives the members after.
//!
//! Not done: making the text of an id (the caller hashes founding record and generation), when things happened (the
//! caller's run), and bringing back the old id of a cluster that was merged and is split again: it gets a new one.

mod history;
mod pairs;
#[cfg(test)]
mod tests;

pub use history::replay;
use std::collections::{BTreeMap, BTreeSet};

/// A record that belongs to a customer, or did until it was gone (`retired`), which is remembered in case it comes back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member<K, I> {
    pub record: K,
    pub customer_id: I,
    pub retired: bool,
}

/// Which record an id was made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Founding<K, I> {
    pub customer_id: I,
    pub record: K,
    /// 0 for the first id that the record founded.
    pub generation: u32,
}

/// What is known from before.
#[derive(Debug, Clone)]
pub struct Previous<'a, K, I> {
    pub members: &'a [Member<K, I>],
    /// At least those by records of the clusters given.
    pub foundings: &'a [Founding<K, I>],
    /// All of them: merged id, id it is part of now.
    pub redirects: &'a BTreeMap<I, I>,
}

/// A record of a cluster; `first_seen` orders records by age, in whatever unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record<K> {
    pub key: K,
    pub first_seen: i64,
}

/// What happened to ids and members, in this order; within a kind by id, then record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event<K, I> {
    /// A new id.
    Created { id: I },
    /// An id without live members has some again.
    Revived { id: I },
    /// No cluster bears `from` any more; most of its members that are there are with `into`.
    Merged { from: I, into: I },
    /// Members of `from` are with the new id `to`.
    Split { from: I, to: I },
    /// None of the id's members is there any more.
    Retired { id: I },
    /// A new record, or one that is back, is a member.
    MemberJoined { record: K, to: I },
    /// A record, there before or back, is a member of another id than it was.
    MemberMoved { record: K, from: I, to: I },
    /// The record is gone; it is remembered as a retired member.
    MemberLeft { record: K, from: I },
}

/// The new state, and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment<K, I> {
    /// For each cluster, in the order given, its id.
    pub ids: Vec<I>,
    /// Live and retired, sorted by record.
    pub members: Vec<Member<K, I>>,
    /// Of the new ids, sorted by id.
    pub founded: Vec<Founding<K, I>>,
    /// All redirects; none leads to an id that is itself redirected.
    pub redirects: BTreeMap<I, I>,
    /// Sorted.
    pub events: Vec<Event<K, I>>,
}

/// Why ids could not be assigned. Clusters are named by their place; records and ids are not named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("cluster {cluster} has no record")]
    EmptyCluster { cluster: usize },
    #[error("a record is in cluster {first} and in cluster {second}")]
    InTwoClusters { first: usize, second: usize },
    #[error("a record is a member of two ids")]
    MemberTwice,
    #[error("the new id of cluster {cluster} (generation {generation}) is taken: are all foundings given?")]
    IdTaken { cluster: usize, generation: u32 },
}

/// Gives each cluster its id. `make_id` makes the id of a founding record and generation.
pub fn assign<K: Ord + Clone, I: Ord + Clone>(
    previous: &Previous<K, I>,
    clusters: &[Vec<Record<K>>],
    make_id: impl Fn(&K, u32) -> I,
) -> Result<Assignment<K, I>, Invalid> {
    let sides = pairs::sides(previous.members, clusters)?;
    let pairs = pairs::rank(&sides);

    let mut id_of: Vec<Option<usize>> = vec![None; clusters.len()];
    let mut cluster_of: Vec<Option<usize>> = vec![None; sides.ids.len()];
    for pair in &pairs {
        if id_of[pair.cluster].is_none() && cluster_of[pair.id].is_none() {
            id_of[pair.cluster] = Some(pair.id);
            cluster_of[pair.id] = Some(pair.cluster);
        }
    }

    let mut taken: BTreeSet<I> = previous.foundings.iter().map(|founding| founding.customer_id.clone()).collect();
    taken.extend(previous.redirects.iter().flat_map(|(from, into)| [from.clone(), into.clone()]));
    taken.extend(sides.ids.iter().map(|id| (*id).clone()));
    let mut generations: BTreeMap<&K, u32> = BTreeMap::new();
    for founding in previous.foundings {
        let next = generations.entry(&founding.record).or_default();
        *next = (*next).max(founding.generation.saturating_add(1));
    }
    let mut ids = Vec::with_capacity(clusters.len());
    let mut founded = Vec::new();
    for (cluster, records) in clusters.iter().enumerate() {
        if let Some(id) = id_of[cluster] {
            ids.push(sides.ids[id].clone());
            continue;
        }
        let Some(founder) = records.iter().min_by_key(|record| (record.first_seen, &record.key)) else {
            return Err(Invalid::EmptyCluster { cluster });
        };
        let generation = generations.get(&founder.key).copied().unwrap_or_default();
        let id = make_id(&founder.key, generation);
        if !taken.insert(id.clone()) {
            return Err(Invalid::IdTaken { cluster, generation });
        }
        founded.push(Founding { customer_id: id.clone(), record: founder.key.clone(), generation });
        ids.push(id);
    }
    founded.sort_unstable();

    let change =
        history::Change { sides: &sides, pairs: &pairs, cluster_of: &cluster_of, ids: &ids, founded: &founded };
    let (redirects, events) = change.tell(previous.redirects);
    let members = change.members();
    Ok(Assignment { ids, members, founded, redirects, events })
}
