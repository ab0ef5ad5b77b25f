//! Decodes rejected records again, as their stream is declared now.
//!
//! What can be decoded becomes a row with the place that the record had: its `_commit` and `_row`, its file's version. So it is
//! neither newer nor older than it was, goes with its scope or run when that is taken back, and cannot be replayed twice: the row is
//! the mark. All rows of a stream are one commit, under the lake's lease.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use chrono::Utc;
use futures::StreamExt;
use serde::Serialize;
use tributary_connector::{Connector, Stream};
use tributary_engine::{Options, Session};
use tributary_lake::{Lake, Lease, Location, RunRecord, TableWriter, WriterOptions, fault};

use super::{ASKING, Record, Standing, kept, reason, records};
use crate::claims;
use crate::evolve::{self, Policy};
use crate::project::{Project, ReadySource};
use crate::raw::{self, Place, Shape};
use crate::run::Error;

/// Whose runs are replays, in `ops.run`.
pub const NAME: &str = "replay";
/// Rows that are written to a file at once, at least.
const WRITTEN_ROWS: usize = 1_024;

/// What a replay did to a stream, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct ReplayedStream {
    pub source: String,
    pub stream: String,
    /// Records that were rejected until now.
    pub open: u64,
    /// Those that are rows now.
    pub replayed: u64,
    /// Why the others stay, and how many.
    pub rejected: BTreeMap<String, u64>,
}

/// What a replay did, or would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Replayed {
    pub streams: Vec<ReplayedStream>,
    /// Streams that could not be looked at, in words.
    pub errors: Vec<String>,
}

/// Decodes the rejected records of a pipeline's streams again, or of the one `only`; with `dry_run` nothing is written.
///
/// # Errors
/// [`Error::NoStream`] if there is no stream `only`; what ended it. Streams that were done stay done.
pub async fn replay(project: &Project, only: Option<&str>, dry_run: bool) -> Result<Replayed, Error> {
    let named = |source: &ReadySource, stream: &Stream| format!("{}.{}", source.name, stream.name);
    let all = || project.sources.iter().flat_map(|source| source.streams.iter().map(move |stream| (source, stream)));
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let unseen = |source: &ReadySource| {
        let of_source = only.is_none_or(|only| only.split('.').next() == Some(&source.name));
        source.undiscovered.as_ref().filter(|_| of_source).map(|e| {
            let hint = e.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
            format!("source `{}` could not be looked at: {e}{hint}", source.name)
        })
    };
    let mut done = Replayed { errors: project.sources.iter().filter_map(unseen).collect(), ..Replayed::default() };
    if done.errors.is_empty() && !all().any(|(source, stream)| wanted(&named(source, stream))) {
        let known = all().map(|(source, stream)| named(source, stream)).collect();
        return Err(Error::NoStream { of: "pipeline", name: only.unwrap_or_default().into(), known });
    }
    let lake = Lake::open(Location::parse(&project.pipeline.lake.value)?).await?;
    claims::share(project, lake.claims().await?, &[]).map_err(Error::Input)?;
    if dry_run {
        for (source, stream) in all().filter(|(source, stream)| wanted(&named(source, stream))) {
            one(&lake, source, stream, true, &mut done).await?;
        }
        return Ok(done);
    }
    let lease = Lease::take(&lake, "run", &format!("a replay of `{}`", project.pipeline.name)).await?;
    let lake = lake.under(&lease);
    let outcome = async {
        let began = Utc::now();
        for (source, stream) in all().filter(|(source, stream)| wanted(&named(source, stream))) {
            one(&lake, source, stream, false, &mut done).await?;
        }
        if done.streams.iter().any(|stream| stream.replayed > 0) {
            let record = RunRecord {
                run: uuid::Uuid::new_v4().to_string(),
                pipeline: NAME.into(),
                started: began,
                status: "done".into(),
                summary: serde_json::to_value(&done).unwrap_or_default(),
                // What readers see changes when the stages have caught up.
                tables: BTreeMap::new(),
            };
            lake.record_run(&record).await?;
        }
        Ok(done)
    }
    .await;
    lease.release().await?;
    outcome
}

