//! Raw tables to which things happen, at random; what the stage keeps up to date must be what it would make anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use fastrand::Rng;
use tributary_engine::{Options, Session};
use tributary_lake::{Change, Lake, Location, TableName, TableSpec, TableWriter, Txn, WriterOptions, key_of};
use tributary_model::{Personal, entity, plain};

use crate::difference::Difference;
use crate::feed::Feed;
use crate::pieces::{Piece, Tables};
use crate::plan::Rows;
use crate::split::MapCounts;
use crate::{Expr, IdentifierMapping, Mapping, anew, change, functions, tables};

const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Which mappings there are, as far as their upkeep goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// A row is a record, and a later one is its newer version.
    Keyed,
    /// Every row is a record.
    Keyless,
    /// Lines of tickets, without a key; a record is a ticket.
    Tickets,
    /// The same with a key, so that a line may change to another ticket.
    KeyedTickets,
    /// A record is an element of a list in a row with a key.
    Elements,
}

#[derive(Debug, Clone)]
struct Row {
    key: Option<String>,
    op: &'static str,
    scope: String,
    version: Option<String>,
    columns: [Option<String>; 4],
}

struct Story {
    lake: Lake,
    session: Session,
    spec: TableSpec,
    mapping: Mapping,
    shape: Shape,
    rng: Rng,
    epoch: i64,
    files: u32,
}

