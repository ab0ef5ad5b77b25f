//! Where requests go, and where never (H9, H10).

use chrono::{DateTime, Utc};
use tributary_connector::http::{Outgoing, Request, Token, next_url};
use tributary_connector::{Error, Kind, Retry};

use crate::server::{Server, json, reply};
use crate::{CANARY, OK, assert_discreet, client, clock, get};

#[tokio::test]
async fn redirects_are_followed_three_times_and_no_more() {
    let server = Server::start(|_, request| match request.split(' ').nth(1) {
        Some("/3") => json(200, OK),
        Some(path) if path.len() == 2 => {
            let next = format!("/{}", path[1..].parse::<u32>().unwrap() + 1);
            reply(302, &[("location", next.as_str())], b"")
        }
        _ => reply(301, &[("location", "/loop")], b""),
    })
    .await;
    let client = client(&server, &clock()).build().unwrap();
    let answer = client.send(Request::get("/0")).await.unwrap();
    assert_eq!(answer.url.path(), "/3");
    assert!(server.requests().iter().all(|request| request.contains(CANARY)));
    let error = client.send(Request::get("/loop")).await.unwrap_err();
    assert_eq!(error.kind, Kind::Protocol);
    assert!(error.message.ends_with("more than 3 redirects"), "{}", error.message);
    assert_eq!(server.requests().len(), 8);
    let error = client.send(Request::post("/loop")).await.unwrap_err();
    assert_eq!((error.kind, server.requests().len()), (Kind::Protocol, 9));
}

#[tokio::test]
async fn no_redirect_or_link_takes_the_credential_to_another_origin() {
    let sink = Server::start(|_, _| json(200, OK)).await;
    let elsewhere = [
        format!("{}/steal?token=canary", sink.url),
        format!("//127.0.0.1:{}/", sink.port),
        format!("https://127.0.0.1:{}/", sink.port),
        format!("http://localhost:{}/", sink.port),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    for location in elsewhere {
        let to = location.clone();
        let server = Server::start(move |_, _| reply(307, &[("location", to.as_str())], b"")).await;
        let client = client(&server, &clock()).build().unwrap();
        let error = client.send(Request::get("/")).await.unwrap_err();
        assert_eq!((error.kind, error.retry, server.requests().len()), (Kind::Refused, Retry::Never, 1));
        assert_discreet(&error);
        assert_eq!(client.send(Request::get(location.clone())).await.unwrap_err().kind, Kind::Refused);
        let base = client.origins().base().clone();
        assert_eq!(next_url(client.origins(), &base, &location).unwrap_err().kind, Kind::Refused);
    }
    assert!(sink.requests().is_empty(), "{:?}", sink.requests());

    // Nor does a hook that moves the request there itself.
    let server = Server::start(|_, _| json(200, OK)).await;
    let port = sink.port;
    let hook = move |request: &mut Outgoing, _: Option<&Token>, _: DateTime<Utc>| -> Result<(), Error> {
        request.url.set_port(Some(port)).unwrap();
        Ok(())
    };
    let client = client(&server, &clock()).authorize(hook).build().unwrap();
    assert_eq!(client.send(Request::get("/")).await.unwrap_err().kind, Kind::Refused);
    assert!(sink.requests().is_empty() && server.requests().is_empty());
}

#[tokio::test]
async fn a_source_that_is_not_there_is_a_transport_error_without_the_query() {
    let mut server = Server::start(|_, _| json(200, OK)).await;
    server.stop().await;
    let error = get(&server, &clock()).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Transport, Retry::BackOff));
    assert!(error.message.contains("/records`: no connection could be made"), "{}", error.message);
    assert_discreet(&error);
}
