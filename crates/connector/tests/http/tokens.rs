//! Access tokens: got once, shared, kept (H23, H24, H25).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tributary_connector::http::header::AUTHORIZATION;
use tributary_connector::http::{
    Client, Clock, Folder, Issued, Origins, RefreshGrant, Request, Rules, TokenHeader, Tokens, VirtualClock,
};
use tributary_connector::{Kind, Retry, Secret};

use crate::server::{Server, json};
use crate::{OK, assert_discreet, client, clock, seconds};

/// Gives `token-0`, `token-1`, … by the refresh grant, and rotates the refresh token.
pub async fn token_server() -> Server {
    Server::start(|n, request| {
        let expected =
            if n == 0 { "refresh_token=canary-first".to_owned() } else { format!("refresh_token=canary-r{}", n - 1) };
        if !request.contains(&expected) {
            return json(200, r#"{"error":"invalid_code"}"#);
        }
        json(
            200,
            &format!(
                r#"{{"access_token":"canary-{n}","refresh_token":"canary-r{n}","expires_in":3600,"api_domain":"x"}}"#
            ),
        )
    })
    .await
}

fn token_client(server: &Server, clock: &Arc<VirtualClock>) -> (Client, RefreshGrant) {
    let client = Client::builder("tokens", Origins::new(&server.url).unwrap())
        .in_memory()
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .rules(RefreshGrant::rules())
        .build()
        .unwrap();
    let grant = RefreshGrant {
        url: "/oauth/v2/token".to_owned(),
        client_id: "me".to_owned(),
        client_secret: Secret::new("canary-secret".to_owned()),
        refresh_token: Secret::new("canary-first".to_owned()),
    };
    (client, grant)
}

pub fn with_tokens(api: &Server, tokens: &Tokens, clock: &Arc<VirtualClock>) -> Client {
    client(api, clock)
        .tokens(tokens.clone())
        .authorize(TokenHeader::new(AUTHORIZATION, "Zoho-oauthtoken "))
        .build()
        .unwrap()
}

pub fn in_memory(server: &Server, clock: &Arc<VirtualClock>) -> Tokens {
    let (client, grant) = token_client(server, clock);
    Tokens::in_memory("me", client, grant)
}

fn stored(server: &Server, clock: &Arc<VirtualClock>, folder: &Folder) -> Tokens {
    let (client, grant) = token_client(server, clock);
    let key = Secret::new("0123456789abcdef0123456789abcdef".to_owned());
    Tokens::stored("me", client, grant, folder, &key).unwrap()
}

fn secret(issued: &Issued) -> &str {
    issued.token.secret.expose()
}

#[tokio::test]
async fn a_spent_token_is_replaced_once_and_the_request_sent_again() {
    let (clock, source) = (clock(), token_server().await);
    let api = Server::start(|_, request| {
        if request.contains("Zoho-oauthtoken canary-0\r\n") {
            json(401, r#"{"code":"INVALID_TOKEN"}"#)
        } else {
            json(200, OK)
        }
    })
    .await;
    let client = with_tokens(&api, &in_memory(&source, &clock), &clock);
    client.send(Request::post("/create")).await.unwrap();
    assert_eq!((api.requests().len(), source.requests().len(), clock.slept().len()), (2, 2, 0));
}

#[tokio::test]
async fn a_new_token_that_is_refused_as_well_ends_the_request() {
    let (clock, source) = (clock(), token_server().await);
    let api = Server::start(|_, _| json(401, r#"{"code":"AUTHENTICATION_FAILURE"}"#)).await;
    let rules = Rules::new().code_at("code");
    let client = client(&api, &clock)
        .rules(rules)
        .tokens(in_memory(&source, &clock))
        .authorize(TokenHeader::bearer())
        .build()
        .unwrap();
    let error = client.send(Request::get("/")).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Auth, Retry::Never));
    assert!(error.message.contains("answered 401 `AUTHENTICATION_FAILURE`"), "{}", error.message);
    assert_eq!((api.requests().len(), source.requests().len()), (2, 2));
    assert_discreet(&error);
}

#[tokio::test]
async fn many_requests_of_two_clients_get_one_token_and_replace_it_once() {
    let (clock, source) = (clock(), token_server().await);
    let api =
        Server::start(
            |_, request| {
                if request.contains("Zoho-oauthtoken canary-0\r\n") { json(401, "{}") } else { json(200, OK) }
            },
        )
        .await;
    let tokens = in_memory(&source, &clock);
    let clients = [(); 2].map(|()| with_tokens(&api, &tokens, &clock));
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let client = clients[n % 2].clone();
            tokio::spawn(async move { client.send(Request::get("/")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(source.requests().len(), 2);
}

#[tokio::test]
async fn processes_share_a_token_through_the_folder_and_rotate_it_once() {
    let (clock, source, folder) = (clock(), token_server().await, tempfile::tempdir().unwrap());
    let folder_of = Folder::at(folder.path());
    let [one, other] = [(); 2].map(|()| stored(&source, &clock, &folder_of));
    let (a, b) = tokio::join!(one.get(), other.get());
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((secret(&a), secret(&b), source.requests().len()), ("canary-0", "canary-0", 1));
    let (a, b) = tokio::join!(one.replace(&a), other.replace(&b));
    assert_eq!((secret(&a.unwrap()), secret(&b.unwrap()), source.requests().len()), ("canary-1", "canary-1", 2));

    // Near its end it is replaced before it is used, with the refresh token that came last, by a process that has seen neither.
    clock.advance(seconds(3400));
    let third = stored(&source, &clock, &folder_of);
    let issued = third.get().await.unwrap();
    assert_eq!((secret(&issued), issued.token.extra["api_domain"].as_str()), ("canary-2", "x"));
    assert_eq!(source.requests().len(), 3);

    for file in walk_files(folder.path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("canary"), "{}", file.display());
    }
}

fn walk_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk_files(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_lose_the_new_refresh_token() {
    let (clock, source, folder) = (clock(), token_server().await, tempfile::tempdir().unwrap());
    let tokens = stored(&source, &clock, &Folder::at(folder.path()));
    let impatient = tokio::time::timeout(Duration::ZERO, tokens.get()).await;
    assert!(impatient.is_err());
    assert_eq!(secret(&tokens.get().await.unwrap()), "canary-0");
    assert_eq!(source.requests().len(), 1);
}

#[tokio::test]
async fn a_credential_that_is_refused_is_not_tried_again_for_a_quarter_of_an_hour() {
    let source = Server::start(|_, _| json(200, r#"{"error":"invalid_code"}"#)).await;
    let clock = clock();
    let tokens = in_memory(&source, &clock);
    for requests in [1, 1] {
        let error = tokens.get().await.err().unwrap();
        assert_eq!((error.kind, source.requests().len()), (Kind::Auth, requests));
        assert!(error.message.contains("/oauth/v2/token` answered 200 `invalid_code`"), "{}", error.message);
        assert_discreet(&error);
    }
    clock.advance(seconds(901));
    tokens.get().await.err().unwrap();
    assert_eq!(source.requests().len(), 2);
}

#[test]
fn a_key_that_is_a_word_is_no_key() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (clock, source) = (clock(), token_server().await);
        let (client, grant) = token_client(&source, &clock);
        let error =
            Tokens::stored("me", client, grant, &Folder::at("x"), &Secret::new("password".into())).err().unwrap();
        assert_eq!(error.kind, Kind::Config);
    });
}
