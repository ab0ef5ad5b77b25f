//! Reading what is new and changed.

use std::collections::BTreeSet;

use serde_json::json;
use tributary_connector::http::Clock;
use tributary_sandbox::fxiaoke::Step;
use tributary_sandbox::http::{Disturbance, Fault, Rule, Scenario};

use crate::harness::{CUSTOM, Fx, Lake, OBJECTS, options, same};

#[tokio::test]
async fn a_first_read_brings_all_records_of_all_objects_value_for_value() {
    let fx = Fx::new(options(700));
    let connector = fx.connector(json!({}));
    for stream in connector.discover().await.unwrap() {
        let mut lake = Lake::default();
        let run = lake.run(&*connector, &stream).await;
        assert!(run.error.is_none() && run.discarded.is_empty(), "{run:?}");
        let held = fx.held(&stream);
        same(&lake, &held);
        assert_eq!(run.records as usize, held.len(), "{}: each once", stream.name);
        let again = lake.run(&*connector, &stream).await;
        assert_eq!((again.records, again.checkpoints, again.unchanged > 0), (0, 0, true), "{}", stream.name);
    }
}

#[tokio::test]
async fn values_arrive_with_their_types_and_unknown_ones_are_kept() {
    let fx = Fx::new(options(300));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*connector, &stream).await;
    let (id, row) = lake.rows.iter().find(|(_, row)| row.columns.contains_key("date_of_birth")).unwrap();
    let held = fx.server.with(|tenant| tenant.snapshot("ContactObj"));
    let record = held.iter().find(|record| record["_id"] == **id).unwrap();
    let born = chrono::DateTime::from_timestamp_millis(record["date_of_birth"].as_i64().unwrap()).unwrap();
    let born = born.with_timezone(&chrono_tz::Asia::Shanghai).date_naive().to_string();
    assert_eq!(row.columns["date_of_birth"], born);
    assert!(row.columns["owner"].starts_with("[100"), "{}", row.columns["owner"]);
    assert!(row.columns["owner__r"].contains("name: "));
    assert!(row.columns["last_modified_time"].ends_with('Z'));
    let extra = row.extra.as_ref().unwrap();
    assert!(extra.get("created_by__r").is_some() && extra.get("object_describe_api_name").is_some(), "{extra}");
}

#[tokio::test]
async fn every_stop_is_safe() {
    for object in ["ContactObj", CUSTOM] {
        let fx = Fx::new(options(900));
        let connector = fx.connector(json!({}));
        let stream = fx.stream(&*connector, object).await;
        let mut whole = Lake::default();
        let stops = whole.run(&*connector, &stream).await.checkpoints;
        assert!(stops >= 3, "{stops}");
        for stop in 0..=stops {
            let mut lake = Lake::default();
            lake.run_to(&*connector, &stream, stop, |_| {}).await;
            let run = lake.run(&*connector, &stream).await;
            assert!(run.error.is_none());
            assert_eq!(lake.seen, whole.seen, "{object} after {stop}");
            assert_eq!(lake.state, whole.state, "{object} after {stop}");
        }
    }
}

