//! Precise changes of the shop.

use std::collections::BTreeMap;

use serde_json::Value;
use tributary_sandbox::http::{Handle, Scenario};
use tributary_sandbox::sample::{Alteration, Options, Shop};

fn shop() -> Handle<Shop> {
    let options = Options { people: 60, served: 10, ..Options::default() };
    Shop::new(options).unwrap().serve(Scenario::default(), 0).unwrap()
}

fn alter(server: &Handle<Shop>, table: &str, alteration: Alteration) -> Vec<String> {
    server.with(|shop| shop.alter(table, &alteration)).unwrap().ids
}

/// Rows by id, as lists show them, deleted ones too.
fn rows(server: &Handle<Shop>, table: &str) -> BTreeMap<String, Value> {
    let rows = super::walk(server, &format!("/v1/{table}?limit=500"));
    rows.into_iter().map(|row| (super::text(&row, "id").to_owned(), row)).collect()
}

fn times<'a>(rows: &'a BTreeMap<String, Value>, ids: &[String]) -> Vec<&'a str> {
    ids.iter().map(|id| super::text(&rows[id], "updated_at")).collect()
}

#[test]
fn each_change_has_a_millisecond_of_its_own_after_all_before() {
    for table in ["customers", "orders"] {
        let server = shop();
        let before = rows(&server, table);
        let newest = before.values().map(|row| super::text(row, "updated_at").to_owned()).max().unwrap();
        let mut ids = alter(&server, table, Alteration::Insert { records: 3 });
        assert!(ids.iter().all(|id| !before.contains_key(id)));
        let updated = alter(&server, table, Alteration::Update { records: 4 });
        let deleted = alter(&server, table, Alteration::Delete { records: 3 });
        let after = rows(&server, table);
        assert!(deleted.iter().all(|id| after[id]["deleted"] == true));
        let living = updated.iter().filter(|id| !deleted.contains(id));
        assert!(living.clone().all(|id| !before.contains_key(id) || before[id] != after[id]));
        assert_eq!(after.len(), before.len() + 3);
        ids.retain(|id| !updated.contains(id) && !deleted.contains(id));
        ids.extend(living.cloned().collect::<Vec<_>>());
        ids.extend(deleted.iter().cloned());
        let times = times(&after, &ids);
        assert!(times.is_sorted_by(|one, next| one < next) && times[0] > newest.as_str(), "{times:?}");

        let back = alter(&server, table, Alteration::Restore { records: 2 });
        assert_eq!(back, deleted[..2]);
        let restored = rows(&server, table);
        assert!(back.iter().all(|id| restored[id]["deleted"] == false && !restored[id]["updated_at"].is_null()));
        assert!(back.iter().all(|id| super::text(&restored[id], "updated_at") > *times.last().unwrap()));
    }
}

#[test]
fn ties_share_their_millisecond_and_late_changes_claim_an_older_one() {
    let server = shop();
    let mut tied = alter(&server, "customers", Alteration::Tie { records: 25 });
    tied.extend(alter(&server, "customers", Alteration::TieAgain { records: 2 }));
    let after = rows(&server, "customers");
    assert_eq!(tied.iter().collect::<std::collections::BTreeSet<_>>().len(), 27);
    let at = "2026-06-30T16:00:00.001Z";
    assert!(times(&after, &tied).iter().all(|time| *time == at), "{:?}", times(&after, &tied));
    assert_eq!(server.with(|shop| shop.clock().milliseconds()) % 1_000, 1);

    let late = alter(&server, "customers", Alteration::Late { records: 3, seconds: 60 });
    let after = rows(&server, "customers");
    assert!(times(&after, &late).iter().all(|time| *time == "2026-06-30T15:59:00.001Z"));
}

#[test]
fn fields_come_and_change_and_what_cannot_be_is_said() {
    let server = shop();
    alter(&server, "orders", Alteration::AddField { name: "channel".into() });
    assert!(rows(&server, "orders").values().all(|row| row["channel"].is_string()));
    let changed = alter(&server, "orders", Alteration::ChangeType);
    let after = rows(&server, "orders");
    assert!(changed.len() == 3 && changed.iter().all(|id| after[id]["total"] == "many"));
    let refused = |table: &str, alteration| server.with(|shop| shop.alter(table, &alteration)).unwrap_err();
    assert_eq!(refused("orders", Alteration::ExpireTokens), "the key does not expire");
    assert_eq!(refused("orders", Alteration::NullCursor { records: 1 }), "the shop keeps `updated_at` of every row");
    assert_eq!(refused("people", Alteration::ChangeType), "there is no table `people`");
    assert!(refused("orders", Alteration::Update { records: 999 }).starts_with("`orders` has "));
    assert!(refused("orders", Alteration::Restore { records: 1 }).contains("0 deleted"));
}

#[test]
fn a_clone_is_altered_as_its_origin_would_be_and_a_control_does_so_too() {
    let one = Shop::new(Options { people: 60, ..Options::default() }).unwrap();
    let other = one.clone().serve(Scenario::default(), 0).unwrap();
    let mut one = one;
    let altered = one.alter("customers", &Alteration::Tie { records: 5 }).unwrap();
    let body = br#"{"tie":{"records":5}}"#;
    let reply = super::send(other.address(), "POST", "/_sandbox/alter?table=customers", &[], body);
    assert_eq!(reply.json()["ids"], serde_json::json!(altered.ids));
    assert_eq!(one.snapshot("customers"), other.with(|shop| shop.snapshot("customers")));
    let reply = super::send(other.address(), "POST", "/_sandbox/alter?table=x", &[], body);
    assert_eq!((reply.status, &reply.json()["error"]), (400, &"there is no table `x`".into()));
}

#[test]
fn pages_can_hold_fewer_than_are_asked_for() {
    let server = shop();
    let page = super::get(&server, "/v1/customers?limit=500").json();
    assert_eq!(page["data"].as_array().unwrap().len(), 10);
    assert!(page["next_page_token"].is_string());
    assert_eq!(rows(&server, "customers").len(), server.with(|shop| shop.ids("customers").len()));
}
