//! A lake in memory: what a stream's events come to, by the framework's rules.
//!
//! Rows count when the next checkpoint comes, together with its positions, and not before; what is discarded, forgotten or cut off
//! does not count at all. Of a key's rows the newest version stays, and of equal versions the one that came last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tributary_connector::{Error, Event, Op, Position, State, Stream, Window};

use crate::Failure;
use crate::compare::differences;
use crate::rows::{self, Row};
use crate::subject::DeclaredStream;

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    held: BTreeMap<String, Held>,
    /// Keys and versions of all that was committed.
    versions: BTreeSet<(String, Option<String>)>,
    segment: Vec<Step>,
    positions: BTreeMap<Arc<str>, Position>,
    committed: Counts,
    /// Rows and pages of this reading, committed or not.
    pub seen: Counts,
    /// Errors of single partitions.
    pub errors: Vec<Error>,
    /// What alone is read.
    pub window: Option<Window>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub pages: u64,
    pub rows: u64,
    pub rejected: u64,
    pub misfits: u64,
    pub checkpoints: u64,
}

#[derive(Debug)]
struct Held {
    row: Row,
    scope: Arc<str>,
}

#[derive(Debug)]
enum Step {
    Row(Box<Row>, Arc<str>),
    Rejected(u64),
    Withdraw(Arc<str>),
}

impl Ledger {
    /// Of what was changed within a window.
    pub fn within(window: Window) -> Self {
        Self { window: Some(window), ..Self::default() }
    }

    /// Takes an event.
    ///
    /// # Errors
    /// If the event breaks the rules by itself.
    pub fn take(&mut self, event: Event, stream: &Stream, declared: &DeclaredStream) -> Result<(), Failure> {
        match event {
            Event::Page(page) => {
                let rows = rows::of(&page, stream, declared.cursor)?;
                self.seen.pages += 1;
                self.seen.rows += rows.rows.len() as u64;
                self.seen.rejected += rows.rejected;
                self.seen.misfits += rows.misfits.iter().map(|(_, count)| count).sum::<u64>();
                for row in rows.rows {
                    if row.key.is_none() && (row.op == Op::Delete || !stream.primary_key.is_empty()) {
                        return Err(Failure::new("each row of a stream with a key to have it", "one without"));
                    }
                    self.segment.push(Step::Row(Box::new(row), Arc::clone(&page.scope)));
                }
                self.segment.push(Step::Rejected(rows.rejected));
            }
            Event::Withdraw(withdrawal) => self.segment.push(Step::Withdraw(withdrawal.scope)),
            Event::Checkpoint(positions) => {
                self.commit();
                self.seen.checkpoints += 1;
                for (partition, position) in positions {
                    match position {
                        Some(position) => drop(self.positions.insert(partition, position)),
                        None => drop(self.positions.remove(&partition)),
                    }
                }
            }
            Event::Discard { error, .. } => {
                self.drop_segment();
                self.errors.push(error);
            }
            Event::Forget { .. } => self.drop_segment(),
            Event::Unchanged { .. } => {}
        }
        Ok(())
    }

    /// The reading is at its end, orderly or not: what came since the last checkpoint does not count.
    pub fn drop_segment(&mut self) {
        self.segment.clear();
    }

    /// A new reading begins.
    pub fn begin(&mut self) {
        self.seen = Counts::default();
        self.errors.clear();
        self.drop_segment();
    }

    fn commit(&mut self) {
        for step in std::mem::take(&mut self.segment) {
            match step {
                Step::Rejected(count) => self.committed.rejected += count,
                Step::Withdraw(scope) => self.held.retain(|_, held| held.scope != scope),
                Step::Row(row, scope) => {
                    self.committed.rows += 1;
                    let key = row.key.clone().unwrap_or_else(|| format!("{scope}\u{1f}{}", row.record));
                    self.versions.insert((key.clone(), row.version.clone()));
                    let newer = self.held.get(&key).is_none_or(|held| held.row.version <= row.version);
                    if newer {
                        self.held.insert(key, Held { row: *row, scope });
                    }
                }
            }
        }
    }

    /// The positions, having been written down and read again.
    pub fn state(&self) -> Result<State, Failure> {
        let read = |(partition, position): (&Arc<str>, &Position)| {
            let text = serde_json::to_string(position)?;
            Ok::<_, serde_json::Error>((Arc::clone(partition), serde_json::from_str(&text)?))
        };
        let positions = self.positions.iter().map(read).collect::<Result<_, _>>();
        Ok(State(positions.map_err(|e| Failure::ours("write a position down", e))?))
    }

