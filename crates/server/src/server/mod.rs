//! The server's loop: it looks at files and the clock, has the scheduler decide, makes that durable, and does it.

mod core;
mod run;

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::core::Core;
use self::run::{Order, attend};
use crate::alert::{Alert, Alerter};
use crate::files::Files;
use crate::history::{Condition, Journal, Medium};
use crate::runner::{Outcome, Runner};
use crate::scheduler::Scheduler;
use crate::status::Status;
use crate::stop::Stop;
use crate::{Catalog, Clock, Error, Settings};

/// How often the clock is looked at, as it may have been set.
const TICK: Duration = Duration::from_secs(10);

/// How long killed runs may take to end.
const KILLED: Duration = Duration::from_secs(5);

/// What the server needs from outside.
#[derive(Clone)]
pub struct Parts {
    pub catalog: Arc<dyn Catalog>,
    pub runner: Arc<dyn Runner>,
    pub clock: Arc<dyn Clock>,
}

/// The server, ready to run.
pub struct Server {
    core: Arc<Mutex<Core>>,
    parts: Parts,
    alerter: Alerter,
    tick: Duration,
    order: watch::Sender<Order>,
    tasks: JoinSet<Event>,
    /// What has happened and is not durable yet.
    backlog: VecDeque<Event>,
    /// Conditions that people are being told of.
    telling: BTreeSet<(Condition, String)>,
    looked: Option<Instant>,
}

/// Something that a task has to say.
enum Event {
    Ended { job: String, run: u64, outcome: Outcome, took: Duration },
    Told { alert: Alert, untold: usize },
}

/// A look into a running server.
#[derive(Clone)]
pub struct Handle {
    core: Arc<Mutex<Core>>,
    clock: Arc<dyn Clock>,
}

impl Handle {
    /// How it is, as of now.
    pub fn status(&self) -> Status {
        lock(&self.core).status(self.clock.now())
    }

    /// Whether runs are started at their times.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn ready(&self) -> Result<(), String> {
        lock(&self.core).ready()
    }
}

impl Server {
    /// Reads the history. `roots` are pipeline files and folders of them.
    ///
    /// # Errors
    /// If there is nothing to serve, or the history cannot be read and written.
    pub fn new(settings: Settings, roots: Vec<PathBuf>, medium: Box<dyn Medium>, parts: Parts) -> Result<Self, Error> {
        let files = Files::new(roots)?;
        let alerter = Alerter::new(settings.alerts.clone())?;
        let (journal, state) = Journal::open(medium)?;
        let core = Core::new(Scheduler::new(settings, state), journal, files, parts.clock.now());
        Ok(Self {
            core: Arc::new(Mutex::new(core)),
            parts,
            alerter,
            tick: TICK,
            order: watch::Sender::new(Order::GoOn),
            tasks: JoinSet::new(),
            backlog: VecDeque::new(),
            telling: BTreeSet::new(),
            looked: None,
        })
    }

    /// How often the clock is looked at if nothing happens. Default: 10 s.
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    pub fn handle(&self) -> Handle {
        Handle { core: Arc::clone(&self.core), clock: Arc::clone(&self.parts.clock) }
    }

    /// Runs until it is asked to stop and its runs have ended.
    ///
    /// # Errors
    /// If the history cannot be written at the start.
    pub async fn run(mut self, mut stop: watch::Receiver<Stop>) -> Result<(), Error> {
        let recovered = self.core().recover(self.parts.clock.now());
        recovered.map_err(|e| Error::new("could not write the history").source(e))?;
        loop {
            let wait = self.turn();
            tokio::select! {
                biased;
                () = asked(&mut stop) => break,
                Some(event) = self.tasks.join_next() => self.backlog.extend(event.ok()),
                () = tokio::time::sleep(wait) => {}
            }
            self.gather();
        }
        self.end(stop).await;
        Ok(())
    }

    /// Does what is to be done now; returns how long nothing else will be.
    fn turn(&mut self) -> Duration {
        let now = self.parts.clock.now();
        let reload = self.core().settings().reload;
        if self.looked.is_none_or(|looked| looked.elapsed() >= reload) {
            self.looked = Some(Instant::now());
            self.core().reload(now, self.parts.catalog.as_ref());
        }
        self.settle();
        let starts = self.core().tick(now);
        for start in starts {
            tracing::info!(pipeline = start.job, run = start.run, sources = ?start.sources, "run starts");
            let running = self.parts.runner.start(&start);
            let order = self.order.subscribe();
            self.tasks.spawn(attend(start.job, start.run, running, order));
        }
        self.tell();
        let wake = self.core().wake(now).map_or(self.tick, |wake| (wake - now).to_std().unwrap_or_default());
        wake.min(self.tick).min(reload).max(Duration::from_millis(1))
    }

    /// Makes durable what has happened. What cannot be stays for the next turn.
    fn settle(&mut self) {
        while let Some(event) = self.backlog.front() {
            let now = self.parts.clock.now();
            let settled = match event {
                Event::Ended { job, run, outcome, took } => self.core().ended(now, job, *run, outcome, *took),
                Event::Told { alert, untold } => self.core().told(now, alert, *untold),
            };
            if !settled {
                return;
            }
            if let Some(Event::Told { alert, .. }) = self.backlog.pop_front() {
                self.telling.remove(&(alert.condition, alert.subject));
            }
        }
    }

    /// Takes what other tasks have to say too, so that one turn serves many.
    fn gather(&mut self) {
        while let Some(event) = self.tasks.try_join_next() {
            self.backlog.extend(event.ok());
        }
    }

    /// Begins to tell people of conditions that have changed. Of one condition one thing at a time.
    fn tell(&mut self) {
        let alerts = self.core().alerts(self.parts.clock.now());
        for alert in alerts {
            if self.telling.insert((alert.condition, alert.subject.clone())) {
                tracing::warn!("{}", alert.text);
                let alerter = self.alerter.clone();
                self.tasks.spawn(async move {
                    let untold = alerter.tell(&alert).await;
                    Event::Told { alert, untold }
                });
            }
        }
    }

    /// Ends the runs: asked first, then killed. A kill costs no data, as a run goes on where its last commit was.
    async fn end(&mut self, mut stop: watch::Receiver<Stop>) {
        self.core().stop();
        self.order.send_replace(Order::End);
        let within = self.core().settings().stop_within;
        let patience = tokio::time::sleep(within);
        tokio::pin!(patience);
        let mut killed = false;
        while self.core().has_running() {
            tokio::select! {
                biased;
                () = at_once(&mut stop), if !killed => {
                    killed = true;
                    self.order.send_replace(Order::Kill);
                    patience.as_mut().reset(Instant::now() + KILLED);
                }
                Some(event) = self.tasks.join_next() => self.backlog.extend(event.ok()),
                () = &mut patience => {
                    if killed {
                        break;
                    }
                    killed = true;
                    self.order.send_replace(Order::Kill);
                    patience.as_mut().reset(Instant::now() + KILLED);
                }
            }
            self.gather();
            self.settle();
            if !self.backlog.is_empty() {
                // The history cannot be written: these runs will be run again.
                break;
            }
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }
}

/// A panic while it was held leaves no half-made decision behind: records are applied one by one.
fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns when the server is asked to stop, or nobody is there any more who could ask.
async fn asked(stop: &mut watch::Receiver<Stop>) {
    let _ = stop.wait_for(|stop| *stop >= Stop::Soon).await;
}

async fn at_once(stop: &mut watch::Receiver<Stop>) {
    if stop.wait_for(|stop| *stop == Stop::AtOnce).await.is_err() {
        std::future::pending().await
    }
}
