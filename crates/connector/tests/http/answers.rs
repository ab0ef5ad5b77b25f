//! What answers mean, and walks through pages (H14, H15, H16).

use tributary_connector::http::header::{HeaderValue, IF_MODIFIED_SINCE};
use tributary_connector::http::{Client, Outcome, PageNumber, Request, Rules, Verdict, Walk, When, locate};
use tributary_connector::{Error, Kind, Retry};

use crate::server::{Server, json, reply};
use crate::{client, clock, get};

#[tokio::test]
async fn a_page_for_people_or_none_at_all_is_never_no_records() {
    let replies = [
        reply(200, &[("content-type", "text/html")], b"<html>log in</html>"),
        reply(200, &[("content-type", "application/json")], b"\n <!doctype html>"),
        reply(200, &[], b""),
        reply(204, &[], b""),
        reply(304, &[], b""),
        json(200, "null"),
    ];
    for answer in replies {
        let server = Server::start(move |_, _| answer.clone()).await;
        let error = get(&server, &clock()).await.unwrap_err();
        assert_eq!((error.kind, error.retry, server.requests().len()), (Kind::Protocol, Retry::Never, 1));
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn an_empty_answer_is_empty_where_the_rules_say_so() {
    let server = Server::start(|n, _| match n {
        0 => reply(204, &[], b""),
        1 => reply(304, &[], b""),
        _ => json(200, "[]"),
    })
    .await;
    let rules = Rules::new().on(When::status(204), Verdict::Empty);
    let client = client(&server, &clock()).rules(rules).build().unwrap();
    assert_eq!(client.send(Request::get("/")).await.unwrap().outcome, Outcome::Empty);
    let since = Request::get("/").header(IF_MODIFIED_SINCE, HeaderValue::from_static("2026-01-01T00:00:00Z"));
    assert_eq!(client.send(since).await.unwrap().outcome, Outcome::NotModified);
    let answer = client.send(Request::get("/")).await.unwrap();
    assert_eq!((answer.outcome, locate(&answer.bytes, "", &[]).unwrap().records), (Outcome::Ok, 0));
}

/// Walks all pages as a connector does; gives how many records there were.
async fn walk(client: &Client) -> Result<u64, Error> {
    let (mut pages, mut walk, mut records) = (PageNumber::new(1, 2), Walk::new(), 0);
    loop {
        let answer = client.send(Request::get("/records").query("page", pages.page())).await?;
        let found = locate(&answer.bytes, "data", &["info.more"])?;
        let more = found.fields[0].as_ref().and_then(|value| value.as_bool());
        let bytes = found.page.map(|page| page.bytes).unwrap_or_default();
        walk.page(&bytes, found.records, more.unwrap_or(false))?;
        records += found.records;
        if !pages.advance(found.records, more)? {
            return Ok(records);
        }
    }
}

#[tokio::test]
async fn a_walk_ends_at_the_last_page_and_not_at_an_empty_one() {
    let server = Server::start(|n, _| {
        json(
            200,
            [r#"{"info":{"more":true},"data":[1,2]}"#, r#"{"info":{"more":true},"data":[]}"#, r#"{"data":[3]}"#][n],
        )
    })
    .await;
    assert_eq!(walk(&client(&server, &clock()).build().unwrap()).await.unwrap(), 3);
}

#[tokio::test]
async fn a_server_that_shows_one_page_or_nothing_for_ever_is_left() {
    for (body, requests) in
        [(r#"{"info":{"more":true,"at":"%"},"data":[1,2]}"#, 2), (r#"{"info":{"more":true},"data":[]}"#, 3)]
    {
        // What surrounds the records changes with each answer.
        let server = Server::start(move |n, _| json(200, &body.replace('%', &n.to_string()))).await;
        let error = walk(&client(&server, &clock()).build().unwrap()).await.unwrap_err();
        assert_eq!((error.kind, server.requests().len()), (Kind::Protocol, requests));
    }
}
