//! The order in which a stream is read, and the way its events take.
//!
//! A module that tells its changes and deletions is read in this order, in every run: what there is (at first), what has
//! changed, leads that have become contacts, what was deleted. So a record that was changed and then deleted ends up deleted; and
//! one that was deleted and then restored is there, because its change is newer than its deletion. Where each of these
//! stands is kept by itself, so that a run that was broken off goes on with all of them.
//!
//! Reading is a task of its own, at most one event ahead of whoever takes them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tributary_connector::{
    Data, Deletes, Error, Event, JsonPage, Kind, Op, Page, Position, ReadRequest, Reader, Stream, Window, Withdrawal,
};

use crate::api::Api;
use crate::columns::Columns;
use crate::config::{Bulk, Config};
use crate::place::{Mark, PARTITION, Place};
use crate::streams;
use crate::time::Time;
use crate::users;

/// Deletions are told for 60 days; a day is left for the reading.
const TOLD: Duration = Duration::from_secs(59 * 86_400);
/// The module whose records may be hidden because they became something else.
const LEADS: &str = "Leads";

/// What is said of a reading by the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    pub lookback: Duration,
    pub include_converted: bool,
    pub bulk: Bulk,
    pub bulk_from: u64,
    /// Records of a page at most, whatever the vendor would show.
    pub page: u64,
}

impl Manner {
    pub(crate) fn of(config: &Config, page: u64) -> Self {
        Self {
            lookback: config.lookback.0,
            include_converted: config.include_converted,
            bulk: config.bulk,
            bulk_from: config.bulk_from,
            page: page.max(2),
        }
    }
}

/// Events on their way to the reader.
pub(crate) struct Out {
    to: mpsc::Sender<Result<Event, Error>>,
    scope: Arc<str>,
    records: u64,
    /// Checkpoints are left out: what comes is committed as a whole.
    pub held: bool,
}

impl Out {
    /// # Errors
    /// If nobody takes events any more; the task ends with that.
    pub(crate) async fn event(&self, event: Event) -> Result<(), Error> {
        self.to.send(Ok(event)).await.map_err(|_| Error::new(Kind::Transport, "nobody reads any more"))
    }

    /// What comes now is of the load of `place`.
    pub(crate) fn enter(&mut self, place: &Place) {
        self.scope = place.scope().into();
    }

    pub(crate) async fn page(&mut self, data: Data, records: u64, op: Op) -> Result<(), Error> {
        if records == 0 {
            return Ok(());
        }
        let page = Page {
            partition: PARTITION.into(),
            scope: Arc::clone(&self.scope),
            version: None,
            first_record: self.records,
            records,
            op,
            data,
        };
        self.records += records;
        self.event(Event::Page(page)).await
    }

    pub(crate) async fn json(&mut self, page: JsonPage, records: u64) -> Result<(), Error> {
        self.page(Data::Json(page), records, Op::Upsert).await
    }

    pub(crate) async fn checkpoint(&self, place: &Place) -> Result<(), Error> {
        if self.held {
            return Ok(());
        }
        self.event(Event::Checkpoint(vec![(PARTITION.into(), Some(Position::new(place)?))])).await
    }
}

/// One reading of one stream.
pub(crate) struct Reading {
    pub api: Arc<Api>,
    pub module: String,
    pub columns: Columns,
    pub manner: Manner,
    pub place: Place,
    pub out: Out,
    /// Whether the credential may query this module; found out by trying.
    pub may_query: bool,
    /// The vendor's time when the reading began.
    pub began: Time,
    /// The end of the window that is read, if it is one: what was changed from then on is not.
    pub until: Option<Time>,
}

/// Starts reading.
///
/// # Errors
/// If the position is not understood.
pub(crate) fn start(api: Arc<Api>, manner: Manner, request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
    let place = Place::of(&request.state)?;
    let (to, events) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        let out = Out { to: to.clone(), scope: place.scope().into(), records: 0, held: false };
        if let Err(error) = read(api, manner, request.stream, request.window, place, out).await {
            // If nobody is there any more, nobody misses it.
            let _ = to.send(Err(error)).await;
        }
    });
    Ok(Box::new(Events { events, task: Some(task) }))
}

async fn read(
    api: Arc<Api>,
    manner: Manner,
    stream: Stream,
    window: Option<Window>,
    place: Place,
    out: Out,
) -> Result<(), Error> {
    if stream.name == users::STREAM {
        return users::read(&api, place, out).await;
    }
    let reply = match api.fields(&stream.name).await {
        Ok(reply) => reply,
        Err(failed) => return Err(failed.into()),
    };
    let fields = streams::fields(&reply.value()?);
    if stream.schema.fields().is_empty() {
        return Err(Error::new(Kind::Config, format!("module `{}` shows no fields", stream.name))
            .hint("the user who authorised the client may not see them; leave the module out of `streams`"));
    }
    let columns = Columns::new(&stream.schema, &fields);
    let whole = stream.deletes == Deletes::Scope || place.untold || !columns.dated;
    let module = stream.name;
    let until = window.map(|window| Time::not_before(window.to));
    let mut reading = Reading { api, module, columns, manner, place, out, may_query: true, began: reply.at, until };
    match window {
        Some(window) => reading.window(Time::not_before(window.from)).await,
        None if whole => reading.whole().await,
        None => reading.changes().await,
    }
}

