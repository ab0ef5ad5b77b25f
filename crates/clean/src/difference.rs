//! What a mapping that is made anew changes: what there was, piece by piece, beside what comes in the same order.
//!
//! A file that is exported again every night brings all of its records again, of which most are as they were. Those who merge
//! records need not look at these.

use std::collections::{HashMap, HashSet, VecDeque};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use tributary_engine::{Result, Session};
use tributary_lake::TableSpec;
use xxhash_rust::xxh3::xxh3_64;

use crate::feed::{self, Feed};
use crate::pieces::{Piece, Tables, record_keys, whole};
use crate::split::Parts;
use crate::tables::change;

/// With more than one row in so many told, everything may as well be looked at…
const SHARE: u64 = 4;
/// …if they are more than these.
const FEW: u64 = 1000;

/// What was, and how far it has been gone through.
pub struct Difference<'a> {
    session: &'a Session,
    tables: &'a Tables,
    party: bool,
    pieces: &'a [Piece],
    next: usize,
    /// Pieces that rows at hand may be in.
    open: VecDeque<Was>,
    told: u64,
}

/// A piece as it was.
struct Was {
    /// Where the next begins.
    until: Option<String>,
    /// Records that have not come again yet, and a hash of what each was.
    records: HashMap<String, u64>,
    identifiers: RecordBatch,
}

impl<'a> Difference<'a> {
    /// `pieces` are what the mapping wrote before.
    pub fn new(session: &'a Session, tables: &'a Tables, pieces: &'a [Piece]) -> Self {
        let party = tables.entity.name.name == "party";
        Self { session, tables, party, pieces, next: 0, open: VecDeque::new(), told: 0 }
    }

