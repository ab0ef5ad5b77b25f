//! What was deleted, as the vendor tells it for 60 days.
//!
//! There is no token and no order to rely on, and a record that is restored leaves the list and shifts the rest. So a list of more
//! than one page is walked until it shows the same as before.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use serde::Deserialize;
use tributary_connector::http::PageNumber;
use tributary_connector::{Data, Error, Kind, Op};

use crate::api::LISTED;
use crate::error::Failed;
use crate::read::Reading;
use crate::rows::Rows;
use crate::streams::{ID, MODIFIED};
use crate::time::Time;

const PATIENCE: usize = 8;
const BATCH: usize = 5_000;

#[derive(Deserialize)]
struct Gone {
    id: String,
    deleted_time: String,
}

impl Reading {
    /// Reads what was deleted since the last run.
    pub(crate) async fn deletions(&mut self) -> Result<(), Error> {
        let since = self.place.deleted;
        let (told, at) = match self.settled(since).await {
            Ok(told) => told,
            Err(failed) if failed.is(&["DISCRETE_PAGINATION_LIMIT_EXCEEDED", "PAGINATION_LIMIT_EXCEEDED"]) => {
                tracing::warn!(module = self.module, "more was deleted than the source tells; the next run reads all");
                self.place.deleted = Some(Time(0));
                return self.out.checkpoint(&self.place).await;
            }
            Err(failed) if failed.is_closed() => {
                tracing::warn!(module = self.module, "the source tells no deletions; the next run reads all");
                self.place.untold = true;
                return self.out.checkpoint(&self.place).await;
            }
            Err(failed) => return Err(failed.into()),
        };
        let told: Vec<_> = told.into_iter().filter(|(time, _)| self.until.is_none_or(|until| *time < until)).collect();
        for gone in told.chunks(BATCH) {
            let batch = batch(gone)?;
            self.out.page(Data::Batch(batch), gone.len() as u64, Op::Delete).await?;
        }
        self.place.deleted = since.max(Some(at.before(self.manner.lookback)));
        self.out.checkpoint(&self.place).await
    }

    /// The list of what was deleted, in order of time, and when its reading began.
    async fn settled(&self, since: Option<Time>) -> Result<(Vec<(Time, u64)>, Time), Failed> {
        let (mut told, at, pages) = self.walk_deleted(since).await?;
        if pages < 2 {
            return Ok((told, at));
        }
        let mut before = told.clone();
        for _ in 0..PATIENCE {
            let (again, ..) = self.walk_deleted(since).await?;
            told.extend(&again);
            told.sort_unstable();
            told.dedup();
            // What was added meanwhile is told by the next run too; what left may have hidden others.
            if before.iter().all(|gone| again.binary_search(gone).is_ok()) {
                return Ok((told, at));
            }
            before = again;
        }
        Err(Error::new(
            Kind::Protocol,
            format!("the list of what was deleted of `{}` does not stand still", self.module),
        )
        .into())
    }

    async fn walk_deleted(&self, since: Option<Time>) -> Result<(Vec<(Time, u64)>, Time, u64), Failed> {
        let size = self.manner.page.min(LISTED);
        let mut pages = PageNumber::new(1, size);
        let (mut told, mut began) = (Vec::new(), None);
        loop {
            let reply = self.api.deleted(&self.module, (pages.page(), size), since).await?;
            let at = *began.get_or_insert(reply.at);
            let rows = Rows::read(&reply, "data")?;
            for row in rows.iter() {
                told.push(row.told().ok_or_else(|| {
                    Error::new(Kind::Protocol, format!("a deletion of `{}` has no id or no time", self.module))
                })?);
            }
            if !pages.advance(rows.len(), rows.more)? {
                told.sort_unstable();
                told.dedup();
                return Ok((told, at, pages.page()));
            }
        }
    }
}

impl crate::rows::Row {
    fn told(&self) -> Option<(Time, u64)> {
        let gone: Gone = serde_json::from_slice(self.raw()).ok()?;
        Some((Time::read(&gone.deleted_time)?, gone.id.parse().ok()?))
    }
}

/// Id and time; the time is what orders a deletion among the record's versions.
fn batch(gone: &[(Time, u64)]) -> Result<RecordBatch, Error> {
    let schema = Schema::new(vec![Field::new(ID, DataType::Utf8, false), Field::new(MODIFIED, DataType::Utf8, false)]);
    let ids = StringArray::from_iter_values(gone.iter().map(|(_, id)| id.to_string()));
    let times = StringArray::from_iter_values(gone.iter().map(|(time, _)| time.to_string()));
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids) as ArrayRef, Arc::new(times)])
        .map_err(|e| Error::new(Kind::Protocol, "deletions cannot be put into a batch").source(e))
}
