//! The commands that look at files and pipelines: `init`, `preview`, `connectors`, `schema`, `completions`; and `serve`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod merging;
mod scenes;

use std::fs;
use std::path::Path;

use scenes::{Said, balances, repository, tributary};

/// The sample retailer's files: GB18030, XLSX and JSON Lines among them.
const SAMPLES: &[&str] = &[
    "stores/members.csv",
    "stores/tickets_2026-01.csv",
    "stores/tickets_2026-02.csv",
    "stores/tickets_2026-06.csv",
    "crm/contacts.csv",
    "shop/orders.jsonl",
    "survey/answers.xlsx",
];

/// A folder with a copy of the sample files.
fn samples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in SAMPLES {
        let to = folder.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(repository().join("pipelines/sample/retailer").join(file), to).unwrap();
    }
    folder
}

/// `init` over files that are written first; what it prints.
fn init(files: &[(&str, &str)]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let names = files.iter().map(|(name, _)| *name);
    let arguments: Vec<&str> = ["init", "-o", "-"].into_iter().chain(names).collect();
    let text = tributary(folder.path(), &arguments).ends(0).out;
    fs::write(folder.path().join("written.toml"), &text).unwrap();
    tributary(folder.path(), &["check", "written.toml"]).ends(0);
    (folder, text)
}

#[track_caller]
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|there| there == *line), "`{line}` is not in\n{text}");
    }
}

#[test]
fn init_writes_a_pipeline_that_runs() {
    let folder = samples();
    let arguments: Vec<&str> = ["init"].iter().chain(SAMPLES).copied().collect();
    let said = tributary(folder.path(), &arguments).ends(0);
    let said =
        said.tells("stores/tickets_*.csv → source `tickets`").tells("csv, gb18030, delimited by `,`; key 会员卡号");
    said.tells("tributary preview pipeline.toml members.rows");
    let text = fs::read_to_string(folder.path().join("pipeline.toml")).unwrap();
    has(
        &text,
        &[
            "[sources.members]",
            "encoding    = \"gb18030\"",
            "primary_key = [\"会员卡号\"]",
            "primary_key = [\"小票号\", \"行号\"]",
            "path        = \"stores/tickets_*.csv\"",
            "name      = { column = \"姓名(必填)\" }",
            "score        = { column = \"评分(0-10)\" }",
            "scale_max    = { constant = \"10\" }",
            "value = \"receiver.mobile\"",
            "each = \"lines\"",
            "each = \"refunds\"",
            "# Not mapped of `members`: 开卡门店",
        ],
    );
    assert_eq!(text.matches("[[map]]").count(), 9, "{text}");

    tributary(folder.path(), &["check", "pipeline.toml"]).ends(0).tells("5 sources, 9 mappings");
    let summary = tributary(folder.path(), &["run", "pipeline.toml", "--json"]).ends(0).json();
    balances(&folder.path().join("lake/pipeline"), &summary);
    assert!(summary["identity"]["customers"].as_i64().unwrap() > 1_000, "{summary}");
}

#[test]
fn init_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    tributary(folder.path(), &["init"]).ends(0).tells("wrote pipeline.toml");
    let text = fs::read_to_string(folder.path().join("pipeline.toml")).unwrap();
    assert!(text.contains("# [sources.members]"), "{text}");
    tributary(folder.path(), &["check", "pipeline.toml"]).ends(0);
    fs::write(folder.path().join("pipeline.toml"), "mine").unwrap();
    tributary(folder.path(), &["init"]).ends(2).tells("`pipeline.toml` is there already").tells("-o other.toml");
    assert_eq!(fs::read_to_string(folder.path().join("pipeline.toml")).unwrap(), "mine");
    tributary(folder.path(), &["init", "-o", "other.toml"]).ends(0);
    assert!(folder.path().join("other.toml").exists());
}

#[test]
fn init_says_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old.xls"), "x").unwrap();
    fs::write(folder.path().join("x.pdf"), "x").unwrap();
    for (file, message) in [
        ("none.csv", "no file matches `none.csv`"),
        (".", "`.` is a directory"),
        ("old.xls", "hint: save it as .xlsx or .csv"),
        ("x.pdf", "no connector reads `x.pdf`"),
    ] {
        tributary(folder.path(), &["init", file]).ends(2).tells(message);
    }
    assert!(!folder.path().join("pipeline.toml").exists());
}

