//! `max_rejected`: a run in which too many records of a stream were rejected ends before anything is made of them.
//!
//! A stream is judged by what was read since the last run that was let through ([`Passed`]), so that it stays held until that is
//! taken back, mended, replayed or accepted, however many runs come in between.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tributary_engine::Session;
use tributary_lake::{Lake, Passed, Progress, StreamId, StreamLog};

use super::{Standing, reason};
use crate::config::MaxRejected;
use crate::project::Project;
use crate::run::Error;
use crate::sync::Report;
use crate::{standing, undo};

/// How many reasons and runs are told.
const TOLD: usize = 3;

/// A stream over its limit.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// `source.stream`.
    pub stream: String,
    /// Of the records read since the last run that was let through, those that still stand.
    pub read: u64,
    pub rejected: u64,
    /// Why, with the most frequent reason first.
    pub reasons: Vec<(String, u64)>,
    /// The runs that read them.
    pub runs: Vec<String>,
    /// Whether it goes on all the same.
    #[serde(skip)]
    pub accepted: bool,
}

impl Held {
    /// What happened and what can be done, for who reads the end of a run.
    pub fn in_words(&self, lake: &str) -> String {
        let Self { stream, read, rejected, reasons, runs, accepted } = self;
        let mut text = format!("{stream}: {rejected} of {read} records were rejected, more than `max_rejected` allows");
        let told: Vec<_> = reasons.iter().take(TOLD).map(|(reason, count)| format!("{count} × {reason}")).collect();
        text.push_str(&format!(" ({}", told.join("; ")));
        if reasons.len() > TOLD {
            text.push_str(&format!("; {} other reasons", reasons.len() - TOLD));
        }
        if *accepted {
            return text + "); accepted";
        }
        let undo: Vec<_> = runs.iter().take(TOLD).map(|run| format!("`tributary undo {lake} {run}`")).collect();
        let undo = if undo.is_empty() { String::new() } else { format!("take them back with {}; ", undo.join(", ")) };
        text + &format!(
            "); nothing is made of what was read until that is settled. See them: `tributary quarantine show {lake} {stream}`. \
             Mend the file or the declaration, then `tributary quarantine replay PIPELINE {stream}`; {undo}\
             raise `max_rejected`; or run with `--accept-rejected {stream}`"
        )
    }
}

/// Which streams are over their limits, and how far all have come.
pub(crate) struct Judged {
    pub over: Vec<Held>,
    before: Passed,
    now: Passed,
}

impl Judged {
    pub fn held(&self) -> impl Iterator<Item = &Held> {
        self.over.iter().filter(|held| !held.accepted)
    }

    /// Lets all that was read through to the stages, unless a stream is held.
    ///
    /// # Errors
    /// If the lake cannot be written.
    pub async fn pass(&self, lake: &Lake) -> Result<(), Error> {
        if self.held().next().is_none() && self.now != self.before {
            lake.set_passed(&self.now).await?;
        }
        Ok(())
    }
}

/// Judges the streams of a pipeline: those that were just read, by their reports, and those that are mapped. Writes nothing.
///
/// # Errors
/// If the lake cannot be read.
pub(crate) async fn judge(
    lake: &Lake,
    session: &Session,
    project: &Project,
    reports: &[Report],
    accepted: &[String],
) -> Result<Judged, Error> {
    let before = lake.passed().await?;
    let mut now = before.clone();
    let mut over = Vec::new();
    let read = reports.iter().map(|report| (&report.source, &report.stream));
    let mapped = project.mappings.iter().map(|mapping| (&mapping.source, &mapping.stream));
    let mut seen = BTreeSet::new();
    for (source, stream) in read.chain(mapped).filter(|stream| seen.insert(*stream)) {
        let report = reports.iter().find(|report| (&report.source, &report.stream) == (source, stream));
        let declared = project.pipeline.source(source);
        let in_lake = declared.map_or(source.as_str(), |source| source.in_lake());
        let newest = match report {
            Some(report) => report.commit,
            None => Standing::load(lake, session, in_lake, stream).await?.and_then(|standing| standing.log.commit),
        };
        let name = format!("{source}.{stream}");
        let since = before.streams.get(&name).copied().unwrap_or_default();
        let Some(newest) = newest.filter(|newest| *newest > since) else { continue };
        let limit = declared.and_then(|source| source.limit(stream));
        if let Some(limit) = limit
            && let Some(standing) = Standing::load(lake, session, in_lake, stream).await?
            && let Some(held) = held(lake, session, &standing, &name, since, limit).await?
        {
            over.push(Held { accepted: accepted.contains(&name), ..held });
        }
        now.streams.insert(name, newest);
    }
    Ok(Judged { over, before, now })
}

