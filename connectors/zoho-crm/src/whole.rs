//! Streams that are read whole, because nobody tells what is deleted of them: rows of subforms, links, modules without a time of
//! change.
//!
//! First the ids and times of change are walked; only where these differ from the last run are the records read, as a load
//! that takes the place of the one before.

use std::collections::HashSet;

use tributary_connector::http::PageToken;
use tributary_connector::{Error, Event, Kind, Op};

use crate::error::Failed;
use crate::list::Listing;
use crate::place::PARTITION;
use crate::read::Reading;
use crate::time::Time;

const PATIENCE: usize = 8;

/// What a stream shows, in short: how many records of which ids and times, in whatever order.
#[derive(Debug, Default)]
struct Print {
    records: u64,
    sum: u128,
    newest: Option<Time>,
}

impl Print {
    fn add(&mut self, id: u64, time: Option<Time>) {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&id.to_be_bytes());
        key[8..].copy_from_slice(&time.map_or(i64::MIN, |time| time.0).to_be_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&blake3::hash(&key).as_bytes()[..16]);
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(half));
        self.records += 1;
        self.newest = self.newest.max(time);
    }

    fn text(&self) -> String {
        format!("{} records, {:032x}", self.records, self.sum)
    }
}

impl Reading {
    pub(crate) async fn whole(&mut self) -> Result<(), Error> {
        if self.place.shown.is_some() && Some(self.print().await?.text()) == self.place.shown {
            return self.out.event(Event::Unchanged { partition: PARTITION.into() }).await;
        }
        let before = self.new_load();
        let print = self.load_whole().await?;
        // A second change within one second leaves no trace in the times: what is too new is looked at again.
        let settled = print.newest.is_none_or(|newest| newest < self.began.before(self.manner.lookback));
        self.place.shown = (self.columns.dated && settled).then(|| print.text());
        match before {
            Some(scope) => self.withdraw(scope).await,
            None => {
                self.out.held = false;
                self.out.checkpoint(&self.place).await
            }
        }
    }

    /// What there is now, by ids and times alone. What a list that moves may hide makes it another one.
    async fn print(&mut self) -> Result<Print, Error> {
        let mut print = Print::default();
        match self.query_keys(|keys| keys.iter().for_each(|&(id, time)| print.add(id, time))).await {
            Ok(_) => {}
            Err(failed) if failed.is_closed() => {
                self.no_query(&failed.into());
                let listing = Listing { sort_by: "id", converted: None, since: None };
                let keys = self.list_keys(listing, |_| true).await?;
                print = Print::default();
                keys.into_iter().for_each(|(id, time)| print.add(id, time));
            }
            Err(failed) => return Err(failed.into()),
        }
        Ok(print)
    }

    async fn load_whole(&mut self) -> Result<Print, Error> {
        if self.may_query {
            match self.query_whole().await {
                Err(failed) if failed.is_closed() => self.no_query(&failed.into()),
                print => return Ok(print?),
            }
        }
        self.list_whole().await
    }

    async fn query_whole(&mut self) -> Result<Print, Failed> {
        let (mut print, mut last) = (Print::default(), 0);
        loop {
            let page = self.query(&format!("id > {last}"), "id asc", self.columns.page()).await?;
            last = self.in_order_of_id(&page.keys, last)?;
            page.rows.iter().for_each(|row| print.add(row.id, row.time));
            let records = page.rows.len();
            self.out.json(page.rows.page(), records).await?;
            if !page.more {
                return Ok(print);
            }
        }
    }

    /// By page tokens, and then again for what rows that left the list may have hidden.
    async fn list_whole(&mut self) -> Result<Print, Error> {
        let listing = Listing { sort_by: "id", converted: None, since: None };
        let (mut print, mut walked, mut pages) = (Print::default(), Vec::new(), PageToken::default());
        loop {
            let (mut rows, _) = self.list_page(listing, Op::Upsert, pages.token()).await?;
            let (more, next) = (rows.more, rows.next.take());
            walked.extend(rows.iter().map(|row| row.id));
            rows.iter().for_each(|row| print.add(row.id, row.time));
            self.hand_out(rows, Op::Upsert).await?;
            if !pages.advance(next.as_deref(), more)? {
                break;
            }
        }
        let mut seen: HashSet<u64> = walked.iter().copied().collect();
        for _ in 0..PATIENCE {
            let again = self.list_keys(listing, |_| true).await?;
            let mut again: Vec<u64> = again.into_iter().map(|(id, _)| id).collect();
            if again == walked {
                return Ok(print);
            }
            walked = again.clone();
            again.retain(|id| seen.insert(*id));
            self.hand_out_ids(&again, Op::Upsert).await?;
        }
        Err(Error::new(Kind::Protocol, format!("the list of `{}` does not stand still", self.module)))
    }
}
