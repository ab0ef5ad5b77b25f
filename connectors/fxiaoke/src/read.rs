//! Reading what is new and changed.
//!
//! The newest time of change H that there is bounds a window; the window's records are walked through in the order of their ids,
//! because pages by offset shift, and end at 10,000. A record that changes meanwhile leaves the window for a later one: so
//! the next window begins where this one ended, less the lookback, until nothing is newer. A page that is not full is not taken
//! for the last; only an empty one is.
//!
//! The first window has no beginning and no end in time: it shows also what has no time of change.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use tributary_connector::{Data, Error, Event, JsonPage, Op, Page, Reader};

use crate::api::{Api, Query};
use crate::config::{Config, Reconcile};
use crate::edge::Edge;
use crate::error::{self, protocol};
use crate::known::{Changes, Cursor, Known};
use crate::packed::Entry;
use crate::page::{LOOKED_AT, Looked, Row};
use crate::position::{Place, RECORDS, SWEEP, Sweep, Walk, Window};

/// Windows in a run; what changes even after these is for the next run.
const WINDOWS: u32 = 5;

/// Reads an object.
pub struct Records {
    pub(crate) api: Arc<Api>,
    pub(crate) object: String,
    pub(crate) reconcile: Reconcile,
    pub(crate) accept_deletes: bool,
    lookback: i64,
    /// What is shown of a record.
    pub(crate) fields: Vec<String>,
    pub(crate) walk: Walk,
    /// As it was last handed out, or at the start.
    saved: Walk,
    pub(crate) sweep: Option<Sweep>,
    pub(crate) known: Known,
    pub(crate) cursor: Option<Cursor>,
    /// What is missing so far, as in `sweep`.
    pub(crate) gone: Vec<Entry>,
    /// Pages since the last checkpoint of a sweep.
    pub(crate) pages: u32,
    /// The records around the window's end.
    edge: Edge,
    /// Those around its beginning.
    seen: Edge,
    windows: u32,
    /// This run began with all records.
    pub(crate) whole: bool,
    /// All ids are walked through in this run, when they are due or not.
    pub(crate) compare: bool,
    /// Only what was changed within is read, in milliseconds, both included.
    within: Option<(i64, i64)>,
    phase: Phase,
    events: VecDeque<Event>,
    records: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Begin,
    Walk,
    Sweep,
    End,
}

impl Records {
    pub fn new(api: Arc<Api>, object: String, config: &Config, place: Place) -> Self {
        let Place { walk, sweep, known } = place;
        Self {
            api,
            object,
            reconcile: config.reconcile,
            accept_deletes: config.accept_deletes,
            lookback: i64::try_from(config.lookback.0.as_millis()).unwrap_or(i64::MAX),
            fields: Vec::new(),
            saved: walk.clone(),
            seen: Edge::read(&walk.edge),
            walk,
            sweep,
            known,
            cursor: None,
            gone: Vec::new(),
            pages: 0,
            edge: Edge::default(),
            windows: 0,
            whole: false,
            compare: false,
            within: None,
            phase: Phase::Begin,
            events: VecDeque::new(),
            records: 0,
        }
    }

    /// The same, with a walk over all ids.
    pub fn comparing(self, compare: bool) -> Self {
        Self { compare, ..self }
    }

    /// The same for a window. What is gone is not looked for, and nothing is remembered for that.
    pub fn within(self, window: tributary_connector::Window) -> Self {
        let milliseconds = |time: chrono::DateTime<chrono::Utc>| {
            time.timestamp_millis() + i64::from(!time.timestamp_subsec_nanos().is_multiple_of(1_000_000))
        };
        let within = Some((milliseconds(window.from), milliseconds(window.to).saturating_sub(1)));
        Self { within, reconcile: Reconcile::Never, ..self }
    }

    async fn begin(&mut self) -> Result<(), Error> {
        // Fields that were made since the schema was found are asked for as well; they go to `_extra`.
        self.fields = self.api.describe(&self.object).await?.into_iter().map(|(name, _)| name).collect();
        for name in LOOKED_AT {
            if !self.fields.iter().any(|known| known == name) {
                self.fields.push(name.to_owned());
            }
        }
        if self.reconcile == Reconcile::Never && (!self.known.is_empty() || self.sweep.is_some()) {
            // Not kept up any more, it would tell wrong versions later.
            let mut changes = self.known.clear();
            self.sweep = None;
            self.walk.swept = None;
            self.walk.refused = None;
            changes.push((SWEEP.into(), None));
            self.checkpoint(changes)?;
        }
        match &self.walk.window {
            Some(window) => {
                self.edge = Edge::read(&window.edge);
                self.phase = Phase::Walk;
                Ok(())
            }
            None => self.open().await,
        }
    }

