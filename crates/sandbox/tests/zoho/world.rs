//! The CRM's people are the files' people, it goes on in a way that repeats, and its truth is known.

use std::path::Path;

use tributary_sandbox::http::Scenario;
use tributary_sandbox::zoho::{Options, Step, serve};
use tributary_sandbox::{Config, read_truth, write};

use crate::client::{Client, send};
use crate::server;

#[test]
fn the_contacts_are_those_of_the_export() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zoho-export");
    write(&Config { people: 600, ..Config::default() }, &folder).unwrap();
    let truth = read_truth(&folder).unwrap();
    let server = server();
    let known = server.with(|crm| crm.truth());
    assert_eq!(known.people, truth.people);
    for (id, person) in &truth.records["crm.contacts"] {
        assert_eq!(known.records["crm.contacts"][id], *person);
    }
    assert_eq!(known.records["crm.contacts"].len(), truth.records["crm.contacts"].len());

    let csv = std::fs::read_to_string(folder.join("crm/contacts.csv")).unwrap();
    let client = Client::new(&server);
    let path = "/crm/v8/Contacts?fields=Last_Name,First_Name,Full_Name,Mobile,Email,Created_Time,Modified_Time";
    let rows = client.get(path).json();
    for row in rows["data"].as_array().unwrap() {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let names = ["id", "Last_Name", "First_Name", "Full_Name", "Mobile", "Email"].map(text).join(",");
        assert!(csv.contains(&names), "no line starts as `{}` does", text("id"));
        assert!(csv.contains(&format!("{},{}\n", text("Created_Time"), text("Modified_Time"))));
    }
}

#[test]
fn two_worlds_of_one_seed_go_on_alike() {
    let (one, other) = (server(), server());
    let step = Step { seconds: 86_400, changes: 300, ..Step::default() };
    for _ in 0..3 {
        let advanced = one.with(|crm| crm.advance(&step));
        assert_eq!(advanced, other.with(|crm| crm.advance(&step)));
        assert_eq!(advanced.changes(), 300);
        for list in [&advanced.created, &advanced.updated, &advanced.deleted, &advanced.converted] {
            assert!(list.len() > 3, "{list:?}");
        }
    }
    assert_eq!(one.with(|crm| crm.truth()), other.with(|crm| crm.truth()));
    assert_eq!(one.with(|crm| crm.ids("Deals")), other.with(|crm| crm.ids("Deals")));
}

#[test]
fn every_record_of_a_person_is_in_the_truth_also_when_it_is_gone() {
    let server = server();
    let advanced = server.with(|crm| crm.advance(&Step { seconds: 60, changes: 500, ..Step::default() }));
    let truth = server.with(|crm| crm.truth());
    for module in ["Contacts", "Leads", "Deals", "Cases", "Loyalty_Cards"] {
        let known = &truth.records[&format!("crm.{}", module.to_ascii_lowercase())];
        for id in server.with(|crm| crm.ids(module)) {
            assert!(truth.people.contains_key(&known[&id]));
        }
    }
    let contacts = &truth.records["crm.contacts"];
    let gone: Vec<_> = advanced.deleted.iter().filter(|(module, _)| module == "Contacts").collect();
    assert!(!gone.is_empty() && gone.iter().all(|(_, id)| contacts.contains_key(id)));
}

#[test]
fn late_changes_claim_an_earlier_time() {
    let server = server();
    server.with(|crm| crm.clock().pass(3_600));
    server.with(|crm| crm.advance(&Step { changes: 50, late_seconds: 600, ..Step::default() }));
    let client = Client::new(&server);
    let path = "/crm/v8/Contacts?fields=Modified_Time&sort_by=Modified_Time";
    let newest = client.get(path).json()["data"][0]["Modified_Time"].clone();
    assert_eq!(newest, "2026-07-01T00:50:00+08:00");
}

#[test]
fn an_import_leaves_many_records_with_one_time() {
    let server = server();
    let advanced = server.with(|crm| crm.advance(&Step { seconds: 60, changes: 5, tied: 150, ..Step::default() }));
    assert_eq!(advanced.changes(), 155);
    let since = Client::new(&server).get_since("/crm/v8/Contacts?fields=Modified_Time", "2026-07-01T00:01:00+08:00");
    let data = since.json()["data"].clone();
    assert!(data.as_array().unwrap().len() >= 150);
    assert!(data.as_array().unwrap().iter().all(|row| row["Modified_Time"] == "2026-07-01T00:01:00+08:00"));
}

#[test]
fn a_snapshot_holds_what_single_reads_show() {
    let server = server();
    let snapshot = server.with(|crm| crm.snapshot("Contacts"));
    let ids: Vec<_> = snapshot.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, server.with(|crm| crm.ids("Contacts")));
    let one = Client::new(&server).get(&format!("/crm/v8/Contacts/{}", ids[7])).json();
    assert_eq!(one["data"][0], snapshot[7]);
    let over_http = send(server.address(), "GET", "/_sandbox/snapshot?table=Contacts", &[], b"").json();
    assert_eq!(over_http.as_array(), Some(&snapshot));
    assert_eq!(send(server.address(), "GET", "/_sandbox/ids?table=Persons", &[], b"").status, 400);
}

#[test]
fn the_controls_are_reached_over_http() {
    let server = server();
    let control = |method: &str, name: &str, body: &str| {
        send(server.address(), method, &format!("/_sandbox/{name}"), &[], body.as_bytes())
    };
    assert_eq!(control("GET", "clock", "").json()["time"], "2026-07-01T00:00:00+08:00");
    let advanced = control("POST", "advance", r#"{"seconds": 60, "changes": 7}"#).json();
    assert_eq!(advanced["time"], "2026-07-01T00:01:00+08:00");
    let set = control("PUT", "clock", r#"{"time": "2026-08-01T00:00:00Z"}"#);
    assert_eq!(set.json()["time"], "2026-08-01T08:00:00+08:00");
    assert!(control("GET", "truth", "").json()["crm.leads"].is_object());
    assert_eq!(control("POST", "advance", r#"{"steps": 1}"#).status, 400);
    assert_eq!(control("GET", "nothing", "").status, 404);
    assert!(server.requests().is_empty());
}

#[test]
fn a_running_clock_runs() {
    let options = Options { people: 10, speed: 10_000.0, ..Options::default() };
    let server = serve(options, Scenario::default(), 0).unwrap();
    let before = server.with(|crm| crm.clock().now());
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(server.with(|crm| crm.clock().now()) >= before + 500);
}

#[test]
fn an_empty_world_can_be_served() {
    let options = Options { people: 0, ..Options::default() };
    let server = serve(options, Scenario::default(), 0).unwrap();
    assert!(Client::new(&server).get("/crm/v8/Contacts?fields=Last_Name").is_bare(204));
    assert_eq!(server.with(|crm| crm.advance(&Step { changes: 20, ..Step::default() })).changes(), 20);
}
