#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]
use std::collections::BTreeMap;

use tributary_lake::key_of;

use super::*;

fn key(number: u32) -> String {
    key_of(&[7; 32], ["record", number.to_string().as_str()])
}

fn id(number: u32) -> String {
    format!("c_{}", key_of(&[7; 32], ["customer", number.to_string().as_str()]))
}

fn members(of: impl Iterator<Item = (String, String, bool, bool)>) -> Result<Members> {
    let found = of.map(|(record, customer, stub, shared)| Found::new(&record, &customer, stub, shared));
    Members::new(found.collect::<Result<_>>()?)
}

#[test]
fn rows_by_place_are_rows_by_customer_and_record() {
    for records in [0, 1, 2, 3, 1000] {
        // In an order that is neither of the two; each third record is one of a stream without a key.
        let record = |at: u32| if at.is_multiple_of(3) { format!("{}-{:010}", key(0), at) } else { key(at) };
        let all = (0..records).map(|at| (record(at), id(at * at % 400), at % 5 == 0, at % 10 == 0));
        let members = members(all.clone()).unwrap();
        let expected: BTreeMap<_, _> =
            all.map(|(record, customer, stub, shared)| ((customer, record), (stub, shared))).collect();
        let mut found = BTreeMap::new();
        for ((customer, record), marks) in &expected {
            let place = members.place(RecordKey::new(record).unwrap()).unwrap();
            assert_eq!(members.id(place.customer()).unwrap().text().as_ref(), customer);
            assert_eq!(members.record(place).unwrap().text().as_ref(), record);
            assert_eq!((place.is_stub(), members.is_shared(place)), *marks);
            found.insert(place, (customer.clone(), record.clone()));
        }
        assert_eq!(found.into_values().collect::<Vec<_>>(), expected.into_keys().collect::<Vec<_>>());
        assert_eq!(members.place(RecordKey::new(&key(records + 1)).unwrap()), None);
        let customers = u32::try_from(members.ids.len()).unwrap();
        assert_eq!(members.id(customers), None);
    }
}

#[test]
fn a_record_of_two_customers_is_refused() {
    let of = |record, customer| (key(record), id(customer), false, false);
    assert!(members([of(1, 1), of(2, 1), of(1, 2)].into_iter()).is_err());
}
