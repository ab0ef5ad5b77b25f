//! Small JSON objects beside the tables: created once, numbered, checked by hash.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Location, Result};

/// Outcome of a create-only put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    New,
    /// Something is there already; whose, the caller must see by reading it.
    Exists,
}

pub(crate) fn to_bytes(value: &impl Serialize, what: &str) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value)
        .map_err(|e| Error::Damaged { what: what.into(), why: format!("it cannot be written as JSON: {e}") })
}

pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::Damaged { what: what.into(), why: e.to_string() })
}

/// First 32 bits of a content's hash, as they go into a transaction's version and an object's name.
pub(crate) fn short_hash(bytes: &[u8]) -> u32 {
    let hash = blake3::hash(bytes);
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

pub(crate) async fn create(location: &Location, path: &Path, bytes: Vec<u8>) -> Result<Created> {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let payload = PutPayload::from_bytes(Bytes::from(bytes));
    match location.store.put_opts(path, payload, options).await {
        Ok(_) => Ok(Created::New),
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
            Ok(Created::Exists)
        }
        Err(e) => Err(Error::store("write", path)(e)),
    }
}

pub(crate) async fn put(location: &Location, path: &Path, bytes: Vec<u8>) -> Result<()> {
    let payload = PutPayload::from_bytes(Bytes::from(bytes));
    location.store.put(path, payload).await.map(drop).map_err(Error::store("write", path))
}

pub(crate) async fn get(location: &Location, path: &Path) -> Result<Option<Bytes>> {
    match location.store.get(path).await {
        Ok(found) => found.bytes().await.map(Some).map_err(Error::store("read", path)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(Error::store("read", path)(e)),
    }
}

/// How many bytes an object has, if it is there.
pub(crate) async fn size(location: &Location, path: &Path) -> Result<Option<u64>> {
    match location.store.head(path).await {
        Ok(meta) => Ok(Some(meta.size)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(Error::store("look at", path)(e)),
    }
}

pub(crate) async fn delete(location: &Location, path: &Path) -> Result<()> {
    match location.store.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(e) => Err(Error::store("delete", path)(e)),
    }
}

/// File names directly under `prefix`, sorted.
pub(crate) async fn names(location: &Location, prefix: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = location
        .store
        .list(Some(prefix))
        .try_filter_map(|meta| async move { Ok(meta.location.filename().map(str::to_owned)) })
        .try_collect()
        .await
        .map_err(Error::store("list", prefix))?;
    names.sort_unstable();
    Ok(names)
}
