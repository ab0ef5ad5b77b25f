//! The tenant's people are the files' people, it goes on in a way that repeats, and its truth is known.

use std::path::Path;

use serde_json::{Value, json};
use tributary_sandbox::fxiaoke::{Options, Step, serve};
use tributary_sandbox::http::Scenario;
use tributary_sandbox::{Config, read_truth, write, zoho};

use crate::client::{Client, send};
use crate::{options, server};

#[test]
fn the_people_are_those_of_the_files_and_of_the_other_stand_in() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fxiaoke-export");
    write(&Config { people: 600, ..Config::default() }, &folder).unwrap();
    let files = read_truth(&folder).unwrap();
    let server = server();
    let truth = server.with(|tenant| tenant.truth());
    assert_eq!(truth.people, files.people);
    let crm = zoho::Crm::new(zoho::Options { people: 600, ..zoho::Options::default() }, "http://127.0.0.1").unwrap();
    assert_eq!(crm.truth().people, truth.people);
    // A member's card is one that the stores know, and the same person's.
    let members = server.with(|tenant| tenant.snapshot("MemberObj"));
    assert!(members.len() > 100);
    for member in members {
        let card = member["card_no__c"].as_str().unwrap();
        assert_eq!(
            files.records["stores.members"][card],
            truth.records["fx.MemberObj"][member["_id"].as_str().unwrap()]
        );
    }
}

#[test]
fn every_record_of_a_person_and_every_order_is_in_the_truth_also_when_it_is_gone() {
    let server = server();
    let advanced = server.with(|tenant| tenant.advance(&Step { seconds: 60, changes: 600, ..Step::default() }));
    let truth = server.with(|tenant| tenant.truth());
    for object in ["ContactObj", "LeadsObj", "MemberObj", "NewOpportunityObj", "CasesObj", "object_Vk3Qd__c"] {
        for id in server.with(|tenant| tenant.ids(object)) {
            assert!(truth.people.contains_key(&truth.records[&format!("fx.{object}")][&id]), "{object} {id}");
        }
    }
    let orders = &truth.orders["fx.SalesOrderObj"];
    let known = server.with(|tenant| tenant.ids("SalesOrderObj"));
    assert!(known.iter().all(|id| orders.contains_key(id)));
    assert!(orders.values().any(Option::is_none) && orders.values().any(Option::is_some));
    let contacts = &truth.records["fx.ContactObj"];
    let gone: Vec<_> = advanced.deleted.iter().filter(|(object, _)| object == "ContactObj").collect();
    assert!(!gone.is_empty() && gone.iter().all(|(_, id)| contacts.contains_key(id)));
    let accounts = server.with(|tenant| tenant.snapshot("AccountObj"));
    let company = |row: &&Value| row["record_type"] == "default__c";
    assert!(
        accounts
            .iter()
            .filter(company)
            .all(|row| !truth.records["fx.AccountObj"].contains_key(row["_id"].as_str().unwrap()))
    );
}

#[test]
fn two_worlds_of_one_seed_go_on_alike() {
    let (one, other) = (server(), server());
    let step = Step { seconds: 86_400, changes: 400, tied: 20, ..Step::default() };
    for _ in 0..2 {
        let advanced = one.with(|tenant| tenant.advance(&step));
        assert_eq!(advanced, other.with(|tenant| tenant.advance(&step)));
        assert_eq!(advanced.changes(), 420);
        let lists =
            [&advanced.created, &advanced.updated, &advanced.deleted, &advanced.converted, &advanced.invalidated];
        assert!(lists.iter().all(|list| list.len() > 3), "{lists:?}");
    }
    assert_eq!(one.with(|tenant| tenant.truth()), other.with(|tenant| tenant.truth()));
    assert_eq!(one.with(|tenant| tenant.snapshot("ContactObj")), other.with(|tenant| tenant.snapshot("ContactObj")));
}

#[test]
fn late_changes_claim_an_earlier_time() {
    let server = server();
    server.with(|tenant| tenant.clock().pass(3_600));
    let now = server.with(|tenant| tenant.clock().milliseconds());
    server.with(|tenant| tenant.advance(&Step { changes: 50, late_seconds: 600, ..Step::default() }));
    let newest =
        Client::new(&server).query("ContactObj", json!({ "limit": 1 })).rows()[0]["last_modified_time"].clone();
    assert_eq!(newest, now - 600_000);
}

#[test]
fn a_snapshot_holds_what_single_reads_show() {
    let server = server();
    let snapshot = server.with(|tenant| tenant.snapshot("ContactObj"));
    let ids: Vec<_> = snapshot.iter().map(|record| record["_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, server.with(|tenant| tenant.ids("ContactObj")));
    let get = json!({ "data": { "dataObjectApiName": "ContactObj", "objectDataId": ids[7] } });
    assert_eq!(Client::new(&server).call("/cgi/crm/v2/data/get", &get).data(), snapshot[7]);
    assert!(snapshot[7]["last_modified_time"].is_i64());
}

#[test]
fn the_controls_are_reached_over_http() {
    let server = server();
    let control = |method: &str, name: &str, body: &str| {
        send(server.address(), method, &format!("/_sandbox/{name}"), &[], body.as_bytes())
    };
    let advanced = control("POST", "advance", r#"{"seconds": 60, "changes": 300}"#).json();
    assert_eq!(advanced["time"], "2026-07-01T00:01:00+08:00");
    assert!(control("GET", "truth", "").json()["fx.LeadsObj"].is_object());
    assert!(control("GET", "orders", "").json()["fx.SalesOrderObj"].is_object());
    let list = |name: &str| control("GET", &format!("{name}?table=ContactObj"), "").json().as_array().unwrap().len();
    let (ids, void) = server.with(|tenant| (tenant.ids("ContactObj").len(), tenant.invalid_ids("ContactObj").len()));
    assert_eq!((list("ids"), list("snapshot"), list("invalid")), (ids, ids, void));
    assert!(void > 0);
    assert_eq!(control("GET", "ids?table=Contact", "").status, 400);
    assert!(server.requests().is_empty());
}

#[test]
fn an_empty_world_can_be_served() {
    let server = serve(Options { people: 0, ..options() }, Scenario::default(), 0).unwrap();
    assert!(Client::new(&server).walk("ContactObj", &[]).is_empty());
    assert_eq!(server.with(|tenant| tenant.advance(&Step { changes: 20, ..Step::default() })).changes(), 20);
}
