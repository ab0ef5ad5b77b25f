//! A year in ten zones, with crashes, stops, jumps of the clock and runs of any length: each slot is accounted for once.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use tributary_server::history::{End, Record, Span};
use tributary_server::{Clock, Stop};

use crate::calendar::ZONES;
use crate::oracle;
use crate::support::{Disk, Script, World, code, minutes, time};

/// Pipeline's own line, and that of one of its sources.
const LINES: [(&str, &str); 10] = [
    ("30 2 * * *", "*/30 * * * *"),
    ("0 * * * *", "30 2 * * *"),
    ("0,30 1,2,3 * * *", "0 0 * * *"),
    ("0 0 * * *", "15 */2 * * *"),
    ("30 2 * * *", "0 4 * * 1"),
    ("20 5,17 * * *", "0 0 1 * *"),
    ("10 */3 * * *", "30 2 * * *"),
    ("0 3 * * *", "0 3 * * *"),
    ("*/20 1-3 * * *", "45 2 * * 0"),
    ("0 12 * * 1-5", "59 23 31 12 *"),
];

type Accounts = BTreeMap<(String, Option<String>, DateTime<Utc>), usize>;

/// Every slot that the history accounts for. What a span holds is what the oracle says lies in it.
fn accounted(disk: &Disk, wanted: &Accounts) -> Accounts {
    let mut accounts = Accounts::new();
    let span = |job: &str, span: &Span| {
        let within =
            (job.to_owned(), span.source.clone(), span.first)..=(job.to_owned(), span.source.clone(), span.last);
        let slots: Vec<_> = wanted.range(within).map(|(slot, _)| slot.clone()).collect();
        assert_eq!(slots.len() as u64, span.count, "{job}: {span:?}");
        slots
    };
    let mut all = Vec::new();
    for record in disk.audit() {
        match record {
            Record::Due { job, slots, missed, .. } => {
                all.extend(slots.into_iter().map(|slot| (job.clone(), slot.source, slot.at)));
                all.extend(missed.iter().flat_map(|missed| span(&job, missed)));
            }
            Record::Skip { job, spans, .. } => all.extend(spans.iter().flat_map(|skipped| span(&job, skipped))),
            _ => {}
        }
    }
    for slot in all {
        *accounts.entry(slot).or_default() += 1;
    }
    accounts
}

/// Every run that was queued has come to an end that counts, but for those of the last moment.
fn every_run_ended(disk: &Disk) {
    let mut open: BTreeMap<u64, String> = BTreeMap::new();
    let mut runs = 0;
    for record in disk.audit() {
        match record {
            Record::Due { run, job, .. } => {
                runs += usize::from(open.insert(run, job).is_none());
            }
            Record::End { run, end: End::Success | End::Failed, again: None, .. } => {
                assert!(open.remove(&run).is_some(), "run {run} ended and was not due");
            }
            // It goes on, by itself or within the one that is queued.
            Record::End { run, job, again: Some(_), .. } if open.values().filter(|name| **name == job).count() > 1 => {
                open.remove(&run);
            }
            _ => {}
        }
    }
    assert!(runs > 1000);
    assert!(open.len() <= LINES.len(), "{open:?}");
}

/// `SERVE_SEED` makes it another year.
async fn live(seed: u64, settings: impl Fn(&mut World)) {
    let seed = std::env::var("SERVE_SEED").map_or(seed, |other| other.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut lengths = random.fork();
    let lengths = std::sync::Mutex::new(move || lengths.u64(0..100));
    let mut world = World::new("2026-01-01", move |_, _| {
        let length = (lengths.lock().unwrap())();
        Script { takes: minutes(length), outcome: code(if length % 17 == 0 { 1 } else { 0 }) }
    });
    world.settings.reload = minutes(240);
    settings(&mut world);
    let (start, end) = (time("2026-01-01"), time("2027-01-01"));

    let mut wanted = Accounts::new();
    for (n, ((zone, _), (whole, own))) in ZONES.into_iter().zip(LINES).enumerate() {
        // Two share a lake.
        let lake = n.min(8);
        let text = format!(
            "lake = \"{lake}\"\nzone = \"{zone}\"\nsources = [\"a\", \"b\"]\ncron = \"{whole}\"\nown = {{ b = \"{own}\" }}"
        );
        world.write(&format!("p{n}"), &text);
        let zone = zone.parse().unwrap();
        let mut slots = oracle::slots(&[whole, own], zone, start, end + TimeDelta::days(2)).into_iter();
        let mut want = |source: Option<&str>, slots: Vec<_>| {
            wanted.extend(slots.into_iter().map(|at| ((format!("p{n}"), source.map(str::to_owned), at), 1)));
        };
        want(None, slots.next().unwrap());
        want(Some("b"), slots.next().unwrap());
    }

    let mut ahead = false;
    let mut restarts = 0;
    while world.clock.now() < end {
        let served = crate::support::Served::new(world.server().unwrap().tick(minutes(15)));
        let lives = TimeDelta::minutes(random.i64(1..6 * 24 * 60));
        let mut left = lives;
        while left > TimeDelta::zero() && world.clock.now() < end {
            let step = TimeDelta::minutes(random.i64(1..36 * 60)).min(left);
            tokio::time::sleep(step.to_std().unwrap() + std::time::Duration::from_millis(random.u64(0..60_000))).await;
            left -= step;
            if random.u8(0..3) == 0 {
                let by = TimeDelta::minutes(random.i64(1..=360));
                world.clock.jump(if ahead { -by } else { by });
                ahead = !ahead;
            }
        }
        if random.bool() {
            served.crash().await;
        } else {
            served.ask(if random.bool() { Stop::Soon } else { Stop::AtOnce });
            served.ended().await.unwrap();
        }
        restarts += 1;
        tokio::time::sleep(minutes(random.u64(0..12 * 60))).await;
    }
    // The last day is quiet, so that the clock has passed the year's end for good.
    let served = world.serve();
    world.clock.reach(end + TimeDelta::days(1)).await;
    served.crash().await;

    let mut accounts = accounted(&world.disk, &wanted);
    for accounts in [&mut accounts, &mut wanted] {
        accounts.retain(|(_, _, at), _| *at <= end);
    }
    let missing: Vec<_> = wanted.keys().filter(|slot| !accounts.contains_key(*slot)).take(5).collect();
    let strange: Vec<_> = accounts.keys().filter(|slot| !wanted.contains_key(*slot)).take(5).collect();
    let doubled: Vec<_> = accounts.iter().filter(|(_, n)| **n != 1).take(5).collect();
    assert!(missing.is_empty() && strange.is_empty() && doubled.is_empty(), "{missing:?} {strange:?} {doubled:?}");
    every_run_ended(&world.disk);
    assert!(world.runner.most() <= world.settings.max_concurrent);
    println!("seed {seed}: {} slots, {} runs, {restarts} restarts", wanted.len(), world.runner.went().len());
}

#[tokio::test(start_paused = true)]
async fn every_slot_of_a_year_is_accounted_for_once() {
    live(1, |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn every_slot_of_a_year_is_accounted_for_once_where_nothing_queues() {
    live(2, |world| {
        world.settings.defaults.overlap = Some(tributary_server::Overlap::Skip);
        world.settings.defaults.misfire = Some(tributary_server::Misfire::Skip);
    })
    .await;
}