#[test]
fn init_takes_any_name_and_guesses_no_more_than_it_sees() {
    let odd = "会员\"卡号\\\"(必填),姓 名,手机号,a.b\n";
    let (_folder, text) = init(&[
        ("会员.csv", &format!("{odd}1,张三,13800138000,x\n2,李四,13900139000,y\n")),
        ("no rows.csv", "a,b\n"),
        ("empty.csv", ""),
        ("1.csv", "u,v\n1,2\n"),
        ("2.csv", "x,y\n1,2\n"),
    ]);
    has(
        &text,
        &[
            "[sources.members]",
            "name      = { column = \"姓 名\" }",
            "path        = \"1.csv\"",
            "path        = \"2.csv\"",
        ],
    );
    has(&text, &["# What `no_rows` is about could not be guessed; its columns are a, b"]);
    // Two rows are not enough to be sure of a key.
    assert!(!text.lines().any(|line| line.starts_with("primary_key")), "{text}");
    assert!(!text.contains("张三") && !text.contains("13800138000"), "no values: {text}");
}

#[test]
fn init_guesses_keys_dates_and_lines() {
    let rows: String = (1..=9).map(|n| format!("{n},C{n},Ann {n},2{n}/12/2025\n")).collect();
    let customers = format!("Customer ID,Card,Full Name,Birth Date\n{rows}");
    let rows: String = (1..=9).map(|n| format!("T{},{n},S{n},{n}.50,2026-01-0{n},1{n}:00,{n}\n", n / 2)).collect();
    let sales = format!("Receipt No;Line No;SKU;Price;日期;时间;customer_id\n{}", rows.replace(',', ";"));
    let (_folder, text) = init(&[("customers.csv", &customers), ("sales-2026.csv", &sales)]);
    has(
        &text,
        &[
            "primary_key = [\"Customer ID\"]",
            "date_order  = \"dmy\"",
            "primary_key = [\"Receipt No\", \"Line No\"]",
            "key  = '\"Receipt No\"'",
            "ordered_at = \"concat_ws(' ', 日期, 时间)\"",
            "to   = \"order_line\"",
            "external_id = { strength = \"strong\" }",
        ],
    );
    // Both name their customers alike.
    assert_eq!(text.matches("scope = \"customer_id\"").count(), 2, "{text}");
}

fn preview(stream: &str, more: &[&str]) -> Said {
    let arguments: Vec<&str> = ["preview", "pipelines/quickstart.toml", stream].iter().chain(more).copied().collect();
    tributary(&repository(), &arguments)
}

#[test]
fn preview_shows_what_is_read_and_what_it_becomes() {
    let said = preview("stores.members", &["--rows", "3"]).ends(0);
    let line = |start: &str| {
        let found = said.out.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("no `{start}` in\n{}", said.out)).to_owned()
    };
    assert!(line("format").ends_with("csv, gb18030, delimited by `,`"));
    assert!(line("above the header").ends_with("门店会员资料导出"));
    assert!(line("left out below").contains("合计"));
    assert!(line("primary key").ends_with("会员卡号"));
    assert!(line("会员卡号 *").contains("0000056203"));
    assert!(line("姓名(必填)").contains("刘杰阳"));
    for value in
        ["+8616696973573", "female", "浙江省", "鄞州区", "2024-05-04 17:39:30Z", "stores.members → party: 3 records"]
    {
        assert!(said.out.contains(value), "`{value}` is not in\n{}", said.out);
    }
    // Nothing of the data is on stderr, and nothing is left behind.
    assert_eq!(said.err, "");
}

#[test]
fn preview_tells_lines_from_orders() {
    let said = preview("shop.orders", &["--rows", "4"]).ends(0);
    for value in [
        "lines[].sku",
        "shop.orders → order_line: 7 records from 4 rows",
        "2.2",
        "row 4: left out by `where`",
        "rows 1, 3: nothing in `each`",
    ] {
        assert!(said.out.contains(value), "`{value}` is not in\n{}", said.out);
    }
    let said = preview("survey.answers", &["--rows", "2"]).ends(0);
    assert!(said.out.contains("xlsx") && said.out.contains("顾客满意度调查答卷导出"), "{}", said.out);
}

