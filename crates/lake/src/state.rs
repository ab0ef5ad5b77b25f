//! Where a stream stands. The table's transaction version says which epoch is the last and the hash of its state object;
//! the state object, written before, holds the positions and the counts.
//!
//! An object holds the positions that its batch changed; every sixteenth holds all of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::objects::{self, Created};
use crate::{Change, DataFile, Error, Lake, Result, Table, Txn, fault};

const FORMAT: u32 = 1;
const SNAPSHOT_EVERY: u32 = 16;

/// A stream of a source, in one incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamId {
    pub source: String,
    pub stream: String,
    /// From 1 upwards: a reset, and an undo that goes back, start the next. From -1 downwards: backfills, beside those.
    pub incarnation: i32,
}

/// An epoch's number and the first 32 bits of its state object's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    pub number: u32,
    pub hash: u32,
}

impl Epoch {
    pub fn from_version(version: i64) -> Self {
        Self { number: (version >> 32) as u32, hash: (version & 0xffff_ffff) as u32 }
    }

    pub fn version(self) -> i64 {
        (i64::from(self.number) << 32) | i64::from(self.hash)
    }
}

/// What one batch did, as its state object says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Progress {
    pub format: u32,
    pub epoch: u32,
    /// The epoch before this one, as its transaction version.
    pub previous: Option<i64>,
    /// Whether `positions` holds all positions, or the changes since the epoch before.
    pub snapshot: bool,
    /// Partition → position; null where a partition was forgotten.
    pub positions: BTreeMap<String, Value>,
    /// The batch's counts: read, written, duplicate, rejected, …
    pub counts: BTreeMap<String, u64>,
    /// The counts of all epochs so far.
    pub totals: BTreeMap<String, u64>,
    pub commit: i64,
    /// The run that read the batch; states of before this was written down have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    pub created: DateTime<Utc>,
}

/// A stream's state, open for going on.
#[derive(Debug, Clone)]
pub struct StreamLog {
    pub id: StreamId,
    pub epoch: Option<Epoch>,
    pub positions: BTreeMap<String, Value>,
    pub totals: BTreeMap<String, u64>,
    /// The commit of the newest batch.
    pub commit: Option<i64>,
    /// Whose batches the next ones are.
    pub run: Option<String>,
    since_snapshot: u32,
}

impl StreamId {
    /// The stream in the incarnation that is at work on `table`: the newest.
    ///
    /// # Errors
    /// If the table's log cannot be read.
    pub async fn live(lake: &Lake, table: &Table, source: &str, stream: &str) -> Result<Self> {
        let mut id = Self { source: source.into(), stream: stream.into(), incarnation: 1 };
        loop {
            let next = Self { incarnation: id.incarnation + 1, ..id.clone() };
            if table.txn(&next.app(lake)).await?.is_none() {
                return Ok(id);
            }
            id = next;
        }
    }

    /// The stream's backfills, in the order in which they began.
    ///
    /// # Errors
    /// If the table's log cannot be read.
    pub async fn backfills(lake: &Lake, table: &Table, source: &str, stream: &str) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        let mut next = Self { source: source.into(), stream: stream.into(), incarnation: -1 };
        while table.txn(&next.app(lake)).await?.is_some() {
            found.push(next.clone());
            next.incarnation -= 1;
        }
        Ok(found)
    }

    fn app(&self, lake: &Lake) -> String {
        format!("tributary:v1/{}/{}/{}@{}", lake.info.id, self.source, self.stream, self.incarnation)
    }

    fn object(&self, lake: &Lake, epoch: Epoch) -> Path {
        let folder = format!("{}@{}", self.stream, self.incarnation);
        let name = format!("{:010}-{:08x}.json", epoch.number, epoch.hash);
        lake.location.path(["_tributary", "state", &self.source, &folder, &name])
    }
}

impl StreamLog {
    /// Loads where the stream stands on `table`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a state object is missing or is not what was written: nothing is guessed.
    pub async fn open(lake: &Lake, table: &Table, id: StreamId) -> Result<Self> {
        let newest = table.txn(&id.app(lake)).await?.map(Epoch::from_version);
        let mut log = Self {
            id,
            epoch: newest,
            positions: BTreeMap::new(),
            totals: BTreeMap::new(),
            commit: None,
            run: None,
            since_snapshot: 0,
        };
        let mut chain = Vec::new();
        let mut next = newest;
        while let Some(epoch) = next {
            let progress = log.load(lake, epoch).await?;
            next = if progress.snapshot { None } else { progress.previous.map(Epoch::from_version) };
            chain.push(progress);
        }
        log.since_snapshot = u32::try_from(chain.len()).unwrap_or(SNAPSHOT_EVERY);
        if let Some(newest) = chain.first() {
            log.totals = newest.totals.clone();
            log.commit = Some(newest.commit);
        }
        for progress in chain.into_iter().rev() {
            log.apply(progress.positions);
        }
        Ok(log)
    }

