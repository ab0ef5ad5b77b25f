//! A mapping brought up to date: what new raw rows touch is mapped again, and the pieces it lies in are written again.
//!
//! Touched are the keys of new rows and of rows of a scope that was withdrawn since. For some of them at a time all their raw
//! rows are fetched and counted twice, as they were and as they are; so the ledger of the whole is known without looking at the
//! whole. Where raw rows fold into one record (a ticket's lines) the touched records are those of touched keys, and what is
//! fetched is all that may be part of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tributary_engine::{Error, Result, Session};
use tributary_lake::{Lake, TableName};

use crate::account::{balanced, count, numbers, terms};
use crate::anew::rows_in;
use crate::difference;
use crate::feed::Feed;
use crate::mapping::{Mapping, literal};
use crate::pieces::{Piece, Renewal, Tables, in_order, piece_of, record_keys, size_for, texts, whole};
use crate::plan::{self, Rows, name};
use crate::split::{MapCounts, Parts, Splitter};

/// Touched keys that are worked on at a time: they, and all their raw rows, are held in memory.
const SLICE: usize = if cfg!(test) { 12 } else { 32 * 1024 };
/// With more slices than this, each of which looks through the keys of all raw rows, making anew is cheaper.
const SLICES: u64 = 64;
/// With more than one new row in so many, too.
const SHARE: u64 = 5;
/// More withdrawn scopes than this do not fit into a query.
const SCOPES: usize = 1000;
/// Pieces that are written at once.
const WRITING: usize = 4;

/// What a mapping has seen of its raw table: incarnation → newest epoch.
pub type Seen = BTreeMap<i32, i64>;

/// What is there now.
pub async fn seen(session: &Session, mapping: &Mapping) -> Result<Seen> {
    let sql = format!("SELECT _incarnation, max(_epoch) FROM {} GROUP BY _incarnation", name(&mapping.raw));
    let mut seen = Seen::new();
    for batch in session.collect("see how far a stream stands", &sql).await? {
        let (incarnations, epochs) =
            (cast(batch.column(0), &DataType::Int32)?, cast(batch.column(1), &DataType::Int64)?);
        let (incarnations, epochs) = (incarnations.as_primitive::<Int32Type>(), epochs.as_primitive::<Int64Type>());
        seen.extend(
            incarnations.iter().zip(epochs.iter()).filter_map(|(incarnation, epoch)| Some((incarnation?, epoch?))),
        );
    }
    Ok(seen)
}

/// Whether a raw row `t` has come since, as SQL.
fn newer(seen: &Seen) -> String {
    let known: Vec<_> = seen.keys().map(i32::to_string).collect();
    let mut cases: Vec<_> = seen
        .iter()
        .map(|(incarnation, epoch)| format!("(t._incarnation = {incarnation} AND t._epoch > {epoch})"))
        .collect();
    if !known.is_empty() {
        cases.push(format!("t._incarnation NOT IN ({})", known.join(", ")));
    }
    if cases.is_empty() { "TRUE".into() } else { format!("({})", cases.join(" OR ")) }
}

/// A mapping's change, at work.
pub struct Changing<'a> {
    lake: &'a Lake,
    session: &'a Session,
    mapping: &'a Mapping,
    secret: &'a str,
    tables: Arc<Tables>,
    doing: String,
    /// Whether a raw row `t` has come since, or is of a scope withdrawn since, as SQL.
    touched: String,
    before: Rows,
    after: Rows,
    pieces: Vec<Piece>,
    counts: MapCounts,
    /// What becomes of the counts, as (before, after).
    moved: [MapCounts; 2],
    /// Rows that went of each table, and that should have gone.
    went: [[u64; 3]; 2],
}