#[test]
fn preview_shows_what_is_lost_and_why() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.csv"), "no,phone,birthday\n1,138,1990-02-30\n2,13800138000,\n3,x\n").unwrap();
    let pipeline = "name = \"p\"\nlake = \"lake\"\n[sources.m]\nconnector = \"files\"\npath = \"m.csv\"\n\
                    timezone = \"Asia/Shanghai\"\n[[map]]\nfrom = \"m.rows\"\nto = \"party\"\n[map.fields]\n\
                    birthday = \"birthday\"\n[[map.identifiers]]\ntype = \"phone\"\nvalue = \"phone\"\n";
    fs::write(folder.path().join("p.toml"), pipeline).unwrap();
    let said = tributary(folder.path(), &["preview", "p.toml", "m.rows"]).ends(0);
    for text in [
        "✗ impossible",
        "✗ impossible: well formed, but no such value can exist",
        "line 4: row has 2 fields, the header has 3",
    ] {
        assert!(said.out.contains(text), "`{text}` is not in\n{}", said.out);
    }
    assert!(!folder.path().join("lake").exists());
    tributary(folder.path(), &["preview", "p.toml", "m.row"]).ends(2).tells("its streams are `m.rows`");
    fs::remove_file(folder.path().join("m.csv")).unwrap();
    tributary(folder.path(), &["preview", "p.toml", "m.rows"]).ends(1).tells("no file matches `m.csv`");
}

/// DataFusion 55.2 cannot plan this with all of its optimiser.
#[test]
fn an_expression_may_be_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.csv"), "no,name,address\n1,王小明,上海市徐汇区漕溪路1号\n").unwrap();
    let pipeline = "name = \"p\"\nlake = \"lake\"\n[sources.m]\nconnector = \"files\"\npath = \"m.csv\"\n\
                    timezone = \"Asia/Shanghai\"\n[[map]]\nfrom = \"m.rows\"\nto = \"party\"\n[map.fields]\n\
                    record_id = \"upper(no)\"\nname = \"trim(name)\"\ngiven_name = \"trim(name)\"\n\
                    address = \"trim(address)\"\nstreet = \"trim(address)\"\n[[map.identifiers]]\n\
                    type = \"member_no\"\nvalue = \"upper(no)\"\n";
    fs::write(folder.path().join("p.toml"), pipeline).unwrap();
    tributary(folder.path(), &["preview", "p.toml", "m.rows"]).ends(0);
    tributary(folder.path(), &["run", "p.toml"]).ends(0);
}

#[test]
fn connectors_schema_and_completions_are_told() {
    let here = Path::new("/");
    assert!(tributary(here, &["connectors"]).ends(0).out.starts_with("files: "));
    let options = tributary(here, &["connectors", "files"]).ends(0).out;
    assert!(options.contains("path (required)") && options.contains("primary_key"), "{options}");
    assert!(tributary(here, &["connectors", "files", "--json"]).ends(0).json()["properties"]["path"].is_object());
    tributary(here, &["connectors", "none"]).ends(2).tells("known: `files`");
    let schema = tributary(here, &["schema"]).ends(0).json();
    assert!(schema["properties"]["sources"].is_object(), "{schema}");
    let script = tributary(here, &["completions", "bash"]).ends(0).out;
    assert!(script.contains("tributary") && script.contains("preview") && script.contains("--rows"));
}

/// What a server answers at `path`, status line first; nothing while it does not listen yet.
fn asked(port: u16, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Until `done` holds; a server that cannot get there is not waited for for ever.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1_500 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{what} did not come to be");
}

#[test]
fn a_served_pipeline_runs_at_its_time_and_the_server_stops_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("till/1.csv", "id,name\n1,张伟\n");
    let head = "name = \"minutely\"\nlake = \"lake\"\n[schedule]\ncron = \"* * * * *\"\ntimezone = \"Asia/Shanghai\"\n";
    write("pipelines/p.toml", &format!("{head}[sources.till]\nconnector = \"files\"\npath = \"till/*.csv\"\n"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["serve", "pipelines", "--state", "state", "--listen", &listen])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("readiness", || asked(port, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
    let metrics = asked(port, "/metrics").unwrap();
    assert!(metrics.contains("tributary_pipeline_next_slot_seconds{pipeline=\"minutely\"}"), "{metrics}");
    let second =
        tributary(folder.path(), &["serve", "pipelines", "--state", "state", "--listen", "127.0.0.1:0"]).ends(1);
    second.tells("state");

    let succeeded = "tributary_pipeline_runs_total{pipeline=\"minutely\",outcome=\"success\"} ";
    until("a run", || asked(port, "/metrics").is_some_and(|metrics| metrics.contains(succeeded)));
    assert_eq!(scenes::number(&folder.path().join("lake"), "select count(*) from raw.till_rows"), 1);
    let asked_to = std::process::Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(asked_to.success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}
