//! Kill the program wherever you like and start it again: you get the same lake.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Folder, LAYERS, MAY_DIFFER, files};

const PEOPLE: usize = 120;

/// Points of a run by stage, and how often each is passed.
type Points = BTreeMap<&'static str, BTreeMap<String, usize>>;

/// The stage that a point's name tells; `None` for points that several stages pass.
fn stage_of(point: &str) -> Option<&'static str> {
    match point.split('.').next().unwrap() {
        "ops" | "manifest" => Some("manifest"),
        "sync" => Some("raw"),
        "compact" | "vacuum" => Some("upkeep"),
        first => LAYERS.iter().find(|layer| **layer == first).copied(),
    }
}

/// Sorts the points of a whole run by stage. A point of no stage in particular is of the stage whose own point follows; the
/// state object of the manifest bears the name of the streams' ones.
fn points(log: &str) -> Points {
    let mut points = Points::new();
    let mut waiting: Vec<&str> = Vec::new();
    let mut manifest = false;
    for point in log.lines() {
        manifest |= point.starts_with("manifest.");
        waiting.push(point);
        let stage = if manifest { Some("manifest") } else { stage_of(point) };
        if let Some(stage) = stage {
            for point in waiting.drain(..) {
                *points.entry(stage).or_default().entry(point.to_owned()).or_default() += 1;
            }
        }
    }
    assert!(waiting.is_empty(), "points after the manifest: {waiting:?}");
    points
}

/// A lake on which runs are killed.
struct Walk<'a> {
    folder: &'a Folder,
    pipeline: String,
    runs: u32,
    /// Stage and point → kills there.
    kills: BTreeMap<(&'static str, String), usize>,
}

impl Walk<'_> {
    /// Runs until a point is passed for the n-th time, and is killed there if it comes to that.
    fn kill(&mut self, stage: &'static str, point: &str, n: usize) {
        self.runs += 1;
        let log = self.folder.path(format!("passed-{}", self.runs));
        let fault = format!("kill:{point}:{n}");
        let environment = [("TRIBUTARY_FAULT", fault.as_str()), ("TRIBUTARY_FAULT_LOG", log.to_str().unwrap())];
        let outcome = self.folder.tributary_with(&["run", &self.pipeline], &environment);
        if !outcome.is_killed() {
            // The point was not reached that often: no kill, and the counts at the end will be short.
            eprintln!("no kill: {outcome}");
            outcome.code(0);
            return;
        }
        let passed = fs::read_to_string(&log).unwrap();
        // More often only where several writers pass at once.
        assert!(passed.lines().filter(|passed| *passed == point).count() >= n, "{point} {n}: {passed}");
        // Earlier stages had nothing to do and later ones were not begun, so that the kill was in this stage.
        let own = |passed: &&str| match stage {
            "manifest" => passed.starts_with("raw.state."),
            _ => false,
        };
        for passed in passed.lines().filter(|passed| !own(passed)) {
            assert!(
                stage_of(passed).is_none_or(|of| of == stage),
                "{passed} was passed on the way to {point} of {stage}"
            );
        }
        *self.kills.entry((stage, point.to_owned())).or_default() += 1;
    }

    /// Batches that `passed` says there are: every one but the last five is killed on either side of its commit, and many
    /// before and after their state object is written.
    fn raw(&mut self, passed: impl Fn(&str) -> usize) {
        if passed("table.create.before") > 0 {
            self.kill("raw", "table.create.before", 1);
            self.kill("raw", "table.create.after", 1);
        }
        for left in (6..=passed("raw.commit.before")).rev() {
            match left % 4 {
                0 => self.kill("raw", "raw.state.before", 1),
                1 => self.kill("raw", "raw.state.after", 1),
                2 => self.kill("raw", "write.finish", 1),
                _ => {}
            }
            self.kill("raw", "raw.commit.before", 1);
            self.kill("raw", "raw.commit.after", 1);
        }
        // The others, some of which go well in a run that is killed at a later one.
        self.kill("raw", "sync.batch.done", 1);
        self.kill("raw", "raw.state.before", 2);
        self.kill("raw", "raw.commit.before", 2);
        self.kill("raw", "raw.state.after", 2);
        self.kill("raw", "raw.commit.after", 1);
    }

    fn stage(&mut self, stage: &'static str, passed: impl Fn(&str) -> usize) {
        // Before its record is there, a stage has done nothing but make tables and write files that are nobody's.
        let created = passed("table.create.before");
        if created > 0 {
            assert!(created >= 3, "{stage} makes {created} tables");
            self.kill(stage, "table.create.before", 1);
            self.kill(stage, "table.create.after", 1);
            self.kill(stage, "table.create.before", created - 1);
        }
        self.kill(stage, "write.finish", 1);
        self.kill(stage, "write.finish", passed("write.finish"));
        self.kill(stage, &format!("{stage}.record.before"), 1);
        self.kill(stage, &format!("{stage}.record.after"), 1);
        // With the record, the next run has but to commit the tables: each of them is killed on either side.
        for _ in 0..passed(&format!("{stage}.commit.before")) {
            self.kill(stage, &format!("{stage}.commit.before"), 1);
            self.kill(stage, &format!("{stage}.commit.after"), 1);
        }
    }

    /// Each group of files that is put together is killed before and after; what was written for it is then nobody's.
    fn upkeep(&mut self, passed: impl Fn(&str) -> usize) {
        for _ in 0..passed("compact.commit.before") {
            for point in ["write.finish", "compact.before", "compact.commit.before", "compact.commit.after"] {
                self.kill("upkeep", point, 1);
            }
        }
    }

    fn manifest(&mut self, passed: impl Fn(&str) -> usize) {
        self.kill("manifest", "manifest.before", 1);
        if passed("table.create.before") > 0 {
            self.kill("manifest", "table.create.before", 1);
            self.kill("manifest", "table.create.after", 1);
        }
        self.kill("manifest", "write.finish", 1);
        for point in ["raw.state.before", "raw.state.after", "ops.commit.before", "ops.commit.after", "manifest.after"]
        {
            self.kill("manifest", point, 1);
        }
    }

    fn of_stage(&self, stage: &str) -> usize {
        self.kills.iter().filter(|((of, _), _)| *of == stage).map(|(_, kills)| kills).sum()
    }

    fn at(&self, stage: &'static str, point: &str) -> usize {
        self.kills.get(&(stage, point.to_owned())).copied().unwrap_or_default()
    }
}

