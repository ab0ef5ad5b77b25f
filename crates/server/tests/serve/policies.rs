//! Slots that were missed, runs that overlap, fail, wait, or go with a source of their own rhythm.

use chrono::TimeDelta;
use tributary_server::history::{End, Record};
use tributary_server::{Misfire, Outcome, Overlap, Status};

use crate::support::{Script, Served, World, code, minutes, time};

/// Runs the hourly job `a` from 9:30 to 10:30, is away, and comes back at 14:20.
async fn down_over_four_slots(misfire: Misfire) -> (World, Status) {
    let mut world = World::new("2026-03-09T09:30:00", |_, _| Script::takes(minutes(1)));
    world.settings.defaults.misfire = Some(misfire);
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:30:00").await;
    served.crash().await;
    world.reach("2026-03-09T14:20:00").await;
    let served = world.serve();
    world.reach("2026-03-09T15:30:00").await;
    let status = served.handle.status();
    served.crash().await;
    (world, status)
}

#[tokio::test(start_paused = true)]
async fn after_a_misfire_one_run_stands_for_all_slots() {
    let (world, status) = down_over_four_slots(Misfire::RunOnce).await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 14:20", "09 15:00"]);
    let counts = &status.jobs[0].counts;
    assert_eq!((counts.slots, counts.missed), (3, 3));
    let missed = world.disk.audit().into_iter().find_map(|record| match record {
        Record::Due { missed, slots, .. } if !missed.is_empty() => Some((missed[0].clone(), slots[0].at)),
        _ => None,
    });
    let (span, stands) = missed.unwrap();
    assert_eq!((span.first, span.last), (time("2026-03-09T11:00:00"), time("2026-03-09T13:00:00")));
    assert_eq!(stands, time("2026-03-09T14:00:00"));
}

#[tokio::test(start_paused = true)]
async fn a_misfire_may_be_passed_over() {
    let (world, status) = down_over_four_slots(Misfire::Skip).await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 15:00"]);
    assert_eq!(status.jobs[0].counts.missed, 4);
}

#[tokio::test(start_paused = true)]
async fn a_misfire_may_be_run_slot_by_slot() {
    let (world, status) = down_over_four_slots(Misfire::RunAll).await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 14:20", "09 14:21", "09 14:22", "09 14:23", "09 15:00"]);
    assert_eq!(status.jobs[0].counts.missed, 0);
}

#[tokio::test(start_paused = true)]
async fn slots_during_a_run_become_one_run_after_it() {
    let world = World::new("2026-03-09T09:30:00", |_, n| Script::takes(minutes(if n == 0 { 200 } else { 1 })));
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T14:30:00").await;
    served.crash().await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 13:20", "09 14:00"]);
}

