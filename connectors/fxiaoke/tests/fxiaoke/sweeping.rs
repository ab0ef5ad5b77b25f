//! What is gone, and what is not.

use serde_json::json;
use tributary_connector::{Kind, Op};
use tributary_sandbox::fxiaoke::{Alteration, Options, Step};
use tributary_sandbox::http::{Disturbance, Fault, Rule, Scenario};

use crate::harness::{CUSTOM, Fx, Lake, options, same};

const DAY: i64 = 86_400;

/// Lets the world go on until something of an object was deleted; these.
fn delete(fx: &Fx, object: &str) -> Vec<String> {
    let mut gone = Vec::new();
    for _ in 0..400 {
        let done = fx.server.with(|tenant| tenant.advance(&Step { seconds: 60, changes: 10, ..Step::default() }));
        gone.extend(done.deleted.into_iter().filter(|(of, _)| of == object).map(|(_, id)| id));
        if gone.len() >= 3 {
            break;
        }
    }
    assert!(!gone.is_empty());
    gone
}

#[tokio::test]
async fn what_is_deleted_is_found_once_a_day_and_what_is_void_stays_with_its_status() {
    let fx = Fx::new(options(600));
    let connector = fx.connector(json!({}));
    for object in ["ContactObj", "MemberObj", CUSTOM] {
        let stream = fx.stream(&*connector, object).await;
        let mut lake = Lake::default();
        lake.run(&*connector, &stream).await;
        let gone = delete(&fx, object);
        let known: Vec<_> = gone.into_iter().filter(|id| lake.rows.contains_key(id)).collect();
        lake.run(&*connector, &stream).await;
        assert!(lake.deleted().is_empty(), "not due yet");
        fx.pass(DAY);
        let run = lake.run(&*connector, &stream).await;
        assert!(run.discarded.is_empty() && run.error.is_none(), "{run:?}");
        let deleted = lake.deleted();
        assert!(known.iter().all(|id| deleted.contains(id)), "{object}");
        same(&lake, &fx.held(&stream));
        assert_eq!(lake.ids("invalid"), fx.server.with(|tenant| tenant.invalid_ids(object)));
        // Something deleted may come back as it was, so the newest are shown once more.
        lake.run(&*connector, &stream).await;
        assert_eq!(lake.run(&*connector, &stream).await.records, 0);
        same(&lake, &fx.held(&stream));
    }
}

