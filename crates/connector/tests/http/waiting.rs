//! When a request is sent again, and how long is waited before (H1, H2, H3, H4).

use std::time::Duration;

use tributary_connector::http::{Policy, Request, Rules, Until, Verdict, When};
use tributary_connector::{Kind, Retry};

use crate::server::{Reply, Server, json, reply};
use crate::{OK, assert_discreet, client, clock, get, seconds};

#[tokio::test]
async fn retry_after_is_obeyed_in_full_and_spends_no_attempt() {
    for (form, wait) in [("30", 30), ("Sun, 01 Mar 2026 12:00:30 GMT", 30)] {
        let date = "Sun, 01 Mar 2026 12:00:00 GMT";
        let server = Server::start(move |n, _| match n {
            0..9 => reply(429, &[("retry-after", form), ("date", date)], b"slow down"),
            _ => json(200, OK),
        })
        .await;
        let clock = clock();
        assert_eq!(&get(&server, &clock).await.unwrap().bytes[..], OK.as_bytes());
        assert_eq!(clock.slept(), vec![seconds(wait); 9]);
    }
}

#[tokio::test]
async fn retry_after_that_makes_no_sense_is_as_none() {
    for form in ["-5", "soon", "0", "Sat, 28 Feb 2026 12:00:00 GMT", ""] {
        let server = Server::start(move |_, _| reply(429, &[("retry-after", form)], b"")).await;
        let clock = clock();
        let error = get(&server, &clock).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (Kind::RateLimited, Retry::After(seconds(60))), "{form}");
        assert_eq!(server.requests().len(), 5);
        let most = [500, 1000, 2000, 4000].map(Duration::from_millis);
        assert!(clock.slept().iter().zip(most).all(|(slept, most)| *slept <= most), "{:?}", clock.slept());
        assert_discreet(&error);
    }
}

#[tokio::test]
async fn a_long_wait_parks_the_run_and_holds_for_all_clones() {
    for (form, wait) in [("61", 61), ("1000000000000", 86_400)] {
        let server = Server::start(move |_, _| reply(429, &[("retry-after", form)], b"")).await;
        let clock = clock();
        let client = client(&server, &clock).build().unwrap();
        for _ in 0..2 {
            let error = client.clone().send(Request::get("/")).await.unwrap_err();
            assert_eq!((error.kind, error.retry), (Kind::RateLimited, Retry::After(seconds(wait))));
        }
        assert_eq!((server.requests().len(), clock.slept().len()), (1, 0));
    }
}

#[tokio::test]
async fn a_quota_told_in_a_body_with_200_parks_the_run_until_its_reset() {
    let server = Server::start(|_, _| json(200, r#"{"errorCode":30002,"errorMessage":"canary"}"#)).await;
    let midnight = Until::Daily(chrono::NaiveTime::MIN, chrono_tz::Asia::Shanghai);
    let rules = Rules::new()
        .code_at("errorCode")
        .on(When::any().field("errorCode", ["30002"]), Verdict::Quota { until: midnight });
    let clock = clock();
    let client = client(&server, &clock).rules(rules).build().unwrap();
    let error = client.send(Request::post("/query").json(&serde_json::json!({}))).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Quota, Retry::After(seconds(4 * 3600))));
    assert!(error.message.ends_with("/query` answered 200 `30002`"), "{}", error.message);
    assert_eq!(client.send(Request::get("/")).await.unwrap_err().kind, Kind::Quota);
    assert_eq!(server.requests().len(), 1);
    assert_discreet(&error);
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_as_often_and_as_long_as_the_policy_says() {
    let server = Server::start(|_, _| reply(503, &[], b"<html>sorry</html>")).await;
    let error = get(&server, &clock()).await.unwrap_err();
    assert_eq!((error.kind, error.retry, server.requests().len()), (Kind::Transport, Retry::BackOff, 5));
    assert_discreet(&error);

    let server = Server::start(|_, _| reply(503, &[("retry-after", "25")], b"")).await;
    let policy = Policy { total: seconds(100), ..Policy::default() };
    let error = client(&server, &clock()).retry(policy).build().unwrap().send(Request::get("/")).await.unwrap_err();
    assert_eq!((error.retry, server.requests().len()), (Retry::After(seconds(25)), 5));
}

#[tokio::test]
async fn what_is_not_idempotent_is_not_sent_twice_unless_it_was_turned_away() {
    let server = Server::start(|_, _| reply(502, &[], b"")).await;
    let client_of = |server: &Server| client(server, &clock()).build().unwrap();
    let error = client_of(&server).send(Request::post("/create")).await.unwrap_err();
    assert_eq!((error.retry, server.requests().len()), (Retry::Never, 1));
    client_of(&server).send(Request::post("/search").idempotent()).await.unwrap_err();
    assert_eq!(server.requests().len(), 6);

    let server = Server::start(|n, _| if n == 0 { reply(429, &[], b"") } else { json(201, OK) }).await;
    client_of(&server).send(Request::post("/create")).await.unwrap();

    let server = Server::start(|_, _| Reply::Reset(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec())).await;
    client_of(&server).send(Request::post("/create")).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
}
