//! What follows from the end of a run.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Scheduler;
use crate::history::{End, Record};
use crate::runner::{Exit, Outcome};

/// Exit codes of the program.
const DONE: i32 = 0;
const WRONG_INPUT: i32 = 2;
const WAITING: i32 = 3;

/// A source that names a time that is over, or nearly, is not asked again before this.
const SHORTEST_WAIT: TimeDelta = TimeDelta::seconds(60);

/// The time over which the retry budget counts.
pub(super) const BUDGET_SPAN: TimeDelta = TimeDelta::hours(1);

impl Scheduler {
    /// The record of a run's end, with what comes of it.
    pub fn ended(&self, now: DateTime<Utc>, job: &str, run: u64, outcome: &Outcome, took: Duration) -> Record {
        let (end, mut again) = match outcome.exit {
            Exit::Code(DONE) => (End::Success, None),
            Exit::Code(WAITING) => (End::Waiting, outcome.waiting_until.map(|until| until.max(now + SHORTEST_WAIT))),
            // It was us who ended it: it goes on when the server does.
            _ if self.stopping => (End::Stopped, Some(now)),
            Exit::Code(WRONG_INPUT) => (End::Failed, None),
            _ => (End::Failed, self.retry(now, job)),
        };
        if !self.jobs.contains_key(job) && end != End::Stopped {
            again = None;
        }
        let exit = match outcome.exit {
            Exit::Code(code) => Some(code),
            Exit::Killed | Exit::NotStarted => None,
        };
        Record::End {
            at: now,
            job: job.to_owned(),
            run,
            end,
            exit,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            message: outcome.message.clone().filter(|_| end != End::Success),
            again,
        }
    }

    /// When a run that has failed may be tried again before its next slot.
    fn retry(&self, now: DateTime<Utc>, job: &str) -> Option<DateTime<Utc>> {
        let attempts = self.state.jobs.get(job)?.running.as_ref()?.attempts;
        let spent = self.retries.iter().filter(|at| **at > now - BUDGET_SPAN && **at <= now).count();
        let granted = attempts < self.policy(job).retries && spent < self.settings.retry_budget;
        granted.then(|| now + self.backoff(job, attempts + 1))
    }
}
