//! What past epochs and killed writers leave beside the tables.

use std::collections::BTreeMap;
use std::time::SystemTime;

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use super::{Maintenance, delta};
use crate::{Error, Lake, Result, objects};

/// Epochs of a stream whose state stays however old it is: more than lie between two snapshots of the positions.
const KEPT_EPOCHS: u32 = 64;

/// Deletes state objects that are old, and so far behind those that are not that nobody goes back to them.
pub(super) async fn state(lake: &Lake, options: &Maintenance) -> Result<u64> {
    let folder = lake.location.path(["_tributary", "state"]);
    let before = chrono::Utc::now() - delta(options.state)?;
    let mut streams: BTreeMap<Path, Vec<(u32, bool, Path)>> = BTreeMap::new();
    let mut found = lake.location.store.list(Some(&folder));
    while let Some(object) = found.try_next().await.map_err(Error::store("list", &folder))? {
        let parts: Vec<_> = object.location.parts().collect();
        let Some((name, stream)) = parts.split_last() else { continue };
        let epoch = name.as_ref().split_once('-').and_then(|(epoch, _)| epoch.parse().ok());
        let Some(epoch) = epoch else { continue };
        let old = object.last_modified < before;
        streams.entry(stream.iter().cloned().collect()).or_default().push((epoch, old, object.location));
    }
    let mut deleted = 0;
    for objects in streams.into_values() {
        let newest = objects.iter().map(|(epoch, ..)| *epoch).max().unwrap_or_default();
        let young = objects.iter().filter(|(_, old, _)| !old).map(|(epoch, ..)| *epoch);
        let kept = young.min().unwrap_or(newest);
        for (epoch, old, path) in objects {
            if old && epoch + KEPT_EPOCHS < kept {
                objects::delete(&lake.location, &path).await?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

/// Deletes what killed writers left on a local disk, where it has names that no store lists.
pub(super) fn staging(lake: &Lake, options: &Maintenance) -> Result<u64> {
    if !lake.location.local {
        return Ok(0);
    }
    let failed = |what: &std::path::Path| {
        let what = what.display().to_string();
        move |source: std::io::Error| {
            Error::store("look for leavings in", what)(object_store::Error::Generic {
                store: "local",
                source: source.into(),
            })
        }
    };
    let Ok(root) = lake.location.url.to_file_path() else { return Ok(0) };
    let (mut deleted, mut folders) = (0, vec![root.clone()]);
    let staging = root.join("_tributary").join("staging");
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(failed(&folder)(e)),
        };
        for entry in entries {
            let entry = entry.map_err(failed(&folder))?;
            let path = entry.path();
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(path);
                continue;
            }
            let unfinished = entry
                .file_name()
                .to_str()
                .and_then(|name| name.rsplit_once('#'))
                .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
            let age = about.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            if (unfinished || folder == staging) && age.is_some_and(|age| age > options.retention) {
                std::fs::remove_file(&path).map_err(failed(&path))?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}
