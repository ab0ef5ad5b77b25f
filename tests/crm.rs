//! Two CRMs and the tills in one lake: `pipelines/crm.toml` against the sandbox.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::process::Stdio;

use serde_json::Value;
use support::{Folder, MAY_DIFFER, Picture, replaced};
use tributary_sandbox::{Sandbox, SandboxOptions};

const PIPELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/crm.toml");

/// Places in a stream's history: a read that was killed goes on from its last place, so it cuts other batches.
const PLACES: &[&str] = &["_epoch", "_row"];

/// A retailer with its stand-ins, and a folder to run the program in.
struct Scene {
    sandbox: Sandbox,
    folder: Folder,
    environment: Vec<(&'static str, String)>,
}

impl Scene {
    fn new(people: usize) -> Self {
        let sandbox = Sandbox::start(SandboxOptions { people, seed: 7, ..SandboxOptions::default() }).unwrap();
        let folder = Folder::new();
        sandbox.write(&folder.path("retailer")).unwrap();
        let mut environment: Vec<_> = sandbox.places().into_iter().flat_map(|place| place.environment).collect();
        environment.push(("TOKENS", "a key that is long enough to be one".into()));
        environment.push(("XDG_STATE_HOME", folder.path("state").to_str().unwrap().into()));
        Self { sandbox, folder, environment }
    }

