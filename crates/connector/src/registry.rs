//! The connector's traits, and the registry that holds them. A registry is a value: there is no global.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Capabilities, CsvDialect, Error, Event, Kind, Sniffed, State, Stream, Window};

/// A source with its configuration.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Can the source be reached and read with this configuration? Reads no record.
    ///
    /// # Errors
    /// What is wrong, with the mend.
    async fn check(&self) -> Result<(), Error>;

    /// The streams, with typed schemas. May look at headers, descriptions and a few records; changes nothing.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is nothing to look at yet.
    async fn discover(&self) -> Result<Vec<Stream>, Error>;

    /// What the file that a read would begin with looks like; `None` where there are no files, or none at hand.
    ///
    /// # Errors
    /// If the file cannot be read.
    async fn sniff(&self) -> Result<Option<Sniffed>, Error>;

    /// Reads a stream from where `request.state` stands.
    ///
    /// # Errors
    /// If reading cannot start. Errors of one partition are events ([`Event::Discard`]), so that the others go on.
    async fn read(&self, request: ReadRequest) -> Result<Box<dyn Reader>, Error>;

    /// How a row of delimited text that was rejected is to be read now: `then` is how its file was read, and what the
    /// configuration declares by now takes its place. For connectors of delimited text; one that wraps another asks it.
    fn dialect(&self, _row: &[u8], then: CsvDialect) -> CsvDialect {
        then
    }
}

/// Hands out a stream's events, in order. Dropping it stops the reading.
#[async_trait]
pub trait Reader: Send {
    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// If the stream cannot go on. What came since the last checkpoint is not committed.
    async fn next(&mut self) -> Result<Option<Event>, Error>;
}

/// What is to be read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    pub stream: Stream,
    pub state: State,
    /// Only records that were last changed within, as the stream's cursor says, and deletions of then where the source tells
    /// when; `state` is then one of this window. `None`: all that is new. Asked of connectors alone that say they can
    /// ([`Capabilities::windows`]), for streams with a [`crate::Cursor::Column`].
    pub window: Option<Window>,
    /// What was read since `state` has been taken back, and deletions that were told then may not be told again: a connector that
    /// finds them by comparing from time to time compares now.
    pub compare: bool,
}

impl ReadRequest {
    /// All that is new since `state`.
    pub fn new(stream: Stream, state: State) -> Self {
        Self { stream, state, window: None, compare: false }
    }

    pub fn within(self, window: Window) -> Self {
        Self { window: Some(window), ..self }
    }
}

/// What a connector is told of its surroundings.
#[derive(Debug, Clone)]
pub struct Context {
    /// The source's name in the pipeline.
    pub source: String,
    /// The zone of times that carry none.
    pub timezone: chrono_tz::Tz,
    /// The streams that the pipeline names; `None`: all. What is not among them need not be looked at closely: discovery
    /// names it, and may leave its schema empty.
    pub streams: Option<Vec<String>>,
    /// How HTTP is done in this run.
    pub http: crate::http::Settings,
}

impl Context {
    /// For a source of which nothing more is known.
    pub fn new(source: impl Into<String>, timezone: chrono_tz::Tz) -> Self {
        Self { source: source.into(), timezone, streams: None, http: crate::http::Settings::default() }
    }

    /// Whether the pipeline reads a stream of this name.
    pub fn wants(&self, stream: &str) -> bool {
        self.streams.as_ref().is_none_or(|streams| streams.iter().any(|name| name == stream))
    }
}

/// A source's own keys in the pipeline file.
pub type Configuration = serde_json::Map<String, serde_json::Value>;

/// A kind of connector: its name, its configuration and how one is made. Implemented once per connector crate.
pub trait Factory: Send + Sync + 'static {
    /// Documents each field with its default; denies unknown fields.
    type Config: DeserializeOwned + JsonSchema;

    /// The name in `connector = "…"`.
    fn name(&self) -> &'static str;

    /// One line for `tributary connectors`.
    fn summary(&self) -> &'static str;

    fn capabilities(&self) -> Capabilities;

    /// How its streams become the customer model: `[[map]]` tables of a pipeline in TOML, where `from` is a stream's name alone.
    /// Empty if a connector cannot know. What a source lacks of the columns is left out; a pipeline's own `[[map]]` of a stream
    /// to the same entity takes the place of the one here.
    fn mapping(&self) -> &'static str;

    /// The configuration of a source that reads the file, or the pattern of files, at `path`; `None` if this connector reads
    /// no such files. One that reads files takes `primary_key` as well. Goes by the path alone.
    ///
    /// # Errors
    /// [`Kind::Config`] if it reads such files, but not in this form.
    fn configure(&self, path: &str) -> Option<Result<Configuration, Error>>;

    /// # Errors
    /// [`Kind::Config`] if values do not fit together. Reaches for nothing outside.
    fn build(&self, config: Self::Config, context: &Context) -> Result<Box<dyn Connector>, Error>;
}

/// A [`Factory`] with its configuration type erased.
pub trait AnyFactory: Send + Sync {
    fn name(&self) -> &'static str;
    fn summary(&self) -> &'static str;
    fn capabilities(&self) -> Capabilities;
    /// As [`Factory::mapping`].
    fn mapping(&self) -> &'static str;
    /// # Errors
    /// As [`Factory::configure`].
    fn configure(&self, path: &str) -> Option<Result<Configuration, Error>>;
    /// JSON schema of the configuration.
    fn schema(&self) -> serde_json::Value;
    /// # Errors
    /// [`Kind::Config`] if the configuration does not fit the schema.
    fn build(&self, config: serde_json::Value, context: &Context) -> Result<Box<dyn Connector>, Error>;
}

impl<F: Factory> AnyFactory for F {
    fn name(&self) -> &'static str {
        Factory::name(self)
    }

    fn summary(&self) -> &'static str {
        Factory::summary(self)
    }

    fn capabilities(&self) -> Capabilities {
        Factory::capabilities(self)
    }

    fn mapping(&self) -> &'static str {
        Factory::mapping(self)
    }

    fn configure(&self, path: &str) -> Option<Result<Configuration, Error>> {
        Factory::configure(self, path)
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(F::Config).to_value()
    }

    fn build(&self, config: serde_json::Value, context: &Context) -> Result<Box<dyn Connector>, Error> {
        let config = serde_json::from_value(config)
            .map_err(|e| Error::new(Kind::Config, format!("source `{}`: {e}", context.source)))?;
        Factory::build(self, config, context)
    }
}

/// The connectors a program knows.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn AnyFactory>>);

impl Registry {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn register(&mut self, factory: impl AnyFactory + 'static) {
        self.0.insert(factory.name(), Arc::new(factory));
    }

    /// # Errors
    /// If there is none of that name; the error says which there are.
    pub fn get(&self, name: &str) -> Result<&Arc<dyn AnyFactory>, Error> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(|known| format!("`{known}`")).collect();
            Error::new(Kind::Config, format!("there is no connector `{name}`"))
                .hint(format!("known: {}", known.join(", ")))
        })
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnyFactory>> {
        self.0.values()
    }
}
