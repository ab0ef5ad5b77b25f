//! Every write of a history of three batches, maintenance, an undoing and a correction, failing in every way; then the same step
//! again on a sound store. After each, the lake is what it would be without the fault.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tributary_lake::fault::StoreFault;

use crate::on_paused_clock;
use crate::shelf::Shelf;
use crate::world::{Outcome, Picture, World};

#[derive(Debug, Clone, Copy)]
enum Step {
    Run(fn(&mut Shelf)),
    Maintain,
    /// Of the last run before.
    Undo,
}

const HISTORY: [(&str, Step); 7] = [
    ("the first run", Step::Run(first)),
    ("a run of changes", Step::Run(second)),
    ("a run of bad content", Step::Run(bad)),
    ("maintenance", Step::Maintain),
    ("the undoing", Step::Undo),
    ("a run of the correction", Step::Run(corrected)),
    ("maintenance at the end", Step::Maintain),
];

fn phone(n: i64) -> String {
    format!("1391234{n:04}")
}

fn customer(shelf: &mut Shelf, id: i64, name: &str, of: i64) {
    shelf.put("customers", id, json!({ "name": name, "phone": phone(of), "points": id }));
}

fn first(shelf: &mut Shelf) {
    for id in 0..10 {
        if id % 3 == 0 {
            shelf.tick();
        }
        customer(shelf, id, ["Anna Bell", "Carl Duke", "Ella Frost"][id as usize % 3], id % 7);
    }
    for id in 0..6 {
        shelf.tick();
        shelf.put("orders", id, json!({ "phone": phone(id), "total": "12.50" }));
    }
}

/// Two customers become one, one goes, one comes, one has a field that is no number, one no key.
fn second(shelf: &mut Shelf) {
    shelf.tick();
    customer(shelf, 1, "Carl Duke", 20);
    customer(shelf, 4, "Carl Duke", 20);
    shelf.put("customers", 2, json!({ "deleted": true }));
    customer(shelf, 30, "Gina Hall", 30);
    shelf.put("customers", 31, json!({ "name": "Ian Jones", "points": "many" }));
    shelf.spoil("customers", 32);
    shelf.tick();
    shelf.put("orders", 7, json!({ "phone": phone(20), "total": "99.00" }));
}

fn bad(shelf: &mut Shelf) {
    shelf.tick();
    for id in [0, 3, 5, 6, 40, 41] {
        customer(shelf, id, "Test Test", 99);
    }
}

fn corrected(shelf: &mut Shelf) {
    shelf.tick();
    for (id, of) in [(0, 0), (3, 3), (5, 5), (6, 6)] {
        customer(shelf, id, ["Anna Bell", "Carl Duke", "Ella Frost"][id as usize % 3], of);
    }
    for id in [40, 41] {
        shelf.put("customers", id, json!({ "deleted": true }));
    }
}

/// The lake before a step, what the step writes, and the lake after it.
struct Moment {
    what: &'static str,
    step: Step,
    /// The run that an undoing takes back.
    run: String,
    before: World,
    writes: Vec<String>,
    after: Picture,
}

async fn take(step: Step, run: &mut String, world: &World) -> Outcome {
    match step {
        Step::Run(_) => {
            let summary = world.run().await?;
            if summary.new {
                *run = summary.run;
            }
            Ok(())
        }
        Step::Maintain => world.maintain().await,
        Step::Undo => world.undo(run).await,
    }
}

async fn history() -> Vec<Moment> {
    let mut world = World::new();
    let mut run = String::new();
    let mut moments = Vec::new();
    for (what, step) in HISTORY {
        if let Step::Run(change) = step {
            change(&mut world.shelf.lock().unwrap());
        }
        let (before, run_before) = (world.fork(), run.clone());
        // The writes are counted from here.
        world = world.fork();
        take(step, &mut run, &world).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        let (writes, after) = (world.plan.log(), world.picture().await);
        assert!(!writes.is_empty(), "{what}");
        moments.push(Moment { what, step, run: run_before, before, writes, after });
    }
    world.assert_tidy("the whole history").await;
    moments
}

