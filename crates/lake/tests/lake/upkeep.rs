//! Compaction, vacuum and garbage: what they do, and what they leave alone.

use std::collections::BTreeMap;
use std::time::Duration;

use tributary_lake::{Error, Lake, Lease, Maintenance, RunRecord, StreamLog, TableName, TableSpec, Upkeep};

use crate::support::{at, lake, numbers, objects, spec, stream, write};

async fn filled(lake: &Lake, spec: &TableSpec, batches: i64) {
    let mut table = lake.ensure_table(spec).await.unwrap();
    let mut log = StreamLog::open(lake, &table, stream()).await.unwrap();
    for _ in 0..batches {
        let next = log.next_epoch();
        let files = write(lake, spec, &[i64::from(next)]).await;
        log.commit(lake, &mut table, files, at(next.into()), BTreeMap::new(), 1).await.unwrap();
    }
}

fn raw(name: &TableName) -> bool {
    name.layer == "raw"
}

const NOW: Maintenance = Maintenance { files: 2, largest: 128 << 20, retention: Duration::ZERO, state: Duration::ZERO };

#[tokio::test]
async fn small_files_become_one_and_no_row_changes() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    filled(&lake, &spec, 20).await;
    let lease = Lease::take(&lake, "run", "maintenance").await.unwrap();
    let mut upkeep = Upkeep::default();
    lake.compact(&lease, &Maintenance::default(), raw, &mut upkeep).await.unwrap();
    let done = &upkeep.tables[&spec.name];
    assert_eq!((done.files_before, done.files_after, done.rows), (20, 1, 20));
    let table = lake.table(&spec.name).await.unwrap().unwrap();
    assert_eq!(numbers(&lake, &table).await, (1..=20).collect::<Vec<_>>());
    // Which columns are personal is still known: the compacted file has statistics of the others only.
    assert_eq!(table.schema().field(0).metadata().get("tributary.personal").map(String::as_str), Some("none"));
    assert_eq!(upkeep.versions[&spec.name], table.version());

    // Where the stream stands has not moved, and it goes on.
    filled(&lake, &spec, 3).await;
    let mut upkeep = Upkeep::default();
    lake.compact(&lease, &Maintenance::default(), raw, &mut upkeep).await.unwrap();
    assert!(upkeep.tables.is_empty(), "four files are few");
    lake.compact(&lease, &Maintenance::thorough(), raw, &mut upkeep).await.unwrap();
    let table = lake.table(&spec.name).await.unwrap().unwrap();
    assert_eq!((table.files().unwrap().len(), table.rows().unwrap()), (1, 23));
}

/// Who has a lake open keeps what he has read of its logs, and goes on from there.
#[tokio::test]
async fn a_lake_that_is_long_open_sees_what_others_did() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, lake) = (spec("shop_orders"), lake(&folder).await);
    filled(&lake, &spec, 2).await;
    assert_eq!(lake.table(&spec.name).await.unwrap().unwrap().version(), 2);

    // The log of then is gone by the time he looks again.
    let other = Lake::open(lake.location.clone()).await.unwrap();
    filled(&other, &spec, 3).await;
    let table = deltalake::open_table(other.table(&spec.name).await.unwrap().unwrap().url().clone()).await.unwrap();
    deltalake::protocol::checkpoints::create_checkpoint(&table, None).await.unwrap();
    let log = folder.path().join("lake/raw/shop_orders/_delta_log");
    for version in 0..5 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let other = Lake::open(lake.location.clone()).await.unwrap();
    filled(&other, &spec, 1).await;
    let table = lake.table(&spec.name).await.unwrap().unwrap();
    assert_eq!((table.version(), numbers(&lake, &table).await), (6, (1..=6).collect()));
}

#[tokio::test]
async fn a_column_that_came_later_is_null_in_older_rows() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let wide = spec("shop_orders");
    let narrow = TableSpec { name: wide.name.clone(), schema: wide.schema.project(&[0]).unwrap().into() };
    let mut table = lake.ensure_table(&narrow).await.unwrap();
    let mut log = StreamLog::open(&lake, &table, stream()).await.unwrap();
    let column = std::sync::Arc::new(arrow::array::Int64Array::from(vec![1]));
    let batch = arrow::array::RecordBatch::try_new(narrow.schema.clone(), vec![column]).unwrap();
    let mut writer = tributary_lake::TableWriter::new(&lake, &narrow, tributary_lake::WriterOptions::default());
    writer.write(&batch).await.unwrap();
    let files = writer.finish().await.unwrap();
    log.commit(&lake, &mut table, files, at(1), BTreeMap::new(), 1).await.unwrap();
    filled(&lake, &wide, 1).await;

    let lease = Lease::take(&lake, "run", "maintenance").await.unwrap();
    lake.compact(&lease, &NOW, raw, &mut Upkeep::default()).await.unwrap();
    let table = lake.table(&wide.name).await.unwrap().unwrap();
    assert_eq!((table.files().unwrap().len(), table.schema().fields().len()), (1, 2));
    assert_eq!(numbers(&lake, &table).await, [1, 2]);
}