    /// Writes the pipeline for a lake, and gives its name.
    fn pipeline(&self, lake: &str) -> String {
        let text = fs::read_to_string(PIPELINE).unwrap();
        let text = replaced(&text, "lake = \"lake/crm\"", &format!("lake = \"{lake}\"\nseed = \"test\""));
        let text = replaced(&text, "http://127.0.0.1:7001", &self.sandbox.zoho.url());
        let text = replaced(&text, "http://127.0.0.1:7002", &self.sandbox.fxiaoke.url());
        let text = replaced(&text, "pipelines/sample/retailer/", "retailer/");
        let text = replaced(&text, "timezone ", "batch_rows = 1\ntimezone ");
        let text = format!("{text}\n[http]\ntoken_key = {{ env = \"TOKENS\" }}\n");
        let name = format!("{lake}.toml");
        self.folder.write(&name, &text);
        name
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// Runs the pipeline to its end and gives the ledger.
    fn run(&self, pipeline: &str) -> Value {
        self.folder.tributary_with(&["run", pipeline, "--json"], &self.environment()).code(0).json()
    }

    /// What a user works with, and whose records are whose.
    fn derived(&self, lake: &str) -> Picture {
        let tables = ["clean.party", "clean.party_identifier", "clean.\"order\"", "clean.order_line"];
        let whole = tables.into_iter().chain(["customer.customer", "customer.provenance", "mart.rfm"]);
        let whole = whole.map(|table| (table.to_owned(), format!("select * from {table}")));
        let members = "select record_key, customer_id from identity.member where not retired";
        let asked = whole.chain([("identity.member".to_owned(), members.to_owned())]);
        Picture(asked.map(|(table, sql)| (table, self.folder.query(lake, &sql))).collect())
    }

    /// Lets an hour pass in which people change and are deleted.
    fn an_hour_passes(&self) {
        let advanced = self.sandbox.advance(3_600, 40);
        assert!(["zoho", "fxiaoke"].iter().any(|name| !advanced[name].deleted.is_empty()), "{advanced:?}");
    }

    /// As [`Self::pipeline`], with fewer streams.
    fn small(&self, lake: &str) -> String {
        let name = self.pipeline(lake);
        let text = fs::read_to_string(self.folder.path(&name)).unwrap();
        let text = replaced(&text, "\"Leads\", \"Deals\", \"Cases\"]", "\"Leads\"]");
        let text = replaced(&text, "\"AccountObj\", \"ContactObj\"", "\"ContactObj\"");
        let text = replaced(
            &text,
            "\"MemberObj\", \"SalesOrderObj\", \"SalesOrderProductObj\", \"CasesObj\"]",
            "\"SalesOrderObj\"]",
        );
        self.folder.write(&name, &text);
        name
    }

    /// As [`Self::small`], and every run looks for what is gone.
    fn comparing(&self, lake: &str) -> String {
        let name = self.small(lake);
        let text = fs::read_to_string(self.folder.path(&name)).unwrap();
        self.folder
            .write(&name, &replaced(&text, "permanent_code = {", "reconcile = \"every_run\"\npermanent_code = {"));
        name
    }

    /// People that the CRMs show and the lake does not, such as those whose mapping leaves them out.
    fn missing(&self, lake: &str) -> BTreeSet<String> {
        let shown = ["Contacts", "Leads"].map(|module| self.sandbox.zoho.with(|crm| crm.ids(module)));
        let objects = ["ContactObj", "LeadsObj"];
        let objects = objects.map(|object| self.sandbox.fxiaoke.with(|tenant| tenant.ids(object)));
        let mut missing: BTreeSet<String> = shown.into_iter().chain(objects).flatten().collect();
        for row in self.folder.query(lake, "select record_id from clean.party") {
            missing.remove(row["record_id"].as_str().unwrap());
        }
        missing
    }

    /// What time it is for the CRMs.
    fn now(&self) -> String {
        self.sandbox.advance(0, 0)["fxiaoke"].time.clone()
    }

    /// Requests that the CRMs have answered so far, by path and table.
    fn requests(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.sandbox.zoho.requests().into_iter().chain(self.sandbox.fxiaoke.requests()) {
            *counts.entry(format!("{} {}", entry.path, entry.table.unwrap_or_default())).or_default() += 1;
        }
        counts
    }
}

fn sum(summary: &Value, name: &str) -> u64 {
    let streams = summary["streams"].as_array().unwrap();
    streams.iter().map(|stream| stream["counts"][name].as_u64().unwrap()).sum()
}

#[test]
fn people_of_two_crms_and_the_tills_are_merged_and_the_next_run_reads_what_changed() {
    let scene = Scene::new(800);
    let pipeline = scene.pipeline("crm");
    let first = scene.run(&pipeline);
    scene.folder.assert_ledger("crm", &first);
    for (source, streams) in [("zoho", 4), ("fxiaoke", 7), ("stores", 1), ("tills", 1)] {
        let read = first["streams"].as_array().unwrap().iter().filter(|stream| stream["source"] == source);
        assert_eq!(read.clone().count(), streams, "{source}");
        assert!(read.clone().all(|stream| stream["counts"]["read"].as_u64() > Some(0)), "{source}");
    }
    assert_merged_well(&scene);

    // Nothing has changed: a few requests for each stream, none of which reads its records again.
    let of_records = |requests: &BTreeMap<String, usize>| {
        let about = |path: &&String| {
            ["token", "settings", "describe", "object/list", "org"].iter().all(|word| !path.contains(word))
        };
        requests.iter().filter(|(path, _)| about(path)).map(|(_, count)| count).sum::<usize>()
    };
    let before = of_records(&scene.requests());
    let second = scene.run(&pipeline);
    let after = scene.requests();
    let asked = of_records(&after) - before;
    eprintln!("{asked} requests for records where the first run made {before}");
    assert!(asked <= 4 * 11 && asked < before, "{asked} requests where the first run made {before}: {after:?}");
    assert_eq!(sum(&second, "written"), 0, "{second}");
    assert!(sum(&second, "read") * 10 < sum(&first, "read"), "{second}");
    let tokens = after.iter().filter(|(path, _)| path.contains("token")).map(|(_, count)| count).sum::<usize>();
    assert_eq!(tokens, 2, "one for each CRM: both runs use the same access tokens: {after:?}");

    // Some of it changes, and just that is read.
    let advanced = scene.sandbox.advance(3_600, 30);
    let changed: BTreeSet<_> = [&advanced["zoho"], &advanced["fxiaoke"]]
        .into_iter()
        .flat_map(|advanced| [&advanced.created, &advanced.updated, &advanced.deleted, &advanced.converted])
        .flatten()
        .filter(|(table, _)| fs::read_to_string(PIPELINE).unwrap().contains(&format!("\"{table}\"")))
        .collect();
    let third = scene.run(&pipeline);
    scene.folder.assert_ledger("crm", &third);
    let written = usize::try_from(sum(&third, "written")).unwrap();
    assert!(written >= changed.len(), "{written} records written, {changed:?} changed");
    // What changes may change others: a lead that is converted makes a contact, an order that is void its lines.
    assert!(written <= changed.len() * 4 + 20, "{written} records written, {} changed", changed.len());
    assert_eq!(
        third["clean"]["zoho.Contacts → party"]["current"],
        Value::from(scene.sandbox.zoho.with(|crm| crm.ids("Contacts")).len())
    );
}

/// As for the quickstart: who is joined is one person, and who shares an identifier under one name is joined.
fn assert_merged_well(scene: &Scene) {
    let truth = scene.sandbox.truth();
    let files = tributary_sandbox::read_truth(&scene.folder.path("retailer")).unwrap();
    let rows = scene.folder.query(
        "crm",
        "select p.source, p.stream, p.record_id, p.name, p.name_masked, p.record_key, m.customer_id from clean.party p \
         left join identity.member m on m.record_key = p.record_key and not m.retired",
    );
    let mut customers: HashMap<String, Vec<u32>> = HashMap::new();
    let mut people: HashMap<u32, BTreeSet<String>> = HashMap::new();
    let mut unknown = 0;
    for row in &rows {
        let (source, id) = (row["source"].as_str().unwrap(), row["record_id"].as_str().unwrap());
        let stream = row["stream"].as_str().unwrap();
        let person = match source {
            "stores" => files.records["stores.members"].get(id),
            "zoho" => truth.records.get(&format!("crm.{}", stream.to_lowercase())).and_then(|records| records.get(id)),
            _ => truth.records.get(&format!("fx.{stream}")).and_then(|records| records.get(id)),
        };
        let customer = row["customer_id"].as_str().unwrap().to_owned();
        match person {
            Some(person) => {
                customers.entry(customer.clone()).or_default().push(*person);
                people.entry(*person).or_default().insert(customer);
            }
            None => unknown += 1,
        }
    }
    assert!(unknown * 20 < rows.len(), "{unknown} of {} records are of nobody", rows.len());
    let pairs = |count: usize| count * count.saturating_sub(1) / 2;
    let (mut right, mut joined) = (0, 0);
    for members in customers.values() {
        joined += pairs(members.len());
        let mut by_person: HashMap<u32, usize> = HashMap::new();
        members.iter().for_each(|person| *by_person.entry(*person).or_default() += 1);
        right += by_person.into_values().map(pairs).sum::<usize>();
    }
    let precision = right as f64 / joined as f64;
    eprintln!("{} records; precision {precision:.4} of {joined} pairs", rows.len());
    assert!(joined > 500, "there is something to judge by: {joined}");
    assert!(precision >= 0.99, "precision {precision:.4}");
}

#[test]
fn two_processes_with_one_credential_share_its_token_and_its_budget() {
    let scene = Scene::new(400);
    let started: Vec<_> = ["one", "other"]
        .map(|lake| {
            let mut command = scene.folder.command(["run", &scene.pipeline(lake), "--json"]);
            command.envs(scene.environment()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .into();
    for mut child in started {
        assert!(child.wait().unwrap().success());
    }
    let zoho = scene.sandbox.zoho.requests();
    let fxiaoke = scene.sandbox.fxiaoke.requests();
    for (what, requests) in [("zoho", &zoho), ("fxiaoke", &fxiaoke)] {
        let tokens = requests.iter().filter(|entry| entry.path.contains("token")).count();
        assert_eq!(tokens, 1, "{what}");
        let refused: Vec<_> = requests
            .iter()
            .filter(|entry| entry.status == 429 || entry.failure.is_some_and(|code| code != 0))
            .collect();
        assert!(refused.is_empty(), "{what} turned requests away: {refused:?}");
    }
    let rows = |lake: &str| scene.folder.number(lake, "select count(*) from raw.zoho_contacts");
    assert_eq!(rows("one"), rows("other"));
}

#[test]
fn a_run_that_is_killed_again_and_again_makes_the_same_lake() {
    let scene = Scene::new(120);
    let undisturbed = scene.pipeline("undisturbed");
    let log = scene.folder.path("passed");
    let mut environment = scene.environment();
    environment.push(("TRIBUTARY_FAULT_LOG", log.to_str().unwrap()));
    let summary = scene.folder.tributary_with(&["run", &undisturbed, "--json"], &environment).code(0).json();
    scene.folder.assert_ledger("undisturbed", &summary);

    // The points that a run passes, in their order: twenty of them, from the first table to the manifest.
    let mut points: Vec<String> = Vec::new();
    for point in fs::read_to_string(&log).unwrap().lines() {
        if !points.iter().any(|known| known == point) {
            points.push(point.to_owned());
        }
    }
    assert!(points.len() >= 20, "{points:?}");
    let pipeline = scene.pipeline("killed");
    for n in 0..20 {
        let point = &points[n * points.len() / 20];
        // Of what comes with every batch the second, so that each run gets on.
        let nth = if point.starts_with("raw.") || point.starts_with("sync.") { 2 } else { 1 };
        let fault = format!("kill:{point}:{nth}");
        let mut environment = scene.environment();
        environment.push(("TRIBUTARY_FAULT", &fault));
        let outcome = scene.folder.tributary_with(&["run", &pipeline], &environment);
        assert!(outcome.is_killed(), "{fault}: {outcome}");
    }
    let last = scene.run(&pipeline);
    scene.folder.assert_ledger("killed", &last);
    let may_differ: Vec<&str> = MAY_DIFFER.iter().chain(PLACES).copied().collect();
    scene.folder.picture("killed").assert_equals(&scene.folder.picture("undisturbed"), &may_differ);
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "faults are planted in debug builds only")]
fn a_run_over_crms_is_undone_and_what_it_had_read_is_read_again() {
    let scene = Scene::new(40);
    let (troubled, calm) = (scene.comparing("troubled"), scene.comparing("calm"));
    let both = || (scene.run(&troubled), scene.run(&calm));
    both();
    scene.an_hour_passes();
    let (bad, _) = both();
    scene.an_hour_passes();
    both();
    let before = scene.derived("troubled");
    before.assert_equals(&scene.derived("calm"), MAY_DIFFER);

    let undo = |run: &Value, more: &[&str]| {
        let run = run["run"].as_str().unwrap();
        scene.folder.tributary(&[&["undo", "troubled", run, "--json"], more].concat()).code(0).json()
    };
    let fault = [("TRIBUTARY_FAULT", "kill:undo.commit.after:1")];
    let run = bad["run"].as_str().unwrap();
    assert!(scene.folder.tributary_with(&["undo", "troubled", run], &fault).is_killed());
    let undone = undo(&bad, &[]);
    assert_eq!(undone["before"], 1, "killed, it goes on where it was: {undone}");
    let streams = undone["streams"].as_array().unwrap();
    assert!(streams.len() >= 2 && streams.iter().all(|stream| stream["reread"] == true), "{undone}");
    assert_eq!(undo(&bad, &[])["before"], streams.len() + 1, "it is asked again");
    scene.derived("troubled").assert_equals(&before, MAY_DIFFER);

    // Both hours are read again, and what is new: some of what changed in them has vanished since.
    scene.an_hour_passes();
    let (again, _) = both();
    scene.folder.assert_ledger("troubled", &again);
    let before = scene.derived("troubled");
    before.assert_equals(&scene.derived("calm"), MAY_DIFFER);
    assert_eq!(sum(&scene.run(&troubled), "written"), 0);

    // What was only taken back does not come again by itself.
    scene.an_hour_passes();
    let bad = scene.run(&troubled);
    assert!(sum(&bad, "written") > 10);
    let undone = undo(&bad, &["--no-reread"]);
    assert!(undone["streams"].as_array().unwrap().iter().all(|stream| stream["reread"] == false), "{undone}");
    let after = scene.run(&troubled);
    assert_eq!(sum(&after, "written"), 0, "{after}");
    scene.folder.assert_ledger("troubled", &after);
    // Two customers that the run had merged are two again; the younger has another id, and an event that says why.
    let may_differ: Vec<&str> = MAY_DIFFER.iter().copied().chain(["customer_id"]).collect();
    let now = scene.derived("troubled");
    now.assert_equals(&before, &may_differ);
    let ids = |picture: &Picture| -> BTreeSet<String> {
        picture.rows("customer.customer").iter().map(|row| row["customer_id"].as_str().unwrap().to_owned()).collect()
    };
    for id in ids(&now).difference(&ids(&before)) {
        let split =
            format!("select count(*) from identity.event where kind = 'split' and '{id}' in (customer_id, other_id)");
        assert!(scene.folder.number("troubled", &split) > 0, "{id} came from nowhere");
    }
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "faults are planted in debug builds only")]
fn a_crm_is_read_from_the_start_again() {
    let scene = Scene::new(40);
    let (reset, calm) = (scene.comparing("reset"), scene.comparing("calm"));
    let both = || (scene.run(&reset), scene.run(&calm));
    let asked = |arguments: &[&str]| scene.folder.tributary(&[&["reset"], arguments].concat());
    both();
    scene.an_hour_passes();
    both();

    asked(&["reset", "zoo"]).code(1).says(&["no source or stream `zoo`", "`zoho.Contacts`", "`tills.tickets`"]);
    asked(&["reset", "tills"]).code(1).says(&["`tills.tickets` cannot be read", "--forget"]);
    let versions = scene.folder.versions("reset");
    let told = asked(&[&reset, "fxiaoke", "--dry-run", "--json"]).code(0).json();
    assert_eq!(told["streams"].as_array().unwrap().len(), 3, "{told}");
    assert_eq!(scene.folder.versions("reset"), versions, "it only said what it would do");

    // The same is read again: a row is written once more, and counts once.
    let fault = [("TRIBUTARY_FAULT", "kill:reset.commit.after:2")];
    assert!(scene.folder.tributary_with(&["reset", &reset, "fxiaoke"], &fault).is_killed());
    let told = asked(&[&reset, "fxiaoke", "--json"]).code(0).json();
    let before = told["streams"].as_array().unwrap().iter().filter(|stream| stream["before"] == true);
    assert_eq!(before.count(), 2, "killed, it goes on where it was: {told}");
    assert!(asked(&["reset", "fxiaoke"]).code(0).out.contains("has been reset already"));
    scene.folder.tributary_with(&["plan", &reset], &scene.environment()).code(0);
    let (again, other) = both();
    scene.folder.assert_ledger("reset", &again);
    assert!(sum(&again, "written") > 50, "{again}");
    assert_eq!(sum(&other, "written"), 0, "{other}");
    scene.derived("reset").assert_equals(&scene.derived("calm"), MAY_DIFFER);

    // What is forgotten is as if it had never been read: the tables are what the sources show now.
    scene.an_hour_passes();
    asked(&["reset", "fxiaoke", "--forget"]).code(0);
    asked(&["reset", "tills.tickets", "--forget"]).code(0);
    let again = scene.run(&reset);
    scene.folder.assert_ledger("reset", &again);
    // Void ones are shown, too; mappings leave them out.
    let shown =
        |stream: &str| scene.sandbox.fxiaoke.with(|tenant| tenant.ids(stream).len() + tenant.invalid_ids(stream).len());
    for stream in ["LeadsObj", "ContactObj"] {
        assert_eq!(again["clean"][format!("fxiaoke.{stream} → party")]["current"], shown(stream), "{stream}");
    }
    let tickets = "select count(*) from clean.order_line where source = 'tills'";
    assert_eq!(scene.folder.number("reset", tickets), scene.folder.number("calm", tickets));
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "faults are planted in debug builds only")]
fn a_window_is_read_again_beside_what_runs_read() {
    let scene = Scene::new(40);
    let pipeline = scene.small("filled");
    scene.run(&pipeline);
    let from = scene.now();
    scene.an_hour_passes();
    let to = scene.now();
    let lost = scene.run(&pipeline);
    scene.an_hour_passes();
    scene.run(&pipeline);
    let left_out = scene.missing("filled");
    scene.folder.tributary(&["undo", "filled", lost["run"].as_str().unwrap(), "--no-reread"]).code(0);
    scene.run(&pipeline);
    assert!(scene.missing("filled").len() > left_out.len(), "there is something to fill");

    let backfill = |name: &str, fault: &str| {
        let mut environment = scene.environment();
        environment.extend((!fault.is_empty()).then_some(("TRIBUTARY_FAULT", fault)));
        let arguments = ["backfill", &pipeline, name, "--from", &from, "--to", &to, "--json"];
        scene.folder.tributary_with(&arguments, &environment)
    };
    backfill("stores.members", "").code(1).says(&["by what they hold", "tributary reset PIPELINE stores.members"]);
    backfill("fxiaoke.Contacts", "").code(1).says(&["no source or stream", "`fxiaoke.ContactObj`"]);

    // Killed after some of it, it goes on there, whatever runs have done in between; they stand where they stood.
    let places = || support::files(&scene.folder.path("filled/_tributary/state/fxiaoke/ContactObj@1")).len();
    let place = places();
    let whole = backfill("zoho", "").code(0).json();
    assert!(sum(&whole, "written") > 5, "{whole}");
    assert!(backfill("fxiaoke", "kill:raw.commit.after:2").is_killed());
    let between = scene.run(&pipeline);
    assert_eq!(sum(&between, "written"), 0, "{between}");
    scene.folder.assert_ledger("filled", &between);
    backfill("fxiaoke", "").code(0);
    let incarnations = |stream: &str| {
        scene.folder.number("filled", &format!("select count(distinct _incarnation) from raw.fxiaoke_{stream}"))
    };
    assert_eq!(incarnations("contactobj"), 2, "one window is one incarnation");
    let outside = format!(
        "select count(*) from raw.zoho_contacts where _incarnation < 0 and _op = 'upsert' \
         and not (\"Modified_Time\" >= '{from}' and \"Modified_Time\" < '{to}')"
    );
    assert_eq!(scene.folder.number("filled", &outside), 0);
    assert_eq!(places(), place);
    let after = scene.run(&pipeline);
    scene.folder.assert_ledger("filled", &after);
    assert_eq!(scene.missing("filled"), left_out);

    // Asked again it reads the window again, which changes nothing; and that can be undone like any run.
    let filled = scene.derived("filled");
    let again = backfill("fxiaoke", "").code(0).json();
    assert!(sum(&again, "written") > 5, "{again}");
    // Readers see it when the stages have caught up.
    assert_eq!(incarnations("contactobj"), 2);
    let after = scene.run(&pipeline);
    scene.folder.assert_ledger("filled", &after);
    assert_eq!(incarnations("contactobj"), 3);
    scene.derived("filled").assert_equals(&filled, MAY_DIFFER);
    scene.folder.tributary(&["undo", "filled", again["run"].as_str().unwrap()]).code(0);
    let after = scene.run(&pipeline);
    scene.folder.assert_ledger("filled", &after);
    scene.derived("filled").assert_equals(&filled, MAY_DIFFER);
}
