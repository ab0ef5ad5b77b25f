//! How the server is: what health, metrics and pages show.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::history::{Counts, Finished, JobState, Slot};
use crate::scheduler::Scheduler;

/// The server at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub now: DateTime<Utc>,
    pub process: ProcessStatus,
    /// Why runs are not started at their times, if they are not.
    pub unready: Option<String>,
    pub jobs: Vec<JobStatus>,
    /// Files that cannot be read as pipelines, and why. A pipeline that such a file was before is still served.
    pub problems: BTreeMap<PathBuf, String>,
}

/// The process, since it was started.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessStatus {
    pub started: DateTime<Utc>,
    /// Files that were found broken after an edit, or at the start.
    pub reload_errors: u64,
    /// Alerts sent, and how many of them did not reach someone.
    pub alerts: u64,
    pub alerts_untold: u64,
}

/// One pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct JobStatus {
    pub name: String,
    pub file: PathBuf,
    pub lake: String,
    pub next_slot: Option<DateTime<Utc>>,
    pub running: Option<RunStatus>,
    pub queued: Vec<RunStatus>,
    pub failing: bool,
    pub last_success: Option<DateTime<Utc>>,
    pub last_milliseconds: Option<u64>,
    /// Since the state folder was made.
    pub counts: Counts,
    /// The last ended runs, newest last.
    pub recent: Vec<Finished>,
}

/// A run that is queued or going.
#[derive(Debug, Clone, Serialize)]
pub struct RunStatus {
    pub run: u64,
    pub slots: Vec<Slot>,
    /// When it was started; for a queued run, when it may be.
    pub since: DateTime<Utc>,
    /// How often it has failed or was lost before.
    pub attempts: u32,
}

impl Status {
    pub(crate) fn new(
        now: DateTime<Utc>,
        scheduler: &Scheduler,
        problems: &BTreeMap<PathBuf, String>,
        process: ProcessStatus,
        unready: Option<String>,
    ) -> Self {
        let nothing = JobState::default();
        let jobs = scheduler.jobs().map(|(job, file)| {
            let state = scheduler.state().jobs.get(&job.name).unwrap_or(&nothing);
            let running = state.running.as_ref();
            let queued = state.pending.iter();
            JobStatus {
                name: job.name.clone(),
                file: file.clone(),
                lake: job.lake.clone(),
                next_slot: scheduler.next_slot(&job.name),
                running: running.map(|going| RunStatus {
                    run: going.run,
                    slots: going.slots.clone(),
                    since: going.since,
                    attempts: going.attempts,
                }),
                queued: queued
                    .map(|pending| RunStatus {
                        run: pending.run,
                        slots: pending.slots.clone(),
                        since: pending.ready,
                        attempts: pending.attempts,
                    })
                    .collect(),
                failing: state.failing,
                last_success: state.last_success,
                last_milliseconds: state.last_milliseconds,
                counts: state.counts.clone(),
                recent: state.recent.iter().cloned().collect(),
            }
        });
        Self { now, process, unready, jobs: jobs.collect(), problems: problems.clone() }
    }
}
