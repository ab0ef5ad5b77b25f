//! The index that makes a small change cheap: tables `match.record` and `match.block`.
//!
//! Of each record it has what was merged last time, so that what a change takes away is known, and hashes of what it is found by. It is
//! derived: without it the stage looks at everything, and makes it again. It belongs to the commit of the stage that wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, BinaryViewArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::StreamExt;
use tributary_engine::{Error, Result, Session};
use tributary_lake::{Lake, TableChange, TableName, TableSpec, TableWriter, WriterOptions};

use crate::batch::{Rows, flags, keys, numbers};
use crate::id::RecordKey;
use crate::identifiers::seed;
use crate::profile::{self, Profile};
use crate::records::rows_of;
use crate::rules::Rules;
use crate::tables::{block, indexed};

const BATCH: usize = 16_384;

/// Writes rows of the index.
pub(crate) struct Writer {
    rules: Rules,
    seed: u64,
    number: i64,
    records: TableWriter,
    blocks: TableWriter,
    /// Of rows that are not written yet: key, whether it is gone, how often it is named.
    pending: Vec<(RecordKey, bool, Option<i64>)>,
    held: BinaryBuilder,
    profiles: BinaryBuilder,
    pending_blocks: Vec<RecordKey>,
    of: BinaryBuilder,
    packed: Vec<u8>,
}

impl Writer {
    /// Rows of the stage's commit `number`.
    pub fn new(lake: &Lake, rules: &Rules, number: i64) -> Self {
        let writer = |spec: &TableSpec| TableWriter::new(lake, spec, WriterOptions::default());
        Self {
            rules: rules.clone(),
            seed: seed(lake),
            number,
            records: writer(&indexed()),
            blocks: writer(&block()),
            pending: vec![],
            held: BinaryBuilder::new(),
            profiles: BinaryBuilder::new(),
            pending_blocks: vec![],
            of: BinaryBuilder::new(),
            packed: vec![],
        }
    }

    /// Takes a record as it is; of a stub, how many name it.
    pub async fn record(&mut self, key: RecordKey, named: Option<i64>, profile: &Profile<'_>) -> Result<()> {
        let held: Vec<u8> = profile.held(&self.rules, self.seed).iter().flat_map(|hash| hash.to_le_bytes()).collect();
        profile.pack(&mut self.packed);
        self.held.append_value(&held);
        self.profiles.append_value(&self.packed);
        self.pending.push((key, false, named));
        self.full().await
    }

    /// Notes that a record is gone.
    pub async fn gone(&mut self, key: RecordKey) -> Result<()> {
        self.held.append_null();
        self.profiles.append_null();
        self.pending.push((key, true, None));
        self.full().await
    }

    /// Takes the blocks of a record.
    pub async fn blocks(&mut self, key: RecordKey, blocks: &[u64]) -> Result<()> {
        self.packed.clear();
        self.packed.extend(blocks.iter().flat_map(|block| block.to_le_bytes()));
        self.of.append_value(&self.packed);
        self.pending_blocks.push(key);
        self.full().await
    }

    async fn full(&mut self) -> Result<()> {
        if self.pending.len().max(self.pending_blocks.len()) >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let number = |len| numbers(std::iter::repeat_n(Some(self.number), len));
        let rows = std::mem::take(&mut self.pending);
        let columns: Vec<ArrayRef> = vec![
            keys(rows.iter().map(|(key, ..)| Some(key.text())))?,
            number(rows.len()),
            flags(rows.iter().map(|(_, gone, _)| *gone)),
            numbers(rows.iter().map(|(.., named)| *named)),
            Arc::new(self.held.finish()),
            Arc::new(self.profiles.finish()),
        ];
        self.records.write(&RecordBatch::try_new(indexed().schema, columns)?).await?;
        let rows = std::mem::take(&mut self.pending_blocks);
        let columns: Vec<ArrayRef> =
            vec![keys(rows.iter().map(|key| Some(key.text())))?, number(rows.len()), Arc::new(self.of.finish())];
        self.blocks.write(&RecordBatch::try_new(block().schema, columns)?).await?;
        Ok(())
    }

    /// What becomes of the index's tables: the rows come in place of all others, or are added.
    pub async fn finish(mut self, lake: &Lake, anew: bool) -> Result<BTreeMap<TableName, TableChange>> {
        self.flush().await?;
        let mut changes = BTreeMap::new();
        for (spec, writer) in [(indexed(), self.records), (block(), self.blocks)] {
            let table = lake.ensure_table(&spec).await?;
            let removes = if anew { table.files()? } else { vec![] };
            changes.insert(spec.name, TableChange { adds: writer.finish().await?, removes });
        }
        Ok(changes)
    }
}

/// Where a value is: which batch, which row.
type Place = (u32, u32);
const NOWHERE: Place = (u32::MAX, u32::MAX);

/// A record in the index.
pub(crate) struct Entry {
    pub key: RecordKey,
    /// Of a stub, how many name it; of a party, nothing.
    pub named: Option<i64>,
    record: Place,
    blocks: Place,
}