    /// Opens the next window, if there is anything newer or this is the first of the run.
    async fn open(&mut self) -> Result<(), Error> {
        let (first, high) = (self.windows == 0, self.walk.high);
        if let Some((from, to)) = self.within {
            if high.is_some() {
                self.phase = Phase::End;
            } else {
                self.walk.window = Some(Window { from: Some(from), to: Some(to), ..Window::default() });
                self.phase = Phase::Walk;
            }
            return Ok(());
        }
        let newest = if self.windows < WINDOWS { self.newest().await? } else { None };
        if !first && newest <= high {
            self.phase = Phase::Sweep;
            return Ok(());
        }
        self.windows += 1;
        self.edge = Edge::default();
        self.walk.window = Some(match high {
            Some(high) => Window {
                from: Some(high.saturating_sub(self.lookback)),
                to: newest.max(Some(high)),
                ..Window::default()
            },
            None => {
                self.whole = true;
                self.walk.swept = Some(self.api.now().timestamp_millis());
                let mut changes = self.known.clear();
                changes.extend(self.sweep.take().map(|_| (SWEEP.into(), None)));
                if !changes.is_empty() {
                    self.checkpoint(changes)?;
                }
                Window { to: newest, ..Window::default() }
            }
        });
        self.phase = Phase::Walk;
        Ok(())
    }

    async fn newest(&self) -> Result<Option<i64>, Error> {
        let found = Looked::new(self.api.newest(&self.object).await?);
        let at = |row: &Row| row.at.ok_or_else(|| protocol("the newest `last_modified_time` is no whole number"));
        found.rows.first().map(at).transpose().map_err(|error| error::of(&self.object, error))
    }

    /// Hands out a page of the window, or closes it.
    async fn walk(&mut self) -> Result<(), Error> {
        let Some(window) = self.walk.window.clone() else { return self.open().await };
        let query = Query {
            after: window.after.as_deref(),
            from: window.from,
            to: window.to.filter(|_| window.from.is_some()),
            fields: &self.fields,
            ..Query::default()
        };
        let page = Looked::new(self.api.query(&self.object, &query).await?);
        let last = page.last(window.after.as_deref()).map_err(|error| error::of(&self.object, error))?;
        let Some(last) = last.map(str::to_owned) else { return self.close(&window) };
        let around = window.to.map(|to| to.saturating_sub(self.lookback));
        let mut wanted = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let record = page.bytes(row);
            if around.is_some() && row.at >= around {
                self.edge.add(record);
            }
            wanted.push(window.from.is_none() || !self.seen.has(record));
        }
        let changes = self.hand_out(&page, &wanted, window.from.is_none())?;
        self.walk.window = Some(Window { after: Some(last), edge: self.edge.write(), ..window });
        // Without a record there is nothing to commit, and the place before is as good.
        if wanted.contains(&true) { self.checkpoint(changes) } else { Ok(()) }
    }

    fn close(&mut self, window: &Window) -> Result<(), Error> {
        self.walk.high = window.to.or(self.walk.high);
        self.walk.window = None;
        self.walk.edge = self.edge.write();
        self.seen = std::mem::take(&mut self.edge);
        self.checkpoint(Vec::new())
    }

    /// Hands out the wanted records of a page, deleted ones as such; what has to be remembered of them is given back.
    pub(crate) fn hand_out(&mut self, page: &Looked, wanted: &[bool], in_order: bool) -> Result<Changes, Error> {
        let chosen = |place: usize| wanted.get(place).copied().unwrap_or_default();
        let (shown, count) = page.only(|place, row| chosen(place) && !row.deleted);
        self.page(Op::Upsert, shown, count);
        let (deleted, count) = page.only(|place, row| chosen(place) && row.deleted);
        self.page(Op::Delete, deleted, count);
        if self.reconcile == Reconcile::Never {
            return Ok(Vec::new());
        }
        let rows = page.rows.iter().enumerate().filter(|(place, row)| chosen(*place) && !(in_order && row.deleted));
        let entries = rows.filter_map(|(_, row)| Some(Entry { id: row.id.clone()?, at: row.at, gone: row.deleted }));
        let entries: Vec<Entry> = entries.collect();
        if in_order { self.known.append(entries) } else { self.known.add(&entries) }
    }

    pub(crate) fn page(&mut self, op: Op, page: JsonPage, records: u64) {
        if records == 0 {
            return;
        }
        let first_record = self.records;
        self.records += records;
        self.events.push_back(Event::Page(Page {
            partition: RECORDS.into(),
            scope: RECORDS.into(),
            version: None,
            first_record,
            records,
            op,
            data: Data::Json(page),
        }));
    }

    /// It is safe to stop here.
    pub(crate) fn checkpoint(&mut self, mut changes: Changes) -> Result<(), Error> {
        let pages = self.events.iter().any(|event| matches!(event, Event::Page(_)));
        if self.saved != self.walk || pages {
            changes.push((RECORDS.into(), Place::position(&self.walk)?));
            self.saved = self.walk.clone();
        }
        self.pages = 0;
        self.events.push_back(match changes.is_empty() {
            true => Event::Unchanged { partition: RECORDS.into() },
            false => Event::Checkpoint(changes),
        });
        Ok(())
    }

    /// What was seen around the window's end may come back although it is deleted by now.
    pub(crate) fn forget_edge(&mut self) {
        self.walk.edge.clear();
        self.seen = Edge::default();
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(crate) fn end(&mut self) {
        self.phase = Phase::End;
    }
}

#[async_trait]
impl Reader for Records {
    async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            match self.phase {
                Phase::Begin => self.begin().await?,
                Phase::Walk => self.walk().await?,
                Phase::Sweep => self.sweep().await,
                Phase::End => return Ok(None),
            }
        }
    }
}
