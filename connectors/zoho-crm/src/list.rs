//! Reading by lists, where queries are closed: in the order of time of change, each page from the last second of the one before.
//!
//! A page token is a place in a list that moves, so that rows which leave the list shift the rest past whoever counts. Time does not
//! shift: each request begins anew from a second, that second included, and what was seen of it is left out. Only where one
//! second has more records than a page holds are tokens followed, within that second alone; and the walk is repeated until it
//! shows the same records in the same order as before, which it does only if none left meanwhile.

use std::collections::HashSet;

use tributary_connector::http::PageToken;
use tributary_connector::{Error, Kind, Op};

use crate::api::{LISTED, Reply};
use crate::error::Failed;
use crate::place::{Mark, Place};
use crate::query::Progress;
use crate::read::Reading;
use crate::rows::{Rows, joined};
use crate::streams::{ID, MODIFIED};
use crate::time::Time;

/// How often a list that does not stand still is walked.
const PATIENCE: usize = 8;

/// What is asked of a list besides its fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing {
    pub sort_by: &'static str,
    /// Which leads: `true`, `false` or `both`.
    pub converted: Option<&'static str>,
    pub since: Option<Time>,
}

impl Reading {
    /// Reads what has changed since `start`; `keep` puts the new mark into the place. With [`Op::Delete`] only ids are read.
    pub(crate) async fn list_changes(
        &mut self,
        start: Option<Mark>,
        converted: Option<&'static str>,
        keep: fn(&mut Place, Option<Mark>),
        op: Op,
    ) -> Result<(), Error> {
        let mut progress = Progress::new(start, self.manner.lookback);
        let mut listing = Listing { sort_by: MODIFIED, converted, since: start.map(|mark| mark.time) };
        // Those of the second from which the next page begins.
        let mut seen: HashSet<u64> = HashSet::new();
        loop {
            let (mut rows, at) = self.list_page(listing, op, None).await?;
            self.in_order_of_time(&rows, listing.since)?;
            let last = rows.iter().next_back().and_then(|row| row.time);
            let beyond = self.until.is_some_and(|until| last >= Some(until));
            rows.retain(|row| self.until.is_none_or(|until| row.time < Some(until)));
            let last = rows.iter().next_back().and_then(|row| row.time);
            let more = !beyond && rows.len() > 0 && rows.more.unwrap_or(rows.len() >= self.listed());
            if more && last == listing.since {
                let mark = self.one_second(listing, rows, seen, op).await?;
                seen = HashSet::new();
                listing.since = Some(mark.time);
                keep(&mut self.place, Some(progress.passed(mark, at)));
                self.out.checkpoint(&self.place).await?;
                continue;
            }
            let (since, known) = (listing.since, std::mem::take(&mut seen));
            seen = rows.iter().filter(|row| row.time == last).map(|row| row.id).collect();
            if last == since {
                seen.extend(&known);
            }
            rows.retain(|row| row.time != since || !known.contains(&row.id));
            if let Some(last) = last {
                self.hand_out(rows, op).await?;
                keep(&mut self.place, Some(progress.passed(Mark::from(last), at)));
                self.out.checkpoint(&self.place).await?;
                listing.since = Some(last);
            } else {
                self.hand_out(rows, op).await?;
            }
            if !more {
                break;
            }
        }
        keep(&mut self.place, progress.finished());
        self.out.checkpoint(&self.place).await
    }

    /// Reads all records of the second that `listing` begins with, of which `rows` is the first page. Gives back the second after it.
    /// Records without a time of change, if lists begin with them, are taken for those of one second.
    async fn one_second(
        &mut self,
        listing: Listing,
        mut rows: Rows,
        mut seen: HashSet<u64>,
        op: Op,
    ) -> Result<Mark, Error> {
        let second = listing.since;
        let (mut walked, mut beyond, mut pages) = (Vec::new(), None, PageToken::default());
        loop {
            let (more, next) = (rows.more, rows.next.take());
            beyond = beyond.or_else(|| rows.iter().find(|row| row.time != second).and_then(|row| row.time));
            rows.retain(|row| row.time == second);
            walked.extend(rows.iter().map(|row| row.id));
            rows.retain(|row| seen.insert(row.id));
            self.hand_out(rows, op).await?;
            if beyond.is_some() || !pages.advance(next.as_deref(), more)? {
                break;
            }
            rows = self.list_page(listing, op, pages.token()).await?.0;
        }
        for _ in 0..PATIENCE {
            let again = self.list_keys(listing, |time| time == second).await?;
            let mut again: Vec<u64> = again.into_iter().map(|(id, _)| id).collect();
            if again == walked {
                // Whole seconds: behind this one comes the next. Records without a time come before the first that has one.
                let next = second.map(Time::next).or(beyond);
                let next =
                    next.ok_or_else(|| Error::new(Kind::Refused, "no record of a long list has a time of change"))?;
                return Ok(Mark::from(next));
            }
            walked = again.clone();
            again.retain(|id| seen.insert(*id));
            self.hand_out_ids(&again, op).await?;
        }
        Err(Error::new(Kind::Protocol, format!("a list of `{}` does not stand still", self.module))
            .hint("too many records of one second are being changed; run again, or authorise the client with `ZohoCRM.coql.READ`"))
    }

