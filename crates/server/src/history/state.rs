//! What the records add up to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::record::{Condition, End, Record, Slot, Span};

/// Ended runs that are kept for each job.
const RECENT: usize = 20;

/// All that the scheduler knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The last number given to a run.
    pub last_run: u64,
    pub jobs: BTreeMap<String, JobState>,
    /// The conditions that people were told of and that are not over as far as they know.
    pub told: BTreeSet<(Condition, String)>,
}

/// What is known of one job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    pub file: PathBuf,
    pub watched: Vec<Watched>,
    /// Queued runs, in the order in which they are to start.
    pub pending: VecDeque<Pending>,
    pub running: Option<Going>,
    /// The last run that counts has failed.
    pub failing: bool,
    pub last_success: Option<DateTime<Utc>>,
    pub last_milliseconds: Option<u64>,
    pub counts: Counts,
    /// The last ended runs, newest last.
    pub recent: VecDeque<Finished>,
}

/// How far a schedule is accounted for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    pub source: Option<String>,
    pub cron: String,
    pub timezone: String,
    /// Every slot up to and including this one is accounted for.
    pub upto: DateTime<Utc>,
}

/// A queued run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub run: u64,
    /// When it was queued.
    pub since: DateTime<Utc>,
    /// When it should have started, from which lateness counts.
    pub due: DateTime<Utc>,
    /// Not to be started before this.
    pub ready: DateTime<Utc>,
    /// The newest slot of each schedule.
    pub slots: Vec<Slot>,
    /// How often it has failed or was lost since its last slot.
    pub attempts: u32,
    /// How it ended before, if it goes on after an end.
    pub after: Option<End>,
}

/// A run that was started and has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Going {
    pub run: u64,
    pub lake: String,
    pub since: DateTime<Utc>,
    pub due: DateTime<Utc>,
    pub slots: Vec<Slot>,
    pub attempts: u32,
}

/// Since the state folder was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Ended runs.
    pub runs: BTreeMap<End, u64>,
    /// Slots that a run was queued for or has joined.
    pub slots: u64,
    /// Slots that went by unserved, whether or not a later slot's run stands for them.
    pub missed: u64,
    /// Slots that were left out because of a run that was still going.
    pub skipped: u64,
}

/// An ended run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub run: u64,
    pub slots: Vec<Slot>,
    pub started: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    pub end: End,
    pub exit: Option<i32>,
    pub milliseconds: u64,
    pub message: Option<String>,
}

impl State {
    /// Takes a record in. One that does not fit (a run nobody knows) changes nothing.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Watch { job, file, source, cron, timezone, from, .. } => {
                let job = self.jobs.entry(job.clone()).or_default();
                job.file.clone_from(file);
                job.watched.retain(|watched| watched.source != *source);
                job.watched.push(Watched {
                    source: source.clone(),
                    cron: cron.clone(),
                    timezone: timezone.clone(),
                    upto: *from,
                });
            }
            Record::Unwatch { job, source, .. } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.watched.retain(|watched| watched.source != *source);
                }
            }
            Record::Forget { job: name, .. } => {
                self.told.retain(|(condition, subject)| *condition == Condition::Broken || subject != name);
                if let Some(job) = self.jobs.get_mut(name) {
                    job.watched.clear();
                    job.pending.clear();
                    if job.running.is_none() {
                        self.jobs.remove(name);
                    }
                }
            }
            Record::Due { at, job, run, ready, slots, missed } => {
                self.last_run = self.last_run.max(*run);
                self.jobs.entry(job.clone()).or_default().due(*at, *run, *ready, slots, missed);
            }
            Record::Skip { job, spans, why, .. } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    let count: u64 = spans.iter().map(|span| span.count).sum();
                    match why {
                        super::Why::Misfire => job.counts.missed += count,
                        super::Why::Overlap => job.counts.skipped += count,
                    }
                    spans.iter().for_each(|span| job.accounted(&span.source, span.last));
                }
            }
            Record::Start { at, job, run, lake } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.start(*at, *run, lake);
                }
            }
            Record::End { at, job: name, run, end, exit, milliseconds, message, again } => {
                if let Some(job) = self.jobs.get_mut(name) {
                    job.end(*at, *run, *end, (*exit, *milliseconds, message.clone()), *again);
                    if job.watched.is_empty() && job.pending.is_empty() && job.running.is_none() {
                        self.jobs.remove(name);
                    }
                }
            }
            Record::Drop { job, run, .. } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.pending.retain(|pending| pending.run != *run);
                }
            }
            Record::Told { condition, subject, holds, .. } => {
                let about = (*condition, subject.clone());
                if *holds {
                    self.told.insert(about)
                } else {
                    self.told.remove(&about)
                };
            }
        }
    }

    /// How many runs were started and have not ended.
    pub fn running(&self) -> usize {
        self.jobs.values().filter(|job| job.running.is_some()).count()
    }
}

