//! Drives the built program: a folder to run it in, what it said, and what is in a lake afterwards.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tempfile::TempDir;

/// Columns in which two lakes of one history may differ, whatever table they are in:
/// - `run_id`: which run did it, a random number;
/// - `_read_at`: when a row was read;
/// - `_commit`, `commit`: the lake's sequence of commits, in which a killed run leaves out numbers.
///
/// Everything else is compared, epochs (`_epoch`) too: a run that was killed cuts the same batches again.
pub const MAY_DIFFER: &[&str] = &["run_id", "_read_at", "_commit", "commit"];

/// Tables that are not compared: two lakes may have come about by different runs.
pub const NOT_COMPARED: &[&str] = &["ops.run"];

/// The stages in the order of a run, each with the layer of its tables.
pub const LAYERS: &[&str] = &["raw", "clean", "identity", "customer", "mart"];

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/quickstart.toml");

/// A working directory of the program, removed at the end.
pub struct Folder(TempDir);

/// What came of a run of the program.
pub struct Outcome {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
    pub took: Duration,
    what: String,
}

/// A row, by column.
pub type Row = Map<String, Value>;

/// All rows of all tables of a lake.
#[derive(Debug, PartialEq)]
pub struct Picture(pub BTreeMap<String, Vec<Row>>);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a made-up retailer in `retailer/`, whose monthly ticket files are cut into one for every six days.
    pub fn with_retailer(people: usize) -> Self {
        let folder = Self::new();
        let config = tributary_sandbox::Config { people, seed: 7, ..tributary_sandbox::Config::default() };
        tributary_sandbox::write(&config, &folder.path("retailer")).unwrap();
        cut_tickets(&folder.path("retailer/stores"));
        folder
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(relative)
    }

    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the quickstart's pipeline for the retailer and a lake, each file a batch, and gives its name.
    pub fn quickstart(&self, lake: &str) -> String {
        let text = fs::read_to_string(QUICKSTART).unwrap();
        let text = replaced(&text, "lake = \"lake/quickstart\"", &format!("lake = \"{lake}\"\nseed = \"test\""));
        let text = replaced(&text, "pipelines/sample/retailer/", "retailer/");
        let text = replaced(&text, "connector   = \"files\"", "connector   = \"files\"\nbatch_rows  = 1");
        let name = format!("{lake}.toml");
        self.write(&name, &text);
        name
    }

    /// The program, about to run here without any planted fault.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for variable in ["TRIBUTARY_FAULT", "TRIBUTARY_FAULT_LOG", "TRIBUTARY_LOG"] {
            command.env_remove(variable);
        }
        command
    }

    pub fn tributary(&self, arguments: &[&str]) -> Outcome {
        self.tributary_with(arguments, &[])
    }

    pub fn tributary_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        let what = format!("{environment:?} tributary {}", arguments.join(" "));
        let began = Instant::now();
        let output = command.output().unwrap();
        Outcome {
            status: output.status,
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            took: began.elapsed(),
            what,
        }
    }

    pub fn query(&self, lake: &str, sql: &str) -> Vec<Row> {
        let outcome = self.tributary(&["query", lake, sql, "--json"]).code(0);
        serde_json::from_str(&outcome.out).unwrap()
    }

    /// The one number that a query answers.
    pub fn number(&self, lake: &str, sql: &str) -> u64 {
        let rows = self.query(lake, sql);
        let [row] = rows.as_slice() else { panic!("`{sql}` answers {} rows", rows.len()) };
        row.values().next().and_then(Value::as_u64).unwrap_or_else(|| panic!("`{sql}` answers {row:?}"))
    }

    /// The tables of the newest manifest, with their versions.
    pub fn tables(&self, lake: &str) -> BTreeMap<String, u64> {
        let outcome = self.tributary(&["tables", lake, "--json"]).code(0);
        let rows: Vec<Row> = serde_json::from_str(&outcome.out).unwrap();
        let pair = |row: &Row| (row["table"].as_str().unwrap().to_owned(), row["version"].as_u64().unwrap());
        rows.iter().map(pair).collect()
    }

    /// The newest version of every table as the Delta logs on disk have it, whatever the manifest says.
    pub fn versions(&self, lake: &str) -> BTreeMap<String, u64> {
        let mut versions = BTreeMap::new();
        for layer in folders(&self.path(lake)).into_iter().filter(|layer| !layer.starts_with('_')) {
            for table in folders(&self.path(lake).join(&layer)) {
                let log = self.path(lake).join(&layer).join(&table).join("_delta_log");
                let commits = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
                let newest = commits.filter_map(|name| name.strip_suffix(".json")?.parse().ok()).max();
                versions.insert(format!("{layer}.{table}"), newest.unwrap());
            }
        }
        versions
    }

    /// All tables of a lake with all their rows, sorted.
    pub fn picture(&self, lake: &str) -> Picture {
        let tables = self.tables(lake);
        let waiting: Mutex<Vec<&String>> =
            Mutex::new(tables.keys().filter(|table| !NOT_COMPARED.contains(&table.as_str())).collect());
        let found = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
                scope.spawn(|| {
                    loop {
                        let next = waiting.lock().unwrap().pop();
                        let Some(table) = next else { break };
                        let (layer, name) = table.split_once('.').unwrap();
                        let mut rows = self.query(lake, &format!("select * from {layer}.\"{name}\""));
                        rows.sort_by_cached_key(text_of);
                        found.lock().unwrap().insert(table.clone(), rows);
                    }
                });
            }
        });
        let found = found.into_inner().unwrap();
        for table in
            ["clean.party", "identity.member", "identity.event", "customer.customer", "customer.provenance", "mart.rfm"]
        {
            assert!(found.get(table).is_some_and(|rows: &Vec<Row>| !rows.is_empty()), "{table} has no rows");
        }
        Picture(found)
    }

    /// Holds the ledger of a pipeline's last run, its `summary`, against itself and against the rows that are in the lake.
    pub fn assert_ledger(&self, lake: &str, summary: &Value) {
        let count = |counts: &Value, name: &str| {
            counts[name].as_u64().unwrap_or_else(|| panic!("the ledger has no `{name}`: {counts}"))
        };
        // From where, and how many the ledger says there are.
        let mut rows: Vec<(String, u64)> = Vec::new();
        for stream in list(&summary["streams"]) {
            let (totals, table) = (&stream["totals"], stream["table"].as_str().unwrap());
            let named = |name| count(totals, name);
            assert_eq!(named("read"), named("written") + named("duplicate") + named("rejected"), "{table}: {totals}");
            for (ops, of_it) in
                [("'upsert', 'delete'", "written"), ("'reject'", "rejected"), ("'replace'", "withdrawn")]
            {
                rows.push((format!("{table} where _op in ({ops})"), named(of_it)));
            }
        }
        let mut written: BTreeMap<&str, u64> = BTreeMap::new();
        for (mapping, counts) in summary["clean"].as_object().unwrap() {
            let named = |name| count(counts, name);
            assert_eq!(named("rows"), named("current") + named("superseded") + named("deleted"), "{mapping}: {counts}");
            assert_eq!(named("input"), named("output") + named("filtered") + named("empty"), "{mapping}: {counts}");
            assert_eq!(named("output"), named("written") + named("folded"), "{mapping}: {counts}");
            let entity = mapping.split(" → ").nth(1).unwrap().split(' ').next().unwrap();
            *written.entry(entity).or_default() += named("written");
        }
        rows.extend(written.into_iter().map(|(entity, written)| (format!("clean.\"{entity}\""), written)));
        let (identity, customer) = (&summary["identity"], &summary["customer"]);
        let members = count(identity, "parties") + count(identity, "stubs");
        rows.push(("identity.member where not retired".into(), members));
        for (stub, counts) in [("not stub", "customers"), ("stub", "stub_customers")] {
            assert_eq!(count(identity, counts), count(customer, counts), "{counts}");
            rows.push((format!("customer.customer where {stub}"), count(customer, counts)));
        }
        let marts = summary["mart"]["rows"].as_object().unwrap();
        rows.extend(marts.iter().map(|(table, rows)| (table.clone(), rows.as_u64().unwrap())));
        assert!(rows.len() >= 10, "{rows:?}");

        let counts =
            rows.iter().enumerate().map(|(at, (from, _))| format!("select {at} as at, count(*) as rows from {from}"));
        let sql = counts.collect::<Vec<_>>().join(" union all ");
        let found = self.query(lake, &format!("select * from ({sql}) order by at"));
        let found: Vec<u64> = found.iter().map(|row| row["rows"].as_u64().unwrap()).collect();
        assert_eq!(found.len(), rows.len());
        for ((from, expected), found) in rows.iter().zip(found) {
            assert_eq!(found, *expected, "rows of {from}");
        }
    }
}

