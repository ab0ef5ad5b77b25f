//! First loads by export: when they are made, and what goes wrong with them.

use serde_json::json;
use tributary_connector::{Data, Event, Kind, State, Stream};
use tributary_sandbox::http::{Disturbance, Fault, Handle, Rule, Scenario};
use tributary_sandbox::zoho::{Credential, Crm, Options, serve};

use crate::lake::{Lake, assert_same, truth};
use crate::source::{Source, server};

const COUNT: &str = "/crm/v8/Contacts/actions/count";
const RESULT: &str = "/crm/bulk/v8/read/*/result";
const LOOK: &str = "/crm/bulk/v8/read/*";

fn always(server: &Handle<Crm>) -> Source {
    Source::with(server, json!({ "bulk": "always" }))
}

/// How many records came as CSV and as JSON before the first checkpoint.
fn load(events: &[Event]) -> (u64, u64) {
    let end = events.iter().position(|event| matches!(event, Event::Checkpoint(_))).unwrap();
    events[..end].iter().fold((0, 0), |(csv, json), event| match event {
        Event::Page(page) if matches!(page.data, Data::Csv(_)) => (csv + page.records, json),
        Event::Page(page) => (csv, json + page.records),
        _ => (csv, json),
    })
}

async fn contacts(source: &Source) -> (Stream, Vec<Event>) {
    let stream = source.stream("Contacts").await;
    let events = source.take(&stream, &State::default()).await.whole();
    (stream, events)
}

fn asked(server: &Handle<Crm>, path: &str) -> usize {
    server.requests().iter().filter(|entry| entry.path.starts_with(path)).count()
}

#[tokio::test]
async fn many_records_come_by_export_and_few_by_query() {
    let server = server();
    let there = server.with(|crm| crm.ids("Contacts")).len() as u64;
    for (from, exported) in [(there, false), (there - 1, true)] {
        let source = Source::with(&server, json!({ "bulk_from": from }));
        let (stream, events) = contacts(&source).await;
        assert_eq!(load(&events), if exported { (there, 0) } else { (0, there) });
        assert_same(&Lake::of(&stream, &events).current(), &truth(&server, &stream));
        assert_eq!(asked(&server, "/crm/bulk/") > 0, exported);
    }
}

#[tokio::test]
async fn what_an_export_left_out_is_found_by_its_id() {
    let server = server();
    let there = server.with(|crm| crm.ids("Contacts"));
    // These come into being when the file is made already, and before the records are counted again.
    server
        .misbehave(Scenario::default().with(Rule::once(RESULT, Fault::Disturb(Disturbance::MoveRows { changes: 60 }))));
    let (stream, events) = contacts(&always(&server)).await;
    let made = server.with(|crm| crm.ids("Contacts")).iter().filter(|id| !there.contains(id)).count();
    assert_eq!(load(&events), (there.len() as u64, made as u64));
    assert!(made > 0);
    assert_same(&Lake::of(&stream, &events).current(), &truth(&server, &stream));
}

#[tokio::test]
async fn a_count_that_differs_makes_all_ids_be_looked_at() {
    let wrong =
        Fault::Answer { status: 200, content_type: "application/json".into(), body: r#"{"count":9999}"#.into() };
    let server = server();
    server.misbehave(Scenario::default().with(Rule::once(COUNT, wrong).from(2)));
    let (stream, events) = contacts(&always(&server)).await;
    assert_same(&Lake::of(&stream, &events).current(), &truth(&server, &stream));
    let queries = asked(&server, "/crm/v8/coql");
    let (_, again) = contacts(&always(&server)).await;
    assert_eq!(load(&again), load(&events));
    assert_eq!(asked(&server, "/crm/v8/coql") - queries, queries - 1);
}

#[tokio::test]
async fn a_job_that_fails_is_made_again_and_then_given_up() {
    let server = server();
    let fails = |times| Scenario::default().with(Rule::once(LOOK, Fault::Disturb(Disturbance::FailJobs)).times(times));
    server.misbehave(fails(1));
    let (stream, events) = contacts(&always(&server)).await;
    assert_same(&Lake::of(&stream, &events).current(), &truth(&server, &stream));
    server.misbehave(fails(100));
    let error = always(&server).take(&stream, &State::default()).await.error.unwrap();
    assert_eq!(error.message, "3 exports of `Contacts` failed at the source");
    assert!(error.hint.unwrap().contains("bulk"));
    let (_, events) = contacts(&Source::with(&server, json!({ "bulk_from": 10 }))).await;
    assert_eq!(load(&events).0, 0);
    assert_same(&Lake::of(&stream, &events).current(), &truth(&server, &stream));
}

#[tokio::test]
async fn without_the_scope_for_exports_records_come_by_query() {
    let scope = "ZohoCRM.modules.ALL ZohoCRM.settings.ALL ZohoCRM.coql.READ ZohoCRM.org.READ".to_owned();
    let credentials = vec![Credential { scope, ..Credential::default() }];
    let server = serve(Options { people: 300, credentials, ..Options::default() }, Scenario::default(), 0).unwrap();
    let (stream, events) = contacts(&always(&server)).await;
    assert_eq!(load(&events).0, 0);
    assert_same(&Lake::of(&stream, &events).current(), &truth(&server, &stream));
}

#[tokio::test]
async fn a_file_that_is_broken_is_fetched_again() {
    let garbage = |body: &str| Fault::Answer { status: 200, content_type: "application/zip".into(), body: body.into() };
    for fault in [
        garbage("PK no zip"),
        Fault::Html { status: 200 },
        Fault::Reset { after: None },
        Fault::TruncatedGzip,
        Fault::ServerError { status: 502 },
        Fault::Throttle { retry_after: None },
    ] {
        let server = server();
        server.misbehave(Scenario::default().with(Rule::once(RESULT, fault)));
        let (stream, events) = contacts(&always(&server)).await;
        assert_same(&Lake::of(&stream, &events).current(), &truth(&server, &stream));
    }
}

#[tokio::test]
async fn a_load_that_breaks_off_begins_anew() {
    let server = server();
    let rule = Rule::once(RESULT, Fault::Html { status: 404 }).always();
    server.misbehave(Scenario::default().with(rule));
    let source = always(&server);
    let stream = source.stream("Contacts").await;
    let taken = source.take(&stream, &State::default()).await;
    assert_eq!(taken.error.unwrap().kind, Kind::NotFound);
    assert!(!taken.events.iter().any(|event| matches!(event, Event::Checkpoint(_))));
    server.misbehave(Scenario::default());
    let events = source.take(&stream, &State::default()).await.whole();
    assert_same(&Lake::of(&stream, &events).current(), &truth(&server, &stream));
}
