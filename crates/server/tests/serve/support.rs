//! A made-up world: a clock that can be set, a disk that can fail, runs that only take time.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tributary_server::history::{Medium, Record};
use tributary_server::{
    Catalog, Clock, Error, Exit, Handle, Job, Outcome, Parts, Problem, Runner, Running, Schedule, Server, Settings,
    Start, Stop,
};

/// The paused clock of tokio, and what was added by hand.
pub struct SetClock {
    base: DateTime<Utc>,
    since: Instant,
    ahead: AtomicI64,
}

impl SetClock {
    pub fn new(base: &str) -> Arc<Self> {
        Arc::new(Self { base: time(base), since: Instant::now(), ahead: AtomicI64::new(0) })
    }

    /// Sets the clock forward or back.
    pub fn jump(&self, by: TimeDelta) {
        self.ahead.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }

    /// Sleeps until it shows `until`.
    pub async fn reach(&self, until: DateTime<Utc>) {
        while self.now() < until {
            tokio::time::sleep((until - self.now()).to_std().unwrap()).await;
        }
    }
}

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.since.elapsed()).unwrap();
        self.base + elapsed + TimeDelta::milliseconds(self.ahead.load(Ordering::SeqCst))
    }
}

pub fn time(text: &str) -> DateTime<Utc> {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { format!("{text}Z") };
    text.parse().unwrap()
}

pub fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// How a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written.
    Before,
    /// Half of it is written.
    Torn,
    /// All is written, and nobody learns of it.
    After,
}

/// A disk that outlives the servers which write to it.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    bytes: Vec<u8>,
    /// Every record that was ever durable.
    audit: Vec<Record>,
    writes: usize,
    fault: Option<(usize, Fault)>,
    /// Nothing can be written any more.
    dead: bool,
}

impl Disk {
    /// The `n`-th write from now on (from 0) fails, and all after it, until [`Disk::mend`].
    pub fn fail(&self, n: usize, fault: Fault) {
        let mut disk = self.0.lock().unwrap();
        disk.fault = Some((disk.writes + n, fault));
    }

    pub fn mend(&self) {
        let mut disk = self.0.lock().unwrap();
        (disk.fault, disk.dead) = (None, false);
    }

    pub fn is_dead(&self) -> bool {
        self.0.lock().unwrap().dead
    }

    pub fn writes(&self) -> usize {
        self.0.lock().unwrap().writes
    }

    pub fn audit(&self) -> Vec<Record> {
        self.0.lock().unwrap().audit.clone()
    }
}

impl Platter {
    fn write(&mut self, mut bytes: &[u8], append: bool) -> io::Result<()> {
        let broken = || io::Error::other("the disk is full");
        if self.dead {
            return Err(broken());
        }
        let fault = self.fault.filter(|(n, _)| *n == self.writes).map(|(_, fault)| fault);
        self.writes += 1;
        match fault {
            Some(Fault::Before) => bytes = &[],
            // What replaces the whole is renamed, so that it is there or not.
            Some(Fault::Torn) => bytes = &bytes[..if append { bytes.len() / 2 } else { 0 }],
            Some(Fault::After) | None => {}
        }
        if append {
            let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
            self.audit.extend(whole.map(|line| serde_json::from_slice::<Record>(line).unwrap()));
            self.bytes.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            self.bytes = bytes.to_vec();
        }
        self.dead = fault.is_some();
        if self.dead { Err(broken()) } else { Ok(()) }
    }
}

impl Medium for Disk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.0.lock().unwrap().bytes.clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().write(bytes, true)
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().write(bytes, false)
    }
}

/// Pipeline files of the least kind.
pub struct TestCatalog;

#[derive(serde::Deserialize)]
struct TestFile {
    name: String,
    lake: Option<String>,
    cron: Option<String>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    own: BTreeMap<String, String>,
}

impl Catalog for TestCatalog {
    fn load(&self, file: &Path) -> Result<Job, Problem> {
        let text = std::fs::read_to_string(file).map_err(|e| Problem::new(e.to_string()))?;
        let file: TestFile = toml::from_str(&text).map_err(|e| Problem::new(e.message().to_owned()))?;
        let timezone = file.zone.as_deref().unwrap_or("UTC").parse().unwrap();
        Ok(Job {
            lake: file.lake.unwrap_or_else(|| file.name.clone()),
            name: file.name,
            sources: file.sources,
            schedule: file.cron.map(|cron| Schedule { cron, timezone }),
            own: file.own.into_iter().map(|(source, cron)| (source, Schedule { cron, timezone })).collect(),
        })
    }
}

/// What a made-up run is to do.
#[derive(Debug, Clone)]
pub struct Script {
    pub takes: Duration,
    pub outcome: Outcome,
}

impl Script {
    pub fn takes(takes: Duration) -> Self {
        Self { takes, outcome: code(0) }
    }
}

