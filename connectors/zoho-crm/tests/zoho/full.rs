//! All records of all modules, whichever way they come.

use arrow::datatypes::{DataType, TimeUnit};
use serde_json::json;
use tributary_connector::{Cursor, Deletes, Event, MEMBER, State};
use tributary_sandbox::http::Scenario;
use tributary_sandbox::zoho::{Limits, Options, serve};

use crate::lake::{Lake, assert_same, truth};
use crate::source::{Source, server, state_after, without_coql};

const MODULES: [&str; 8] =
    ["Leads", "Accounts", "Contacts", "Deals", "Cases", "Loyalty_Cards", "Family_Members", "Contacts_X_Accounts"];

#[tokio::test]
async fn streams_are_typed_by_what_the_organisation_says() {
    let server = server();
    let streams = Source::new(&server).streams().await;
    let names: Vec<_> = streams.keys().map(String::as_str).collect();
    let mut expected = [&MODULES[..], &["Users"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    let contacts = &streams["Contacts"];
    assert_eq!((&contacts.cursor, &contacts.deletes), (&Cursor::Column("Modified_Time".to_owned()), &Deletes::Feed));
    let of = |name: &str| contacts.schema.field_with_name(name).unwrap().clone();
    assert_eq!(of("id").data_type(), &DataType::Utf8);
    assert_eq!(of("Points").data_type(), &DataType::Int64);
    assert_eq!(of("Annual_Spend").data_type(), &DataType::Decimal128(19, 4));
    assert_eq!(of("Modified_Time").data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert!(matches!(of("Interests").data_type(), DataType::List(_)));
    assert_eq!(of("Account_Name").metadata()[MEMBER], "id");
    assert!(contacts.schema.field_with_name("Family_Members").is_err());
    assert_eq!(streams["Family_Members"].deletes, Deletes::Scope);
}

#[tokio::test]
async fn a_stream_that_nobody_wants_is_named_and_not_described() {
    let server = server();
    let config = json!({ "accounts_url": server.url(), "api_url": server.url() });
    let source = Source::configured(config, Some(vec!["Deals".to_owned()])).unwrap();
    let streams = source.streams().await;
    assert!(streams.len() == 9 && streams.values().all(|s| s.schema.fields().is_empty() == (s.name != "Deals")));
    let described = server.requests().iter().filter(|entry| entry.path == "/crm/v8/settings/fields").count();
    assert_eq!(described, 1);
}

/// Reads all modules and compares them with single reads; then reads again, which has next to nothing to tell.
async fn read_all(options: Options, config: serde_json::Value) {
    let server = serve(options, Scenario::default(), 0).unwrap();
    let source = Source::with(&server, config);
    let streams = source.streams().await;
    for name in MODULES {
        let stream = &streams[name];
        let events = source.take(stream, &State::default()).await.whole();
        let lake = Lake::of(stream, &events);
        assert_same(&lake.current(), &truth(&server, stream));
        assert!(lake.misfits.is_empty() && lake.rejected == 0, "{name}: {:?}", lake.misfits);
        assert_eq!(lake.written(), lake.current().len(), "{name}: records came twice");

        let again = source.take(stream, &state_after(&events)).await.whole();
        let few = Lake::of(stream, &again).written();
        assert!(few * 20 <= lake.written() + 100, "{name}: {few} of {} again", lake.written());
    }
}

#[tokio::test]
async fn all_records_come_by_query() {
    read_all(Options { people: 400, ..Options::default() }, json!({ "bulk": "never" })).await;
}

#[tokio::test]
async fn all_records_come_by_list_where_queries_are_closed() {
    read_all(without_coql(), json!({ "bulk": "never" })).await;
}

#[tokio::test]
async fn all_records_come_by_export_and_are_the_same() {
    let limits = Limits { bulk_rows: 70, ..Limits::default() };
    read_all(Options { people: 200, limits, ..Options::default() }, json!({ "bulk": "always" })).await;
}

#[tokio::test]
async fn more_records_than_a_query_shows_come_in_order() {
    let server = serve(Options { people: 6_000, ..Options::default() }, Scenario::default(), 0).unwrap();
    let source = Source::new(&server);
    let stream = source.stream("Contacts").await;
    let events = source.take(&stream, &State::default()).await.whole();
    let expected = server.with(|crm| crm.ids("Contacts"));
    assert!(expected.len() > 2_000);
    let lake = Lake::of(&stream, &events);
    assert_eq!(lake.ids(), expected.into_iter().collect());
    assert!(events.iter().filter(|event| matches!(event, Event::Page(_))).count() >= 2);
}

#[tokio::test]
async fn users_come_whole_and_only_when_they_changed() {
    let server = server();
    let source = Source::new(&server);
    let stream = source.stream("Users").await;
    let events = source.take(&stream, &State::default()).await.whole();
    let lake = Lake::default();
    assert_eq!(lake.written(), 0);
    let pages: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Page(page) => Some(page.records),
            _ => None,
        })
        .collect();
    assert_eq!(pages, [5]);
    let again = source.take(&stream, &state_after(&events)).await.whole();
    assert!(matches!(again.as_slice(), [Event::Unchanged { .. }]));
}

#[tokio::test]
async fn leads_that_became_contacts_are_there_or_gone_as_configured() {
    let server = server();
    let all = server.with(|crm| crm.ids("Leads")).len();
    for (include, config) in [(true, json!({ "bulk": "never" })), (false, json!({ "include_converted": false }))] {
        let source = Source::with(&server, config);
        let stream = source.stream("Leads").await;
        let lake = Lake::of(&stream, &source.take(&stream, &State::default()).await.whole());
        assert_eq!(lake.ids().len() == all, include);
        assert!(lake.ids().len() > all / 2);
    }
}