#[tokio::test]
async fn every_stop_is_safe_while_the_world_goes_on() {
    let fx = Fx::new(options(500));
    let connector = fx.connector(json!({"reconcile": "every_run"}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    for round in 0..12 {
        lake.run_to(&*connector, &stream, round % 5, |_| {}).await;
        fx.server.with(|tenant| tenant.advance(&Step { seconds: 600, changes: 30, ..Step::default() }));
    }
    let run = lake.run(&*connector, &stream).await;
    assert!(run.error.is_none() && run.discarded.is_empty(), "{run:?}");
    lake.run(&*connector, &stream).await;
    same(&lake, &fx.held(&stream));
    assert_eq!(lake.ids("invalid"), fx.server.with(|tenant| tenant.invalid_ids("ContactObj")));
}

#[tokio::test]
async fn what_changes_comes_and_nothing_else() {
    let fx = Fx::new(options(400));
    let connector = fx.connector(json!({}));
    let streams = connector.discover().await.unwrap();
    let mut lakes = vec![Lake::default(); streams.len()];
    for (lake, stream) in lakes.iter_mut().zip(&streams) {
        lake.run(&*connector, stream).await;
    }
    for round in 0..4 {
        let step = Step { seconds: 3_600, changes: 60, ..Step::default() };
        let done = fx.server.with(|tenant| tenant.advance(&step));
        fx.pass(600);
        for (lake, stream) in lakes.iter_mut().zip(&streams) {
            let run = lake.run(&*connector, stream).await;
            assert!(run.error.is_none());
            let touched: BTreeSet<&String> = [&done.created, &done.updated, &done.invalidated, &done.converted]
                .into_iter()
                .flatten()
                .filter(|(object, _)| *object == stream.name)
                .map(|(_, id)| id)
                .collect();
            if stream.name == "CasesObj" || stream.name == "LeadsObj" {
                assert!(run.records as usize <= touched.len(), "{} in round {round}: {}", stream.name, run.records);
            }
        }
    }
    for (lake, stream) in lakes.iter().zip(&streams) {
        let held = fx.held(stream);
        let missing: Vec<_> = held.keys().filter(|id| !lake.rows.contains_key(*id)).collect();
        assert_eq!(missing, Vec::<&String>::new(), "{}", stream.name);
        for (id, row) in held {
            assert_eq!(lake.rows[&id].version, row.version, "{}", stream.name);
        }
    }
}

#[tokio::test]
async fn three_hundred_changes_of_one_millisecond_are_not_split() {
    let fx = Fx::new({
        let mut options = options(1_500);
        options.tied = 350;
        options
    });
    let connector = fx.connector(json!({"lookback": "0s"}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*connector, &stream).await;
    same(&lake, &fx.held(&stream));
    for _ in 0..2 {
        fx.server.with(|tenant| tenant.advance(&Step { seconds: 60, tied: 300, ..Step::default() }));
        let run = lake.run(&*connector, &stream).await;
        assert_eq!(run.records, 300);
        same(&lake, &fx.held(&stream));
        // Another of the same millisecond, seen only now.
        fx.server.with(|tenant| tenant.advance(&Step { tied: 40, ..Step::default() }));
        assert!(lake.run(&*connector, &stream).await.records <= 40);
        same(&lake, &fx.held(&stream));
    }
}

#[tokio::test]
async fn changes_that_are_seen_late_are_within_the_lookback() {
    let fx = Fx::new(options(400));
    let connector = fx.connector(json!({"reconcile": "never"}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    fx.server.with(|tenant| tenant.advance(&Step { seconds: 600, changes: 10, tied: 5, ..Step::default() }));
    lake.run(&*connector, &stream).await;
    fx.server.with(|tenant| tenant.advance(&Step { changes: 40, late_seconds: 90, ..Step::default() }));
    lake.run(&*connector, &stream).await;
    for (id, row) in fx.held(&stream) {
        assert_eq!(lake.rows[&id].version, row.version);
    }
}

#[tokio::test]
async fn rows_that_move_between_pages_are_neither_lost_nor_old() {
    let fx = Fx::new(options(900));
    let moving = Rule::once("*/data/query", Fault::Disturb(Disturbance::MoveRows { changes: 15 })).times(40);
    let connector = fx.connector(json!({"reconcile": "every_run"}));
    for object in ["ContactObj", "LeadsObj", "MemberObj"] {
        let stream = fx.stream(&*connector, object).await;
        let mut lake = Lake::default();
        fx.server.misbehave(Scenario::default().with(moving.clone()));
        for _ in 0..3 {
            // All happens in one moment unless the clock goes on.
            fx.pass(60);
            let run = lake.run(&*connector, &stream).await;
            assert!(run.error.is_none() && run.discarded.is_empty(), "{run:?}");
        }
        fx.server.misbehave(Scenario::default());
        lake.run(&*connector, &stream).await;
        lake.run(&*connector, &stream).await;
        same(&lake, &fx.held(&stream));
    }
}

#[tokio::test]
async fn both_generations_bring_the_same_rows() {
    let fx = Fx::new(options(300));
    let new = fx.connector(json!({}));
    let old = fx.connector(json!({"auth": "legacy", "user": null, "mobile": "13800138000"}));
    for object in OBJECTS {
        let (mut by_new, mut by_old) = (Lake::default(), Lake::default());
        let stream = fx.stream(&*new, object).await;
        by_new.run(&*new, &stream).await;
        let stream = fx.stream(&*old, object).await;
        by_old.run(&*old, &stream).await;
        assert_eq!(by_new.rows, by_old.rows, "{object}");
        assert!(!by_new.rows.is_empty(), "{object}");
    }
}

#[tokio::test]
async fn no_more_is_asked_than_documented() {
    let fx = Fx::new(options(2_000));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*connector, &stream).await;
    let pages = fx.held(&stream).len().div_ceil(100);
    assert!(pages >= 7, "{pages}");
    // Newest, pages, the empty one, newest again.
    assert_eq!(fx.queries(), pages + 3);
    lake.run(&*connector, &stream).await;
    assert_eq!(fx.queries(), pages + 3 + 4);
    let asked: BTreeSet<_> = fx.server.requests().into_iter().filter_map(|entry| entry.page).collect();
    assert!(asked.iter().all(|page| page.ends_with("offset 0")), "{asked:?}");
}

#[tokio::test]
async fn a_field_that_was_made_since_goes_to_extra() {
    let fx = Fx::new(options(100));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "LeadsObj").await;
    let field = Disturbance::AddField { module: "LeadsObj".into(), field: "shoe__c".into() };
    fx.server.misbehave(Scenario::default().with(Rule::once("*/describe", Fault::Disturb(field))));
    let mut lake = Lake::default();
    lake.run(&*connector, &stream).await;
    assert!(lake.rows.values().all(|row| row.extra.as_ref().unwrap()["shoe__c"].is_string()));
}

#[tokio::test]
async fn a_record_of_bad_bytes_is_one_rejected_record_and_costs_no_other() {
    let fx = Fx::new(options(300));
    let connector = fx.connector(json!({"reconcile": "every_run"}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let bad = Fault::Splice { after: "\"life_status__r\":\"".into(), hex: "ff00".into() };
    fx.server.misbehave(Scenario::default().with(Rule::once("*/data/query", bad).from(2)));
    let mut lake = Lake::default();
    let run = lake.run(&*connector, &stream).await;
    assert_eq!((run.error.is_none(), run.rejected), (true, 1), "{run:?}");
    assert_eq!(lake.rows.len() + 1, fx.held(&stream).len());
    // Where its id is as bad, the walk over all ids fetches it.
    let bad = Fault::Splice { after: "\"_id\":\"".into(), hex: "ff00".into() };
    fx.server.misbehave(Scenario::default().with(Rule::once("*/data/query", bad).from(2)));
    let mut lake = Lake::default();
    assert_eq!(lake.run(&*connector, &stream).await.rejected, 1);
    assert_eq!(lake.run(&*connector, &stream).await.records, 1);
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn a_first_read_of_an_object_without_records_is_no_end_of_it() {
    let fx = Fx::new(options(0));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    for _ in 0..2 {
        let run = lake.run(&*connector, &stream).await;
        assert!(run.error.is_none() && lake.rows.is_empty());
    }
    assert!(fx.clock.now().timestamp() > 0);
}