fn assert_same(found: &Picture, wanted: &Picture, what: &str) {
    let names = |picture: &Picture| picture.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted), "tables after {what}");
    for (table, rows) in found {
        assert!(*rows == wanted[table], "{table} after {what}\nis     {rows:#?}\nshould {:#?}", wanted[table]);
    }
}

/// A fault at a write, and the step once more.
async fn meet(moment: &Moment, fault: StoreFault, nth: usize) {
    let what = format!("{fault:?} at write {nth} of {} ({})", moment.what, moment.writes[nth - 1]);
    let world = moment.before.fork();
    world.plan.plant(nth as u64, fault);
    let mut run = moment.run.clone();
    let outcome = take(moment.step, &mut run, &world).await;
    assert!(world.plan.met(), "there was no {what}");
    world.mend().await;
    world.assert_readable().await;
    if outcome.is_err() || matches!(moment.step, Step::Run(_)) {
        let mut run = moment.run.clone();
        take(moment.step, &mut run, &world).await.unwrap_or_else(|e| panic!("again after {what}: {e}"));
    }
    assert_same(&world.picture().await, &moment.after, &what);
}

/// A process falls asleep at a write, another does all the work, and it wakes up.
async fn sleep(moment: &Moment, nth: usize) {
    let what = format!("a sleep at write {nth} of {} ({})", moment.what, moment.writes[nth - 1]);
    let world = moment.before.fork();
    world.plan.fall_asleep(nth as u64);
    let sleeper = world.begin_run();
    world.plan.sleeps().await;
    world.mend().await;
    world.run_elsewhere().await.unwrap_or_else(|e| panic!("the other during {what}: {e}"));
    assert_same(&world.picture().await, &moment.after, &format!("the other during {what}"));
    world.plan.wake();
    let _ = sleeper.await.unwrap();
    world.mend().await;
    assert_same(&world.picture().await, &moment.after, &what);
    world.run().await.unwrap_or_else(|e| panic!("the next run after {what}: {e}"));
    assert_same(&world.picture().await, &moment.after, &format!("the next run after {what}"));
}

/// Does all of `faults` at all writes of `chosen` steps, on all cores; sleeps as well, if wanted.
fn each_write(chosen: &[&str], faults: &[StoreFault], sleeps: bool) {
    let moments = on_paused_clock(history());
    let (mut jobs, mut told) = (Vec::new(), Vec::new());
    for moment in moments.iter().filter(|moment| chosen.contains(&moment.what)) {
        told.push(format!("{} of {}", moment.writes.len(), moment.what));
        for nth in 1..=moment.writes.len() {
            jobs.extend(faults.iter().map(|fault| (moment, Some(*fault), nth)));
            if sleeps && matches!(moment.step, Step::Run(_)) {
                jobs.push((moment, None, nth));
            }
        }
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((moment, fault, nth)) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
            on_paused_clock(async {
                match fault {
                    Some(fault) => meet(moment, *fault, *nth).await,
                    None => sleep(moment, *nth).await,
                }
            });
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    eprintln!("writes: {}; {} faults", told.join(", "), jobs.len());
}

/// Steps that have all kinds of writes but those of making a lake and its tables, which the lake's own tests have.
#[test]
fn any_write_of_a_pipeline_may_fail_or_lose_its_reply() {
    let chosen = ["a run of changes", "maintenance", "the undoing"];
    each_write(&chosen, &[StoreFault::Error, StoreFault::LostReply], false);
}

/// The release command of CONTRIBUTING.md runs it.
#[test]
#[ignore = "takes long; see CONTRIBUTING.md"]
fn any_write_of_a_pipeline_may_meet_any_fault() {
    let torn = StoreFault::Torn;
    let faults: Vec<_> = StoreFault::ALL.into_iter().filter(|fault| *fault != torn).collect();
    each_write(&HISTORY.map(|(what, _)| what), &faults, true);
}
