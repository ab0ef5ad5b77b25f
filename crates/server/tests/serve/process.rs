//! Real child processes, on the real clock: what they print, and how they end.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tributary_server::{Exit, Outcome, Parts, Process, Runner, Start, Stop, SystemClock};

use crate::support::{Disk, Served, TestCatalog, time};

fn program(folder: &TempDir, script: &str) -> PathBuf {
    let path = folder.path().join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn start(file: &Path) -> Start {
    Start { run: 1, job: "a".into(), file: file.to_owned(), sources: vec!["x".into(), "y".into()] }
}

async fn run(script: &str) -> (Outcome, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let runner = Process::new(program(&folder, script));
    let outcome = runner.start(&start(&folder.path().join("a.toml"))).wait().await;
    (outcome, folder)
}

#[tokio::test]
async fn the_program_gets_the_file_and_the_sources() {
    let (outcome, folder) = run("echo \"$@\" > \"$(dirname \"$2\")/arguments\"").await;
    assert_eq!(outcome.exit, Exit::Code(0));
    let arguments = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
    let file = folder.path().join("a.toml");
    assert_eq!(arguments.trim(), format!("run {} --json --source x --source y", file.display()));
}

#[tokio::test]
async fn a_run_that_waits_says_until_when() {
    let (outcome, _folder) =
        run("echo '{\"run\": \"r\", \"waiting\": \"2026-03-09T10:17:00Z\", \"errors\": []}'; exit 3").await;
    assert_eq!((outcome.exit, outcome.waiting_until), (Exit::Code(3), Some(time("2026-03-09T10:17:00"))));
}

#[tokio::test]
async fn the_error_is_found_among_all_that_was_printed() {
    let (outcome, _folder) = run("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo 'error: no such lake' >&2; echo '  hint: make one' >&2; head -c 30000000 /dev/zero; exit 1").await;
    assert_eq!((outcome.exit, outcome.message.as_deref()), (Exit::Code(1), Some("no such lake")));
}

#[tokio::test]
async fn a_program_that_is_not_there_and_one_that_is_killed_are_outcomes() {
    let outcome = Process::new("/no/such/program").start(&start(Path::new("a.toml"))).wait().await;
    assert_eq!(outcome.exit, Exit::NotStarted);
    let (outcome, _folder) = run("kill -9 $$").await;
    assert_eq!(outcome.exit, Exit::Killed);
}

#[tokio::test]
async fn a_run_whose_children_live_on_ends_all_the_same() {
    let (outcome, _folder) = run("sleep 20 & echo '{}'; exit 0").await;
    assert_eq!(outcome.exit, Exit::Code(0));
}

/// Serves a program that runs every minute, from a second before the minute; returns once it runs.
async fn serve(folder: &TempDir, script: &str, stop_within: u64) -> (Served, Disk) {
    let program = program(folder, script);
    let pipelines = folder.path().join("pipelines");
    std::fs::create_dir(&pipelines).unwrap();
    std::fs::write(pipelines.join("a.toml"), "name = \"a\"\ncron = \"* * * * *\"").unwrap();
    let disk = Disk::default();
    // A minute that has gone by makes the slot due at once.
    let clock = Arc::new(Ahead(std::sync::atomic::AtomicI64::new(0)));
    let parts = Parts { catalog: Arc::new(TestCatalog), runner: Arc::new(Process::new(program)), clock: clock.clone() };
    let settings = tributary_server::Settings { stop_within: Duration::from_secs(stop_within), ..Default::default() };
    let server = tributary_server::Server::new(settings, vec![pipelines], Box::new(disk.clone()), parts).unwrap();
    let served = Served::new(server.tick(Duration::from_millis(50)));
    until(|| served.handle.ready().is_ok()).await;
    clock.0.store(61, std::sync::atomic::Ordering::SeqCst);
    until(|| folder.path().join("started").exists()).await;
    (served, disk)
}

/// The machine's clock, and some seconds.
struct Ahead(std::sync::atomic::AtomicI64);

impl tributary_server::Clock for Ahead {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        SystemClock.now() + chrono::TimeDelta::seconds(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

async fn until(holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "it does not come to pass");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const POLITE: &str =
    "trap 'echo > \"$0.asked\"; exit 0' TERM; echo > \"$(dirname \"$0\")/started\"; while :; do sleep 0.1; done";
const STUBBORN: &str = "trap '' TERM; echo $$ > \"$(dirname \"$0\")/started\"; while :; do sleep 0.1; done";

fn is_alive(folder: &TempDir) -> bool {
    let pid = std::fs::read_to_string(folder.path().join("started")).unwrap();
    Path::new("/proc").join(pid.trim()).exists()
}

#[tokio::test]
async fn a_run_is_asked_to_end_when_the_server_is() {
    let folder = tempfile::tempdir().unwrap();
    let (served, disk) = serve(&folder, POLITE, 60).await;
    served.ask(Stop::Soon);
    served.ended().await.unwrap();
    assert!(folder.path().join("program.asked").exists());
    assert!(format!("{:?}", disk.audit().last()).contains("end: Success"));
}

#[tokio::test]
async fn a_run_that_does_not_end_is_killed_and_goes_on_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (served, disk) = serve(&folder, STUBBORN, 1).await;
    served.ask(Stop::Soon);
    served.ended().await.unwrap();
    assert!(!is_alive(&folder));
    assert!(format!("{:?}", disk.audit().last()).contains("end: Stopped"));
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let (served, _disk) = serve(&folder, STUBBORN, 3600).await;
    served.ask(Stop::Soon);
    until(|| served.handle.ready().is_err()).await;
    assert!(!served.has_ended());
    served.ask(Stop::AtOnce);
    served.ended().await.unwrap();
    assert!(!is_alive(&folder));
}
