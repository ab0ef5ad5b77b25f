//! What holds for every run: neither order nor threads show, a change gives what a full run gives, poison stays bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so")]

mod people;

use std::collections::BTreeSet;

use people::{Person, features, people};
use proptest::prelude::*;
use tributary_linkage::explain::explain;
use tributary_linkage::increment::{RecordBlocks, near, score_changed};
use tributary_linkage::refine::refine;
use tributary_linkage::{Edge, Features, Model, Options, score, train};

/// Edges by the keys of their records, so that runs with other numbers can be compared.
fn by_key(edges: &[Edge], people: &[Person]) -> BTreeSet<(u64, u64, u32)> {
    let key = |record: u32| people[record as usize].key;
    edges.iter().map(|e| (key(e.a).min(key(e.b)), key(e.a).max(key(e.b)), e.bits.to_bits())).collect()
}

fn clusters(model: &Model, features: &Features, edges: &[Edge], people: &[Person]) -> BTreeSet<BTreeSet<u64>> {
    let mut of: std::collections::BTreeMap<u32, BTreeSet<u64>> = std::collections::BTreeMap::new();
    for (record, label) in refine(model, features, edges).label.iter().enumerate() {
        of.entry(*label).or_default().insert(people[record].key);
    }
    of.into_values().collect()
}

#[test]
fn another_order_gives_the_same_model_edges_and_clusters() {
    let people = people(600, 7);
    let mut turned = people.clone();
    turned.sort_by_key(|person| person.key.rotate_left(17));
    assert_ne!(people, turned);
    let (one, two) = (features(&people), features(&turned));
    let (model, other) = (train(&one, &Options::default()), train(&two, &Options::default()));
    assert_eq!(model, other);
    let (edges, turned_edges) = (score(&model, &one, 1).edges, score(&other, &two, 1).edges);
    assert!(edges.len() > 300, "{}", edges.len());
    assert_eq!(by_key(&edges, &people), by_key(&turned_edges, &turned));
    assert_eq!(clusters(&model, &one, &edges, &people), clusters(&other, &two, &turned_edges, &turned));
}

#[test]
fn threads_do_not_show() {
    let people = people(600, 8);
    let features = features(&people);
    let model = train(&features, &Options::default());
    let one = score(&model, &features, 1);
    for threads in [2, 5] {
        assert_eq!(one, score(&model, &features, threads));
    }
}

#[test]
fn a_model_read_back_scores_as_the_one_written() {
    let people = people(400, 9);
    let features = features(&people);
    let model = train(&features, &Options::default());
    let read: Model = serde_json::from_str(&serde_json::to_string(&model).unwrap()).unwrap();
    assert!(read.fits(&features));
    assert_eq!(score(&model, &features, 1), score(&read, &features, 1));
}

#[test]
fn no_pair_is_scored_twice_and_edges_reach_the_threshold() {
    let people = people(400, 10);
    let features = features(&people);
    let model = train(&features, &Options::default());
    let scored = score(&model, &features, 2);
    assert!(scored.edges.windows(2).all(|two| (two[0].a, two[0].b) < (two[1].a, two[1].b)));
    assert!(scored.edges.iter().all(|edge| edge.a < edge.b && edge.bits >= 0.0));
    assert_eq!(scored.keys.iter().map(|key| key.edges).sum::<u64>(), scored.edges.len() as u64);
}

#[test]
fn an_explanation_adds_up_to_the_score() {
    let people = people(400, 11);
    let features = features(&people);
    let model = train(&features, &Options::default());
    for edge in score(&model, &features, 1).edges.iter().step_by(17) {
        let why = explain(&model, &features, edge.b, edge.a);
        let sum = why.prior + why.household + why.evidence.iter().map(|of| of.bits + of.frequency_bits).sum::<f64>();
        assert!((sum - f64::from(edge.bits)).abs() < 1e-3, "{why:?}");
        assert!(why.edge && why.probability >= 0.5 && !why.keys.is_empty());
    }
}

