//! Rejected records are listed and shown, hold a pipeline if they are too many, and become rows once their cause is mended.

use std::process::{Command, Stdio};

use super::*;

const MAP: &str = "[[map]]\nfrom = \"till.rows\"\nto = \"party\"\n[map.fields]\nrecord_id = \"id\"\nname = \"name\"\n";

fn till(more: &str) -> String {
    format!("name = \"files\"\nlake = \"lake\"\n{}{MAP}", source("till", "till/*.csv", more))
}

/// A pipeline over `till/*.csv`, declared with `more`.
fn place(more: &str) -> Place {
    let place = Place::new("");
    place.write("p.toml", till(more));
    place
}

/// `quarantine`, with the lake where `LAKE` stands.
#[track_caller]
fn quarantine(place: &Place, code: i32, arguments: &[&str]) -> Said {
    let lake = place.lake();
    let arguments =
        arguments.iter().map(|argument| if *argument == "LAKE" { lake.to_str().unwrap() } else { argument });
    let arguments: Vec<&str> = ["quarantine"].into_iter().chain(arguments).collect();
    tributary(place.folder.path(), &arguments).ends(code)
}

/// What is listed: reason, records, open, replayed, withdrawn, undone.
#[track_caller]
fn listed(place: &Place) -> Vec<(String, [i64; 5])> {
    let found = quarantine(place, 0, &["list", "LAKE", "--json"]).json();
    let numbers = |row: &Value| ["records", "open", "replayed", "withdrawn", "undone"].map(|name| count(row, name));
    found.as_array().unwrap().iter().map(|row| (text(row, "reason").to_owned(), numbers(row))).collect()
}

/// Replays: `[open, replayed]` of the one stream, if any is open.
#[track_caller]
fn replayed(place: &Place, more: &[&str]) -> Option<[i64; 2]> {
    let done = quarantine(place, 0, &[&["replay", "p.toml", "--json"], more].concat()).json();
    let stream = done["streams"].as_array().unwrap().first().cloned();
    stream.map(|stream| ["open", "replayed"].map(|name| count(&stream, name)))
}

/// Raw rows by `_op`, in the newest version of the table.
fn ops(place: &Place) -> Vec<(String, i64)> {
    let found = place.query("select _op, count(*) as n from raw.till_rows group by 1 order by 1");
    found.iter().map(|row| (text(row, "_op").to_owned(), count(row, "n"))).collect()
}

/// A file whose rows `bad` are in Latin-1, which UTF-8 is not.
fn in_two_encodings(bad: &[u32]) -> Vec<u8> {
    let row = |id: u32| {
        if bad.contains(&id) {
            [format!("{id},Ren").as_bytes(), b"\xe9\n"].concat()
        } else {
            format!("{id},Ann\n").into_bytes()
        }
    };
    [b"id,name\n".to_vec(), (1..=300).flat_map(row).collect()].concat()
}

const NOT_UTF8: &str = "row has bytes that are not UTF-8";

#[test]
fn a_mended_declaration_makes_rows_of_what_was_rejected_once_and_in_their_place() {
    let keyed = "primary_key = [\"id\"]\nencoding = \"utf-8\"";
    let place = place(keyed);
    place.write("till/1.csv", [in_two_encodings(&[7, 8, 9]), b"8,Later\n".to_vec()].concat());
    place.write("till/2.csv", "id,name\n9,Newer\n");
    place.run(0, &[]);
    assert_eq!(listed(&place), [(NOT_UTF8.to_owned(), [3, 3, 0, 0, 0])]);
    assert_eq!(replayed(&place, &[]), Some([3, 0]), "as it is declared, they are still what they are");

    place.write("p.toml", till("primary_key = [\"id\"]\nencoding = \"windows-1252\""));
    assert_eq!(replayed(&place, &["--dry-run"]), Some([3, 3]));
    assert_eq!(listed(&place), [(NOT_UTF8.to_owned(), [3, 3, 0, 0, 0])], "nothing is written");
    let before = place.query("select record_id from clean.party");
    assert_eq!(replayed(&place, &["till.rows"]), Some([3, 3]));
    assert_eq!(place.query("select record_id from clean.party"), before, "readers see no half of it");
    assert_eq!(replayed(&place, &[]), None, "they are rows by now");
    assert_eq!(listed(&place), [(NOT_UTF8.to_owned(), [3, 0, 3, 0, 0])]);

    let (summary, _) = place.run(0, &[]);
    assert_eq!(counts(&summary, "till"), [0; 5], "no file is read again");
    let of_mapping = &summary["clean"]["till.rows → party"];
    assert_eq!(["rows", "current", "superseded"].map(|name| count(of_mapping, name)), [302, 300, 2]);
    let names = place.query("select record_id, name from clean.party where record_id in ('7', '8', '9') order by 1");
    let names: Vec<_> = names.iter().map(|row| text(row, "name")).collect();
    assert_eq!(names, ["René", "Later", "Newer"], "what is replayed has its place in its file");
    assert_eq!(ops(&place), [("reject".to_owned(), 3), ("upsert".to_owned(), 302)]);
    let again = tributary(place.folder.path(), &["run", "p.toml"]).ends(0);
    assert_eq!(again.out, "nothing new\n");
    let runs = tributary(place.folder.path(), &["runs", place.lake().to_str().unwrap(), "--json"]).ends(0).json();
    assert_eq!(runs.as_array().unwrap().iter().filter(|run| run["pipeline"] == "replay").count(), 1);
}

