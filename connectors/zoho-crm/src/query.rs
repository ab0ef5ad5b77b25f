//! Reading by COQL, in the order of time of change and id: each query asks for what is greater than the last record seen.
//!
//! A record that changes while the walk is on its way moves to its end and is met there, in its new version; none is passed
//! over, because no place in a list is counted. A time of change is a whole second, and a change may become visible after
//! others of the same second were read: so nothing of the last while before the vendor's clock is taken for finished
//! ([`Progress`]).

use std::collections::HashSet;
use std::time::Duration;

use tributary_connector::{Error, Kind};

use crate::api::BY_ID;
use crate::columns::quoted;
use crate::error::Failed;
use crate::place::{Mark, Place};
use crate::read::Reading;
use crate::rows::{Rows, distinct, joined};
use crate::streams::MODIFIED;
use crate::time::Time;

/// Where lists cut rich text. A text of just this length is looked at again in the record itself.
const RICH_TEXT: usize = 500;
/// Records that are asked for when there are likely none.
const FEW: u64 = 200;

/// The answer to a query, with all columns.
pub(crate) struct Queried {
    pub rows: Rows,
    /// Ids and times of the records as the query showed them, in its order.
    pub keys: Vec<(u64, Option<Time>)>,
    /// Whether there may be more.
    pub more: bool,
    /// When it was answered.
    pub at: Time,
}

/// How far a walk by time of change has come, and where a later one may go on.
///
/// A change that becomes visible late claims a time of at most `lookback` before that. So what is older than that when a page is
/// read is finished, and a position in it is exact. From the first page on that is not, no position lies beyond `lookback`
/// before the time at which that page was read.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Option<Mark>,
    lookback: Duration,
    floor: Option<Time>,
    newest: Option<Time>,
}

impl Progress {
    pub(crate) fn new(start: Option<Mark>, lookback: Duration) -> Self {
        Self { start, lookback, floor: None, newest: None }
    }

    /// A page was read at the vendor's time `at`, and all up to `last` with it. Where a later walk may go on.
    pub(crate) fn passed(&mut self, last: Mark, at: Time) -> Mark {
        self.newest = self.newest.max(Some(last.time));
        let settled = at.before(self.lookback);
        if last.time > settled {
            self.floor.get_or_insert(settled);
        }
        self.floor.map_or(last, |floor| last.min(Mark::from(floor)))
    }

    /// The walk is at its end: where the next run begins. A `lookback` before the newest record, so that it is seen whether the
    /// source still shows it; never before the place where this walk began, nor beyond what is finished.
    pub(crate) fn finished(&self) -> Option<Mark> {
        let Some(newest) = self.newest else { return self.start };
        let mark = self.start.max(Some(Mark::from(newest.before(self.lookback))));
        match self.floor {
            Some(floor) => mark.min(Some(Mark::from(floor))),
            None => mark,
        }
    }
}

/// What comes after `mark` and before `until`, as a condition.
fn after(mark: Option<Mark>, until: Option<Time>) -> String {
    if let Some(until) = until {
        return format!("({} and {MODIFIED} < '{until}')", after(mark, None));
    }
    match mark {
        None => format!("{MODIFIED} is not null"),
        Some(Mark { time, after: None }) => format!("{MODIFIED} >= '{time}'"),
        Some(Mark { time, after: Some(id) }) => {
            format!("(({MODIFIED} = '{time}' and id > {id}) or {MODIFIED} > '{time}')")
        }
    }
}

impl Reading {
    /// Reads what has changed since `start`; `keep` puts the new mark into the place.
    pub(crate) async fn query_changes(
        &mut self,
        start: Option<Mark>,
        keep: fn(&mut Place, Option<Mark>),
    ) -> Result<(), Failed> {
        let mut progress = Progress::new(start, self.manner.lookback);
        let mut at = start;
        loop {
            let page =
                self.query(&after(at, self.until), &format!("{MODIFIED} asc, id asc"), self.columns.page()).await?;
            for &(id, time) in &page.keys {
                let next = time.map(|time| Mark { time, after: Some(id) });
                if next <= at {
                    return Err(self.out_of_order().into());
                }
                at = next;
            }
            if let Some(mark) = at.filter(|_| !page.keys.is_empty()) {
                keep(&mut self.place, Some(progress.passed(mark, page.at)));
                let records = page.rows.len();
                self.out.json(page.rows.page(), records).await?;
                self.out.checkpoint(&self.place).await?;
            }
            if !page.more {
                break;
            }
        }
        keep(&mut self.place, progress.finished());
        Ok(self.out.checkpoint(&self.place).await?)
    }