#[test]
fn records_of_one_source_are_not_compared_between_sources() {
    let people = people(400, 12);
    let features = features(&people);
    let model = train(&features, &Options { between_sources: true, ..Options::default() });
    let edges = score(&model, &features, 1).edges;
    assert!(!edges.is_empty());
    assert!(edges.iter().all(|e| people[e.a as usize].source != people[e.b as usize].source));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_change_gives_what_a_full_run_gives(
        changes in proptest::collection::vec((0usize..300, 0u8..3), 1..30),
        most_in_block in 3u32..8,
        seed in 0u64..1000,
    ) {
        let before = people(300, seed);
        let first = features(&before);
        let mut model = train(&first, &Options::default());
        // So small a limit that blocks cross it all the time.
        model.most_in_block = most_in_block;
        let edges = score(&model, &first, 1).edges;
        // 0: changed, 1: gone, 2: one more. All that ever was is in one set of features, what is gone at its end.
        let strangers = people(300, seed + 1);
        let (mut now, mut old, mut new, mut lost) = (before.clone(), vec![], vec![], BTreeSet::new());
        for (at, what) in changes {
            let key = now[at].key;
            if what == 2 {
                let source = &before[(at * 7) % 300];
                now.push(Person { key: key ^ 0xabc ^ (now.len() as u64) << 20, ..source.clone() });
                new.push(now.len() as u32 - 1);
            } else if lost.insert(at as u32) {
                old.push(before[at].clone());
                if what == 0 {
                    now[at] = Person { key, ..strangers[at].clone() };
                    now[at].phone = before[(at + 1) % 300].phone.clone();
                    new.push(at as u32);
                } else {
                    now[at] = Person { key, ..Person::default() };
                    new.push(at as u32);
                }
            }
        }
        let full = score(&model, &features(&now), 1).edges;
        // What a lake keeps: the blocks of each record, and its edges.
        let (of_before, of_now) = (blocks(&model, &first), blocks(&model, &features(&now)));
        new.sort_unstable();
        let is_new = |record: u32| new.binary_search(&record).is_ok();
        let was: Vec<Vec<u64>> = lost.iter().map(|record| of_before[*record as usize].clone()).collect();
        let is: Vec<Vec<u64>> = new.iter().map(|record| of_now[*record as usize].clone()).collect();
        let found = near(&model, &was, &is, |see| {
            for (record, of) in of_before.iter().enumerate().filter(|(record, _)| !is_new(*record as u32)) {
                see(record as u32, of);
            }
        });
        let changed: BTreeSet<u32> = new.iter().chain(&found.again).copied().collect();
        let part: Vec<u32> = changed.iter().chain(&found.near).copied().collect();
        let people: Vec<Person> = part.iter().map(|record| now[*record as usize].clone()).collect();
        let first_ones: Vec<u32> = (0..changed.len() as u32).collect();
        let scored = score_changed(&model, &features(&people), &first_ones, &found.refused, 1).edges;
        let still = edges.iter().filter(|edge| !changed.contains(&edge.a) && !changed.contains(&edge.b));
        let mut updated = by_key(&still.copied().collect::<Vec<_>>(), &before);
        updated.extend(by_key(&scored, &people));
        prop_assert_eq!(updated, by_key(&full, &now));
    }
}

fn blocks(model: &Model, features: &Features) -> Vec<Vec<u64>> {
    let blocks = RecordBlocks::new(model, features, 1);
    let of = |record: u32| {
        let mut found = vec![];
        blocks.of(record, &mut found);
        found
    };
    (0..features.len() as u32).map(of).collect()
}

