//! Taking back what a run has read.
//!
//! Nothing is deleted: a row `_op = "retract"` says which commits of the stream no longer count, and is committed with the
//! positions from which the stream goes on. The stages then derive from what is left, as if those rows had never come. A stream
//! that knows what its files hold keeps its positions, so that the bad content is not read again and the corrected one is; one
//! with a cursor goes back to where it stood before the run, in a new incarnation, and reads that window again.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{Field, SchemaRef, TimestampMicrosecondType};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tributary_clean::ident;
use tributary_connector::{Cursor, Stream};
use tributary_engine::{Options, Session};
use tributary_lake::{
    Lake, Lease, Location, Progress, RUN_TABLE, RunRecord, StreamId, StreamLog, Table, TableName, TableSpec,
    TableWriter, WriterOptions, fault,
};

use crate::edge;
use crate::raw;
use crate::run::Error;
use crate::schema_event;

/// The name among a stream's positions of the commits that no longer count.
pub(crate) const RETRACTED: &str = "tributary:retracted";
/// The name among a stream's positions of how it is read again, where that is by contents.
pub(crate) const CURSOR: &str = "tributary:cursor";
const CONTENTS: &str = "contents";
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
    /// Whether the next run reads what this one had read again.
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

/// The commits of a stream that no longer count, first and last of each stretch.
pub(crate) fn retracted(log: &StreamLog) -> Vec<(i64, i64)> {
    log.positions.get(RETRACTED).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

/// What is remembered of how a stream is read again.
pub(crate) fn cursor(stream: &Stream) -> Option<Value> {
    (stream.cursor == Cursor::Contents).then(|| json!(CONTENTS))
}

/// Takes back what the run `run` has read. A cursor's window is read again by the next run, unless `reread` is false.
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
    for (source, stream) in lake.streams().await? {
        let name = raw::table_name(&source, &stream);
        let Some(mut table) = lake.table(&name).await? else { continue };
        let id = StreamId::live(lake, &table, &source, &stream).await?;
        let mut log = StreamLog::open(lake, &table, id.clone()).await?;
        // A stream that went back before has the run in an incarnation that it left.
        let (mut then, mut batches) = (log.clone(), Vec::new());
        for incarnation in (1..=id.incarnation).rev() {
            if incarnation < id.incarnation {
                then = StreamLog::open(lake, &table, StreamId { incarnation, ..id.clone() }).await?;
            }
            batches = then.history(lake, since).await?;
            batches.retain(|batch| batch.run.as_deref() == Some(run));
            if !batches.is_empty() {
                break;
            }
        }
        let (Some(first), Some(last)) =
            (batches.iter().map(|b| b.commit).min(), batches.iter().map(|b| b.commit).max())
        else {
            continue;
        };
        if retracted(&log).contains(&(first, last)) {
            undone.before += 1;
            continue;
        }
        let known = log.positions.get(CURSOR).and_then(Value::as_str) == Some(CONTENTS);
        let back = reread && !known;
        one(lake, &mut table, &mut log, &then, &batches, (first, last), back).await?;
        undone.streams.push(UndoneStream {
            source,
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
        tables: BTreeMap::new(),
    };
    lake.record_run(&record).await?;
    Ok(undone)
}

fn rows_of(batch: &Progress) -> u64 {
    ["written", "rejected"].iter().filter_map(|name| batch.counts.get(*name)).sum()
}

/// Retracts one stream's batches, which were read in the incarnation of `then`: the row and the positions become visible together.
async fn one(
    lake: &Lake,
    table: &mut Table,
    log: &mut StreamLog,
    then: &StreamLog,
    batches: &[Progress],
    commits: (i64, i64),
    back: bool,
) -> Result<(), Error> {
    let mut gone = retracted(log);
    gone.push(commits);
    let mut positions = BTreeMap::from([(RETRACTED.to_owned(), json!(gone))]);
    let mut next = if back {
        let first = batches.iter().min_by_key(|batch| batch.epoch).and_then(|batch| batch.previous);
        let mut before = then.positions_at(lake, first).await?;
        // How the source looks now has been told.
        before.extend(log.positions.get(schema_event::NAME).map(|now| (schema_event::NAME.to_owned(), now.clone())));
        log.reborn(before)
    } else {
        // A row of the corrected content may equal one of the bad content: it is no duplicate.
        positions.insert(edge::NAME.into(), Value::Null);
        log.clone()
    };
    let spec = TableSpec { name: table.name.clone(), schema: table.schema().clone() };
    let commit = lake.next_commit().await?;
    let place = raw::Place {
        epoch: i64::from(next.next_epoch()),
        commit,
        first_row: 0,
        read_at: Utc::now().timestamp_micros(),
    };
    let mut writer = TableWriter::new(lake, &spec, WriterOptions::default());
    writer.write(&row(&spec.schema, commits, next.id.incarnation, &place)?).await?;
    let files = writer.finish().await?;
    fault::point("undo.commit.before")?;
    let written: u64 = batches.iter().filter_map(|batch| batch.counts.get("written")).sum();
    let undone = written + replayed(lake, log, table, commits).await?;
    let counts = [("retracted".to_owned(), 1), ("undone".to_owned(), undone)].into();
    next.commit(lake, table, files, positions, counts, commit).await?;
    fault::point("undo.commit.after")?;
    *log = next;
    Ok(())
}

/// How many records of these commits were replayed later: they go with them.
async fn replayed(lake: &Lake, log: &StreamLog, table: &Table, (first, last): (i64, i64)) -> Result<u64, Error> {
    if log.totals.get("replayed").is_none_or(|count| *count == 0) {
        return Ok(0);
    }
    let session = Session::new(lake, &Options::default())?;
    session.register(table)?;
    let raw = format!("{}.{}", ident(&table.name.layer), ident(&table.name.name));
    let sql = format!(
        "SELECT count(*) FROM {raw} t JOIN {raw} r ON t._commit = r._commit AND t._row = r._row \
         WHERE t._op IN ('upsert', 'delete') AND r._op = 'reject' AND t._commit BETWEEN {first} AND {last}"
    );
    Ok(session.count("count what was replayed", &sql).await?)
}

/// The control row: which commits, first and last, no longer count.
fn row(
    schema: &SchemaRef,
    (first, last): (i64, i64),
    incarnation: u32,
    place: &raw::Place,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let text = |value: String| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    let number = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let value = |field: &Field| match field.name().as_str() {
        "_op" => text("retract".into()),
        "_version" => text(format!("{first}-{last}")),
        "_incarnation" => Arc::new(Int32Array::from(vec![i32::try_from(incarnation).unwrap_or(i32::MAX)])),
        "_epoch" => number(place.epoch),
        "_row" => number(place.first_row),
        "_commit" => number(place.commit),
        "_read_at" => Arc::new(TimestampMicrosecondArray::from(vec![place.read_at]).with_timezone("UTC")),
        _ => new_null_array(field.data_type(), 1),
    };
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(|field| value(field)).collect())
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
