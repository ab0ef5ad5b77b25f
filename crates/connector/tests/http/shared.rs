//! The budget that clients share, and the log (H34, X1).

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tributary_connector::http::{Client, Clock, Folder, Limit, Origins, Request, Rule};

use crate::server::{Reply, Server, json, reply};
use crate::tokens::{in_memory, token_server, with_tokens};
use crate::{OK, clock};

/// The machine's clock, but nobody sleeps long.
struct Hasty;

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration.min(Duration::from_millis(2))).await;
    }
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_the_vendor_allows() {
    let (under_way, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (now, at_most) = (Arc::clone(&under_way), Arc::clone(&most));
    let server = Server::start(move |_, _| {
        at_most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let now = Arc::clone(&now);
        Reply::After(
            Duration::from_millis(2),
            Arc::new(move || {
                now.fetch_sub(1, Ordering::SeqCst);
            }),
            OK,
        )
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let clients = [(); 2].map(|()| {
        Client::builder("shared", Origins::new(&server.url).unwrap())
            .folder(Folder::at(folder.path()))
            .clock(Arc::new(Hasty))
            .budget([Limit::new("at once", Rule::Concurrent { at_once: 3 })])
            .build()
            .unwrap()
    });
    let tasks: Vec<_> = (0..24)
        .map(|n| {
            let client = clients[n % 2].clone();
            tokio::spawn(async move { client.send(Request::get("/")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let most = most.load(Ordering::SeqCst);
    assert!((2..=3).contains(&most), "{most} at once");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_what_was_asked_and_no_secret() {
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || to.clone())
        .finish();
    // For all threads: a subscriber of this one alone may never be asked, if another thread meets the place in the code first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (clock, source) = (clock(), token_server().await);
    let api =
        Server::start(|n, _| if n == 0 { reply(503, &[], b"canary") } else { json(200, r#"{"data":["canary"]}"#) })
            .await;
    let client = with_tokens(&api, &in_memory(&source, &clock), &clock);
    client.send(Request::get("/records").query("phone", "canary-query")).await.unwrap();
    let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let told = told
        .lines()
        .filter(|line| line.contains(&api.url) || line.contains(&source.url))
        .collect::<Vec<_>>()
        .join("\n");
    let line = format!("request=\"GET {}/records\"", api.url);
    assert!(told.contains(&line) && told.contains("status=200") && told.contains("attempt=2"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}