pub fn code(code: i32) -> Outcome {
    let message = (code != 0).then(|| format!("exit code {code}"));
    Outcome { exit: Exit::Code(code), waiting_until: None, message }
}

/// A run as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Went {
    pub start: Start,
    pub from: DateTime<Utc>,
}

type ScriptFn = dyn Fn(&Start, usize) -> Script + Send + Sync;

/// Runs that follow a script.
pub struct TestRunner {
    clock: Arc<SetClock>,
    script: Box<ScriptFn>,
    stage: Arc<Mutex<Stage>>,
}

#[derive(Default)]
struct Stage {
    went: Vec<Went>,
    going: Vec<String>,
    most: usize,
}

impl TestRunner {
    /// `script` says what a run does, by the number of runs before it.
    pub fn new(clock: Arc<SetClock>, script: impl Fn(&Start, usize) -> Script + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { clock, script: Box::new(script), stage: Arc::default() })
    }

    pub fn went(&self) -> Vec<Went> {
        self.stage.lock().unwrap().went.clone()
    }

    /// When runs of `job` began, as `day time`.
    pub fn times(&self, job: &str) -> Vec<String> {
        let went = self.went().into_iter().filter(|went| went.start.job == job);
        went.map(|went| went.from.format("%d %H:%M").to_string()).collect()
    }

    /// The most runs that were going at one time.
    pub fn most(&self) -> usize {
        self.stage.lock().unwrap().most
    }

    /// The jobs that are going.
    pub fn going(&self) -> Vec<String> {
        self.stage.lock().unwrap().going.clone()
    }
}

impl Runner for TestRunner {
    fn start(&self, start: &Start) -> Box<dyn Running> {
        let mut stage = self.stage.lock().unwrap();
        let script = (self.script)(start, stage.went.len());
        stage.went.push(Went { start: start.clone(), from: self.clock.now() });
        assert!(!stage.going.contains(&start.job), "two runs of `{}` at the same time", start.job);
        stage.going.push(start.job.clone());
        stage.most = stage.most.max(stage.going.len());
        let ends = Instant::now() + script.takes;
        Box::new(TestRun { job: start.job.clone(), ends, outcome: script.outcome, stage: Arc::clone(&self.stage) })
    }
}

struct TestRun {
    job: String,
    ends: Instant,
    outcome: Outcome,
    stage: Arc<Mutex<Stage>>,
}

#[async_trait]
impl Running for TestRun {
    async fn wait(&mut self) -> Outcome {
        tokio::time::sleep_until(self.ends).await;
        self.outcome.clone()
    }

    fn terminate(&mut self) {}

    fn kill(&mut self) {
        self.ends = Instant::now();
        self.outcome = Outcome { exit: Exit::Killed, waiting_until: None, message: None };
    }
}

impl Drop for TestRun {
    fn drop(&mut self) {
        self.stage.lock().unwrap().going.retain(|job| *job != self.job);
    }
}

/// All of it, with a folder of files.
pub struct World {
    pub folder: TempDir,
    pub clock: Arc<SetClock>,
    pub disk: Disk,
    pub runner: Arc<TestRunner>,
    pub settings: Settings,
}

/// A server that is running.
pub struct Served {
    pub handle: Handle,
    stop: watch::Sender<Stop>,
    task: JoinHandle<Result<(), Error>>,
}

impl World {
    pub fn new(start: &str, script: impl Fn(&Start, usize) -> Script + Send + Sync + 'static) -> Self {
        let clock = SetClock::new(start);
        let runner = TestRunner::new(Arc::clone(&clock), script);
        let settings = Settings { max_concurrent: 4, ..Settings::default() };
        Self { folder: tempfile::tempdir().unwrap(), clock, disk: Disk::default(), runner, settings }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.toml"))
    }

    /// Writes the file of a pipeline; a file that is written again gets a stamp of its own.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), format!("name = \"{name}\"\n{text}\n")).unwrap();
    }

    pub fn parts(&self) -> Parts {
        Parts { catalog: Arc::new(TestCatalog), runner: self.runner.clone(), clock: self.clock.clone() }
    }

    pub fn server(&self) -> Result<Server, Error> {
        let roots = vec![self.folder.path().to_owned()];
        Server::new(self.settings.clone(), roots, Box::new(self.disk.clone()), self.parts())
    }

    pub fn serve(&self) -> Served {
        Served::new(self.server().unwrap())
    }

    pub async fn reach(&self, until: &str) {
        self.clock.reach(time(until)).await;
    }
}

impl Served {
    pub fn new(server: Server) -> Self {
        let (stop, stopped) = watch::channel(Stop::No);
        Self { handle: server.handle(), stop, task: tokio::spawn(server.run(stopped)) }
    }

    /// Ends as by SIGKILL.
    pub async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub fn ask(&self, stop: Stop) {
        self.stop.send_replace(stop);
    }

    pub async fn ended(self) -> Result<(), Error> {
        self.task.await.unwrap()
    }

    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}
