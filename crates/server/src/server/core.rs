//! The scheduler with its journal: what is decided here is durable.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::alert::Alert;
use crate::files::Files;
use crate::history::{Journal, Record};
use crate::runner::{Outcome, Start};
use crate::scheduler::Scheduler;
use crate::status::{self, Status};
use crate::{Catalog, Settings};

/// The loop that has not turned for so long is stuck.
const STUCK: Duration = Duration::from_secs(60);

pub struct Core {
    scheduler: Scheduler,
    journal: Journal,
    files: Files,
    problems: BTreeMap<PathBuf, String>,
    /// The files were read once, and what they say is durable.
    loaded: bool,
    /// Files have changed and that is not durable yet.
    stale: bool,
    /// Why the history could not be written the last time.
    unwritten: Option<String>,
    turned: Instant,
    process: status::ProcessStatus,
}

impl Core {
    pub fn new(scheduler: Scheduler, journal: Journal, files: Files, now: DateTime<Utc>) -> Self {
        Self {
            scheduler,
            journal,
            files,
            problems: BTreeMap::new(),
            loaded: false,
            stale: true,
            unwritten: None,
            turned: Instant::now(),
            process: status::ProcessStatus { started: now, reload_errors: 0, alerts: 0, alerts_untold: 0 },
        }
    }

    pub fn settings(&self) -> &Settings {
        self.scheduler.settings()
    }

    /// Queues again what was running when the server before this one ended.
    pub fn recover(&mut self, now: DateTime<Utc>) -> io::Result<()> {
        let records = self.scheduler.recover(now);
        self.commit(&records)
    }

    /// Looks at the files.
    pub fn reload(&mut self, now: DateTime<Utc>, catalog: &dyn Catalog) {
        self.stale |= self.files.poll(catalog);
        if !self.stale {
            return;
        }
        let problems = self.files.problems();
        let news = problems.iter().filter(|(file, problem)| self.problems.get(*file) != Some(problem));
        self.process.reload_errors += news.count() as u64;
        self.problems = problems;
        let jobs = self.files.jobs();
        let records = self.scheduler.watch(now, &jobs, &self.files.unsure());
        if self.commit(&records).is_ok() {
            match self.scheduler.install(&jobs) {
                Ok(()) => (self.stale, self.loaded) = (false, true),
                Err(e) => tracing::error!("could not take up the pipelines: {e}"),
            }
        }
    }

    /// Accounts for the slots that are due, and returns what is to be started: it is on record as started.
    pub fn tick(&mut self, now: DateTime<Utc>) -> Vec<Start> {
        self.turned = Instant::now();
        let due = self.scheduler.due(now);
        if self.commit(&due).is_err() {
            return Vec::new();
        }
        let (records, starts): (Vec<_>, Vec<_>) = self.scheduler.starts(now).into_iter().unzip();
        match self.commit(&records) {
            Ok(()) => starts.into_iter().flatten().collect(),
            Err(_) => Vec::new(),
        }
    }

    pub fn wake(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // A slot that cannot be recorded stays due: it is tried at each tick, not all the time.
        self.scheduler.wake(now).filter(|_| self.unwritten.is_none())
    }

    /// Returns whether it is durable.
    pub fn ended(&mut self, now: DateTime<Utc>, job: &str, run: u64, outcome: &Outcome, took: Duration) -> bool {
        let record = self.scheduler.ended(now, job, run, outcome, took);
        if let Record::End { end, message, again, .. } = &record {
            let (message, seconds) = (message.as_deref().unwrap_or_default(), took.as_secs());
            tracing::info!(pipeline = job, run, ?end, seconds, again = ?again.map(|at| at.to_rfc3339()), message, "run ended");
        }
        self.commit(&[record]).is_ok()
    }

    /// Returns whether it is durable.
    pub fn told(&mut self, now: DateTime<Utc>, alert: &Alert, untold: usize) -> bool {
        let holds = alert.kind == crate::alert::Kind::Began;
        let record = Record::Told { at: now, condition: alert.condition, subject: alert.subject.clone(), holds };
        if self.commit(&[record]).is_err() {
            return false;
        }
        self.process.alerts += 1;
        self.process.alerts_untold += untold as u64;
        true
    }

    /// What people should be told: where what holds differs from what they know.
    pub fn alerts(&self, now: DateTime<Utc>) -> Vec<Alert> {
        if !self.loaded {
            return Vec::new();
        }
        let hold = self.scheduler.conditions(now, &self.problems);
        let told = &self.scheduler.state().told;
        let began = hold.iter().filter(|(about, _)| !told.contains(about));
        let over = told.iter().filter(|about| !hold.contains_key(about));
        let began =
            began.map(|((condition, subject), detail)| Alert::new(now, *condition, subject, true, detail.as_deref()));
        let over = over.map(|(condition, subject)| Alert::new(now, *condition, subject, false, None));
        began.chain(over).collect()
    }

    pub fn stop(&mut self) {
        self.scheduler.stop();
    }

    pub fn has_running(&self) -> bool {
        self.scheduler.state().running() > 0
    }

    pub fn ready(&self) -> Result<(), String> {
        let since = self.turned.elapsed();
        if self.scheduler.is_stopping() {
            Err("the server is stopping".to_owned())
        } else if let Some(why) = &self.unwritten {
            Err(format!("the history cannot be written: {why}"))
        } else if !self.loaded {
            Err("the pipelines have not been read yet".to_owned())
        } else if since > STUCK {
            Err(format!("the scheduler has not turned for {} s", since.as_secs()))
        } else {
            Ok(())
        }
    }

    pub fn status(&self, now: DateTime<Utc>) -> Status {
        Status::new(now, &self.scheduler, &self.problems, self.process.clone(), self.ready().err())
    }

    /// Makes records durable, then true.
    fn commit(&mut self, records: &[Record]) -> io::Result<()> {
        if let Err(e) = self.journal.append(self.scheduler.state(), records) {
            if self.unwritten.is_none() {
                tracing::error!("could not write the history, so nothing is started: {e}");
            }
            self.unwritten = Some(e.to_string());
            return Err(e);
        }
        if !records.is_empty() && self.unwritten.take().is_some() {
            tracing::info!("the history can be written again");
        }
        records.iter().for_each(|record| self.scheduler.apply(record));
        Ok(())
    }
}
