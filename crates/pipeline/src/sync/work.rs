//! What has been read of a stream and is not committed yet, and how it comes to be.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
use tributary_connector::{Error as ConnectorError, Event, Kind, Position, Withdrawal};
use tributary_lake::{DataFile, StreamLog, Table, TableSpec, fault, key_number};

use super::sink::Sink;
use super::{Counts, Report, Sync, in_full};
use crate::edge::Edge;
use crate::observe::Note;
use crate::raw::{Place, Prepared, Shape};
use crate::run::Error;
use crate::{schema_event, standing};

/// Bytes of a segment kept in memory before it gets files of its own, and of a batch before it is written.
const HELD_BYTES: usize = 8 << 20;
/// How many keys are remembered to find rows sent twice in one batch.
const REMEMBERED_KEYS: usize = 4_000_000;
/// More undecodable records than this share make a file bad.
const MAX_UNDECODABLE: f64 = 0.01;
const MAX_WITHDRAWN: f64 = 0.5;

/// What was read since the last commit and is to be committed next.
#[derive(Default)]
pub(super) struct Batch {
    place: Option<(i64, i64)>,
    next_row: i64,
    held: Held,
    sink: Option<Sink>,
    files: Vec<DataFile>,
    pub(super) positions: BTreeMap<String, serde_json::Value>,
    counts: Counts,
    controls: u64,
    edge: Edge,
    /// Half a key, and a hash of the last content seen; the content holds the key, so that half of it is enough here.
    seen: HashTable<(u64, u64)>,
    /// Rejected records of the cursor's edge that may be shown again, and how often.
    expected: HashMap<u64, usize>,
}

/// What was read since the last checkpoint.
#[derive(Default)]
pub(super) struct Segment {
    held: Held,
    sink: Option<Sink>,
    counts: Counts,
    controls: u64,
    undecodable: u64,
    /// Keys of this segment, if it may replace another.
    keys: Option<HashSet<u128>>,
    refused: Option<(String, ConnectorError)>,
    edge: Edge,
}

#[derive(Default)]
struct Held {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Segment {
    pub(super) async fn drop_all(&mut self) {
        if let Some(sink) = std::mem::take(self).sink {
            sink.abort().await;
        }
    }
}

pub(super) struct Work<'a> {
    pub(super) sync: &'a Sync<'a>,
    pub(super) shape: Arc<Shape>,
    pub(super) spec: TableSpec,
    pub(super) table: Table,
    pub(super) log: StreamLog,
    /// The stream's other incarnations.
    pub(super) beside: Vec<StreamLog>,
    pub(super) batch: Batch,
    pub(super) segment: Segment,
    /// The newest rows of what is committed, and what was rejected last.
    pub(super) edge: Edge,
    /// The columns that the source shows now, as they are remembered.
    pub(super) shown: serde_json::Value,
    pub(super) report: Report,
}

impl Work<'_> {
    /// Whether rows have a place in an order that the source gave them, so that the newest can be told.
    fn has_edge(&self) -> bool {
        self.shape.keyed() && self.shape.stream.version.is_some()
    }

    /// The newest rows of what was read before are known as if they had just come.
    pub(super) fn remember_edge(&mut self) {
        self.batch.expected.clear();
        for hash in self.edge.rejected() {
            *self.batch.expected.entry(hash).or_default() += 1;
        }
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

    pub(super) async fn page(&mut self, prepared: Prepared, partition: &str) -> Result<(), Error> {
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
            match self.batch.expected.get_mut(hash).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    known += 1;
                    *keep = false;
                }
                None => self.segment.edge.reject(*hash),
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

    pub(super) async fn event(&mut self, event: Event) -> Result<(), Error> {
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
        self.batch.counts.add(segment.counts);
        self.batch.counts.partitions += positions.len() as u64;
        self.batch.controls += segment.controls;
        self.batch.edge.extend(segment.edge);
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

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
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
            self.report.counts.add(batch.counts);
            // What follows may be of the edge, too.
            self.remember_edge();
            return Ok(());
        }
        let mut edge = self.edge.clone();
        edge.extend(std::mem::take(&mut batch.edge));
        edge.cut();
        if self.has_edge() {
            batch.positions.extend(edge.positions());
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
        self.remember_edge();
        self.report.counts.add(counts);
        self.report.batches += 1;
        Ok(())
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

    pub(super) fn finish(self) -> Report {
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
