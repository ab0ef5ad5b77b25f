//! Keeping a lake fast and small: many small files become few, what nobody needs any more goes.
//!
//! Maintenance is done by whoever holds the lake's lease, table by table. Each step is whole by itself: one that is killed
//! leaves what it had not done for the next.

mod compact;
mod garbage;
mod vacuum;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Error, Lake, Lease, Manifest, Result, TableName, objects};

/// When a table is compacted, and how long what is gone is kept.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// Files of about one size that are put together once there are so many of them.
    pub files: usize,
    /// No file grows beyond this by being put together, in bytes.
    pub largest: u64,
    /// How long a removed file stays for who reads an older version, and an unknown one for who may still commit it.
    pub retention: Duration,
    /// How long the positions and counts of past epochs are kept.
    pub state: Duration,
}

impl Default for Maintenance {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { files: 16, largest: 128 << 20, retention: 7 * DAY, state: 30 * DAY }
    }
}

impl Maintenance {
    /// As much as can be done, whether it is worth while or not.
    pub fn thorough() -> Self {
        Self { files: 2, ..Self::default() }
    }
}

/// What was done to a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Maintained {
    /// Files that were put together, and what came of them.
    pub files_before: u64,
    pub files_after: u64,
    pub rows: u64,
    /// Data files deleted, with their bytes.
    pub deleted: u64,
    pub freed: u64,
}

/// What a maintenance did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Upkeep {
    /// Tables to which something was done.
    pub tables: BTreeMap<TableName, Maintained>,
    /// Tables that were compacted, with their new versions.
    pub versions: BTreeMap<TableName, u64>,
    /// State objects of past epochs, and leavings of writers that were killed.
    pub objects: u64,
}

const FILE: &str = "upkeep.json";
const FORMAT: u32 = 1;

/// When upkeep was last done.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    format: u32,
    vacuumed: DateTime<Utc>,
}

impl Upkeep {
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.objects == 0
    }
}

impl Lake {
    /// Puts small files together in those tables for which `appended` says that nothing remembers their files by name.
    ///
    /// # Errors
    /// If the store fails, or the lease is lost. What was done until then stays.
    pub async fn compact(
        &self,
        lease: &Lease,
        options: &Maintenance,
        appended: impl Fn(&TableName) -> bool,
        upkeep: &mut Upkeep,
    ) -> Result<()> {
        for name in self.tables().await?.into_iter().filter(|name| appended(name)) {
            let Some(mut table) = self.table(&name).await? else { continue };
            let done = compact::compact(self, &mut table, lease, options).await?;
            if done.files_before > 0 {
                upkeep.versions.insert(name.clone(), table.version());
                upkeep.tables.insert(name, done);
            }
        }
        Ok(())
    }

    /// Deletes what neither the newest version of a table nor that of the newest manifest needs, once it is old enough, and what is left of
    /// past epochs and killed writers.
    ///
    /// # Errors
    /// If the store fails, or the lease is lost. What was done until then stays.
    pub async fn vacuum(&self, lease: &Lease, options: &Maintenance, upkeep: &mut Upkeep) -> Result<()> {
        let manifest = self.manifest().await?;
        for name in self.tables().await? {
            lease.fence().check().await?;
            let Some(table) = self.table(&name).await? else { continue };
            let (deleted, freed) = vacuum::vacuum(self, &table, &kept(&manifest, &name), options).await?;
            if deleted > 0 {
                let done = upkeep.tables.entry(name).or_default();
                (done.deleted, done.freed) = (deleted, freed);
            }
        }
        upkeep.objects += garbage::state(self, options).await? + garbage::staging(self, options)?;
        let done = Done { format: FORMAT, vacuumed: Utc::now() };
        objects::put(&self.location, &self.location.path(["_tributary", FILE]), objects::to_bytes(&done, FILE)?).await
    }

    /// When [`Lake::vacuum`] last came to its end.
    ///
    /// # Errors
    /// If the store fails, or a newer program wrote it.
    pub async fn last_vacuum(&self) -> Result<Option<DateTime<Utc>>> {
        let Some(bytes) = objects::get(&self.location, &self.location.path(["_tributary", FILE])).await? else {
            return Ok(None);
        };
        let done: Done = objects::from_bytes(&bytes, FILE)?;
        if done.format > FORMAT {
            return Err(Error::Format { what: FILE.into(), format: done.format });
        }
        Ok(Some(done.vacuumed))
    }
}

fn kept(manifest: &Manifest, name: &TableName) -> Vec<u64> {
    manifest.tables.get(name).copied().into_iter().collect()
}

fn delta(duration: Duration) -> Result<chrono::TimeDelta> {
    chrono::TimeDelta::from_std(duration)
        .map_err(|e| Error::Damaged { what: "a retention".into(), why: format!("it is too long: {e}") })
}
