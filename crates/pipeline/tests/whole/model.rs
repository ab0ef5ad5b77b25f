//! Seeds: a source that changes, runs that are cut off anywhere, sleepers that wake up, maintenance, undoings, resets and other
//! mappings in any order. An oracle that knows only the source says what must be there after each run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError};
use serde_json::json;
use tributary_lake::fault::StoreFault;

use crate::on_paused_clock;
use crate::world::{Outcome, World};

const FAULTS: [StoreFault; 6] = [
    StoreFault::Error,
    StoreFault::LostReply,
    StoreFault::DiskFull,
    StoreFault::Denied,
    StoreFault::CrashBefore,
    StoreFault::CrashAfter,
];

#[derive(Debug, Clone)]
enum Op {
    /// Some records change at one time: customers, and orders by a number of their phones.
    Change {
        customers: Vec<(u8, u8)>,
        orders: Vec<(u8, u8)>,
    },
    Delete {
        customer: u8,
    },
    /// A record without a key.
    Spoil {
        id: u8,
    },
    Run,
    /// A run that meets a fault at one of its writes.
    Cut {
        nth: u8,
        fault: usize,
    },
    /// A run that stands still at one of its writes while another takes the lake and goes on.
    Sleep {
        nth: u8,
    },
    Maintain,
    /// Takes back one of the runs so far, by its place from the last.
    Undo {
        back: u8,
    },
    Reset {
        forget: bool,
    },
    /// The mapping leaves out other customers.
    Map {
        least_points: u8,
    },
    /// Maintenance, an undoing or a reset that meets a fault.
    CutOther {
        which: u8,
        nth: u8,
        fault: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let records = |ids: u8| prop::collection::vec((0..ids, 0..8_u8), 0..7);
    prop_oneof![
        5 => (records(12), records(9)).prop_map(|(customers, orders)| Op::Change { customers, orders }),
        1 => (0..12_u8).prop_map(|customer| Op::Delete { customer }),
        1 => (0..3_u8).prop_map(|id| Op::Spoil { id }),
        3 => Just(Op::Run),
        4 => ((1..90_u8), 0..FAULTS.len()).prop_map(|(nth, fault)| Op::Cut { nth, fault }),
        2 => (1..90_u8).prop_map(|nth| Op::Sleep { nth }),
        1 => Just(Op::Maintain),
        2 => (0..3_u8).prop_map(|back| Op::Undo { back }),
        1 => any::<bool>().prop_map(|forget| Op::Reset { forget }),
        1 => (0..8_u8).prop_map(|least_points| Op::Map { least_points }),
        2 => ((0..3_u8), (1..20_u8), 0..FAULTS.len()).prop_map(|(which, nth, fault)| Op::CutOther { which, nth, fault }),
    ]
}

struct Story {
    world: World,
    /// Runs that have read something.
    runs: Vec<String>,
    /// Whether the lake has been read into by a run that came to its end.
    begun: bool,
}

fn phone(n: u8) -> String {
    format!("1391234{n:04}")
}

impl Story {
    /// What the last run must have made of the source.
    async fn check(&self) -> Result<(), TestCaseError> {
        let world = &self.world;
        world.assert_readable().await;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let (mut parties, mut orders, mut phones) = (Vec::new(), Vec::new(), BTreeSet::new());
        {
            let shelf = world.shelf.lock().unwrap();
            let decoded = shelf.living("customers").filter_map(|one| Some((one, one["points"].as_i64()?)));
            for (customer, _) in decoded.filter(|(_, points)| *points >= world.least_points) {
                parties.push(vec![text(&customer["id"]), text(&customer["name"])]);
                phones.insert(text(&customer["phone"]));
            }
            for order in shelf.living("orders") {
                orders.push(vec![text(&order["id"]), format!("{}00", text(&order["total"]))]);
                phones.insert(text(&order["phone"]));
            }
        }
        parties.sort_unstable();
        orders.sort_unstable();
        prop_assert_eq!(world.values(("clean", "party"), &["record_id", "name"]).await, parties);
        prop_assert_eq!(world.values(("clean", "order"), &["order_no", "amount"]).await, orders);
        let customers = world.values(("customer", "customer"), &["customer_id"]).await;
        prop_assert_eq!(customers.iter().collect::<BTreeSet<_>>().len(), customers.len(), "ids are unique");
        prop_assert_eq!(customers.len(), phones.len(), "each phone is one customer");
        Ok(())
    }

    fn ran(&mut self, outcome: Outcome<tributary_pipeline::Summary>) -> Outcome<bool> {
        let summary = outcome?;
        if summary.streams.iter().any(|stream| stream.batches > 0) {
            self.runs.push(summary.run);
        }
        self.begun = true;
        Ok(true)
    }