/// One stream, if any record of it is open.
async fn one(
    lake: &Lake,
    source: &ReadySource,
    stream: &Stream,
    dry_run: bool,
    done: &mut Replayed,
) -> Result<(), Error> {
    let session = Session::new(lake, &Options::default())?;
    let Some(standing) = Standing::load(lake, &session, &source.in_lake, &stream.name).await? else { return Ok(()) };
    let schema = standing.table.schema().clone();
    let layout = match evolve::fit(stream, Some(&schema), source.schema) {
        Ok(layout) => layout,
        Err(e) => {
            done.errors.push(format!("{}.{}: {e}", source.name, stream.name));
            evolve::fit(stream, Some(&schema), Policy::Extra).map_err(Error::Connector)?
        }
    };
    let layout = layout.adopt(&schema);
    let spec = raw::spec(&source.in_lake, &stream.name, &layout.table);
    let shape = Shape::new(spec.schema.clone(), &layout.stream, &source.in_lake, lake.key("source key"))
        .in_incarnation(standing.log.id.incarnation);
    let epoch = i64::from(standing.log.next_epoch());
    let mut found = ReplayedStream {
        source: source.name.clone(),
        stream: stream.name.clone(),
        open: 0,
        replayed: 0,
        rejected: BTreeMap::new(),
    };
    let mut writer = TableWriter::new(lake, &spec, WriterOptions::default());
    let mut held: Vec<RecordBatch> = Vec::new();
    let sql = standing.sql(&["_bytes", "_extra", "_version"], "state = 'open'");
    let mut batches = session.stream(ASKING, &format!("{sql} ORDER BY _commit, _row")).await?;
    while let Some(batch) = batches.next().await {
        for record in records(&batch.map_err(tributary_engine::Error::query(ASKING))?)? {
            found.open += 1;
            match again(&record, &shape, source.connector.as_ref(), epoch)? {
                Ok(_) if dry_run => found.replayed += 1,
                Ok(row) => {
                    found.replayed += 1;
                    held.push(row);
                }
                Err(why) => *found.rejected.entry(why).or_default() += 1,
            }
        }
        if held.len() >= WRITTEN_ROWS {
            writer.write(&arrow::compute::concat_batches(&spec.schema, &std::mem::take(&mut held))?).await?;
        }
    }
    if found.replayed > 0 && !dry_run {
        writer.write(&arrow::compute::concat_batches(&spec.schema, &held)?).await?;
        let files = writer.finish().await?;
        let written: u64 = files.iter().map(|file| file.rows).sum();
        if written != found.replayed {
            let why = format!("{} records were replayed and {written} written", found.replayed);
            let stage = format!("raw ({}.{})", source.name, stream.name);
            return Err(Error::Engine(tributary_engine::Error::Ledger { stage, why }));
        }
        // Columns that are new by now.
        let mut table = lake.ensure_table(&spec).await?;
        let mut log = standing.log;
        let commit = lake.next_commit().await?;
        let counts = BTreeMap::from([("replayed".to_owned(), written)]);
        fault::point("replay.commit.before")?;
        log.commit(lake, &mut table, files, BTreeMap::new(), counts, commit).await?;
        fault::point("replay.commit.after")?;
    }
    if found.open > 0 {
        done.streams.push(found);
    }
    Ok(())
}

/// The row that a record is now, or why it still is none.
fn again(
    record: &Record,
    shape: &Shape,
    connector: &dyn Connector,
    epoch: i64,
) -> Result<Result<RecordBatch, String>, Error> {
    let Some(kept) = kept::read(record, connector) else {
        return Ok(Err("only a part of it was kept: read it again from its source".into()));
    };
    let prepared = shape.prepare(&kept.page)?;
    if prepared.rows != 1 {
        return Ok(Err("it is not one record by itself".into()));
    }
    if let Some(error) = prepared.error() {
        return Ok(Err(reason(error)));
    }
    if kept.is_values && !prepared.misfits.is_empty() {
        return Ok(Err(
            "only its values were kept, and some do not fit their columns: read it again from its source".into()
        ));
    }
    let place = Place { epoch, commit: record.commit, first_row: record.row, read_at: record.read };
    Ok(Ok(shape.finish(&prepared, None, &place)?))
}
