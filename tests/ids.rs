//! Customer ids over time: they survive merges, splits, rebuilds and runs that find nothing new.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "ids/changes.rs"]
mod changes;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use support::{Folder, LAYERS, Row, replaced};

const PIPELINE: &str = r#"
name = "ids"
lake = "lake"
seed = "test"

[sources.stores]
connector   = "files"
path        = "members.csv"
stream      = "members"
timezone    = "Asia/Shanghai"
primary_key = ["card"]

[sources.crm]
connector   = "files"
path        = "contacts.csv"
stream      = "contacts"
timezone    = "Asia/Shanghai"
primary_key = ["id"]

[sources.shop]
connector   = "files"
path        = "orders.csv"
stream      = "orders"
timezone    = "Asia/Shanghai"
primary_key = ["no"]

[[map]]
from = "stores.members"
to   = "party"
[map.fields]
record_id = "card"
name      = "name"
city      = "city"
source_ts = "updated"
[[map.identifiers]]
type  = "phone"
value = "phone"

[[map]]
from = "crm.contacts"
to   = "party"
[map.fields]
record_id = "id"
name      = "name"
source_ts = "updated"
[[map.identifiers]]
type  = "phone"
value = "phone"
[[map.identifiers]]
type  = "email"
value = "email"

[[map]]
from = "shop.orders"
to   = "order"
[map.fields]
order_no   = "no"
ordered_at = "at"
amount     = "amount"
[[map.identifiers]]
type  = "phone"
value = "phone"

[merge.identifiers]
phone = { strength = "strong" }
email = { strength = "strong" }

[merge.survivorship]
default = "most_recent"
phone   = { prefer = ["crm", "stores"] }

[mart]
as_of = "2026-06-30"
"#;

const MEMBERS: &str = "\
card,name,phone,city,updated
M1,王伟,13857216034,杭州市,2026-01-01 10:00:00
M2,李娜,13957218846,上海市,2026-01-02 10:00:00
M3,张敏,13657213327,南京市,2026-01-03 10:00:00
M4,刘洋,15857216681,北京市,2026-01-04 10:00:00
";

const CONTACTS: &str = "\
id,name,phone,email,updated
C1,王伟,18657219045,wangwei@mail.example.cn,2026-02-01 10:00:00
C2,李娜,13957218846,lina@mail.example.cn,2026-02-02 10:00:00
C5,陈静,18857215573,chenjing@mail.example.cn,2026-02-05 10:00:00
C6,赵磊,18957214418,zhaolei@mail.example.cn,2026-02-06 10:00:00
C7,孙丽,15157216629,sunli@mail.example.cn,2026-02-07 10:00:00
";

const ORDERS: &str = "\
no,phone,at,amount
S1,13857216034,2026-03-01 12:00:00,120.50
S2,13957218846,2026-03-02 12:00:00,80.00
S3,18857215573,2026-03-03 12:00:00,45.90
S4,17757213382,2026-03-04 12:00:00,300.00
";

/// The phone of M1, which C1 is given by mistake.
const SHARED: (&str, &str) = (
    "C1,王伟,18657219045,wangwei@mail.example.cn,2026-02-01",
    "C1,王伟,13857216034,wangwei@mail.example.cn,2026-04-01",
);
const CORRECTED: (&str, &str) = (SHARED.1, "C1,王伟,18657219045,wangwei@mail.example.cn,2026-05-01");

fn start() -> Folder {
    let folder = Folder::new();
    folder.write("p.toml", PIPELINE);
    folder.write("members.csv", MEMBERS);
    folder.write("contacts.csv", CONTACTS);
    folder.write("orders.csv", ORDERS);
    folder.tributary(&["run", "p.toml"]).code(0);
    folder
}

/// Record (its number at its source) → customer id.
fn ids(folder: &Folder) -> BTreeMap<String, String> {
    let sql = "select p.record_id, m.customer_id from identity.member m join clean.party p on p.record_key = m.record_key \
               where not m.retired";
    folder.query("lake", sql).iter().map(|row| (text(row, "record_id"), text(row, "customer_id"))).collect()
}

fn text(row: &Row, column: &str) -> String {
    row[column].as_str().unwrap_or_else(|| panic!("`{column}` of {row:?}")).to_owned()
}

