//! Which queued runs start: first due, first served, one of a job and of a lake at a time, so many in all.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Scheduler;
use crate::history::{End, Pending, Record};
use crate::runner::Start;

impl Scheduler {
    /// What is to be started now: the records that say so, and what to do once they are durable. A record without a start is
    /// of a run that has nothing to read any more.
    pub fn starts(&self, now: DateTime<Utc>) -> Vec<(Record, Option<Start>)> {
        if self.stopping {
            return Vec::new();
        }
        let mut free = self.settings.max_concurrent.saturating_sub(self.state.running());
        if free == 0 {
            return Vec::new();
        }
        let mut busy: BTreeSet<&str> =
            self.state.jobs.values().filter_map(|job| Some(job.running.as_ref()?.lake.as_str())).collect();
        let mut queued: Vec<(&String, &Pending)> = self
            .state
            .jobs
            .iter()
            .filter(|(_, job)| job.running.is_none())
            .filter_map(|(name, job)| Some((name, job.pending.front()?)))
            .filter(|(_, pending)| is_ready(pending, now))
            .collect();
        queued.sort_by_key(|(_, pending)| (pending.ready, pending.run));

        let mut starts = Vec::new();
        for (name, pending) in queued {
            // A job whose file is broken since the server started waits for it to be mended.
            let Some(known) = self.jobs.get(name) else { continue };
            let Some(sources) = known.job.sources_of(&pending.slots) else {
                starts.push((Record::Drop { at: now, job: name.clone(), run: pending.run }, None));
                continue;
            };
            if free == 0 {
                break;
            }
            if !busy.insert(&known.job.lake) {
                continue;
            }
            free -= 1;
            let record = Record::Start { at: now, job: name.clone(), run: pending.run, lake: known.job.lake.clone() };
            let start = Start { run: pending.run, job: name.clone(), file: known.file.clone(), sources };
            starts.push((record, Some(start)));
        }
        starts
    }
}

fn is_ready(pending: &Pending, now: DateTime<Utc>) -> bool {
    // A delay that began in the future was written under a clock that has gone back since. What a source has said is an
    // instant, and no delay.
    let clock_went_back = now < pending.since && pending.after != Some(End::Waiting);
    pending.ready <= now || clock_went_back
}
