//! Taking back what a run has read.
//!
//! A stream that knows what its files hold keeps its positions, so that the bad content is not read again and the corrected one
//! is; of it only the run's own rows are taken back. One with a cursor goes back to where it stood before the run, in a new
//! incarnation: what it has read since is taken back with it and read again, so that nothing is left of which its source,
//! asked from there, no longer tells that it is gone.

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use tributary_clean::ident;
use tributary_engine::{Options, Session};
use tributary_lake::{Lake, Lease, Location, Progress, RUN_TABLE, RunRecord, StreamId, StreamLog, Table, TableName};

use crate::edge;
use crate::raw;
use crate::reset;
use crate::retract::{self, With, covers};
use crate::run::Error;
use crate::schema_event;
use crate::standing::{self, Manner, RETRACTED, Standing, WENT_BACK};

/// Whose runs are undoings, in `ops.run`.
pub const NAME: &str = "undo";
/// How far back a run is looked for: a little less than state is kept.
pub(crate) const KEPT: TimeDelta = TimeDelta::days(29);

/// What was taken back of a stream.
#[derive(Debug, Clone, Serialize)]
pub struct UndoneStream {
    pub source: String,
    pub stream: String,
    pub batches: u64,
    /// Rows that no longer count.
    pub rows: u64,
    /// Whether the next run reads again what this one had read, and what was read since.
    pub reread: bool,
}

/// What an undo did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Undone {
    pub undo: String,
    pub streams: Vec<UndoneStream>,
    /// Streams of which this run's rows had been taken back before.
    pub before: u64,
}

/// Takes back what the run `run` has read. A cursor's window is read again by the next run, unless `reread` is false; a stream that
/// is always read whole is so in either case.
///
/// # Errors
/// If no such run is known, or the store fails; streams that were done stay done, and the same again does the rest.
pub async fn undo(lake: &str, run: &str, reread: bool) -> Result<Undone, Error> {
    let lake = Lake::open(Location::parse(lake)?).await?;
    let lease = Lease::take(&lake, "run", &format!("the undoing of run {run}")).await?;
    let done = all_streams(&lake.under(&lease), run, reread).await;
    lease.release().await?;
    done
}

async fn all_streams(lake: &Lake, run: &str, reread: bool) -> Result<Undone, Error> {
    let began = Utc::now();
    // A run that never came to its end is not among the runs.
    let since = started(lake, run).await?.unwrap_or(began - KEPT).max(began - KEPT);
    let mut undone = Undone { undo: run.into(), ..Undone::default() };
    let claims = lake.claims().await?;
    for (source, stream) in lake.streams().await? {
        let name = raw::table_name(&source, &stream);
        let Some(mut table) = lake.table(&name).await? else { continue };
        let standing = Standing::open(lake, &table, &source, &stream).await?;
        let Some(found) = find(lake, &table, &standing, run, since).await? else { continue };
        let gone = standing::retracted(&standing.live);
        if found.batches.iter().all(|batch| covers(&gone, batch.commit)) {
            undone.before += 1;
            continue;
        }
        let back = found.goes_back(&standing, reread);
        let mut batches = if back { found.later.clone() } else { found.batches.clone() };
        batches.retain(|batch| !covers(&gone, batch.commit));
        one(lake, &mut table, &standing.live, &found, &batches, back).await?;
        undone.streams.push(UndoneStream {
            source: claims.name_of(&source).to_owned(),
            stream,
            batches: batches.len() as u64,
            rows: batches.iter().map(rows_of).sum(),
            reread: back,
        });
    }
    if undone.streams.is_empty() && undone.before == 0 {
        return Err(Error::NoRun(run.into()));
    }
    let record = RunRecord {
        run: uuid::Uuid::new_v4().to_string(),
        pipeline: NAME.into(),
        started: began,
        status: "done".into(),
        summary: serde_json::to_value(&undone).unwrap_or_default(),
        // What readers see changes when the stages have caught up.
        tables: Default::default(),
    };
    lake.record_run(&record).await?;
    Ok(undone)
}

fn rows_of(batch: &Progress) -> u64 {
    ["written", "rejected"].iter().filter_map(|name| batch.counts.get(*name)).sum()
}

/// What a run has read of a stream.
struct Found {
    /// Its batches, newest first.
    batches: Vec<Progress>,
    /// The incarnation in which it read them.
    then: StreamLog,
    /// These and all that came after them but backfills, newest first.
    later: Vec<Progress>,
    /// The commits of backfills.
    beside: Vec<i64>,
}

impl Found {
    /// Whether the stream goes back to where it stood before the run.
    fn goes_back(&self, standing: &Standing, reread: bool) -> bool {
        let manner = Manner::of(&standing.live);
        let last = self.batches.first().map_or(0, |batch| batch.commit);
        // What was read before a reset is read again from the start; a backfill has moved nothing.
        let is_live = self.then.id.incarnation > 0 && reset::at(&standing.live).is_none_or(|reset| last > reset);
        is_live && manner != Manner::Contents && (reread || manner == Manner::Whole)
    }
}

