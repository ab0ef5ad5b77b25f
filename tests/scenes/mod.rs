//! What the tests of samples, errors and files share: running the built program, asking a lake, holding a run's ledger
//! against itself. It uses nothing of ours but the program.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a call of the program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Fails unless the program ended with `code`.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    /// Fails unless `text` is on stderr.
    #[track_caller]
    pub fn tells(self, text: &str) -> Self {
        assert!(self.err.contains(text), "`{text}` is not on stderr:\n{}", self.err);
        self
    }

    /// Stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("stdout is no JSON: {e}\n{}\n{}", self.out, self.err))
    }
}

/// Calls the program in `folder`.
pub fn tributary(folder: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env_remove("TRIBUTARY_FAULT")
        .env_remove("TRIBUTARY_LOG")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    Said {
        code: output.status.code().expect("the program ends by itself"),
        out: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        err: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// A folder for what the tests of a file share. Nothing drops a static, so what earlier runs left is removed here.
pub fn shared() -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for left in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let age = left.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        let is_ours = left.file_name().to_string_lossy().starts_with("scene-");
        if is_ours && age.is_some_and(|age| age.as_secs() > 3_600) {
            let _ = std::fs::remove_dir_all(left.path());
        }
    }
    tempfile::Builder::new().prefix("scene-").tempdir_in(root).unwrap()
}

/// The top of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// Rows that `sql` gives over the lake at `lake`.
#[track_caller]
pub fn query(lake: &Path, sql: &str) -> Vec<Value> {
    let said = tributary(&repository(), &["query", lake.to_str().unwrap(), sql, "--json"]).ends(0);
    said.json().as_array().expect("rows").clone()
}

/// The one number that `sql` gives.
#[track_caller]
pub fn number(lake: &Path, sql: &str) -> i64 {
    let rows = query(lake, sql);
    let row = rows.first().and_then(Value::as_object).unwrap_or_else(|| panic!("no row: {sql}"));
    row.values().next().and_then(Value::as_i64).unwrap_or_else(|| panic!("no number: {sql}: {row:?}"))
}

/// A field of a row that is text.
#[track_caller]
pub fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_else(|| panic!("`{field}` is no text in {row}"))
}

/// A count in a summary.
#[track_caller]
pub fn count(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_else(|| panic!("`{name}` is no number in {value}"))
}

/// The counts of a stream in the summary of a run.
#[track_caller]
pub fn stream<'a>(summary: &'a Value, source: &str) -> &'a Value {
    let mut streams = summary["streams"].as_array().expect("streams").iter();
    &streams.find(|stream| stream["source"] == source).unwrap_or_else(|| panic!("no stream of {source}"))["counts"]
}

/// Rows of a table, as the manifest of a lake has them.
pub fn rows_of(lake: &Path) -> std::collections::BTreeMap<String, i64> {
    let said = tributary(&repository(), &["tables", lake.to_str().unwrap(), "--json"]).ends(0);
    let tables = said.json();
    tables
        .as_array()
        .expect("tables")
        .iter()
        .map(|table| (text(table, "table").to_owned(), count(table, "rows")))
        .collect()
}

/// Adds up the ledger of a run's `--json` again, and holds it against the rows of its lake's tables.
#[track_caller]
pub fn balances(lake: &Path, summary: &Value) {
    for stream in summary["streams"].as_array().expect("streams") {
        // A stream of which nothing was ever committed has no totals.
        for sums in [&stream["counts"], &stream["totals"]].into_iter().filter(|sums| sums.get("read").is_some()) {
            let [read, written, duplicate, rejected] =
                ["read", "written", "duplicate", "rejected"].map(|name| count(sums, name));
            assert_eq!(read, written + duplicate + rejected, "read = written + duplicate + rejected in {stream}");
        }
    }
    let rows = rows_of(lake);
    let mut entities = std::collections::BTreeMap::<String, i64>::new();
    for (mapping, counts) in summary["clean"].as_object().expect("mappings") {
        let of = |name: &str| count(counts, name);
        assert_eq!(of("rows"), of("current") + of("superseded") + of("deleted"), "{mapping}: {counts}");
        assert_eq!(of("input"), of("output") + of("filtered") + of("empty"), "{mapping}: {counts}");
        assert_eq!(of("output"), of("written") + of("folded"), "{mapping}: {counts}");
        assert!(of("input") >= of("current"), "{mapping}: {counts}");
        let entity = mapping.split(" → ").nth(1).and_then(|entity| entity.split(' ').next()).expect("an entity");
        *entities.entry(entity.to_owned()).or_default() += of("written");
    }
    for (entity, written) in &entities {
        assert_eq!(rows.get(&format!("clean.{entity}")), Some(written), "rows of clean.{entity}");
    }
    // Every record of a stream is a row of its raw table, and what a mapping starts from are those that are sound.
    for stream in summary["streams"].as_array().expect("streams") {
        let totals = &stream["totals"];
        if totals.get("read").is_none() {
            continue;
        }
        let table = text(stream, "table");
        // Of what was undone the rows stay, and a row says that they do not count. So do rejected records that were replayed.
        let later = |name: &str| totals.get(name).and_then(Value::as_i64).unwrap_or_default();
        let records = count(totals, "written") + later("replayed");
        let raw = records + count(totals, "rejected") + count(totals, "withdrawn") + later("retracted");
        assert_eq!(rows.get(table), Some(&raw), "rows of {table}: {totals}");
        let start = format!("{}.{} → ", text(stream, "source"), text(stream, "stream"));
        for (mapping, counts) in
            summary["clean"].as_object().expect("mappings").iter().filter(|(m, _)| m.starts_with(&start))
        {
            assert_eq!(count(counts, "rows"), records - later("undone"), "{mapping} starts from all of {table}");
        }
    }
    let identity = &summary["identity"];
    assert_eq!(entities.get("party").copied().unwrap_or_default(), count(identity, "parties"), "parties of identity");
    let both = |part: &Value| count(part, "customers") + count(part, "stub_customers");
    assert_eq!(both(identity), both(&summary["customer"]), "customers of identity and of golden records");
    // Where nothing is mapped there is no such table.
    let customers = rows.get("customer.customer").copied().unwrap_or_default();
    assert_eq!(customers, both(identity), "rows of customer.customer");
    for (entity, sides) in summary["customer"]["attributed"].as_object().expect("entities") {
        let sum: i64 = sides.as_array().expect("with and without").iter().filter_map(Value::as_i64).sum();
        assert_eq!(entities.get(entity), Some(&sum), "{entity} with a customer and without");
    }
    for (table, of_mart) in summary["mart"]["rows"].as_object().expect("marts") {
        assert_eq!(rows.get(table), of_mart.as_i64().as_ref(), "rows of {table}");
    }
}
