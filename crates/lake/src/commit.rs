//! One commit to one table. An error from the store never means "not committed": the log is asked.

use std::collections::HashMap;
use std::time::Duration;

use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, Remove, Transaction};
use deltalake::protocol::{DeltaOperation, OutputMode};

use crate::{DataFile, Error, Result, Table, fault};

/// How often a commit is tried before its error is given back.
const TRIES: u32 = 6;

/// An application's transaction: the commit carries `to`, and is refused unless the table still carries `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    pub app: String,
    pub from: Option<i64>,
    pub to: i64,
}

/// What a commit does to a table.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub adds: Vec<DataFile>,
    pub removes: Vec<DataFile>,
}

impl Table {
    /// Commits `change` with `txn`: it becomes visible as a whole, once, or not at all. `point` names the place for
    /// planted faults. Knows by the transaction whether an earlier try has landed.
    ///
    /// # Errors
    /// [`Error::Overtaken`] if the table carries neither `from` nor `to`; the store's error if it cannot be committed.
    pub async fn commit(&mut self, change: &Change, txn: &Txn, point: &str) -> Result<u64> {
        let mut failure = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
                self.reload().await?;
            }
            let standing = self.txn(&txn.app).await?;
            if standing == Some(txn.to) {
                return Ok(self.version());
            }
            if standing != txn.from {
                return Err(Error::Overtaken(self.name.to_string()));
            }
            fault::point(&format!("{point}.before"))?;
            match self.try_commit(change, txn).await {
                Ok(version) => {
                    fault::point(&format!("{point}.after"))?;
                    return Ok(version);
                }
                Err(e) => {
                    tracing::debug!(table = %self.name, attempt, "a commit did not answer success; asking the log");
                    failure = Some(e);
                }
            }
        }
        self.reload().await?;
        if self.txn(&txn.app).await? == Some(txn.to) {
            return Ok(self.version());
        }
        Err(failure.unwrap_or_else(|| Error::Overtaken(self.name.to_string())))
    }

    async fn try_commit(&mut self, change: &Change, txn: &Txn) -> Result<u64> {
        let now = chrono::Utc::now().timestamp_millis();
        let removes = change.removes.iter().map(|file| Action::Remove(remove(file, now)));
        let adds = change.adds.iter().map(|file| Action::Add(add(file, now)));
        let properties = CommitProperties::default()
            .with_application_transaction(Transaction::new(&txn.app, txn.to))
            // A commit that removes files is a compare-and-swap: released delta-rs misses some conflicts of removes.
            .with_max_retries(if change.removes.is_empty() { 15 } else { 0 });
        let operation = DeltaOperation::StreamingUpdate {
            output_mode: if change.removes.is_empty() { OutputMode::Append } else { OutputMode::Complete },
            query_id: txn.app.clone(),
            epoch_id: txn.to,
        };
        let failed = || Error::delta("commit to", &self.name);
        let committed = CommitBuilder::from(properties)
            .with_actions(removes.chain(adds).collect())
            .build(Some(self.delta.snapshot().map_err(failed())?), self.delta.log_store(), operation)
            .await
            .map_err(failed())?;
        let version = committed.version();
        self.delta.state = Some(committed.snapshot());
        Ok(version)
    }
}

fn add(file: &DataFile, now: i64) -> Add {
    Add {
        path: file.path.clone(),
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        modification_time: now,
        data_change: true,
        stats: Some(format!("{{\"numRecords\":{}}}", file.rows)),
        ..Add::default()
    }
}

fn remove(file: &DataFile, now: i64) -> Remove {
    Remove {
        path: file.path.clone(),
        data_change: true,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: Some(i64::try_from(file.size).unwrap_or(i64::MAX)),
        ..Remove::default()
    }
}
