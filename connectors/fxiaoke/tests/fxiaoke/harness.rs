//! A stand-in, a connector on it, and a lake in memory that takes events as the real one does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};
use tributary_connector::decode::decode;
use tributary_connector::http::{Clock, Settings, VirtualClock};
use tributary_connector::{
    Connector, Context, Data, Error, Event, JsonPage, JsonShape, Op, Page, ReadRequest, Registry, State, Stream,
};
use tributary_sandbox::fxiaoke::{Limits, Options, Tenant, serve};
use tributary_sandbox::http::{Handle, Scenario};

pub const CUSTOM: &str = "object_Vk3Qd__c";

/// All objects of the stand-in.
pub const OBJECTS: [&str; 11] = [
    "AccountObj",
    "ContactObj",
    "LeadsObj",
    "NewOpportunityObj",
    "SalesOrderObj",
    "SalesOrderProductObj",
    "CasesObj",
    "MemberObj",
    "PersonnelObj",
    "DepartmentObj",
    CUSTOM,
];

pub fn options(people: usize) -> Options {
    // On a clock that stands still no window of calls ends; and nothing here may need an offset.
    Options {
        people,
        limits: Limits { calls_per_window: usize::MAX, offset: 0, ..Limits::default() },
        ..Options::default()
    }
}

pub struct Fx {
    pub server: Handle<Tenant>,
    pub clock: Arc<VirtualClock>,
    secrets: tempfile::TempDir,
}