/// Brings what a mapping wrote up to date. `None` if it is better made anew.
pub async fn make(
    lake: &Lake,
    session: &Session,
    mapping: &Mapping,
    secret: &str,
    last: (&Seen, &[Piece], &MapCounts),
    feed: &mut Feed,
) -> Result<Option<(Vec<Piece>, MapCounts)>> {
    let (seen, pieces, counts) = last;
    if pieces.is_empty() || (mapping.folds() && mapping.each.is_some()) {
        return Ok(None);
    }
    let doing = format!("map {}", mapping.id);
    let raw = name(&mapping.raw);
    let newer = newer(seen);
    let sql = format!(
        "SELECT DISTINCT t._scope FROM {raw} t WHERE t._op = 'replace' AND {newer} AND {} LIMIT {}",
        mapping.stands(),
        SCOPES + 1
    );
    let scopes = column(&session.collect(&doing, &sql).await?)?;
    if scopes.len() > SCOPES {
        return Ok(None);
    }
    let touched = if scopes.is_empty() {
        newer.clone()
    } else {
        let scopes: Vec<_> = scopes.iter().map(|scope| literal(scope)).collect();
        format!("({newer} OR t._scope IN ({}))", scopes.join(", "))
    };
    let sql = format!("SELECT count(*), count(*) FILTER (WHERE {touched}) FROM {raw} t");
    if let [all, new] = *numbers(session.collect(&doing, &sql).await?)?
        && (new.saturating_mul(SHARE) > all || (mapping.keyed && new > SLICES * SLICE as u64))
    {
        return Ok(None);
    }
    let before = Rows {
        withdrawn: withdrawn(session, mapping, "before", &format!("NOT {newer}")).await?,
        only: format!("NOT {newer}"),
        table: ours("rows"),
    };
    let after = Rows::all(&ours("rows"), withdrawn(session, mapping, "after", "TRUE").await?);
    let changing = Changing {
        lake,
        session,
        mapping,
        secret,
        tables: Arc::new(Tables::of(mapping)?),
        doing,
        touched,
        before,
        after,
        pieces: pieces.to_vec(),
        counts: counts.clone(),
        moved: Default::default(),
        went: Default::default(),
    };
    changing.carry_out(feed).await.map(Some)
}

/// A table that only a change's queries see.
fn ours(name: &str) -> TableName {
    TableName::new("touched", name)
}

/// The scopes withdrawn by rows of a condition, as a table; none if there are none.
pub async fn withdrawn(session: &Session, mapping: &Mapping, when: &str, which: &str) -> Result<Option<TableName>> {
    let batches = session.collect("look for withdrawals", &plan::withdrawn_sql(mapping, which)).await?;
    let batches: Vec<_> = batches.into_iter().filter(|batch| batch.num_rows() > 0).collect();
    let Some(first) = batches.first() else { return Ok(None) };
    let table = ours(&format!("withdrawn_{when}"));
    session.register_batches(&table, first.schema(), batches)?;
    Ok(Some(table))
}

fn column(batches: &[RecordBatch]) -> Result<Vec<String>> {
    let mut values = Vec::new();
    for batch in batches {
        values.extend(texts(batch.column(0))?.iter().flatten().map(str::to_owned));
    }
    Ok(values)
}