impl JobState {
    fn due(&mut self, at: DateTime<Utc>, run: u64, ready: DateTime<Utc>, slots: &[Slot], missed: &[Span]) {
        self.counts.slots += slots.len() as u64;
        self.counts.missed += missed.iter().map(|span| span.count).sum::<u64>();
        missed.iter().for_each(|span| self.accounted(&span.source, span.last));
        slots.iter().for_each(|slot| self.accounted(&slot.source, slot.at));
        let due = slots.iter().map(|slot| slot.at).min().unwrap_or(at);
        match self.pending.iter_mut().find(|pending| pending.run == run) {
            Some(pending) => {
                join(&mut pending.slots, slots);
                if pending.after.take().is_some() {
                    // The new slot is a fresh start for what was put off.
                    (pending.since, pending.due, pending.ready, pending.attempts) = (at, due, ready, 0);
                }
            }
            None => self.pending.push_back(Pending {
                run,
                since: at,
                due,
                ready,
                slots: slots.to_vec(),
                attempts: 0,
                after: None,
            }),
        }
    }

    fn start(&mut self, at: DateTime<Utc>, run: u64, lake: &str) {
        let Some(place) = self.pending.iter().position(|pending| pending.run == run) else { return };
        if let Some(Pending { run, due, slots, attempts, .. }) = self.pending.remove(place) {
            self.running = Some(Going { run, lake: lake.to_owned(), since: at, due, slots, attempts });
        }
    }

    fn end(
        &mut self,
        at: DateTime<Utc>,
        run: u64,
        end: End,
        (exit, milliseconds, message): (Option<i32>, u64, Option<String>),
        again: Option<DateTime<Utc>>,
    ) {
        let Some(going) = self.running.take_if(|going| going.run == run) else { return };
        *self.counts.runs.entry(end).or_default() += 1;
        match end {
            End::Success => {
                self.failing = false;
                self.last_success = Some(at);
            }
            End::Failed => self.failing = true,
            End::Waiting | End::Stopped | End::Lost => {}
        }
        if end != End::Lost {
            self.last_milliseconds = Some(milliseconds);
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let (slots, started) = (going.slots.clone(), going.since);
        self.recent.push_back(Finished { run, slots, started, ended: at, end, exit, milliseconds, message });
        let Some(ready) = again else { return };
        // A run that is queued already reads what this one was to read.
        if let Some(next) = self.pending.front_mut() {
            join(&mut next.slots, &going.slots);
            return;
        }
        let attempts = match end {
            End::Failed | End::Lost => going.attempts + 1,
            End::Stopped => going.attempts,
            End::Success | End::Waiting => 0,
        };
        let slots = going.slots;
        self.pending.push_back(Pending { run, since: at, due: ready, ready, slots, attempts, after: Some(end) });
    }

    fn accounted(&mut self, source: &Option<String>, upto: DateTime<Utc>) {
        for watched in self.watched.iter_mut().filter(|watched| watched.source == *source) {
            watched.upto = watched.upto.max(upto);
        }
    }
}

/// Adds slots to others: of one schedule the newest stays.
fn join(slots: &mut Vec<Slot>, others: &[Slot]) {
    for other in others {
        match slots.iter_mut().find(|slot| slot.source == other.source) {
            Some(slot) => slot.at = slot.at.max(other.at),
            None => slots.push(other.clone()),
        }
    }
}