/// What happened to ids, but not to members, in the newest record of the stage or those since: kind, id, other id.
fn events(folder: &Folder, since: u64) -> Vec<(String, String, Option<String>)> {
    let sql = format!(
        "select kind, customer_id, other_id from identity.event where number > {since} and kind not like 'member%' order by ordinal"
    );
    let other = |row: &Row| row["other_id"].as_str().map(str::to_owned);
    folder.query("lake", &sql).iter().map(|row| (text(row, "kind"), text(row, "customer_id"), other(row))).collect()
}

fn last_number(folder: &Folder) -> u64 {
    folder.number("lake", "select max(number) from identity.event")
}

fn redirects(folder: &Folder) -> BTreeMap<String, String> {
    let rows = folder.query("lake", "select * from customer.redirect");
    rows.iter().map(|row| (text(row, "customer_id"), text(row, "current_id"))).collect()
}

fn customers(folder: &Folder) -> BTreeSet<String> {
    let rows = folder.query("lake", "select customer_id from customer.customer");
    rows.iter().map(|row| text(row, "customer_id")).collect()
}

fn without(ids: &BTreeMap<String, String>, records: &[&str]) -> BTreeMap<String, String> {
    ids.iter()
        .filter(|(record, _)| !records.contains(&record.as_str()))
        .map(|(r, id)| (r.clone(), id.clone()))
        .collect()
}

fn event(kind: &str, id: &str, other: Option<&str>) -> (String, String, Option<String>) {
    (kind.to_owned(), id.to_owned(), other.map(str::to_owned))
}

#[test]
fn ids_survive_a_merge_a_split_and_a_rebuild() {
    let folder = start();
    let first = ids(&folder);
    assert_eq!(first.len(), 9);
    assert_ne!(first["M1"], first["C1"]);
    assert_eq!(first["M2"], first["C2"]);
    assert_eq!(first.values().collect::<BTreeSet<_>>().len(), 8);
    assert_eq!(redirects(&folder), BTreeMap::new());
    // All, and the one that an order's phone alone tells of.
    assert_eq!(customers(&folder).len(), 9);

    // C1 is given the phone of M1: one person. The id with more records, M1's with its order, stays.
    let contacts = replaced(CONTACTS, SHARED.0, SHARED.1);
    folder.write("contacts.csv", &contacts);
    let number = last_number(&folder);
    folder.tributary(&["run", "p.toml"]).code(0);
    let second = ids(&folder);
    assert_eq!(second["M1"], second["C1"]);
    assert_eq!(second["M1"], first["M1"]);
    assert_eq!(without(&second, &["C1"]), without(&first, &["C1"]));
    assert_eq!(events(&folder, number), [event("merged", &first["C1"], Some(&first["M1"]))]);
    assert_eq!(redirects(&folder), BTreeMap::from([(first["C1"].clone(), first["M1"].clone())]));
    assert!(!customers(&folder).contains(&first["C1"]));
    // Who asks for the old id is told of the new one.
    let why = folder.tributary(&["why", "lake", &first["C1"], "--json"]).code(0);
    assert!(why.out.contains(&first["M1"]), "{why}");

    // The phone is corrected: two persons again. The larger part keeps the id, the other gets one that nobody had before.
    folder.write("contacts.csv", &replaced(&contacts, CORRECTED.0, CORRECTED.1));
    let number = last_number(&folder);
    folder.tributary(&["run", "p.toml"]).code(0);
    let third = ids(&folder);
    assert_eq!(without(&third, &["C1"]), without(&first, &["C1"]));
    let new = &third["C1"];
    assert!(first.values().all(|id| id != new), "{new} was there before");
    assert_eq!(events(&folder, number), [event("created", new, None), event("split", &first["M1"], Some(new))]);
    assert_eq!(redirects(&folder), BTreeMap::from([(first["C1"].clone(), first["M1"].clone())]));

    // What is derived can be thrown away.
    let before = folder.picture("lake");
    assert!(!before.rows("identity.edge").is_empty() && !before.rows("customer.provenance").is_empty());
    let versions = folder.versions("lake");
    for layer in ["clean", "customer", "mart"] {
        fs::remove_dir_all(folder.path("lake").join(layer)).unwrap();
    }
    let rebuilt = folder.tributary(&["run", "p.toml", "--json"]).code(0).json();
    folder.assert_ledger("lake", &rebuilt);
    folder.picture("lake").assert_equals(&before, &[]);
    let now = folder.versions("lake");
    for (table, version) in versions.iter().filter(|(table, _)| table.starts_with("raw.")) {
        assert_eq!(now[table], *version, "{table} was written");
    }
    assert_eq!(folder.tributary(&["run", "p.toml"]).code(0).out, "nothing new\n");
}