impl Reading {
    /// Reads a module that tells its changes and deletions.
    async fn changes(&mut self) -> Result<(), Error> {
        let forgotten = self.place.deleted.is_some_and(|since| since < self.began.before(TOLD));
        let before = forgotten.then(|| self.place.scope());
        if forgotten {
            tracing::warn!(module = self.module, "the last run is too long ago to know what was deleted; reading all");
            self.place = Place { load: self.place.load, ..Place::default() };
            self.out.held = true;
        }
        if self.place.records.is_none() && self.place.converted.is_none() {
            self.place.load += 1;
            self.out.enter(&self.place);
        }
        if self.place.deleted.is_none() {
            self.place.deleted = Some(self.began.before(self.manner.lookback));
        }
        if self.place.records.is_none() {
            self.first_load().await?;
        }
        self.changed().await?;
        if self.module == LEADS {
            self.converted().await?;
        }
        self.deletions().await?;
        match before {
            // The last of all: if a withdrawal is not agreed to, the whole load is dropped, and no later position may stand.
            Some(scope) => self.withdraw(scope).await,
            None => Ok(()),
        }
    }

    /// Reads what was changed and deleted within a window.
    async fn window(&mut self, from: Time) -> Result<(), Error> {
        if !self.columns.dated {
            let message = format!("records of `{}` have no time of change", self.module);
            return Err(Error::new(Kind::Refused, message).hint("it is read whole by every run"));
        }
        if self.place.deleted.is_none() {
            let mark = Some(Mark::from(from));
            self.place = Place { records: mark, converted: mark, deleted: Some(from), ..Place::default() };
        }
        self.changed().await?;
        if self.module == LEADS {
            self.converted().await?;
        }
        self.deletions().await
    }

    /// What has changed, by whichever way is open.
    async fn changed(&mut self) -> Result<(), Error> {
        let mark = self.place.records;
        if self.may_query {
            let keep = |place: &mut Place, mark: Option<Mark>| place.records = mark;
            match self.query_changes(mark, keep).await {
                Err(failed) if failed.is_closed() => self.no_query(&failed.into()),
                other => return other.map_err(Error::from),
            }
        }
        let hidden = (self.module == LEADS).then_some("false");
        self.list_changes(mark, hidden, |place, mark| place.records = mark, Op::Upsert).await
    }

    /// Leads that have become contacts: queries and exports do not show them.
    async fn converted(&mut self) -> Result<(), Error> {
        let op = if self.manner.include_converted { Op::Upsert } else { Op::Delete };
        self.list_changes(self.place.converted, Some("true"), |place, mark| place.converted = mark, op).await
    }

    /// Queries are closed; lists are not.
    pub(crate) fn no_query(&mut self, error: &Error) {
        tracing::warn!(module = self.module, "{error}; reading by lists, which is slower");
        self.may_query = false;
    }

    /// The rows of an earlier load are no more, unless they came again since.
    pub(crate) async fn withdraw(&mut self, scope: String) -> Result<(), Error> {
        let replaced_by = Some(Arc::clone(&self.out.scope));
        let withdrawal = Withdrawal { partition: PARTITION.into(), scope: scope.into(), replaced_by };
        self.out.event(Event::Withdraw(withdrawal)).await?;
        self.out.held = false;
        self.out.checkpoint(&self.place).await
    }

    /// Begins a load whose rows take the place of those of the one before.
    pub(crate) fn new_load(&mut self) -> Option<String> {
        let before = (self.place.load > 0).then(|| self.place.scope());
        self.place.load += 1;
        self.out.enter(&self.place);
        self.out.held = true;
        before
    }
}

struct Events {
    events: mpsc::Receiver<Result<Event, Error>>,
    /// Until it is known how it ended.
    task: Option<JoinHandle<()>>,
}

#[async_trait]
impl Reader for Events {
    async fn next(&mut self) -> Result<Option<Event>, Error> {
        if let Some(event) = self.events.recv().await {
            return event.map(Some);
        }
        let Some(task) = self.task.take() else { return Ok(None) };
        task.await
            .map(|()| None)
            .map_err(|e| Error::new(Kind::Protocol, "reading broke off; this is a fault of the connector").source(e))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
