//! Broken, lying, slow and endless pages (H5, H6, H7, H8, H11, H12).

use std::time::Duration;

use tributary_connector::http::{Expects, Limits, Policy, Request};
use tributary_connector::{Kind, Retry};

use crate::server::{Reply, Server, chunked, reply};
use crate::{OK, assert_discreet, client, clock, get, gzip, seconds};

#[tokio::test]
async fn a_page_whose_connection_breaks_anywhere_is_fetched_again_whole() {
    let records: Vec<_> = (0..1400).map(|n| format!("{{\"id\":\"{n:06}\",\"name\":\"a person, {n}\"}}")).collect();
    let page = format!("{{\"data\":[{}]}}", records.join(",")).into_bytes();
    assert!(page.len() > 48 << 10);
    let cuts: Vec<_> = (0..page.len()).step_by(1 << 10).flat_map(|cut| [(cut, true), (cut, false)]).collect();
    let (whole, cases) = (page.clone(), cuts.clone());
    // Each request is answered twice: broken off, then whole.
    let server = Server::start(move |n, _| {
        let mut bytes = reply(200, &[("content-type", "application/json")], &whole).into_bytes();
        let (cut, reset) = cases[n / 2];
        if n % 2 == 1 {
            return Reply::Close(bytes);
        }
        bytes.truncate(bytes.len() - whole.len() + cut);
        if reset { Reply::Reset(bytes) } else { Reply::Close(bytes) }
    })
    .await;
    let client = client(&server, &clock()).build().unwrap();
    for (case, cut) in cuts.iter().enumerate() {
        assert_eq!(client.send(Request::get("/")).await.unwrap().bytes, page);
        assert_eq!(server.requests().len(), 2 * case + 2, "cut at {cut:?}");
    }
}

#[tokio::test]
async fn a_compressed_page_is_unpacked_and_one_that_ends_too_early_fetched_again() {
    let packed = gzip(OK.as_bytes());
    let cuts = packed.len();
    let server = Server::start(move |n, _| {
        let end = if n % 2 == 0 { n / 2 } else { packed.len() };
        chunked(&[("content-encoding", "gzip"), ("content-type", "application/json")], &packed[..end])
    })
    .await;
    let client = client(&server, &clock()).build().unwrap();
    for cut in 0..cuts {
        assert_eq!(&client.send(Request::get("/")).await.unwrap().bytes[..], OK.as_bytes());
        assert_eq!(server.requests().len(), 2 * cut + 2, "cut at {cut}");
    }
    assert!(server.requests()[0].contains("accept-encoding: gzip\r\n"));
}

#[tokio::test]
async fn a_content_length_that_lies_gives_an_error_and_never_half_a_page() {
    let too_large = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{OK}", OK.len() + 10);
    let too_small = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{OK}", OK.len() - 3);
    for lie in [too_large, too_small] {
        let server = Server::start(move |_, _| Reply::Close(lie.clone().into_bytes())).await;
        let error = get(&server, &clock()).await.unwrap_err();
        assert_eq!((error.kind, error.retry, server.requests().len()), (Kind::Transport, Retry::BackOff, 5));
        assert_discreet(&error);
    }
}

#[tokio::test]
async fn a_server_that_stands_still_or_drips_is_given_up() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\":[".to_vec();
    let short = Duration::from_millis(30);
    let patient = Limits { header: seconds(20), idle: seconds(20), page: seconds(20), ..Limits::default() };
    for (reply, limits, said) in [
        (Reply::Stall(Vec::new()), Limits { header: short, ..patient.clone() }, "no answer after 30ms"),
        (Reply::Stall(head.clone()), Limits { idle: short, ..patient.clone() }, "the page stood still for 30ms"),
        (Reply::Drip(head), Limits { page: short, ..patient }, "the page was not complete after 30ms"),
    ] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let policy = Policy { attempts: 2, ..Policy::default() };
        let client = client(&server, &clock()).limits(limits).retry(policy).build().unwrap();
        let error = client.send(Request::get("/")).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (Kind::Transport, Retry::BackOff));
        assert!(error.message.contains(said), "{}", error.message);
        // On a busy machine the time may be over before the request is there.
        assert!(server.requests().len() <= 2);
    }
}

#[tokio::test]
async fn an_endless_page_and_a_bomb_are_refused_at_once() {
    let limits = Limits { max_bytes: 4 << 20, ..Limits::default() };
    let bomb = gzip(&vec![b' '; 3 << 20]);
    let endless = Reply::Endless(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec());
    let announced = Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 5000000000\r\n\r\n[".to_vec());
    let bomb = chunked(&[("content-encoding", "gzip")], &bomb);
    for (reply, said) in [(endless, "over 4194304"), (announced, "over 4194304"), (bomb, "over 100 times its size")] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let client = client(&server, &clock()).limits(limits.clone()).build().unwrap();
        let error = client.send(Request::get("/").expects(Expects::Anything)).await.unwrap_err();
        assert_eq!((error.kind, server.requests().len()), (Kind::Refused, 1));
        assert!(error.message.contains(said), "{}", error.message);
    }
}

#[tokio::test]
async fn a_request_may_take_a_larger_answer_than_the_others() {
    let limits = Limits { max_bytes: 1000, ..Limits::default() };
    let body = vec![b'x'; 3000];
    let server = Server::start(move |_, _| chunked(&[], &body)).await;
    let client = client(&server, &clock()).limits(limits).build().unwrap();
    let ask = |up_to| client.send(Request::get("/").expects(Expects::Anything).up_to(up_to));
    assert_eq!(ask(3000).await.unwrap().bytes.len(), 3000);
    assert_eq!(ask(2999).await.unwrap_err().message.split(':').next_back().unwrap(), " the page is over 2999 bytes");
    assert_eq!(ask(0).await.unwrap_err().kind, Kind::Refused);
}