    /// The ids and times of a list, as far as the times of its first records are `wanted`.
    pub(crate) async fn list_keys(
        &self,
        listing: Listing,
        wanted: impl Fn(Option<Time>) -> bool,
    ) -> Result<Vec<(u64, Option<Time>)>, Error> {
        let dated = if self.columns.dated { MODIFIED } else { ID };
        let (mut keys, mut pages) = (Vec::new(), PageToken::default());
        loop {
            let rows = Rows::read(&self.ask_list(listing, &[dated.to_owned()], pages.token()).await?, "data")?;
            let before = keys.len();
            keys.extend(rows.iter().take_while(|row| wanted(row.time)).map(|row| (row.id, row.time)));
            let all = keys.len() - before == rows.iter().count();
            if !all || !pages.advance(rows.next.as_deref(), rows.more)? {
                return Ok(keys);
            }
        }
    }

    /// A page of a list with the first group of columns, or with ids alone if they are to be deleted.
    pub(crate) async fn list_page(&self, listing: Listing, op: Op, token: Option<&str>) -> Result<(Rows, Time), Error> {
        let fields = match op {
            Op::Upsert => self.columns.all_listed().into_iter().next().unwrap_or_default(),
            Op::Delete => vec![MODIFIED.to_owned()],
        };
        let reply = self.ask_list(listing, &fields, token).await?;
        let rows = Rows::read(&reply, "data")?;
        if rows.len() > 0 && rows.iter().next().is_none() {
            return Err(Error::new(Kind::Protocol, format!("no record of a page of `{}` can be read", self.module)));
        }
        Ok((rows, reply.at))
    }

    /// Records of a page of a list.
    fn listed(&self) -> u64 {
        self.manner.page.min(LISTED)
    }

    async fn ask_list(&self, listing: Listing, fields: &[String], token: Option<&str>) -> Result<Reply, Failed> {
        let (fields, size) = (fields.join(","), self.listed().to_string());
        let mut parameters =
            vec![("fields", fields.as_str()), ("sort_by", listing.sort_by), ("sort_order", "asc"), ("per_page", &size)];
        parameters.extend(listing.converted.map(|which| ("converted", which)));
        parameters.extend(token.map(|token| ("page_token", token)));
        self.api.list(&self.module, &parameters, listing.since).await
    }

    /// These columns of these records, whether hidden or not.
    pub(crate) async fn list_by_id(&self, ids: &[u64], fields: &[String]) -> Result<Rows, Failed> {
        let (ids, fields, size) = (joined(ids), fields.join(","), LISTED.to_string());
        let mut parameters = vec![("ids", ids.as_str()), ("fields", &fields), ("per_page", &size)];
        if self.module == "Leads" {
            parameters.push(("converted", "both"));
        }
        Ok(Rows::read(&self.api.list(&self.module, &parameters, None).await?, "data")?)
    }

    /// Hands out the records of a list page, with the columns that it lacks.
    pub(crate) async fn hand_out(&mut self, mut rows: Rows, op: Op) -> Result<(), Error> {
        if op == Op::Upsert {
            let groups = self.columns.all_listed().into_iter().skip(1).collect();
            self.complete(&mut rows, Vec::new(), groups).await?;
        }
        let records = rows.len();
        self.out.page(tributary_connector::Data::Json(rows.page()), records, op).await
    }

    /// Hands out these records as they are now.
    pub(crate) async fn hand_out_ids(&mut self, ids: &[u64], op: Op) -> Result<(), Error> {
        let fields = self.columns.all_listed().into_iter().next().unwrap_or_else(|| vec![ID.to_owned()]);
        for ids in ids.chunks(crate::api::BY_ID) {
            let rows = self.list_by_id(ids, &fields).await?;
            self.hand_out(rows, op).await?;
        }
        Ok(())
    }

    /// The vendor may not heed the order or the time that a list is to begin with; then it cannot be walked by time.
    fn in_order_of_time(&self, rows: &Rows, since: Option<Time>) -> Result<(), Error> {
        let mut last = since;
        for row in rows.iter() {
            if row.time < last {
                return Err(self.out_of_order());
            }
            last = row.time;
        }
        Ok(())
    }
}
