//! A first load from exports (Bulk Read): a job is made, looked at until it is done, fetched, and the next one made from its token.
//!
//! Exports leave out records whose parent is gone, and nobody says so. So what came is counted, against the job's own word and
//! against the module's count before and after; where these differ all ids are walked, and what the exports did not have is
//! read by query. The load is committed as a whole, and what has changed since it began is read after it.

use std::time::Duration;

use serde_json::{Value, json};
use tributary_connector::{Data, Error, Kind, Op, Retry};

use crate::config::Bulk;
use crate::error::Failed;
use crate::export::unpack;
use crate::list::Listing;
use crate::place::Mark;
use crate::read::Reading;

/// Records of a page.
const PAGE: u64 = 5_000;
/// How often a job that failed, or a file that is broken, is made or fetched again.
const TRIES: u32 = 3;
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_secs(20);
/// How long a job is waited for.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);

/// A job that is done.
struct Done {
    job: u64,
    count: u64,
    next: Option<String>,
}

impl Reading {
    /// What there is, if nothing was read before: from exports if they are wanted and may be made; else by the walk that reads
    /// changes, and beside it what has no time of change.
    pub(crate) async fn first_load(&mut self) -> Result<(), Error> {
        if self.manner.bulk != Bulk::Never {
            let count = match self.api.count(&self.module).await {
                Ok((count, _)) => count,
                Err(Failed::Refused(_)) => None,
                Err(Failed::Other(error)) => return Err(error),
            };
            let many = count.is_some_and(|count| count > self.manner.bulk_from);
            if (many || self.manner.bulk == Bulk::Always) && self.export(count).await? {
                return self.out.checkpoint(&self.place).await;
            }
        }
        match self.query_undated().await {
            Err(failed) if failed.is_closed() => {
                self.no_query(&failed.into());
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Reads a module from exports. False if none can be made; nothing was read then.
    async fn export(&mut self, count: Option<u64>) -> Result<bool, Error> {
        let Some(fields) = self.columns.exported() else {
            tracing::info!(module = self.module, "exports do not show all columns; reading by query");
            return Ok(false);
        };
        let began = self.began.before(self.manner.lookback);
        let mut query = json!({ "module": { "api_name": self.module }, "fields": fields });
        let mut ids: Vec<u64> = Vec::new();
        loop {
            let done = match self.job(&query).await {
                Ok(Some(done)) => done,
                Ok(None) if ids.is_empty() && self.manner.bulk == Bulk::Auto => {
                    tracing::warn!(module = self.module, "exports fail at the source; reading by query");
                    return Ok(false);
                }
                Ok(None) => {
                    let message = format!("{TRIES} exports of `{}` failed at the source", self.module);
                    return Err(Error::new(Kind::Transport, message).hint("run again later, or set `bulk = \"never\"`"));
                }
                Err(failed) if ids.is_empty() && matches!(failed, Failed::Refused(_)) => {
                    tracing::warn!(module = self.module, "{}; reading by query", Error::from(failed));
                    return Ok(false);
                }
                Err(failed) => return Err(failed.into()),
            };
            self.take(&done, &mut ids).await?;
            match done.next {
                Some(token) => query = json!({ "page_token": token }),
                None => break,
            }
        }
        let after = match self.api.count(&self.module).await {
            Ok((after, _)) => after,
            Err(Failed::Refused(_)) => None,
            Err(Failed::Other(error)) => return Err(error),
        };
        let all = Some(ids.len() as u64);
        if count != all || after != all {
            self.left_out(ids).await?;
        }
        self.place.records = Some(Mark::from(began));
        Ok(true)
    }

    /// Reads what exports left out.
    async fn left_out(&mut self, mut ids: Vec<u64>) -> Result<(), Error> {
        ids.sort_unstable();
        let mut missing = Vec::new();
        let look = |keys: &[(u64, _)]| {
            missing.extend(keys.iter().map(|(id, _)| *id).filter(|id| ids.binary_search(id).is_err()));
        };
        match self.query_keys(look).await {
            Ok(_) => self.query_ids(&missing).await?,
            Err(failed) if failed.is_closed() => {
                self.no_query(&failed.into());
                let listing = Listing { sort_by: "id", converted: None, since: None };
                let there = self.list_keys(listing, |_| true).await?;
                missing = there.into_iter().map(|(id, _)| id).filter(|id| ids.binary_search(id).is_err()).collect();
                self.hand_out_ids(&missing, Op::Upsert).await?;
            }
            Err(failed) => return Err(failed.into()),
        }
        tracing::info!(module = self.module, missing = missing.len(), "looked for what exports left out");
        Ok(())
    }

    /// Makes a job and waits until it is done; `None` if it fails time and again.
    async fn job(&self, query: &Value) -> Result<Option<Done>, Failed> {
        for _ in 0..TRIES {
            let made = self.api.make_export(&self.module, query).await?.value()?;
            let job = made["data"][0]["details"]["id"].as_str().and_then(|id| id.parse().ok());
            let job = job.ok_or_else(|| Error::new(Kind::Protocol, "an export was made and has no id"))?;
            if let Some(done) = self.done(job).await? {
                return Ok(Some(done));
            }
        }
        Ok(None)
    }

    /// Waits for a job; `None` if it failed.
    async fn done(&self, job: u64) -> Result<Option<Done>, Failed> {
        let (mut waited, mut wait) = (Duration::ZERO, FIRST_LOOK);
        while waited < PATIENCE {
            self.api.clock.sleep(wait).await;
            waited += wait;
            wait = wait.mul_f64(1.6).min(LAST_LOOK);
            let answer = self.api.look_at_export(&self.module, job).await?.value()?;
            let shown = &answer["data"][0];
            let result = &shown["result"];
            match shown["state"].as_str().unwrap_or_default().to_ascii_uppercase().as_str() {
                "COMPLETED" => {
                    let count = result["count"].as_u64();
                    let count =
                        count.ok_or_else(|| Error::new(Kind::Protocol, "an export is done and has no count"))?;
                    let next = result["next_page_token"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
                    if result["more_records"] == true && next.is_none() {
                        return Err(
                            Error::new(Kind::Protocol, "an export says that there is more, and not where").into()
                        );
                    }
                    return Ok(Some(Done { job, count, next: next.filter(|_| result["more_records"] != false) }));
                }
                "FAILURE" | "FAILED" => return Ok(None),
                _ => {}
            }
        }
        Err(Error::new(Kind::Transport, format!("an export of `{}` is not done after two hours", self.module))
            .retry(Retry::BackOff)
            .into())
    }

    /// Fetches the file of a job and hands out its records.
    async fn take(&mut self, done: &Done, ids: &mut Vec<u64>) -> Result<(), Error> {
        let before = ids.len();
        let mut tries = 1;
        loop {
            let zip = self.api.fetch_export(&self.module, done.job).await?.bytes;
            match self.hand_out_export(zip, ids).await {
                // Before its first part was handed out, a broken file has done no harm.
                Err(error) if error.kind == Kind::Transport && ids.len() == before && tries < TRIES => tries += 1,
                other => {
                    other?;
                    break;
                }
            }
        }
        let came = (ids.len() - before) as u64;
        if came != done.count {
            let message = format!("an export of `{}` has {came} records and says {}", self.module, done.count);
            return Err(Error::new(Kind::Transport, message).retry(Retry::BackOff));
        }
        Ok(())
    }

    async fn hand_out_export(&mut self, zip: bytes::Bytes, ids: &mut Vec<u64>) -> Result<(), Error> {
        let mut parts = unpack(zip, usize::try_from(self.manner.page.min(PAGE)).unwrap_or(1));
        while let Some(part) = parts.recv().await {
            let part = part?;
            let records = part.ids.len() as u64;
            ids.extend(part.ids);
            self.out.page(Data::Csv(part.page), records, Op::Upsert).await?;
        }
        Ok(())
    }
}
