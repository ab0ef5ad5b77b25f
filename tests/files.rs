//! Files as they come: with bad rows, bad fields and bad bytes, empty, moved, corrected, gone. What is bad is set aside with
//! its reason, the rest is loaded, and the ledger balances.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "files/quarantine.rs"]
mod quarantine;
mod scenes;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use scenes::{Said, balances, count, number, query, stream, text, tributary};
use serde_json::{Value, json};

/// A folder with a pipeline, its files and its lake.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// Writes `p.toml`: the head, and `rest`.
    fn new(rest: &str) -> Self {
        Self::at(tempfile::tempdir().unwrap(), rest)
    }

    fn at(folder: tempfile::TempDir, rest: &str) -> Self {
        let place = Self { folder };
        place.write("p.toml", format!("name = \"files\"\nlake = \"lake\"\n{rest}"));
        place
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn lake(&self) -> PathBuf {
        self.path("lake")
    }

    /// Runs the pipeline, which must end with `code` and a ledger that balances.
    #[track_caller]
    fn run(&self, code: i32, more: &[&str]) -> (Value, Said) {
        let said = tributary(self.folder.path(), &[&["run", "p.toml", "--json"], more].concat()).ends(code);
        let summary = said.json();
        balances(&self.lake(), &summary);
        (summary, said)
    }

    #[track_caller]
    fn query(&self, sql: &str) -> Vec<Value> {
        query(&self.lake(), sql)
    }

    #[track_caller]
    fn number(&self, sql: &str) -> i64 {
        number(&self.lake(), sql)
    }
}

/// `[read, written, duplicate, rejected, withdrawn]`.
fn counts(summary: &Value, source: &str) -> [i64; 5] {
    ["read", "written", "duplicate", "rejected", "withdrawn"].map(|name| count(stream(summary, source), name))
}

/// `[new, unchanged]` files.
fn files(summary: &Value, source: &str) -> [i64; 2] {
    ["partitions", "unchanged"].map(|name| count(stream(summary, source), name))
}

fn source(name: &str, path: &str, more: &str) -> String {
    format!("[sources.{name}]\nconnector = \"files\"\npath = \"{path}\"\n{more}\n")
}

/// `number,text` rows from `from` to `to`.
fn rows(from: u32, to: u32) -> String {
    (from..=to).map(|number| format!("{number},row {number}\n")).collect()
}

// A lake of awkward files

static AWKWARD: LazyLock<(Place, Value, Said)> = LazyLock::new(|| {
    let members = "timezone = \"Asia/Shanghai\"\nprimary_key = [\"会员号\"]\nmax_rejected = \"50%\"\n\
                   columns = { \"消费 [元]\" = \"decimal(19,4)\" }";
    let place = Place::at(
        scenes::shared(),
        &([
            source("members", "members.csv", members),
            source("quotes", "quotes/*.csv", "max_rejected = 3"),
            source("texts", "texts/*.csv", "encoding = \"utf-8\""),
            source("nothing", "nothing/*.csv", ""),
            source("lines", "lines.jsonl", ""),
        ]
        .concat()
            + "[[map]]\nfrom = \"members.rows\"\nto = \"party\"\n[map.fields]\nrecord_id = { column = \"会员号\" }\n\
               name = { column = \"姓名(必填)\" }\nbirthday = { column = \"出生 日期\" }\n\
               [[map.identifiers]]\ntype = \"phone\"\nvalue = { column = \"手机 (mobile), 11位\" }\n"),
    );
    place.write(
        "members.csv",
        "会员号,姓名(必填),\"手机 (mobile), 11位\",出生 日期,消费 [元],a.b; {c}='d'\n\
         M1,张伟,13715969249,1990-05-06,12.5,ok\n\
         M2,李娜,1.38E+10,1991-01-02,7.25,ok\n\
         M3,王芳,13768050462,2024-02-30,-3,ok\n\
         M4,赵敏,13915567356\n\
         M5,孙强,16611966270,1980-01-01,1,too,many\n\
         M6,周杰,13746424987,1985-08-08,面议,ok\n\
         M7,吴静,13610163245,1979-12-31,1.23456,\"two\nlines\"\n",
    );
    // A quoted field may have many lines, but not over a thousand, nor over a megabyte.
    place.write("quotes/a_good.csv", format!("id,text\n1,\"{}\"\n2,b\n", "line\n".repeat(990)));
    place.write("quotes/b_lines.csv", format!("id,text\n0,a\n1,\"never closed\n{}", rows(2, 1_500)));
    let wide = |number: u32| format!("{number},{}\n", "x".repeat(20_000));
    let wide_rows: String = (2..=80).map(wide).collect();
    place.write("quotes/c_bytes.csv", format!("id,text\n0,a\n1,\"never closed\n{wide_rows}"));
    place.write("quotes/d_end.csv", format!("id,text\n0,a\n1,\"never closed\n{}", rows(2, 5)));
    // Of 300 records two are no UTF-8, of 100 one: that is not over one in a hundred.
    let mut few = format!("id,text\n{}", rows(1, 300)).into_bytes();
    for bad in ["row 7\n", "row 250\n"] {
        let at = few.windows(bad.len()).position(|window| window == bad.as_bytes()).unwrap();
        few[at] = 0xff;
    }
    place.write("texts/few.csv", few);
    place.write("texts/one.csv", [format!("id,text\n{}", rows(1, 99)).as_bytes(), b"100,caf\xe9\n"].concat());
    place.write("nothing/empty.csv", "");
    place.write("nothing/header.csv", "id,text\n");
    place.write("nothing/mark.csv", "\u{feff}");
    place.write("lines.jsonl", "{\"id\":1,\"text\":\"a\"}\n{\"id\":2,\"text\":\n{\"id\":3,\"text\":\"c\"}\n");
    let (summary, said) = place.run(0, &[]);
    (place, summary, said)
});

