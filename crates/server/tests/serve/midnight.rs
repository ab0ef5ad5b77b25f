//! Many pipelines at one instant.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;

use crate::support::{Script, Served, World, minutes};

#[tokio::test(start_paused = true)]
async fn a_thousand_pipelines_at_midnight_all_run_within_the_caps() {
    let mut world = World::new("2026-03-09T23:59:30", |_, _| Script::takes(minutes(1)));
    world.settings.max_concurrent = 8;
    world.settings.reload = minutes(60);
    for n in 0..1000 {
        // Ten of them share a lake.
        world.write(&format!("p{n:04}"), &format!("lake = \"lake {}\"\ncron = \"0 0 * * *\"", n / 10));
    }
    let served = world.serve();
    let overlaps = Arc::new(Mutex::new(BTreeSet::new()));
    while world.runner.went().len() < 1000 || !world.runner.going().is_empty() {
        tokio::time::sleep(minutes(1) / 4).await;
        let lakes: Vec<String> = world.runner.going().iter().map(|job| job[..4].to_owned()).collect();
        let distinct: BTreeSet<_> = lakes.iter().collect();
        if distinct.len() != lakes.len() {
            overlaps.lock().unwrap().insert(format!("{lakes:?}"));
        }
    }
    served.crash().await;

    let went = world.runner.went();
    let jobs: BTreeSet<_> = went.iter().map(|went| &went.start.job).collect();
    assert_eq!((went.len(), jobs.len()), (1000, 1000));
    assert_eq!(world.runner.most(), 8);
    assert_eq!(*overlaps.lock().unwrap(), BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn who_was_due_first_is_served_first() {
    let mut world = World::new("2026-03-09T23:50:00", |_, _| Script::takes(minutes(30)));
    world.settings.max_concurrent = 1;
    for (name, cron) in [("a", "3 0 * * *"), ("b", "2 0 * * *"), ("c", "1 0 * * *"), ("d", "0 0 * * *")] {
        world.write(name, &format!("cron = \"{cron}\""));
    }
    let served = world.serve();
    world.reach("2026-03-10T03:00:00").await;
    served.crash().await;
    let order: Vec<_> = world.runner.went().into_iter().map(|went| went.start.job).collect();
    assert_eq!(order, ["d", "c", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_starts_and_a_restart_changes_none_of_them() {
    let mut world = World::new("2026-03-09T23:50:00", |_, _| Script::takes(minutes(1) / 60));
    world.settings.max_concurrent = 100;
    world.settings.jitter = minutes(60);
    for n in 0..20 {
        world.write(&format!("p{n}"), "cron = \"0 0 * * *\"");
    }
    let served = world.serve();
    world.reach("2026-03-10T12:00:00").await;
    served.crash().await;
    let served: Served = world.serve();
    world.reach("2026-03-11T12:00:00").await;
    served.crash().await;
    let mut distinct = BTreeSet::new();
    for n in 0..20 {
        let times = world.runner.times(&format!("p{n}"));
        assert_eq!(times.len(), 2);
        assert_eq!(times[0][3..], times[1][3..], "p{n}");
        assert!(times[0].as_str() < "10 01:00");
        distinct.insert(times[0].clone());
    }
    assert!(distinct.len() > 10, "{distinct:?}");
}