fn spec() -> TableSpec {
    let text = |name: &str| plain(name, DataType::Utf8, Personal::Identifier);
    let number = |name: &str| plain(name, DataType::Int64, Personal::None);
    let mut fields: Vec<_> = ["id", "name", "phone", "items"].map(text).into();
    fields.extend(["_source_key", "_op", "_scope", "_version"].map(text));
    fields.push(plain("_incarnation", DataType::Int32, Personal::None));
    fields.extend(["_epoch", "_row", "_commit"].map(number));
    fields.push(plain("_read_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), Personal::None));
    TableSpec { name: TableName::new("raw", "club_rows"), schema: Arc::new(Schema::new(fields)) }
}

fn mapping(shape: Shape) -> Mapping {
    let sql = |text: &str| Expr::Sql(text.into());
    let tickets = matches!(shape, Shape::Tickets | Shape::KeyedTickets);
    let fields = match shape {
        Shape::Elements => vec![("record_id".to_owned(), sql("each")), ("name".to_owned(), sql("name"))],
        _ if tickets => vec![("order_no".to_owned(), sql("id")), ("ordered_at".to_owned(), sql("name"))],
        _ => vec![("record_id".to_owned(), sql("id")), ("name".to_owned(), sql("name"))],
    };
    Mapping {
        id: "club.rows → it".into(),
        source: "club".into(),
        in_lake: "club".into(),
        stream: "rows".into(),
        raw: spec().name,
        entity: entity(if tickets { "order" } else { "party" }).unwrap(),
        keyed: !matches!(shape, Shape::Keyless | Shape::Tickets),
        filter: Some(sql("coalesce(name, '') <> 'nobody'")),
        key: if tickets { vec![sql("id")] } else { Vec::new() },
        each: (shape == Shape::Elements).then(|| sql("string_to_array(items, ';')")),
        fields,
        identifiers: vec![IdentifierMapping {
            kind: "phone".into(),
            scope: sql("''"),
            value: sql("phone"),
            valid_from: None,
            valid_to: None,
        }],
        options: "CN|Asia/Shanghai|ymd".into(),
        timezone: chrono_tz::Asia::Shanghai,
        currency: None,
        retracted: Vec::new(),
    }
}

impl Story {
    async fn begin(shape: Shape, seed: u64) -> Self {
        let store = Arc::new(tributary_engine::datafusion::object_store::memory::InMemory::new());
        let location = Location {
            text: "memory".into(),
            url: "memory:///lake/".parse().unwrap(),
            store,
            prefix: "lake".into(),
            local: false,
        };
        let lake = Lake::open_or_create(location, Some("test"), false).await.unwrap();
        let session = Session::new(&lake, &Options { partitions: Some(2), ..Options::default() }).unwrap();
        for function in functions::functions() {
            session.register_function(function);
        }
        let (spec, mapping) = (spec(), mapping(shape));
        lake.ensure_table(&spec).await.unwrap();
        Self { lake, session, spec, mapping, shape, rng: Rng::with_seed(seed), epoch: 0, files: 0 }
    }

    fn row(&mut self, scope: &str, ordinal: usize) -> Row {
        let rng = &mut self.rng;
        let line = rng.u32(..90);
        let ticket = rng.u32(..30);
        let keyed = self.mapping.keyed;
        let natural = format!("{line}");
        let key = if keyed {
            key_of(&[7; 32], ["club", "rows", natural.as_str()])
        } else {
            format!("{}-{ordinal:010}", key_of(&[7; 32], ["club", "rows", scope]))
        };
        let id = match self.shape {
            Shape::Tickets | Shape::KeyedTickets if rng.u8(..10) == 0 => None,
            Shape::Tickets | Shape::KeyedTickets => Some(format!("T{ticket}")),
            _ => Some(natural),
        };
        let name = match rng.u8(..8) {
            0 => "nobody".to_owned(),
            1 => "2026-13-45".to_owned(),
            number => format!("2026-0{}-01 10:00", number % 7 + 1),
        };
        let phone = match rng.u8(..4) {
            0 => None,
            1 => Some("12".to_owned()),
            _ => Some(format!("138{:08}", rng.u32(..100_000))),
        };
        let items = (0..rng.u32(..4)).map(|item| format!("i{item}")).collect::<Vec<_>>().join(";");
        Row {
            key: Some(key),
            op: if keyed && rng.u8(..6) == 0 { "delete" } else { "upsert" },
            scope: scope.into(),
            version: (keyed && rng.bool()).then(|| format!("{:03}", rng.u32(..40))),
            columns: [id, Some(name), phone, (!items.is_empty()).then_some(items)],
        }
    }

    /// A file of so many rows; now and then it replaces an earlier one.
    async fn file(&mut self, rows: usize) {
        let mut written = Vec::new();
        let scope = if self.files > 0 && self.rng.u8(..3) == 0 {
            let scope = format!("file {}", self.rng.u32(..self.files));
            let columns = [const { None }; 4];
            written.push(Row { key: None, op: "replace", scope: scope.clone(), version: None, columns });
            scope
        } else {
            self.files += 1;
            format!("file {}", self.files - 1)
        };
        for ordinal in 0..rows {
            written.push(self.row(&scope, ordinal));
        }
        if self.rng.bool() {
            written.push(Row { key: None, op: "reject", scope, version: None, columns: [const { None }; 4] });
        }
        self.commit(&written).await;
    }

    async fn commit(&mut self, rows: &[Row]) {
        self.epoch += 1;
        let incarnation = 1 + i32::from(self.epoch > 4);
        let text = |pick: &dyn Fn(&Row) -> Option<&str>| {
            Arc::new(StringArray::from_iter(rows.iter().map(|row| pick(row).map(str::to_owned)))) as ArrayRef
        };
        let number = |value: i64| Arc::new(Int64Array::from(vec![value; rows.len()])) as ArrayRef;
        let mut columns: Vec<ArrayRef> = (0..4).map(|at| text(&|row| row.columns[at].as_deref())).collect();
        columns.push(text(&|row| row.key.as_deref()));
        columns.push(text(&|row| Some(row.op)));
        columns.push(text(&|row| Some(row.scope.as_str())));
        columns.push(text(&|row| row.version.as_deref()));
        columns.push(Arc::new(Int32Array::from(vec![incarnation; rows.len()])));
        columns.push(number(if incarnation == 1 { self.epoch } else { self.epoch - 4 }));
        columns.push(Arc::new(Int64Array::from_iter_values(0..rows.len() as i64)));
        columns.push(number(self.epoch));
        let read_at = TimestampMicrosecondArray::from(vec![1_780_000_000_000_000 + self.epoch; rows.len()]);
        columns.push(Arc::new(read_at.with_timezone("UTC")));
        let mut writer = TableWriter::new(&self.lake, &self.spec, WriterOptions::default());
        writer.write(&RecordBatch::try_new(self.spec.schema.clone(), columns).unwrap()).await.unwrap();
        let change = Change { adds: writer.finish().await.unwrap(), ..Change::default() };
        let mut table = self.lake.table(&self.spec.name).await.unwrap().unwrap();
        let txn = Txn { app: "test".into(), from: (self.epoch > 1).then_some(self.epoch - 1), to: self.epoch };
        table.commit(&change, &txn, "test").await.unwrap();
        self.session.register(&table).unwrap();
    }

    /// Made anew, and what that tells of what there was.
    async fn anew(&self, before: &[Piece], feed: &mut Feed) -> (Vec<Piece>, MapCounts) {
        let withdrawn = change::withdrawn(&self.session, &self.mapping, "ever", "TRUE").await.unwrap();
        let rows = Rows::all(&self.spec.name, withdrawn);
        let tables = Tables::of(&self.mapping).unwrap();
        let changes = Some((Difference::new(&self.session, &tables, before), feed));
        anew::make(&self.lake, &self.session, &self.mapping, &rows, SECRET, changes).await.unwrap()
    }

    /// What those who merge see of pieces.
    async fn merged(&self, pieces: &[Piece]) -> Merged {
        let mut merged = Merged::default();
        let tables = Tables::of(&self.mapping).unwrap();
        let party = tables.entity.name.name == "party";
        for spec in [&tables.entity, &tables.identifiers].into_iter().skip(usize::from(!party)) {
            let files: Vec<_> =
                pieces.iter().flat_map(|piece| piece.files.get(&spec.name)).flatten().cloned().collect();
            for batch in self.session.rows_of(spec, &files).await.unwrap() {
                for (key, row) in told(&batch) {
                    if party {
                        merged.parties.entry(key).or_default().insert(row);
                    } else {
                        *merged.events.entry(row).or_default() += 1;
                    }
                }
            }
        }
        merged
    }

    /// Holds what a feed tells against what has become of pieces.
    async fn assert_told(&self, feed: Feed, before: &[Piece], after: &[Piece]) {
        let spec = tables::change();
        let change = feed.finish(&self.lake).await.unwrap();
        let told_of_before = self.merged(before).await;
        let mut merged = told_of_before.clone();
        let mut fresh: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for batch in self.session.rows_of(&spec, &change.adds).await.unwrap() {
            let what = arrow::compute::cast(batch.column_by_name("what").unwrap(), &DataType::Utf8).unwrap();
            let what = what.as_string::<i32>();
            for (at, (key, row)) in told(&batch).into_iter().enumerate() {
                match what.value(at) {
                    "gone" => _ = merged.parties.remove(&key),
                    "party" | "identifier" => _ = fresh.entry(key).or_default().insert(row),
                    "event" => *merged.events.entry(row).or_default() += 1,
                    "event_gone" => *merged.events.entry(row).or_default() -= 1,
                    "commit" => {}
                    what => panic!("{what}"),
                }
            }
        }
        for (key, rows) in &fresh {
            assert_ne!(told_of_before.parties.get(key), Some(rows), "a party that is as it was is told of");
        }
        merged.parties.extend(fresh);
        merged.events.retain(|_, count| *count != 0);
        assert_eq!(merged, self.merged(after).await, "{:?}", self.shape);
    }

    /// The rows of each table as text, sorted.
    async fn contents(&self, pieces: &[Piece]) -> BTreeMap<TableName, Vec<String>> {
        let mut contents = BTreeMap::new();
        let tables = Tables::of(&self.mapping).unwrap();
        for spec in [&tables.entity, &tables.identifiers, &tables.issues] {
            let files: Vec<_> =
                pieces.iter().flat_map(|piece| piece.files.get(&spec.name)).flatten().cloned().collect();
            let mut rows = Vec::new();
            if !files.is_empty() {
                for batch in self.session.rows_of(spec, &files).await.unwrap() {
                    let printed = arrow::util::pretty::pretty_format_batches(&[batch]).unwrap().to_string();
                    rows.extend(
                        printed
                            .lines()
                            .skip(3)
                            .filter(|line| line.starts_with('|'))
                            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>().join("|")),
                    );
                }
            }
            rows.sort_unstable();
            contents.insert(spec.name.clone(), rows);
        }
        contents
    }
}

/// Parties with their rows, and how often which identifier is named.
#[derive(Debug, Clone, Default, PartialEq)]
struct Merged {
    parties: BTreeMap<String, BTreeSet<String>>,
    events: BTreeMap<String, i64>,
}

/// Of each row the record's key, and the rest of what the feed has of it as text.
fn told(batch: &RecordBatch) -> Vec<(String, String)> {
    let mut rows = vec![(String::new(), String::new()); batch.num_rows()];
    for field in tables::change()
        .schema
        .fields()
        .iter()
        .filter(|field| !["number", "what", "rows"].contains(&field.name().as_str()))
    {
        let Some(column) = batch.column_by_name(field.name()) else { continue };
        let column = arrow::compute::cast(column, &DataType::Utf8).unwrap();
        for (row, value) in rows.iter_mut().zip(column.as_string::<i32>().iter()) {
            match value {
                Some(value) if field.name() == "record_key" => value.clone_into(&mut row.0),
                Some(value) => row.1.push_str(&format!("{}={value} ", field.name())),
                None => {}
            }
        }
    }
    rows
}

/// Plays a story; answers how often something was brought up to date, and how many pieces that left alone.
async fn play(shape: Shape, seed: u64) -> (u32, usize) {
    let mut story = Story::begin(shape, seed).await;
    for _ in 0..3 {
        story.file(30).await;
    }
    let mut seen = change::seen(&story.session, &story.mapping).await.unwrap();
    let (mut pieces, mut counts) = story.anew(&[], &mut Feed::new(&story.lake, 1)).await;
    let (mut changed, mut left) = (0, 0);
    for round in 0..5 {
        for _ in 0..=story.rng.u8(..2) {
            let rows = story.rng.usize(..7);
            story.file(rows).await;
        }
        let now = change::seen(&story.session, &story.mapping).await.unwrap();
        let last = (&seen, pieces.as_slice(), &counts);
        let mut feed = Feed::new(&story.lake, 1);
        let made = change::make(&story.lake, &story.session, &story.mapping, SECRET, last, &mut feed).await.unwrap();
        let mut of_all = Feed::new(&story.lake, 1);
        let anew = story.anew(&pieces, &mut of_all).await;
        story.assert_told(of_all, &pieces, &anew.0).await;
        if let Some(made) = made {
            story.assert_told(feed, &pieces, &made.0).await;
            changed += 1;
            left += made.0.iter().filter(|piece| pieces.contains(piece)).count();
            let told = |counts: &MapCounts| MapCounts { elements: None, empty_records: 0, ..counts.clone() };
            assert_eq!(told(&made.1), told(&anew.1), "{shape:?} {seed} {round}");
            let (is, should) = (story.contents(&made.0).await, story.contents(&anew.0).await);
            assert_eq!(is, should, "{shape:?} {seed} {round}");
            (pieces, counts) = made;
        } else {
            (pieces, counts) = anew;
        }
        seen = now;
    }
    (changed, left)
}

async fn kept_up_to_date(shape: Shape) {
    let (mut changed, mut left) = (0, 0);
    for seed in 0..2 {
        let (more, alone) = play(shape, seed).await;
        changed += more;
        left += alone;
    }
    assert!(changed > 2, "only {changed} changes were made in place");
    assert!(left > 2, "only {left} pieces were left alone");
}

#[tokio::test]
async fn versions_of_records() {
    kept_up_to_date(Shape::Keyed).await;
}

#[tokio::test]
async fn rows_without_a_key() {
    kept_up_to_date(Shape::Keyless).await;
}

#[tokio::test]
async fn lines_of_tickets() {
    kept_up_to_date(Shape::Tickets).await;
}

#[tokio::test]
async fn lines_that_change_to_another_ticket() {
    kept_up_to_date(Shape::KeyedTickets).await;
}

#[tokio::test]
async fn elements_of_lists() {
    kept_up_to_date(Shape::Elements).await;
}
