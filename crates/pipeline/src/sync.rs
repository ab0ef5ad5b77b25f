//! Source → raw: reads a stream's pages, decodes them on all cores, and commits them batch by batch with the positions they
//! reach.
//!
//! What lies between two checkpoints of the reader is a segment (a file): it is committed whole or not at all. Small
//! segments are kept in memory and share data files; a large one has files of its own, which are removed if it turns out
//! bad. A batch ends at the first checkpoint after `batch_rows` rows, whatever the time, so that a run that is killed and
//! started again cuts the same batches.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use chrono::{DateTime, TimeDelta, Utc};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tributary_connector::{
    Connector, Error as ConnectorError, Event, Kind, Position, ReadRequest, Retry, State, Stream, Window, Withdrawal,
};
use tributary_engine::Session;
use tributary_lake::{DataFile, Lake, StreamLog, Table, TableSpec, TableWriter, WriterOptions, fault, key_number};

use crate::edge::{self, Edge, Rejects};
use crate::evolve::{self, Policy};
use crate::observe::{Note, Observer};
use crate::raw::{self, Place, Prepared, Shape};
use crate::run::Error;
use crate::schema_event;
use crate::standing::{self, OURS, Standing};

/// Bytes of a segment kept in memory before it gets files of its own, and of a batch before it is written.
const HELD_BYTES: usize = 8 << 20;
/// How many keys are remembered to find rows sent twice in one batch.
const REMEMBERED_KEYS: usize = 4_000_000;
/// Rows that are written to a file at once, at least.
const WRITTEN_ROWS: usize = 8_192;
/// More undecodable records than this share make a file bad.
const MAX_UNDECODABLE: f64 = 0.01;
const MAX_WITHDRAWN: f64 = 0.5;

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
        let edge = Edge::read(log.positions.get(edge::NAME));
        let rejects = Rejects::read(log.positions.get(edge::REJECTED));
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
            rejects,
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

/// What was read since the last commit and is to be committed next.
#[derive(Default)]
struct Batch {
    place: Option<(i64, i64)>,
    next_row: i64,
    held: Held,
    sink: Option<Sink>,
    files: Vec<DataFile>,
    positions: BTreeMap<String, serde_json::Value>,
    counts: Counts,
    controls: u64,
    edge: Edge,
    /// Hashes of records that were rejected.
    rejects: Vec<u64>,
    /// Half a key, and a hash of the last content seen; the content holds the key, so that half of it is enough here.
    seen: HashTable<(u64, u64)>,
}

/// What was read since the last checkpoint.
#[derive(Default)]
struct Segment {
    held: Held,
    sink: Option<Sink>,
    counts: Counts,
    controls: u64,
    undecodable: u64,
    /// Keys of this segment, if it may replace another.
    keys: Option<HashSet<u128>>,
    refused: Option<(String, ConnectorError)>,
    edge: Edge,
    rejects: Vec<u64>,
}

#[derive(Default)]
struct Held {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Segment {
    async fn drop_all(&mut self) {
        if let Some(sink) = std::mem::take(self).sink {
            sink.abort().await;
        }
    }
}

struct Work<'a> {
    sync: &'a Sync<'a>,
    shape: Arc<Shape>,
    spec: TableSpec,
    table: Table,
    log: StreamLog,
    /// The stream's other incarnations.
    beside: Vec<StreamLog>,
    batch: Batch,
    segment: Segment,
    /// The newest rows of what is committed.
    edge: Edge,
    /// The rejected records of what is committed that came last.
    rejects: Rejects,
    /// The columns that the source shows now, as they are remembered.
    shown: serde_json::Value,
    report: Report,
}