#[test]
fn a_record_that_is_gone_retires_its_customer_and_one_that_is_back_revives_it() {
    let folder = start();
    let first = ids(&folder);
    let gone = "C5,陈静,18857215573,chenjing@mail.example.cn,2026-02-05 10:00:00\n";
    folder.write("contacts.csv", &replaced(CONTACTS, gone, ""));
    // Its order's phone would keep the id alive.
    folder.write("orders.csv", &replaced(ORDERS, "S3,18857215573,", "S3,,"));
    let number = last_number(&folder);
    let run = folder.tributary(&["run", "p.toml", "--json"]).code(0).json();
    folder.assert_ledger("lake", &run);
    assert_eq!(ids(&folder), without(&first, &["C5"]));
    assert_eq!(events(&folder, number), [event("retired", &first["C5"], None)]);
    assert!(!customers(&folder).contains(&first["C5"]));
    let sql = format!("select retired from identity.member where customer_id = '{}'", first["C5"]);
    assert!(folder.query("lake", &sql).iter().all(|row| row["retired"] == true));

    folder.write("contacts.csv", CONTACTS);
    folder.write("orders.csv", ORDERS);
    let number = last_number(&folder);
    let run = folder.tributary(&["run", "p.toml", "--json"]).code(0).json();
    folder.assert_ledger("lake", &run);
    assert_eq!(ids(&folder), first);
    assert_eq!(events(&folder, number), [event("revived", &first["C5"], None)]);
    assert!(customers(&folder).contains(&first["C5"]));
}

#[test]
fn a_file_that_would_withdraw_over_half_of_its_records_is_asked_about() {
    let folder = start();
    let before = folder.picture("lake");
    let versions = folder.versions("lake");
    let first = ids(&folder);
    let few: String = CONTACTS.lines().take(3).map(|line| format!("{line}\n")).collect();
    folder.write("contacts.csv", &few);
    // It is asked about until it is answered.
    for _ in 0..2 {
        let said = folder.tributary(&["run", "p.toml"]).code(1);
        said.says(&[
            "`contacts.csv`",
            "would withdraw 3 of its 5 records",
            "--accept-replace crm.contacts",
            "on_change = \"add\"",
        ]);
        assert_eq!(derived(&folder.versions("lake")), derived(&versions));
    }
    // What is said of another stream is no answer.
    folder.tributary(&["run", "p.toml", "--accept-replace", "stores.members"]).code(1);
    folder.picture("lake").assert_equals(&before, &[]);

    let run = folder.tributary(&["run", "p.toml", "--accept-replace", "crm.contacts", "--json"]).code(0).json();
    folder.assert_ledger("lake", &run);
    assert_eq!(ids(&folder), without(&first, &["C5", "C6", "C7"]));
    assert_eq!(folder.tributary(&["run", "p.toml"]).code(0).out, "nothing new\n");
}

/// Versions of all tables but those of `ops`.
fn derived(versions: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let layers: Vec<_> = LAYERS.iter().map(|layer| format!("{layer}.")).collect();
    let of_layers = |table: &String| layers.iter().any(|layer| table.starts_with(layer));
    versions.iter().filter(|(table, _)| of_layers(table)).map(|(table, version)| (table.clone(), *version)).collect()
}

#[test]
fn a_run_that_finds_nothing_new_makes_nothing() {
    let folder = start();
    let versions = folder.versions("lake");
    let beside = versions.keys().filter(|table| !table.starts_with("match.")).count();
    assert_eq!(derived(&versions).len() + 1, beside, "{versions:?}");
    let runs = "select count(*) from ops.run";
    let before = (folder.number("lake", runs), folder.picture("lake"), folder.tables("lake"));
    assert_eq!(folder.tributary(&["run", "p.toml"]).code(0).out, "nothing new\n");
    let now = folder.versions("lake");
    assert_eq!(derived(&now), derived(&versions));
    assert_eq!(now["ops.run"], versions["ops.run"] + 1);
    assert_eq!(folder.number("lake", runs), before.0 + 1);
    assert_eq!(folder.query("lake", "select status from ops.run order by number desc")[0]["status"], "nothing new");
    assert_eq!(folder.tables("lake"), before.2);
    folder.picture("lake").assert_equals(&before.1, &[]);
    // Nor does a plan, or a look.
    folder.tributary(&["plan", "p.toml"]).code(0);
    assert_eq!(folder.versions("lake"), now);
}

