//! What the HTTP kit promises, against a server that misbehaves on purpose. Waits go by a clock that jumps; the only real ones
//! are time-outs of a few milliseconds.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod answers;
mod origins;
mod pages;
mod server;
mod shared;
mod tokens;
mod waiting;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use server::Server;
use tributary_connector::Error;
use tributary_connector::http::header::HeaderValue;
use tributary_connector::http::{Answer, Builder, Client, Clock, Origins, Outgoing, Request, Token, VirtualClock};

const CANARY: &str = "canary-4f1b";
const OK: &str = r#"{"data":[{"id":"1"}]}"#;

fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::new("2026-03-01T12:00:00Z".parse().unwrap()))
}

fn client(server: &Server, clock: &Arc<VirtualClock>) -> Builder {
    Client::builder("test", Origins::new(&server.url).unwrap())
        .in_memory()
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .authorize(|request: &mut Outgoing, _: Option<&Token>, _: DateTime<Utc>| -> Result<(), Error> {
            request.headers.insert("authorization", HeaderValue::from_static(CANARY));
            Ok(())
        })
}

async fn get(server: &Server, clock: &Arc<VirtualClock>) -> Result<Answer, Error> {
    client(server, clock).build().unwrap().send(Request::get("/records?secret=canary-in-query")).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// No message tells a secret, here or in its causes.
fn assert_discreet(error: &Error) {
    let mut told = format!("{error} {:?}", error.hint);
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        told += &format!(" {source} {source:?}");
        next = source.source();
    }
    assert!(!told.contains("canary"), "{told}");
}
