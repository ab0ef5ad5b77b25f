//! What people should know, as long as it lasts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::{Scheduler, delta};
use crate::history::{Condition, JobState};

impl Scheduler {
    /// The conditions that hold, each with more to say about it if there is more.
    pub fn conditions(
        &self,
        now: DateTime<Utc>,
        problems: &BTreeMap<PathBuf, String>,
    ) -> BTreeMap<(Condition, String), Option<String>> {
        let mut hold = BTreeMap::new();
        for (name, job) in &self.state.jobs {
            if job.failing {
                let message = job.recent.iter().rev().find_map(|run| run.message.clone());
                hold.insert((Condition::Failing, name.clone()), message);
            }
            if let Some(why) = self.late(now, name, job) {
                hold.insert((Condition::Late, name.clone()), Some(why));
            }
        }
        for (file, problem) in problems {
            hold.insert((Condition::Broken, file.display().to_string()), Some(problem.clone()));
        }
        hold
    }

    fn late(&self, now: DateTime<Utc>, name: &str, job: &JobState) -> Option<String> {
        let limit = delta(self.policy(name).late_after);
        if let Some(going) = job.running.as_ref().filter(|going| now - going.since > limit) {
            return Some(format!(
                "run {} has been going since {}",
                going.run,
                going.since.format("%Y-%m-%d %H:%M UTC")
            ));
        }
        let waiting = job.pending.iter().find(|pending| now - pending.due.max(pending.ready) > limit)?;
        Some(format!("the slot of {} has not begun", waiting.due.format("%Y-%m-%d %H:%M UTC")))
    }
}
