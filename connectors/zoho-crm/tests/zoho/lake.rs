//! The rules by which a lake keeps what a reader hands out, in memory: the highest version of a record counts, then the later.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use serde_json::Value;
use tributary_connector::decode::decode;
use tributary_connector::{Data, Event, JsonPage, JsonShape, Op, Page, Stream};
use tributary_sandbox::http::Handle;
use tributary_sandbox::zoho::Crm;

use crate::source::Client;

/// Columns and their values as text.
pub type Content = BTreeMap<String, String>;

#[derive(Debug, Clone)]
struct Row {
    scope: String,
    version: String,
    op: Op,
    content: Content,
}

#[derive(Debug, Clone, Default)]
pub struct Lake {
    rows: BTreeMap<String, Vec<Row>>,
    pub rejected: usize,
    pub misfits: BTreeMap<String, u64>,
}

impl Lake {
    pub fn of(stream: &Stream, events: &[Event]) -> Self {
        let mut lake = Self::default();
        lake.commit(stream, events);
        lake
    }

    /// Takes what comes before the last checkpoint.
    pub fn commit(&mut self, stream: &Stream, events: &[Event]) {
        let end = events.iter().rposition(|event| matches!(event, Event::Checkpoint(_))).unwrap_or(0);
        for event in &events[..end] {
            match event {
                Event::Page(page) => self.page(stream, page),
                Event::Withdraw(withdrawal) => {
                    self.rows.values_mut().for_each(|rows| rows.retain(|row| row.scope != *withdrawal.scope));
                }
                _ => {}
            }
        }
    }

    fn page(&mut self, stream: &Stream, page: &Page) {
        let decoded = decode(page, &stream.schema).unwrap();
        assert_eq!(page.records, (decoded.batch.num_rows() + decoded.rejected.len()) as u64);
        assert_eq!(decoded.extra.iter().flatten().collect::<Vec<_>>(), Vec::<&str>::new());
        self.rejected += decoded.rejected.len();
        for (column, count) in decoded.misfits {
            *self.misfits.entry(column).or_default() += count;
        }
        let version = stream.version.as_ref().map(|name| texts(decoded.batch.column_by_name(name).unwrap()));
        let ids = decoded.batch.column_by_name("id").unwrap().as_string::<i32>().clone();
        for (row, content) in contents(&decoded.batch).into_iter().enumerate() {
            let version = version.as_ref().map(|version| version[row].clone()).unwrap_or_default();
            let row_of_lake = Row { scope: page.scope.to_string(), version, op: page.op, content };
            self.rows.entry(ids.value(row).to_owned()).or_default().push(row_of_lake);
        }
    }

    /// The records there are, with their content.
    pub fn current(&self) -> BTreeMap<String, Content> {
        let newest = self.rows.iter().filter_map(|(id, rows)| {
            let newest = rows.iter().enumerate().max_by_key(|(place, row)| (row.version.clone(), *place))?;
            (newest.1.op == Op::Upsert).then(|| (id.clone(), newest.1.content.clone()))
        });
        newest.collect()
    }

    pub fn ids(&self) -> BTreeSet<String> {
        self.current().into_keys().collect()
    }

    /// Whether this version of a record was ever shown.
    pub fn has_seen(&self, id: &str, content: &Content) -> bool {
        self.rows.get(id).is_some_and(|rows| rows.iter().any(|row| row.content == *content))
    }

    /// How many rows were written.
    pub fn written(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }
}

fn texts(column: &dyn arrow::array::Array) -> Vec<String> {
    let options = FormatOptions::default().with_null("");
    let formatter = ArrayFormatter::try_new(column, &options).unwrap();
    (0..column.len()).map(|row| formatter.value(row).to_string()).collect()
}

fn contents(batch: &RecordBatch) -> Vec<Content> {
    let mut rows = vec![Content::new(); batch.num_rows()];
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        for (row, text) in rows.iter_mut().zip(texts(column)) {
            row.insert(field.name().clone(), text);
        }
    }
    rows
}

/// The records of a module as single reads show them, by the same columns.
pub fn truth(server: &Handle<Crm>, stream: &Stream) -> BTreeMap<String, Content> {
    let mut client = Client::new(server);
    let ids = server.with(|crm| crm.ids(&stream.name));
    let records: Vec<Value> = ids.iter().map(|id| client.record(&stream.name, id)).collect();
    of_records(&records, &stream.schema)
}

fn of_records(records: &[Value], schema: &SchemaRef) -> BTreeMap<String, Content> {
    let bytes = Bytes::from(serde_json::to_vec(records).unwrap());
    let page = Page {
        partition: "".into(),
        scope: "".into(),
        version: None,
        first_record: 0,
        records: records.len() as u64,
        op: Op::Upsert,
        data: Data::Json(JsonPage { bytes, shape: JsonShape::Array, first_line: 1 }),
    };
    let rows = contents(&decode(&page, schema).unwrap().batch);
    rows.into_iter().map(|row| (row["id"].clone(), row)).collect()
}

/// What differs, in few words.
pub fn assert_same(lake: &BTreeMap<String, Content>, truth: &BTreeMap<String, Content>) {
    let (here, there): (BTreeSet<_>, BTreeSet<_>) = (lake.keys().collect(), truth.keys().collect());
    let missing: Vec<_> = there.difference(&here).collect();
    let surplus: Vec<_> = here.difference(&there).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:?}, surplus: {surplus:?}");
    for (id, row) in lake {
        assert_eq!(row, &truth[id]);
    }
}