impl Fx {
    pub fn new(options: Options) -> Self {
        let server = serve(options, Scenario::default(), 0).unwrap();
        let now = server.with(|tenant| tenant.clock().now());
        let clock = Arc::new(VirtualClock::new(chrono::DateTime::from_timestamp(now, 0).unwrap()));
        let secrets = tempfile::tempdir().unwrap();
        for (name, value) in [("secret", "secret"), ("code", "code"), ("wrong", "canary-wrong")] {
            let path = secrets.path().join(name);
            std::fs::write(&path, value).unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        Self { server, clock, secrets }
    }

    pub fn secret(&self, name: &str) -> Value {
        json!({ "file": self.secrets.path().join(name) })
    }

    pub fn context(&self, streams: Option<&[&str]>) -> Context {
        let http = Settings { clock: Arc::clone(&self.clock) as Arc<dyn Clock>, ..Settings::default() };
        let streams = streams.map(|streams| streams.iter().map(|name| (*name).to_owned()).collect());
        Context { http, streams, ..Context::new("fx", Shanghai) }
    }

    /// A connector with more, or other, configuration.
    pub fn connector(&self, more: Value) -> Box<dyn Connector> {
        self.try_connector(more, &self.context(None)).unwrap()
    }

    pub fn try_connector(&self, more: Value, context: &Context) -> Result<Box<dyn Connector>, Error> {
        let mut config = json!({
            "base_url": self.server.url(), "app_id": "FSAID_sandbox", "app_secret": self.secret("secret"),
            "permanent_code": self.secret("code"), "user": "1000",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        if let Some(config) = config.as_object_mut() {
            config.retain(|_, value| !value.is_null());
        }
        let mut registry = Registry::new();
        tributary_fxiaoke::register(&mut registry);
        registry.get("fxiaoke").unwrap().build(config, context)
    }

    /// Lets both clocks go on.
    pub fn pass(&self, seconds: i64) {
        self.server.with(|tenant| tenant.clock().pass(seconds));
        self.clock.advance(Duration::from_secs(seconds as u64));
    }

    pub async fn stream(&self, connector: &dyn Connector, name: &str) -> Stream {
        connector.discover().await.unwrap().into_iter().find(|stream| stream.name == name).unwrap()
    }

    /// What the stand-in holds: id to version and columns, whether void or in force.
    pub fn held(&self, stream: &Stream) -> BTreeMap<String, Row> {
        let records = self.server.with(|tenant| tenant.snapshot(&stream.name));
        let bytes = serde_json::to_vec(&records).unwrap();
        let page = JsonPage { bytes: bytes.into(), shape: JsonShape::Array, first_line: 1 };
        rows(&page_of(Data::Json(page), records.len() as u64, Op::Upsert), stream).into_iter().collect()
    }

    pub fn queries(&self) -> usize {
        self.server.requests().iter().filter(|entry| entry.path.ends_with("/data/query")).count()
    }
}

fn page_of(data: Data, records: u64, op: Op) -> Page {
    Page { partition: "".into(), scope: "".into(), version: None, first_record: 0, records, op, data }
}

/// A record as a lake has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub version: Option<i64>,
    pub op: Op,
    /// Columns that are not null, as text.
    pub columns: BTreeMap<String, String>,
    pub extra: Option<Value>,
}

/// A page's good records by id, as the framework decodes them.
pub fn rows(page: &Page, stream: &Stream) -> Vec<(String, Row)> {
    let decoded = decode(page, &stream.schema).unwrap();
    assert_eq!((decoded.batch.num_rows() + decoded.rejected.len()) as u64, page.records);
    let texts = texts(&decoded.batch);
    let versions = decoded.batch.column_by_name("last_modified_time").unwrap();
    let versions = versions.as_primitive::<TimestampMicrosecondType>();
    (0..)
        .zip(texts)
        .map(|(row, columns)| {
            let extra = decoded.extra.is_valid(row).then(|| serde_json::from_str(decoded.extra.value(row)).unwrap());
            let version = versions.is_valid(row).then(|| versions.value(row) / 1000);
            (columns["_id"].clone(), Row { version, op: page.op, columns, extra })
        })
        .collect()
}

fn texts(batch: &RecordBatch) -> Vec<BTreeMap<String, String>> {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    let fields = batch.schema();
    (0..batch.num_rows())
        .map(|row| {
            let there = columns.iter().zip(fields.fields()).zip(batch.columns());
            let there = there.filter(|(_, column)| column.is_valid(row));
            there.map(|((text, field), _)| (field.name().clone(), text.value(row).to_string())).collect()
        })
        .collect()
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Run {
    pub records: u64,
    pub deletes: u64,
    pub rejected: u64,
    pub checkpoints: usize,
    pub unchanged: usize,
    pub discarded: Vec<Error>,
    /// What ended it, if not its end.
    pub error: Option<Error>,
}

/// A lake of one stream, in memory.
#[derive(Debug, Clone, Default)]
pub struct Lake {
    pub rows: BTreeMap<String, Row>,
    pub state: State,
    /// Id and version of all that was ever committed as being there.
    pub seen: std::collections::BTreeSet<(String, Option<i64>)>,
    /// Whether reads compare, due or not.
    pub compare: bool,
}

impl Lake {
    /// Reads to the end.
    pub async fn run(&mut self, connector: &dyn Connector, stream: &Stream) -> Run {
        self.run_to(connector, stream, usize::MAX, |_| {}).await
    }

    /// Reads and stops after so many checkpoints; `after` is called after each page that comes.
    pub async fn run_to(
        &mut self,
        connector: &dyn Connector,
        stream: &Stream,
        checkpoints: usize,
        mut after: impl FnMut(usize),
    ) -> Run {
        let mut run = Run::default();
        let request = ReadRequest { compare: self.compare, ..ReadRequest::new(stream.clone(), self.state.clone()) };
        let mut reader = match connector.read(request).await {
            Ok(reader) => reader,
            Err(error) => return Run { error: Some(error), ..run },
        };
        let (mut pending, mut pages) = (Vec::new(), 0);
        while run.checkpoints < checkpoints {
            match reader.next().await {
                Ok(None) => {
                    assert!(pending.is_empty(), "records without a checkpoint");
                    break;
                }
                Ok(Some(Event::Page(page))) => {
                    pages += 1;
                    let good = rows(&page, stream);
                    run.rejected += page.records - good.len() as u64;
                    pending.extend(good);
                    after(pages);
                }
                Ok(Some(Event::Checkpoint(positions))) => {
                    run.checkpoints += 1;
                    for (id, row) in std::mem::take(&mut pending) {
                        run.records += 1;
                        self.take(id, row, &mut run);
                    }
                    for (partition, position) in positions {
                        match position {
                            Some(position) => self.state.0.insert(partition, position),
                            None => self.state.0.remove(&partition),
                        };
                    }
                }
                Ok(Some(Event::Discard { error, .. })) => {
                    pending.clear();
                    run.discarded.push(error);
                }
                Ok(Some(Event::Unchanged { .. })) => run.unchanged += 1,
                Ok(Some(other)) => assert!(matches!(other, Event::Unchanged { .. }), "{other:?}"),
                Err(error) => {
                    run.error = Some(error);
                    break;
                }
            }
        }
        run
    }

    /// The newest version of a key counts, and of equal ones the later.
    fn take(&mut self, id: String, row: Row, run: &mut Run) {
        match row.op {
            Op::Delete => run.deletes += 1,
            Op::Upsert => drop(self.seen.insert((id.clone(), row.version))),
        }
        if self.rows.get(&id).is_none_or(|there| there.version <= row.version) {
            self.rows.insert(id, row);
        }
    }

    /// Records that are there and in force.
    pub fn in_force(&self) -> BTreeMap<String, Row> {
        let there = self.rows.iter().filter(|(_, row)| row.op == Op::Upsert && row.status() != "invalid");
        there.map(|(id, row)| (id.clone(), row.clone())).collect()
    }

    pub fn ids(&self, status: &str) -> Vec<String> {
        let there = self.rows.iter().filter(|(_, row)| row.op == Op::Upsert && row.status() == status);
        there.map(|(id, _)| id.clone()).collect()
    }

    pub fn deleted(&self) -> Vec<String> {
        self.rows.iter().filter(|(_, row)| row.op == Op::Delete).map(|(id, _)| id.clone()).collect()
    }
}

impl Row {
    fn status(&self) -> &str {
        self.columns.get("life_status").map_or("", String::as_str)
    }
}

/// The lake holds what the stand-in holds, value for value. Fields that are reckoned may be older, as they move without a time.
pub fn same(lake: &Lake, held: &BTreeMap<String, Row>) {
    let lake = lake.in_force();
    let names =
        |rows: &BTreeMap<String, Row>| rows.iter().map(|(id, row)| (id.clone(), row.version)).collect::<Vec<_>>();
    assert_eq!(names(&lake), names(held));
    for (id, row) in held {
        let plain = |row: &Row| {
            let mut columns = row.columns.clone();
            columns.retain(|name, _| {
                !matches!(name.as_str(), "order_count__c" | "account_tel__c" | "contact_mobile__c")
                    && !name.ends_with("__r")
            });
            columns
        };
        assert_eq!(plain(&lake[id]), plain(row));
    }
}
