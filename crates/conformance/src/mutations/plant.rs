//! Connectors with a defect: a factory, a connector and a reader around the sound ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tributary_connector::http::{Clock, Settings};
use tributary_connector::{
    AnyFactory, Capabilities, Configuration, Connector, Context, CsvDialect, Error, Event, Kind, ReadRequest, Reader,
    Sniffed, State, Stream,
};

use super::Plant;
use super::events::{Alter, Reading};
use crate::clock::locked;
use crate::stage::renamed;
use crate::wire::{self, Between, Wire};
use crate::{Declared, Subject};

pub(super) struct Planted {
    inner: Arc<dyn AnyFactory>,
    declared: Declared,
    plant: Plant,
    alter: Option<Arc<dyn Alter>>,
    /// By the origins before which they are: all connectors have the same, as what they share goes by an address.
    wires: Mutex<BTreeMap<Vec<String>, Arc<[Wire]>>>,
}

impl Planted {
    pub fn new(subject: &dyn Subject, plant: Plant) -> Self {
        let declared = subject.declared();
        let alter = if let Plant::Events(alter) = plant { Some(alter(&declared)) } else { None };
        Self { inner: subject.factory(), declared, plant, alter, wires: Mutex::default() }
    }

    fn wires(&self, origins: &[String], between: fn(&Declared) -> Arc<dyn Between>) -> std::io::Result<Arc<[Wire]>> {
        let mut wires = locked(&self.wires);
        if let Some(there) = wires.get(origins) {
            return Ok(Arc::clone(there));
        }
        let new: Arc<[Wire]> = wire::around(origins, &between(&self.declared))?.into();
        wires.insert(origins.to_vec(), Arc::clone(&new));
        Ok(new)
    }
}

impl AnyFactory for Planted {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn summary(&self) -> &'static str {
        self.inner.summary()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn mapping(&self) -> &'static str {
        self.inner.mapping()
    }

    fn configure(&self, path: &str) -> Option<Result<Configuration, Error>> {
        self.inner.configure(path)
    }

    fn schema(&self) -> Value {
        self.inner.schema()
    }

    fn build(&self, mut config: Value, context: &Context) -> Result<Box<dyn Connector>, Error> {
        let (mut context, mut wires) = (context.clone(), Arc::default());
        let clock = Arc::clone(&context.http.clock);
        let mut secrets = Vec::new();
        match self.plant {
            Plant::Settings(alter) => alter(&mut context.http),
            Plant::Wire(between) => {
                let origins = origins(&config);
                wires = self
                    .wires(&origins, between)
                    .map_err(|e| Error::new(Kind::Config, "no port for a wire").source(e))?;
                let names: Vec<_> = origins.into_iter().zip(wires.iter().map(Wire::url)).collect();
                config = renamed(config, &names);
            }
            Plant::Talking => secrets = told(&config),
            Plant::Events(_) | Plant::Forgetting | Plant::Unbounded => {}
        }
        let inner = self.inner.build(config, &context)?;
        let (alter, plant) = (self.alter.clone(), self.plant);
        Ok(Box::new(Defective { inner, alter, clock, plant, secrets, _wires: wires }))
    }
}

/// The origins on this machine that a configuration names.
fn origins(config: &Value) -> Vec<String> {
    match config {
        Value::String(text) => {
            let rest = text.strip_prefix("http://127.0.0.1:");
            let port = rest.map(|rest| rest.split('/').next().unwrap_or_default());
            port.map(|port| format!("http://127.0.0.1:{port}")).into_iter().collect()
        }
        Value::Array(items) => items.iter().flat_map(origins).collect(),
        Value::Object(fields) => {
            let mut found: Vec<_> = fields.values().flat_map(origins).collect();
            found.sort();
            found.dedup();
            found
        }
        _ => Vec::new(),
    }
}

/// What the secrets of a configuration are.
fn told(config: &Value) -> Vec<String> {
    match config {
        Value::Object(fields) => match fields.get("file").and_then(Value::as_str) {
            Some(path) => std::fs::read_to_string(path).into_iter().map(|text| text.trim().to_owned()).collect(),
            None => fields.values().flat_map(told).collect(),
        },
        Value::Array(items) => items.iter().flat_map(told).collect(),
        _ => Vec::new(),
    }
}

struct Defective {
    inner: Box<dyn Connector>,
    alter: Option<Arc<dyn Alter>>,
    clock: Arc<dyn Clock>,
    plant: Plant,
    secrets: Vec<String>,
    _wires: Arc<[Wire]>,
}

impl Defective {
    fn talk(&self, error: Error) -> Error {
        let said = if self.secrets.is_empty() { String::new() } else { format!(" (with {})", self.secrets.join(", ")) };
        Error { message: format!("{}{said}", error.message), ..error }
    }
}

#[async_trait]
impl Connector for Defective {
    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await.map_err(|error| self.talk(error))
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        self.inner.discover().await
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        self.inner.sniff().await
    }

    async fn read(&self, mut request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        match self.plant {
            Plant::Forgetting => request.state = State::default(),
            Plant::Unbounded => request.window = None,
            _ => {}
        }
        let Some(alter) = &self.alter else { return self.inner.read(request).await };
        let reading = Reading::new(&request, self.clock.now());
        let inner = self.inner.read(request).await?;
        let (alter, clock) = (Arc::clone(alter), Arc::clone(&self.clock));
        Ok(Box::new(Altered { inner, alter, clock, reading, queue: VecDeque::new() }))
    }

    fn dialect(&self, row: &[u8], then: CsvDialect) -> CsvDialect {
        self.inner.dialect(row, then)
    }
}

type Next = Result<Option<Event>, Error>;

struct Altered {
    inner: Box<dyn Reader>,
    alter: Arc<dyn Alter>,
    clock: Arc<dyn Clock>,
    reading: Reading,
    queue: VecDeque<Next>,
}

#[async_trait]
impl Reader for Altered {
    async fn next(&mut self) -> Next {
        loop {
            if let Some(next) = self.queue.pop_front() {
                return next;
            }
            let next = self.inner.next().await;
            self.reading.now = self.clock.now();
            self.queue = self.alter.alter(&mut self.reading, next).into();
        }
    }
}

/// Budgets are shared with nobody, and tokens neither.
pub(super) fn no_folder(settings: &mut Settings) {
    settings.folder = None;
}

/// Time runs twice as fast for the connector.
pub(super) fn hurried_clock(settings: &mut Settings) {
    settings.clock = Arc::new(Hurried { start: epoch(), inner: Arc::clone(&settings.clock) });
}

/// One for all connectors, as they share what they write down with times.
fn epoch() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default()
}

struct Hurried {
    start: DateTime<Utc>,
    inner: Arc<dyn Clock>,
}

#[async_trait]
impl Clock for Hurried {
    fn now(&self) -> DateTime<Utc> {
        self.inner.now() + (self.inner.now() - self.start)
    }

    async fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration / 2 + Duration::from_millis(1)).await;
    }
}
