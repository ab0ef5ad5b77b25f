//! Seeds: a source that changes, runs that are cut off anywhere, writers that come back from the dead, upkeep in between. An
//! oracle that only counts knows what must be there.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError};
use serde_json::json;
use tributary_lake::fault::StoreFault;
use tributary_lake::{
    Error, Lake, Lease, Maintenance, Result, RunRecord, StageCommit, StageLog, StreamId, StreamLog, Table, TableChange,
    TableName, TableSpec, Upkeep,
};

use crate::support::{Place, numbers, place, spec, time_passes, try_write};

#[derive(Debug, Clone)]
enum Op {
    /// The source gets so many new records.
    Arrive(u8),
    /// A run: syncs in batches of so many rows, derives, and records the manifest.
    Run {
        batch: u8,
    },
    Compact {
        thorough: bool,
    },
    Vacuum,
    /// The stream is read anew, in another incarnation.
    Reset,
    /// One of the next writes meets a fault.
    Plant {
        nth: u8,
        fault: u8,
    },
    /// A run stands still before its commit, others go on, and it wakes up.
    Zombie {
        rows: u8,
    },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1..20_u8).prop_map(Op::Arrive),
        5 => (1..12_u8).prop_map(|batch| Op::Run { batch }),
        2 => any::<bool>().prop_map(|thorough| Op::Compact { thorough }),
        1 => Just(Op::Vacuum),
        1 => Just(Op::Reset),
        3 => ((1..40_u8), (0..6_u8)).prop_map(|(nth, fault)| Op::Plant { nth, fault }),
        2 => (1..5_u8).prop_map(|rows| Op::Zombie { rows }),
    ]
}

fn derived() -> TableSpec {
    TableSpec { name: TableName::new("clean", "order"), ..spec("order") }
}

/// The lake under test, and what it should hold.
struct World {
    place: Place,
    /// Records of the source: 0, 1, …
    source: i64,
    incarnation: i32,
    /// Rows that an incarnation that was left behind has committed.
    before: Vec<i64>,
}

fn options(thorough: bool) -> Maintenance {
    Maintenance {
        files: if thorough { 2 } else { 4 },
        retention: Duration::ZERO,
        state: Duration::ZERO,
        ..Maintenance::default()
    }
}

fn read(log: &StreamLog) -> i64 {
    log.positions.get("at").and_then(serde_json::Value::as_i64).unwrap_or_default()
}

impl World {
    fn id(&self) -> StreamId {
        StreamId { source: "shop".into(), stream: "orders".into(), incarnation: self.incarnation }
    }

    async fn sync(&self, lake: &Lake, table: &mut Table, batch: i64) -> Result<StreamLog> {
        let raw = spec("shop_orders");
        let mut log = StreamLog::open(lake, table, self.id()).await?;
        while read(&log) < self.source {
            let from = read(&log);
            let to = self.source.min(from + batch);
            let files = try_write(lake, &raw, &(from..to).collect::<Vec<_>>()).await?;
            let counts = [("written".to_owned(), (to - from).unsigned_abs())].into();
            let commit = lake.next_commit().await?;
            log.commit(lake, table, files, [("at".to_owned(), json!(to))].into(), counts, commit).await?;
        }
        Ok(log)
    }

    async fn derive(&self, lake: &Lake, log: &StreamLog) -> Result<()> {
        let clean = derived();
        lake.ensure_table(&clean).await?;
        let mut stage = StageLog::open(lake, "clean").await?;
        let input = format!("raw@{}", self.incarnation);
        let rows = read(log);
        if stage.last.as_ref().and_then(|last| last.inputs.get(&input)) == Some(&rows) {
            return Ok(());
        }
        let made = lake.table(&clean.name).await?.unwrap();
        let adds = try_write(lake, &clean, &(0..rows).collect::<Vec<_>>()).await?;
        let commit = StageCommit {
            run: "r".into(),
            fingerprint: BTreeMap::new(),
            inputs: [(input, rows)].into(),
            owns: vec![clean.name.clone()],
            changes: [(clean.name.clone(), TableChange { adds, removes: made.files()? })].into(),
            notes: json!(null),
        };
        stage.commit(lake, commit).await.map(drop)
    }

    async fn run(&self, batch: i64) -> Result<()> {
        let lake = Lake::open_or_create(self.place.faulty.clone(), Some("test"), false).await?;
        let lease = Lease::take(&lake, "run", "a run").await?;
        let lake = lake.under(&lease);
        let mut table = lake.ensure_table(&spec("shop_orders")).await?;
        let log = self.sync(&lake, &mut table, batch).await?;
        self.derive(&lake, &log).await?;
        self.record(&lake).await?;
        lease.release().await
    }

    async fn record(&self, lake: &Lake) -> Result<()> {
        let mut tables = BTreeMap::new();
        for name in [spec("shop_orders").name, derived().name] {
            if let Some(table) = lake.table(&name).await? {
                tables.insert(name, table.version());
            }
        }
        let record = RunRecord {
            run: "r".into(),
            pipeline: "p".into(),
            started: chrono::Utc::now(),
            status: "done".into(),
            summary: json!({}),
            tables,
        };
        lake.record_run(&record).await.map(drop)
    }

    async fn keep_up(&self, thorough: bool, vacuum: bool) -> Result<()> {
        let lake = Lake::open_or_create(self.place.faulty.clone(), Some("test"), false).await?;
        let lease = Lease::take(&lake, "run", "maintenance").await?;
        let lake = lake.under(&lease);
        StageLog::open(&lake, "clean").await?;
        let mut upkeep = Upkeep::default();
        if vacuum {
            lake.vacuum(&lease, &options(thorough), &mut upkeep).await?;
        } else {
            lake.compact(&lease, &options(thorough), |name| name.layer != "clean", &mut upkeep).await?;
        }
        lease.release().await
    }

