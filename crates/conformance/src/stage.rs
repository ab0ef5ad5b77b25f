//! A stage for one check: a world, wires before it, a clock for both, and a folder that all connectors on it share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tributary_connector::http::{Clock, Folder, Limits, Policy, Settings};
use tributary_connector::{AnyFactory, Connector, Context, Error, ReadRequest, Secret, State, Stream};

use crate::clock::{Shared, WorldClock, locked};
use crate::ledger::{Ledger, Truth};
use crate::traffic::Traffic;
use crate::wire::{self, Between, Wire, replaced};
use crate::{Change, Credentials, Declared, DeclaredStream, Failure, Size, Subject, Unsupported};

/// No reader may take longer for an event.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reading with more events than this does not end.
const MOST_EVENTS: usize = 200_000;

/// What stored tokens are encrypted with. They are of made-up worlds.
const TOKEN_KEY: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct Stage {
    pub factory: Arc<dyn AnyFactory>,
    pub declared: Declared,
    pub world: Shared,
    pub clock: Arc<WorldClock>,
    pub traffic: Arc<Traffic>,
    names: Vec<(String, String)>,
    pub settings: Settings,
    // Dropped last, after the connectors of a check.
    _wires: Vec<Wire>,
    _folder: tempfile::TempDir,
}

/// How a reading ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Whole,
    Stopped,
    Broken(Error),
}

/// Whether a reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    Stop,
}