    /// Reads records that have no time of change.
    pub(crate) async fn query_undated(&mut self) -> Result<(), Failed> {
        let undated = format!("{MODIFIED} is null");
        let mut condition = undated.clone();
        loop {
            let page = self.query(&condition, "id asc", FEW).await?;
            let last = page.keys.last().copied();
            let records = page.rows.len();
            self.out.json(page.rows.page(), records).await?;
            match last.filter(|_| page.more) {
                Some((id, _)) => condition = format!("({undated} and id > {id})"),
                None => return Ok(()),
            }
        }
    }

    /// Reads these records as they are now; those that are no more are left out.
    pub(crate) async fn query_ids(&mut self, ids: &[u64]) -> Result<(), Failed> {
        for ids in ids.chunks(BY_ID) {
            let page = self.query(&format!("id in ({})", joined(ids)), "id asc", FEW).await?;
            let records = page.rows.len();
            self.out.json(page.rows.page(), records).await?;
        }
        Ok(())
    }

    /// The ids and times of all records, in the order of ids; `each` is given those of a page.
    pub(crate) async fn query_keys(&self, mut each: impl FnMut(&[(u64, Option<Time>)])) -> Result<Time, Failed> {
        let dated = if self.columns.dated { MODIFIED } else { "id" };
        let (mut last, limit) = (0, self.manner.page.min(2_000));
        loop {
            let text = format!("select {dated} from {} where id > {last} order by id asc limit {limit}", self.module);
            let reply = self.api.query(&self.module, &text, limit).await?;
            let rows = Rows::read(&reply, "data")?;
            let keys: Vec<_> = rows.iter().map(|row| (row.id, row.time)).collect();
            last = self.in_order_of_id(&keys, last)?;
            each(&keys);
            if keys.is_empty() || !(rows.more.unwrap_or(true) || rows.len() >= limit) {
                return Ok(reply.at);
            }
        }
    }

    /// The last id, if the ids grow and are all beyond `after`.
    pub(crate) fn in_order_of_id(&self, keys: &[(u64, Option<Time>)], after: u64) -> Result<u64, Error> {
        let mut last = after;
        for &(id, _) in keys {
            if id <= last {
                return Err(self.out_of_order());
            }
            last = id;
        }
        Ok(last)
    }

    pub(crate) fn out_of_order(&self) -> Error {
        Error::new(Kind::Protocol, format!("records of `{}` do not come in the order that was asked for", self.module))
            .hint("nothing was taken from this page; if it comes again, ask the vendor")
    }

    /// One query, or one for each group of columns, put together record by record.
    pub(crate) async fn query(&mut self, condition: &str, order: &str, limit: u64) -> Result<Queried, Failed> {
        let limit = limit.min(self.manner.page);
        let groups = self.columns.queried();
        let mut first: Option<Queried> = None;
        let mut torn = Vec::new();
        let mut group = 0;
        while let Some(columns) = groups.get(group) {
            let columns: Vec<_> = columns.iter().map(|name| quoted(name)).collect();
            let text = format!(
                "select {} from {} where {condition} order by {order} limit {limit}",
                columns.join(", "),
                self.module
            );
            let reply = match self.api.query(&self.module, &text, limit).await {
                Ok(reply) => reply,
                Err(failed) if self.does_without(&failed).await? => {
                    return Box::pin(self.query(condition, order, limit)).await;
                }
                Err(failed) => return Err(failed),
            };
            let rows = Rows::read(&reply, "data")?;
            match &mut first {
                Some(first) => torn.extend(first.rows.add(rows)),
                None => {
                    let keys: Vec<_> = rows.iter().map(|row| (row.id, row.time)).collect();
                    if keys.is_empty() && rows.len() > 0 {
                        let message = format!("no record of a page of `{}` can be read", self.module);
                        return Err(Error::new(Kind::Protocol, message).into());
                    }
                    let more = rows.len() > 0 && (rows.more.unwrap_or(false) || rows.len() >= limit);
                    first = Some(Queried { rows, keys, more, at: reply.at });
                }
            }
            group += 1;
        }
        let Some(mut page) = first else {
            return Err(Error::new(Kind::Protocol, format!("`{}` has no columns", self.module)).into());
        };
        self.complete(&mut page.rows, torn, self.columns.only_listed()).await?;
        Ok(page)
    }

    /// Whether the query was refused for a column that can be done without, because it is gone or lists show it.
    async fn does_without(&mut self, failed: &Failed) -> Result<bool, Failed> {
        let Failed::Refused(refusal) = failed else { return Ok(false) };
        let Some(name) = refusal.field.clone().filter(|_| refusal.code == "INVALID_QUERY") else { return Ok(false) };
        if !self.columns.has(&name) || name == MODIFIED {
            return Ok(false);
        }
        let fields = crate::streams::described(&self.api, &self.module).await?;
        let still_there = fields.iter().any(|field| field.name == name);
        tracing::warn!(module = self.module, column = name, still_there, "queries do not show a column");
        Ok(self.columns.no_query(&name, still_there))
    }