impl Changing<'_> {
    async fn carry_out(mut self, feed: &mut Feed) -> Result<(Vec<Piece>, MapCounts)> {
        let raw = name(&self.mapping.raw);
        let sql = format!(
            "SELECT DISTINCT t._source_key AS k FROM {raw} t WHERE t._op IN ('upsert', 'delete') AND {} ORDER BY k",
            self.touched
        );
        let mut stream = self.session.stream(&self.doing, &sql).await?;
        let (mut keys, mut records) = (Vec::new(), BTreeSet::new());
        while let Some(batch) = stream.next().await {
            keys.extend(column(&[batch.map_err(Error::query(self.doing.clone()))?])?);
            while keys.len() >= SLICE {
                let rest = keys.split_off(SLICE);
                self.keys(std::mem::replace(&mut keys, rest), &mut records, feed).await?;
            }
        }
        self.keys(keys, &mut records, feed).await?;
        let records: Vec<String> = records.into_iter().collect();
        for slice in records.chunks(SLICE) {
            self.records(slice.to_vec(), feed).await?;
        }
        self.finish().await
    }

    /// Registers the raw rows of some keys, or records, as `touched.rows`.
    async fn fetch(&self, sql: &str) -> Result<()> {
        let frame = self.session.sql(&self.doing, sql).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.map_err(Error::query(self.doing.clone()))?;
        self.session.register_batches(&ours("rows"), schema, batches)
    }

    fn register_keys(&self, keys: &[String]) -> Result<()> {
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, false)]));
        let keys = RecordBatch::try_new(schema.clone(), vec![Arc::new(StringArray::from_iter_values(keys))])?;
        self.session.register_batches(&ours("keys"), schema, vec![keys])
    }

    /// Some of the touched keys, sorted.
    async fn keys(&mut self, keys: Vec<String>, records: &mut BTreeSet<String>, feed: &mut Feed) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.register_keys(&keys)?;
        // Rows without a key of their own have no other versions to look for.
        let only = if self.mapping.keyed { "TRUE" } else { &self.touched };
        let raw = name(&self.mapping.raw);
        let sql = format!(
            "SELECT t.* FROM {raw} t WHERE t._op IN ('upsert', 'delete') AND {only} AND t._source_key IN (SELECT k FROM {})",
            name(&ours("keys"))
        );
        self.fetch(&sql).await?;
        for (rows, moved) in [&self.before, &self.after].into_iter().zip(&mut self.moved) {
            add(moved, &count(self.session, self.mapping, rows, &self.doing).await?);
        }
        if !self.mapping.folds() {
            return self.renew(keys, false, feed).await;
        }
        let key = plan::record_key(self.mapping, self.secret);
        let rows = name(&ours("rows"));
        records.extend(column(
            &self.session.collect(&self.doing, &format!("SELECT DISTINCT {key} AS k FROM {rows}")).await?,
        )?);
        // Rows that name no record are counted here, as no record brings them.
        let mut counts = [MapCounts::default(), MapCounts::default()];
        for (rows, counts) in [&self.before, &self.after].into_iter().zip(&mut counts) {
            self.map(rows, |record| record.is_none(), counts).await?;
        }
        for (moved, counts) in self.moved.iter_mut().zip(&counts) {
            add(moved, counts);
        }
        Ok(())
    }

    /// Some of the touched records, sorted, where rows fold.
    async fn records(&mut self, records: Vec<String>, feed: &mut Feed) -> Result<()> {
        self.register_keys(&records)?;
        let (raw, keys) = (name(&self.mapping.raw), name(&ours("keys")));
        let key = plan::record_key(self.mapping, self.secret);
        let of_records = format!("{key} IN (SELECT k FROM {keys})");
        let which = if self.mapping.keyed {
            format!("_source_key IN (SELECT _source_key FROM {raw} WHERE _op = 'upsert' AND {of_records})")
        } else {
            of_records
        };
        self.fetch(&format!("SELECT * FROM {raw} WHERE _op IN ('upsert', 'delete') AND {which}")).await?;
        self.renew(records, true, feed).await
    }

    /// Maps rows, and takes those of the records that are `wanted`.
    async fn map(
        &self,
        rows: &Rows,
        wanted: impl Fn(Option<&str>) -> bool,
        counts: &mut MapCounts,
    ) -> Result<Vec<Parts>> {
        let splitter = Splitter::new(self.mapping);
        let sql = plan::mapped_sql(self.mapping, rows, self.secret);
        let mut stream = self.session.stream(&self.doing, &sql).await?;
        let mut parts = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(Error::query(self.doing.clone()))?;
            let wanted: BooleanArray = texts(batch.column(0))?.iter().map(|record| Some(wanted(record))).collect();
            let batch = filter_record_batch(&batch, &wanted)?;
            parts.push(splitter.split(&batch, counts)?);
        }
        Ok(parts)
    }

    /// Writes the pieces again that hold any of `places`, which are `records` or keys of raw rows.
    async fn renew(&mut self, places: Vec<String>, records: bool, feed: &mut Feed) -> Result<()> {
        let wanted = |record: Option<&str>| {
            let known = |record: &str| places.binary_search_by(|place| place.as_str().cmp(record)).is_ok();
            !records || record.is_some_and(known)
        };
        let mut counts = [MapCounts::default(), MapCounts::default()];
        let [was, is] = &mut counts;
        let old = self.map(&self.before, wanted, was).await?;
        let new = self.map(&self.after, wanted, is).await?;
        let sizes = |parts: &[Parts]| -> [u64; 3] {
            let mut sizes = [0; 3];
            for part in parts {
                let [entity, identifiers, issues] = &mut sizes;
                *entity += part.entity.num_rows() as u64;
                *identifiers += rows_in(&part.identifiers);
                *issues += rows_in(&part.issues);
            }
            sizes
        };
        was.written = sizes(&old)[0];
        is.written = sizes(&new)[0];
        for (sum, size) in self.went[1].iter_mut().zip(sizes(&old)) {
            *sum += size;
        }
        for (moved, counts) in self.moved.iter_mut().zip(&counts) {
            add(moved, counts);
        }
        if self.mapping.merged() {
            difference::tell(&self.tables, &old, &new, feed).await?;
        }
        drop(old);
        if self.pieces.is_empty() {
            // All that there was went with an earlier slice.
            self.pieces.push(Piece::default());
        }
        let fresh = self.dealt(new)?;

        let places = Arc::new(places);
        let size = size_for(self.counts.written);
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        let mut at = 0;
        // The places and the pieces are sorted alike: a walk over pieces, each found by the first place in it.
        while let Some(place) = places.get(at) {
            let piece = piece_of(&self.pieces, place);
            touched.insert(piece);
            at = match self.pieces.get(piece + 1) {
                Some(next) => places.partition_point(|place| place.as_str() < next.from.as_str()).max(at + 1),
                None => places.len(),
            };
        }
        let mut fresh = fresh;
        let mut renewals = Vec::new();
        let mut pieces = Vec::new();
        for (at, piece) in std::mem::take(&mut self.pieces).into_iter().enumerate() {
            if touched.contains(&at) {
                let fresh = fresh.remove(&at).unwrap_or_else(|| Renewal::nothing(&self.tables));
                renewals.push(Renewal { piece, gone: places.clone(), fresh });
            } else {
                pieces.push(piece);
            }
        }
        let mut writing = FuturesUnordered::new();
        let mut renewals = renewals.into_iter();
        loop {
            while writing.len() < WRITING
                && let Some(renewal) = renewals.next()
            {
                let (lake, session, tables) = (self.lake.clone(), self.session.clone(), self.tables.clone());
                writing.push(tokio::spawn(async move { renewal.carry_out(&lake, &session, &tables, size).await }));
            }
            let Some(renewed) = writing.next().await else { break };
            let renewed = renewed.map_err(|e| Error::Ledger { stage: "clean".into(), why: e.to_string() })??;
            for (sum, dropped) in self.went[0].iter_mut().zip(renewed.dropped) {
                *sum += dropped;
            }
            pieces.extend(renewed.pieces);
        }
        self.pieces = in_order(pieces);
        Ok(())
    }

    /// Mapped rows by the piece they belong to.
    fn dealt(&self, parts: Vec<Parts>) -> Result<BTreeMap<usize, [RecordBatch; 3]>> {
        let tables = &self.tables;
        let (mut entity, mut identifiers, mut issues) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            entity.push(part.entity);
            identifiers.extend(part.identifiers);
            issues.extend(part.issues);
        }
        let entity = whole(&tables.entity.schema, &entity)?;
        let places = texts(entity.column(tables.place()))?;
        let keys = record_keys(&entity)?;
        let piece_of_row: Vec<usize> =
            places.iter().map(|place| piece_of(&self.pieces, place.unwrap_or_default())).collect();
        let piece_of_key: BTreeMap<&str, usize> = keys.iter().flatten().zip(piece_of_row.iter().copied()).collect();
        let mut dealt: BTreeMap<usize, [RecordBatch; 3]> = BTreeMap::new();
        let beside = [whole(&tables.identifiers.schema, &identifiers)?, whole(&tables.issues.schema, &issues)?];
        let of_beside = |batch: &RecordBatch| -> Result<Vec<usize>> {
            let keys = record_keys(batch)?;
            Ok(keys.iter().map(|key| key.and_then(|key| piece_of_key.get(key)).copied().unwrap_or_default()).collect())
        };
        let [identifiers, issues] = beside;
        let pieces = [piece_of_row.clone(), of_beside(&identifiers)?, of_beside(&issues)?];
        for (table, (batch, pieces)) in [entity.clone(), identifiers, issues].into_iter().zip(pieces).enumerate() {
            let order = sort_to_indices(
                &arrow::array::UInt64Array::from_iter_values(pieces.iter().map(|piece| *piece as u64)),
                None,
                None,
            )?;
            let sorted = take_record_batch(&batch, &order)?;
            let pieces: Vec<usize> =
                order.values().iter().filter_map(|row| pieces.get(*row as usize).copied()).collect();
            for run in pieces.chunk_by(|a, b| a == b) {
                let Some(piece) = run.first() else { continue };
                let start = pieces.partition_point(|other| other < piece);
                let slot = dealt.entry(*piece).or_insert_with(|| Renewal::nothing(tables));
                if let Some(slot) = slot.get_mut(table) {
                    *slot = sorted.slice(start, run.len());
                }
            }
        }
        Ok(dealt)
    }

    /// The counts of the whole, and whether they add up.
    async fn finish(self) -> Result<(Vec<Piece>, MapCounts)> {
        for name in ["rows", "keys"] {
            self.session.forget(&ours(name))?;
        }
        let [was, is] = &self.moved;
        let mut counts = self.counts.clone();
        replace(&mut counts, was, is);
        let written = |name: &TableName| -> u64 {
            self.pieces.iter().flat_map(|piece| piece.files.get(name)).flatten().map(|file| file.rows).sum()
        };
        let sql = plan::total_sql(self.mapping, &Rows::all(&self.mapping.raw, None));
        let rows = self.session.count(&self.doing, &sql).await?;
        let [went, should] = self.went;
        balanced(
            self.mapping,
            [
                ("raw rows and rows accounted for", rows, counts.rows),
                ("records that went and records that were there before", went[0], should[0]),
                ("identifiers that went and identifiers that were there before", went[1], should[1]),
                ("field issues that went and field issues that were there before", went[2], should[2]),
                ("rows in files and rows written", written(&self.tables.entity.name), counts.written),
                (
                    "field issues in files and field issues counted",
                    written(&self.tables.issues.name),
                    counts.issues.values().sum(),
                ),
            ],
        )?;
        balanced(self.mapping, terms(&counts))?;
        if self.mapping.each.is_none() {
            balanced(self.mapping, [("records current and records mapped", counts.current, counts.input)])?;
        }
        Ok((self.pieces, counts))
    }
}

fn add(sum: &mut MapCounts, more: &MapCounts) {
    for (sum, more) in sum.numbers_mut().into_iter().zip(more.numbers()) {
        *sum += more;
    }
    for (issue, count) in &more.issues {
        *sum.issues.entry(issue.clone()).or_default() += count;
    }
}

/// What was is taken off, and what is is added.
fn replace(sum: &mut MapCounts, was: &MapCounts, is: &MapCounts) {
    add(sum, is);
    for (sum, was) in sum.numbers_mut().into_iter().zip(was.numbers()) {
        *sum = sum.saturating_sub(was);
    }
    for (issue, count) in &was.issues {
        if let Some(sum) = sum.issues.get_mut(issue) {
            *sum = sum.saturating_sub(*count);
        }
    }
    sum.issues.retain(|_, count| *count > 0);
}
