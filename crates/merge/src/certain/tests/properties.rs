//! What holds for any block.

use super::*;
use proptest::prelude::*;

fn any_member() -> impl Strategy<Value = Member<'static>> {
    let name = prop::sample::select(vec![
        None,
        Some("张伟"),
        Some("张玮"),
        Some("张敏"),
        Some("张*"),
        Some("王"),
        Some("王芳"),
        Some("Wang Fang"),
    ]);
    let day = prop::option::of(0..30i32);
    (0..12u32, any::<bool>(), name, day.clone(), day).prop_map(|(record, stub, name, from, to)| {
        Member { stub: stub && record % 4 == 0, name, name_masked: name == Some("张*"), ..nameless(record) }
            .held(from, to)
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (prop::option::of(0..4usize), prop::option::of(1..3usize), any::<bool>()).prop_map(
        |(max_names, max_records_per_source, names_must_agree)| Rule {
            max_names,
            max_records_per_source,
            names_must_agree,
        },
    )
}

proptest! {
    #[test]
    fn the_order_of_members_does_not_matter(
        rule in any_rule(),
        (given, shuffled) in prop::collection::vec(any_member(), 0..14).prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle()))
    ) {
        prop_assert_eq!(block_edges(&given, &rule), block_edges(&shuffled, &rule));
    }

    #[test]
    fn no_edge_joins_unlike_names_or_times_apart(given in prop::collection::vec(any_member(), 0..14), rule in any_rule()) {
        // One member per record, so that an edge says which members it means.
        let mut members = given;
        members.sort_unstable();
        members.dedup_by_key(|m| m.record);
        let outcome = block_edges(&members, &rule);
        let of = |record: u32| members.iter().find(|m| m.record == record).copied();
        let records = members.len().max(1);
        prop_assert!(outcome.edges.len() < records);
        for (a, b) in &outcome.edges {
            prop_assert!(a < b);
            let (Some(a), Some(b)) = (of(*a), of(*b)) else { return Err(TestCaseError::fail("an edge to nowhere")) };
            let days = |m: &Member| {
                let days = (m.valid_from.unwrap_or(i32::MIN), m.valid_to.unwrap_or(i32::MAX));
                if days.0 <= days.1 { days } else { (i32::MIN, i32::MAX) }
            };
            prop_assert!(days(&a).0 <= days(&b).1 && days(&b).0 <= days(&a).1);
            if let (true, Some(x), Some(y)) = (rule.names_must_agree && !a.stub && !b.stub, a.name, b.name) {
                prop_assert!(a.name_masked || b.name_masked || crate::names::alike(x, false, y, false));
            }
        }
    }
}