impl Outcome {
    /// Asserts how it ended.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    pub fn is_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    /// Asserts that it said all of this on stderr.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is not on stderr of {self}");
        }
        self
    }

    /// Expects parts of what it wrote to stdout.
    #[track_caller]
    pub fn shows(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part), "`{part}` is not on stdout of {self}");
        }
        self
    }

    /// What it wrote to stdout, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("no JSON ({e}): {self}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n--- stdout\n{}--- stderr\n{}", self.what, self.status, self.out, self.err)
    }
}

impl Picture {
    pub fn rows(&self, table: &str) -> &[Row] {
        self.0.get(table).unwrap_or_else(|| panic!("there is no {table} in {:?}", self.0.keys()))
    }

    /// Asserts that all tables are equal row by row, but for the columns named.
    #[track_caller]
    pub fn assert_equals(&self, other: &Self, may_differ: &[&str]) {
        let names = |picture: &Self| picture.0.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(self), names(other), "the lakes have other tables");
        let wrong: Vec<String> = self
            .0
            .iter()
            .filter_map(|(table, rows)| {
                difference(rows, other.rows(table), may_differ).map(|what| format!("{table}: {what}"))
            })
            .collect();
        assert!(wrong.is_empty(), "the lakes differ\n{}", wrong.join("\n"));
    }
}

