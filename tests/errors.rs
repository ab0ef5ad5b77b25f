//! What is wrong with a pipeline or a call is said at once, in its place and with the mend, before anything is read or
//! written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod scenes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use scenes::{repository, tributary};

const SECRET: &str = "k3y-of-the-kingdom";

/// Wrong are: a key (line 3), a connector (line 10), a secret written out (line 16), a column (line 22). What stands under a
/// key that nobody knows may be a secret as well, so it is not shown.
const BAD: &str = r#"name = "bad"
lake = "lake"
schedul = { cron = "0 3 * * *" }

[sources.members]
connector = "files"
path      = "members.csv"

[sources.orders]
connector = "flies"
path      = "orders.csv"

[sources.exports]
connector = "files"
path      = "exports.csv"
storage   = { secret_access_key = "k3y-of-the-kingdom" }

[[map]]
from = "members.rows"
to   = "party"
[map.fields]
name = { column = "姓名（必填）" }
"#;

/// The same, right.
fn good() -> String {
    BAD.lines()
        .filter(|line| !line.starts_with("schedul") && !line.starts_with("storage"))
        .map(|line| line.replace("flies", "files").replace("姓名（必填）", "姓名(必填)") + "\n")
        .collect()
}

fn folder(pipeline: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["members.csv", "orders.csv", "exports.csv"] {
        fs::write(folder.path().join(file), "会员号,姓名(必填)\nM1,张伟\n").unwrap();
    }
    fs::write(folder.path().join(pipeline), text).unwrap();
    folder
}

/// Every file and folder below `folder`, files with their content.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, Vec::new());
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn four_errors_are_told_at_once_each_in_its_place() {
    let folder = folder("bad.toml", BAD);
    let before = contents(folder.path());
    let said = ["check", "plan", "run"].map(|command| tributary(folder.path(), &[command, "bad.toml"]).ends(2));
    let [check, plan, run] = &said;
    let expected = r#"error: unknown key `schedul`
  --> bad.toml:3:1
   |
 3 | schedul = { cron = "…" }
   | ^^^^^^^
   = help: did you mean `schedule`?

error: there is no connector `flies`
   --> bad.toml:10:13
    |
 10 | connector = "flies"
    |             ^^^^^^^
    = help: did you mean `files`?

error: `secret_access_key` is a literal; a secret is a reference
   --> bad.toml:16:35
    |
 16 | storage   = { secret_access_key = "…" }
    |                                   ^^^
    = help: `secret_access_key = { env = "SECRET_ACCESS_KEY" }`

error: `members.rows` has no column `姓名（必填）`
   --> bad.toml:22:19
    |
 22 | name = { column = "姓名（必填）" }
    |                   ^^^^^^^^^^^^^^
    = help: did you mean `姓名(必填)`?
4 errors; nothing was read or written
"#;
    assert_eq!(check.err, expected);
    assert_eq!(plan.err, expected, "`plan` says what `check` says");
    assert_eq!(run.err, expected, "`run` says what `check` says");
    assert!(said.iter().all(|said| said.out.is_empty()), "errors are no data: {said:?}");

    let json = tributary(folder.path(), &["check", "bad.toml", "--json"]).ends(2);
    let places: Vec<_> =
        json.json().as_array().unwrap().iter().map(|error| error["excerpt"]["line"].as_u64()).collect();
    assert_eq!(places, [Some(3), Some(10), Some(16), Some(22)]);
    assert!(!format!("{}{}", json.out, json.err).contains(SECRET), "the secret is in the JSON");
    assert!(!expected.contains(SECRET));

    assert!(!folder.path().join("lake").exists(), "there is a lake");
    assert_eq!(contents(folder.path()), before, "something was written");
}

#[test]
fn a_right_pipeline_is_checked_and_planned_without_writing() {
    let folder = folder("good.toml", &good());
    let before = contents(folder.path());
    tributary(folder.path(), &["check", "good.toml"]).ends(0).tells("`good.toml` is right");
    let plan = tributary(folder.path(), &["plan", "good.toml"]).ends(0);
    assert!(plan.out.contains("never read"), "{}", plan.out);
    assert_eq!(contents(folder.path()), before, "something was written");
}

#[test]
fn a_file_that_cannot_be_taken_for_a_pipeline_is_the_users_error() {
    let folder = folder("broken.toml", "name = \"x\nlake = \"lake\"\n");
    for command in ["check", "plan", "run"] {
        tributary(folder.path(), &[command, "broken.toml"]).ends(2).tells("broken.toml:1:");
        tributary(folder.path(), &[command, "missing.toml"]).ends(2).tells("missing.toml");
    }
    assert!(!folder.path().join("lake").exists());
}

#[test]
fn a_lake_that_is_not_there_is_told_with_a_hint_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [vec!["query", "lake", "select 1"], vec!["tables", "lake"], vec!["why", "lake", "c_1"]] {
        let said = tributary(folder.path(), &arguments).ends(1).tells("error: ").tells("hint: ");
        assert!(said.out.is_empty(), "{said:?}");
    }
    assert!(contents(folder.path()).is_empty(), "a lake was made");
}

#[test]
fn wrong_questions_to_a_lake_are_the_users_error() {
    let folder = folder("good.toml", &good());
    tributary(folder.path(), &["run", "good.toml"]).ends(0);
    for sql in [
        "selec 1",
        "select nothing from customer.customer",
        "select * from customer.custommer",
        "select * from customer",
        "select 1 +",
        "select 1; select 2",
        "",
    ] {
        let said = tributary(folder.path(), &["query", "lake", sql]).ends(2).tells("error: ").tells("hint: ");
        assert!(said.out.is_empty(), "{sql}: {said:?}");
    }
    // What is no question is refused: it would write, or read what is not of the lake.
    let before = contents(folder.path());
    for sql in [
        "copy (select name from customer.customer) to 'out.csv'",
        "copy (select name from customer.customer) to 'lake/customer/customer/out.parquet'",
        "create external table members stored as csv location 'members.csv'",
        "create table x as select 1",
        "insert into customer.customer (name) values ('x')",
        "update customer.customer set name = 'x'",
        "delete from customer.customer",
        "drop table customer.customer",
        "set datafusion.execution.batch_size = 1",
    ] {
        let said = tributary(folder.path(), &["query", "lake", sql]).ends(2).tells("error: ");
        assert!(said.out.is_empty(), "{sql}: {said:?}");
    }
    assert_eq!(contents(folder.path()), before, "a question wrote something");
    let said = tributary(folder.path(), &["why", "lake", "c_nobody"]).ends(2).tells("c_nobody").tells("hint: ");
    assert!(said.out.is_empty(), "{said:?}");
    tributary(folder.path(), &["why", "lake", "c_'; --"]).ends(2);
    // And nothing of it harmed the lake.
    let rows = scenes::query(&folder.path().join("lake"), "select name from customer.customer");
    assert_eq!(rows.len(), 1, "{rows:?}");
}

#[test]
fn wrong_calls_are_the_users_error() {
    for arguments in [&["rn"][..], &["run"], &["run", "x.toml", "--dat", "2026-01-01"], &["connectors", "flies"]] {
        tributary(&repository(), arguments).ends(2);
    }
    tributary(&repository(), &["connectors", "flies"]).tells("`files`");
}
