//! What a lake promises, tried on a local folder.

use std::collections::BTreeMap;

use serde_json::json;
use tributary_lake::{Error, Lease, RunRecord, StageCommit, StageLog, StreamLog, TableChange, TableName, TableSpec};

use crate::support::{at, lake, spec, stream, write};

#[tokio::test]
async fn rows_and_position_become_visible_together() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    let mut table = lake.ensure_table(&spec).await.unwrap();
    let mut log = StreamLog::open(&lake, &table, stream()).await.unwrap();
    assert_eq!((log.next_epoch(), log.positions.len()), (1, 0));
    for batch in 1..=20u64 {
        let files = write(&lake, &spec, &[batch as i64]).await;
        let counts = [("read".to_owned(), 1)].into();
        log.commit(&lake, &mut table, files, at(batch), counts, 1).await.unwrap();
    }

    let table = lake.table(&spec.name).await.unwrap().unwrap();
    let log = StreamLog::open(&lake, &table, stream()).await.unwrap();
    assert_eq!(table.rows().unwrap(), 20);
    assert_eq!(log.positions, at(20));
    assert_eq!(log.next_epoch(), 21);
    assert_eq!(log.totals["read"], 20);
}

#[tokio::test]
async fn a_run_that_was_overtaken_commits_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    let mut table = lake.ensure_table(&spec).await.unwrap();
    let mut zombie = StreamLog::open(&lake, &table, stream()).await.unwrap();
    let mut zombies_table = table.clone();
    let mut log = zombie.clone();
    let files = write(&lake, &spec, &[1]).await;
    log.commit(&lake, &mut table, files, at(1), BTreeMap::new(), 1).await.unwrap();

    let files = write(&lake, &spec, &[1]).await;
    let outcome = zombie.commit(&lake, &mut zombies_table, files, at(1), BTreeMap::new(), 2).await;
    assert!(matches!(outcome, Err(Error::Overtaken(_))), "{outcome:?}");
    assert_eq!(lake.table(&spec.name).await.unwrap().unwrap().rows().unwrap(), 1);
}

#[tokio::test]
async fn a_state_object_that_is_gone_stops_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    let mut table = lake.ensure_table(&spec).await.unwrap();
    let mut log = StreamLog::open(&lake, &table, stream()).await.unwrap();
    let files = write(&lake, &spec, &[1]).await;
    log.commit(&lake, &mut table, files, at(1), BTreeMap::new(), 1).await.unwrap();

    std::fs::remove_dir_all(folder.path().join("lake/_tributary/state")).unwrap();
    let outcome = StreamLog::open(&lake, &table, stream()).await;
    assert!(matches!(outcome, Err(Error::Damaged { .. })), "{outcome:?}");
}

fn commit(run: &str, table: &TableSpec, change: TableChange) -> StageCommit {
    StageCommit {
        run: run.into(),
        fingerprint: BTreeMap::new(),
        inputs: BTreeMap::new(),
        owns: vec![table.name.clone()],
        changes: [(table.name.clone(), change)].into(),
        notes: json!(null),
    }
}

#[tokio::test]
async fn a_stage_replaces_its_tables_as_a_whole_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("a");
    lake.ensure_table(&spec).await.unwrap();
    let mut log = StageLog::open(&lake, "clean").await.unwrap();
    let first = write(&lake, &spec, &[1, 2]).await;
    log.commit(&lake, commit("r1", &spec, TableChange { adds: first.clone(), removes: vec![] })).await.unwrap();
    let mut stale = StageLog::open(&lake, "clean").await.unwrap();
    let second = write(&lake, &spec, &[3]).await;
    log.commit(&lake, commit("r2", &spec, TableChange { adds: second, removes: first.clone() })).await.unwrap();

    let third = write(&lake, &spec, &[4]).await;
    let outcome = stale.commit(&lake, commit("r3", &spec, TableChange { adds: third, removes: first })).await;
    assert!(matches!(outcome, Err(Error::Overtaken(_))), "{outcome:?}");
    assert_eq!(lake.table(&spec.name).await.unwrap().unwrap().rows().unwrap(), 1);
    assert!(StageLog::open(&lake, "clean").await.unwrap().last.is_some());

    std::fs::remove_dir_all(folder.path().join("lake/raw/a")).unwrap();
    let log = StageLog::open(&lake, "clean").await.unwrap();
    assert_eq!((log.last.is_none(), log.missing), (true, vec![spec.name]));
}

#[tokio::test]
async fn a_lease_has_one_holder_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let lease = Lease::take(&lake, "run", "a run of `omnichannel`").await.unwrap();
    let second = Lease::take(&lake, "run", "another").await;
    match second {
        Err(Error::Held { holder, .. }) => assert!(holder.starts_with("a run of `omnichannel`"), "{holder}"),
        other => panic!("{other:?}"),
    }
    let token = lease.token();
    lease.release().await.unwrap();
    assert!(Lease::take(&lake, "run", "another").await.unwrap().token() > token);
}

#[tokio::test]
async fn manifests_of_runs_at_once_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let record = |n: u64| RunRecord {
        run: format!("r{n}"),
        pipeline: "p".into(),
        started: chrono::Utc::now(),
        status: "done".into(),
        summary: json!({}),
        tables: [(TableName::new("raw", format!("t{n}")), n)].into(),
    };
    let runs: Vec<_> = (0..6).map(record).collect();
    let outcomes = futures::future::join_all(runs.iter().map(|run| lake.record_run(run))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let manifest = lake.manifest().await.unwrap();
    assert_eq!((manifest.number, manifest.tables.len()), (6, 6));
}

#[tokio::test]
async fn no_personal_value_is_in_the_log_or_in_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    let mut table = lake.ensure_table(&spec).await.unwrap();
    let mut log = StreamLog::open(&lake, &table, stream()).await.unwrap();
    let files = write(&lake, &spec, &[77]).await;
    let path = folder.path().join("lake/raw/shop_orders").join(&files[0].path);
    log.commit(&lake, &mut table, files, at(1), BTreeMap::new(), 1).await.unwrap();

    for entry in std::fs::read_dir(folder.path().join("lake/raw/shop_orders/_delta_log")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        assert!(!text.contains("+8613800000077"));
    }
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
    let group = parquet::file::reader::FileReader::metadata(&reader).row_group(0).clone();
    assert!(group.column(0).statistics().is_some());
    assert!(group.column(1).statistics().is_none());
}