#[test]
fn rejected_rows_within_the_limit_are_a_warning() {
    let (_, summary, said) = &*AWKWARD;
    assert_eq!(summary["errors"], json!([]));
    for warning in [
        "members.rows: 2 of 7 records were rejected",
        "quotes.rows: 3 of 1590 records were rejected",
        "texts.rows: 3 of 400 records were rejected",
        "lines.rows: 1 of 3 records were rejected",
    ] {
        assert!(said.err.contains(&format!("warning: {warning}")), "{warning}\n{}", said.err);
    }
    assert_eq!(summary["warnings"].as_array().map(Vec::len), Some(4));
    // The warning says how to see them.
    let (place, ..) = &*AWKWARD;
    let hint = said.err.split('`').find(|part| part.starts_with("select _error")).unwrap();
    assert_eq!(place.query(hint).len(), 2);
}

#[test]
fn a_ragged_row_is_rejected_with_its_line_and_the_rest_is_loaded() {
    let (place, summary, _) = &*AWKWARD;
    assert_eq!(counts(summary, "members"), [7, 5, 0, 2, 0]);
    let rejected =
        place.query("select _line, _error, _op from raw.members_rows where _error is not null order by _line");
    assert_eq!(rejected.iter().map(|row| count(row, "_line")).collect::<Vec<_>>(), [5, 6]);
    let reasons: Vec<_> = rejected.iter().map(|row| text(row, "_error")).collect();
    assert!(reasons.iter().all(|reason| reason.contains("6")), "a reason says how many fields are meant: {reasons:?}");
    assert!(!reasons.iter().any(|reason| reason.contains("赵敏")), "a reason holds no value");
    assert_eq!(
        place.number("select count(*) from raw.members_rows where arrow_cast(_bytes, 'Utf8') like 'M4,赵敏,%'"),
        1
    );
    let loaded = place.query("select record_id, name from clean.party order by 1");
    let loaded: Vec<_> = loaded.iter().map(|row| (text(row, "record_id"), text(row, "name"))).collect();
    assert_eq!(loaded, [("M1", "张伟"), ("M2", "李娜"), ("M3", "王芳"), ("M6", "周杰"), ("M7", "吴静")]);
}

#[test]
fn a_quote_that_is_not_closed_costs_its_first_line_only() {
    let (place, summary, _) = &*AWKWARD;
    assert_eq!(counts(summary, "quotes"), [2 + 1_501 + 81 + 6, 1_587, 0, 3, 0]);
    let sql = "select _scope, count(*) as n, count(_error) as bad, min(case when _error is not null then _line end) as line, \
               min(cast(id as int)) as first, max(cast(id as int)) as last, count(distinct id) as ids \
               from raw.quotes_rows group by 1 order by 1";
    let found = place.query(sql);
    let of = |row: &Value| ["n", "bad", "line", "first", "last", "ids"].map(|name| row[name].as_i64());
    let good = [Some(2), Some(0), None, Some(1), Some(2), Some(2)];
    assert_eq!(of(&found[0]), good, "a quoted field of 990 lines is one field");
    for (file, last) in found[1..].iter().zip([1_500, 80, 5]) {
        let expected = [last + 1, 1, 3, 0, last, last].map(Some);
        assert_eq!(of(file), expected, "{file}");
    }
    let reasons = place.query("select distinct _error from raw.quotes_rows where _error is not null");
    let told = |row: &Value| text(row, "_error").ends_with("a quote is opened and not closed");
    assert!(reasons.iter().all(told), "{reasons:?}");
}