#[test]
fn an_edited_map_rebuilds_what_comes_of_it_and_reads_nothing_again() {
    let folder = start();
    let versions = folder.versions("lake");
    let before = ids(&folder);
    let edited = replaced(PIPELINE, "city      = \"city\"", "city      = \"'苏州市'\"");
    folder.write("p.toml", &edited);
    let line = edited.lines().position(|line| line == "from = \"stores.members\"").unwrap();
    assert_eq!(edited.lines().nth(line - 1), Some("[[map]]"));

    let plan = folder.tributary(&["plan", "p.toml"]).code(0);
    let said = |start: &str| {
        let found: Vec<&str> = plan.out.lines().filter(|line| line.starts_with(start)).collect();
        assert_eq!(found.len(), 1, "{start}: {plan}");
        found[0].to_owned()
    };
    let why = said("clean.party from stores.members:");
    assert!(why.contains("rebuild") && why.contains(&format!("`[[map]]` line {line} changed")), "{why}");
    for untouched in ["clean.party from crm.contacts", "clean.order from shop.orders"] {
        assert_eq!(said(untouched), format!("{untouched}: nothing to do"));
    }
    assert_eq!(folder.versions("lake"), versions, "a plan has written");

    let run = folder.tributary(&["run", "p.toml", "--json"]).code(0).json();
    folder.assert_ledger("lake", &run);
    let streams = run["streams"].as_array().unwrap();
    assert!(
        streams.iter().all(|stream| stream["counts"]["read"] == 0 && stream["counts"]["unchanged"] == 1),
        "{streams:?}"
    );
    let ran: Vec<&Value> = run["reasons"]["clean"].as_array().unwrap().iter().collect();
    assert!(ran.len() == 1 && ran[0].as_str().unwrap().starts_with("stores.members"), "{ran:?}");
    let now = folder.versions("lake");
    for (table, version) in &versions {
        match table.as_str() {
            "clean.party" => assert!(now[table] > *version, "{table} was not made anew"),
            "clean.order" | "clean.order_line" | "clean.event_identifier" => {
                assert_eq!(now[table], *version, "{table}")
            }
            table if table.starts_with("raw.") => assert_eq!(now[table], *version, "{table}"),
            _ => {}
        }
    }
    assert_eq!(ids(&folder), before);
    let city = format!("select city from customer.customer where customer_id = '{}'", before["M4"]);
    assert!(text(&folder.query("lake", &city)[0], "city").starts_with("苏州"));
    assert_eq!(folder.tributary(&["run", "p.toml"]).code(0).out, "nothing new\n");
}

#[test]
fn the_run_date_can_be_fixed() {
    let folder = start();
    folder.write("p.toml", &replaced(PIPELINE, "as_of = \"2026-06-30\"", "as_of = \"run_date\""));
    let as_of = || {
        let rows =
            folder.query("lake", "select distinct as_of from mart.rfm union select distinct as_of from mart.lifecycle");
        rows.iter().map(|row| text(row, "as_of")).collect::<BTreeSet<_>>()
    };
    let day = |day: &str| BTreeSet::from([day.to_owned()]);
    folder.tributary(&["run", "p.toml", "--date", "2026-07-01"]).code(0);
    assert_eq!(as_of(), day("2026-07-01"));
    assert_eq!(folder.tributary(&["run", "p.toml", "--date", "2026-07-01"]).code(0).out, "nothing new\n");
    let versions = folder.versions("lake");
    // Another day makes the marts anew and nothing else.
    folder.tributary(&["run", "p.toml", "--date", "2026-07-02"]).code(0);
    assert_eq!(as_of(), day("2026-07-02"));
    let now = folder.versions("lake");
    for (table, version) in derived(&versions) {
        assert_eq!(now[&table] > version, table.starts_with("mart."), "{table}: {version} and {}", now[&table]);
    }
}

