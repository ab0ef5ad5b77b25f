//! Does an object store do what exactly-once needs? Some gateways ignore the condition of a create-only write and answer
//! success to everybody; on such a store two writers would both believe they had committed.

use bytes::Bytes;
use futures::future::join_all;
use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::{Error, Location, Result, objects};

const RACERS: usize = 8;

/// Tries the store with throw-away objects under `_tributary/probe`.
///
/// # Errors
/// [`Error::Racy`] if it does not keep writers apart, [`Error::Location`] if it cannot be used at all.
pub(crate) async fn conditional_put(location: &Location) -> Result<()> {
    let refuse = |why: &str| Error::Location { location: location.text.clone(), why: why.into() };
    let racy = |why: &str| Error::Racy { location: location.text.clone(), why: why.into() };
    let folder = location.path(["_tributary", "probe"]);
    let once = folder.clone().join(uuid::Uuid::new_v4().to_string());
    let raced = folder.join(uuid::Uuid::new_v4().to_string());
    let create = |path, body: String| async move {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        location.store.put_opts(path, PutPayload::from_bytes(Bytes::from(body)), options).await
    };

    let first = create(&once, "a".into()).await;
    match first {
        // A store that knows no such writes says so.
        Err(object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. }) => {
            return Err(racy("the store has no create-only writes (conditional put)"));
        }
        Err(e) if e.to_string().contains("501") => {
            return Err(racy("the store answers 501 to create-only writes (conditional put)"));
        }
        other => other.map_err(|e| refuse(&format!("it cannot be written to ({e})")))?,
    };
    let second = create(&once, "b".into()).await;
    let read = objects::get(location, &once).await?;
    let winners = join_all((0..RACERS).map(|n| create(&raced, n.to_string()))).await;
    let winners = winners.iter().filter(|outcome| outcome.is_ok()).count();
    for path in [&once, &raced] {
        let _ = location.store.delete(path).await;
    }

    if second.is_ok() {
        return Err(racy(
            "the store overwrites an object that a create-only write must keep (conditional put is ignored)",
        ));
    }
    if read.as_deref() != Some(b"a") {
        return Err(refuse("an object just written does not read back"));
    }
    if winners != 1 {
        return Err(racy(&format!("of {RACERS} create-only writes at once {winners} succeeded, not one")));
    }
    Ok(())
}
