//! Changes to several tables that belong together: a stage's result.
//!
//! Data files are written first. Then one create-only object, the stage record, says what is to be added to and removed
//! from which table; creating it is the flip. Only then are the tables committed, each with the record's number as its
//! transaction, so that whoever comes next finishes what was left, and nothing is done twice.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::objects::{self, Created};
use crate::{Change, DataFile, Error, Lake, Result, Table, TableName, Txn, fault};

const FORMAT: u32 = 2;
/// How many records of a stage are kept.
const KEPT: usize = 8;

/// What a stage does to one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableChange {
    pub adds: Vec<DataFile>,
    pub removes: Vec<DataFile>,
}

/// A stage's last result, as its record says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageRecord {
    pub format: u32,
    pub stage: String,
    pub number: i64,
    pub run: String,
    /// Parts of what the stage does: name → fingerprint. A part that differs is why a stage does all anew.
    pub fingerprint: BTreeMap<String, String>,
    /// What it was made from: stream or table → epoch or version.
    pub inputs: BTreeMap<String, i64>,
    /// All tables the stage owns, changed or not.
    pub owns: Vec<TableName>,
    pub changes: BTreeMap<TableName, TableChange>,
    /// Counts for the ledger and whatever else the stage wants to find again.
    pub notes: Value,
    pub created: DateTime<Utc>,
}

/// A stage's records, open for the next.
#[derive(Debug, Clone)]
pub struct StageLog {
    stage: String,
    /// `None` before the first, and after one of the stage's tables was deleted.
    pub last: Option<StageRecord>,
    number: i64,
    /// Tables of the last record that are gone.
    pub missing: Vec<TableName>,
}

/// What a stage is about to commit.
#[derive(Debug, Clone)]
pub struct StageCommit {
    pub run: String,
    pub fingerprint: BTreeMap<String, String>,
    pub inputs: BTreeMap<String, i64>,
    pub owns: Vec<TableName>,
    pub changes: BTreeMap<TableName, TableChange>,
    pub notes: Value,
}

impl StageLog {
    fn app(lake: &Lake, stage: &str) -> String {
        format!("tributary:v1/{}/stage/{stage}", lake.info.id)
    }

    /// Opens a stage, and finishes what the last run of it left half done.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn open(lake: &Lake, stage: &str) -> Result<Self> {
        let mut log = Self::peek(lake, stage).await?;
        if let Some(record) = &log.last {
            Self::apply(lake, record).await?;
            // Applying can find out that a table is gone.
            log = Self::peek(lake, stage).await?;
        }
        Ok(log)
    }

    /// Looks at a stage without changing anything.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn peek(lake: &Lake, stage: &str) -> Result<Self> {
        let folder = lake.location.path(["_tributary", "stage", stage]);
        let names = objects::names(&lake.location, &folder).await?;
        let Some(newest) = names.last() else {
            return Ok(Self { stage: stage.into(), last: None, number: 0, missing: Vec::new() });
        };
        let path = folder.join(newest.as_str());
        let bytes = objects::get(&lake.location, &path)
            .await?
            .ok_or_else(|| Error::Damaged { what: path.to_string(), why: "it vanished while it was read".into() })?;
        let record: StageRecord = objects::from_bytes(&bytes, path.as_ref())?;
        if record.format > FORMAT {
            return Err(Error::Format { what: path.to_string(), format: record.format });
        }
        let mut missing = Vec::new();
        for table in &record.owns {
            let log = lake.location.path([table.layer.as_str(), table.name.as_str(), "_delta_log"]);
            if objects::names(&lake.location, &log).await?.is_empty() {
                missing.push(table.clone());
            }
        }
        let number = record.number;
        let last = missing.is_empty().then_some(record);
        Ok(Self { stage: stage.into(), last, number, missing })
    }

    /// Commits a stage's result as a whole. The tables must exist.
    ///
    /// # Errors
    /// [`Error::Overtaken`] if another run of the stage has committed since this one was opened.
    pub async fn commit(&mut self, lake: &Lake, commit: StageCommit) -> Result<BTreeMap<TableName, u64>> {
        let record = StageRecord {
            format: FORMAT,
            stage: self.stage.clone(),
            number: self.number + 1,
            run: commit.run,
            fingerprint: commit.fingerprint,
            inputs: commit.inputs,
            owns: commit.owns,
            changes: commit.changes,
            notes: commit.notes,
            created: Utc::now(),
        };
        let folder = lake.location.path(["_tributary", "stage", &self.stage]);
        let path = folder.clone().join(format!("{:012}.json", record.number));
        let bytes = objects::to_bytes(&record, path.as_ref())?;
        fault::point(&format!("{}.record.before", self.stage))?;
        lake.check().await?;
        if objects::create(&lake.location, &path, bytes.clone()).await? == Created::Exists {
            // Ours, if a reply was lost; otherwise somebody else's.
            let there = objects::get(&lake.location, &path).await?;
            if there.as_deref() != Some(bytes.as_slice()) {
                return Err(Error::Overtaken(format!("stage {}", self.stage)));
            }
        }
        fault::point(&format!("{}.record.after", self.stage))?;
        let versions = Self::apply(lake, &record).await?;
        let names = objects::names(&lake.location, &folder).await?;
        for old in names.iter().rev().skip(KEPT) {
            objects::delete(&lake.location, &folder.clone().join(old.as_str())).await?;
        }
        self.number = record.number;
        self.missing.clear();
        self.last = Some(record);
        Ok(versions)
    }

    /// Brings the tables to where the record says. Tables that are gone are left alone: the stage will be done anew.
    async fn apply(lake: &Lake, record: &StageRecord) -> Result<BTreeMap<TableName, u64>> {
        let app = Self::app(lake, &record.stage);
        let mut versions = BTreeMap::new();
        for (name, change) in &record.changes {
            let Some(mut table) = lake.table(name).await? else { continue };
            let standing = table.txn(&app).await?;
            if standing.is_none_or(|number| number < record.number) {
                let there = table.files()?;
                let change = Change {
                    adds: change.adds.clone(),
                    removes: change.removes.iter().filter(|file| there.contains(file)).cloned().collect(),
                    rearranged: false,
                };
                let txn = Txn { app: app.clone(), from: standing, to: record.number };
                table.commit(&change, &txn, &format!("{}.commit", record.stage)).await?;
            }
            versions.insert(name.clone(), table.version());
        }
        Ok(versions)
    }

    /// The number of the stage's record that last changed a table: what a later stage remembers as its input. Compaction
    /// does not move it.
    ///
    /// # Errors
    /// If the table's log cannot be read.
    pub async fn standing(lake: &Lake, table: &Table, stage: &str) -> Result<i64> {
        Ok(table.txn(&Self::app(lake, stage)).await?.unwrap_or_default())
    }

    /// The number that the next record will bear.
    pub fn next_number(&self) -> i64 {
        self.number + 1
    }
}