#[tokio::test]
async fn what_the_manifest_names_stays_and_the_rest_goes_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    filled(&lake, &spec, 4).await;
    let version = lake.table(&spec.name).await.unwrap().unwrap().version();
    let record = |version: u64| RunRecord {
        run: "r".into(),
        pipeline: "p".into(),
        started: chrono::Utc::now(),
        status: "done".into(),
        summary: serde_json::Value::Null,
        tables: [(spec.name.clone(), version)].into(),
    };
    lake.record_run(&record(version)).await.unwrap();
    let lease = Lease::take(&lake, "run", "maintenance").await.unwrap();
    let mut upkeep = Upkeep::default();
    // Written and never committed: a run was killed.
    write(&lake, &spec, &[99]).await;
    lake.compact(&lease, &NOW, raw, &mut upkeep).await.unwrap();
    let patient = Maintenance { retention: Duration::from_secs(3600), ..NOW };
    lake.vacuum(&lease, &patient, &mut upkeep).await.unwrap();
    assert_eq!(upkeep.tables[&spec.name].deleted, 0, "nothing is old yet");

    lake.vacuum(&lease, &NOW, &mut upkeep).await.unwrap();
    assert_eq!(upkeep.tables[&spec.name].deleted, 1, "the orphan");
    let old = lake.table_at(&spec.name, version).await.unwrap();
    assert_eq!(numbers(&lake, &old).await, [1, 2, 3, 4]);

    lake.record_run(&record(upkeep.versions[&spec.name])).await.unwrap();
    let mut upkeep = Upkeep::default();
    lake.vacuum(&lease, &NOW, &mut upkeep).await.unwrap();
    assert_eq!(upkeep.tables[&spec.name].deleted, 4);
    let table = lake.table(&spec.name).await.unwrap().unwrap();
    assert_eq!(numbers(&lake, &table).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn state_of_past_epochs_goes_and_what_is_needed_to_go_on_stays() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    filled(&lake, &spec, 90).await;
    let staging = folder.path().join("lake/_tributary/staging");
    std::fs::create_dir_all(&staging).unwrap();
    std::fs::write(staging.join("left-behind"), "x").unwrap();
    std::fs::write(folder.path().join("lake/raw/shop_orders/part-1.parquet#1"), "x").unwrap();
    let lease = Lease::take(&lake, "run", "maintenance").await.unwrap();
    let mut upkeep = Upkeep::default();
    lake.vacuum(&lease, &NOW, &mut upkeep).await.unwrap();
    assert_eq!(upkeep.objects, 90 - 65 + 2);
    let state = objects(&lake.location).await;
    assert_eq!(state.iter().filter(|name| name.contains("_tributary/state/")).count(), 65);
    let table = lake.table(&spec.name).await.unwrap().unwrap();
    let log = StreamLog::open(&lake, &table, stream()).await.unwrap();
    assert_eq!((log.next_epoch(), log.positions), (91, at(90)));
}

#[tokio::test]
async fn who_has_lost_the_lease_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let spec = spec("shop_orders");
    filled(&lake, &spec, 4).await;
    let lease = Lease::take(&lake, "run", "one who sleeps").await.unwrap();
    let under = lake.under(&lease);
    let mut table = under.table(&spec.name).await.unwrap().unwrap();
    let mut log = StreamLog::open(&under, &table, stream()).await.unwrap();
    let files = write(&lake, &spec, &[5]).await;
    crate::support::time_passes(&lake.location).await;
    let next = Lease::take(&lake, "run", "the next").await.unwrap();
    assert!(next.token() > lease.token());

    let outcome = log.commit(&under, &mut table, files, at(5), BTreeMap::new(), 1).await;
    assert!(matches!(outcome, Err(Error::Lost(_))), "{outcome:?}");
    let outcome = under.compact(&lease, &NOW, raw, &mut Upkeep::default()).await;
    assert!(matches!(outcome, Err(Error::Lost(_))), "{outcome:?}");
    let outcome = lake.vacuum(&lease, &NOW, &mut Upkeep::default()).await;
    assert!(matches!(outcome, Err(Error::Lost(_))), "{outcome:?}");
    let table = lake.table(&spec.name).await.unwrap().unwrap();
    assert_eq!(table.files().unwrap().len(), 4);

    // A later holder has compacted: who came before it is refused by the table itself.
    lake.compact(&next, &NOW, raw, &mut Upkeep::default()).await.unwrap();
    filled(&lake, &spec, 2).await;
    let outcome = lake.compact(&lease, &NOW, raw, &mut Upkeep::default()).await;
    assert!(matches!(outcome, Err(Error::Overtaken(_))), "{outcome:?}");
    let table = lake.table(&spec.name).await.unwrap().unwrap();
    assert_eq!(numbers(&lake, &table).await, (1..=6).collect::<Vec<_>>());
}
