//! The scheduler's decisions: pure, with the time as an argument.
//!
//! A decision is a list of records. Nothing changes before they are durable and applied: whoever drives the scheduler appends
//! them to the journal first.

mod conditions;
mod due;
mod ended;
mod queue;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::calendar::Calendar;
use crate::history::{End, Record, State};
use crate::settings::{Policy, Settings};
use crate::{Job, Problem};

/// A slot that is begun later than this was missed by a server that was not there, or not awake.
const GRACE: TimeDelta = TimeDelta::seconds(60);

/// A schedule that is accounted for further ahead than this was written under a clock that was wrong.
const WRONG_CLOCK: TimeDelta = TimeDelta::days(1);

/// What the scheduler knows and decides.
pub struct Scheduler {
    settings: Settings,
    state: State,
    jobs: BTreeMap<String, Known>,
    /// When retries were granted, within the last hour.
    retries: VecDeque<DateTime<Utc>>,
    stopping: bool,
}

/// A job that can be run.
struct Known {
    job: Job,
    file: PathBuf,
    policy: Policy,
    /// The same for a name at all times, so that a restart changes nothing.
    jitter: TimeDelta,
    rhythms: Vec<Rhythm>,
}

struct Rhythm {
    source: Option<String>,
    calendar: Calendar,
    /// The first slot after the last that is accounted for, and that one.
    next: Option<DateTime<Utc>>,
    upto: Option<DateTime<Utc>>,
}

