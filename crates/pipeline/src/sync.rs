//! Source → raw: reads a stream's pages, decodes them on all cores, and commits them batch by batch with the positions they
//! reach.
//!
//! What lies between two checkpoints of the reader is a segment (a file): it is committed whole or not at all. Small
//! segments are kept in memory and share data files; a large one has files of its own, which are removed if it turns out
//! bad. A batch ends at the first checkpoint after `batch_rows` rows, whatever the time, so that a run that is killed and
//! started again cuts the same batches.

mod sink;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tributary_connector::{
    Connector, Error as ConnectorError, Event, Position, ReadRequest, Retry, State, Stream, Window,
};
use tributary_engine::Session;
use tributary_lake::Lake;

use crate::edge::Edge;
use crate::evolve::{self, Policy};
use crate::observe::{Note, Observer};
use crate::raw::{self, Prepared, Shape};
use crate::run::Error;
use crate::schema_event;
use crate::standing::{self, OURS, Standing};
use work::{Batch, Segment, Work};

/// The counts of a stream. `read = written + duplicate + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records the reader counted.
    pub read: u64,
    /// Rows of records in the commits' files.
    pub written: u64,
    /// Rows equal to one of their batch in key, version and content.
    pub duplicate: u64,
    pub rejected: u64,
    /// Scopes withdrawn.
    pub withdrawn: u64,
    /// Partitions (files) that had nothing new, and those that had.
    pub unchanged: u64,
    pub partitions: u64,
    /// Values kept in `_extra` because they did not fit their column, by column.
    pub misfits: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.read += more.read;
        self.written += more.written;
        self.duplicate += more.duplicate;
        self.rejected += more.rejected;
        self.withdrawn += more.withdrawn;
        self.unchanged += more.unchanged;
        self.partitions += more.partitions;
        for (column, count) in more.misfits {
            *self.misfits.entry(column).or_default() += count;
        }
    }
}

/// What came of a stream.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub source: String,
    pub stream: String,
    pub table: String,
    pub counts: Counts,
    /// Counts of all runs so far.
    pub totals: BTreeMap<String, u64>,
    pub batches: u32,
    pub version: u64,
    pub epoch: i64,
    /// Partitions that could not be taken: name, why, hint.
    pub errors: Vec<(String, String, Option<String>)>,
    /// What ended the reading before the stream's end. What was committed until then stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// Commits of the stream that no longer count, first and last of each stretch.
    #[serde(skip)]
    pub retracted: Vec<(i64, i64)>,
    /// The stream's newest commit.
    #[serde(skip)]
    pub commit: Option<i64>,
    /// Columns that the source shows differently than before: name and how.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<(String, &'static str)>,
}

/// Why a stream was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopped {
    pub why: String,
    pub hint: Option<String>,
    /// When it may go on, if the source says so: the stream is parked until then, and that is no failure.
    pub until: Option<DateTime<Utc>>,
}

/// What a stream is synced with.
pub struct Sync<'a> {
    pub lake: &'a Lake,
    pub session: &'a Session,
    pub observer: &'a dyn Observer,
    pub batch_rows: u64,
    /// Whether a replacement may withdraw over half of a file's keys.
    pub accept_replace: bool,
    /// What becomes of columns that are new or have another type.
    pub schema: Policy,
    /// The source's name in the lake.
    pub in_lake: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// A window is read, in an incarnation of its own; `None`: what is new.
    pub window: Option<Window>,
}

enum Pending {
    Page(JoinHandle<Result<Prepared, arrow::error::ArrowError>>, Arc<str>),
    Event(Event),
}