#[test]
fn bytes_that_are_not_of_the_encoding_cost_their_record() {
    let (place, summary, _) = &*AWKWARD;
    assert_eq!(counts(summary, "texts"), [400, 397, 0, 3, 0]);
    let lines = place.query("select _scope, _line from raw.texts_rows where _error is not null order by 1, 2");
    let lines: Vec<_> =
        lines.iter().map(|row| (text(row, "_scope").split('#').next().unwrap(), count(row, "_line"))).collect();
    assert_eq!(lines, [("few.csv", 8), ("few.csv", 251), ("one.csv", 101)]);
    assert_eq!(
        place.number("select count(*) from raw.texts_rows where text like '%\u{fffd}%'"),
        0,
        "nothing is guessed"
    );
}

#[test]
fn an_empty_file_has_no_rows() {
    let (place, summary, _) = &*AWKWARD;
    assert_eq!((counts(summary, "nothing"), files(summary, "nothing")), ([0; 5], [3, 0]));
    assert_eq!(place.number("select count(*) from raw.nothing_rows"), 0);
}

#[test]
fn a_broken_line_of_json_is_rejected_alone() {
    let (place, summary, _) = &*AWKWARD;
    assert_eq!(counts(summary, "lines"), [3, 2, 0, 1, 0]);
    assert_eq!(place.number("select _line from raw.lines_rows where _error is not null"), 2);
    assert_eq!(place.number("select sum(cast(id as int)) from raw.lines_rows"), 4);
}

#[test]
fn a_bad_field_loses_the_field_and_not_the_person() {
    let (place, summary, _) = &*AWKWARD;
    let issues = "select p.record_id, i.field, i.kind from clean.field_issue i join clean.party p \
                  on p.record_key = i.record_key order by 1, 2";
    let expected = json!([
        { "record_id": "M2", "field": "phone", "kind": "scientific_notation" },
        { "record_id": "M3", "field": "birthday", "kind": "impossible" },
    ]);
    assert_eq!(Value::from(place.query(issues)), expected);
    assert_eq!(
        summary["clean"]["members.rows → party"]["issues"],
        json!({ "phone: scientific_notation": 1, "birthday: impossible": 1 })
    );
    let kept = "select p.record_id, p.birthday, i.value from clean.party p left join clean.party_identifier i \
                on i.record_key = p.record_key where p.record_id in ('M2', 'M3') order by 1";
    let expected = json!([
        { "record_id": "M2", "birthday": "1991-01-02", "value": null },
        { "record_id": "M3", "birthday": null, "value": "+8613768050462" },
    ]);
    assert_eq!(Value::from(place.query(kept)), expected);
    assert_eq!(place.number("select count(*) from customer.customer"), 5);
}

#[test]
fn a_value_that_is_not_of_its_columns_type_is_kept_as_text() {
    let (place, summary, _) = &*AWKWARD;
    assert_eq!(stream(summary, "members")["misfits"], json!({ "消费 [元]": 2 }));
    let found = place.query(
        "select \"会员号\" as id, \"消费 [元]\" as amount, _extra from raw.members_rows where _error is null order by 1",
    );
    let found: Vec<_> = found.iter().map(|row| [&row["id"], &row["amount"], &row["_extra"]]).collect();
    let expected = [
        [json!("M1"), json!("12.5000"), json!(null)],
        [json!("M2"), json!("7.2500"), json!(null)],
        [json!("M3"), json!("-3.0000"), json!(null)],
        [json!("M6"), json!(null), json!("{\"消费 [元]\":\"面议\"}")],
        [json!("M7"), json!(null), json!("{\"消费 [元]\":\"1.23456\"}")],
    ];
    assert_eq!(found, expected.each_ref().map(<[Value; 3]>::each_ref));
}

#[test]
fn names_with_brackets_blanks_and_signs_come_through() {
    let (place, ..) = &*AWKWARD;
    let found = place.query(
        "select \"姓名(必填)\", \"手机 (mobile), 11位\", \"出生 日期\", \"a.b; {c}='d'\" from raw.members_rows \
         where \"会员号\" = 'M7'",
    );
    let expected = json!([{
        "姓名(必填)": "吴静", "手机 (mobile), 11位": "13610163245", "出生 日期": "1979-12-31", "a.b; {c}='d'": "two\nlines"
    }]);
    assert_eq!(Value::from(found), expected);
}

// Errors of files and limits