impl Work<'_> {
    /// Whether rows have a place in an order that the source gave them, so that the newest can be told.
    fn has_edge(&self) -> bool {
        self.shape.keyed() && self.shape.stream.version.is_some()
    }

    /// The newest rows of what was read before are known as if they had just come.
    fn remember_edge(&mut self) {
        self.rejects.expect_all();
        for (key, content) in self.edge.rows() {
            if let Entry::Vacant(free) =
                self.batch.seen.entry(spread(key), |(there, _)| *there == key, |(there, _)| spread(*there))
            {
                free.insert((key, content));
            }
        }
    }

    async fn place(&mut self) -> Result<Place, Error> {
        let (commit, read_at) = match self.batch.place {
            Some(place) => place,
            None => {
                let place = (self.sync.lake.next_commit().await?, chrono::Utc::now().timestamp_micros());
                self.batch.place = Some(place);
                place
            }
        };
        let epoch = i64::from(self.log.next_epoch());
        Ok(Place { epoch, commit, first_row: self.batch.next_row, read_at })
    }

    async fn page(&mut self, prepared: Prepared, partition: &str) -> Result<(), Error> {
        self.sync.observer.note(Note::Read { rows: prepared.records, bytes: prepared.bytes });
        let rejected = prepared.rejected.len() as u64;
        if prepared.records != prepared.good + rejected {
            let why = format!(
                "{} records were found in a page of `{partition}` and {} decoded or rejected",
                prepared.records,
                prepared.good + rejected
            );
            return Err(self.unbalanced(why));
        }
        let place = self.place().await?;
        let mut keep = vec![true; prepared.rows];
        let duplicates = self.duplicates(&prepared, &mut keep);
        let known = self.known_rejects(&prepared, &mut keep);
        let keep = (duplicates + known > 0).then(|| BooleanArray::from(keep));
        if self.shape.keyed() && self.log.positions.contains_key(partition) {
            self.segment.keys.get_or_insert_default().extend(prepared.keys.iter().map(|(key, _)| *key));
        }
        let batch = self.shape.finish(&prepared, keep.as_ref(), &place)?;
        self.batch.next_row += i64::try_from(batch.num_rows()).unwrap_or_default();
        let counts = &mut self.segment.counts;
        counts.read += prepared.records;
        counts.rejected += rejected - known;
        counts.duplicate += duplicates + known;
        for (column, count) in prepared.misfits {
            *counts.misfits.entry(column).or_default() += count;
        }
        self.segment.undecodable += prepared.undecodable;
        self.hold(batch).await
    }

    /// Rejected records that the cursor's edge shows again: how many, and they are not kept.
    fn known_rejects(&mut self, prepared: &Prepared, keep: &mut [bool]) -> u64 {
        if !self.has_edge() {
            return 0;
        }
        let mut known = 0;
        // They come last.
        let first = prepared.rows - prepared.rejected.len();
        for (hash, keep) in prepared.rejected.iter().zip(keep.iter_mut().skip(first)) {
            if self.rejects.again(*hash) {
                known += 1;
                *keep = false;
            } else {
                self.segment.rejects.push(*hash);
            }
        }
        known
    }

    /// Rows that equal the last row of their key: how many, and they are not kept.
    fn duplicates(&mut self, prepared: &Prepared, keep: &mut [bool]) -> u64 {
        if prepared.keys.is_empty() {
            return 0;
        }
        if self.batch.seen.len() > REMEMBERED_KEYS {
            self.batch.seen.clear();
            self.remember_edge();
        }
        let mut duplicates = 0;
        let versions = if self.has_edge() { prepared.versions() } else { None };
        for (row, (key, content)) in prepared.keys.iter().enumerate() {
            let key = *key as u64;
            let last = match self.batch.seen.entry(spread(key), |(there, _)| *there == key, |(there, _)| spread(*there))
            {
                Entry::Occupied(mut there) => Some(std::mem::replace(&mut there.get_mut().1, *content)),
                Entry::Vacant(free) => {
                    free.insert((key, *content));
                    None
                }
            };
            if let Some(versions) = versions.filter(|versions| versions.is_valid(row)) {
                self.segment.edge.add(key, versions.value(row), *content);
            }
            if last == Some(*content) {
                duplicates += 1;
                if let Some(keep) = keep.get_mut(row) {
                    *keep = false;
                }
            }
        }
        duplicates
    }

    async fn hold(&mut self, batch: RecordBatch) -> Result<(), Error> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let segment = &mut self.segment;
        segment.held.bytes += batch.get_array_memory_size();
        segment.held.batches.push(batch);
        if segment.held.bytes > HELD_BYTES || segment.sink.is_some() {
            let sink = segment.sink.get_or_insert_with(|| Sink::open(self.sync.lake, &self.spec));
            for batch in std::mem::take(&mut segment.held).batches {
                sink.write(batch).await?;
            }
        }
        Ok(())
    }

    async fn event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Page(_) => {}
            Event::Unchanged { .. } => self.report.counts.unchanged += 1,
            Event::Forget { .. } => self.void().await,
            Event::Discard { partition, error } => {
                self.void().await;
                self.fail(partition.to_string(), &error);
            }
            Event::Withdraw(withdrawal) => self.withdraw(withdrawal).await?,
            Event::Checkpoint(positions) => self.checkpoint(positions).await?,
        }
        Ok(())
    }

    fn fail(&mut self, partition: String, error: &ConnectorError) {
        self.report.errors.push((partition, in_full(error), error.hint.clone()));
    }

    /// Drops the segment at hand. Its keys are forgotten with it: what comes next must not count as sent twice.
    async fn void(&mut self) {
        if self.segment.counts.read > 0 {
            self.batch.seen.clear();
            self.remember_edge();
        }
        self.segment.drop_all().await;
    }

    /// Takes back the rows of a scope, unless that would take back over half of the file's keys for good.
    async fn withdraw(&mut self, withdrawal: Withdrawal) -> Result<(), Error> {
        let Withdrawal { partition, scope, replaced_by } = withdrawal;
        if replaced_by.is_some() && !self.sync.accept_replace {
            self.sync.session.register(&self.table)?;
            let table = format!("raw.\"{}\"", self.table.name.name);
            let gone = standing::retracted(&self.log).into_iter();
            let stands: String =
                gone.map(|(first, last)| format!(" AND _commit NOT BETWEEN {first} AND {last}")).collect();
            let scope_text = scope.replace('\'', "''");
            let of_scope = format!("FROM {table} WHERE _scope = '{scope_text}' AND _op = 'upsert'{stands}");
            let (before, gone) = if self.shape.keyed() {
                let none = HashSet::new();
                let now = self.segment.keys.as_ref().unwrap_or(&none);
                let sql = format!("SELECT DISTINCT _source_key {of_scope}");
                let (mut before, mut gone) = (0u64, 0u64);
                for batch in self.sync.session.collect("read the keys of a file's rows", &sql).await? {
                    let keys = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8)?;
                    for key in keys.as_string::<i32>().iter().flatten() {
                        before += 1;
                        gone += u64::from(!now.contains(&key_number(key)));
                    }
                }
                (before, gone)
            } else {
                let before =
                    self.sync.session.count("count a file's rows", &format!("SELECT count(*) {of_scope}")).await?;
                (before, before.saturating_sub(self.segment.counts.read))
            };
            if gone as f64 > before as f64 * MAX_WITHDRAWN {
                let message =
                    format!("`{partition}` shows other content, which would withdraw {gone} of its {before} records");
                let stream = format!("{}.{}", self.report.source, self.report.stream);
                let error = ConnectorError::new(Kind::Refused, message).hint(format!(
                    "if that is right, run with `--accept-replace {stream}`; if each export only adds, set `on_change = \"add\"`"
                ));
                self.segment.refused = Some((partition.to_string(), error));
                return Ok(());
            }
        }
        let row = self.shape.withdrawal(&scope);
        let place = self.place().await?;
        let batch = self.shape.finish(&row, None, &place)?;
        self.batch.next_row += 1;
        self.segment.controls += 1;
        self.segment.counts.withdrawn += 1;
        self.hold(batch).await
    }

    async fn checkpoint(&mut self, positions: Vec<(Arc<str>, Option<Position>)>) -> Result<(), Error> {
        if let Some((partition, error)) = self.segment.refused.take() {
            self.void().await;
            self.fail(partition, &error);
            return Ok(());
        }
        let (read, undecodable) = (self.segment.counts.read, self.segment.undecodable);
        if undecodable as f64 > read as f64 * MAX_UNDECODABLE {
            self.void().await;
            let message = format!("{undecodable} of {read} records are not of the file's encoding");
            let error = ConnectorError::new(Kind::Data, message).hint("set `encoding` to what the file is written in");
            let partition = positions.first().map(|(partition, _)| partition.to_string()).unwrap_or_default();
            self.fail(partition, &error);
            return Ok(());
        }
        let segment = std::mem::take(&mut self.segment);
        let sum = &mut self.batch.counts;
        sum.read += segment.counts.read;
        sum.duplicate += segment.counts.duplicate;
        sum.rejected += segment.counts.rejected;
        sum.withdrawn += segment.counts.withdrawn;
        sum.partitions += positions.len() as u64;
        for (column, count) in segment.counts.misfits {
            *sum.misfits.entry(column).or_default() += count;
        }
        self.batch.controls += segment.controls;
        self.batch.edge.extend(segment.edge);
        self.batch.rejects.extend(segment.rejects);
        for (partition, position) in positions {
            self.batch.positions.insert(partition.to_string(), position.map_or(serde_json::Value::Null, |at| at.0));
        }
        match segment.sink {
            Some(sink) => self.batch.files.extend(sink.finish().await?),
            None => {
                self.batch.held.bytes += segment.held.bytes;
                self.batch.held.batches.extend(segment.held.batches);
                if self.batch.held.bytes > HELD_BYTES {
                    self.flush().await?;
                }
            }
        }
        if self.batch.counts.read >= self.sync.batch_rows {
            self.commit().await?;
        }
        Ok(())
    }

    /// Writes the batches held in memory, made into one so that rows of many small files share row groups.
    async fn flush(&mut self) -> Result<(), Error> {
        let held = std::mem::take(&mut self.batch.held);
        if held.batches.is_empty() {
            return Ok(());
        }
        let sink = self.batch.sink.get_or_insert_with(|| Sink::open(self.sync.lake, &self.spec));
        for batch in held.batches {
            sink.write(batch).await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Error> {
        self.flush().await?;
        let mut batch = std::mem::take(&mut self.batch);
        if batch.positions.is_empty() {
            return Ok(());
        }
        if self.log.positions.get(schema_event::NAME) != Some(&self.shown) {
            batch.positions.insert(schema_event::NAME.into(), self.shown.clone());
        }
        if let Some(cursor) = standing::cursor(&self.shape.stream)
            && self.log.positions.get(standing::CURSOR) != Some(&cursor)
        {
            batch.positions.insert(standing::CURSOR.into(), cursor);
        }
        if let Some(window) = self.sync.window {
            batch.positions.insert(standing::WINDOW.into(), standing::text_of(window).into());
        }
        if self.is_known(&batch) {
            self.add_counts(batch.counts);
            return Ok(());
        }
        let mut edge = self.edge.clone();
        edge.extend(std::mem::take(&mut batch.edge));
        edge.cut();
        if self.has_edge() {
            batch.positions.insert(edge::NAME.into(), edge.write());
        }
        let mut rejects = self.rejects.clone();
        if !batch.rejects.is_empty() {
            rejects.extend(&batch.rejects);
            batch.positions.insert(edge::REJECTED.into(), rejects.write());
        }
        let mut files = batch.files;
        if let Some(sink) = batch.sink {
            files.extend(sink.finish().await?);
        }
        let mut counts = batch.counts;
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        // What the files hold, less what is not a record: rows lost on the way show here.
        counts.written = rows.saturating_sub(counts.rejected + batch.controls);
        if counts.read != counts.written + counts.duplicate + counts.rejected {
            let why = format!(
                "{} records were read, {} written, {} duplicate, {} rejected",
                counts.read, counts.written, counts.duplicate, counts.rejected
            );
            return Err(self.unbalanced(why));
        }
        let named = BTreeMap::from([
            ("read".to_owned(), counts.read),
            ("written".to_owned(), counts.written),
            ("duplicate".to_owned(), counts.duplicate),
            ("rejected".to_owned(), counts.rejected),
            ("withdrawn".to_owned(), counts.withdrawn),
        ]);
        let commit = match batch.place {
            Some((commit, _)) => commit,
            None => self.sync.lake.next_commit().await?,
        };
        self.sync.observer.note(Note::Waiting { what: "commit" });
        self.log.commit(self.sync.lake, &mut self.table, files, batch.positions, named, commit).await?;
        self.sync.observer.note(Note::Committed { rows: counts.read });
        fault::point("sync.batch.done")?;
        self.edge = edge;
        self.rejects = rejects;
        self.remember_edge();
        self.add_counts(counts);
        self.report.batches += 1;
        Ok(())
    }

    fn add_counts(&mut self, counts: Counts) {
        let sum = &mut self.report.counts;
        sum.read += counts.read;
        sum.written += counts.written;
        sum.duplicate += counts.duplicate;
        sum.rejected += counts.rejected;
        sum.withdrawn += counts.withdrawn;
        sum.partitions += counts.partitions;
        for (column, count) in counts.misfits {
            *sum.misfits.entry(column).or_default() += count;
        }
    }

    /// Whether a batch says nothing that is not committed already: only rows of the cursor's edge came, and the positions
    /// are what they were.
    fn is_known(&self, batch: &Batch) -> bool {
        let nothing = batch.files.is_empty()
            && batch.sink.is_none()
            && batch.controls == 0
            && batch.counts.read == batch.counts.duplicate;
        nothing && batch.positions.iter().all(|(partition, at)| self.log.positions.get(partition) == Some(at))
    }

    fn unbalanced(&self, why: String) -> Error {
        let stage = format!("raw ({}.{})", self.report.source, self.report.stream);
        Error::Engine(tributary_engine::Error::Ledger { stage, why })
    }

    fn finish(self) -> Report {
        let epoch = self.log.epoch.map_or(0, |epoch| i64::from(epoch.number));
        let mut totals = self.log.totals.clone();
        self.beside.iter().for_each(|log| standing::add(&mut totals, &log.totals));
        Report {
            table: self.table.name.to_string(),
            totals,
            retracted: standing::retracted(&self.log),
            commit: self.log.commit,
            version: self.table.version(),
            epoch,
            ..self.report
        }
    }
}

/// A key's hash for a table: it is of random characters, whose bits are not evenly random.
fn spread(key: u64) -> u64 {
    let wide = u128::from(key) * 0x9e37_79b9_7f4a_7c15;
    (wide >> 64) as u64 ^ wide as u64
}

/// A writer at work; it is handed back even if it failed, so that what it wrote can be removed.
type Writing = JoinHandle<Result<TableWriter, Box<(TableWriter, tributary_lake::Error)>>>;

/// Several writers at work at once, one data file each.
struct Sink {
    writers: Vec<(mpsc::Sender<RecordBatch>, Writing)>,
    next: usize,
    /// Small batches, such as an API's pages, that wait to be written as one: a column has a price by the batch.
    small: Vec<RecordBatch>,
    small_rows: usize,
}

impl Sink {
    fn open(lake: &Lake, spec: &TableSpec) -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let writers = (0..count).map(|_| {
            let (sender, mut receiver) = mpsc::channel::<RecordBatch>(1);
            let mut writer = TableWriter::new(lake, spec, WriterOptions::default());
            let task = tokio::spawn(async move {
                while let Some(batch) = receiver.recv().await {
                    if let Err(e) = writer.write(&batch).await {
                        return Err(Box::new((writer, e)));
                    }
                }
                Ok(writer)
            });
            (sender, task)
        });
        Self { writers: writers.collect(), next: 0, small: Vec::new(), small_rows: 0 }
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<(), Error> {
        if self.small.is_empty() && batch.num_rows() >= WRITTEN_ROWS {
            return self.send(batch).await;
        }
        self.small_rows += batch.num_rows();
        self.small.push(batch);
        if self.small_rows >= WRITTEN_ROWS { self.send_small().await } else { Ok(()) }
    }

    async fn send_small(&mut self) -> Result<(), Error> {
        self.small_rows = 0;
        let small = std::mem::take(&mut self.small);
        let Some(first) = small.first() else { return Ok(()) };
        let whole = arrow::compute::concat_batches(&first.schema(), &small)?;
        drop(small);
        self.send(whole).await
    }

    async fn send(&mut self, batch: RecordBatch) -> Result<(), Error> {
        let at = self.next % self.writers.len().max(1);
        self.next += 1;
        if let Some((sender, _)) = self.writers.get(at) {
            // A writer that has failed no longer listens; its error is found at the end.
            let _ = sender.send(batch).await;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Vec<DataFile>, Error> {
        self.send_small().await?;
        let mut files = Vec::new();
        let mut finishing = Vec::new();
        for (sender, task) in self.writers {
            drop(sender);
            finishing.push(tokio::spawn(async move {
                match task.await {
                    Ok(Ok(writer)) => writer.finish().await.map_err(Error::from),
                    Ok(Err(failed)) => {
                        let (writer, e) = *failed;
                        writer.abort().await;
                        Err(e.into())
                    }
                    Err(e) => Err(Error::Panic(e.to_string())),
                }
            }));
        }
        for task in finishing {
            files.extend(task.await.map_err(|e| Error::Panic(e.to_string()))??);
        }
        Ok(files)
    }

    async fn abort(self) {
        for (sender, task) in self.writers {
            drop(sender);
            match task.await {
                Ok(Ok(writer)) => writer.abort().await,
                Ok(Err(failed)) => failed.0.abort().await,
                Err(_) => {}
            }
        }
    }
}