/// What is different in two tables, if anything.
fn difference(ours: &[Row], theirs: &[Row], may_differ: &[&str]) -> Option<String> {
    let compared = |rows: &[Row]| {
        let mut rows: Vec<Row> = rows.to_vec();
        rows.iter_mut().for_each(|row| may_differ.iter().for_each(|column| drop(row.remove(*column))));
        rows.sort_by_cached_key(text_of);
        rows
    };
    let (ours, theirs) = (compared(ours), compared(theirs));
    if ours == theirs {
        return None;
    }
    let columns: BTreeSet<&String> = ours.iter().chain(&theirs).flat_map(|row| row.keys()).collect();
    let values = |rows: &[Row], column: &String| {
        let mut values: Vec<String> =
            rows.iter().map(|row| row.get(column).map_or("none".into(), Value::to_string)).collect();
        values.sort_unstable();
        values
    };
    let columns: Vec<_> =
        columns.into_iter().filter(|column| values(&ours, column) != values(&theirs, column)).collect();
    let only = |here: &[Row], there: &[Row]| {
        let there: BTreeSet<String> = there.iter().map(text_of).collect();
        let rows: Vec<String> = here.iter().map(text_of).filter(|row| !there.contains(row)).take(3).collect();
        rows.join("\n    ")
    };
    Some(format!(
        "{} and {} rows; columns that differ by themselves: {columns:?}\n  in the first only:\n    {}\n  in the second only:\n    {}",
        ours.len(),
        theirs.len(),
        only(&ours, &theirs),
        only(&theirs, &ours)
    ))
}

/// A row as text; its columns are in the order of their names.
fn text_of(row: &Row) -> String {
    serde_json::to_string(row).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Replaces what must be there.
#[track_caller]
pub fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not there");
    text.replace(from, to)
}

fn folders(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The files of a folder, sorted.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Cuts each `tickets_2026-01.csv` into `tickets_2026-01-1.csv` and so on, by six days, each with the title and the header.
/// The row of totals is left out, as it would no longer be right.
fn cut_tickets(folder: &Path) {
    let tickets = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("tickets_");
    for path in files(folder).into_iter().filter(tickets) {
        let bytes = fs::read(&path).unwrap();
        // No byte of a character of several bytes is a line feed in GB18030.
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let head = [lines.next().unwrap(), lines.next().unwrap()].concat();
        let mut parts: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        // A ticket's number is `T`, the store's three digits, the day and a number.
        for line in lines.filter(|line| line.starts_with(b"T")) {
            let day: u32 = std::str::from_utf8(&line[10..12]).unwrap().parse().unwrap();
            parts.entry((day - 1) / 6 + 1).or_insert_with(|| head.clone()).extend(line);
        }
        let stem = path.file_stem().unwrap().to_str().unwrap();
        for (part, bytes) in parts {
            fs::write(folder.join(format!("{stem}-{part}.csv")), bytes).unwrap();
        }
        fs::remove_file(path).unwrap();
    }
}