fn took(what: &str, began: Instant) {
    eprintln!("{what}: {:.1} s", began.elapsed().as_secs_f32());
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "faults are planted in debug builds only")]
fn killed_at_every_point_of_every_stage_a_lake_is_as_if_undisturbed() {
    let folder = in_loads();
    let undisturbed = folder.quickstart("undisturbed");
    let pipeline = folder.quickstart("killed");
    let mut walk = Walk { folder: &folder, pipeline: pipeline.clone(), runs: 0, kills: BTreeMap::new() };
    // How often each point of a commit is passed in all, and the batches.
    let mut commits: BTreeMap<(&str, String), usize> = BTreeMap::new();

    // The first run makes the tables, the second changes them.
    for loads in [&[1, 2][..], &[3]] {
        loads.iter().for_each(|number| load(&folder, *number));
        let began = Instant::now();
        let log = folder.path(format!("points-{}", loads[0]));
        let environment = [("TRIBUTARY_FAULT_LOG", log.to_str().unwrap())];
        let expected = folder.tributary_with(&["run", &undisturbed, "--json"], &environment).code(0).json();
        took("an undisturbed run", began);
        let points = points(&fs::read_to_string(log).unwrap());
        let passed = |stage: &'static str| {
            let of_stage = points.get(stage);
            move |point: &str| of_stage.and_then(|points| points.get(point)).copied().unwrap_or_default()
        };
        for (stage, of_stage) in &points {
            for (point, count) in of_stage.iter().filter(|(point, _)| point.contains(".commit.")) {
                *commits.entry((stage, point.clone())).or_default() += count;
            }
        }

        let began = Instant::now();
        walk.raw(passed("raw"));
        took("kills in raw", began);
        for stage in ["clean", "identity", "customer", "mart"] {
            let began = Instant::now();
            walk.stage(stage, passed(stage));
            took(&format!("kills in {stage}"), began);
        }
        walk.upkeep(passed("upkeep"));
        let began = Instant::now();
        walk.manifest(passed("manifest"));
        took("kills at the manifest", began);

        let began = Instant::now();
        let found = folder.tributary(&["run", &pipeline, "--json"]).code(0).json();
        assert_eq!(folder.tributary(&["run", &pipeline]).code(0).out, "nothing new\n");
        let totals = |summary: &Value| {
            let streams = summary["streams"].as_array().unwrap().iter();
            streams.map(|stream| (stream["table"].clone(), stream["totals"].clone())).collect::<Vec<_>>()
        };
        assert_eq!(totals(&found), totals(&expected));
        for stage in ["clean", "identity", "customer", "mart"] {
            assert_eq!(found[stage], expected[stage], "the counts of {stage}");
        }
        folder.assert_ledger("killed", &found);
        folder.picture("killed").assert_equals(&folder.picture("undisturbed"), MAY_DIFFER);
        took("the comparison", began);
    }

    for ((stage, point), kills) in &walk.kills {
        eprintln!("{stage:>9} {point:<24} {kills:>3}");
    }
    let all: usize = walk.kills.values().sum();
    eprintln!("{all} kills in {} runs", walk.runs);
    assert!(all >= 50, "{all}");
    assert!(commits[&("raw", "raw.commit.before".to_owned())] >= 20, "too few batches: {commits:?}");
    for stage in LAYERS {
        assert!(walk.of_stage(stage) >= 5, "{stage}: {:?}", walk.kills);
    }
    for ((stage, point), passed) in commits {
        match stage {
            "raw" => assert!(walk.at(stage, &point) >= 20, "{point}: {:?}", walk.kills),
            // Either side of every commit of every table.
            _ => assert_eq!(walk.at(stage, &point), passed, "{point}: {:?}", walk.kills),
        }
    }
    assert!(walk.of_stage("upkeep") >= 4, "nothing was compacted: {:?}", walk.kills);
    for side in ["before", "after"] {
        assert!(walk.at("raw", &format!("raw.state.{side}")) >= 5, "{:?}", walk.kills);
        for stage in &LAYERS[1..] {
            assert_eq!(walk.at(stage, &format!("{stage}.record.{side}")), 2);
        }
        assert_eq!(walk.at("manifest", &format!("raw.state.{side}")), 2);
        assert_eq!(walk.at("manifest", &format!("manifest.{side}")), 2);
    }
}

