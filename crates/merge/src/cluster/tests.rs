use super::*;
use proptest::prelude::*;

fn edge(a: u32, b: u32, strength: u8) -> Edge {
    Edge { a, b, strength }
}

#[test]
fn records_without_edges_are_clusters_of_one() {
    assert_eq!(cluster(3, &[], &[], &[]).label, [0, 1, 2]);
    assert_eq!(cluster(0, &[], &[], &[]), Clusters::default());
}

#[test]
fn a_cluster_is_named_by_its_lowest_record() {
    let clusters = cluster(6, &[edge(5, 3, 1), edge(3, 1, 1), edge(4, 2, 1), edge(2, 2, 9)], &[], &[]);
    assert_eq!(clusters.label, [0, 1, 2, 1, 2, 1]);
    assert_eq!(clusters.refused, []);
}

#[test]
fn different_values_of_a_unique_identifier_refuse_a_union() {
    let unique = [(0, 7, 100), (2, 7, 200)];
    let clusters = cluster(3, &[edge(0, 1, 1), edge(1, 2, 1)], &unique, &[]);
    assert_eq!(clusters.label, [0, 0, 2]);
    assert_eq!(clusters.refused, [(1, 2, Conflict::Unique { identifier: 7 })]);
}

#[test]
fn the_stronger_edge_wins_where_both_cannot_hold() {
    let unique = [(0, 7, 100), (2, 7, 200)];
    let clusters = cluster(3, &[edge(0, 1, 1), edge(1, 2, 9)], &unique, &[]);
    assert_eq!(clusters.label, [0, 1, 1]);
    assert_eq!(clusters.refused, [(0, 1, Conflict::Unique { identifier: 7 })]);
}

#[test]
fn equal_values_and_other_identifier_types_do_not_conflict() {
    let unique = [(0, 7, 100), (1, 7, 100), (1, 8, 300), (2, 9, 1)];
    assert_eq!(cluster(3, &[edge(0, 1, 1), edge(1, 2, 1)], &unique, &[]).label, [0, 0, 0]);
}

#[test]
fn a_record_that_holds_two_values_says_that_its_person_has_both() {
    let unique = [(0, 7, 100), (1, 7, 100), (1, 7, 200), (2, 7, 200), (3, 7, 300)];
    let clusters = cluster(4, &[edge(0, 1, 1), edge(1, 2, 1), edge(1, 3, 1)], &unique, &[]);
    assert_eq!(clusters.label, [0, 0, 0, 3]);
    // Refused at first, and true after all by way of record 1.
    let clusters = cluster(3, &[edge(0, 2, 9), edge(0, 1, 1), edge(1, 2, 1)], &unique[..4], &[]);
    assert_eq!(clusters, Clusters { label: vec![0, 0, 0], refused: vec![] });
}

#[test]
fn a_pair_that_must_not_meet_does_not_meet_by_way_of_others() {
    let clusters = cluster(4, &[edge(0, 1, 5), edge(2, 3, 5), edge(1, 2, 3)], &[], &[(3, 0)]);
    assert_eq!(clusters.label, [0, 0, 2, 2]);
    assert_eq!(clusters.refused, [(1, 2, Conflict::CannotLink { a: 0, b: 3 })]);
}

#[test]
fn numbers_of_no_record_are_refused_as_edges_and_left_out_as_constraints() {
    let clusters = cluster(2, &[edge(0, 9, 1), edge(0, 1, 1)], &[(9, 7, 1)], &[(0, 9), (1, 1)]);
    assert_eq!(clusters.label, [0, 0]);
    assert_eq!(clusters.refused, [(0, 9, Conflict::NoSuchRecord)]);
}

#[test]
fn a_pair_refused_twice_is_told_once() {
    let clusters = cluster(2, &[edge(0, 1, 1), edge(1, 0, 9), edge(0, 1, 9)], &[], &[(0, 1)]);
    assert_eq!(clusters.refused.len(), 1);
}

#[test]
fn a_million_records_in_a_chain_are_cheap() {
    let start = std::time::Instant::now();
    let edges: Vec<Edge> = (1..1_000_000).map(|n| edge(n - 1, n, 1)).collect();
    let unique: Vec<Unique> = (0..1_000_000).map(|n| (n, 1, 5)).collect();
    let clusters = cluster(1_000_000, &edges, &unique, &[]);
    assert!(clusters.label.iter().all(|label| *label == 0));
    assert!(start.elapsed().as_secs() < 30, "took {:?}", start.elapsed());
}

const RECORDS: u32 = 14;

fn any_edges() -> impl Strategy<Value = Vec<Edge>> {
    let edge = (0..RECORDS, 0..RECORDS, 0..3u8).prop_map(|(a, b, strength)| Edge { a, b, strength });
    prop::collection::vec(edge, 0..25)
}

fn any_unique() -> impl Strategy<Value = Vec<Unique>> {
    prop::collection::vec((0..RECORDS, 0..2u32, 0..3u64), 0..8)
}

fn any_cannot() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((0..RECORDS, 0..RECORDS), 0..5)
}

proptest! {
    #[test]
    fn neither_the_order_of_the_input_nor_the_direction_of_pairs_matters(
        (edges, shuffled) in any_edges().prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
        (unique, unique_shuffled) in any_unique().prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
        (cannot, cannot_shuffled) in any_cannot().prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
    ) {
        let turned: Vec<Edge> = shuffled.iter().map(|e| Edge { a: e.b, b: e.a, ..*e }).collect();
        let turned_cannot: Vec<(u32, u32)> = cannot_shuffled.iter().map(|(a, b)| (*b, *a)).collect();
        let clusters = cluster(RECORDS, &edges, &unique, &cannot);
        prop_assert_eq!(clusters, cluster(RECORDS, &turned, &unique_shuffled, &turned_cannot));
    }

    #[test]
    fn without_constraints_clusters_are_the_connected_components(edges in any_edges()) {
        let mut label: Vec<u32> = (0..RECORDS).collect();
        for _ in 0..RECORDS {
            for e in &edges {
                let lowest = label[e.a as usize].min(label[e.b as usize]);
                (label[e.a as usize], label[e.b as usize]) = (lowest, lowest);
            }
        }
        prop_assert_eq!(cluster(RECORDS, &edges, &[], &[]), Clusters { label, refused: vec![] });
    }

    #[test]
    fn constraints_hold_and_every_edge_is_in_a_cluster_or_refused(
        edges in any_edges(), unique in any_unique(), cannot in any_cannot()
    ) {
        // One value per record and type: with several, a record may tie values together.
        let mut unique = unique;
        unique.sort_unstable();
        unique.dedup_by_key(|(record, identifier, _)| (*record, *identifier));
        let Clusters { label, refused } = cluster(RECORDS, &edges, &unique, &cannot);
        let together = |a: u32, b: u32| label[a as usize] == label[b as usize];
        for (a, b) in &cannot {
            prop_assert!(a == b || !together(*a, *b));
        }
        for (a, type_a, value_a) in &unique {
            for (b, type_b, value_b) in &unique {
                prop_assert!(!together(*a, *b) || type_a != type_b || value_a == value_b);
            }
        }
        for e in &edges {
            let told = refused.iter().any(|(a, b, _)| (*a, *b) == (e.a.min(e.b), e.a.max(e.b)));
            prop_assert_ne!(together(e.a, e.b), told);
        }
        for (record, lowest) in label.iter().enumerate() {
            prop_assert!(*lowest as usize <= record && label[*lowest as usize] == *lowest);
        }
    }
}
