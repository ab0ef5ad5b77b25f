//! Health, readiness and metrics, as a client sees them.

use std::collections::BTreeMap;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tributary_server::{Settings, listen, router};

use crate::support::{Fault, Script, World, code, minutes, time};

/// Status and body of a GET.
async fn get(address: std::net::SocketAddr, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Metrics by name and labels; each line is understood, or the test fails.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let values = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    values.collect()
}

#[tokio::test(start_paused = true)]
async fn health_readiness_and_metrics_say_how_it_is() {
    let world = World::new("2026-03-09T09:30:00", |start, n| Script {
        takes: minutes(if start.job == "slow" { 600 } else { 3 }),
        outcome: code(i32::from(n == 0)),
    });
    world.write("a", "cron = \"0 * * * *\"");
    world.write("slow", "cron = \"30 10-11 * * *\"");
    std::fs::write(world.file("z"), "nonsense").unwrap();
    let server = world.server().unwrap();
    let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
    let listener = listen(&settings).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(server.handle(), &settings, Router::new());
    tokio::spawn(async move { axum::serve(listener, router).await });
    assert_eq!(get(address, "/healthz", "localhost").await, (200, "ok\n".to_owned()));
    assert_eq!(get(address, "/readyz", "localhost").await, (503, "the pipelines have not been read yet\n".to_owned()));

    let served = crate::support::Served::new(server);
    world.reach("2026-03-09T12:30:00").await;
    assert_eq!(get(address, "/readyz", "127.0.0.1:8077").await, (200, "ready\n".to_owned()));
    let (status, body) = get(address, "/metrics", "localhost:8077").await;
    assert_eq!(status, 200);
    assert!(body.ends_with("# EOF\n"));
    let metrics = parse(&body);
    let seconds = |text: &str| time(text).timestamp() as f64;
    for (name, value) in [
        ("ready", 1.0),
        ("broken_files", 1.0),
        ("reload_errors_total", 1.0),
        ("pipeline_runs_total{pipeline=\"a\",outcome=\"success\"}", 2.0),
        ("pipeline_runs_total{pipeline=\"a\",outcome=\"failed\"}", 1.0),
        ("pipeline_last_success_seconds{pipeline=\"a\"}", seconds("2026-03-09T12:03:00")),
        ("pipeline_last_duration_seconds{pipeline=\"a\"}", 180.0),
        ("pipeline_next_slot_seconds{pipeline=\"a\"}", seconds("2026-03-09T13:00:00")),
        ("pipeline_running{pipeline=\"a\"}", 0.0),
        ("pipeline_failing{pipeline=\"a\"}", 0.0),
        ("pipeline_slots_total{pipeline=\"a\"}", 3.0),
        ("pipeline_slots_missed_total{pipeline=\"a\"}", 0.0),
        ("pipeline_slots_skipped_total{pipeline=\"slow\"}", 0.0),
        ("pipeline_running{pipeline=\"slow\"}", 1.0),
        ("pipeline_queued{pipeline=\"slow\"}", 1.0),
    ] {
        let found = metrics.get(&format!("tributary_{name}")).unwrap_or_else(|| panic!("no {name} in {body}"));
        assert!((found - value).abs() < 0.5, "{name}: {found}");
    }
    world.disk.fail(0, Fault::Before);
    world.reach("2026-03-09T13:00:30").await;
    let (status, why) = get(address, "/readyz", "localhost").await;
    assert_eq!((status, why.as_str()), (503, "the history cannot be written: the disk is full\n"));
    served.crash().await;
    tokio::time::advance(minutes(2)).await;
    assert_eq!(get(address, "/healthz", "localhost").await.0, 200);
}

#[tokio::test]
async fn a_name_that_leads_here_by_a_trick_gets_nothing() {
    let world = World::new("2026-03-09T09:30:00", |_, _| Script::takes(minutes(1)));
    world.write("a", "");
    let server = world.server().unwrap();
    let settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: vec!["jobs.example.com".to_owned()],
        ..Settings::default()
    };
    let listener = listen(&settings).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(server.handle(), &settings, Router::new());
    tokio::spawn(async move { axum::serve(listener, router).await });
    assert_eq!(get(address, "/metrics", "jobs.example.com").await.0, 200);
    let refused = (421, "this host name is not one of the server's\n".to_owned());
    assert_eq!(get(address, "/metrics", "evil.example.com:8077").await, refused);
    assert_eq!(get(address, "/healthz", "evil.example.com").await, refused);
    assert_eq!(get(address, "http://evil.example.com/metrics", "localhost").await.0, 421);
}

#[tokio::test]
async fn an_address_that_others_reach_has_to_be_asked_for() {
    let mut settings = Settings { listen: "0.0.0.0:0".parse().unwrap(), ..Settings::default() };
    let refused = listen(&settings).await.unwrap_err();
    assert_eq!(refused.to_string(), "others can reach `0.0.0.0:0`, and there is no login");
    settings.listen_anywhere = true;
    listen(&settings).await.unwrap();
}
