//! Modules with more fields than one request shows: a record is put together of one version only.

use serde_json::json;
use tributary_connector::State;
use tributary_sandbox::http::{Disturbance, Fault, Handle, Rule, Scenario};
use tributary_sandbox::zoho::{Crm, Options, serve};

use crate::lake::{Lake, assert_same, truth};
use crate::source::{Source, state_after, without_coql};

/// A source whose contacts have so many fields more.
async fn widened(server: &Handle<Crm>, fields: usize) -> Source {
    let add = |n| Disturbance::AddField { module: "Contacts".to_owned(), field: format!("Extra_{n}") };
    let scenario = (0..fields)
        .fold(Scenario::default(), |scenario, n| scenario.with(Rule::once("/crm/v8/org", Fault::Disturb(add(n)))));
    server.misbehave(scenario);
    let source = Source::new(server);
    source.connector.check().await.unwrap();
    source
}

async fn reads_all(options: Options, fields: usize, path: &str, disturb: bool) {
    let server = serve(options, Scenario::default(), 0).unwrap();
    let source = widened(&server, fields).await;
    let stream = source.stream("Contacts").await;
    assert!(stream.schema.fields().len() > fields);
    if disturb {
        let moves = Fault::Disturb(Disturbance::MoveRows { changes: 30 });
        server.misbehave(Scenario::default().with(Rule::once(path, moves).from(2).times(6)));
    }
    let events = source.take(&stream, &State::default()).await.whole();
    let mut lake = Lake::of(&stream, &events);
    server.misbehave(Scenario::default());
    let single = |path: &str| path.strip_prefix("/crm/v8/Contacts/").is_some_and(|id| id.parse::<u64>().is_ok());
    let singles = server.requests().iter().filter(|entry| single(&entry.path)).count();
    if disturb {
        assert!(singles > 0, "no record was torn");
        let rest = source.take(&stream, &state_after(&events)).await.whole();
        lake.commit(&stream, &rest);
    }
    assert_same(&lake.current(), &truth(&server, &stream));
}

#[tokio::test]
async fn more_than_fifty_fields_come_by_list() {
    reads_all(Options { people: 150, ..without_coql() }, 120, "/crm/v8/Contacts", false).await;
    reads_all(Options { people: 300, ..without_coql() }, 120, "/crm/v8/Contacts", true).await;
}

#[tokio::test]
async fn more_than_five_hundred_fields_come_by_query() {
    reads_all(Options { people: 60, ..Options::default() }, 600, "/crm/v8/coql", false).await;
    reads_all(Options { people: 120, ..Options::default() }, 600, "/crm/v8/coql", true).await;
}

#[tokio::test]
async fn more_fields_than_an_export_shows_come_by_query() {
    let server = serve(Options { people: 60, ..Options::default() }, Scenario::default(), 0).unwrap();
    drop(widened(&server, 250).await);
    let source = Source::with(&server, json!({ "bulk": "always" }));
    let stream = source.stream("Contacts").await;
    let lake = Lake::of(&stream, &source.take(&stream, &State::default()).await.whole());
    assert_same(&lake.current(), &truth(&server, &stream));
    assert!(!server.requests().iter().any(|entry| entry.path.starts_with("/crm/bulk/")));
}
