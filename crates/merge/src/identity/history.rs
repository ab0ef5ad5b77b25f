//! What changed between two states of the member table, and the table again from what changed.

use super::pairs::{Pair, Sides};
use super::{Event, Founding, Member};
use std::collections::BTreeMap;

/// An assignment that has been decided, seen from both sides.
pub(super) struct Change<'c, 'a, K, I> {
    pub sides: &'c Sides<'a, K, I>,
    pub pairs: &'c [Pair<'a, K>],
    /// For each old id, the cluster that bears it now.
    pub cluster_of: &'c [Option<usize>],
    /// For each cluster, its id.
    pub ids: &'c [I],
    /// New ids, sorted.
    pub founded: &'c [Founding<K, I>],
}

impl<K: Ord + Clone, I: Ord + Clone> Change<'_, '_, K, I> {
    /// The member table after the change.
    pub fn members(&self) -> Vec<Member<K, I>> {
        let mut members = Vec::with_capacity(self.sides.now.len());
        self.sides.each(|before, now| match (before, now) {
            (_, Some((record, cluster))) => {
                members.push(Member {
                    record: record.key.clone(),
                    customer_id: self.ids[cluster].clone(),
                    retired: false,
                });
            }
            (Some(member), None) => members.push(Member { retired: true, ..member.clone() }),
            (None, None) => {}
        });
        members
    }

    /// The redirects after the change, and its events.
    pub fn tell(&self, redirects_before: &BTreeMap<I, I>) -> (BTreeMap<I, I>, Vec<Event<K, I>>) {
        let mut events: Vec<Event<K, I>> = Vec::new();
        events.extend(self.founded.iter().map(|founding| Event::Created { id: founding.customer_id.clone() }));
        self.tell_members(&mut events);

        let mut was_live = vec![false; self.sides.ids.len()];
        for member in self.sides.before.iter().filter(|member| !member.retired) {
            was_live[self.sides.id(member)] = true;
        }
        // Pairs are ranked, so the first of an id has most of its members.
        let mut home = vec![None; self.sides.ids.len()];
        for pair in self.pairs {
            home[pair.id].get_or_insert(pair.cluster);
            let to = &self.ids[pair.cluster];
            if self.founded.binary_search_by(|founding| founding.customer_id.cmp(to)).is_ok() {
                events.push(Event::Split { from: self.sides.ids[pair.id].clone(), to: to.clone() });
            }
        }
        let mut redirects = redirects_before.clone();
        for (id, name) in self.sides.ids.iter().enumerate() {
            let id_now = (*name).clone();
            match (was_live[id], self.cluster_of[id], home[id]) {
                (true, Some(_), _) => {}
                (false, Some(_), _) => {
                    redirects.remove(*name);
                    events.push(Event::Revived { id: id_now });
                }
                // An id merged long ago stays where its living members went, wherever a late one turns up.
                (false, None, Some(_)) if redirects.contains_key(*name) => {}
                (_, None, Some(cluster)) => {
                    redirects.insert(id_now.clone(), self.ids[cluster].clone());
                    events.push(Event::Merged { from: id_now, into: self.ids[cluster].clone() });
                }
                (true, None, None) => events.push(Event::Retired { id: id_now }),
                (false, None, None) => {}
            }
        }
        events.sort_unstable();
        (resolved(&redirects), events)
    }

    fn tell_members(&self, events: &mut Vec<Event<K, I>>) {
        self.sides.each(|before, now| {
            let to = now.map(|(_, cluster)| &self.ids[cluster]);
            match (before, to) {
                (Some(member), Some(to)) if member.customer_id != *to => events.push(Event::MemberMoved {
                    record: member.record.clone(),
                    from: member.customer_id.clone(),
                    to: to.clone(),
                }),
                (Some(Member { record, retired: true, .. }), Some(to)) => {
                    events.push(Event::MemberJoined { record: record.clone(), to: to.clone() });
                }
                (Some(Member { record, customer_id, retired: false }), None) => {
                    events.push(Event::MemberLeft { record: record.clone(), from: customer_id.clone() });
                }
                (None, Some(to)) => {
                    if let Some((record, _)) = now {
                        events.push(Event::MemberJoined { record: record.key.clone(), to: to.clone() });
                    }
                }
                (Some(_), _) | (None, None) => {}
            }
        });
    }
}

/// Each redirect followed to its end.
fn resolved<I: Ord + Clone>(redirects: &BTreeMap<I, I>) -> BTreeMap<I, I> {
    let end = |into: &I| {
        let mut end = into;
        // A ring, which `assign` never makes, is left after one round.
        for _ in 0..redirects.len() {
            match redirects.get(end) {
                Some(next) => end = next,
                None => break,
            }
        }
        end.clone()
    };
    redirects.iter().map(|(from, into)| (from.clone(), end(into))).collect()
}

/// The member table that events make of an earlier one, sorted by record.
pub fn replay<K: Ord + Clone, I: Ord + Clone>(members: &[Member<K, I>], events: &[Event<K, I>]) -> Vec<Member<K, I>> {
    let mut table: BTreeMap<K, (I, bool)> =
        members.iter().map(|member| (member.record.clone(), (member.customer_id.clone(), member.retired))).collect();
    for event in events {
        match event {
            Event::MemberJoined { record, to } | Event::MemberMoved { record, to, .. } => {
                table.insert(record.clone(), (to.clone(), false));
            }
            Event::MemberLeft { record, from } => {
                table.insert(record.clone(), (from.clone(), true));
            }
            Event::Created { .. }
            | Event::Revived { .. }
            | Event::Merged { .. }
            | Event::Split { .. }
            | Event::Retired { .. } => {}
        }
    }
    table.into_iter().map(|(record, (customer_id, retired))| Member { record, customer_id, retired }).collect()
}
