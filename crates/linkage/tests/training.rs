//! Training finds what was planted.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so")]

mod people;

use people::{features, people};
use tributary_linkage::refine::refine;
use tributary_linkage::train::{Source, estimate};
use tributary_linkage::{Kind, Options, score, train};

struct Random(u64);

impl Random {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

const EQUAL: u64 = 1;
const NEAR: u64 = 9;
const DIFFERENT: u64 = 15;

/// Three identifiers: m of equal, one edit, different; the chance that two strangers share a value; share of values missing.
const M: [[f64; 3]; 3] = [[0.9, 0.06, 0.04], [0.75, 0.15, 0.1], [0.6, 0.1, 0.3]];
const NEAR_U: [f64; 3] = [0.01, 0.02, 0.005];
const EQUAL_U: f64 = 0.0001;
const MISSING: [f64; 3] = [0.0, 0.2, 0.5];

#[test]
fn the_estimate_recovers_planted_parameters() {
    let mut random = Random(5);
    let records = 20_000.0;
    let all_pairs = records * (records - 1.0) / 2.0;
    let matches = 15_000.0;
    let mut draw = |one_person: bool, agree: u32| {
        (0..3).fold(0u64, |pattern, field| {
            let level = if agree >> field & 1 == 1 {
                EQUAL
            } else if random.share() < MISSING[field] {
                0
            } else {
                let (equal, near) = if one_person { (M[field][0], M[field][1]) } else { (EQUAL_U, NEAR_U[field]) };
                let at = random.share();
                if at < equal {
                    EQUAL
                } else if at < equal + near {
                    NEAR
                } else {
                    DIFFERENT
                }
            };
            pattern | level << (4 * field)
        })
    };
    let mut source = |agree: u32, class: Option<usize>, total: f64, share: f64, pairs: usize| {
        let patterns = (0..pairs).map(|at| (draw((at as f64) < share * pairs as f64, agree), 1.0)).collect();
        Source { agree, class, total, patterns }
    };
    let mut sources = vec![source(0, None, 0.0, matches / all_pairs, 200_000)];
    for field in 0..3usize {
        let known = 1.0 - MISSING[field];
        let same = matches * known * M[field][0];
        let strangers = all_pairs * known * known * EQUAL_U;
        sources.push(source(1 << field, Some(0), same + strangers, same / (same + strangers), 10_000));
    }
    let mean = [[EQUAL_U; 8]; 3];
    let found = estimate(&sources, &[Kind::Code; 3], &mean, all_pairs);
    for field in 0..3 {
        let m = found.m[field];
        for (at, level) in [EQUAL, NEAR, DIFFERENT].into_iter().enumerate() {
            // `code` has a level of two edits, which was never drawn.
            let (seen, planted) = (m[level as usize], M[field][at]);
            assert!((seen - planted).abs() < 0.04, "field {field}, level {level}: m {seen}, planted {planted}");
        }
        let u = found.u[field][NEAR as usize];
        assert!((u / NEAR_U[field] - 1.0).abs() < 0.15, "field {field}: u {u}, planted {}", NEAR_U[field]);
        assert!(
            (found.known[field] - (1.0 - MISSING[field])).abs() < 0.04,
            "field {field}: known {}",
            found.known[field]
        );
    }
    assert!((found.matches / matches - 1.0).abs() < 0.1, "{} matches, planted {matches}", found.matches);
}

#[test]
fn as_many_matches_are_expected_as_there_are() {
    let people = people(3000, 41);
    let model = train(&features(&people), &Options::default());
    let mut sizes = std::collections::HashMap::new();
    people.iter().for_each(|person| *sizes.entry(person.person).or_insert(0u32) += 1);
    let real: f64 = sizes.values().map(|n| f64::from(n * (n - 1) / 2)).sum();
    assert!((model.matches / real - 1.0).abs() < 0.1, "{} expected, {real} real", model.matches);
    assert!(model.coverage > 0.95, "{}", model.coverage);
}

#[test]
fn probabilities_are_those_of_being_right() {
    let people = people(4000, 42);
    let features = features(&people);
    let model = train(&features, &Options { threshold: 0.05, ..Options::default() });
    let edges = score(&model, &features, 2).edges;
    // Among the doubtful edges as many are right as their probabilities say, within what so few can tell.
    let doubtful: Vec<_> = edges.iter().filter(|edge| edge.bits < 4.0).collect();
    let said: f64 = doubtful.iter().map(|edge| tributary_linkage::model::probability(edge.bits.into())).sum();
    let right = doubtful.iter().filter(|e| people[e.a as usize].person == people[e.b as usize].person).count();
    assert!(doubtful.len() > 100, "{}", doubtful.len());
    let (said, right) = (said / doubtful.len() as f64, right as f64 / doubtful.len() as f64);
    assert!((said - right).abs() < 0.25, "said {said}, right {right}, of {}", doubtful.len());
}

#[test]
fn a_phone_that_strangers_share_is_named_and_taken_as_missing() {
    let mut people = people(6000, 43);
    for person in people.iter_mut().step_by(3) {
        person.phone = "13800000000".into();
    }
    let features = features(&people);
    let model = train(&features, &Options::default());
    let generic = model.generic(&features);
    assert_eq!(generic.len(), 1, "{generic:?}");
    assert_eq!((generic[0].name.as_str(), generic[0].records), ("phone", 2000));
    assert_eq!(people[generic[0].example as usize].phone, "13800000000");
    let why = tributary_linkage::explain::explain(&model, &features, 0, 3);
    let phone = why.evidence.iter().find(|of| of.name == "phone").unwrap();
    assert_eq!((phone.level.as_str(), phone.bits), ("missing", 0.0));
}

#[test]
fn no_records_and_one_record_have_a_model() {
    for records in [0, 1, 2, 5] {
        let people: Vec<_> = people(100, 44).into_iter().take(records).collect();
        let features = features(&people);
        let model = train(&features, &Options::default());
        assert!(score(&model, &features, 2).edges.len() <= records * records);
        assert!(model.prior.is_finite());
    }
}

#[test]
fn two_of_a_household_are_two_persons() {
    let mut people = people(3000, 44);
    let others = people::people(3000, 45);
    // Each person has a relative in the records: family name, phone and address are the same, given name and birthday are not.
    let relatives: Vec<_> = people
        .iter()
        .zip(&others)
        .scan(std::collections::HashSet::new(), |seen, (person, other)| {
            Some(seen.insert(person.person).then_some((person, other)))
        })
        .flatten()
        .filter(|(person, other)| person.name.chars().count() > 1 && other.name.chars().count() > 1)
        .map(|(person, other)| people::Person {
            key: other.key,
            person: person.person + 100_000,
            name: person.name.chars().take(1).chain(other.name.chars().skip(1)).collect(),
            birthday: other.birthday.clone(),
            email: other.email.clone(),
            ..person.clone()
        })
        .collect();
    assert!(relatives.len() > 900, "{}", relatives.len());
    people.extend(relatives);
    let features = features(&people);
    let model = train(&features, &Options::default());
    assert!(model.households > 500.0, "{}", model.households);
    let edges = score(&model, &features, 2).edges;
    let truth: Vec<_> = people.iter().map(|person| Some(person.person)).collect();
    let found = tributary_linkage::evaluate::evaluate(&refine(&model, &features, &edges).label, &truth).pairwise;
    assert!(found.precision > 0.9 && found.recall > 0.75, "{found:?}");
}

#[test]
fn where_there_are_no_households_none_is_seen() {
    assert_eq!(train(&features(&people(3000, 46)), &Options::default()).households, 0.0);
}
