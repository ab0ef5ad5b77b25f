//! What a user of the made-up retailer could see: its files, read independently of the code that wrote them, and its truth.
//!
//! One world of 20,000 people is written once and shared. Noise is measured in the files, not taken from the summary, and
//! the bounds are five standard deviations wide, so that another seed would pass as well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod noise;
mod read;
mod shapes;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tributary_sandbox::{Config, Error, Summary, Truth, read_truth, write};

struct World {
    folder: PathBuf,
    summary: Summary,
    truth: Truth,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = fresh_folder("world");
        let summary = write(&Config { people: 20_000, ..Config::default() }, &folder).unwrap();
        let truth = read_truth(&folder).unwrap();
        World { folder, summary, truth }
    })
}

fn fresh_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("retailer").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    folder
}

#[test]
fn two_runs_of_one_configuration_write_the_same_bytes() {
    let (first, second, other) = (fresh_folder("first"), fresh_folder("second"), fresh_folder("other"));
    let config = Config { people: 1_500, ..Config::default() };
    let summary = write(&config, &first).unwrap();
    assert_eq!(write(&config, &second).unwrap(), summary);
    write(&Config { seed: 2, ..config }, &other).unwrap();
    for (path, count) in &summary.files {
        let bytes = std::fs::read(first.join(path)).unwrap();
        assert_eq!(bytes.len() as u64, count.bytes, "{path}");
        assert!(bytes == std::fs::read(second.join(path)).unwrap(), "{path} differs between two runs");
        assert!(bytes != std::fs::read(other.join(path)).unwrap(), "{path} does not depend on the seed");
    }
    assert_eq!(summary.files.len(), 13);
}

/// A file's bytes; of JSON with the keys in order, which without that depends on the features that the build chose.
fn pinned(path: &std::path::Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_none_or(|extension| extension != "jsonl") {
        return bytes;
    }
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let sorted = lines.map(|line| {
        let mut value: serde_json::Value = serde_json::from_slice(line).unwrap();
        value.sort_all_objects();
        format!("{value}\n")
    });
    sorted.collect::<String>().into_bytes()
}

/// The text files' bytes, pinned: a change here is a change of everybody's made-up world, so it should be meant. The
/// workbook is left out, as its compression depends on the features that the build chose for the compressor.
#[test]
fn the_world_of_two_hundred_is_the_one_it_was() {
    let folder = fresh_folder("pinned");
    let summary = write(&Config { people: 200, ..Config::default() }, &folder).unwrap();
    let mut digest = 0xCBF2_9CE4_8422_2325_u64;
    for path in summary.files.keys().filter(|path| !path.ends_with(".xlsx")) {
        for byte in pinned(&folder.join(path)) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    assert_eq!(format!("{digest:016x}"), "46e4d4471019c8d2");
}

#[test]
fn worlds_of_few_people_can_be_written() {
    for people in [0, 1, 2, 7] {
        let folder = fresh_folder(&format!("few-{people}"));
        write(&Config { people, ..Config::default() }, &folder).unwrap();
        assert_eq!(read_truth(&folder).unwrap().people.len(), people);
    }
}

#[test]
fn the_months_are_those_before_the_export() {
    let folder = fresh_folder("months");
    let as_of = "2025-03-10".parse().unwrap();
    let summary = write(&Config { people: 300, as_of, ..Config::default() }, &folder).unwrap();
    let months: Vec<_> = summary.files.keys().filter_map(|path| path.strip_prefix("stores/tickets_")).collect();
    assert_eq!(months, ["2024-10.csv", "2024-11.csv", "2024-12.csv", "2025-01.csv", "2025-02.csv", "2025-03.csv"]);
    let last = read::gb18030(&folder.join("stores/tickets_2025-03.csv"));
    let times: Vec<_> = last[2..last.len() - 1].iter().map(|row| row[4].clone()).collect();
    assert!(!times.is_empty() && times.iter().all(|at| ("2025/03/01".."2025/03/11").contains(&at.as_str())));
}

#[test]
fn a_configuration_out_of_range_is_refused_and_says_how() {
    let folder = fresh_folder("refused");
    let refused = |config: &Config| write(config, &folder).unwrap_err().to_string();
    assert_eq!(
        refused(&Config { people: 3_000_001, ..Config::default() }),
        "cannot use `people`: at most `3000000` fit on one survey sheet"
    );
    assert_eq!(
        refused(&Config { as_of: "1999-12-31".parse().unwrap(), ..Config::default() }),
        "cannot use `as_of`: the year must lie in `2000` to `2199`"
    );
    assert!(!folder.exists());
}

#[test]
fn a_truth_file_that_is_none_is_named_with_its_line() {
    let folder = fresh_folder("broken");
    write(&Config { people: 5, ..Config::default() }, &folder).unwrap();
    let path = folder.join("truth/people.csv");
    let text = std::fs::read_to_string(&path).unwrap().replacen("\n3,", "\nx,", 1);
    std::fs::write(&path, text).unwrap();
    let error = read_truth(&folder).unwrap_err();
    assert!(matches!(&error, Error::Truth { line: 4, .. }), "{error}");
    assert!(error.to_string().contains("`person` is no number"), "{error}");
}
