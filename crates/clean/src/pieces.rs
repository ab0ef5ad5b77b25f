//! How what a mapping wrote lies in files.
//!
//! Its records are sorted by their place, a key that is as good as random, and cut into pieces that follow one another. So a
//! change of a few records is a change of a few pieces, and a piece fits into memory however large the table is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, concat_batches, filter_record_batch, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tributary_engine::{Error, Result, Session};
use tributary_lake::{DataFile, Lake, TableName, TableSpec, TableWriter, WriterOptions};

use crate::mapping::Mapping;
use crate::split::Parts;
use crate::tables::{event_identifier, field_issue, party_identifier, spec_of};

/// The least number of records that a piece is cut at.
const ROWS: u64 = if cfg!(test) { 4 } else { 8 * 1024 };
/// How many pieces a table is cut into once it is large: a hundred changed records touch a tenth of it.
const PIECES: u64 = 1024;
/// Pieces whose files are being closed at once.
const CLOSING: usize = 4;

/// How many records a piece has in a table of so many.
pub fn size_for(rows: u64) -> u64 {
    (rows / PIECES).max(ROWS)
}

/// A piece: the records from one place to where the next piece begins, and what was written beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    pub from: String,
    /// How many records.
    pub rows: u64,
    pub files: BTreeMap<TableName, Vec<DataFile>>,
}

/// The tables that a mapping writes to.
#[derive(Debug, Clone)]
pub struct Tables {
    pub entity: TableSpec,
    pub identifiers: TableSpec,
    pub issues: TableSpec,
    /// The column of the entity that says where a record lies.
    place: usize,
}

impl Tables {
    pub fn of(mapping: &Mapping) -> Result<Self> {
        let entity = spec_of(mapping.entity);
        let place = entity.schema.index_of(if mapping.folds() { "record_key" } else { "source_key" })?;
        let identifiers = if mapping.entity.name == "party" { party_identifier() } else { event_identifier() };
        Ok(Self { entity, identifiers, issues: field_issue(), place })
    }

    pub fn place(&self) -> usize {
        self.place
    }

    fn each(&self) -> [&TableSpec; 3] {
        [&self.entity, &self.identifiers, &self.issues]
    }
}

/// Text of a column, be it a view or not.
pub fn texts(column: &ArrayRef) -> Result<StringArray> {
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// Writes records that come sorted by place.
pub struct PieceWriter<'a> {
    lake: &'a Lake,
    tables: &'a Tables,
    size: u64,
    open: Option<Open>,
    closing: JoinSet<Result<Piece>>,
    done: Vec<Piece>,
}

struct Open {
    piece: Piece,
    last: String,
    writers: Vec<TableWriter>,
}

impl<'a> PieceWriter<'a> {
    pub fn new(lake: &'a Lake, tables: &'a Tables, size: u64) -> Self {
        Self { lake, tables, size, open: None, closing: JoinSet::new(), done: Vec::new() }
    }

    /// How many of the rows at `places` belong to the piece at hand, which is full then if they are not all.
    pub fn room(&self, places: &StringArray) -> usize {
        let (rows, mut last) = self.open.as_ref().map_or((0, None), |open| (open.piece.rows, Some(open.last.as_str())));
        let room = usize::try_from(self.size.saturating_sub(rows)).unwrap_or(usize::MAX);
        if room >= places.len() {
            return places.len();
        }
        if room > 0 {
            last = places.is_valid(room - 1).then(|| places.value(room - 1));
        }
        // Rows of one place stay together.
        (room..places.len()).find(|row| last.is_some_and(|last| places.value(*row) != last)).unwrap_or(places.len())
    }

    /// Adds rows to the piece at hand.
    pub async fn write(&mut self, places: &StringArray, parts: &Parts) -> Result<()> {
        let (Some(first), Some(last)) = (places.iter().flatten().next(), places.iter().flatten().next_back()) else {
            return Ok(());
        };
        let open = self.open.get_or_insert_with(|| Open {
            piece: Piece { from: first.to_owned(), ..Piece::default() },
            last: String::new(),
            writers: writers(self.lake, self.tables),
        });
        last.clone_into(&mut open.last);
        open.piece.rows += parts.entity.num_rows() as u64;
        write(&mut open.writers, parts).await
    }

