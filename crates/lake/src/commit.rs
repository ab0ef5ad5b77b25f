//! One commit to one table. An error from the store never means "not committed": the log is asked.

use std::collections::{HashMap, HashSet};
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
    /// The rows stay the same, in other files: readers of changes have nothing to see.
    pub rearranged: bool,
}

impl Table {
    /// Commits `change` with `txn`: it becomes visible as a whole, once, or not at all. `point` names the place for
    /// planted faults. Knows by the transaction whether an earlier try has landed.
    ///
    /// # Errors
    /// [`Error::Overtaken`] if the table carries neither `from` nor `to`; the store's error if it cannot be committed.
    pub async fn commit(&mut self, change: &Change, txn: &Txn, point: &str) -> Result<u64> {
        let queue = self.queue.clone();
        let _turn = match queue.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                let turn = queue.lock().await;
                // Others have committed in the meantime.
                self.reload().await?;
                turn
            }
        };
        let mut failure = None;
        let mut before = None;
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
            if !change.removes.is_empty() {
                // Checked again at each try: what was there a moment ago may be gone.
                before = Some(self.standing_files(change)?);
            }
            if let Some(fence) = &self.fence {
                fence.check().await?;
            }
            match self.try_commit(change, txn).await {
                Ok(version) => {
                    if let Some(before) = before.take() {
                        self.audit(change, before)?;
                    }
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

    /// How many rows the table has, if all that is to be removed is there.
    fn standing_files(&self, change: &Change) -> Result<u64> {
        let files = self.files()?;
        let there: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        if change.removes.iter().any(|file| !there.contains(file.path.as_str())) {
            return Err(Error::Overtaken(self.name.to_string()));
        }
        Ok(files.iter().map(|file| file.rows).sum())
    }

    /// After a commit that removed files: is the table what it was before, with this change and no other? Released delta-rs can
    /// take two changes of one file for compatible, and rows would be there twice or come back.
    fn audit(&self, change: &Change, before: u64) -> Result<()> {
        let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum::<u64>();
        let (wanted, found) = (before + rows(&change.adds) - rows(&change.removes), self.rows()?);
        if wanted == found {
            return Ok(());
        }
        let why = format!("after version {} it has {found} rows and should have {wanted}", self.version());
        Err(Error::Damaged { what: self.name.to_string(), why })
    }

    async fn try_commit(&mut self, change: &Change, txn: &Txn) -> Result<u64> {
        let now = chrono::Utc::now().timestamp_millis();
        let removes = change.removes.iter().map(|file| Action::Remove(remove(file, now, !change.rearranged)));
        let adds = change.adds.iter().map(|file| Action::Add(add(file, now, !change.rearranged)));
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

fn add(file: &DataFile, now: i64, data_change: bool) -> Add {
    Add {
        path: file.path.clone(),
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        modification_time: now,
        data_change,
        stats: Some(format!("{{\"numRecords\":{}}}", file.rows)),
        ..Add::default()
    }
}

fn remove(file: &DataFile, now: i64, data_change: bool) -> Remove {
    Remove {
        path: file.path.clone(),
        data_change,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: Some(i64::try_from(file.size).unwrap_or(i64::MAX)),
        ..Remove::default()
    }
}
