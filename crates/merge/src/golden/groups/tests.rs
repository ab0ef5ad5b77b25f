#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use tributary_engine::Options;
use tributary_engine::datafusion::object_store::memory::InMemory;
use tributary_lake::{Lake, Location, TableName, key_of};

use super::*;
use crate::batch::{batch, flags, numbers, texts};

/// So few that each of the two sorts spills many times.
const MEMORY: usize = 24 << 20;
const RECORDS: u32 = 100_000;

fn key(record: u32) -> String {
    key_of(&[7; 32], ["record", record.to_string().as_str()])
}

fn customer(record: u32) -> String {
    format!("c_{}", key_of(&[7; 32], ["customer", (record / 3).to_string().as_str()]))
}

fn register(session: &Session, layer: &str, name: &str, columns: Vec<(&str, DataType, ArrayRef)>) {
    let fields: Vec<Field> = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let rows = batch(&schema, columns.into_iter().map(|(_, _, column)| column).collect()).unwrap();
    // As from files: a slice would count as all that it is cut from.
    let part = |at: u32| {
        let rows_of = UInt32Array::from_iter_values(at..(at + 8192).min(rows.num_rows() as u32));
        take_record_batch(&rows, &rows_of).unwrap()
    };
    let batches = (0..rows.num_rows() as u32).step_by(8192).map(part);
    session.register_batches(&TableName::new(layer, name), schema, batches.collect()).unwrap();
}

async fn session() -> Session {
    let location = Location {
        text: "memory".into(),
        url: "memory:///lake/".parse().unwrap(),
        store: Arc::new(InMemory::new()),
        prefix: "lake".into(),
        local: false,
    };
    let lake = Lake::open_or_create(location, Some("test"), false).await.unwrap();
    Session::new(&lake, &Options { memory: MEMORY, partitions: Some(2), ..Options::default() }).unwrap()
}

/// Three records a customer, the last of them an order's phone.
fn fill(session: &Session) {
    let (text, flag) = (|| DataType::Utf8, || DataType::Boolean);
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let stub_key = |record: u32| {
        let phone = record.to_string();
        key_of(&session.lake().key("record key"), ["stub", "phone", "", phone.as_str()])
    };
    let all = || 0..RECORDS;
    let persons = || all().filter(|record| record % 3 != 2);
    let orders = || all().filter(|record| record % 3 == 2);
    let keys = all().map(|record| Some(if record % 3 == 2 { stub_key(record) } else { key(record) }));
    register(
        session,
        "identity",
        "member",
        vec![
            ("record_key", text(), texts(keys)),
            ("customer_id", text(), texts(all().map(|record| Some(customer(record))))),
            ("stub", flag(), flags(all().map(|record| record % 3 == 2))),
            ("shared", flag(), flags(all().map(|_| false))),
            // One in a hundred is gone from the customers, though it is in the tables.
            ("retired", flag(), flags(all().map(|record| record % 100 == 0))),
        ],
    );
    let mut columns = vec![
        ("record_key", text(), texts(persons().map(|record| Some(key(record))))),
        ("source", text(), texts(persons().map(|_| Some("club")))),
        ("source_ts", time(), numbers(persons().map(|record| Some(i64::from(record))))),
        ("joined_at", time(), numbers(persons().map(|_| None))),
        ("name_masked", flag(), flags(persons().map(|_| false))),
    ];
    let long = |record: u32| format!("{record} {}", "x".repeat(200));
    columns.extend(
        PARTY.map(|name| (name, text(), texts(persons().map(|record| (name == "name").then(|| long(record)))))),
    );
    register(session, "clean", "party", columns);
    let columns = |records: &dyn Fn() -> Vec<u32>, times: usize| {
        let records: Vec<u32> = records().into_iter().flat_map(|record| vec![record; times]).collect();
        let sources = records.iter().enumerate().map(|(at, _)| Some(if at % 2 == 0 { "till" } else { "shop" }));
        vec![
            ("record_key", text(), texts(records.iter().map(|record| Some(key(*record))))),
            ("source", text(), texts(sources.collect::<Vec<_>>())),
            ("type", text(), texts(records.iter().map(|_| Some("phone")))),
            ("scope", text(), texts(records.iter().map(|_| Some("")))),
            ("value", text(), texts(records.iter().map(|record| Some(record.to_string())))),
            ("masked", flag(), flags(records.iter().map(|_| false))),
        ]
    };
    register(session, "clean", "party_identifier", columns(&|| persons().collect(), 1));
    register(session, "clean", "event_identifier", columns(&|| orders().collect(), 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_come_whole_and_in_order_however_little_memory_there_is() {
    let session = session().await;
    fill(&session);
    let members = Arc::new(Members::read(&session).await.unwrap());
    let mut sources = Sources::default();
    let mut groups = Groups::open(&session, &members).await.unwrap();
    let live = |record: u32| !record.is_multiple_of(100);
    let mut expected: Vec<(String, u32)> = (0..RECORDS).step_by(3).map(|first| (customer(first), first)).collect();
    expected.retain(|(_, first)| (*first..RECORDS.min(first + 3)).any(live));
    expected.sort();
    for (id, first) in expected {
        let group = groups.next(&mut sources).await.unwrap().unwrap();
        assert_eq!(group.customer.text().as_ref(), id);
        let mut persons: Vec<_> = (first..RECORDS.min(first + 2)).filter(|record| live(*record)).collect();
        persons.sort_by_key(|record| key(*record));
        let found: Vec<_> = group.parties.iter().map(|party| party.at.unwrap()).collect();
        assert_eq!(found, persons.iter().map(|record| i64::from(*record)).collect::<Vec<_>>());
        // A person's identifier is as old as its record; an order's comes once, from the first of its sources.
        let stub = Some(first + 2).filter(|record| *record < RECORDS && live(*record));
        let mut known: Vec<_> = group.identifiers.iter().map(|known| (known.value.clone(), known.at)).collect();
        known.sort();
        let mut expected: Vec<_> =
            persons.iter().map(|record| (record.to_string(), Some(i64::from(*record)))).collect();
        expected.extend(stub.map(|record| (record.to_string(), None)));
        expected.sort();
        assert_eq!(known, expected);
        for known in group.identifiers.iter().filter(|known| known.at.is_none()) {
            assert_eq!(sources.name(known.source), "shop");
        }
    }
    assert!(groups.next(&mut sources).await.unwrap().is_none());
}