    /// The positions as text.
    pub fn positions(&self) -> String {
        format!(
            "{:?} {}",
            self.positions,
            serde_json::to_string(&self.positions.values().collect::<Vec<_>>()).unwrap_or_default()
        )
    }

    /// Keys of the records that are, deleted ones not.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.rows().map(|(key, _)| key)
    }

    /// By key, what a column of times says of the records that are, in microseconds since 1970.
    pub fn times(&self, column: &str) -> BTreeMap<String, i64> {
        let times = self.rows().filter_map(|(key, row)| Some((key.to_owned(), row.cells.get(column)?.as_i64()?)));
        times.collect()
    }

    fn rows(&self) -> impl Iterator<Item = (&str, &Row)> {
        let there = self.held.iter().filter(|(_, held)| held.row.op == Op::Upsert);
        there.map(|(key, held)| (key.as_str(), &held.row))
    }

    /// Keys and versions of all that was committed.
    pub fn versions(&self) -> &BTreeSet<(String, Option<String>)> {
        &self.versions
    }

    /// How many records have a field of this name in `_extra`.
    pub fn with_extra(&self, name: &str) -> usize {
        self.rows().filter(|(_, row)| row.extra.contains_key(name)).count()
    }

    /// Of the rows committed, those that were rejected.
    pub fn rejected(&self) -> u64 {
        self.committed.rejected
    }

    /// Holds all against the truth.
    ///
    /// # Errors
    /// Where they differ; never a value.
    pub fn against(&self, truth: &Truth, stream: &Stream) -> Result<(), Failure> {
        let declared = truth.declared;
        let found = self.rows().count();
        if declared.key.is_empty() {
            if found != truth.records.len() {
                return Err(Failure::new(format!("{} records", truth.records.len()), format!("{found}")));
            }
            return Ok(());
        }
        let (mut missing, mut differing) = (Vec::new(), BTreeMap::<String, u64>::new());
        for (number, (key, record)) in truth.records.iter().enumerate() {
            match self.held.get(key).filter(|held| held.row.op == Op::Upsert) {
                None if truth.lost.contains(key) => {}
                None => missing.push(number + 1),
                Some(held) => {
                    for difference in differences(record, &held.row, stream, declared.derived) {
                        if !truth.unknown.iter().any(|name| difference.contains(&format!("`{name}`"))) {
                            *differing.entry(difference).or_default() += 1;
                        }
                    }
                }
            }
        }
        let surplus = self.keys().filter(|key| !truth.records.contains_key(*key) && !truth.gone.contains(*key)).count();
        if missing.is_empty() && differing.is_empty() && surplus == 0 {
            return Ok(());
        }
        let mut found = Vec::new();
        if !missing.is_empty() {
            let shown: Vec<_> = missing.iter().take(5).map(u64_text).collect();
            let more = if missing.len() > shown.len() { ", …" } else { "" };
            found.push(format!("{} missing (by key the records {}{more})", missing.len(), shown.join(", ")));
        }
        if surplus > 0 {
            found.push(format!("{surplus} that the vendor does not hold"));
        }
        found.extend(differing.into_iter().take(5).map(|(difference, count)| format!("{difference} in {count}")));
        Err(Failure::new(format!("the {} records that the vendor holds", truth.records.len()), found.join("; ")))
    }
}

fn u64_text(number: &usize) -> String {
    number.to_string()
}

/// What the vendor holds, by key.
#[derive(Debug, Clone)]
pub(crate) struct Truth<'a> {
    pub declared: &'a DeclaredStream,
    pub records: BTreeMap<String, Value>,
    /// Deleted ones that may still be there, because the vendor does not tell of deletions.
    pub gone: BTreeSet<String>,
    /// Those that need not be there, because they were rejected.
    pub lost: BTreeSet<String>,
    /// Fields that may differ.
    pub unknown: Vec<String>,
}

