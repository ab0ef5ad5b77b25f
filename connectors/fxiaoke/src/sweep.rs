//! The walk over all ids, which finds what is gone, and what came without a change of its time.
//!
//! Only ids and times are asked for, a call for every hundred records, and compared with what was handed out. What is not
//! known, or in another version, is fetched. What is missing is asked for by its id once more before it counts as
//! deleted. If more than a tenth is missing, the employee in whose name is read has more likely lost a permission: that is
//! refused unless the configuration says that it is right.
//!
//! A sweep that fails does not take along what was read before it: its error is an event, and the next run goes on from there.

use std::collections::BTreeSet;

use serde_json::json;
use tributary_connector::{Error, Event, Kind, Op};

use crate::api::{PAGE, Query};
use crate::config::Reconcile;
use crate::error;
use crate::known::{Changes, Cursor};
use crate::packed::{Entry, Packed};
use crate::page::{LOOKED_AT, Looked, array};
use crate::position::{Place, Refused, SWEEP, Sweep};
use crate::read::Records;

/// So many records may go at once, however few there are.
const FEW: usize = 20;
/// And of many, one in so many.
const PART: usize = 10;
/// Pages without a record between two places where it is safe to stop.
const PAGES: u32 = 10;

impl Records {
    /// Does the next step, if a sweep is due.
    pub(crate) async fn sweep(&mut self) {
        let step = match self.sweep {
            None if !self.due() => {
                if let Some(refused) = self.walk.refused.filter(|_| self.reconcile != Reconcile::Never) {
                    self.refuse(refused);
                }
                self.end();
                Ok(())
            }
            None => self.start(),
            Some(_) if self.cursor.is_none() => self.resume(),
            Some(_) => self.step().await,
        };
        if let Err(error) = step {
            self.event(Event::Discard { partition: SWEEP.into(), error });
            self.end();
        }
    }

    fn due(&self) -> bool {
        let now = self.api.now().timestamp_millis();
        match self.reconcile {
            Reconcile::Never => false,
            // What began with all records has just compared itself with nothing.
            _ if self.whole => false,
            Reconcile::EveryRun => true,
            _ if self.compare => true,
            Reconcile::After(_) if self.walk.refused.is_some() && self.accept_deletes => true,
            Reconcile::After(rest) => self.walk.swept.is_none_or(|swept| {
                let rest = i64::try_from(rest.as_millis()).unwrap_or(i64::MAX);
                // A clock that was set back does not put it off for ever.
                swept > now || now - swept >= rest
            }),
        }
    }

    fn start(&mut self) -> Result<(), Error> {
        self.sweep = Some(Sweep { after: None, done: false, gone: Packed::new(&[]) });
        self.resume()
    }

    fn resume(&mut self) -> Result<(), Error> {
        let Some(sweep) = &self.sweep else { return Ok(()) };
        self.gone = sweep.gone.entries()?;
        self.cursor = Some(Cursor::after(sweep.after.as_deref()));
        let changes = self.known.fold()?;
        self.mark(changes)
    }

    async fn step(&mut self) -> Result<(), Error> {
        let done = self.sweep.as_ref().is_some_and(|sweep| sweep.done);
        if (done && !self.gone.is_empty()) || (self.accept_deletes && self.gone.len() >= PAGE) {
            return self.bury().await;
        }
        if done {
            self.sweep = None;
            self.cursor = None;
            self.walk.swept = Some(self.api.now().timestamp_millis());
            self.walk.refused = None;
            self.checkpoint(vec![(SWEEP.into(), None)])?;
            self.end();
            return Ok(());
        }
        self.compare().await
    }