#[test]
fn values_are_shown_only_when_asked_for() {
    let place = place("primary_key = [\"id\"]\nencoding = \"utf-8\"");
    place.write("till/1.csv", "id,name\n1,Ann\n2,Secret,13800138000\n,Keyless\n3\n");
    place.run(0, &[]);
    let lists = [
        &["list", "LAKE"][..],
        &["list", "LAKE", "--json"],
        &["show", "LAKE", "till.rows"],
        &["show", "LAKE", "till.rows", "--all", "--json"],
        &["replay", "p.toml", "--dry-run"],
    ];
    for arguments in lists {
        let said = quarantine(&place, 0, arguments);
        for value in ["Secret", "13800138000", "Keyless"] {
            assert!(!said.out.contains(value) && !said.err.contains(value), "{arguments:?}: {said:?}");
        }
        assert!(said.out.contains("row has 3 fields, the header has 2"), "{said:?}");
    }
    let shown = quarantine(&place, 0, &["show", "LAKE", "till.rows", "--bytes", "--json"]).json();
    let shown: Vec<_> =
        shown.as_array().unwrap().iter().map(|record| (&record["line"], text(record, "bytes"))).collect();
    assert_eq!(shown[0], (&json!(3), "2,Secret,13800138000"));
    assert_eq!(shown[1], (&json!(null), "{\"name\":\"Keyless\"}"));
    let one = quarantine(&place, 0, &["show", "LAKE", "till.rows", "--limit", "1", "--json"]).json();
    let sql = "select _commit, _row from raw.till_rows where _line = 3";
    let row = &place.query(sql)[0];
    assert_eq!(text(&one[0], "id"), format!("{}-{}", row["_commit"], row["_row"]), "an id is a record's place");
    assert_eq!(one.as_array().unwrap().len(), 1);

    quarantine(&place, 2, &["show", "LAKE", "till.row"]).tells("hint: known: `till.rows`");
    quarantine(&place, 2, &["list", "LAKE", "--source", "tills"]).tells("the lake has no source or stream `tills`");
    quarantine(&place, 2, &["replay", "p.toml", "till.row"]).tells("hint: known: `till.rows`");
}

/// Rows cut by another quote, records of JSON Lines, and records without a key.
#[test]
fn what_can_be_decoded_by_itself_is_replayed_and_the_rest_says_why_not() {
    let place = Place::new("");
    let pipeline = |of_quotes: &str, of_lines: &str| {
        let sources = source("quotes", "quotes.csv", of_quotes) + &source("lines", "lines.jsonl", of_lines);
        place.write("p.toml", format!("name = \"files\"\nlake = \"lake\"\n{sources}"));
    };
    pipeline("", "primary_key = [\"code\"]");
    place.write("quotes.csv", "id,text\n1,a\n2,'b, c'\n3,\"never closed\n4,d\n");
    place.write("lines.jsonl", "{\"id\":1,\"code\":\"x\",\"n\":{\"a\":1}}\n{\"id\":2,\n{\"id\":3,\"n\":{\"a\":2}}\n");
    place.run(0, &[]);
    pipeline("quote = \"'\"", "primary_key = [\"id\"]");
    let done = quarantine(&place, 0, &["replay", "p.toml", "--json"]).json();
    let of = |name: &str| {
        let mut streams = done["streams"].as_array().unwrap().iter();
        streams.find(|stream| stream["source"] == name).unwrap().clone()
    };
    let (quotes, lines) = (of("quotes"), of("lines"));
    assert_eq!((count(&quotes, "open"), count(&quotes, "replayed"), &quotes["rejected"]), (2, 2, &json!({})));
    assert_eq!((count(&lines, "open"), count(&lines, "replayed")), (2, 0), "{lines}");
    let why = lines["rejected"].as_object().unwrap();
    assert!(why.contains_key("record is not valid JSON"), "{why:?}");
    assert!(why.keys().any(|why| why.starts_with("only its values were kept")), "a nested value has no text: {why:?}");
    place.run(0, &[]);
    let found = place.query("select id, text, _source_key from raw.quotes_rows where _op = 'upsert' order by 1");
    let texts: Vec<_> = found.iter().map(|row| text(row, "text")).collect();
    assert_eq!(texts, ["a", "b, c", "\"never closed", "d"]);
    // A row without a key of its own has that of its place in its file.
    let keys: Vec<_> = found.iter().map(|row| text(row, "_source_key").rsplit('-').next().unwrap()).collect();
    assert_eq!(keys, ["0000000000", "0000000001", "0000000002", "0000000003"]);
}