/// A stream, if it is over its limit in what came after commit `since`.
async fn held(
    lake: &Lake,
    session: &Session,
    standing: &Standing,
    name: &str,
    since: i64,
    limit: MaxRejected,
) -> Result<Option<Held>, Error> {
    let batches = batches(lake, standing, since).await?;
    let sum = |name: &str| batches.iter().filter_map(|batch| batch.counts.get(name)).sum::<u64>();
    if sum("rejected") == 0 {
        return Ok(None);
    }
    // Of these some may have been replayed since, or their file corrected.
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let open = standing.sql(&[], &format!("state = 'open' AND _commit > {since}"));
    standing.each(session, &open, |record| *reasons.entry(reason(&record.error)).or_default() += 1).await?;
    let rejected = reasons.values().sum();
    let withdrawn = session.count("count withdrawn records", &standing.withdrawn_sql(since)).await?;
    let read = sum("read").saturating_sub(withdrawn);
    let over = match limit {
        MaxRejected::Count(most) => rejected > most,
        MaxRejected::Share(share) => rejected as f64 > read as f64 * share,
    };
    if !over {
        return Ok(None);
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut runs: Vec<String> = Vec::new();
    for batch in batches.into_iter().filter(|batch| batch.counts.get("rejected").is_some_and(|count| *count > 0)) {
        runs.extend(batch.run.filter(|run| !runs.contains(run)));
    }
    Ok(Some(Held { stream: name.into(), read, rejected, reasons, runs, accepted: false }))
}

/// Goes back over an incarnation's batches. Answers whether all of them came after `since` and are known.
async fn back(
    lake: &Lake,
    log: &StreamLog,
    since: i64,
    oldest: DateTime<Utc>,
    found: &mut Vec<Progress>,
) -> Result<bool, Error> {
    let mut next = log.epoch;
    while let Some(epoch) = next {
        let batch = match log.load(lake, epoch).await {
            Ok(batch) => batch,
            // Old states are removed after a month; the newest is there, or the stream could not be opened.
            Err(tributary_lake::Error::Damaged { .. }) if !found.is_empty() => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        if batch.commit <= since || batch.created < oldest {
            return Ok(false);
        }
        next = batch.previous.map(tributary_lake::Epoch::from_version);
        found.push(batch);
    }
    Ok(true)
}

/// What was committed after `since` and stands, newest first, as far back as it is known.
async fn batches(lake: &Lake, standing: &Standing, since: i64) -> Result<Vec<Progress>, Error> {
    let oldest = Utc::now() - undo::KEPT;
    let mut log = standing.log.clone();
    let mut found: Vec<Progress> = Vec::new();
    while back(lake, &log, since, oldest, &mut found).await? && log.id.incarnation > 1 {
        let before = StreamId { incarnation: log.id.incarnation - 1, ..log.id.clone() };
        log = StreamLog::open(lake, &standing.table, before).await?;
    }
    for log in &standing.backfills {
        back(lake, log, since, oldest, &mut found).await?;
    }
    found.sort_by_key(|batch| std::cmp::Reverse(batch.commit));
    let gone = standing::retracted(&standing.log);
    found.retain(|batch| gone.iter().all(|(first, last)| !(*first..=*last).contains(&batch.commit)));
    Ok(found)
}
