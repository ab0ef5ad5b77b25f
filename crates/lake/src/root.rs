//! A lake: its place, its id, its seed, and the sequence of its commits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use deltalake::DeltaTable;
use futures::TryStreamExt;
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};

use crate::lease::Fence;
use crate::objects::{self, Created};
use crate::single::SingleWriter;
use crate::{Error, Lease, Location, Result, TableName, probe};

const FORMAT: u32 = 1;
/// How many of the newest commit numbers are kept as objects.
const KEPT_NUMBERS: i64 = 16;

/// What is written once, when a lake is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LakeInfo {
    pub format: u32,
    pub id: String,
    /// Keys of hashes are derived from it; two lakes with one seed and one history are equal.
    pub seed: String,
    /// Whether the store does not keep create-only writes apart, and the owner sees to it that one process writes at a time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_writer: bool,
    pub created: chrono::DateTime<Utc>,
}

/// An open lake.
#[derive(Debug, Clone)]
pub struct Lake {
    pub location: Location,
    pub info: LakeInfo,
    pub(crate) fence: Option<Fence>,
    /// Per table, whose turn it is to commit: writers of one process line up, as each that loses a race has to look at all that won.
    queues: Queues,
    /// Tables as they were last loaded, so that only what their logs have more is read.
    pub(crate) loaded: Arc<Mutex<BTreeMap<TableName, DeltaTable>>>,
}

type Queues = Arc<Mutex<BTreeMap<TableName, Arc<tokio::sync::Mutex<()>>>>>;

impl Lake {
    /// Opens the lake at `location`.
    ///
    /// # Errors
    /// [`Error::NoLake`] if there is none, [`Error::Format`] if a newer program made it.
    pub async fn open(mut location: Location) -> Result<Self> {
        let path = location.path(["_tributary", "lake.json"]);
        let Some(bytes) = objects::get(&location, &path).await? else {
            return Err(Error::NoLake { location: location.text });
        };
        let info: LakeInfo = objects::from_bytes(&bytes, "_tributary/lake.json")?;
        if info.format > FORMAT {
            return Err(Error::Format { what: "_tributary/lake.json".into(), format: info.format });
        }
        if info.single_writer {
            location.store = Arc::new(SingleWriter(location.store));
        }
        Ok(Self { location, info, fence: None, queues: Queues::default(), loaded: Arc::default() })
    }

    /// Opens the lake, or makes it with `seed` (or a random one). A store that is not a local folder is tried first: it
    /// must keep create-only writes apart, unless a `single_writer` is promised.
    ///
    /// # Errors
    /// [`Error::Racy`] or [`Error::Location`] if the store cannot carry a lake.
    pub async fn open_or_create(location: Location, seed: Option<&str>, single_writer: bool) -> Result<Self> {
        match Self::open(location.clone()).await {
            Err(Error::NoLake { .. }) => {}
            other => return other,
        }
        if !location.local && !single_writer {
            probe::conditional_put(&location).await?;
        }
        let seed = match seed {
            Some(text) => text.to_owned(),
            None => format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
        };
        let id = uuid::Uuid::new_v4().to_string();
        let info = LakeInfo { format: FORMAT, id, seed, single_writer, created: Utc::now() };
        let path = location.path(["_tributary", "lake.json"]);
        let mut place = location.clone();
        if single_writer {
            place.store = Arc::new(SingleWriter(place.store));
        }
        objects::create(&place, &path, objects::to_bytes(&info, "_tributary/lake.json")?).await?;
        Self::open(location).await
    }

    /// The lake as the holder of a lease works on it: nothing is committed any more once another has taken the lease.
    pub fn under(&self, lease: &Lease) -> Self {
        Self { fence: Some(lease.fence()), ..self.clone() }
    }

    /// The queue of those who commit to a table.
    pub(crate) fn queue(&self, table: &TableName) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queues.entry(table.clone()).or_default())
    }

    /// Whether the lease under which the lake is worked on still holds.
    pub(crate) async fn check(&self) -> Result<()> {
        match &self.fence {
            Some(fence) => fence.check().await,
            None => Ok(()),
        }
    }

    /// A key for keyed hashes of one purpose.
    pub fn key(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(&format!("tributary v1 {purpose}"), self.info.seed.as_bytes())
    }

    /// The next number of the lake's commit sequence. Numbers are never given twice; some may be left out.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn next_commit(&self) -> Result<i64> {
        let folder = self.location.path(["_tributary", "commit"]);
        let names = objects::names(&self.location, &folder).await?;
        let numbers: Vec<i64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let mut next = numbers.iter().max().map_or(1, |newest| newest + 1);
        while objects::create(&self.location, &folder.clone().join(format!("{next:012}")), Vec::new()).await?
            == Created::Exists
        {
            next += 1;
        }
        for old in numbers.iter().filter(|number| **number < next - KEPT_NUMBERS) {
            objects::delete(&self.location, &folder.clone().join(format!("{old:012}"))).await?;
        }
        Ok(next)
    }

    /// All tables there are, by name.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn tables(&self) -> Result<Vec<TableName>> {
        let store = &self.location.store;
        let listed = |path: &object_store::path::Path| Error::store("list", path.clone());
        let root =
            store.list_with_delimiter(Some(&self.location.prefix)).await.map_err(listed(&self.location.prefix))?;
        let mut found = Vec::new();
        for layer in root.common_prefixes {
            let Some(layer_name) = layer.filename().filter(|name| !name.starts_with('_')) else { continue };
            let inner = store.list_with_delimiter(Some(&layer)).await.map_err(listed(&layer))?;
            for table in inner.common_prefixes {
                if let Some(name) = table.filename() {
                    let log = table.clone().join("_delta_log");
                    let mut entries = store.list(Some(&log));
                    if entries.try_next().await.map_err(listed(&log))?.is_some() {
                        found.push(TableName::new(layer_name, name));
                    }
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// All streams of which state is kept, as source and stream, in order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn streams(&self) -> Result<Vec<(String, String)>> {
        let store = &self.location.store;
        let listed = |path: &object_store::path::Path| Error::store("list", path.clone());
        let plain = |name: &str| percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
        let root = self.location.path(["_tributary", "state"]);
        let mut found = std::collections::BTreeSet::new();
        for source in store.list_with_delimiter(Some(&root)).await.map_err(listed(&root))?.common_prefixes {
            let Some(name) = source.filename().map(plain) else { continue };
            for stream in store.list_with_delimiter(Some(&source)).await.map_err(listed(&source))?.common_prefixes {
                if let Some((stream, _)) = stream.filename().and_then(|stream| stream.rsplit_once('@')) {
                    found.insert((name.clone(), plain(stream)));
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The newest version of a table, from the names of its log alone; `None` if there is no such table.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn latest_version(&self, table: &TableName) -> Result<Option<u64>> {
        let log = self.location.path([table.layer.as_str(), table.name.as_str(), "_delta_log"]);
        let names = objects::names(&self.location, &log).await?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).max())
    }
}
