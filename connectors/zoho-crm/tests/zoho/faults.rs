//! What goes wrong on the way: it costs time or a run, and never a record.

use serde_json::{Value, json};
use tributary_connector::State;
use tributary_sandbox::http::{Disturbance, Fault, RetryAfter, Rule, Scenario};
use tributary_sandbox::zoho::{Options, Step, serve};

use crate::lake::{Lake, assert_same, truth};
use crate::source::{Source, state_after, without_coql};

const QUERIES: &str = "/crm/v8/coql";
const LISTS: &str = "/crm/v8/Contacts";
const DELETED: &str = "/crm/v8/Contacts/deleted";

/// Reads Contacts while `rule` holds, in as many runs as are allowed, and compares.
async fn survives(options: Options, rule: Rule, runs: usize, config: Value) {
    let (told, server) = (format!("{rule:?}"), serve(options, Scenario::default(), 0).unwrap());
    let source = Source::small(&server, config, 30);
    let stream = source.stream("Contacts").await;
    let (mut lake, mut state, mut errors) = (Lake::default(), State::default(), Vec::new());
    let mut whole = 0;
    for step in 0..2 {
        if step == 1 {
            server.with(|crm| crm.advance(&Step { seconds: 3_600, changes: 200, ..Step::default() }));
        }
        server.misbehave(Scenario::default().with(rule.clone()));
        for run in 0..=runs {
            let taken = source.take(&stream, &state).await;
            lake.commit(&stream, &taken.events);
            let after = state_after(&taken.events);
            if !after.0.is_empty() {
                state = after;
            }
            match taken.error {
                None => {
                    whole += 1;
                    break;
                }
                Some(error) => errors.push(error),
            }
            assert!(run < runs, "{told}: {errors:?}");
        }
    }
    server.misbehave(Scenario::default());
    assert_eq!(whole, 2, "{told}");
    let (current, truth) = (lake.current(), truth(&server, &stream));
    if lake.rejected == 0 {
        assert_same(&current, &truth);
    } else {
        assert!(truth.keys().filter(|id| !current.contains_key(*id)).count() <= lake.rejected, "{told}");
    }
    for error in errors {
        let text = format!("{error} {:?} {:?}", error.hint, error.source);
        assert!(!text.contains("1000.") && !text.contains("@"), "{text}");
    }
}

fn people(count: usize) -> Options {
    Options { people: count, ..Options::default() }
}

#[tokio::test]
async fn passing_faults_cost_no_run() {
    let query = || json!({ "bulk": "never" });
    for fault in [
        Fault::Disturb(Disturbance::ExpireTokens),
        Fault::Throttle { retry_after: None },
        Fault::Throttle { retry_after: Some(RetryAfter::Seconds(2)) },
        Fault::ServerError { status: 503 },
        Fault::Html { status: 400 },
        Fault::Reset { after: None },
        Fault::Reset { after: Some(0) },
        Fault::TruncatedGzip,
        Fault::DeclaredLength { plus: 50 },
        Fault::DuplicateKey { key: "id".into(), value: "\"1\"".into() },
    ] {
        // `DuplicateKey` makes a record that the vendor never had, and the second of its keys counts.
        survives(people(100), Rule::once(QUERIES, fault.clone()).from(1).times(2), 1, query()).await;
        survives(people(100), Rule::once(DELETED, fault.clone()).times(2), 1, query()).await;
        survives(Options { people: 100, ..without_coql() }, Rule::once(LISTS, fault).from(2).times(2), 1, json!({}))
            .await;
    }
}

#[tokio::test]
async fn other_faults_cost_a_run_and_no_record() {
    for fault in [
        Fault::Html { status: 200 },
        Fault::GzipBomb { mebibytes: 4 },
        Fault::RepeatPage,
        Fault::Answer { status: 200, content_type: "application/json".into(), body: r#"{"data":[]}"#.into() },
        Fault::Answer { status: 200, content_type: "application/json".into(), body: "{}".into() },
        Fault::Answer { status: 200, content_type: "application/json".into(), body: r#"{"data":{},"info":{}}"#.into() },
        Fault::Splice { after: "\"Last_Name\":\"".into(), hex: "ff fe".into() },
    ] {
        let rule = |path: &str| Rule::once(path, fault.clone()).from(2);
        survives(people(100), rule(QUERIES), 3, json!({ "bulk": "never" })).await;
        survives(Options { people: 100, ..without_coql() }, rule(LISTS), 3, json!({})).await;
        if !matches!(fault, Fault::Splice { .. }) {
            survives(people(100), Rule::once(DELETED, fault.clone()), 3, json!({ "bulk": "never" })).await;
        }
    }
}

#[tokio::test]
async fn a_token_is_got_once_and_shared() {
    let server = serve(people(300), Scenario::default(), 0).unwrap();
    let source = Source::new(&server);
    for stream in source.streams().await.values() {
        source.take(stream, &State::default()).await.whole();
    }
    let tokens = server.requests().iter().filter(|entry| entry.path == "/oauth/v2/token").count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn a_field_that_goes_or_changes_its_type_does_not_stop_the_reading() {
    let server = serve(people(300), Scenario::default(), 0).unwrap();
    let source = Source::new(&server);
    let stream = source.stream("Contacts").await;
    let (module, field) = ("Contacts".to_owned(), "Visits".to_owned());
    let gone = Disturbance::DropField { module: module.clone(), field };
    server.misbehave(Scenario::default().with(Rule::once(QUERIES, Fault::Disturb(gone))));
    let lake = Lake::of(&stream, &source.take(&stream, &State::default()).await.whole());
    assert_same(&lake.current(), &truth(&server, &stream));
    assert!(lake.current().values().all(|row| row["Visits"].is_empty()));

    let odd = Disturbance::UnknownEnum { module, field: "Gender".to_owned(), value: "Undisclosed".to_owned() };
    server.misbehave(Scenario::default().with(Rule::once(QUERIES, Fault::Disturb(odd))));
    let lake = Lake::of(&stream, &source.take(&stream, &State::default()).await.whole());
    assert!(lake.current().values().any(|row| row["Gender"] == "Undisclosed"));
}