    /// The state object of an epoch.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is missing or is not what was written.
    pub async fn load(&self, lake: &Lake, epoch: Epoch) -> Result<Progress> {
        let path = self.id.object(lake, epoch);
        let damaged = |why: &str| Error::Damaged { what: path.to_string(), why: why.into() };
        let bytes = objects::get(&lake.location, &path).await?.ok_or_else(|| damaged("the state object is missing"))?;
        if objects::short_hash(&bytes) != epoch.hash {
            return Err(damaged("its content is not what was written"));
        }
        let progress: Progress = objects::from_bytes(&bytes, path.as_ref())?;
        if progress.format > FORMAT {
            return Err(Error::Format { what: path.to_string(), format: progress.format });
        }
        Ok(progress)
    }

    /// The epochs of this incarnation since `since`, newest first, as far as their state is kept.
    ///
    /// # Errors
    /// If the store fails, or a state object is not what was written.
    pub async fn history(&self, lake: &Lake, since: DateTime<Utc>) -> Result<Vec<Progress>> {
        let mut found = Vec::new();
        let mut next = self.epoch;
        while let Some(epoch) = next {
            let progress = self.load(lake, epoch).await?;
            if progress.created < since {
                break;
            }
            next = progress.previous.map(Epoch::from_version);
            found.push(progress);
        }
        Ok(found)
    }

    /// The positions as they were after the epoch of `version`; none before the first.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the state of then is no longer kept.
    pub async fn positions_at(&self, lake: &Lake, version: Option<i64>) -> Result<BTreeMap<String, Value>> {
        let mut then = Self { epoch: version.map(Epoch::from_version), ..self.clone() };
        then.positions.clear();
        let mut chain = Vec::new();
        let mut next = then.epoch;
        while let Some(epoch) = next {
            let progress = self.load(lake, epoch).await?;
            next = if progress.snapshot { None } else { progress.previous.map(Epoch::from_version) };
            chain.push(progress.positions);
        }
        chain.into_iter().rev().for_each(|positions| then.apply(positions));
        Ok(then.positions)
    }

    /// The stream in its next incarnation, standing at `positions`. It is live once a batch of it is committed.
    pub fn reborn(&self, positions: BTreeMap<String, Value>) -> Self {
        let id = StreamId { incarnation: self.id.incarnation + 1, ..self.id.clone() };
        Self { id, epoch: None, positions, since_snapshot: 0, ..self.clone() }
    }

    fn apply(&mut self, changes: BTreeMap<String, Value>) {
        for (partition, position) in changes {
            if position.is_null() {
                self.positions.remove(&partition);
            } else {
                self.positions.insert(partition, position);
            }
        }
    }

    /// The number of the epoch that the next batch will be.
    pub fn next_epoch(&self) -> u32 {
        self.epoch.map_or(1, |epoch| epoch.number + 1)
    }

    /// Commits a batch: its files, its new positions and its counts become visible together.
    ///
    /// # Errors
    /// [`Error::Overtaken`] if another run has gone on from here; nothing of the batch is visible then.
    pub async fn commit(
        &mut self,
        lake: &Lake,
        table: &mut Table,
        adds: Vec<DataFile>,
        positions: BTreeMap<String, Value>,
        counts: BTreeMap<String, u64>,
        commit: i64,
    ) -> Result<u64> {
        let snapshot = self.epoch.is_none() || self.since_snapshot >= SNAPSHOT_EVERY;
        let mut after = self.clone();
        after.apply(positions.clone());
        for (name, count) in &counts {
            *after.totals.entry(name.clone()).or_default() += count;
        }
        let progress = Progress {
            format: FORMAT,
            epoch: self.next_epoch(),
            previous: self.epoch.map(Epoch::version),
            snapshot,
            positions: if snapshot { after.positions.clone() } else { positions },
            counts,
            totals: after.totals.clone(),
            commit,
            run: self.run.clone(),
            created: Utc::now(),
        };
        let bytes = objects::to_bytes(&progress, "a state object")?;
        let epoch = Epoch { number: progress.epoch, hash: objects::short_hash(&bytes) };
        let path = self.id.object(lake, epoch);
        fault::point("raw.state.before")?;
        if objects::create(&lake.location, &path, bytes).await? == Created::Exists {
            // The name holds the content's hash; who wrote it wrote the same.
            self.load(lake, epoch).await?;
        }
        fault::point("raw.state.after")?;
        let txn = Txn { app: self.id.app(lake), from: self.epoch.map(Epoch::version), to: epoch.version() };
        let point = format!("{}.commit", table.name.layer);
        let version = table.commit(&Change { adds, ..Change::default() }, &txn, &point).await?;
        after.epoch = Some(epoch);
        after.commit = Some(commit);
        after.since_snapshot = if snapshot { 1 } else { self.since_snapshot + 1 };
        *self = after;
        Ok(version)
    }
}
