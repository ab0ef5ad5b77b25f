//! Parting the members of a block into groups, and tying each group together.

use super::{Member, Outcome, Veto};
use crate::names::Standing;
use std::collections::BTreeMap;

/// Days on which a value was held, both ends included.
type Days = (i32, i32);

const ALWAYS: Days = (i32::MIN, i32::MAX);

fn days(member: &Member) -> Option<Days> {
    let days = (member.valid_from.unwrap_or(i32::MIN), member.valid_to.unwrap_or(i32::MAX));
    (days != ALWAYS && days.0 <= days.1).then_some(days)
}

fn overlap(a: Days, b: Days) -> bool {
    a.0 <= b.1 && b.0 <= a.1
}

/// Members of one name class whose days hang together; `days` covers them without a gap.
struct Group {
    class: u32,
    days: Days,
    members: Vec<usize>,
}

/// `members` sorted by record; `standings` says of which name class each is.
pub(super) fn tie(members: &[Member], standings: &[Standing]) -> Outcome {
    let mut by_class: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut nameless = Vec::new();
    let mut alone = Vec::new();
    for (at, standing) in standings.iter().enumerate() {
        match standing {
            Standing::Class(class) => by_class.entry(*class).or_default().push(at),
            Standing::Silent => nameless.push(at),
            Standing::Torn => alone.push(at),
        }
    }
    let mut groups = Vec::new();
    if by_class.is_empty() {
        // Nobody has a name, so nobody contradicts another.
        by_class.insert(0, std::mem::take(&mut nameless));
    }
    for (class, of_class) in by_class {
        alone.extend(part_by_time(members, class, of_class, &mut groups));
    }
    alone.extend(join_nameless(members, nameless, &mut groups));
    outcome(members, groups, alone)
}

/// Parts one class into groups whose days hang together, and gives back who has no interval and several groups to go to.
fn part_by_time(members: &[Member], class: u32, of_class: Vec<usize>, groups: &mut Vec<Group>) -> Vec<usize> {
    let first = groups.len();
    let mut dated: Vec<(Days, usize)> = of_class.iter().filter_map(|at| Some((days(&members[*at])?, *at))).collect();
    dated.sort_unstable();
    for (days, at) in dated {
        match groups[first..].last_mut() {
            Some(group) if overlap(group.days, days) => {
                group.days.1 = group.days.1.max(days.1);
                group.members.push(at);
            }
            _ => groups.push(Group { class, days, members: vec![at] }),
        }
    }
    let undated: Vec<usize> = of_class.into_iter().filter(|at| days(&members[*at]).is_none()).collect();
    match &mut groups[first..] {
        [] if !undated.is_empty() => groups.push(Group { class, days: ALWAYS, members: undated }),
        [group] => group.members.extend(undated),
        _ => return undated,
    }
    Vec::new()
}

/// Lets each nameless member join the one group it can belong to, and gives back those that have none or several.
fn join_nameless(members: &[Member], nameless: Vec<usize>, groups: &mut [Group]) -> Vec<usize> {
    // To count the groups that overlap some days: those that begin by their end, less those that ended before.
    let mut begins: Vec<(i32, usize)> = groups.iter().enumerate().map(|(at, group)| (group.days.0, at)).collect();
    begins.sort_unstable();
    let mut ends: Vec<i32> = groups.iter().map(|group| group.days.1).collect();
    ends.sort_unstable();
    // Of the groups begun so far, the one that ends last.
    let mut last_end: Vec<usize> = Vec::with_capacity(begins.len());
    for (_, at) in &begins {
        let before = last_end.last().copied().unwrap_or(*at);
        last_end.push(if groups[*at].days.1 > groups[before].days.1 { *at } else { before });
    }
    let mut alone = Vec::new();
    let mut joins = Vec::new();
    for at in nameless {
        let days = days(&members[at]).unwrap_or(ALWAYS);
        let begun = begins.partition_point(|(begin, _)| *begin <= days.1);
        let ended = ends.partition_point(|end| *end < days.0);
        match begun.checked_sub(1).and_then(|last| last_end.get(last)) {
            Some(group) if begun - ended == 1 => joins.push((*group, at)),
            _ => alone.push(at),
        }
    }
    for (group, at) in joins {
        groups[group].members.push(at);
    }
    alone
}

fn outcome(members: &[Member], mut groups: Vec<Group>, alone: Vec<usize>) -> Outcome {
    let mut outcome = Outcome::default();
    for group in &mut groups {
        group.members.sort_unstable();
        tree(members, &group.members, &mut outcome.edges);
    }
    outcome.edges.sort_unstable();
    outcome.edges.dedup();

    let lowest = |group: &Group| group.members.first().map(|at| members[*at].record);
    let Some((first, hub)) = groups.iter().filter_map(|g| Some((g, lowest(g)?))).min_by_key(|(_, hub)| *hub) else {
        return outcome;
    };
    let others = groups.iter().filter_map(|group| {
        let veto = if group.class == first.class { Veto::Validity } else { Veto::Names };
        Some((lowest(group)?, veto))
    });
    let apart = others.chain(alone.iter().map(|at| (members[*at].record, Veto::Ambiguous)));
    outcome.vetoed = apart
        .filter(|(record, _)| *record != hub)
        .map(|(record, veto)| (record.min(hub), record.max(hub), veto))
        .collect();
    outcome.vetoed.sort_unstable();
    outcome.vetoed.dedup();
    outcome
}

/// Edges that tie a group together; each joins two members whose days overlap.
fn tree(members: &[Member], group: &[usize], edges: &mut Vec<(u32, u32)>) {
    let Some((hub, rest)) = group.split_first() else {
        return;
    };
    let held = |at: &usize| days(&members[*at]).unwrap_or(ALWAYS);
    let mut edge = |a: &usize, b: &usize| {
        let (a, b) = (members[*a].record, members[*b].record);
        if a != b {
            edges.push((a.min(b), a.max(b)));
        }
    };
    if rest.iter().all(|at| overlap(held(hub), held(at))) {
        rest.iter().for_each(|at| edge(hub, at));
        return;
    }
    // By first day; each is tied to the one before it that lasts longest.
    let mut by_time: Vec<&usize> = group.iter().collect();
    by_time.sort_unstable_by_key(|at| (held(at), **at));
    let Some((mut longest, later)) = by_time.split_first().map(|(first, later)| (*first, later)) else {
        return;
    };
    for at in later {
        edge(longest, at);
        if held(at).1 > held(longest).1 {
            longest = at;
        }
    }
}