    /// Ends the piece at hand.
    pub async fn close(&mut self) -> Result<()> {
        let Some(Open { mut piece, writers, .. }) = self.open.take() else { return Ok(()) };
        if self.closing.len() >= CLOSING {
            self.closed().await?;
        }
        let names = self.tables.each().map(|spec| spec.name.clone());
        self.closing.spawn(async move {
            piece.files = finish(names, writers).await?;
            Ok(piece)
        });
        Ok(())
    }

    async fn closed(&mut self) -> Result<bool> {
        let Some(piece) = self.closing.join_next().await else { return Ok(false) };
        self.done.push(piece.map_err(panicked)??);
        Ok(true)
    }

    pub async fn finish(mut self) -> Result<Vec<Piece>> {
        self.close().await?;
        while self.closed().await? {}
        Ok(in_order(self.done))
    }
}

/// Pieces as they follow one another; the first begins where all does.
pub fn in_order(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.retain(|piece| !piece.files.is_empty());
    pieces.sort_unstable_by(|a, b| a.from.cmp(&b.from));
    if let Some(first) = pieces.first_mut() {
        first.from.clear();
    }
    pieces
}

/// Which of `pieces` a place lies in.
pub fn piece_of(pieces: &[Piece], place: &str) -> usize {
    pieces.partition_point(|piece| piece.from.as_str() <= place).saturating_sub(1)
}

fn panicked(e: tokio::task::JoinError) -> Error {
    Error::Ledger { stage: "clean".into(), why: format!("a writer ended without an answer: {e}") }
}

fn writers(lake: &Lake, tables: &Tables) -> Vec<TableWriter> {
    tables.each().into_iter().map(|spec| TableWriter::new(lake, spec, WriterOptions::default())).collect()
}

async fn write(writers: &mut [TableWriter], parts: &Parts) -> Result<()> {
    let batches = [std::slice::from_ref(&parts.entity), &parts.identifiers, &parts.issues];
    for (writer, batches) in writers.iter_mut().zip(batches) {
        for batch in batches {
            writer.write(batch).await?;
        }
    }
    Ok(())
}

async fn finish(names: [TableName; 3], writers: Vec<TableWriter>) -> Result<BTreeMap<TableName, Vec<DataFile>>> {
    let mut files = BTreeMap::new();
    for (name, writer) in names.into_iter().zip(writers) {
        let written = writer.finish().await?;
        if !written.is_empty() {
            files.insert(name, written);
        }
    }
    Ok(files)
}

/// A piece as it is to be.
pub struct Renewal {
    pub piece: Piece,
    /// Places whose records go, sorted.
    pub gone: Arc<Vec<String>>,
    /// What comes: one batch for each table.
    pub fresh: [RecordBatch; 3],
}

/// What a renewal made of a piece.
pub struct Renewed {
    /// Several, if it had grown.
    pub pieces: Vec<Piece>,
    /// How many rows went, table by table.
    pub dropped: [u64; 3],
}

impl Renewal {
    /// Rows that come, without any yet.
    pub fn nothing(tables: &Tables) -> [RecordBatch; 3] {
        tables.each().map(|spec| RecordBatch::new_empty(spec.schema.clone()))
    }