/// Two pipelines on one lake, each with a source of its own.
fn shared(folder: &Folder) {
    let source = |name: &str, stream: &str, path: &str, key: &str, id: &str, rest: &str| {
        format!(
            "name = \"{name}\"\nlake = \"lake\"\nseed = \"test\"\n[sources.{name}]\nconnector = \"files\"\npath = \"{path}\"\n\
             stream = \"{stream}\"\ntimezone = \"Asia/Shanghai\"\nprimary_key = [\"{key}\"]\n[[map]]\nfrom = \"{name}.{stream}\"\n\
             to = \"party\"\n[map.fields]\nrecord_id = \"{id}\"\nname = \"name\"\n[[map.identifiers]]\ntype = \"phone\"\n\
             value = \"phone\"\n{rest}"
        )
    };
    folder.write("stores.toml", &source("stores", "members", "members.csv", "card", "card", ""));
    folder.write("crm.toml", &source("crm", "contacts", "contacts.csv", "id", "id", "[merge]\n"));
    folder.write("members.csv", MEMBERS);
    folder.write("contacts.csv", CONTACTS);
}

#[test]
fn pipelines_of_one_lake_keep_out_of_each_others_way() {
    let folder = Folder::new();
    shared(&folder);
    // Alone on the lake, a pipeline makes all of it.
    folder.tributary(&["run", "stores.toml"]).code(0);
    let first = ids(&folder);
    assert_eq!(first.len(), 4);
    // One that declares `[merge]` makes it from now on, of the records of both.
    folder.tributary(&["run", "crm.toml"]).code(0);
    let both = ids(&folder);
    assert_eq!((both.len(), &both["M2"]), (9, &both["C2"]));
    assert_eq!(first, without(&both, &["C1", "C2", "C5", "C6", "C7"]));
    assert_eq!(folder.tributary(&["run", "crm.toml"]).code(0).out, "nothing new\n");

    // The other one only reads and cleans: its change is merged when the owner runs next.
    assert_eq!(folder.tributary(&["run", "stores.toml"]).code(0).out, "nothing new\n");
    folder.write("members.csv", &format!("{MEMBERS}M9,陈静,18857215573,北京市,2026-04-01 10:00:00\n"));
    let plan = folder.tributary(&["plan", "stores.toml"]).code(0);
    assert!(plan.out.contains("pipeline `crm` of this lake makes them"), "{plan}");
    let run = folder.tributary(&["run", "stores.toml"]).code(0);
    assert!(run.out.contains("by pipeline `crm` of this lake, when it runs next"), "{run}");
    assert_eq!(folder.number("lake", "select count(*) from clean.party"), 10);
    assert_eq!(ids(&folder), both);
    folder.tributary(&["run", "crm.toml"]).code(0);
    let third = ids(&folder);
    assert_eq!(third["M9"], third["C5"]);
    assert_eq!(without(&third, &["M9"]), both);

    // Neither a source nor `[merge]` has two owners.
    let text = fs::read_to_string(folder.path("stores.toml")).unwrap();
    folder.write("second.toml", &format!("{}[mart]\n", replaced(&text, "name = \"stores\"", "name = \"second\"")));
    let versions = folder.versions("lake");
    for command in ["plan", "run"] {
        let refused = folder.tributary(&[command, "second.toml"]).code(2);
        for said in [
            "second.toml:4:10",
            "source `stores` of this lake belongs to pipeline `stores`",
            "pipeline `crm` of this lake declares `[merge]` or `[mart]` as well",
            "--take-over stores",
            "2 errors",
        ] {
            assert!(refused.err.contains(said), "{said}: {refused}");
        }
    }
    assert_eq!(folder.versions("lake"), versions);
    // A pipeline may take the place of others.
    let taken = ["run", "second.toml", "--take-over", "stores", "--take-over", "crm"];
    folder.tributary(&taken).code(0);
    assert_eq!(folder.tributary(&["run", "second.toml"]).code(0).out, "nothing new\n");
    folder.tributary(&["run", "stores.toml"]).code(2);
}

/// The keys of records by their numbers at their sources.
fn keys(folder: &Folder) -> BTreeMap<String, String> {
    let rows = folder.query("lake", "select record_id, record_key from clean.party");
    rows.iter().map(|row| (text(row, "record_id"), text(row, "record_key"))).collect()
}

