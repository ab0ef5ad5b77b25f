//! A crash, or a full disk, at each write of the history in turn.

use std::collections::{BTreeMap, BTreeSet};

use tributary_server::history::{End, Record};

use crate::support::{Fault, Script, Served, World, code, minutes};

const START: &str = "2026-03-09T09:30:00";
const END: &str = "2026-03-09T16:30:00";

fn world() -> World {
    let mut world = World::new(START, |_, n| Script { takes: minutes(7), outcome: code(i32::from(n % 5 == 3)) });
    world.settings.defaults.retries = Some(1);
    world.settings.reload = minutes(60);
    world.write("a", "cron = \"0 * * * *\"\nsources = [\"x\", \"y\"]\nown = { x = \"*/30 * * * *\" }");
    world.write("b", "lake = \"a\"\ncron = \"0 */2 * * *\"");
    world
}

/// Each slot from 9:30 to 16:30 is accounted for once, and each run has ended.
fn check(world: &World, what: &str) {
    let mut slots: BTreeMap<(String, Option<String>), Vec<String>> = BTreeMap::new();
    let mut open = BTreeSet::new();
    let mut missed = 0;
    for record in world.disk.audit() {
        match record {
            Record::Due { job, run, slots: due, missed: spans, .. } => {
                missed += spans.iter().map(|span| span.count).sum::<u64>();
                open.insert(run);
                for slot in due {
                    slots.entry((job.clone(), slot.source)).or_default().push(slot.at.format("%H:%M").to_string());
                }
            }
            Record::End { run, end: End::Success | End::Failed, again: None, .. } => {
                open.remove(&run);
            }
            Record::End { run, again: Some(_), .. } if open.last() > Some(&run) => {
                // It may go on within a later run of the same job.
                open.remove(&run);
            }
            _ => {}
        }
    }
    let found = |job: &str, source: Option<&str>| slots[&(job.to_owned(), source.map(str::to_owned))].join(" ");
    assert_eq!(found("a", None), "10:00 11:00 12:00 13:00 14:00 15:00 16:00", "{what}");
    assert_eq!(
        found("a", Some("x")),
        "10:00 10:30 11:00 11:30 12:00 12:30 13:00 13:30 14:00 14:30 15:00 15:30 16:00 16:30",
        "{what}"
    );
    assert_eq!(found("b", None), "10:00 12:00 14:00 16:00", "{what}");
    assert_eq!(missed, 0, "{what}");
    assert!(open.len() <= 1, "{what}: {open:?}");
    assert_eq!(world.runner.most(), 1, "{what}");
}

async fn writes_of_a_quiet_life() -> usize {
    let world = world();
    let served = world.serve();
    world.reach(END).await;
    tokio::time::sleep(minutes(1)).await;
    served.crash().await;
    check(&world, "no fault");
    world.disk.writes()
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_write_loses_and_doubles_no_slot() {
    let writes = writes_of_a_quiet_life().await;
    assert!(writes > 40, "{writes}");
    for fault in [Fault::Before, Fault::Torn, Fault::After] {
        for n in 0..writes {
            let world = world();
            world.disk.fail(n, fault);
            // The very first write may fail: then there is no server yet.
            if let Ok(server) = world.server() {
                let served = Served::new(server.tick(minutes(1)));
                while !world.disk.is_dead() {
                    tokio::time::sleep(minutes(1) / 2).await;
                }
                served.crash().await;
            }
            world.disk.mend();
            let served = Served::new(world.server().unwrap().tick(minutes(1)));
            world.reach(END).await;
            tokio::time::sleep(minutes(1)).await;
            served.crash().await;
            check(&world, &format!("write {n}, {fault:?}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_starts_nothing_and_is_caught_up_with() {
    for fault in [Fault::Before, Fault::Torn, Fault::After] {
        let world = world();
        let served = world.serve();
        world.reach("2026-03-09T11:50:00").await;
        let before = world.runner.went().len();
        world.disk.fail(0, fault);
        world.reach("2026-03-09T12:45:00").await;
        assert_eq!(world.runner.went().len(), before);
        assert_eq!(served.handle.ready(), Err("the history cannot be written: the disk is full".to_owned()));
        world.disk.mend();
        world.reach("2026-03-09T12:46:00").await;
        assert_eq!(served.handle.ready(), Ok(()));
        world.reach("2026-03-09T13:10:00").await;
        assert!(world.runner.went().len() > before);
        let known = served.handle.status();
        served.crash().await;
        // What was written before and after the fault is one history.
        let again = world.serve();
        tokio::time::sleep(minutes(1) / 60).await;
        let found = again.handle.status();
        again.crash().await;
        let slots = |status: &tributary_server::Status| -> Vec<u64> {
            status.jobs.iter().map(|job| job.counts.slots + job.counts.missed).collect()
        };
        assert_eq!(slots(&found), slots(&known), "{fault:?}");
    }
}
