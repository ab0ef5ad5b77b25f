//! Many writers on one table.

use std::collections::BTreeMap;

use futures::future::join_all;
use tributary_lake::{StreamId, StreamLog};

use crate::support::{at, lake, numbers, spec, write};

const WRITERS: i64 = 32;
/// A commit takes a quarter of a second in a debug build, most of it reading the log.
const BATCHES: i64 = if cfg!(debug_assertions) { 4 } else { 20 };

/// Released delta-rs alone lets 14 of 32 give up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_up_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    lake.ensure_table(&spec).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let (lake, spec) = (lake.clone(), spec.clone());
        tokio::spawn(async move {
            let mut table = lake.table(&spec.name).await.unwrap().unwrap();
            let id = StreamId { source: "shop".into(), stream: format!("s{writer}"), incarnation: 1 };
            let mut log = StreamLog::open(&lake, &table, id).await.unwrap();
            for batch in 0..BATCHES {
                let files = write(&lake, &spec, &[writer * BATCHES + batch]).await;
                let at = at(u64::try_from(batch).unwrap());
                log.commit(&lake, &mut table, files, at, BTreeMap::new(), 1).await.unwrap();
            }
        })
    });
    for outcome in join_all(writers).await {
        outcome.unwrap();
    }
    let table = lake.table(&spec.name).await.unwrap().unwrap();
    assert_eq!(numbers(&lake, &table).await, (0..WRITERS * BATCHES).collect::<Vec<_>>());
}
