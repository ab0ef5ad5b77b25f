//! Who is told what, and how often: a real listener and a real program.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tributary_connector::SecretRef;
use tributary_server::{Address, Stop, Target};

use crate::support::{Fault, Script, World, code, minutes};

type Heard = Arc<Mutex<Vec<(Option<String>, serde_json::Value)>>>;

/// A listener that answers with `status`, and what it has heard.
async fn listener(status: StatusCode) -> (String, Heard) {
    let heard = Heard::default();
    let hear = |State((heard, status)): State<(Heard, StatusCode)>, headers: HeaderMap, body: String| async move {
        let token = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        heard.lock().unwrap().push((token, serde_json::from_str(&body).unwrap()));
        status
    };
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hook", socket.local_addr().unwrap());
    let router = Router::new().route("/hook", post(hear)).with_state((heard.clone(), status));
    tokio::spawn(async move { axum::serve(socket, router).await });
    (address, heard)
}

fn texts(heard: &Heard) -> Vec<String> {
    heard.lock().unwrap().iter().map(|(_, alert)| alert["text"].as_str().unwrap().to_owned()).collect()
}

/// The paused clock would run past the time-outs of a real connection.
async fn listen_a_while() {
    tokio::time::resume();
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::time::pause();
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_once_even_over_restarts() {
    let mut world = World::new("2026-03-09T09:30:00", |_, n| Script {
        takes: minutes(1),
        outcome: code(i32::from((1..4).contains(&n) || n == 5)),
    });
    let log = world.folder.path().join("log");
    let program = format!("cat >> '{}'; echo >> '{}'", log.display(), log.display());
    world.settings.alerts = vec![Target {
        command: Some(vec!["sh".into(), "-c".into(), program]),
        timeout: minutes(600),
        ..Target::default()
    }];
    world.write("a", "cron = \"0 * * * *\"");
    let mut served = world.serve();
    for hour in 10..17 {
        world.reach(&format!("2026-03-09T{hour}:20:00")).await;
        listen_a_while().await;
        if hour == 12 {
            served.crash().await;
            served = world.serve();
        }
    }
    served.crash().await;
    let told: Vec<serde_json::Value> =
        std::fs::read_to_string(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = told.iter().map(|alert| alert["text"].as_str().unwrap()).collect();
    assert_eq!(
        told,
        [
            "pipeline `a` has failed: exit code 1",
            "pipeline `a` succeeds again",
            "pipeline `a` has failed: exit code 1",
            "pipeline `a` succeeds again",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_webhook_hears_of_lateness_and_of_broken_files_with_its_token() {
    let (address, heard) = listener(StatusCode::NO_CONTENT).await;
    let mut world = World::new("2026-03-09T09:30:00", |_, n| Script::takes(minutes(if n == 0 { 100 } else { 1 })));
    let secret = world.folder.path().join("token");
    std::fs::write(&secret, "s3cr3t\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    world.settings.defaults.late_after = Some(minutes(45));
    world.settings.alerts = vec![Target {
        webhook: Some(Address::Plain(address)),
        token: Some(SecretRef::File(secret)),
        timeout: minutes(600),
        ..Target::default()
    }];
    world.write("a", "cron = \"0 10 * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T11:00:00").await;
    listen_a_while().await;
    std::fs::write(world.file("b"), "nonsense").unwrap();
    world.reach("2026-03-09T12:30:00").await;
    listen_a_while().await;
    world.write("b", "");
    world.reach("2026-03-09T12:40:00").await;
    listen_a_while().await;
    served.crash().await;
    let texts = texts(&heard);
    let file = world.file("b").display().to_string();
    let wanted = [
        "pipeline `a` is late: run 1 has been going since 2026-03-09 10:00 UTC".to_owned(),
        format!("`{file}` cannot be read as a pipeline: "),
        "pipeline `a` is in time again".to_owned(),
        format!("`{file}` is mended or gone"),
    ];
    assert_eq!(texts.len(), wanted.len(), "{texts:#?}");
    for wanted in wanted {
        assert!(texts.iter().any(|text| text.starts_with(&wanted)), "{wanted}: {texts:#?}");
    }
    assert!(heard.lock().unwrap().iter().all(|(token, _)| token.as_deref() == Some("Bearer s3cr3t")));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_fails_is_tried_twice_and_counted() {
    let (address, heard) = listener(StatusCode::INTERNAL_SERVER_ERROR).await;
    let mut world = World::new("2026-03-09T09:30:00", |_, _| Script { takes: minutes(1), outcome: code(1) });
    world.settings.alerts =
        vec![Target { webhook: Some(Address::Plain(address)), timeout: minutes(600), ..Target::default() }];
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:20:00").await;
    listen_a_while().await;
    world.reach("2026-03-09T12:20:00").await;
    listen_a_while().await;
    let process = served.handle.status().process;
    served.ask(Stop::Soon);
    served.ended().await.unwrap();
    assert_eq!(heard.lock().unwrap().len(), 2);
    assert_eq!((process.alerts, process.alerts_untold), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_may_not_have_been_sent_is_sent_again_after_a_restart() {
    let mut world = World::new("2026-03-09T09:30:00", |_, _| Script { takes: minutes(1), outcome: code(1) });
    world.write("a", "cron = \"0 10 * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:00:30").await;
    // The end of the run is the next write, and what was told the one after it.
    world.disk.fail(1, Fault::Before);
    world.reach("2026-03-09T10:30:00").await;
    assert!(world.disk.is_dead());
    served.crash().await;
    world.disk.mend();
    let (address, heard) = listener(StatusCode::OK).await;
    world.settings.alerts =
        vec![Target { webhook: Some(Address::Plain(address)), timeout: minutes(600), ..Target::default() }];
    let served = world.serve();
    world.reach("2026-03-09T10:31:00").await;
    listen_a_while().await;
    served.crash().await;
    assert_eq!(texts(&heard), ["pipeline `a` has failed: exit code 1"]);
}