    /// Takes what comes, whose places are `first` to `last`.
    pub async fn take(&mut self, first: &str, last: &str, parts: &Parts, feed: &mut Feed) -> Result<()> {
        if feed.is_all() {
            return Ok(());
        }
        while self.open.front().is_some_and(|was| was.until.as_deref().is_some_and(|until| until <= first)) {
            self.close(feed).await?;
        }
        while self.pieces.get(self.next).is_some_and(|piece| piece.from.as_str() <= last) {
            self.load().await?;
        }
        let schema = &self.tables.identifiers.schema;
        let identifiers = whole(schema, &parts.identifiers)?;
        let now = signatures(self.party, &parts.entity, &identifiers)?;
        let mut changed: HashSet<&str> = HashSet::new();
        for (record, signature) in &now {
            let mut was = self.open.iter_mut().filter(|was| was.records.get(record) == Some(signature));
            match was.next() {
                Some(was) => _ = was.records.remove(record),
                None => _ = changed.insert(record),
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        if self.party {
            self.tell("party", &some(&parts.entity, |record| changed.contains(record))?, feed).await?;
        }
        let what = if self.party { "identifier" } else { "event" };
        self.tell(what, &some(&identifiers, |record| changed.contains(record))?, feed).await
    }

    /// Tells what has not come again.
    pub async fn finish(mut self, feed: &mut Feed) -> Result<()> {
        while !feed.is_all() && (self.next < self.pieces.len() || !self.open.is_empty()) {
            if self.open.is_empty() {
                self.load().await?;
            }
            self.close(feed).await?;
        }
        Ok(())
    }

    async fn load(&mut self) -> Result<()> {
        let Some(piece) = self.pieces.get(self.next) else { return Ok(()) };
        self.next += 1;
        let entity = if self.party { self.rows(&self.tables.entity, piece).await? } else { None };
        let entity = entity.unwrap_or_else(|| RecordBatch::new_empty(self.tables.entity.schema.clone()));
        let identifiers = self.rows(&self.tables.identifiers, piece).await?;
        let identifiers = identifiers.unwrap_or_else(|| RecordBatch::new_empty(self.tables.identifiers.schema.clone()));
        let records = signatures(self.party, &entity, &identifiers)?;
        let until = self.pieces.get(self.next).map(|next| next.from.clone());
        // A party's are not needed any more: that it is gone is all that is told of it.
        let identifiers = if self.party { identifiers.slice(0, 0) } else { identifiers };
        self.open.push_back(Was { until, records, identifiers });
        Ok(())
    }

    async fn rows(&self, spec: &TableSpec, piece: &Piece) -> Result<Option<RecordBatch>> {
        let Some(files) = piece.files.get(&spec.name) else { return Ok(None) };
        Ok(Some(whole(&spec.schema, &self.session.rows_of(spec, files).await?)?))
    }

    async fn close(&mut self, feed: &mut Feed) -> Result<()> {
        let Some(was) = self.open.pop_front() else { return Ok(()) };
        if was.records.is_empty() {
            return Ok(());
        }
        if self.party {
            let records = StringArray::from_iter_values(was.records.keys());
            let schema = feed::keys(&RecordBatch::new_empty(self.tables.entity.schema.clone()))?.schema();
            let gone = RecordBatch::try_new(schema, vec![std::sync::Arc::new(records)])?;
            self.tell("gone", &gone, feed).await
        } else {
            let gone = some(&was.identifiers, |record| was.records.contains_key(record))?;
            self.tell("event_gone", &gone, feed).await
        }
    }

    async fn tell(&mut self, what: &str, rows: &RecordBatch, feed: &mut Feed) -> Result<()> {
        self.told += rows.num_rows() as u64;
        let before: u64 = self.pieces.iter().map(|piece| piece.rows).sum();
        if self.told > FEW && self.told > before / SHARE {
            feed.all();
            return Ok(());
        }
        feed.rows(what, rows).await
    }
}

/// Tells of records that were mapped twice, as they were and as they are, those that are not as they were.
pub async fn tell(tables: &Tables, old: &[Parts], new: &[Parts], feed: &mut Feed) -> Result<()> {
    let party = tables.entity.name.name == "party";
    let schema = &tables.identifiers.schema;
    let signed = |parts: &[Parts]| -> Result<HashMap<String, u64>> {
        let mut found = HashMap::new();
        for part in parts {
            found.extend(signatures(party, &part.entity, &whole(schema, &part.identifiers)?)?);
        }
        Ok(found)
    };
    let (was, is) = (signed(old)?, signed(new)?);
    let differs = |record: &str| was.get(record) != is.get(record);
    for part in old {
        if party {
            feed.rows("gone", &feed::keys(&some(&part.entity, differs)?)?).await?;
        } else {
            feed.rows("event_gone", &some(&whole(schema, &part.identifiers)?, differs)?).await?;
        }
    }
    for part in new {
        if party {
            feed.rows("party", &some(&part.entity, differs)?).await?;
        }
        let what = if party { "identifier" } else { "event" };
        feed.rows(what, &some(&whole(schema, &part.identifiers)?, differs)?).await?;
    }
    Ok(())
}

/// The rows of some records.
fn some(batch: &RecordBatch, wanted: impl Fn(&str) -> bool) -> Result<RecordBatch> {
    let keys = record_keys(batch)?;
    let mask: BooleanArray = keys.iter().map(|record| Some(record.is_some_and(&wanted))).collect();
    Ok(filter_record_batch(batch, &mask)?)
}

fn mixed(hash: u64, more: u64) -> u64 {
    (hash.rotate_left(5) ^ more).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A hash of what is told of each record.
fn signatures(party: bool, entity: &RecordBatch, identifiers: &RecordBatch) -> Result<HashMap<String, u64>> {
    let mut found: HashMap<String, u64> = HashMap::new();
    if party {
        let hashes = hashes(entity)?;
        found.extend(
            record_keys(entity)?.iter().zip(hashes).filter_map(|(record, hash)| Some((record?.to_owned(), hash))),
        );
    }
    for (record, hash) in record_keys(identifiers)?.iter().zip(hashes(identifiers)?) {
        let Some(record) = record else { continue };
        match found.get_mut(record) {
            // In whatever order they come.
            Some(sum) => *sum = sum.wrapping_add(hash),
            None => _ = found.insert(record.to_owned(), hash),
        }
    }
    Ok(found)
}

/// Of each row a hash of the columns that the feed has.
fn hashes(batch: &RecordBatch) -> Result<Vec<u64>> {
    let mut hashes = vec![0u64; batch.num_rows()];
    for field in change().schema.fields() {
        let Some(column) = batch.column_by_name(field.name()) else { continue };
        let column = cast(column, &DataType::Utf8)?;
        let texts = column.as_string::<i32>();
        for (row, hash) in hashes.iter_mut().enumerate() {
            *hash = mixed(*hash, if texts.is_valid(row) { xxh3_64(texts.value(row).as_bytes()) } else { 0 });
        }
    }
    Ok(hashes)
}
