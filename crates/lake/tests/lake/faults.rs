//! Every write of three batches with a derived table, compaction, vacuum and manifests, failing in every way; then the same again
//! on a sound store, as the next run does. What is there in the end is what would be there without the fault.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tributary_lake::fault::{Plan, StoreFault};
use tributary_lake::{
    Lake, Lease, Location, Maintenance, Result, RunRecord, StageCommit, StageLog, StreamLog, TableChange, TableName,
    TableSpec, Upkeep,
};

use crate::support::{Place, at, numbers, objects, place, spec, stream, time_passes, try_write};

const BATCHES: u32 = 3;
const ROWS: i64 = 10;

fn derived() -> TableSpec {
    TableSpec { name: TableName::new("clean", "order"), ..spec("order") }
}

/// One run: the batch that is next, what is derived from it, and the lake's upkeep.
async fn run(location: &Location) -> Result<()> {
    let lake = Lake::open_or_create(location.clone(), Some("test"), false).await?;
    let lease = Lease::take(&lake, "run", "a run").await?;
    let lake = lake.under(&lease);
    let (raw, clean) = (spec("shop_orders"), derived());
    let mut table = lake.ensure_table(&raw).await?;
    let mut log = StreamLog::open(&lake, &table, stream()).await?;
    let next = log.next_epoch();
    if next <= BATCHES {
        let first = i64::from(next - 1) * ROWS;
        let files = try_write(&lake, &raw, &(first..first + ROWS).collect::<Vec<_>>()).await?;
        let counts = [("written".to_owned(), ROWS.unsigned_abs())].into();
        let commit = lake.next_commit().await?;
        log.commit(&lake, &mut table, files, at(next.into()), counts, commit).await?;
    }

    let made = lake.ensure_table(&clean).await?;
    let mut stage = StageLog::open(&lake, "clean").await?;
    let rows = i64::try_from(log.totals["written"]).unwrap();
    if stage.last.as_ref().and_then(|last| last.inputs.get("raw")) != Some(&rows) {
        let made = lake.table(&made.name).await?.unwrap();
        let adds = try_write(&lake, &clean, &(0..rows).map(|n| n * 2).collect::<Vec<_>>()).await?;
        let change = TableChange { adds, removes: made.files()? };
        let commit = StageCommit {
            run: "r".into(),
            fingerprint: BTreeMap::new(),
            inputs: [("raw".to_owned(), rows)].into(),
            owns: vec![clean.name.clone()],
            changes: [(clean.name.clone(), change)].into(),
            notes: json!(null),
        };
        stage.commit(&lake, commit).await?;
    }

    let options = Maintenance { files: 2, retention: Duration::ZERO, state: Duration::ZERO, ..Maintenance::default() };
    let mut upkeep = Upkeep::default();
    lake.compact(&lease, &options, |name| name.layer != "clean", &mut upkeep).await?;
    let mut tables = BTreeMap::new();
    for name in [raw.name, clean.name] {
        tables.insert(name.clone(), lake.table(&name).await?.unwrap().version());
    }
    let record = RunRecord {
        run: format!("r{next}"),
        pipeline: "p".into(),
        started: chrono::Utc::now(),
        status: "done".into(),
        summary: json!({}),
        tables,
    };
    lake.record_run(&record).await?;
    lake.vacuum(&lease, &options, &mut upkeep).await?;
    lease.release().await
}

async fn all_is_there(location: &Location, what: &str) {
    let lake = Lake::open(location.clone()).await.unwrap();
    let manifest = lake.manifest().await.unwrap();
    for (name, factor) in [(spec("shop_orders").name, 1), (derived().name, 2)] {
        let wanted: Vec<i64> = (0..i64::from(BATCHES) * ROWS).map(|n| n * factor).collect();
        let newest = lake.table(&name).await.unwrap().unwrap();
        let named = lake.table_at(&name, manifest.tables[&name]).await.unwrap();
        for table in [newest, named] {
            assert_eq!(numbers(&lake, &table).await, wanted, "{name} after {what}");
        }
    }
    let table = lake.table(&spec("shop_orders").name).await.unwrap().unwrap();
    let log = StreamLog::open(&lake, &table, stream()).await.unwrap();
    assert_eq!(log.totals["written"], u64::from(BATCHES) * ROWS.unsigned_abs(), "{what}");
}