/// SplitMix64: the same numbers every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

/// A folder with the retailer's files in `all/`, for [`load`].
fn in_loads() -> Folder {
    let folder = Folder::with_retailer(PEOPLE);
    fs::rename(folder.path("retailer"), folder.path("all")).unwrap();
    folder
}

/// Puts the files of one of three loads where the pipeline looks for them: first all but most tickets, then more tickets, then
/// the rest and the members anew, one of them gone.
fn load(folder: &Folder, number: usize) {
    let put = |path: &Path| {
        let target = folder.path("retailer").join(path.strip_prefix(folder.path("all")).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    };
    if number == 1 {
        for name in ["stores/members.csv", "crm/contacts.csv", "shop/orders.jsonl", "survey/answers.xlsx"] {
            put(&folder.path("all").join(name));
        }
    }
    for path in files(&folder.path("all/stores")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let month = name.strip_prefix("tickets_2026-").map(|rest| rest[..2].parse::<usize>().unwrap());
        if month.is_some_and(|month| month.div_ceil(2) == number) {
            put(&path);
        }
    }
    if number == 3 {
        let path = folder.path("retailer/stores/members.csv");
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
        bytes.truncate(last + 1);
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn killed_at_any_moment_a_lake_is_as_if_undisturbed() {
    const LOADS: usize = 3;
    const KILLS_PER_LOAD: u32 = 5;
    let folder = in_loads();
    let undisturbed = folder.quickstart("undisturbed");
    let killed = folder.quickstart("killed");
    let mut dice = Dice(7);
    let (mut kills, mut runs) = (0, 0);
    for number in 1..=LOADS {
        load(&folder, number);
        let whole = folder.tributary(&["run", &undisturbed]).code(0).took;
        // Each kill of a load comes later than the one before, as the run has less to do. One that ends before it is killed
        // tells so, and the next wait less.
        let mut share = whole.as_millis() as u64 / u64::from(KILLS_PER_LOAD);
        let mut of_load = 0;
        while of_load < KILLS_PER_LOAD {
            let mut child =
                folder.command(["run", &killed]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let wait = share * u64::from(of_load) + dice.below(share);
            std::thread::sleep(Duration::from_millis(wait));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            runs += 1;
            if status.signal() == Some(9) {
                of_load += 1;
                eprintln!("load {number}: killed after {wait} of {} ms", whole.as_millis());
            } else {
                assert_eq!(status.code(), Some(0), "load {number}, after {wait} ms");
                share /= 2;
                eprintln!("load {number}: done before {wait} of {} ms", whole.as_millis());
            }
        }
        kills += of_load;
        let run = folder.tributary(&["run", &killed, "--json"]).code(0);
        assert_eq!(folder.tributary(&["run", &killed]).code(0).out, "nothing new\n");
        folder.assert_ledger("killed", &run.json());
    }
    eprintln!("{kills} kills in {runs} runs");
    folder.picture("killed").assert_equals(&folder.picture("undisturbed"), MAY_DIFFER);
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}

/// Lakes as earlier formats left them, committed as they were made: what comes next is as if they had always been of today's.
#[test]
fn lakes_of_earlier_formats_go_on() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/lakes");
    let fresh = Folder::new();
    copy(&fixtures.join("pipeline.toml"), &fresh.path("pipeline.toml"));
    copy(&fixtures.join("data/1"), &fresh.path("data"));
    fresh.tributary(&["run", "pipeline.toml"]).code(0);
    copy(&fixtures.join("data/2"), &fresh.path("data"));
    fresh.tributary(&["run", "pipeline.toml"]).code(0);
    let mut should = fresh.picture("lake");
    should.0.retain(|table, _| !table.starts_with("raw."));
    for format in ["1", "2"] {
        let folder = Folder::new();
        copy(&fixtures.join("pipeline.toml"), &folder.path("pipeline.toml"));
        copy(&fixtures.join(format).join("lake"), &folder.path("lake"));
        copy(&fixtures.join("data/1"), &folder.path("data"));
        let before = folder.number("lake", "select count(*) from raw.club_members");
        copy(&fixtures.join("data/2"), &folder.path("data"));
        let summary = folder.tributary(&["run", "pipeline.toml", "--json"]).code(0).json();
        folder.assert_ledger("lake", &summary);
        // Only the new file was read.
        assert_eq!(folder.number("lake", "select count(*) from raw.club_members"), before + 2, "format {format}");
        let mut is = folder.picture("lake");
        is.0.retain(|table, _| !table.starts_with("raw."));
        is.assert_equals(&should, MAY_DIFFER);
    }
}
