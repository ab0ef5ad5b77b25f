//! A vendor that misbehaves.

use std::time::Duration;

use serde_json::json;
use tributary_connector::http::Clock;
use tributary_connector::{Kind, Retry};
use tributary_sandbox::http::{Disturbance, Fault, RetryAfter, Rule, Scenario};

use crate::harness::{Fx, Lake, options, same};

const QUERY: &str = "*/data/query";

fn answer(code: i64) -> Fault {
    Fault::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: format!("{{\"errorCode\":{code},\"errorMessage\":\"canary\"}}"),
    }
}

#[tokio::test]
async fn the_days_quota_parks_until_midnight_in_china_and_the_rest_comes_then() {
    let fx = Fx::new({
        let mut options = options(900);
        options.limits.calls_per_day = 16;
        options
    });
    fx.pass(16 * 3_600);
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    let run = lake.run(&*connector, &stream).await;
    let error = run.error.unwrap();
    assert_eq!(error.kind, Kind::Quota);
    let Retry::After(wait) = error.retry else { panic!("{error:?}") };
    assert_eq!(wait, Duration::from_secs(8 * 3_600));
    // Nothing is asked meanwhile, by nobody who shares the client.
    let asked = fx.server.requests().len();
    assert_eq!(lake.run(&*connector, &stream).await.error.unwrap().kind, Kind::Quota);
    assert_eq!(fx.server.requests().len(), asked);
    fx.pass(8 * 3_600);
    assert!(lake.run(&*connector, &stream).await.error.is_none());
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn a_days_own_limit_is_kept_before_the_vendor_says_so() {
    let fx = Fx::new(options(300));
    let connector = fx.connector(json!({"daily_calls": 15}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let mut lake = Lake::default();
    let run = lake.run(&*connector, &stream).await;
    let error = run.error.unwrap();
    assert_eq!((error.kind, error.retry), (Kind::Quota, Retry::After(Duration::from_secs(24 * 3_600))));
    assert!(fx.server.requests().iter().all(|entry| entry.failure.is_none()));
}

#[tokio::test]
async fn throttling_spent_tokens_and_broken_answers_are_got_over() {
    let fx = Fx::new(options(900));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    for fault in [
        Fault::Throttle { retry_after: None },
        Fault::Throttle { retry_after: Some(RetryAfter::Seconds(2)) },
        answer(14_001),
        answer(-1),
        answer(50_009),
        Fault::ServerError { status: 500 },
        Fault::ServerError { status: 502 },
        Fault::Reset { after: None },
        Fault::TruncatedGzip,
        Fault::Disturb(Disturbance::ExpireTokens),
    ] {
        let name = format!("{fault:?}");
        fx.server.misbehave(Scenario::default().with(Rule::once(QUERY, fault).from(3).times(2)));
        let mut lake = Lake::default();
        let run = lake.run(&*connector, &stream).await;
        // Two tokens in a row that are refused are too many.
        if name.contains("ExpireTokens") {
            lake.run(&*connector, &stream).await;
        } else {
            assert!(run.error.is_none(), "{name}: {:?}", run.error);
        }
        same(&lake, &fx.held(&stream));
        fx.pass(120);
    }
}

#[tokio::test]
async fn a_token_that_ends_within_a_walk_is_replaced_without_a_seam() {
    let fx = Fx::new(options(900));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    fx.server.misbehave(Scenario::default().with(Rule::once(QUERY, Fault::Disturb(Disturbance::ExpireTokens)).from(3)));
    let mut lake = Lake::default();
    assert!(lake.run(&*connector, &stream).await.error.is_none());
    same(&lake, &fx.held(&stream));
}

#[tokio::test]
async fn no_wrong_answer_is_taken_for_no_records() {
    let fx = Fx::new(options(450));
    let connector = fx.connector(json!({}));
    let stream = fx.stream(&*connector, "ContactObj").await;
    let good = |body: &str| Fault::Answer { status: 200, content_type: "application/json".into(), body: body.into() };
    for (fault, kind) in [
        (answer(77_777), Kind::Protocol),
        (answer(20_014), Kind::Auth),
        (answer(10_006), Kind::Protocol),
        (answer(10_013), Kind::Protocol),
        (good("{}"), Kind::Protocol),
        (good(r#"{"errorCode":0}"#), Kind::Protocol),
        (good(r#"{"errorCode":0,"data":{}}"#), Kind::Protocol),
        (good(r#"{"errorCode":0,"data":{"dataList":null}}"#), Kind::Protocol),
        (good(r#"{"errorCode":0,"data":{"dataList":{}}}"#), Kind::Protocol),
        (good(r#"{"errorCode":0,"data":{"dataList":[],"limit":1}}"#), Kind::Protocol),
        (Fault::Html { status: 200 }, Kind::Protocol),
        (Fault::RepeatPage, Kind::Protocol),
        (Fault::Redirect { location: "http://169.254.169.254/".into() }, Kind::Protocol),
    ] {
        for at in [2, 4] {
            let name = format!("{fault:?} at {at}");
            fx.server.misbehave(Scenario::default().with(Rule::once(QUERY, fault.clone()).from(at)));
            let mut lake = Lake::default();
            let error = lake.run(&*connector, &stream).await.error.unwrap_or_else(|| panic!("{name}"));
            assert_eq!(error.kind, kind, "{name}: {error:?}");
            assert!(!format!("{error:?}").contains("canary") && error.message.contains("`ContactObj`"), "{error:?}");
            fx.server.misbehave(Scenario::default());
            lake.run(&*connector, &stream).await;
            same(&lake, &fx.held(&stream));
        }
    }
}

#[tokio::test]
async fn the_vendors_pace_is_kept_without_being_told() {
    let fx = Fx::new({
        let mut options = options(10);
        options.limits.calls_per_window = 100;
        options
    });
    let connector = fx.connector(json!({}));
    let start = fx.clock.now();
    for _ in 0..100 {
        connector.check().await.unwrap();
    }
    assert_eq!(fx.clock.now(), start);
    // The stand-in's clock stands; ours waits.
    fx.server.with(|tenant| tenant.clock().pass(20));
    connector.check().await.unwrap();
    assert!(fx.clock.now() - start >= chrono::TimeDelta::seconds(20));
    assert!(fx.server.requests().iter().all(|entry| entry.failure.is_none()));
}