    /// Whether the lake is now what the source says.
    async fn step(&mut self, op: &Op) -> Outcome<bool> {
        match op {
            Op::Change { customers, orders } => {
                let mut shelf = self.world.shelf.lock().unwrap();
                shelf.tick();
                for (id, of) in customers {
                    let name = ["Anna Bell", "Carl Duke", "Ella Frost"][usize::from(*of) % 3];
                    shelf.put("customers", (*id).into(), json!({ "name": name, "phone": phone(*of), "points": id }));
                }
                for (id, of) in orders {
                    let total = format!("{}.50", u32::from(*of) + 1);
                    shelf.put("orders", (*id).into(), json!({ "phone": phone(*of + 4), "total": total }));
                }
            }
            Op::Delete { customer } => {
                let mut shelf = self.world.shelf.lock().unwrap();
                if shelf.knows("customers", (*customer).into()) {
                    shelf.tick();
                    shelf.put("customers", (*customer).into(), json!({ "deleted": true }));
                }
            }
            Op::Spoil { id } => {
                let mut shelf = self.world.shelf.lock().unwrap();
                shelf.tick();
                shelf.spoil("customers", 100 + i64::from(*id));
            }
            Op::Run => {
                let outcome = self.world.run().await;
                return self.ran(outcome);
            }
            Op::Cut { nth, fault } => {
                self.world.plan.plant((*nth).into(), FAULTS[*fault]);
                let outcome = self.world.run().await;
                return self.ran(outcome);
            }
            Op::Sleep { nth } => return self.sleep((*nth).into()).await,
            Op::Maintain => self.maintain().await?,
            Op::Undo { back } => self.undo((*back).into()).await?,
            Op::Reset { forget } => self.reset(*forget).await?,
            Op::Map { least_points } => self.world.least_points = (*least_points).into(),
            Op::CutOther { which, nth, fault } => {
                self.world.plan.plant((*nth).into(), FAULTS[*fault]);
                match which {
                    0 => self.maintain().await?,
                    1 => self.undo(0).await?,
                    _ => self.reset(*nth % 2 == 0).await?,
                }
            }
        }
        Ok(false)
    }

    async fn maintain(&self) -> Outcome {
        if self.begun { self.world.maintain().await } else { Ok(()) }
    }

    async fn undo(&mut self, back: usize) -> Outcome {
        let at = self.runs.len().checked_sub(back + 1);
        match at.map(|at| self.runs[at].clone()) {
            Some(run) => self.world.undo(&run).await,
            None => Ok(()),
        }
    }

    async fn reset(&self, forget: bool) -> Outcome {
        if self.runs.is_empty() { Ok(()) } else { self.world.reset("shop", forget).await }
    }

    async fn sleep(&mut self, nth: u64) -> Outcome<bool> {
        self.world.plan.fall_asleep(nth);
        let mut sleeper = self.world.begin_run();
        tokio::select! {
            () = self.world.plan.sleeps() => {}
            // It was through before.
            outcome = &mut sleeper => {
                self.world.plan.wake();
                return self.ran(outcome.unwrap());
            }
        }
        self.world.mend().await;
        let outcome = self.world.run_elsewhere().await;
        self.ran(outcome)?;
        self.check().await.map_err(|e| format!("while one slept: {e}"))?;
        self.world.plan.wake();
        // Whatever it says: it may have had nothing left to do but what the other has done as well.
        let _ = sleeper.await.unwrap();
        self.world.mend().await;
        Ok(true)
    }
}

async fn story(ops: &[Op]) -> Result<(), TestCaseError> {
    let mut story = Story { world: World::new(), runs: Vec::new(), begun: false };
    for op in ops {
        let outcome = story.step(op).await;
        let met = matches!(op, Op::Cut { .. } | Op::CutOther { .. }) && story.world.plan.met();
        story.world.mend().await;
        match outcome {
            Ok(true) => story.check().await?,
            Ok(false) => story.world.assert_readable().await,
            Err(_) if met => story.world.assert_readable().await,
            Err(e) => return Err(TestCaseError::fail(format!("{op:?} failed without a fault: {e}"))),
        }
    }
    for what in ["the last run", "a run that has nothing to do"] {
        let summary = story.world.run().await.map_err(|e| TestCaseError::fail(format!("{what}: {e}")))?;
        story.check().await?;
        if what != "the last run" {
            prop_assert!(summary.reasons.is_empty(), "{} did something: {:?}", what, summary.reasons);
        }
    }
    Ok(())
}

fn stories(seed: u64, cases: u32, longest: usize) {
    let told = AtomicU32::new(0);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 60,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    proptest!(config, |(ops in prop::collection::vec(op(), 2..longest))| {
        on_paused_clock(story(&ops))?;
        let so_far = told.fetch_add(1, Ordering::SeqCst) + 1;
        if so_far.is_multiple_of(100) {
            eprintln!("seed {seed}: {so_far} stories");
        }
    });
}

// In two, for two cores.

#[test]
fn whatever_happens_a_pipeline_loses_and_doubles_nothing() {
    stories(1, 6, 7);
}

#[test]
fn whatever_else_happens_a_pipeline_loses_and_doubles_nothing() {
    stories(2, 6, 7);
}

/// The release command of CONTRIBUTING.md runs it.
#[test]
#[ignore = "takes long; see CONTRIBUTING.md"]
fn whatever_happens_a_pipeline_loses_and_doubles_nothing_2000_times() {
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get() as u32);
    std::thread::scope(|scope| {
        for seed in 0..cores {
            scope.spawn(move || stories(10 + u64::from(seed), 2_000_u32.div_ceil(cores), 10));
        }
    });
}
