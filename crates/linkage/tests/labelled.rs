//! Labelled sets with default settings: the mapping is all that a caller gives.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so")]

use std::collections::HashMap;

use tributary_linkage::evaluate::{Evaluation, evaluate};
use tributary_linkage::refine::refine;
use tributary_linkage::{Builder, Options, Party, score, train};

/// The lines of a file without quotes, by column.
fn rows(text: &'static str) -> Vec<HashMap<&'static str, &'static str>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').map(str::trim).collect();
    lines.map(|line| header.iter().copied().zip(line.split(',').map(str::trim)).collect()).collect()
}

fn clustered(identifiers: &[&str], records: &[(String, Vec<(&str, String)>)]) -> Evaluation {
    let mut builder = Builder::new(1, identifiers);
    let mut truth = vec![];
    let mut persons: HashMap<&str, u32> = HashMap::new();
    for (number, (person, fields)) in records.iter().enumerate() {
        let field = |name: &str| fields.iter().find(|(of, _)| *of == name).map(|(_, text)| text.as_str());
        let ids: Vec<(usize, &str)> =
            identifiers.iter().enumerate().filter_map(|(at, name)| Some((at, field(name)?))).collect();
        builder.push(&Party {
            key: (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            family: field("family_name"),
            given: field("given_name"),
            birthday: field("birthday"),
            email: field("email"),
            province: field("province"),
            city: field("city"),
            street: field("street"),
            postcode: field("postcode"),
            identifiers: &ids,
            ..Party::default()
        });
        let next = persons.len() as u32;
        truth.push(Some(*persons.entry(person).or_insert(next)));
    }
    let features = builder.finish();
    let model = train(&features, &Options::default());
    let scored = score(&model, &features, 2);
    evaluate(&refine(&model, &features, &scored.edges).label, &truth)
}

#[test]
fn febrl1_is_clustered_almost_without_a_fault() {
    let records: Vec<_> = rows(include_str!("data/febrl1.csv"))
        .into_iter()
        .map(|row| {
            let street = format!("{} {} {}", row["street_number"], row["address_1"], row["address_2"]);
            let fields = vec![
                ("given_name", row["given_name"].to_owned()),
                ("family_name", row["surname"].to_owned()),
                ("birthday", row["date_of_birth"].to_owned()),
                ("province", row["state"].to_owned()),
                ("city", row["suburb"].to_owned()),
                ("postcode", row["postcode"].to_owned()),
                ("street", street),
                ("soc_sec_id", row["soc_sec_id"].to_owned()),
            ];
            (row["rec_id"].split('-').nth(1).expect("a number").to_owned(), fields)
        })
        .collect();
    let found = clustered(&["soc_sec_id"], &records);
    assert!(found.pairwise.f1 > 0.99, "{found:?}");
}

#[test]
fn fake_1000_is_clustered_beyond_what_its_best_threshold_gave_others() {
    let records: Vec<_> = rows(include_str!("data/fake_1000.csv"))
        .into_iter()
        .map(|row| {
            let fields = vec![
                ("given_name", row["first_name"].to_owned()),
                ("family_name", row["surname"].to_owned()),
                ("birthday", row["dob"].to_owned()),
                ("city", row["city"].to_owned()),
                ("email", row["email"].to_owned()),
            ];
            (row["cluster"].to_owned(), fields)
        })
        .collect();
    let found = clustered(&[], &records);
    assert!(found.pairwise.f1 > 0.95, "{found:?}");
    assert!(found.b_cubed.f1 > 0.95, "{found:?}");
}