    /// A run that has written its files stands still while another takes the lease and goes on; then it tries to commit.
    async fn zombie(&mut self, rows: i64) -> Result<()> {
        let raw = spec("shop_orders");
        let lake = Lake::open_or_create(self.place.faulty.clone(), Some("test"), false).await?;
        let lease = Lease::take(&lake, "run", "one who sleeps").await?;
        let under = lake.under(&lease);
        let mut table = under.ensure_table(&raw).await?;
        let mut log = StreamLog::open(&under, &table, self.id()).await?;
        self.source += rows;
        let from = read(&log);
        let files = try_write(&under, &raw, &(from..self.source).collect::<Vec<_>>()).await?;
        time_passes(&self.place.sound).await;
        self.run(7).await?;
        let position = [("at".to_owned(), json!(self.source))].into();
        let outcome = log.commit(&under, &mut table, files, position, BTreeMap::new(), 1).await;
        assert!(outcome.is_err(), "a zombie has committed");
        Ok(())
    }

    /// What holds after every step, whatever failed.
    async fn check(&self) -> std::result::Result<(), TestCaseError> {
        let lake = match Lake::open(self.place.sound.clone()).await {
            Ok(lake) => lake,
            Err(Error::NoLake { .. }) => return Ok(()),
            Err(e) => return Err(TestCaseError::fail(e.to_string())),
        };
        let Some(table) = lake.table(&spec("shop_orders").name).await.unwrap() else { return Ok(()) };
        let log = StreamLog::open(&lake, &table, self.id()).await.unwrap();
        let mut wanted = self.before.clone();
        wanted.extend(0..read(&log));
        wanted.sort_unstable();
        prop_assert_eq!(numbers(&lake, &table).await, wanted);
        let manifest = lake.manifest().await.unwrap();
        for (name, version) in &manifest.tables {
            let named = lake.table_at(name, *version).await.unwrap();
            prop_assert_eq!(numbers(&lake, &named).await.len() as u64, named.rows().unwrap());
        }
        Ok(())
    }

    async fn step(&mut self, op: &Op) -> Result<()> {
        match *op {
            Op::Arrive(records) => self.source += i64::from(records),
            Op::Run { batch } => return self.run(batch.into()).await,
            Op::Compact { thorough } => return self.keep_up(thorough, false).await,
            Op::Vacuum => return self.keep_up(false, true).await,
            Op::Reset => {
                if let Ok(lake) = Lake::open(self.place.sound.clone()).await
                    && let Some(table) = lake.table(&spec("shop_orders").name).await?
                {
                    let log = StreamLog::open(&lake, &table, self.id()).await?;
                    self.before.extend(0..read(&log));
                    self.incarnation += 1;
                }
            }
            Op::Plant { nth, fault } => {
                let faults = StoreFault::ALL.into_iter().filter(|fault| *fault != StoreFault::Torn).collect::<Vec<_>>();
                self.place.plan.plant(nth.into(), faults[usize::from(fault) % faults.len()]);
            }
            Op::Zombie { rows } => return self.zombie(rows.into()).await,
        }
        Ok(())
    }
}

async fn story(ops: Vec<Op>) -> std::result::Result<(), TestCaseError> {
    let mut world = World { place: place(), source: 0, incarnation: 1, before: Vec::new() };
    for op in &ops {
        let outcome = world.step(op).await;
        if world.place.plan.met() {
            world.place.plan.mend();
            time_passes(&world.place.sound).await;
        } else if let Err(e) = outcome {
            return Err(TestCaseError::fail(format!("{op:?} failed without a fault: {e}")));
        }
        world.check().await?;
    }
    world.place.plan.mend();
    time_passes(&world.place.sound).await;
    world.run(9).await.map_err(|e| TestCaseError::fail(format!("the last run: {e}")))?;
    world.check().await?;
    let lake = Lake::open(world.place.sound.clone()).await.unwrap();
    let clean = lake.table(&derived().name).await.unwrap().unwrap();
    prop_assert_eq!(numbers(&lake, &clean).await, (0..world.source).collect::<Vec<_>>());
    let table = lake.table(&spec("shop_orders").name).await.unwrap().unwrap();
    let log = StreamLog::open(&lake, &table, world.id()).await.unwrap();
    prop_assert_eq!(log.totals.get("written").copied().unwrap_or_default(), world.source.unsigned_abs());
    Ok(())
}

fn stories(seed: u64, cases: u32, longest: usize) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    proptest!(config, |(ops in prop::collection::vec(op(), 1..longest))| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(story(ops))?;
    });
}

// In two, for two cores.

#[test]
fn whatever_happens_nothing_is_lost_or_doubled() {
    stories(1, 100, 9);
}

#[test]
fn whatever_else_happens_nothing_is_lost_or_doubled() {
    stories(2, 100, 9);
}

/// The release command of CONTRIBUTING.md runs it.
#[test]
#[ignore = "takes long; see CONTRIBUTING.md"]
fn whatever_happens_nothing_is_lost_or_doubled_2000_times() {
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get() as u32);
    std::thread::scope(|scope| {
        for seed in 0..cores {
            scope.spawn(move || stories(10 + u64::from(seed), 2_000_u32.div_ceil(cores), 24));
        }
    });
}