async fn find(
    lake: &Lake,
    table: &Table,
    standing: &Standing,
    run: &str,
    since: DateTime<Utc>,
) -> Result<Option<Found>, Error> {
    let is_of_run = |batch: &&Progress| batch.run.as_deref() == Some(run);
    let mut beside = Vec::new();
    for then in &standing.backfills {
        let history = then.history(lake, since).await?;
        let batches: Vec<_> = history.iter().filter(is_of_run).cloned().collect();
        if !batches.is_empty() {
            return Ok(Some(Found { batches, then: then.clone(), later: Vec::new(), beside }));
        }
        beside.extend(history.iter().map(|batch| batch.commit));
    }
    let (mut then, mut later) = (standing.live.clone(), Vec::new());
    // A stream that went back before has the run in an incarnation that it left.
    for incarnation in (1..=standing.live.id.incarnation).rev() {
        if incarnation < then.id.incarnation {
            then = StreamLog::open(lake, table, StreamId { incarnation, ..then.id.clone() }).await?;
        }
        later.extend(then.history(lake, since).await?);
        let batches: Vec<_> = later.iter().filter(is_of_run).cloned().collect();
        if let Some(first) = batches.last() {
            let first = first.commit;
            later.retain(|batch| batch.commit >= first);
            return Ok(Some(Found { batches, then, later, beside }));
        }
    }
    Ok(None)
}

/// Takes back one stream's batches: the rows that say so and the positions become visible together.
async fn one(
    lake: &Lake,
    table: &mut Table,
    live: &StreamLog,
    found: &Found,
    batches: &[Progress],
    back: bool,
) -> Result<(), Error> {
    let commits = batches.iter().map(|batch| batch.commit).collect();
    let gone = retract::stretches(commits, if back { &found.beside } else { &[] });
    let written: u64 = batches.iter().filter_map(|batch| batch.counts.get("written")).sum();
    let mut with = With {
        positions: [].into(),
        counts: [("undone".to_owned(), written + replayed(lake, live, table, &gone).await?)].into(),
        commit: lake.next_commit().await?,
        point: "undo.commit",
    };
    let mut next = if back {
        let first = found.batches.last().and_then(|batch| batch.previous);
        let mut before = found.then.positions_at(lake, first).await?;
        // What no longer counts stays so, and how the source looks now has been told.
        for name in [RETRACTED, schema_event::NAME] {
            before.remove(name);
            before.extend(live.positions.get(name).map(|now| (name.to_owned(), now.clone())));
        }
        with.positions.insert(WENT_BACK.into(), true.into());
        live.reborn(before)
    } else {
        if Manner::of(live) == Manner::Contents {
            // A row of the corrected content may equal one of the bad content: it is no duplicate.
            with.positions.insert(edge::NAME.into(), Value::Null);
        }
        live.clone()
    };
    retract::commit(lake, table, &mut next, &gone, with).await
}

/// How many records of these commits were replayed later: they go with them.
async fn replayed(lake: &Lake, live: &StreamLog, table: &Table, gone: &[(i64, i64)]) -> Result<u64, Error> {
    if live.totals.get("replayed").is_none_or(|count| *count == 0) {
        return Ok(0);
    }
    let session = Session::new(lake, &Options::default())?;
    session.register(table)?;
    let raw = format!("{}.{}", ident(&table.name.layer), ident(&table.name.name));
    let of_these: Vec<_> = gone.iter().map(|(first, last)| format!("t._commit BETWEEN {first} AND {last}")).collect();
    let sql = format!(
        "SELECT count(*) FROM {raw} t JOIN {raw} r ON t._commit = r._commit AND t._row = r._row \
         WHERE t._op IN ('upsert', 'delete') AND r._op = 'reject' AND ({})",
        of_these.join(" OR ")
    );
    Ok(session.count("count what was replayed", &sql).await?)
}

/// When a run began, if it came to its end and is among the runs.
async fn started(lake: &Lake, run: &str) -> Result<Option<DateTime<Utc>>, Error> {
    let session = Session::new(lake, &Options::default())?;
    if session.load(&TableName::new("ops", RUN_TABLE)).await?.is_none() {
        return Ok(None);
    }
    let sql = format!("SELECT started_at FROM ops.run WHERE run_id = '{}'", run.replace('\'', "''"));
    for batch in session.collect("look for the run", &sql).await? {
        if batch.num_rows() > 0 {
            let at = batch.column(0).as_primitive::<TimestampMicrosecondType>().value(0);
            return Ok(DateTime::from_timestamp_micros(at));
        }
    }
    Ok(None)
}