/// The whole index, as it is kept.
pub(crate) struct Index {
    /// Sorted by key.
    pub entries: Vec<Entry>,
    /// Rows that no longer count.
    pub overlaid: usize,
    held: Vec<BinaryViewArray>,
    profiles: Vec<BinaryViewArray>,
    blocks: Vec<BinaryViewArray>,
}

/// A row as it is found.
struct Row {
    key: RecordKey,
    place: Place,
    /// The number of its commit.
    number: u32,
    /// How many name it, or one of the two below.
    named: u32,
}
const A_PARTY: u32 = u32::MAX;
const GONE: u32 = u32::MAX - 1;

/// Sorts rows by key, and keeps of each key the newest.
fn keep_newest(rows: &mut Vec<Row>) {
    if !rows.is_sorted_by_key(|row| row.key) {
        rows.sort_by_key(|row| row.key);
    }
    rows.dedup_by(|next, kept| {
        let same = next.key == kept.key;
        if same && next.number > kept.number {
            std::mem::swap(next, kept);
        }
        same
    });
}

impl Index {
    /// Reads the index, which must be registered.
    pub async fn load(session: &Session) -> Result<Self> {
        let doing = "read the index of records";
        let mut index = Self { entries: vec![], overlaid: 0, held: vec![], profiles: vec![], blocks: vec![] };
        let mut records = Vec::with_capacity(rows_of(session, &indexed()).await?);
        let sql = "SELECT record_key, number, gone, named, held, profile FROM match.record";
        let mut stream = session.stream(doing, sql).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(Error::query(doing))?;
            let (held, profiles) = (bytes(&batch, 4)?, bytes(&batch, 5)?);
            take_rows(&batch.project(&[0, 1, 2, 3])?, index.held.len(), &mut records)?;
            index.held.push(held);
            index.profiles.push(profiles);
        }
        let mut blocks = Vec::with_capacity(rows_of(session, &block()).await?);
        let mut stream = session.stream(doing, "SELECT record_key, number, blocks FROM match.block").await?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(Error::query(doing))?;
            let of = bytes(&batch, 2)?;
            take_rows(&batch.project(&[0, 1])?, index.blocks.len(), &mut blocks)?;
            index.blocks.push(of);
        }
        let all = records.len();
        keep_newest(&mut records);
        keep_newest(&mut blocks);
        index.entries.reserve_exact(records.len());
        let mut blocks = blocks.into_iter().peekable();
        for row in records {
            while blocks.next_if(|block| block.key < row.key).is_some() {}
            // Of a record that is gone, or changed and has no blocks any more, what is there is of before.
            let of = blocks.next_if(|block| block.key == row.key).filter(|block| block.number == row.number);
            if row.named != GONE {
                let blocks = of.map_or(NOWHERE, |block| block.place);
                let named = (row.named != A_PARTY).then_some(i64::from(row.named));
                index.entries.push(Entry { key: row.key, named, record: row.place, blocks });
            }
        }
        index.overlaid = all - index.entries.len();
        Ok(index)
    }

    pub fn held(&self, entry: &Entry) -> impl Iterator<Item = u128> + '_ {
        let (batch, row) = entry.record;
        let of = self.held.get(batch as usize).map(|column| profile::numbers::<16>(column, row as usize));
        of.into_iter().flatten().map(u128::from_le_bytes)
    }

    /// Puts the blocks of a record in place of what was found before.
    pub fn blocks(&self, entry: &Entry, found: &mut Vec<u64>) {
        found.clear();
        let (batch, row) = entry.blocks;
        if let Some(column) = self.blocks.get(batch as usize) {
            found.extend(profile::numbers::<8>(column, row as usize).map(u64::from_le_bytes));
        }
    }

    /// A record as bytes, as [`Profile::unpack`] takes them.
    pub fn packed(&self, entry: &Entry) -> &[u8] {
        let (batch, row) = entry.record;
        let column = self.profiles.get(batch as usize).filter(|column| column.is_valid(row as usize));
        column.map(|column| column.value(row as usize)).unwrap_or_default()
    }
}

fn bytes(batch: &RecordBatch, column: usize) -> Result<BinaryViewArray> {
    Ok(cast(batch.column(column), &DataType::BinaryView)?.as_binary_view().clone())
}

/// Takes the rows of a batch: key, number, and where there are such columns whether it is gone and how many name it.
fn take_rows(batch: &RecordBatch, at: usize, found: &mut Vec<Row>) -> Result<()> {
    let rows = Rows::new(batch)?;
    let batch = u32::try_from(at).unwrap_or(u32::MAX);
    for row in 0..rows.len {
        let named = rows.number(3, row).map_or(A_PARTY, |named| u32::try_from(named).unwrap_or(GONE - 1).min(GONE - 1));
        found.push(Row {
            key: RecordKey::new(rows.text(0, row).unwrap_or_default())?,
            place: (batch, u32::try_from(row).unwrap_or(u32::MAX)),
            number: rows.number(1, row).and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX),
            named: if rows.flag(2, row) { GONE } else { named },
        });
    }
    Ok(())
}