#[test]
fn what_a_steward_decides_goes_before_all_evidence_and_stays() {
    let folder = start();
    let (first, keys) = (ids(&folder), keys(&folder));

    // Two customers who share nothing are one person; the older record's id stays.
    let decide = |a: &str, b: &str, what: &str| {
        folder.tributary(&["merge", "decide", "lake", a, b, what, "--by", "Ada", "--reason", "seen"])
    };
    decide(&first["M3"], &first["C7"], "--same").code(0).shows(&["decision 1: records ", " are one person"]);
    folder.tributary(&["plan", "p.toml"]).code(0).shows(&["`identity.decision` changed"]);
    let number = last_number(&folder);
    let run = folder.tributary(&["run", "p.toml", "--json"]).code(0).json();
    folder.assert_ledger("lake", &run);
    let second = ids(&folder);
    assert_eq!(second["M3"], second["C7"]);
    let (kept, gone) = if second["M3"] == first["M3"] { ("M3", "C7") } else { ("C7", "M3") };
    assert_eq!(events(&folder, number), [event("merged", &first[gone], Some(&first[kept]))]);
    assert_eq!(redirects(&folder), BTreeMap::from([(first[gone].clone(), first[kept].clone())]));
    folder.tributary(&["why", "lake", &keys["M3"], &keys["C7"]]).code(0).shows(&[
        "one customer",
        "decided",
        "a steward",
    ]);

    // Two records who share a phone are two persons.
    decide(&keys["M2"], &keys["C2"], "--apart").code(0);
    let number = last_number(&folder);
    folder.tributary(&["run", "p.toml"]).code(0).shows(&["decided by stewards: 1 pairs are one person, 1 are two"]);
    let third = ids(&folder);
    assert_ne!(third["M2"], third["C2"]);
    assert_eq!(without(&third, &["M2", "C2"]), without(&second, &["M2", "C2"]));
    let new = if third["M2"] == first["M2"] { &third["C2"] } else { &third["M2"] };
    assert_eq!(events(&folder, number), [event("created", new, None), event("split", &first["M2"], Some(new))]);
    folder.tributary(&["why", "lake", &keys["M2"], &keys["C2"]]).code(0).shows(&["two customers", "two persons"]);

    // What would contradict that is not taken down.
    decide(&keys["M2"], &keys["M4"], "--same").code(0);
    decide(&keys["M4"], &keys["C2"], "--same").code(2).says(&["contradict", "--open"]);
    decide(&keys["M2"], &keys["M4"], "--open").code(0);
    decide(&keys["M2"], "c_nobody", "--same").code(2).says(&["`c_nobody` is no record and no customer"]);
    decide(&keys["M2"], &keys["M2"], "--same").code(2).says(&["one record"]);
    assert_eq!(folder.number("lake", "select count(*) from identity.decision"), 4);
    folder.tributary(&["run", "p.toml"]).code(0);
    assert_eq!(ids(&folder), third);

    // It holds after a rebuild, and until it is taken back.
    for layer in ["clean", "customer", "mart"] {
        fs::remove_dir_all(folder.path("lake").join(layer)).unwrap();
    }
    folder.tributary(&["run", "p.toml"]).code(0);
    assert_eq!(ids(&folder), third);
    decide(&keys["C2"], &keys["M2"], "--open").code(0).shows(&["they were two persons by decision"]);
    folder.tributary(&["run", "p.toml"]).code(0);
    let last = ids(&folder);
    assert_eq!(last["M2"], last["C2"]);
    assert_eq!(last["M3"], last["C7"]);
}

#[test]
fn a_source_that_has_each_person_once_keeps_its_records_apart() {
    let folder = start();
    folder.write("contacts.csv", &replaced(CONTACTS, "C7,孙丽,15157216629", "C7,李娜,13957218846"));
    folder.tributary(&["run", "p.toml"]).code(0);
    let one = ids(&folder);
    assert!(one["C2"] == one["M2"] && one["C7"] == one["M2"]);
    folder.write(
        "p.toml",
        &replaced(PIPELINE, "[merge.identifiers]", "[merge]\ndeduplicated = [\"crm\"]\n[merge.identifiers]"),
    );
    folder.tributary(&["run", "p.toml"]).code(0);
    let two = ids(&folder);
    assert_ne!(two["C2"], two["C7"]);
    assert!(two["M2"] == two["C2"] || two["M2"] == two["C7"]);
    folder.write(
        "p.toml",
        &replaced(PIPELINE, "[merge.identifiers]", "[merge]\ndeduplicated = [\"crn\"]\n[merge.identifiers]"),
    );
    folder.tributary(&["check", "p.toml"]).code(2).says(&["there is no source `crn`", "did you mean `crm`"]);
}