#[tokio::test(start_paused = true)]
async fn slots_during_a_run_may_be_left_out() {
    let mut world = World::new("2026-03-09T09:30:00", |_, n| Script::takes(minutes(if n == 0 { 200 } else { 1 })));
    world.settings.defaults.overlap = Some(Overlap::Skip);
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T14:30:00").await;
    assert_eq!(served.handle.status().jobs[0].counts.skipped, 3);
    served.crash().await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 14:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_repeats_no_slot_and_one_that_leaps_misses_none() {
    let world = World::new("2026-03-09T09:30:00", |_, _| Script::takes(minutes(1)));
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:30:00").await;
    world.clock.jump(TimeDelta::hours(-6));
    world.reach("2026-03-09T11:30:00").await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 11:00"]);
    world.clock.jump(TimeDelta::hours(6));
    world.reach("2026-03-09T18:30:00").await;
    let counts = served.handle.status().jobs[0].counts.clone();
    served.crash().await;
    let went = world.runner.went();
    assert_eq!(went.len(), 4);
    assert!(went[2].from - time("2026-03-09T17:30:00") < TimeDelta::seconds(11), "{}", went[2].from);
    assert_eq!((counts.slots, counts.missed), (4, 5));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_years_ahead_does_not_silence_a_pipeline() {
    let world = World::new("2026-03-09T09:30:00", |_, _| Script::takes(minutes(1)));
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    tokio::time::sleep(minutes(1)).await;
    world.clock.jump(TimeDelta::days(3000));
    tokio::time::sleep(minutes(5)).await;
    world.clock.jump(TimeDelta::days(-3000));
    world.reach("2026-03-09T11:30:00").await;
    served.crash().await;
    assert_eq!(world.runner.times("a")[1..], ["09 10:00", "09 11:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_to_wait_goes_on_when_it_may_and_only_once() {
    let world = World::new("2026-03-09T09:30:00", |_, n| {
        let waiting = Outcome { waiting_until: Some(time("2026-03-09T10:17:00")), ..code(3) };
        Script { takes: minutes(1), outcome: if n == 0 { waiting } else { code(0) } }
    });
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:10:00").await;
    let status = &served.handle.status().jobs[0];
    assert!(!status.failing);
    assert_eq!(status.queued[0].since, time("2026-03-09T10:17:00"));
    world.reach("2026-03-09T11:30:00").await;
    served.crash().await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 10:17", "09 11:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_slot_takes_along_what_waits_for_longer() {
    let world = World::new("2026-03-09T09:30:00", |start, n| {
        assert_eq!(start.sources, Vec::<String>::new());
        let waiting = Outcome { waiting_until: Some(time("2026-03-09T23:00:00")), ..code(3) };
        Script { takes: minutes(1), outcome: if n == 0 { waiting } else { code(0) } }
    });
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T11:30:00").await;
    assert_eq!(served.handle.status().jobs[0].queued.len(), 0);
    served.crash().await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 11:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_waits_for_its_next_slot_unless_retries_are_set() {
    let mut world = World::new("2026-03-09T09:30:00", |_, _| Script { takes: minutes(1), outcome: code(1) });
    world.settings.pipelines.insert(
        "b".to_owned(),
        tributary_server::PolicyTable { retries: Some(2), retry_delay: Some(minutes(4)), ..Default::default() },
    );
    world.write("a", "cron = \"0 10 * * *\"");
    world.write("b", "cron = \"0 10 * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T12:00:00").await;
    served.crash().await;
    assert_eq!(world.runner.times("a").len(), 1);
    let times: Vec<_> = world.runner.went().into_iter().filter(|went| went.start.job == "b").collect();
    assert_eq!(times.len(), 3);
    let (first, second) = (times[1].from - times[0].from, times[2].from - times[1].from);
    // A minute of running, four of waiting, then eight; and up to a quarter more.
    assert!((5..=6).contains(&first.num_minutes()), "{first}");
    assert!((9..=11).contains(&second.num_minutes()), "{second}");
    assert!(times.iter().all(|went| went.start.run == times[0].start.run));
}

#[tokio::test(start_paused = true)]
async fn retries_of_all_pipelines_share_a_budget() {
    let mut world = World::new("2026-03-09T09:30:00", |_, _| Script { takes: minutes(1), outcome: code(1) });
    world.settings.defaults.retries = Some(5);
    world.settings.retry_budget = 7;
    for n in 0..20 {
        world.write(&format!("p{n}"), "cron = \"0 10 * * *\"");
    }
    let served = world.serve();
    world.reach("2026-03-09T10:50:00").await;
    served.crash().await;
    assert_eq!(world.runner.went().len(), 20 + 7);
}

#[tokio::test(start_paused = true)]
async fn a_source_with_a_rhythm_of_its_own_runs_alone() {
    let world = World::new("2026-03-09T09:30:00", |_, _| Script::takes(minutes(1)));
    world.write("a", "cron = \"0 10 * * *\"\nsources = [\"x\", \"y\", \"z\"]\nown = { x = \"0 11,13 * * *\", y = \"0 12,13 * * *\" }");
    world.write("b", "cron = \"0 10 * * *\"\nsources = [\"x\", \"y\"]\nown = { x = \"0 10 * * *\" }");
    let served = world.serve();
    world.reach("2026-03-09T14:00:00").await;
    served.crash().await;
    let sources = |job: &str| -> Vec<String> {
        let went = world.runner.went().into_iter().filter(|went| went.start.job == job);
        went.map(|went| went.start.sources.join(" ")).collect()
    };
    assert_eq!(sources("a"), ["z", "x", "y", "x y"]);
    assert_eq!(sources("b"), [""]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_going_in_a_crash_is_run_again() {
    let world = World::new("2026-03-09T09:30:00", |_, _| Script::takes(minutes(20)));
    world.write("a", "cron = \"0 10 * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:10:00").await;
    served.crash().await;
    world.reach("2026-03-09T10:12:00").await;
    let served: Served = world.serve();
    world.reach("2026-03-09T11:00:00").await;
    served.crash().await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 10:12"]);
    let ends = world.disk.audit().into_iter().filter_map(|record| match record {
        Record::End { run, end, .. } => Some((run, end)),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [(1, End::Lost), (1, End::Success)]);
}