impl Sync<'_> {
    /// Reads a stream from where it stands to its end.
    ///
    /// # Errors
    /// What ended the reading. What was committed stays; the next run goes on from there.
    pub async fn stream(&self, source: &str, connector: &dyn Connector, stream: &Stream) -> Result<Report, Error> {
        self.observer.note(Note::Stream { source, stream: &stream.name });
        let there = self.lake.table(&raw::table_name(self.in_lake, &stream.name)).await?;
        let known = match &there {
            Some(table) => Some((table.version(), Standing::open(self.lake, table, self.in_lake, &stream.name).await?)),
            None => None,
        };
        let before = known.as_ref().and_then(|(_, standing)| standing.live.positions.get(schema_event::NAME));
        let columns = match self.window {
            None => schema_event::record(self.lake, self.run, source, stream, before, self.schema).await?,
            // The next run tells.
            Some(_) => Vec::new(),
        };
        let shown = schema_event::shown(stream);
        let fitted = evolve::fit(stream, there.as_ref().map(|table| table.schema().as_ref()), self.schema);
        let (layout, refused) = match fitted {
            Ok(layout) => (layout, None),
            // The table is as it was; what it holds is still to be seen by the stages.
            Err(e) => {
                let lake = there.as_ref().map(|table| table.schema().as_ref());
                (evolve::fit(stream, lake, Policy::Extra).map_err(Error::Connector)?, Some(e))
            }
        };
        let table = self.lake.ensure_table(&raw::spec(self.in_lake, &stream.name, &layout.table)).await?;
        let layout = layout.adopt(table.schema());
        let stream = &layout.stream;
        let spec = raw::spec(self.in_lake, &stream.name, &layout.table);
        let standing = match known {
            Some((version, standing)) if version == table.version() => standing,
            _ => Standing::open(self.lake, &table, self.in_lake, &stream.name).await?,
        };
        let (mut log, beside) = match self.window {
            None => (standing.live, standing.backfills),
            Some(window) => standing.backfill(self.lake, &table, window).await?,
        };
        log.run = Some(self.run.to_owned());
        let state = log
            .positions
            .iter()
            .filter(|(partition, _)| !partition.starts_with(OURS))
            .map(|(p, at)| (Arc::from(p.as_str()), Position(at.clone())))
            .collect();
        let went_back = log.positions.contains_key(standing::WENT_BACK);
        let request =
            ReadRequest { stream: stream.clone(), state: State(state), window: self.window, compare: went_back };
        let secret = self.lake.key("source key");
        let shape = Shape::new(spec.schema.clone(), stream, self.in_lake, secret).in_incarnation(log.id.incarnation);
        let shape = Arc::new(shape);
        let mut stopped = refused;
        let mut reader = None;
        if stopped.is_none() {
            match connector.read(request).await {
                Ok(opened) => reader = Some(opened),
                Err(e) => stopped = Some(e),
            }
        }
        let edge = Edge::read(&log.positions);
        let mut work = Work {
            sync: self,
            shape: shape.clone(),
            spec,
            table,
            log,
            beside,
            batch: Batch::default(),
            segment: Segment::default(),
            edge,
            shown,
            report: Report {
                source: source.into(),
                stream: stream.name.clone(),
                table: String::new(),
                counts: Counts::default(),
                totals: BTreeMap::new(),
                batches: 0,
                version: 0,
                epoch: 0,
                errors: Vec::new(),
                stopped: None,
                retracted: Vec::new(),
                commit: None,
                columns: columns.into_iter().map(|found| (found.column, found.change.as_str())).collect(),
            },
        };
        work.remember_edge();

        let ahead = std::thread::available_parallelism().map_or(2, usize::from) + 1;
        let mut queue: VecDeque<Pending> = VecDeque::new();
        let mut ended = reader.is_none();
        loop {
            while !ended
                && queue.len() < ahead
                && let Some(reader) = &mut reader
            {
                let event = match reader.next().await {
                    Ok(event) => event,
                    // What is complete is committed all the same.
                    Err(e) => {
                        stopped = Some(e);
                        None
                    }
                };
                match event {
                    None => ended = true,
                    Some(Event::Page(page)) => {
                        let (shape, partition) = (shape.clone(), page.partition.clone());
                        queue.push_back(Pending::Page(
                            tokio::task::spawn_blocking(move || shape.prepare(&page)),
                            partition,
                        ));
                    }
                    Some(event) => queue.push_back(Pending::Event(event)),
                }
            }
            match queue.pop_front() {
                None => break,
                Some(Pending::Page(page, partition)) => {
                    let prepared = page.await.map_err(|e| Error::Panic(e.to_string()))??;
                    work.page(prepared, &partition).await?;
                }
                Some(Pending::Event(event)) => work.event(event).await?,
            }
        }
        work.segment.drop_all().await;
        if stopped.is_none() && work.report.errors.is_empty() {
            let end = &mut work.batch.positions;
            if self.window.is_some() {
                end.insert(standing::DONE.into(), true.into());
            }
            if went_back {
                end.insert(standing::WENT_BACK.into(), serde_json::Value::Null);
            }
        }
        work.commit().await?;
        let mut report = work.finish();
        report.stopped = stopped.as_ref().map(Stopped::from);
        self.observer.note(Note::StreamDone { rows: report.counts.read });
        Ok(report)
    }
}

impl From<&ConnectorError> for Stopped {
    fn from(error: &ConnectorError) -> Self {
        let until = match error.retry {
            Retry::After(wait) => TimeDelta::from_std(wait).ok().and_then(|wait| Utc::now().checked_add_signed(wait)),
            _ => None,
        };
        Self { why: in_full(error), hint: error.hint.clone(), until }
    }
}

/// An error with all that caused it.
fn in_full(error: &ConnectorError) -> String {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    message
}
