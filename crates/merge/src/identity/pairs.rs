//! Old members and present clusters side by side, and which id and cluster share most.

use super::{Invalid, Member, Record};
use std::cmp::Reverse;

/// A record that was a member and is in a cluster now. Ordered as pairs of id and cluster are ranked among equals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shared<'a, K> {
    id: usize,
    cluster: usize,
    first_seen: i64,
    key: &'a K,
}

/// An old id and a cluster that share records, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair<'a, K> {
    pub members: Reverse<usize>,
    pub first_seen: i64,
    pub key: &'a K,
    pub id: usize,
    pub cluster: usize,
}

/// Old members and present records side by side, sorted by record.
pub(super) struct Sides<'a, K, I> {
    pub before: Vec<&'a Member<K, I>>,
    pub now: Vec<(&'a Record<K>, usize)>,
    /// The ids of `before`, sorted: ids are numbered by place in here.
    pub ids: Vec<&'a I>,
}

pub(super) fn sides<'a, K: Ord, I: Ord>(
    members: &'a [Member<K, I>],
    clusters: &'a [Vec<Record<K>>],
) -> Result<Sides<'a, K, I>, Invalid> {
    if let Some(cluster) = clusters.iter().position(Vec::is_empty) {
        return Err(Invalid::EmptyCluster { cluster });
    }
    let mut before: Vec<&Member<K, I>> = members.iter().collect();
    before.sort_unstable_by_key(|member| &member.record);
    if before.windows(2).any(|two| two[0].record == two[1].record) {
        return Err(Invalid::MemberTwice);
    }
    let mut now: Vec<(&Record<K>, usize)> =
        clusters.iter().enumerate().flat_map(|(cluster, records)| records.iter().map(move |r| (r, cluster))).collect();
    now.sort_unstable_by_key(|(record, cluster)| (&record.key, *cluster));
    if let Some(two) = now.windows(2).find(|two| two[0].0.key == two[1].0.key) {
        return Err(Invalid::InTwoClusters { first: two[0].1, second: two[1].1 });
    }
    let mut ids: Vec<&I> = before.iter().map(|member| &member.customer_id).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(Sides { before, now, ids })
}

impl<'a, K: Ord, I: Ord> Sides<'a, K, I> {
    pub fn id(&self, member: &Member<K, I>) -> usize {
        self.ids.partition_point(|id| **id < member.customer_id)
    }

    /// Every record of either side, by key, with what it was and what it is.
    pub fn each(&self, mut see: impl FnMut(Option<&'a Member<K, I>>, Option<(&'a Record<K>, usize)>)) {
        let (mut before, mut now) = (self.before.iter().copied().peekable(), self.now.iter().copied().peekable());
        loop {
            match (before.peek(), now.peek()) {
                (None, None) => return,
                (Some(member), Some((record, _))) if member.record == record.key => see(before.next(), now.next()),
                (Some(member), Some((record, _))) if member.record > record.key => see(None, now.next()),
                (None, Some(_)) => see(None, now.next()),
                (Some(_), _) => see(before.next(), None),
            }
        }
    }
}

pub(super) fn rank<'a, K: Ord, I: Ord>(sides: &Sides<'a, K, I>) -> Vec<Pair<'a, K>> {
    let mut shared: Vec<Shared<K>> = Vec::new();
    sides.each(|before, now| {
        if let (Some(member), Some((record, cluster))) = (before, now) {
            shared.push(Shared { id: sides.id(member), cluster, first_seen: record.first_seen, key: &record.key });
        }
    });
    shared.sort_unstable();
    let mut pairs: Vec<Pair<K>> = shared
        .chunk_by(|a, b| (a.id, a.cluster) == (b.id, b.cluster))
        .map(|of_pair| {
            let Shared { id, cluster, first_seen, key } = of_pair[0];
            Pair { members: Reverse(of_pair.len()), first_seen, key, id, cluster }
        })
        .collect();
    pairs.sort_unstable();
    pairs
}
