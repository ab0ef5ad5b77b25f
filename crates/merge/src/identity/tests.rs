mod properties;
mod returning;

use super::*;

type Clusters = Vec<Vec<Record<&'static str>>>;

/// A lake's identity over several runs. Records are as old as they come in the alphabet.
#[derive(Default, Clone)]
struct State {
    members: Vec<Member<&'static str, String>>,
    foundings: Vec<Founding<&'static str, String>>,
    redirects: BTreeMap<String, String>,
}

fn make_id(record: &&'static str, generation: u32) -> String {
    format!("{record}#{generation}")
}

/// "ab c" is two clusters, of the records a and b, and of c.
fn clusters(text: &'static str) -> Clusters {
    let record = |(at, c): (usize, char)| Record { key: &text[at..=at], first_seen: i64::from(u32::from(c)) };
    text.split_whitespace()
        .map(|word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            word.char_indices().map(|(at, c)| record((start + at, c))).collect()
        })
        .collect()
}

impl State {
    fn assign(&self, clusters: &Clusters) -> Assignment<&'static str, String> {
        let previous = Previous { members: &self.members, foundings: &self.foundings, redirects: &self.redirects };
        match assign(&previous, clusters, make_id) {
            Ok(assignment) => assignment,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    fn run(&mut self, clusters: &Clusters) -> Assignment<&'static str, String> {
        let assignment = self.assign(clusters);
        assert_eq!(replay(&self.members, &assignment.events), assignment.members);
        self.members = assignment.members.clone();
        self.foundings.extend(assignment.founded.clone());
        self.redirects = assignment.redirects.clone();
        assignment
    }

    /// After a run on "ab c" and so on.
    fn after(runs: &[&'static str]) -> State {
        let mut state = State::default();
        runs.iter().for_each(|text| drop(state.run(&clusters(text))));
        state
    }
}

/// Ids by cluster, events without those of members.
fn told(state: &mut State, text: &'static str) -> (Vec<String>, Vec<String>) {
    let assignment = state.run(&clusters(text));
    let event = |event: &Event<&str, String>| match event {
        Event::Created { id } => Some(format!("created {id}")),
        Event::Revived { id } => Some(format!("revived {id}")),
        Event::Merged { from, into } => Some(format!("merged {from} into {into}")),
        Event::Split { from, to } => Some(format!("split {from} to {to}")),
        Event::Retired { id } => Some(format!("retired {id}")),
        Event::MemberJoined { .. } | Event::MemberMoved { .. } | Event::MemberLeft { .. } => None,
    };
    (assignment.ids, assignment.events.iter().filter_map(event).collect())
}

#[test]
fn the_first_run_founds_ids_by_the_oldest_record() {
    let (ids, events) = told(&mut State::default(), "ba c");
    assert_eq!(ids, ["a#0", "c#0"]);
    assert_eq!(events, ["created a#0", "created c#0"]);
}

#[test]
fn of_equally_old_records_the_smallest_key_founds() {
    let record = |key| Record { key, first_seen: 3 };
    let assignment = State::default().assign(&vec![vec![record("z"), record("m")]]);
    assert_eq!(assignment.ids, ["m#0"]);
}

#[test]
fn no_change_makes_no_event() {
    let mut state = State::after(&["ab c", "a c", "ac"]);
    assert_eq!(state.run(&clusters("ca")).events, []);
}

#[test]
fn a_record_that_joins_or_leaves_does_not_change_an_id() {
    let mut state = State::after(&["ab"]);
    let joined = state.run(&clusters("abc"));
    assert_eq!(
        (joined.ids, joined.events),
        (vec!["a#0".into()], vec![Event::MemberJoined { record: "c", to: "a#0".into() }])
    );
    let left = state.run(&clusters("bc"));
    assert_eq!(
        (left.ids, left.events),
        (vec!["a#0".into()], vec![Event::MemberLeft { record: "a", from: "a#0".into() }])
    );
}

#[test]
fn the_larger_of_two_merged_ids_survives_and_the_other_leads_there() {
    let mut state = State::after(&["a bcd"]);
    assert_eq!(told(&mut state, "abcd"), (vec!["b#0".into()], vec!["merged a#0 into b#0".into()]));
    assert_eq!(state.redirects, BTreeMap::from([("a#0".into(), "b#0".into())]));
}

#[test]
fn of_equally_large_ids_the_one_with_the_oldest_record_survives() {
    assert_eq!(told(&mut State::after(&["ad bc"]), "abcd").0, ["a#0"]);
}

#[test]
fn age_is_when_a_record_was_first_seen_not_its_key() {
    let record = |key, first_seen| Record { key, first_seen };
    let mut state = State::default();
    state.run(&vec![vec![record("a", 9)], vec![record("z", 1)]]);
    let merged = state.run(&vec![vec![record("a", 9), record("z", 1)]]);
    assert_eq!(merged.ids, ["z#0"]);
}

#[test]
fn redirects_lead_to_the_end_of_a_chain_of_merges() {
    let state = State::after(&["a bc defg", "abc defg", "abcdefg"]);
    let end = "d#0".to_string();
    assert_eq!(state.redirects, BTreeMap::from([("a#0".into(), end.clone()), ("b#0".into(), end)]));
}

#[test]
fn the_larger_part_of_a_split_keeps_the_id() {
    let mut state = State::after(&["abc"]);
    assert_eq!(
        told(&mut state, "a bc"),
        (vec!["a#1".into(), "a#0".into()], vec!["created a#1".into(), "split a#0 to a#1".into()])
    );
}

#[test]
fn a_founder_that_founds_again_makes_an_id_of_the_next_generation() {
    let mut state = State::after(&["abc", "a bc", "abc"]);
    assert_eq!(told(&mut state, "a bc").0, ["a#2", "a#0"]);
}

#[test]
fn a_member_that_changes_sides_changes_no_id() {
    let mut state = State::after(&["abc def"]);
    let assignment = state.run(&clusters("ab cdef"));
    assert_eq!(assignment.ids, ["a#0", "d#0"]);
    assert_eq!(assignment.events, [Event::MemberMoved { record: "c", from: "a#0".into(), to: "d#0".into() }]);
}

#[test]
fn ids_follow_their_members_when_two_clusters_swap_most_of_them() {
    let (ids, events) = told(&mut State::after(&["abc def"]), "aef dbc");
    assert_eq!((ids, events), (vec!["d#0".into(), "a#0".into()], vec![]));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let none = BTreeMap::new();
    let member = |id: &str| Member { record: "a", customer_id: id.to_string(), retired: false };
    let of = |members: &[Member<&'static str, String>], text| {
        assign(&Previous { members, foundings: &[], redirects: &none }, &clusters(text), make_id).err()
    };
    assert_eq!(of(&[], "ab cb"), Some(Invalid::InTwoClusters { first: 0, second: 1 }));
    assert_eq!(of(&[], "aa"), Some(Invalid::InTwoClusters { first: 0, second: 0 }));
    assert_eq!(of(&[member("x"), member("y")], "a"), Some(Invalid::MemberTwice));
    // The founding of a#0 was not given.
    assert_eq!(
        of(&[Member { record: "z", ..member("a#0") }], "a z"),
        Some(Invalid::IdTaken { cluster: 0, generation: 0 })
    );
    let previous = Previous { members: &[], foundings: &[], redirects: &none };
    let empty: Clusters = vec![vec![]];
    assert_eq!(assign(&previous, &empty, make_id).err(), Some(Invalid::EmptyCluster { cluster: 0 }));
}