#[test]
fn thousands_on_one_phone_are_named_and_not_merged() {
    let mut people = people(6000, 31);
    people.iter_mut().step_by(2).for_each(|person| person.phone.clear());
    let wrong = |people: &[Person], edges: &[Edge]| {
        edges.iter().filter(|e| people[e.a as usize].person != people[e.b as usize].person).count()
    };
    let without = features(&people);
    let without = wrong(&people, &score(&train(&without, &Options::default()), &without, 2).edges);
    people.iter_mut().step_by(2).for_each(|person| person.phone = "13800000000".into());
    let features = features(&people);
    let model = train(&features, &Options::default());
    let scored = score(&model, &features, 2);
    // Half of the pairs of half of the records would be 4.5 million.
    assert!(scored.comparisons() < 2_200_000, "{}", scored.comparisons());
    let with = wrong(&people, &scored.edges);
    assert!(with <= without + without / 2 + 20, "{with} wrong edges, {without} where they had no phone");
    let label = refine(&model, &features, &scored.edges).label;
    let mut sizes = std::collections::HashMap::new();
    label.iter().for_each(|label| *sizes.entry(label).or_insert(0) += 1);
    assert!(sizes.values().all(|size| *size < 20));
}

#[test]
fn a_block_that_is_too_large_is_refused_and_named() {
    let mut people = people(3000, 32);
    let features_before = features(&people);
    let model = train(&features_before, &Options::default());
    for person in people.iter_mut().take(1000) {
        person.phone = "13800000000".into();
        person.email = "test@test.com".into();
    }
    let scored = score(&model, &features(&people), 2);
    let refused: Vec<_> =
        scored.keys.iter().flat_map(|key| &key.refused).filter(|block| block.records == 1000).collect();
    assert!(!refused.is_empty(), "{:?}", scored.keys);
    assert!(refused.iter().all(|block| people[block.example as usize].phone == "13800000000"));
    assert!(scored.comparisons() < 200_000, "{}", scored.comparisons());
}

#[test]
fn a_chain_of_near_matches_falls_apart() {
    // Each is a record of the one before with one thing changed: no two that are far apart have anything in common.
    let mut people = people(2000, 33);
    let start = people[0].clone();
    let mut link = start;
    for at in 0..1500u64 {
        link.key = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        link.person = 1_000_000 + at as u32;
        match at % 4 {
            0 => {
                link.name = format!(
                    "{}{}",
                    ["王", "李", "张", "刘"][at as usize / 4 % 4],
                    ["小明", "建国", "丽", "芳"][at as usize / 16 % 4]
                )
            }
            1 => link.phone = format!("139{:08}", at * 7919 % 100_000_000),
            2 => link.email = format!("u{at}@qq.com"),
            _ => link.birthday = format!("19{:02}-{:02}-{:02}", 50 + at % 50, 1 + at % 12, 1 + at % 28),
        }
        people.push(link.clone());
    }
    let features = features(&people);
    let model = train(&features, &Options::default());
    let scored = score(&model, &features, 2);
    let clusters = refine(&model, &features, &scored.edges);
    let mut sizes = std::collections::HashMap::new();
    clusters.label.iter().for_each(|label| *sizes.entry(label).or_insert(0) += 1);
    assert!(sizes.values().all(|size| *size < 60), "{:?}", sizes.values().max());
}

#[test]
fn what_an_address_has_of_its_owners_name_is_no_evidence_beside_the_name() {
    let trained = people(400, 13);
    let model = train(&features(&trained), &Options::default());
    let person = |key: u64, name: &str, email: &str| Person {
        key,
        name: name.to_owned(),
        email: email.to_owned(),
        ..Person::default()
    };
    let level = |a: &str, b: &str, emails: [&str; 2]| {
        let two = [person(1, a, emails[0]), person(2, b, emails[1])];
        let why = explain(&model, &features(&two), 0, 1);
        why.evidence.into_iter().find(|of| of.name == "email").unwrap().level
    };
    assert_eq!(level("王小明", "王小明", ["wangxiaoming12@qq.com", "wangxiaoming57@qq.com"]), "missing");
    assert_eq!(level("王小明", "李建国", ["wangxiaoming12@qq.com", "wangxiaoming57@qq.com"]), "close");
    // An equal one is more than the name, and another one speaks against it.
    assert_eq!(level("王小明", "王小明", ["wangxiaoming12@qq.com", "wangxiaoming12@qq.com"]), "equal");
    assert_eq!(level("王小明", "王小明", ["wangxiaoming12@qq.com", "hello.there@qq.com"]), "different");
}
