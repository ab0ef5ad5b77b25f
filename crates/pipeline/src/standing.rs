//! How a stream stands in the lake: where its reading goes on, the backfills beside it, and which of its rows no longer count.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use tributary_connector::{Cursor, Deletes, Stream, Window};
use tributary_lake::{Lake, Result, StreamId, StreamLog, Table};

/// What is ours among a stream's positions begins so.
pub(crate) const OURS: &str = "tributary:";
/// The name among a stream's positions of the commits that no longer count.
pub(crate) const RETRACTED: &str = "tributary:retracted";
/// The name among a stream's positions of how it is read again, where that is not by what has changed.
pub(crate) const CURSOR: &str = "tributary:cursor";
/// The name among a stream's positions that says that it went back and was not read to its end since.
pub(crate) const WENT_BACK: &str = "tributary:went_back";
/// The name among a backfill's positions of the window that it reads.
pub(crate) const WINDOW: &str = "tributary:window";
/// The name among a backfill's positions that says that it is at its end.
pub(crate) const DONE: &str = "tributary:done";
const CONTENTS: &str = "contents";
const WHOLE: &str = "whole";

/// How a stream is read again, as far as the lake remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By what has changed.
    Changes,
    /// By what its files hold.
    Contents,
    /// Whole: what is shown takes the place of all that was shown before.
    Whole,
}

/// What is remembered of how a stream is read again.
pub(crate) fn cursor(stream: &Stream) -> Option<Value> {
    match &stream.cursor {
        Cursor::Contents => Some(json!(CONTENTS)),
        _ if stream.deletes == Deletes::Scope || stream.primary_key.is_empty() => Some(json!(WHOLE)),
        _ => None,
    }
}

/// The commits of a stream that no longer count, first and last of each stretch.
pub(crate) fn retracted(log: &StreamLog) -> Vec<(i64, i64)> {
    log.positions.get(RETRACTED).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

/// How many rows a stream's commits have added: what the stage that reads them remembers. An epoch that only moved positions
/// (a file that was renamed) does not move it.
pub(crate) fn rows_so_far(totals: &BTreeMap<String, u64>) -> i64 {
    let rows: u64 =
        ["written", "rejected", "withdrawn", "retracted", "replayed"].iter().filter_map(|name| totals.get(*name)).sum();
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A stream as it stands on its table.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The incarnation that runs go on with.
    pub live: StreamLog,
    pub backfills: Vec<StreamLog>,
}

impl Standing {
    /// # Errors
    /// As [`StreamLog::open`].
    pub async fn open(lake: &Lake, table: &Table, source: &str, stream: &str) -> Result<Self> {
        let id = StreamId::live(lake, table, source, stream).await?;
        let live = StreamLog::open(lake, table, id).await?;
        let mut backfills = Vec::new();
        for id in StreamId::backfills(lake, table, source, stream).await? {
            backfills.push(StreamLog::open(lake, table, id).await?);
        }
        Ok(Self { live, backfills })
    }

    /// The incarnation in which a window is read: one that was begun and is not at its end, or a new one. And the others.
    ///
    /// # Errors
    /// As [`StreamLog::open`].
    pub async fn backfill(self, lake: &Lake, table: &Table, window: Window) -> Result<(StreamLog, Vec<StreamLog>)> {
        let Self { live, mut backfills } = self;
        let is_begun = |log: &StreamLog| {
            log.positions.get(WINDOW) == Some(&text_of(window).into()) && !log.positions.contains_key(DONE)
        };
        let log = match backfills.iter().position(is_begun) {
            Some(begun) => backfills.remove(begun),
            None => {
                let incarnation = backfills.last().map_or(0, |last| last.id.incarnation) - 1;
                StreamLog::open(lake, table, StreamId { incarnation, ..live.id.clone() }).await?
            }
        };
        backfills.push(live);
        Ok((log, backfills))
    }

    /// Whether a backfill has read a window to its end, the last time that it was asked for.
    pub fn has_read(&self, window: Window) -> bool {
        let of_window = |log: &&StreamLog| log.positions.get(WINDOW) == Some(&text_of(window).into());
        self.backfills.iter().rev().find(of_window).is_some_and(|log| log.positions.contains_key(DONE))
    }

    /// The counts of all that was ever read of the stream.
    pub fn totals(&self) -> BTreeMap<String, u64> {
        let mut totals = self.live.totals.clone();
        self.backfills.iter().for_each(|log| add(&mut totals, &log.totals));
        totals
    }

    /// Positions of the source, without ours.
    pub fn positions(&self) -> usize {
        self.live.positions.keys().filter(|name| !name.starts_with(OURS)).count()
    }
}

impl Manner {
    pub fn of(log: &StreamLog) -> Self {
        match log.positions.get(CURSOR).and_then(Value::as_str) {
            Some(CONTENTS) => Self::Contents,
            Some(WHOLE) => Self::Whole,
            // What was written down before this was, or a source that tells no deletions.
            _ if log.totals.get("withdrawn").is_some_and(|withdrawn| *withdrawn > 0) => Self::Whole,
            _ => Self::Changes,
        }
    }
}

/// A window as it is remembered: an ISO 8601 interval.
pub(crate) fn text_of(window: Window) -> String {
    let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    format!("{}/{}", text(window.from), text(window.to))
}

pub(crate) fn add(sum: &mut BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) {
    for (name, count) in counts {
        *sum.entry(name.clone()).or_default() += count;
    }
}