impl Scheduler {
    pub fn new(settings: Settings, state: State) -> Self {
        Self { settings, state, jobs: BTreeMap::new(), retries: VecDeque::new(), stopping: false }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn jobs(&self) -> impl Iterator<Item = (&Job, &PathBuf)> {
        self.jobs.values().map(|known| (&known.job, &known.file))
    }

    pub fn policy(&self, job: &str) -> Policy {
        self.jobs.get(job).map_or_else(|| self.settings.policy(job), |known| known.policy)
    }

    /// The next slot of a job, over all its schedules.
    pub fn next_slot(&self, job: &str) -> Option<DateTime<Utc>> {
        self.jobs.get(job)?.rhythms.iter().filter_map(|rhythm| rhythm.next).min()
    }

    /// No run is started from now on.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Takes in a record that is durable.
    pub fn apply(&mut self, record: &Record) {
        self.state.apply(record);
        match record {
            Record::Watch { job, .. } | Record::Due { job, .. } | Record::Skip { job, .. } => self.look_ahead(job),
            Record::End { at, end: End::Failed, again: Some(_), .. } => {
                self.retries.retain(|retry| *retry > *at - ended::BUDGET_SPAN);
                self.retries.push_back(*at);
            }
            _ => {}
        }
    }

    /// What was started under a server that ended before it: to be run again.
    pub fn recover(&self, now: DateTime<Utc>) -> Vec<Record> {
        let running = self.state.jobs.iter().filter_map(|(name, job)| Some((name, job.running.as_ref()?)));
        running
            .map(|(job, going)| {
                // At once the first time; a run that takes the server down with it must not do so all the time.
                let wait = match going.attempts {
                    0 => TimeDelta::zero(),
                    n => self.backoff(job, n),
                };
                Record::End {
                    at: now,
                    job: job.clone(),
                    run: going.run,
                    end: End::Lost,
                    exit: None,
                    milliseconds: 0,
                    message: Some("the server ended before the run did".to_owned()),
                    again: Some(now + wait),
                }
            })
            .collect()
    }

    /// The records that make `jobs` the ones that are watched. `unsure` are files of which nobody can say what job they are:
    /// the jobs they used to be are kept.
    ///
    /// After they were applied, [`Scheduler::install`] completes it.
    pub fn watch(&self, now: DateTime<Utc>, jobs: &[(PathBuf, Job)], unsure: &[PathBuf]) -> Vec<Record> {
        let mut records = Vec::new();
        for (file, job) in jobs {
            let known = self.state.jobs.get(&job.name);
            for (source, schedule) in job.schedules() {
                let same = known.is_some_and(|known| {
                    known.file == *file
                        && known.watched.iter().any(|watched| {
                            watched.source.as_deref() == source
                                && watched.cron == schedule.cron
                                && watched.timezone == schedule.timezone.name()
                        })
                });
                if !same {
                    records.push(Record::Watch {
                        at: now,
                        job: job.name.clone(),
                        file: file.clone(),
                        source: source.map(str::to_owned),
                        cron: schedule.cron.clone(),
                        timezone: schedule.timezone.name().to_owned(),
                        from: now,
                    });
                }
            }
            for watched in known.iter().flat_map(|known| &known.watched) {
                if !job.schedules().any(|(source, _)| source == watched.source.as_deref()) {
                    records.push(Record::Unwatch { at: now, job: job.name.clone(), source: watched.source.clone() });
                }
            }
        }
        for (name, known) in &self.state.jobs {
            let gone = !jobs.iter().any(|(_, job)| job.name == *name) && !unsure.contains(&known.file);
            if gone && !(known.watched.is_empty() && known.pending.is_empty()) {
                records.push(Record::Forget { at: now, job: name.clone() });
            }
        }
        records
    }

    /// Makes `jobs` the ones that can be run.
    ///
    /// # Errors
    /// If a job's schedule is not understood, which a job that was [checked](check) is not.
    pub fn install(&mut self, jobs: &[(PathBuf, Job)]) -> Result<(), Problem> {
        let mut known = BTreeMap::new();
        for (file, job) in jobs {
            let policy = self.settings.policy(&job.name);
            let jitter = jitter(&job.name, self.settings.jitter);
            let rhythms = rhythms(job)?;
            known.insert(job.name.clone(), Known { job: job.clone(), file: file.clone(), policy, jitter, rhythms });
        }
        self.jobs = known;
        let names: Vec<String> = self.jobs.keys().cloned().collect();
        names.iter().for_each(|name| self.look_ahead(name));
        Ok(())
    }

    fn look_ahead(&mut self, job: &str) {
        let (Some(known), Some(state)) = (self.jobs.get_mut(job), self.state.jobs.get(job)) else { return };
        for rhythm in &mut known.rhythms {
            let watched = state.watched.iter().find(|watched| watched.source == rhythm.source);
            let upto = watched.map(|watched| watched.upto);
            if rhythm.upto != upto {
                (rhythm.upto, rhythm.next) = (upto, upto.and_then(|upto| rhythm.calendar.next(upto)));
            }
        }
    }

    /// The wait before attempt `n + 1`: doubled each time, up to an hour, and a little different for each job.
    fn backoff(&self, job: &str, n: u32) -> TimeDelta {
        let first = self.policy(job).retry_delay;
        let wait = first.saturating_mul(1 << n.saturating_sub(1).min(16)).min(Duration::from_secs(3600));
        delta(wait) + jitter(job, wait / 4)
    }
}

/// Checks what a catalogue gave.
///
/// # Errors
/// If a schedule is not understood or belongs to a source that is not there.
pub fn check(job: &Job) -> Result<(), Problem> {
    if let Some(source) = job.own.keys().find(|own| !job.sources.contains(own)) {
        return Err(Problem::new(format!("there is no source `{source}` to have a schedule of its own")));
    }
    rhythms(job).map(|_| ())
}

fn rhythms(job: &Job) -> Result<Vec<Rhythm>, Problem> {
    job.schedules()
        .map(|(source, schedule)| {
            let calendar = Calendar::new(&schedule.cron, schedule.timezone)?;
            Ok(Rhythm { source: source.map(str::to_owned), calendar, next: None, upto: None })
        })
        .collect()
}

/// A delay below `span` that a name always has.
fn jitter(name: &str, span: Duration) -> TimeDelta {
    let hash = blake3::hash(name.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    delta(span.mul_f64(f64::from(u32::from_le_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)))
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