#[test]
fn what_was_taken_back_is_not_replayed_and_what_was_replayed_is_taken_back() {
    let declared = |encoding: &str| till(&format!("primary_key = [\"id\"]\nencoding = \"{encoding}\""));
    let lake = |place: &Place| place.lake().to_str().unwrap().to_owned();
    for first in ["undo", "replay"] {
        let place = Place::new("");
        place.write("p.toml", declared("utf-8"));
        place.write("till/1.csv", "id,name\n1,Ann\n");
        place.run(0, &[]);
        place.write("till/2.csv", in_two_encodings(&[7]));
        let (summary, _) = place.run(0, &[]);
        place.write("p.toml", declared("windows-1252"));
        let undo = || {
            tributary(place.folder.path(), &["undo", &lake(&place), text(&summary, "run")]).ends(0);
        };
        if first == "undo" {
            undo();
            assert_eq!(replayed(&place, &[]), None);
        } else {
            assert_eq!(replayed(&place, &[]), Some([1, 1]));
            place.run(0, &[]);
            assert_eq!(place.number("select count(*) from clean.party"), 300);
            undo();
        }
        assert_eq!(listed(&place), [(NOT_UTF8.to_owned(), [1, 0, 0, 0, 1])], "{first} first");
        place.run(0, &[]);
        assert_eq!(people(&place, "till"), ["1 Ann"], "{first} first");
    }

    // So it is with a file that was corrected.
    let place = Place::new("");
    place.write("p.toml", declared("utf-8"));
    place.write("till/1.csv", in_two_encodings(&[7, 8]));
    place.run(0, &[]);
    place.write("till/1.csv", in_two_encodings(&[8]));
    place.run(0, &[]);
    assert_eq!(listed(&place), [(NOT_UTF8.to_owned(), [3, 1, 0, 2, 0])]);
    place.write("p.toml", declared("windows-1252"));
    assert_eq!(replayed(&place, &[]), Some([1, 1]));
    place.write("till/1.csv", in_two_encodings(&[]));
    let (summary, _) = place.run(0, &[]);
    assert_eq!(count(&summary["clean"]["till.rows → party"], "current"), 300);
    assert_eq!(listed(&place), [(NOT_UTF8.to_owned(), [3, 0, 0, 3, 0])]);
}