impl Stage {
    pub fn new(subject: &dyn Subject, size: Size) -> Result<Self, Failure> {
        let world = subject.world(size).map_err(|e| Failure::ours("start a world", e))?;
        let origins = world.origins();
        let world: Shared = Arc::new(std::sync::Mutex::new(world));
        let clock = Arc::new(WorldClock::new(Arc::clone(&world)));
        let traffic = Arc::new(Traffic::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let between: Arc<dyn Between> = Arc::clone(&traffic) as Arc<dyn Between>;
        let wires = wire::around(&origins, &between).map_err(|e| Failure::ours("open a port", e))?;
        let folder = tempfile::tempdir().map_err(|e| Failure::ours("make a folder", e))?;
        let settings = Settings {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            folder: Some(Folder::at(folder.path())),
            token_key: Some(Secret::new(TOKEN_KEY.to_owned())),
            limits: Limits {
                connect: Duration::from_secs(5),
                header: Duration::from_secs(10),
                idle: Duration::from_millis(700),
                page: Duration::from_secs(20),
                max_bytes: 4 << 20,
                ..Limits::default()
            },
            policy: Policy {
                attempts: 4,
                total: Duration::from_secs(2 * 60 * 60),
                park_after: Duration::from_secs(20 * 60),
                ..Policy::default()
            },
        };
        Ok(Self {
            factory: subject.factory(),
            declared: subject.declared(),
            world,
            clock,
            traffic,
            names: origins.into_iter().zip(wires.iter().map(Wire::url)).collect(),
            settings,
            _wires: wires,
            _folder: folder,
        })
    }

    /// Whether the world is read by HTTP.
    pub fn has_http(&self) -> bool {
        !self.names.is_empty()
    }

    /// The configuration, with the wires in place of the world's own addresses.
    pub fn config(&self, credentials: Credentials) -> Value {
        renamed(locked(&self.world).config(credentials), &self.names)
    }

    pub fn context(&self) -> Context {
        self.context_with(self.settings.clone())
    }

    pub fn context_with(&self, settings: Settings) -> Context {
        Context { http: settings, ..Context::new("conformance", chrono_tz::Asia::Shanghai) }
    }

    /// A new connector, as a new process would make it.
    pub fn connector(&self) -> Result<Box<dyn Connector>, Failure> {
        self.connector_with(self.settings.clone())
    }

    pub fn connector_with(&self, settings: Settings) -> Result<Box<dyn Connector>, Failure> {
        let built = self.factory.build(self.config(Credentials::Good), &self.context_with(settings));
        built.map_err(|e| Failure::new("the world's configuration to be taken", described(&e)))
    }

    /// A stream as a new connector discovers it.
    pub async fn stream(&self, name: &str) -> Result<Stream, Failure> {
        let discovered = self.connector()?.discover().await;
        let streams = discovered.map_err(|e| Failure::new("streams to be discovered", described(&e)))?;
        let names: Vec<_> = streams.iter().map(|stream| format!("`{}`", stream.name)).collect();
        let found = streams.into_iter().find(|stream| stream.name == name);
        found.ok_or_else(|| Failure::new(format!("a stream `{name}`, as declared"), names.join(", ")))
    }

    pub fn truth<'a>(&self, declared: &'a DeclaredStream) -> Result<Truth<'a>, Failure> {
        Truth::new(declared, locked(&self.world).truth(declared.name))
    }

    /// The truth, and what a reader cannot know is gone.
    pub fn truth_after<'a>(
        &self,
        declared: &'a DeclaredStream,
        before: &BTreeSet<String>,
    ) -> Result<Truth<'a>, Failure> {
        let mut truth = self.truth(declared)?;
        if declared.deletes == crate::Deletes::Never {
            truth.gone.clone_from(before);
        }
        Ok(truth)
    }

    /// Lets something happen.
    pub fn change(&self, declared: &DeclaredStream, change: &Change) -> Result<(), Unsupported> {
        locked(&self.world).change(declared.name, change)
    }

    /// Lets as much time pass as a read after a change may keep away from the present.
    pub fn settle(&self) {
        self.clock.advance(self.declared.settle);
    }

    /// Reads from where `ledger` stands, with `at` asked before the first event (0) and after each (1, 2, …).
    ///
    /// # Errors
    /// If the reader breaks the rules. An error of its own is [`Ended::Broken`].
    pub async fn read(
        &self,
        connector: &dyn Connector,
        declared: &DeclaredStream,
        stream: &Stream,
        ledger: &mut Ledger,
        mut at: impl FnMut(usize) -> Go,
    ) -> Result<Ended, Failure> {
        ledger.begin();
        let request = ReadRequest { window: ledger.window, ..ReadRequest::new(stream.clone(), ledger.state()?) };
        let ended = match connector.read(request).await {
            Err(error) => Ended::Broken(error),
            Ok(mut reader) => {
                let mut events = 0;
                loop {
                    if at(events) == Go::Stop {
                        break Ended::Stopped;
                    }
                    let next = tokio::time::timeout(PATIENCE, reader.next()).await.map_err(|_| {
                        Failure::new("an event or an error", format!("neither within {} s", PATIENCE.as_secs()))
                    })?;
                    match next {
                        Ok(Some(event)) => ledger.take(event, stream, declared)?,
                        Ok(None) => break Ended::Whole,
                        Err(error) => break Ended::Broken(error),
                    }
                    events += 1;
                    if events > MOST_EVENTS {
                        return Err(Failure::new("a reading to end", format!("over {MOST_EVENTS} events")));
                    }
                }
            }
        };
        ledger.drop_segment();
        Ok(ended)
    }

    /// Reads on to the end with a new connector, and gives the number of events.
    pub async fn finish(
        &self,
        declared: &DeclaredStream,
        stream: &Stream,
        ledger: &mut Ledger,
    ) -> Result<usize, Failure> {
        let (connector, mut events) = (self.connector()?, 0);
        let ended = self
            .read(&*connector, declared, stream, ledger, |number| {
                events = number;
                Go::On
            })
            .await?;
        match (ended, ledger.errors.first()) {
            (Ended::Broken(error), _) => Err(Failure::new("to read to the end", described(&error))),
            (_, Some(error)) => Err(Failure::new("all partitions to be read", described(error))),
            _ => Ok(events),
        }
    }

    /// All of a stream, read anew; and the number of events.
    pub async fn full(&self, declared: &DeclaredStream, stream: &Stream) -> Result<(Ledger, usize), Failure> {
        let mut ledger = Ledger::default();
        let events = self.finish(declared, stream, &mut ledger).await?;
        Ok((ledger, events))
    }

    /// A state with nothing in it.
    pub fn start() -> State {
        State::default()
    }
}

/// Other texts in all strings of a value.
pub(crate) fn renamed(value: Value, names: &[(String, String)]) -> Value {
    match value {
        Value::String(text) => Value::String(replaced(&text, names)),
        Value::Array(items) => items.into_iter().map(|item| renamed(item, names)).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, renamed(value, names)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// An error with its causes and its hint.
pub(crate) fn described(error: &Error) -> String {
    let mut text = format!("an error of kind {:?}: {error}", error.kind);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    match &error.hint {
        Some(hint) => format!("{text} (hint: {hint})"),
        None => text,
    }
}

/// Runs a check's reading, on a runtime of its own.
pub(crate) fn run<T>(reading: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::ours("start a runtime", e))?;
    let result = runtime.block_on(reading);
    runtime.shutdown_background();
    result
}

/// Some of the places from 0 to `last`, first and last among them, `most` at most.
pub(crate) fn places(last: usize, most: usize) -> Vec<usize> {
    if last < most {
        return (0..=last).collect();
    }
    let places: BTreeSet<usize> = (0..most).map(|n| n * last / (most - 1).max(1)).collect();
    places.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_all_or_spread() {
        assert_eq!(places(3, 10), [0, 1, 2, 3]);
        assert_eq!(places(100, 5), [0, 25, 50, 75, 100]);
    }
}