    /// Adds the columns of `groups`, which lists show by id; and reads anew what is torn or cut.
    pub(crate) async fn complete(
        &mut self,
        rows: &mut Rows,
        mut torn: Vec<u64>,
        groups: Vec<Vec<String>>,
    ) -> Result<(), Failed> {
        let ids: Vec<u64> = rows.iter().map(|row| row.id).collect();
        for group in groups {
            let mut others = Rows::default();
            for ids in ids.chunks(BY_ID) {
                others.append(self.list_by_id(ids, &group).await?);
            }
            torn.extend(rows.add(others));
        }
        if !self.columns.rich.is_empty() {
            let cut = rows.iter().filter(|row| row.has_text_of(&self.columns.rich, RICH_TEXT));
            torn.extend(cut.map(|row| row.id).collect::<Vec<_>>());
        }
        if torn.is_empty() {
            return Ok(());
        }
        let mut anew = Rows::default();
        for id in distinct(torn.clone()) {
            anew.append(Rows::read(&self.api.record(&self.module, id).await?, "data")?);
        }
        let torn: HashSet<u64> = torn.into_iter().collect();
        for row in rows.iter_mut().filter(|row| torn.contains(&row.id)) {
            if let Some(whole) = anew.iter().find(|whole| whole.id == row.id) {
                row.become_whole(whole, |name| self.columns.has(name));
            }
        }
        // What is no more is left out: that is told by the deletions.
        let there: HashSet<u64> = anew.iter().map(|row| row.id).collect();
        rows.retain(|row| !torn.contains(&row.id) || there.contains(&row.id));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKBACK: Duration = Duration::from_secs(120);

    fn mark(time: i64, id: u64) -> Mark {
        Mark { time: Time(time), after: Some(id) }
    }

    #[test]
    fn in_old_records_a_position_is_exact() {
        let mut progress = Progress::new(None, LOOKBACK);
        assert_eq!(progress.passed(mark(100, 7), Time(10_000)), mark(100, 7));
        assert_eq!(progress.passed(mark(9_880, 1), Time(10_000)), mark(9_880, 1));
        assert_eq!(progress.finished(), Some(Mark::from(Time(9_760))));
    }

    #[test]
    fn near_the_vendors_clock_no_position_lies_beyond_what_may_still_become_visible() {
        let mut progress = Progress::new(None, LOOKBACK);
        assert_eq!(progress.passed(mark(9_990, 7), Time(10_000)), Mark::from(Time(9_880)));
        // The walk goes on for long; what became visible meanwhile behind its first recent page is still to be read.
        assert_eq!(progress.passed(mark(10_900, 8), Time(11_000)), Mark::from(Time(9_880)));
        assert_eq!(progress.finished(), Some(Mark::from(Time(9_880))));
    }

    #[test]
    fn a_record_from_the_future_does_not_hide_those_that_come() {
        let mut progress = Progress::new(Some(Mark::from(Time(9_000))), LOOKBACK);
        progress.passed(mark(99_999, 7), Time(10_000));
        assert_eq!(progress.finished(), Some(Mark::from(Time(9_880))));
    }

    #[test]
    fn runs_without_news_stay_where_they_are() {
        let start = Some(Mark::from(Time(9_000)));
        assert_eq!(Progress::new(start, LOOKBACK).finished(), start);
        let mut again = Progress::new(start, LOOKBACK);
        again.passed(mark(9_010, 1), Time(50_000));
        assert_eq!(again.finished(), start);
    }

    #[test]
    fn a_walk_goes_on_behind_the_last_record() {
        assert_eq!(after(None, None), "Modified_Time is not null");
        assert_eq!(after(Some(Mark::from(Time(0))), None), "Modified_Time >= '1970-01-01T00:00:00+00:00'");
        let within = after(Some(Mark::from(Time(0))), Some(Time(1)));
        assert_eq!(
            within,
            "(Modified_Time >= '1970-01-01T00:00:00+00:00' and Modified_Time < '1970-01-01T00:00:01+00:00')"
        );
        let both = after(Some(mark(0, 5)), None);
        assert_eq!(both.matches("1970-01-01T00:00:00+00:00").count(), 2);
        assert!(both.starts_with("((Modified_Time = ") && both.contains("and id > 5) or Modified_Time > "));
    }
}