    /// Reads the piece, and writes what it is to be. One that stays as it is is not written.
    pub async fn carry_out(self, lake: &Lake, session: &Session, tables: &Tables, size: u64) -> Result<Renewed> {
        let Self { piece, gone, fresh } = self;
        let mut there = Vec::new();
        for spec in tables.each() {
            let files = piece.files.get(&spec.name).map(Vec::as_slice).unwrap_or_default();
            let batches = if files.is_empty() { Vec::new() } else { session.rows_of(spec, files).await? };
            there.push(whole(&spec.schema, &batches)?);
        }
        let [entity, identifiers, issues] = &there[..] else {
            return Ok(Renewed { pieces: vec![piece], dropped: [0; 3] });
        };
        let places = texts(entity.column(tables.place))?;
        let goes: Vec<bool> = places
            .iter()
            .map(|place| place.is_some_and(|place| gone.binary_search_by(|key| key.as_str().cmp(place)).is_ok()))
            .collect();
        let keys = record_keys(entity)?;
        let dropped: HashSet<&str> =
            keys.iter().zip(&goes).filter(|(_, goes)| **goes).filter_map(|(key, _)| key).collect();
        if dropped.is_empty() && fresh.iter().all(|batch| batch.num_rows() == 0) {
            return Ok(Renewed { pieces: vec![piece], dropped: [0; 3] });
        }
        let stays: BooleanArray = goes.iter().map(|goes| Some(!goes)).collect();
        let mut kept = vec![filter_record_batch(entity, &stays)?];
        for batch in [identifiers, issues] {
            let stays = record_keys(batch)?.iter().map(|key| key.map(|key| !dropped.contains(key))).collect();
            kept.push(filter_record_batch(batch, &stays)?);
        }
        let mut rows = Vec::new();
        let mut counts = [0; 3];
        for (((kept, fresh), there), count) in kept.iter().zip(&fresh).zip(&there).zip(&mut counts) {
            *count = (there.num_rows() - kept.num_rows()) as u64;
            rows.push(concat_batches(&kept.schema(), [kept, fresh])?);
        }
        let parts = cut(tables, rows, size)?;
        let mut pieces = Vec::new();
        let names = tables.each().map(|spec| spec.name.clone());
        for (at, (from, parts)) in parts.into_iter().enumerate() {
            let mut writers = writers(lake, tables);
            write(&mut writers, &parts).await?;
            let from = if at == 0 { piece.from.clone() } else { from };
            let rows = parts.entity.num_rows() as u64;
            pieces.push(Piece { from, rows, files: finish(names.clone(), writers).await? });
        }
        Ok(Renewed { pieces, dropped: counts })
    }
}

/// Batches as one, with a table's own types.
pub fn whole(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let cast_batch = |batch: &RecordBatch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns =
            columns.map(|(column, field)| cast(column, field.data_type())).collect::<std::result::Result<_, _>>()?;
        Ok(RecordBatch::try_new(schema.clone(), columns)?)
    };
    let batches = batches.iter().map(cast_batch).collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(schema, &batches)?)
}

/// The column of a clean table that names the record.
pub fn record_keys(batch: &RecordBatch) -> Result<StringArray> {
    texts(batch.column(batch.schema_ref().index_of("record_key")?))
}

/// Rows of a piece sorted by place, and cut if they are too many: where each part begins, and what is in it.
fn cut(tables: &Tables, rows: Vec<RecordBatch>, size: u64) -> Result<Vec<(String, Parts)>> {
    let Ok([entity, identifiers, issues]) = <[RecordBatch; 3]>::try_from(rows) else { return Ok(Vec::new()) };
    let order = sort_to_indices(entity.column(tables.place), None, None)?;
    let entity = take_record_batch(&entity, &order)?;
    let count = entity.num_rows();
    let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
    let parts = if count > size.saturating_mul(2) { count.div_ceil(size) } else { 1 };
    if parts == 1 {
        return Ok(vec![(String::new(), Parts { entity, identifiers: vec![identifiers], issues: vec![issues] })]);
    }
    let places = texts(entity.column(tables.place))?;
    let mut starts = vec![0];
    for part in 1..parts {
        let even = part * count / parts;
        let start = (even..count).find(|row| places.value(*row) != places.value(row - 1));
        starts.extend(start.filter(|start| starts.last().is_none_or(|last| last < start)));
    }
    let keys = record_keys(&entity)?;
    let part_of: HashMap<&str, usize> = keys
        .iter()
        .enumerate()
        .filter_map(|(row, key)| Some((key?, starts.partition_point(|start| *start <= row) - 1)))
        .collect();
    let dealt = |batch: &RecordBatch| -> Result<Vec<RecordBatch>> {
        let mut rows_of = vec![Vec::new(); starts.len()];
        for (row, key) in (0u32..).zip(record_keys(batch)?.iter()) {
            let part = key.and_then(|key| part_of.get(key)).copied().unwrap_or_default();
            if let Some(rows) = rows_of.get_mut(part) {
                rows.push(row);
            }
        }
        rows_of.into_iter().map(|rows| Ok(take_record_batch(batch, &UInt32Array::from(rows))?)).collect()
    };
    let ends = starts.iter().skip(1).copied().chain([count]);
    let beside = dealt(&identifiers)?.into_iter().zip(dealt(&issues)?);
    let cut = starts.iter().zip(ends).zip(beside).map(|((start, end), (identifiers, issues))| {
        let entity = entity.slice(*start, end - start);
        (places.value(*start).to_owned(), Parts { entity, identifiers: vec![identifiers], issues: vec![issues] })
    });
    Ok(cut.collect())
}