#[cfg(unix)]
#[test]
#[cfg_attr(not(debug_assertions), ignore = "faults are planted in debug builds only")]
fn a_replay_that_is_killed_is_done_once_by_the_next() {
    use std::os::unix::process::ExitStatusExt;
    let points = ["replay.commit.before", "raw.state.after", "raw.commit.before", "raw.commit.after"];
    let place = place("");
    let read = |encoding: &str, arguments: &[&str]| {
        place.write("p.toml", till(&format!("primary_key = [\"id\"]\nencoding = \"{encoding}\"")));
        tributary(place.folder.path(), arguments).ends(0)
    };
    for (number, point) in points.into_iter().enumerate() {
        let other = [in_two_encodings(&[7, 8]), format!("x{number},Ann\n").into_bytes()].concat();
        place.write(&format!("till/{number}.csv"), other);
        read("utf-8", &["run", "p.toml"]);
        read("windows-1252", &["check", "p.toml"]);
        let killed = Command::new(env!("CARGO_BIN_EXE_tributary"))
            .args(["quarantine", "replay", "p.toml"])
            .current_dir(place.folder.path())
            .env("TRIBUTARY_FAULT", format!("kill:{point}:1"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{point}: {killed:?}");
        let done = point == "raw.commit.after";
        assert_eq!(replayed(&place, &[]), (!done).then_some([2, 2]), "{point}");
    }
    place.run(0, &[]);
    assert_eq!(listed(&place), [(NOT_UTF8.to_owned(), [8, 0, 8, 0, 0])]);
    assert_eq!(ops(&place), [("reject".to_owned(), 8), ("upsert".to_owned(), 4 * 301)]);
    assert_eq!(place.number("select count(*) from raw.till_rows where _op = 'upsert' and name = 'René'"), 8);
}

/// A run that is held; its id.
#[track_caller]
fn held(place: &Place) -> String {
    let said = tributary(place.folder.path(), &["run", "p.toml", "--json"]).ends(1);
    let summary = said.json();
    assert_eq!((summary["held"][0]["stream"].as_str(), &summary["clean"]), (Some("till.rows"), &json!({})));
    said.tells("error: till.rows: ").tells("more than `max_rejected` allows (");
    text(&summary, "run").to_owned()
}

#[test]
fn too_many_rejected_records_hold_a_pipeline_until_that_is_settled() {
    let declared = "primary_key = [\"id\"]\nmax_rejected = \"10%\"";
    let place = place(declared);
    let run = |more: &[&str]| {
        place.run(0, more);
        people(&place, "till")
    };
    place.write("till/1.csv", "id,name\n1,张伟\n");
    let good = run(&[]);
    assert_eq!(good, ["1 张伟"]);

    // Taken back.
    place.write("till/2.csv", "id,name\n2,李娜\n3\n");
    let bad = held(&place);
    let said = tributary(place.folder.path(), &["run", "p.toml"]).ends(1);
    let said = said.tells("till.rows: 1 of 2 records were rejected, more than `max_rejected` allows (1 × row has 1 field, the header has 2)");
    let said = said
        .tells("`tributary quarantine show lake till.rows`")
        .tells("`tributary quarantine replay PIPELINE till.rows`");
    let said = said.tells(&format!("`tributary undo lake {bad}`")).tells("`--accept-rejected till.rows`");
    assert!(!said.err.contains("李娜") && !said.err.contains("nothing new"), "{said:?}");
    assert_eq!(people(&place, "till"), good, "nothing is made of it");
    let runs = tributary(place.folder.path(), &["runs", place.lake().to_str().unwrap(), "--json"]).ends(0).json();
    assert_eq!((text(&runs[1], "run_id"), text(&runs[1], "status")), (bad.as_str(), "held"));
    let plan = tributary(place.folder.path(), &["plan", "p.toml"]).ends(0).out;
    assert!(plan.contains("clean (nothing before this is settled): till.rows: 1 of 2 records were rejected"), "{plan}");
    // What is sound in between does not hide it.
    place.write("till/2b.csv", "id,name\n4,王芳\n");
    held(&place);
    tributary(place.folder.path(), &["undo", place.lake().to_str().unwrap(), &bad]).ends(0);
    let good = run(&[]);
    assert_eq!(good, ["1 张伟", "4 王芳"]);

    // Corrected.
    place.write("till/3.csv", "id,name\n5,赵敏\n6\n");
    held(&place);
    place.write("till/3.csv", "id,name\n5,赵敏\n6,孙强\n");
    let good = run(&[]);
    assert_eq!(good.last().unwrap(), "6 孙强");

    // Accepted, once: what comes after is judged by itself.
    place.write("till/4.csv", "id,name\n7,周杰\n8\n");
    held(&place);
    let good = run(&["--accept-rejected", "till.rows"]);
    assert_eq!(good.last().unwrap(), "7 周杰");
    place.write("till/5.csv", "id,name\n9,吴静\n10\n");
    held(&place);

    // The limit is raised, for this stream.
    place.write("p.toml", till("primary_key = [\"id\"]\nmax_rejected = { rows = 1, \"*\" = 0 }"));
    let good = run(&[]);
    assert_eq!(good.last().unwrap(), "9 吴静");
    place.write("p.toml", till(declared));
    let again = tributary(place.folder.path(), &["run", "p.toml"]).ends(0);
    assert_eq!(again.out, "nothing new\n", "what was let through is not judged again");

    // Replayed: the file has another quote than was declared.
    place.write("till/6.csv", "id,name\n11,\"郑洁\n12,钱多\n");
    let said = tributary(place.folder.path(), &["run", "p.toml"]).ends(1);
    said.tells("till.rows: 1 of 2 records were rejected").tells("a quote is opened and not closed");
    place.write("p.toml", till(&format!("{declared}\nquote = \"'\"")));
    assert_eq!(replayed(&place, &[]).map(|[_, replayed]| replayed), Some(1));
    let good = run(&[]);
    assert_eq!(good[good.len() - 2..], ["11 郑洁", "12 钱多"]);
}