#[tokio::test]
async fn what_is_deleted_is_found_at_once_where_deletions_that_were_told_have_been_taken_back() {
    let fx = Fx::new(options(300));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*connector, &stream).await;
    let gone = delete(&fx, "ContactObj");
    lake.compare = true;
    lake.run(&*connector, &stream).await;
    let deleted = lake.deleted();
    assert!(gone.iter().filter(|id| lake.rows.contains_key(*id)).all(|id| deleted.contains(id)));
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn where_void_records_are_hidden_they_are_gone() {
    let fx = Fx::new(Options { shows_invalid: false, ..options(600) });
    let connector = fx.connector(json!({"reconcile": "every_run"}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*connector, &stream).await;
    delete(&fx, "ContactObj");
    let run = lake.run(&*connector, &stream).await;
    assert!(run.deletes > 0);
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn what_is_deleted_while_a_first_read_rests_for_a_day_is_found_when_it_goes_on() {
    let fx = Fx::new(options(1_800));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run_to(&*connector, &stream, 3, |_| {}).await;
    let known: Vec<String> = lake.rows.keys().cloned().collect();
    fx.server.with(|tenant| {
        let gone = tenant.alter("ContactObj", &Alteration::Delete { records: 100 }).unwrap().ids;
        assert!(gone.iter().any(|id| known.contains(id)));
    });
    fx.pass(DAY);
    let run = lake.run(&*fx.connector(json!({"accept_deletes": true})), &stream).await;
    assert!(run.error.is_none() && run.discarded.is_empty() && run.deletes > 0, "{run:?}");
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn every_stop_of_a_sweep_is_safe() {
    let fx = Fx::new(options(1_800));
    let connector = fx.connector(json!({"reconcile": "every_run"}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut before = Lake::default();
    before.run(&*connector, &stream).await;
    delete(&fx, "ContactObj");
    let mut whole = before.clone();
    let stops = whole.run(&*connector, &stream).await.checkpoints;
    same(&whole, &fx.held(&stream));
    for stop in 0..=stops {
        let mut lake = before.clone();
        lake.run_to(&*connector, &stream, stop, |_| {}).await;
        let run = lake.run(&*connector, &stream).await;
        assert!(run.error.is_none() && run.discarded.is_empty());
        same(&lake, &fx.held(&stream));
        assert_eq!(lake.deleted(), whole.deleted(), "after {stop} of {stops}");
    }
}

#[tokio::test]
async fn a_lost_permission_is_not_taken_for_a_thousand_deletions() {
    let fx = Fx::new(Options { own_only: vec!["1001".into()], ..options(900) });
    let all = fx.connector(json!({"reconcile": "every_run"}));
    let less = fx.connector(json!({"reconcile": "every_run", "user": "1001"}));
    let stream = fx.stream(&*all, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*all, &stream).await;
    let before = lake.rows.clone();
    for _ in 0..2 {
        let run = lake.run(&*less, &stream).await;
        assert!(run.error.is_none());
        assert_eq!(run.discarded.iter().map(|error| error.kind).collect::<Vec<_>>(), [Kind::Refused]);
        assert!(run.discarded[0].hint.as_ref().unwrap().contains("`accept_deletes = true`"));
        assert_eq!(lake.rows, before);
    }
    // As it was, all is as before, also after a day's rest.
    let run = lake.run(&*all, &stream).await;
    assert!(run.discarded.is_empty() && lake.rows == before);
    let accepted = fx.connector(json!({"reconcile": "every_run", "user": "1001", "accept_deletes": true}));
    let run = lake.run(&*accepted, &stream).await;
    assert!(run.deletes > 100 && run.discarded.is_empty(), "{run:?}");
    // And what comes back without a change counts again.
    lake.run(&*all, &stream).await;
    assert_eq!(lake.in_force().len(), before.len());
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn a_refusal_is_told_in_every_run_but_looked_into_once_a_day() {
    let fx = Fx::new(Options { own_only: vec!["1001".into()], ..options(900) });
    let stream = fx.stream(&*fx.connector(json!({})), "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*fx.connector(json!({})), &stream).await;
    fx.pass(DAY);
    let less = fx.connector(json!({"user": "1001"}));
    lake.run(&*less, &stream).await;
    let asked = fx.queries();
    let run = lake.run(&*less, &stream).await;
    assert_eq!((run.discarded.len(), run.records), (1, 0));
    // What a run costs that finds nothing new, and no walk over all ids.
    assert!(fx.queries() - asked <= 4);
    let run = lake.run(&*fx.connector(json!({"user": "1001", "accept_deletes": true})), &stream).await;
    assert!(run.deletes > 100 && run.discarded.is_empty());
    let run = lake.run(&*less, &stream).await;
    assert!(run.discarded.is_empty());
}

#[tokio::test]
async fn what_comes_without_a_change_of_its_time_is_found() {
    let fx = Fx::new(Options { own_only: vec!["1001".into()], ..options(900) });
    let less = fx.connector(json!({"user": "1001"}));
    let stream = fx.stream(&*less, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*less, &stream).await;
    let seen = lake.rows.len();
    fx.pass(DAY);
    let run = lake.run(&*fx.connector(json!({})), &stream).await;
    assert!(run.records as usize + seen >= fx.held(&stream).len());
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn a_sweep_switched_off_keeps_nothing_and_switched_on_reads_anew() {
    let fx = Fx::new(options(600));
    let stream = fx.stream(&*fx.connector(json!({})), "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*fx.connector(json!({})), &stream).await;
    assert!(lake.state.0.keys().any(|partition| partition.starts_with("ids/")));
    lake.run(&*fx.connector(json!({"reconcile": "never"})), &stream).await;
    assert_eq!(lake.state.0.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["records"]);
    let run = lake.run(&*fx.connector(json!({})), &stream).await;
    assert_eq!(run.records as usize, lake.rows.len());
    delete(&fx, "ContactObj");
    fx.pass(DAY);
    lake.run(&*fx.connector(json!({})), &stream).await;
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn a_sweep_that_fails_costs_nothing_that_was_read_and_goes_on_where_it_was() {
    let fx = Fx::new(options(1_800));
    let connector = fx.connector(json!({"reconcile": "every_run"}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    lake.run(&*connector, &stream).await;
    delete(&fx, "ContactObj");
    let body = r#"{"errorCode":30002,"errorMessage":"day"}"#;
    let day = Fault::Answer { status: 200, content_type: "application/json".into(), body: body.into() };
    // The window's own queries come first.
    fx.server.misbehave(Scenario::default().with(Rule::once("*/data/query", day).from(7).always()));
    let run = lake.run(&*connector, &stream).await;
    assert!(run.error.is_none() && run.records > 0, "{run:?}");
    assert_eq!(run.discarded.iter().map(|error| error.kind).collect::<Vec<_>>(), [Kind::Quota]);
    fx.server.misbehave(Scenario::default());
    fx.pass(DAY);
    lake.run(&*connector, &stream).await;
    same(&lake, &fx.held(&stream));
    assert!(lake.rows.values().any(|row| row.op == Op::Delete));
}

#[tokio::test]
async fn whatever_happens_in_whatever_order_the_end_is_the_same() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    for seed in 1..=seeds {
        let fx = Fx::new(Options { seed, shows_invalid: seed % 3 > 0, tied: 120, ..options(450) });
        let connector = fx.connector(json!({"reconcile": if seed % 2 > 0 { "every_run" } else { "2h" }}));
        let stream = fx.stream(&*connector, ["ContactObj", "MemberObj", "LeadsObj"][seed as usize % 3]).await;
        let mut lake = Lake::default();
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut draw = |below: u64| {
            random = random.rotate_left(23).wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(1);
            (random >> 33) % below
        };
        for _ in 0..10 {
            let moving = Fault::Disturb(Disturbance::MoveRows { changes: draw(20) as usize });
            let broken = [
                Fault::Reset { after: None },
                Fault::Html { status: 200 },
                Fault::RepeatPage,
                Fault::Disturb(Disturbance::ExpireTokens),
                Fault::Throttle { retry_after: None },
            ];
            let broken = broken[draw(5) as usize].clone();
            let scenario =
                Scenario::default().with(Rule::once("*/data/query", moving).from(1 + draw(4)).times(draw(6)));
            fx.server.misbehave(scenario.with(Rule::once("*/data/query", broken).from(1 + draw(9))));
            lake.run_to(&*connector, &stream, draw(9) as usize, |_| {}).await;
            let step = Step {
                seconds: 1 + draw(2_000) as i64,
                changes: draw(60) as usize,
                tied: draw(2) as usize * 30,
                ..Step::default()
            };
            fx.server.with(|tenant| tenant.advance(&step));
            fx.pass(draw(4_000) as i64);
        }
        fx.server.misbehave(Scenario::default());
        for _ in 0..2 {
            fx.pass(2 * 3_600);
            let run = lake.run(&*connector, &stream).await;
            assert!(run.error.is_none() && run.discarded.is_empty(), "{seed}: {run:?}");
        }
        same(&lake, &fx.held(&stream));
    }
}
