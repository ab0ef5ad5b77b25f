//! A source in memory that changes, and a connector that reads it by its cursor, a few records at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tributary_connector::{
    Capabilities, Columns, Configuration, Connector, Context, Deletes, Error, Factory, Fetch, Fetched, JsonPage,
    JsonShape, Position, ReadRequest, Reader, Registry, Sniffed, Stream, paged,
};

const PAGE: usize = 4;

/// What the source shows now: of each stream the records by id, each with the tick of its last change.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    tick: i64,
    streams: BTreeMap<&'static str, BTreeMap<i64, Value>>,
}

impl Shelf {
    /// Time goes on. What changes between two ticks has one time of change.
    pub fn tick(&mut self) {
        self.tick += 1;
    }

    pub fn put(&mut self, stream: &'static str, id: i64, mut record: Value) {
        let time = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(self.tick);
        record["id"] = json!(id.to_string());
        record["updated_at"] = json!(time.to_rfc3339());
        self.streams.entry(stream).or_default().insert(id, record);
    }

    /// The record loses its key, so that nobody can take it.
    pub fn spoil(&mut self, stream: &'static str, id: i64) {
        self.put(stream, id, json!({ "name": "Ian Jones" }));
        self.streams.entry(stream).or_default().entry(id).or_default()["id"] = Value::Null;
    }

    /// The records of a stream that are there and have a key.
    pub fn living(&self, stream: &str) -> impl Iterator<Item = &Value> {
        let records = self.streams.get(stream).into_iter().flat_map(BTreeMap::values);
        records.filter(|record| record["deleted"] != json!(true) && !record["id"].is_null())
    }

    /// Whether a record is there or was.
    pub fn knows(&self, stream: &str, id: i64) -> bool {
        self.streams.get(stream).is_some_and(|records| records.contains_key(&id))
    }

    fn since(&self, stream: &str, since: Option<&str>) -> Vec<Value> {
        let time = |record: &Value| record["updated_at"].as_str().unwrap().to_owned();
        let records = self.streams.get(stream).into_iter().flat_map(BTreeMap::values);
        let mut records: Vec<Value> =
            records.filter(|record| since.is_none_or(|since| time(record).as_str() >= since)).cloned().collect();
        records.sort_by_key(time);
        records
    }
}

pub fn registry(shelf: &Arc<Mutex<Shelf>>) -> Registry {
    let mut registry = Registry::new();
    registry.register(ShelfFactory(shelf.clone()));
    registry
}

struct ShelfFactory(Arc<Mutex<Shelf>>);

/// Needs nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {}

impl Factory for ShelfFactory {
    type Config = Config;

    fn name(&self) -> &'static str {
        "shelf"
    }

    fn summary(&self) -> &'static str {
        "records in memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resumes: true, incremental: true, deletes: true, remote: false, windows: false }
    }

    fn mapping(&self) -> &'static str {
        ""
    }

    fn configure(&self, _path: &str) -> Option<Result<Configuration, Error>> {
        None
    }

    fn build(&self, _config: Config, _context: &Context) -> Result<Box<dyn Connector>, Error> {
        Ok(Box::new(ShelfConnector(self.0.clone())))
    }
}

struct ShelfConnector(Arc<Mutex<Shelf>>);

#[async_trait]
impl Connector for ShelfConnector {
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        let columns = || Columns::new(chrono_tz::UTC).id("id").text("phone");
        let customers = columns().text("name").integer("points");
        let orders = columns().money("total");
        let stream = |name, columns: Columns| {
            let deletes = Deletes::Column("deleted".into());
            columns.time("updated_at").flag("deleted").stream(name, "id", "updated_at", deletes)
        };
        Ok(vec![stream("customers", customers), stream("orders", orders)])
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        Ok(None)
    }

    async fn read(&self, request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        let since: Option<String> = request.state.0.get("").map(Position::get).transpose()?;
        let records = self.0.lock().unwrap().since(&request.stream.name, since.as_deref());
        Ok(paged(Pages { records, read: 0 }))
    }
}

struct Pages {
    records: Vec<Value>,
    read: usize,
}

#[async_trait]
impl Fetch for Pages {
    async fn fetch(&mut self) -> Result<Option<Fetched>, Error> {
        let page: Vec<Value> = self.records.iter().skip(self.read).take(PAGE).cloned().collect();
        let Some(last) = page.last() else { return Ok(None) };
        self.read += page.len();
        let position = Position::new(&last["updated_at"])?;
        let records = page.len() as u64;
        let bytes = serde_json::to_vec(&page).unwrap().into();
        let page = JsonPage { bytes, shape: JsonShape::Array, first_line: 1 };
        let more = self.read < self.records.len();
        Ok(Some(Fetched::json(Some(page), records).more(more).position(position)))
    }
}