#[test]
fn a_file_error_ends_with_1_the_rest_is_loaded_and_a_mended_file_is_taken_up() {
    let place = Place::new(
        &[
            source("texts", "texts/*.csv", "encoding = \"utf-8\""),
            source("sheets", "sheets/*", ""),
            source("links", "links/*.csv", ""),
        ]
        .concat(),
    );
    place.write("texts/good.csv", format!("id,text\n{}", rows(1, 50)));
    place.write("texts/bad.csv", [format!("id,text\n{}", rows(1, 98)).as_bytes(), b"99,\xff\n100,\xff\n"].concat());
    place.write("sheets/bad.xlsx", "this is no workbook");
    place.write("sheets/good.csv", format!("id,text\n{}", rows(1, 20)));
    place.write("links/good.csv", format!("id,text\n{}", rows(1, 10)));
    place.write("secret.csv", "id,text\n1,secret\n");
    #[cfg(unix)]
    std::os::unix::fs::symlink(place.path("secret.csv"), place.path("links/link.csv")).unwrap();

    let (summary, said) = place.run(1, &[]);
    assert_eq!(counts(&summary, "texts"), [50, 50, 0, 0, 0]);
    assert_eq!(counts(&summary, "sheets"), [20, 20, 0, 0, 0]);
    assert_eq!(counts(&summary, "links"), [10, 10, 0, 0, 0]);
    let said = said.tells("error: texts.rows: `bad.csv`: 2 of 100 records are not of the file's encoding");
    let said = said.tells("error: sheets.rows: `bad.xlsx`: ");
    #[cfg(unix)]
    said.tells("error: links.rows: `link.csv`: ");
    let of_bad = "select count(*) from raw.texts_rows where _scope like 'bad.csv%'";
    assert_eq!(place.number(of_bad), 0, "none of the bad file's rows are committed");

    place.write("texts/bad.csv", format!("id,text\n{}", rows(1, 100)));
    fs::remove_file(place.path("sheets/bad.xlsx")).unwrap();
    let _ = fs::remove_file(place.path("links/link.csv"));
    let (summary, _) = place.run(0, &[]);
    assert_eq!((counts(&summary, "texts"), files(&summary, "texts")), ([100, 100, 0, 0, 0], [1, 1]));
    assert_eq!(place.number(of_bad), 100);
}