/// All batches, and a run that has nothing new: whatever fails, fails in these.
async fn runs(place: &Place) {
    for _ in 0..=BATCHES {
        let _ = run(&place.faulty).await;
        if place.plan.met() {
            place.plan.mend();
            time_passes(&place.sound).await;
        }
    }
}

/// The same, and once more for what a fault has kept from being done, and once for what that left behind.
async fn to_the_end(place: &Place, what: &str) {
    runs(place).await;
    place.plan.mend();
    for _ in 0..2 {
        run(&place.faulty).await.unwrap_or_else(|e| panic!("the run after {what}: {e}"));
    }
    all_is_there(&place.sound, what).await;
    let lake = Lake::open(place.sound.clone()).await.unwrap();
    let data =
        |name: &String| name.ends_with(".parquet") && !name.contains("_delta_log") && !name.starts_with("_tributary");
    let lying = objects(&place.sound).await.iter().filter(|name| data(name)).count();
    let mut known = 0;
    for name in lake.tables().await.unwrap() {
        known += lake.table(&name).await.unwrap().unwrap().files().unwrap().len();
    }
    assert_eq!(lying, known, "data files that belong to nothing after {what}");
}

/// How many writes it takes without a fault, and which.
async fn writes() -> Vec<String> {
    let place = place();
    runs(&place).await;
    Plan::log(&place.plan)
}

async fn each_write(faults: &[StoreFault]) {
    let writes = writes().await;
    assert!(writes.len() > 60, "{writes:#?}");
    let mut met = 0;
    for fault in faults {
        for nth in 1..=writes.len() {
            let place = place();
            place.plan.plant(nth as u64, *fault);
            to_the_end(&place, &format!("{fault:?} at write {nth}")).await;
            met += usize::from(place.plan.met());
        }
    }
    assert_eq!(met, faults.len() * writes.len());
}

#[tokio::test(start_paused = true)]
async fn any_write_may_fail() {
    each_write(&[StoreFault::Error]).await;
}

#[tokio::test(start_paused = true)]
async fn any_reply_may_be_lost() {
    each_write(&[StoreFault::LostReply]).await;
}

/// Exhaustive; the release command of CONTRIBUTING.md runs it.
#[tokio::test(start_paused = true)]
#[ignore = "takes long; see CONTRIBUTING.md"]
async fn any_write_may_meet_any_fault() {
    let torn = StoreFault::Torn;
    each_write(&StoreFault::ALL.into_iter().filter(|fault| *fault != torn).collect::<Vec<_>>()).await;
}

/// A store that is killed in the middle of an object, which no object store is and our own local one is not either: rows may be out
/// of reach then, but what is read is right.
#[tokio::test(start_paused = true)]
async fn a_torn_object_is_an_error_or_does_no_harm() {
    let writes = writes().await;
    let mut loud = 0;
    for nth in (1..=writes.len()).step_by(if cfg!(debug_assertions) { 4 } else { 1 }) {
        let place = place();
        place.plan.plant(nth as u64, StoreFault::Torn);
        let mut outcome = Ok(());
        for _ in 0..=BATCHES + 1 {
            outcome = run(&place.faulty).await;
            if place.plan.met() {
                place.plan.mend();
                time_passes(&place.sound).await;
            }
        }
        match outcome {
            Ok(()) => all_is_there(&place.sound, &format!("half of write {nth}")).await,
            Err(_) => loud += 1,
        }
    }
    assert!(loud < writes.len());
}
