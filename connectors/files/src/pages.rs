//! Where a file's reader puts its pages: numbered, and handed to whoever waits for events.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use tributary_connector::{Data, Error, Event, Kind, Op, Page};

/// Why reading stops.
#[derive(Debug)]
pub enum Halt {
    /// Nobody waits for events any more.
    Closed,
    /// This file cannot be read; others can.
    File(Error),
}

impl From<Error> for Halt {
    fn from(e: Error) -> Self {
        Self::File(e)
    }
}

/// Events on their way out of the thread that reads.
#[derive(Debug, Clone)]
pub struct Events(pub Sender<Result<Event, Error>>);

impl Events {
    pub fn send(&self, event: Event) -> Result<(), Halt> {
        self.0.blocking_send(Ok(event)).map_err(|_| Halt::Closed)
    }
}

/// The pages of one content.
pub struct Pages<'a> {
    events: &'a Events,
    partition: Arc<str>,
    scope: Arc<str>,
    version: Option<Arc<str>>,
    records: u64,
}

impl<'a> Pages<'a> {
    pub fn new(events: &'a Events, partition: &Arc<str>, scope: &Arc<str>, version: Option<Arc<str>>) -> Self {
        Self { events, partition: Arc::clone(partition), scope: Arc::clone(scope), version, records: 0 }
    }

    /// Hands out a page of `records` records.
    ///
    /// # Errors
    /// [`Halt::Closed`]
    pub fn send(&mut self, data: Data, records: u64) -> Result<(), Halt> {
        let page = Page {
            partition: Arc::clone(&self.partition),
            scope: Arc::clone(&self.scope),
            version: self.version.clone(),
            first_record: self.records,
            records,
            op: Op::Upsert,
            data,
        };
        self.records += records;
        self.events.send(Event::Page(page))
    }

    /// How many records have been handed out.
    pub fn records(&self) -> u64 {
        self.records
    }

    pub fn partition(&self) -> &str {
        &self.partition
    }

    pub fn unreadable(&self, e: std::io::Error) -> Halt {
        Halt::File(Error::new(Kind::Data, format!("`{}` could not be read", self.partition)).source(e))
    }
}