#[test]
fn more_rejected_rows_than_allowed_end_with_1() {
    let pipeline = [("none", "0"), ("one", "1"), ("less", "\"24%\""), ("enough", "\"25%\"")]
        .map(|(name, most)| source(name, "members.csv", &format!("max_rejected = {most}")))
        .concat();
    let place = Place::new(&pipeline);
    place.write("members.csv", "id,name\n1,a\n2,b\n3\n4,d\n");
    let (summary, said) = place.run(1, &[]);
    let told = |kind: &str| -> Vec<String> {
        let told = summary[kind].as_array().unwrap().iter();
        told.map(|line| line.as_str().unwrap().split('.').next().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (told("errors"), told("warnings")),
        (vec!["none".into(), "less".into()], vec!["one".into(), "enough".into()])
    );
    said.tells("error: none.rows: 1 of 4 records were rejected, more than `max_rejected` allows")
        .tells("warning: one.rows: 1 of 4 records were rejected");
    assert_eq!(counts(&summary, "none"), [4, 3, 0, 1, 0], "the rest is loaded");
    assert_eq!(place.number("select count(*) from raw.none_rows where _error is null"), 3);
    // Until somebody has said what is to be done, this is so.
    let (summary, said) = place.run(1, &[]);
    assert_eq!((told("errors"), summary["held"].as_array().unwrap().len()), (vec!["none".into(), "less".into()], 2));
    said.tells("error: less.rows: 1 of 4 records were rejected");
    place.run(1, &["--accept-rejected", "none.rows"]);
    let said = place.run(0, &["--accept-rejected", "none.rows", "--accept-rejected", "less.rows"]).1;
    said.tells("warning: none.rows: 1 of 4 records were rejected, more than `max_rejected` allows")
        .tells("(1 × row has 1 field, the header has 2); accepted");
    place.run(0, &[]);
}

// Files that change

/// The current records of a source in `clean.party`, as `id name`.
fn people(place: &Place, source: &str) -> Vec<String> {
    let sql =
        format!("select record_id, name from clean.party where source = '{source}' order by cast(record_id as int)");
    place.query(&sql).iter().map(|row| format!("{} {}", text(row, "record_id"), text(row, "name"))).collect()
}

/// Runs in a row over files that come, move, change and go. `keyed` sources have a primary key, the others know a record by
/// its place in its file.
#[test]
fn files_that_come_move_change_and_go() {
    let sources = [
        ("months", "months/*.csv", "primary_key = [\"id\"]"),
        ("copies", "copies/*.csv", ""),
        ("keyed", "keyed/*.csv", "primary_key = [\"id\"]"),
        ("plain", "plain/*.csv", ""),
        ("gone", "gone/*.csv", ""),
        ("adds", "adds/*.csv", "on_change = \"add\""),
    ];
    let map = |name: &str| {
        format!("[[map]]\nfrom = \"{name}.rows\"\nto = \"party\"\n[map.fields]\nrecord_id = \"id\"\nname = \"name\"\n")
    };
    let pipeline = sources.map(|(name, path, more)| source(name, path, more)).concat();
    let place = Place::new(&(pipeline + &sources.map(|(name, ..)| map(name)).concat()));
    place.write("months/2026-01.csv", "id,name\n1,张伟\n2,李娜\n3,王芳\n");
    place.write("copies/a.csv", "id,name\n1,张伟\n2,李娜\n");
    for folder in ["keyed", "plain"] {
        place.write(&format!("{folder}/a.csv"), "id,name\n1,张伟\n2,李娜\n3,王芳\n");
        place.write(&format!("{folder}/b.csv"), "id,name\n7,赵敏\n");
    }
    place.write("gone/a.csv", "id,name\n1,张伟\n2,李娜\n");
    place.write("gone/b.csv", "id,name\n3,王芳\n");
    place.write("adds/a.csv", "id,name\n1,张伟\n2,李娜\n");
    place.run(0, &[]);
    assert_eq!(people(&place, "keyed"), ["1 张伟", "2 李娜", "3 王芳", "7 赵敏"]);

    // A month later.
    place.write("months/2026-02.csv", "id,name\n2,李小娜\n4,赵敏\n");
    fs::copy(place.path("copies/a.csv"), place.path("copies/b.csv")).unwrap();
    for folder in ["keyed", "plain"] {
        place.write(&format!("{folder}/a.csv"), "id,name\n1,张伟\n2,李小娜\n9,孙强\n");
    }
    fs::remove_file(place.path("gone/a.csv")).unwrap();
    place.write("adds/a.csv", "id,name\n3,王芳\n4,赵敏\n5,孙强\n");
    let (summary, _) = place.run(0, &[]);

    assert_eq!((counts(&summary, "months"), files(&summary, "months")), ([2, 2, 0, 0, 0], [1, 1]), "read alone");
    assert_eq!(people(&place, "months"), ["1 张伟", "2 李小娜", "3 王芳", "4 赵敏"], "what it corrects is newer");
    let of_months = &summary["clean"]["months.rows → party"];
    assert_eq!((count(of_months, "rows"), count(of_months, "superseded")), (5, 1));

    assert_eq!((counts(&summary, "copies"), files(&summary, "copies")), ([0; 5], [1, 1]), "the same under a new name");
    assert_eq!(people(&place, "copies"), ["1 张伟", "2 李娜"]);

    for source in ["keyed", "plain"] {
        assert_eq!((counts(&summary, source), files(&summary, source)), ([3, 3, 0, 0, 1], [1, 1]), "{source}");
        assert_eq!(
            people(&place, source),
            ["1 张伟", "2 李小娜", "7 赵敏", "9 孙强"],
            "{source}: a correction replaces"
        );
    }
    assert_eq!(place.number("select count(*) from raw.plain_rows where _op = 'upsert'"), 7, "raw forgets nothing");

    assert_eq!((counts(&summary, "gone"), files(&summary, "gone")), ([0; 5], [0, 1]));
    assert_eq!(people(&place, "gone"), ["1 张伟", "2 李娜", "3 王芳"], "what vanished is not wrong");

    assert_eq!(counts(&summary, "adds"), [3, 3, 0, 0, 0]);
    assert_eq!(people(&place, "adds"), ["1 张伟", "2 李娜", "3 王芳", "4 赵敏", "5 孙强"]);

    // A file of another name or time is no other file.
    fs::rename(place.path("copies/b.csv"), place.path("copies/c.csv")).unwrap();
    place.write("plain/b.csv", "id,name\n7,赵敏\n");
    let (summary, _) = place.run(0, &[]);
    for source in sources.map(|(name, ..)| name) {
        assert_eq!(counts(&summary, source), [0; 5], "{source}");
    }
    assert_eq!(people(&place, "copies"), ["1 张伟", "2 李娜"]);
    let again = tributary(place.folder.path(), &["run", "p.toml"]).ends(0);
    assert_eq!(again.out, "nothing new\n");

    // An export that was cut short would withdraw nearly all: it needs a word.
    place.write("keyed/a.csv", "id,name\n9,孙强\n");
    let (summary, said) = place.run(1, &[]);
    said.tells("which would withdraw 2 of its 3 records").tells("--accept-replace keyed.rows");
    assert_eq!(counts(&summary, "keyed"), [0; 5]);
    assert_eq!(people(&place, "keyed"), ["1 张伟", "2 李小娜", "7 赵敏", "9 孙强"]);
    place.run(0, &["--accept-replace", "keyed.rows"]);
    assert_eq!(people(&place, "keyed"), ["7 赵敏", "9 孙强"]);
}

/// All rows that people see, but for the ids of records' customers and of runs.
fn derived(place: &Place) -> Vec<Vec<Value>> {
    let tables = [
        "select record_id, name, source from clean.party order by 1, 3",
        "select type, value, scope from clean.party_identifier order by 1, 2, 3",
        "select name, phone from customer.customer order by 1, 2",
    ];
    tables.iter().map(|sql| place.query(sql)).collect()
}

/// A file with mistakes is found out three runs later: it is taken back, what came before and after stays, and the corrected
/// file loads.
#[test]
fn a_bad_file_is_undone_three_runs_later() {
    let map = "[[map]]\nfrom = \"till.rows\"\nto = \"party\"\n[map.fields]\nrecord_id = \"id\"\nname = \"name\"\n\
               [[map.identifiers]]\ntype = \"phone\"\nvalue = \"phone\"\n";
    let pipeline = source("till", "till/*.csv", "primary_key = [\"id\"]\nregion = \"CN\"") + map;
    let (place, never) = (Place::new(&pipeline), Place::new(&pipeline));
    let day = |place: &Place, name: &str, rows: &str| {
        place.write(&format!("till/{name}.csv"), format!("id,name,phone\n{rows}"));
    };
    for place in [&place, &never] {
        day(place, "1", "1,张伟,13800000001\n2,李娜,13800000002\n");
        place.run(0, &[]);
    }
    // Two people on a wrong phone, one of them known, and one who is nobody.
    day(&place, "2", "2,李大娜,13800000001\n3,王芳,13800000001\n4,测试,13800000009\n");
    let (bad, _) = place.run(0, &[]);
    let run = text(&bad, "run").to_owned();
    for place in [&place, &never] {
        for (name, rows) in
            [("3", "5,赵敏,13800000005\n"), ("4", "1,张大伟,13800000001\n"), ("5", "6,孙强,13800000006\n")]
        {
            day(place, name, rows);
            place.run(0, &[]);
        }
    }
    let wrong = derived(&place);
    assert_ne!(wrong, derived(&never));

    let lake = place.lake();
    let lake = lake.to_str().unwrap();
    tributary(place.folder.path(), &["undo", lake, "no-such-run"]).ends(1).tells("no run `no-such-run`");
    let said = tributary(place.folder.path(), &["undo", lake, &run, "--json"]).ends(0);
    let done = said.json();
    assert_eq!(done["streams"][0]["rows"], 3);
    assert_eq!(done["streams"][0]["reread"], false, "the file is known");
    // Killed before it had told so, it is asked again.
    let again = tributary(place.folder.path(), &["undo", lake, &run]).ends(0);
    assert!(again.out.starts_with("nothing to do"), "{}", again.out);
    assert_eq!(derived(&place), wrong, "readers see no half of it");

    let (summary, _) = place.run(0, &[]);
    assert_eq!(counts(&summary, "till"), [0; 5], "the bad file is not read again");
    assert_eq!(derived(&place), derived(&never), "as if it had never come");
    assert!(place.number("select count(*) from identity.event where kind = 'retired' or kind = 'split'") > 0);

    for place in [&place, &never] {
        day(place, "2", "2,李大娜,13800000002\n3,王芳,13800000003\n");
        place.run(0, &["--accept-replace", "till.rows"]);
    }
    assert_eq!(derived(&place), derived(&never), "the corrected file loads");
    assert_eq!(people(&place, "till"), ["1 张大伟", "2 李大娜", "3 王芳", "5 赵敏", "6 孙强"]);
    let again = tributary(place.folder.path(), &["run", "p.toml"]).ends(0);
    assert_eq!(again.out, "nothing new\n");
}

/// A row of a file that was undone comes again in another file: it is no duplicate.
#[test]
fn what_was_undone_is_no_duplicate_of_what_comes() {
    let place = Place::new(&source("till", "till/*.csv", "primary_key = [\"id\"]"));
    place.write("till/1.csv", "id,name\n1,张伟\n");
    let (summary, _) = place.run(0, &[]);
    let (lake, run) = (place.lake(), text(&summary, "run").to_owned());
    tributary(place.folder.path(), &["undo", lake.to_str().unwrap(), &run]).ends(0);
    place.write("till/2.csv", "id,name\n1,张伟\n2,李娜\n");
    let (summary, _) = place.run(0, &[]);
    assert_eq!(counts(&summary, "till"), [2, 2, 0, 0, 0]);
}

/// A source has another name: nothing is read again, and everyone keeps their id.
#[test]
fn a_source_is_renamed() {
    let map = |source: &str| {
        format!(
            "[[map]]\nfrom = \"{source}.rows\"\nto = \"party\"\n[map.fields]\nrecord_id = \"id\"\nname = \"name\"\n\
             [[map.identifiers]]\ntype = \"phone\"\nvalue = \"phone\"\n\
             [[map.identifiers]]\ntype = \"member_no\"\nvalue = \"id\"\n"
        )
    };
    let keyed = "primary_key = [\"id\"]\nregion = \"CN\"";
    let pipeline = |name: &str, more: &str| {
        let sources = source(name, "till/*.csv", &format!("{keyed}{more}")) + &source("web", "web/*.csv", keyed);
        format!("name = \"files\"\nlake = \"lake\"\n{sources}{}{}", map(name), map("web"))
    };
    let place = Place::new(&source("none", "none", ""));
    place.write("p.toml", pipeline("till", ""));
    place.write("till/1.csv", "id,name,phone\n1,张伟,13800000001\n2,李娜,13800000002\n");
    place.write("web/1.csv", "id,name,phone\n9,张伟,13800000001\n");
    place.run(0, &[]);
    let ids = "select m.record_key, m.customer_id, m.stub, p.record_id from identity.member m \
               left join clean.party p on p.record_key = m.record_key where not m.retired order by 1";
    let before = place.query(ids);
    assert!(before.len() >= 3);

    let renamed = "\nrenamed_from = \"till\"";
    place.write("p.toml", pipeline("kasse", renamed));
    let (summary, _) = place.run(0, &[]);
    assert_eq!(counts(&summary, "kasse"), [0; 5], "{summary}");
    assert_eq!(place.query(ids), before);
    assert_eq!(people(&place, "kasse"), ["1 张伟", "2 李娜"]);
    assert!(people(&place, "till").is_empty());
    assert_eq!(tributary(place.folder.path(), &["run", "p.toml"]).ends(0).out, "nothing new\n");
    let told = tributary(place.folder.path(), &["reset", "p.toml", "kasse", "--forget", "--dry-run"]).ends(0);
    assert!(told.out.contains("kasse.rows"), "{}", told.out);

    // A new file is read with the old ones known; a correction takes the place of what came under the old name.
    place.write("till/2.csv", "id,name,phone\n2,李小娜,13800000002\n3,王芳,13800000003\n");
    let (summary, _) = place.run(0, &[]);
    assert_eq!(counts(&summary, "kasse"), [2, 2, 0, 0, 0]);
    assert_eq!(people(&place, "kasse"), ["1 张伟", "2 李小娜", "3 王芳"]);

    place.write("p.toml", pipeline("kasse", ""));
    tributary(place.folder.path(), &["run", "p.toml"])
        .ends(2)
        .tells("source `kasse` of this lake was `till`")
        .tells("renamed_from = \"till\"");
    place.write("p.toml", pipeline("till", ""));
    let (summary, _) = place.run(0, &[]);
    assert_eq!(counts(&summary, "till"), [0; 5], "it has its old name back");
    place.write("p.toml", pipeline("web_shop", "\nrenamed_from = \"web\""));
    tributary(place.folder.path(), &["run", "p.toml"]).ends(2).tells("would share a table");
}

/// Forty small batches become one file; the runs are listed, and what is old can go.
#[test]
fn a_lake_is_kept_up() {
    let place = Place::new(&source("till", "till/*.csv", "primary_key = [\"id\"]\nbatch_rows = 1"));
    for file in 0..40 {
        place.write(&format!("till/{file:02}.csv"), format!("id,name\n{file},张伟\n"));
    }
    let (summary, _) = place.run(0, &[]);
    let done = &summary["upkeep"]["tables"]["raw.till_rows"];
    assert_eq!((count(done, "files_before"), count(done, "files_after"), count(done, "rows")), (40, 1, 40));
    let lake = place.lake();
    let tables = tributary(place.folder.path(), &["tables", lake.to_str().unwrap(), "--json"]).ends(0).json();
    let till = tables.as_array().unwrap().iter().find(|table| table["table"] == "raw.till_rows").unwrap();
    assert_eq!((till["files"].as_i64(), till["rows"].as_i64()), (Some(1), Some(40)), "readers see it");

    place.write("till/99.csv", "id,name\n99,李娜\n");
    place.run(0, &[]);
    let said = tributary(place.folder.path(), &["maintain", lake.to_str().unwrap(), "--json"]).ends(0).json();
    assert_eq!(count(&said["tables"]["raw.till_rows"], "files_before"), 2);
    assert_eq!(place.number("select count(*) from raw.till_rows"), 41);
    let runs = tributary(place.folder.path(), &["runs", lake.to_str().unwrap(), "--json"]).ends(0).json();
    let runs: Vec<_> = runs.as_array().unwrap().iter().map(|run| (text(run, "pipeline"), count(run, "read"))).collect();
    assert_eq!(runs, [("maintenance", 0), ("files", 1), ("files", 40)]);
    let again = tributary(place.folder.path(), &["run", "p.toml"]).ends(0);
    assert_eq!(again.out, "nothing new\n");
}

/// The moment is seen from outside: the lake is there, so the files have been looked at and are being read; and the program
/// has the first of them open. It is too large to be read to its end before its rows are decoded.
#[cfg(target_os = "linux")]
#[test]
fn columns_that_come_go_or_change_their_type_lose_nothing() {
    let pipeline = |more: &str| format!("name = \"files\"\nlake = \"lake\"\n{}", source("t", "in/*.csv", more));
    let place = Place::new(&source("t", "in/*.csv", ""));
    let typed = "primary_key = [\"id\"]\ncolumns = { amount = \"decimal(19,4)\" }";
    place.write("p.toml", pipeline(typed));
    place.write("in/1.csv", "id,amount\n1,5\n2,7.25\n");
    place.run(0, &[]);
    assert!(place.query("select * from raw.t_rows where amount = 7.25").len() == 1);

    // A new column is added, and told once.
    place.write("in/2.csv", "id,amount,note\n3,1.5,hello\n");
    let said = place.run(0, &[]).1;
    assert!(said.err.contains("column `note`: added"), "{said:?}");
    assert_eq!(place.query("select note from raw.t_rows where id = '3'"), [json!({ "note": "hello" })]);
    assert!(!place.run(0, &[]).1.err.contains("note"));

    // With another type it goes on beside the old one; with `extra` what is new is kept in `_extra`.
    place.write("p.toml", pipeline("primary_key = [\"id\"]"));
    place.write("in/3.csv", "id,amount,note\n4,about 9,x\n");
    place.run(0, &[]);
    assert_eq!(
        place.query("select amount, amount__text from raw.t_rows where id = '4'"),
        [json!({ "amount": null, "amount__text": "about 9" })]
    );
    assert_eq!(place.number("select count(*) from raw.t_rows where amount is not null and amount__text is null"), 3);
    place.write("p.toml", pipeline("primary_key = [\"id\"]\nschema = \"extra\""));
    place.write("in/4.csv", "id,amount,note,tag\n5,6,y,new\n");
    place.run(0, &[]);
    assert_eq!(place.query("select _extra from raw.t_rows where id = '5'"), [json!({ "_extra": "{\"tag\":\"new\"}" })]);

    // With `fail` the stream is not read until somebody has looked.
    place.write("p.toml", pipeline("primary_key = [\"id\"]\nschema = \"fail\""));
    place.write("in/5.csv", "id,amount,note,tag\n6,6,y,new\n");
    let said = place.run(1, &[]).1;
    assert!(said.err.contains("stream `rows` shows other columns: `tag` is new"), "{said:?}");
    assert_eq!(place.number("select count(*) from raw.t_rows"), 5);
    let events = place.query("select \"column\", change from ops.schema_event order by at, \"column\"");
    let events: Vec<_> = events.iter().map(|event| (text(event, "column"), text(event, "change"))).collect();
    assert_eq!(events, [("note", "added"), ("amount", "type changed"), ("tag", "added")]);
}

#[test]
fn a_file_that_vanishes_while_it_is_read_gives_no_rows() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let place = Place::new(&source("exports", "exports/*.csv", ""));
    let large: String = (0..96).map(|number| format!("{number},{}\n", "x".repeat(1 << 20))).collect();
    place.write("exports/a_large.csv", format!("id,text\n{large}"));
    place.write("exports/b_waiting.csv", format!("id,text\n{}", rows(1, 10)));
    place.write("exports/c_good.csv", format!("id,text\n{}", rows(1, 20)));
    let mut program = Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["run", "p.toml", "--json"])
        .current_dir(place.folder.path())
        .stdin(Stdio::null())
        .stdout(fs::File::create(place.path("out")).unwrap())
        .stderr(fs::File::create(place.path("err")).unwrap())
        .spawn()
        .unwrap();
    let open = PathBuf::from(format!("/proc/{}/fd", program.id()));
    let large = place.path("exports/a_large.csv").canonicalize().unwrap();
    let reads = || {
        let open = fs::read_dir(&open).into_iter().flatten().flatten();
        open.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == large))
    };
    let start = Instant::now();
    while !(place.lake().exists() && reads()) {
        assert!(start.elapsed() < Duration::from_secs(60), "the file is not read");
        assert!(
            program.try_wait().unwrap().is_none(),
            "the program has ended: {}",
            fs::read_to_string(place.path("err")).unwrap()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::remove_file(&large).unwrap();
    fs::remove_file(place.path("exports/b_waiting.csv")).unwrap();
    let code = program.wait().unwrap().code();
    let err = fs::read_to_string(place.path("err")).unwrap();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("error: exports.rows: `a_large.csv`: `a_large.csv` vanished while it was read"), "{err}");
    assert!(err.contains("error: exports.rows: `b_waiting.csv`: `b_waiting.csv` could not be read"), "{err}");
    let summary: Value = serde_json::from_str(&fs::read_to_string(place.path("out")).unwrap()).unwrap();
    balances(&place.lake(), &summary);
    assert_eq!(counts(&summary, "exports"), [20, 20, 0, 0, 0]);
    let scopes = place.query("select distinct _scope from raw.exports_rows");
    assert_eq!(scopes, [json!({ "_scope": "c_good.csv#1" })]);

    // Back again, it is read.
    place.write("exports/a_large.csv", format!("id,text\n{}", rows(1, 5)));
    let (summary, _) = place.run(0, &[]);
    assert_eq!((counts(&summary, "exports"), files(&summary, "exports")), ([5, 5, 0, 0, 0], [1, 1]));
}