impl<'a> Truth<'a> {
    /// # Errors
    /// If a record lacks its key.
    pub fn new(declared: &'a DeclaredStream, records: Vec<Value>) -> Result<Self, Failure> {
        let mut by_key = BTreeMap::new();
        let count = records.len();
        for (number, record) in records.into_iter().enumerate() {
            let key = match declared.key {
                [] => format!("{number:09}"),
                names => rows::key(names.iter().map(|name| record.get(*name))).ok_or_else(|| {
                    Failure::new("the world's truth to have keys", format!("none in record {number}"))
                })?,
            };
            by_key.insert(key, record);
        }
        if by_key.len() != count {
            return Err(Failure::new("the keys of the world's truth to differ", "equal ones")
                .hint("`DeclaredStream::key` may be incomplete"));
        }
        Ok(Self { declared, records: by_key, gone: BTreeSet::new(), lost: BTreeSet::new(), unknown: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use bytes::Bytes;
    use serde_json::json;
    use tributary_connector::{Cursor, Data, Deletes, JsonPage, JsonShape, Page};

    use super::*;

    fn stream() -> Stream {
        let fields = vec![Field::new("id", DataType::Utf8, true), Field::new("at", DataType::Int64, true)];
        Stream {
            name: "s".into(),
            schema: Arc::new(Schema::new(fields)),
            primary_key: vec!["id".into()],
            cursor: Cursor::None,
            deletes: Deletes::Feed,
            version: Some("at".into()),
        }
    }

    fn page(op: Op, records: Value) -> Event {
        let count = records.as_array().unwrap().len() as u64;
        let bytes = Bytes::from(records.to_string());
        Event::Page(Page {
            partition: "".into(),
            scope: "".into(),
            version: None,
            first_record: 0,
            records: count,
            op,
            data: Data::Json(JsonPage { bytes, shape: JsonShape::Array, first_line: 1 }),
        })
    }

    fn keys(events: Vec<Event>) -> Vec<String> {
        let (mut ledger, declared) = (Ledger::default(), DeclaredStream::new("s", &["id"], "*", 2));
        events.into_iter().for_each(|event| ledger.take(event, &stream(), &declared).unwrap());
        ledger.keys().map(|key| key.trim_end_matches('\u{1f}').to_owned()).collect()
    }

    fn checkpoint() -> Event {
        Event::Checkpoint(vec![("".into(), Some(Position(json!(1))))])
    }

    #[test]
    fn rows_count_when_the_checkpoint_comes() {
        let rows = || page(Op::Upsert, json!([{"id": "a", "at": 1}]));
        assert!(keys(vec![rows()]).is_empty());
        assert_eq!(keys(vec![rows(), checkpoint()]), ["a"]);
        assert!(keys(vec![rows(), Event::Forget { partition: "".into() }, checkpoint()]).is_empty());
    }

    #[test]
    fn a_deletion_counts_unless_something_newer_is_known() {
        let seen = |at: i64| page(Op::Upsert, json!([{"id": "a", "at": at}]));
        let gone = |at: i64| page(Op::Delete, json!([{"id": "a", "at": at}]));
        assert!(keys(vec![seen(1), gone(2), checkpoint()]).is_empty());
        assert!(keys(vec![gone(2), seen(1), checkpoint()]).is_empty());
        assert_eq!(keys(vec![seen(3), gone(2), checkpoint()]), ["a"]);
        assert_eq!(keys(vec![gone(2), seen(2), checkpoint()]), ["a"]);
    }

    #[test]
    fn a_row_is_deleted_that_its_column_says_is() {
        let fields = ["id", "gone"].map(|name| {
            let kind = if name == "gone" { DataType::Boolean } else { DataType::Utf8 };
            Field::new(name, kind, true)
        });
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let stream = Stream { schema, deletes: Deletes::Column("gone".into()), version: None, ..stream() };
        let (mut ledger, declared) = (Ledger::default(), DeclaredStream::new("s", &["id"], "*", 2));
        let rows = json!([{"id": "a", "gone": true}, {"id": "b", "gone": false}, {"id": "c", "gone": null}]);
        for event in [page(Op::Upsert, rows), checkpoint()] {
            ledger.take(event, &stream, &declared).unwrap();
        }
        assert_eq!(ledger.keys().collect::<Vec<_>>(), ["b\u{1f}", "c\u{1f}"]);
    }

    #[test]
    fn a_page_that_miscounts_breaks_the_rules() {
        let Event::Page(page) = page(Op::Upsert, json!([{"id": "a"}, {"id": "b"}])) else { unreachable!() };
        let event = Event::Page(Page { records: 3, ..page });
        let declared = DeclaredStream::new("s", &["id"], "*", 2);
        let failure = Ledger::default().take(event, &stream(), &declared).unwrap_err();
        assert_eq!(failure.details().found, "2, rejected ones included");
    }
}