    /// Compares a page with what is known.
    async fn compare(&mut self) -> Result<(), Error> {
        let fields = LOOKED_AT.map(str::to_owned);
        let after = self.sweep.as_ref().and_then(|sweep| sweep.after.clone());
        let query = Query { after: after.as_deref(), fields: &fields, ..Query::default() };
        let page = Looked::new(self.api.query(&self.object, &query).await?);
        let last = page.last(after.as_deref()).map_err(|error| error::of(&self.object, error))?;
        let last = last.map(str::to_owned);
        let most = if self.accept_deletes { usize::MAX } else { (self.known.len() / PART).max(FEW) };
        let mut cursor = self.cursor.take().unwrap_or_default();
        let mut unknown = Vec::new();
        for row in page.rows.iter().filter(|row| !row.deleted) {
            let Some(id) = row.id.as_deref() else { continue };
            let mut there = None;
            while self.gone.len() <= most
                && let Some(entry) = cursor.next(&self.known, Some(id))?
            {
                if entry.id == id {
                    there = Some(entry.at);
                    break;
                }
                self.gone.push(entry);
            }
            // What was changed after the last window is the next window's.
            let ours = self.walk.high.is_none() || row.at <= self.walk.high;
            if ours && there != Some(row.at) {
                unknown.push(id.to_owned());
            }
        }
        while self.gone.len() <= most
            && let Some(entry) = cursor.next(&self.known, last.as_deref())?
        {
            self.gone.push(entry);
        }
        if self.gone.len() > most {
            return self.give_up(Refused { gone: self.gone.len(), known: self.known.len() });
        }
        let changes = self.fetch(&unknown).await?;
        self.cursor = Some(cursor);
        let done = last.is_none();
        if let Some(sweep) = &mut self.sweep {
            sweep.done = done;
            sweep.after = last.or(sweep.after.take());
        }
        self.pages += 1;
        if !unknown.is_empty() || done || self.pages >= PAGES { self.mark(changes) } else { Ok(()) }
    }

    /// Hands out records by their ids; what has to be remembered of them is given back.
    async fn fetch(&mut self, ids: &[String]) -> Result<Changes, Error> {
        let mut changes = Vec::new();
        for ids in ids.chunks(PAGE) {
            let query = Query { ids, fields: &self.fields, ..Query::default() };
            let page = Looked::new(self.api.query(&self.object, &query).await?);
            let wanted: Vec<bool> =
                page.rows.iter().map(|row| row.id.as_ref().is_some_and(|id| ids.contains(id))).collect();
            changes.extend(self.hand_out(&page, &wanted, false)?);
        }
        Ok(changes)
    }

    /// Asks for what is missing once more, and says of the rest that it is deleted.
    async fn bury(&mut self) -> Result<(), Error> {
        let asked: Vec<Entry> = self.gone.split_off(self.gone.len().saturating_sub(PAGE));
        let ids: Vec<String> = asked.into_iter().map(|entry| entry.id).collect();
        let fields = LOOKED_AT.map(str::to_owned);
        let query = Query { ids: &ids, fields: &fields, ..Query::default() };
        let page = Looked::new(self.api.query(&self.object, &query).await?);
        let there: BTreeSet<&str> =
            page.rows.iter().filter(|row| !row.deleted).filter_map(|row| row.id.as_deref()).collect();
        let gone = ids.iter().filter(|id| !there.contains(id.as_str())).cloned().collect();
        // In the version in which they were handed out last: so a record that comes back as it was counts again.
        let mut changes = self.known.fold()?;
        let (removed, of_removal) = self.known.remove(&gone)?;
        changes.extend(of_removal);
        let records: Vec<_> = removed
            .iter()
            .map(|entry| match entry.at {
                Some(at) => json!({ "_id": entry.id, "last_modified_time": at }),
                None => json!({ "_id": entry.id }),
            })
            .collect();
        let count = records.len() as u64;
        if count > 0 {
            self.forget_edge();
        }
        self.page(Op::Delete, array(serde_json::Value::from(records).to_string().into()), count);
        self.mark(changes)
    }

    /// It is safe to stop here, and to go on from here.
    fn mark(&mut self, mut changes: Changes) -> Result<(), Error> {
        if let Some(sweep) = &mut self.sweep {
            sweep.gone = Packed::new(&self.gone);
            changes.push((SWEEP.into(), Place::position(sweep)?));
        }
        self.checkpoint(changes)
    }

    fn give_up(&mut self, refused: Refused) -> Result<(), Error> {
        self.sweep = None;
        self.cursor = None;
        self.gone.clear();
        self.walk.refused = Some(refused);
        self.walk.swept = Some(self.api.now().timestamp_millis());
        self.refuse(refused);
        self.checkpoint(vec![(SWEEP.into(), None)])?;
        self.end();
        Ok(())
    }

    fn refuse(&mut self, Refused { gone, known }: Refused) {
        let error = Error::new(
            Kind::Refused,
            format!("`{}`: at least {gone} of {known} records were gone at once, and none was deleted", self.object),
        )
        .hint("the employee in whose name is read may have lost a permission; if the records are gone, set `accept_deletes = true`");
        self.event(Event::Discard { partition: SWEEP.into(), error });
    }
}
