//! Planted faults, for tests of crash safety and of the ledger. In release builds every call is nothing.
//!
//! `TRIBUTARY_FAULT=kill:<point>:<n>` ends the process by SIGKILL the n-th time (from 1) it passes the point;
//! `TRIBUTARY_FAULT=error:<point>:<n>` makes the n-th pass an error; `TRIBUTARY_FAULT=drop:<stage>` drops one row there.
//! `TRIBUTARY_FAULT_LOG=<file>` appends the name of every point passed, so that a test knows which there are.
//!
//! [`Faulty`] is a store that fails, for tests that put one under a lake; it is never there by itself.

mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::{Value, json};

use crate::Location;

pub use store::{Fault as StoreFault, Faulty, Plan};

static MOUNTED: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>> = Mutex::new(BTreeMap::new());

/// Puts `store` where [`Location::parse`] finds it in this process: `fault://<name>/lake`.
pub fn mount(name: &str, store: Arc<dyn ObjectStore>) {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), store);
}

/// Takes a store away again.
pub fn unmount(name: &str) {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
}

pub(crate) fn mounted(name: &str) -> Option<Arc<dyn ObjectStore>> {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
}

/// Lets all leases of a lake run out, as they do a minute after their holders have ended.
///
/// # Errors
/// If the store fails.
pub async fn expire_leases(location: &Location) -> object_store::Result<()> {
    let folder = location.path(["_tributary", "lease"]);
    let leases: Vec<_> = location.store.list(Some(&folder)).try_collect().await?;
    for lease in leases {
        let bytes = location.store.get(&lease.location).await?.bytes().await?;
        // One that was torn is nobody's.
        let Ok(mut held) = serde_json::from_slice::<Value>(&bytes) else { continue };
        held["until"] = json!("2000-01-01T00:00:00Z");
        location.store.put(&lease.location, held.to_string().into_bytes().into()).await?;
    }
    Ok(())
}

/// Passes a point where a process may end.
///
/// # Errors
/// Only if a fault of kind `error` is planted here.
#[cfg(debug_assertions)]
pub fn point(name: &str) -> crate::Result<()> {
    debug::point(name)
}

/// Passes a point where a process may end.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) -> crate::Result<()> {
    Ok(())
}

/// Whether a row is to be dropped at this stage (once).
#[cfg(debug_assertions)]
pub fn drops(stage: &str) -> bool {
    debug::drops(stage)
}

/// Whether a row is to be dropped at this stage (once).
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn drops(_stage: &str) -> bool {
    false
}

#[cfg(debug_assertions)]
mod debug {
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    enum Fault {
        Kill(String, u64),
        Error(String, u64),
        Drop(String),
    }

    fn planted() -> Option<&'static Fault> {
        static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
        FAULT
            .get_or_init(|| {
                let text = std::env::var("TRIBUTARY_FAULT").ok()?;
                let mut parts = text.splitn(3, ':');
                let (kind, place) = (parts.next()?, parts.next()?.to_owned());
                let nth = parts.next().and_then(|n| n.parse().ok()).unwrap_or(1);
                match kind {
                    "kill" => Some(Fault::Kill(place, nth)),
                    "error" => Some(Fault::Error(place, nth)),
                    "drop" => Some(Fault::Drop(place)),
                    _ => None,
                }
            })
            .as_ref()
    }

    pub fn point(name: &str) -> crate::Result<()> {
        static PASSED: AtomicU64 = AtomicU64::new(0);
        if let Ok(path) = std::env::var("TRIBUTARY_FAULT_LOG")
            && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
        {
            // In one write, so that the lines of several threads stay whole.
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
        match planted() {
            Some(Fault::Kill(place, nth)) if place == name => {
                if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *nth {
                    let _ = std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
                    std::process::abort();
                }
                Ok(())
            }
            Some(Fault::Error(place, nth)) if place == name => {
                if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *nth {
                    Err(crate::Error::Planted)
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    pub fn drops(stage: &str) -> bool {
        static DONE: AtomicBool = AtomicBool::new(false);
        matches!(planted(), Some(Fault::Drop(place)) if place == stage) && !DONE.swap(true, Ordering::SeqCst)
    }
}
