//! What is to be run when, and the seam to those who can read pipeline files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono_tz::Tz;

use crate::history::Slot;

/// A pipeline as the scheduler sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Unique among the files that are served.
    pub name: String,
    /// Jobs with the same text here never run at the same time. Two spellings of one place should be made one.
    pub lake: String,
    /// All sources of the pipeline.
    pub sources: Vec<String>,
    /// When those sources run that have no rhythm of their own. `None`: only by hand.
    pub schedule: Option<Schedule>,
    /// Sources with a rhythm of their own.
    pub own: BTreeMap<String, Schedule>,
}

/// A rhythm.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Minute, hour, day, month, weekday.
    pub cron: String,
    pub timezone: Tz,
}

/// Why a file is no job, as the user should read it: may have lines, names the place and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Reads pipeline files.
pub trait Catalog: Send + Sync {
    /// Reads one file. Called at the start and whenever the file's content has changed; must not touch the network.
    ///
    /// # Errors
    /// If it is no pipeline that could be run. The last job that the file was stays.
    fn load(&self, file: &Path) -> Result<Job, Problem>;
}

impl Job {
    /// Every schedule, by the source it belongs to; `None` is the pipeline's.
    pub(crate) fn schedules(&self) -> impl Iterator<Item = (Option<&str>, &Schedule)> {
        let whole = self.schedule.iter().map(|schedule| (None, schedule));
        whole.chain(self.own.iter().map(|(source, schedule)| (Some(source.as_str()), schedule)))
    }

    /// Which sources a run for `slots` reads: empty for all, `None` if none of them is there any more.
    pub(crate) fn sources_of(&self, slots: &[Slot]) -> Option<Vec<String>> {
        if self.sources.is_empty() {
            return Some(Vec::new());
        }
        let mut wanted = BTreeSet::new();
        for slot in slots {
            match &slot.source {
                None => wanted.extend(self.sources.iter().filter(|source| !self.own.contains_key(*source))),
                Some(own) => wanted.extend(self.sources.iter().filter(|source| *source == own)),
            }
        }
        if wanted.is_empty() {
            return None;
        }
        let all = self.sources.iter().all(|source| wanted.contains(source));
        Some(if all { Vec::new() } else { wanted.into_iter().cloned().collect() })
    }
}
