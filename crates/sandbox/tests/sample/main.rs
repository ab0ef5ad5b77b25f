//! What a client of the sample API could see, over real connections, one server per test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod alter;
#[path = "../support/wire.rs"]
mod wire;

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use tributary_sandbox::http::{Disturbance, Fault, Handle, RetryAfter, Rule, Scenario};
use tributary_sandbox::sample::{Budget, Options, Shop, Step, serve};

use wire::{Reply, send};

fn server() -> Handle<Shop> {
    serve(Options { people: 600, ..Options::default() }, Scenario::default(), 0).unwrap()
}

fn get(server: &Handle<Shop>, target: &str) -> Reply {
    send(server.address(), "GET", target, &[("authorization", "Bearer key")], b"")
}

fn error(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["error"]["code"].as_str().unwrap().to_owned())
}

/// All rows of a list, page by page; `path` has a query already.
fn walk(server: &Handle<Shop>, path: &str) -> Vec<Value> {
    let (mut rows, mut target) = (Vec::new(), path.to_owned());
    loop {
        let page = get(server, &target).json();
        rows.extend(page["data"].as_array().unwrap().clone());
        match page["next_page_token"].as_str() {
            Some(token) => target = format!("{path}&page_token={token}"),
            None => return rows,
        }
    }
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap()
}

#[test]
fn pages_come_in_the_order_of_change_and_hold_every_row_once() {
    let server = server();
    for table in ["customers", "orders"] {
        let rows = walk(&server, &format!("/v1/{table}?limit=70"));
        assert!(rows.len() > 200);
        let places: Vec<_> = rows.iter().map(|row| (text(row, "updated_at"), text(row, "id"))).collect();
        assert!(places.is_sorted());
        let mut ids: Vec<_> = rows.iter().map(|row| text(row, "id").to_owned()).collect();
        ids.sort_unstable();
        assert_eq!(ids, server.with(|shop| shop.ids(table)));
    }
}

#[test]
fn a_row_is_what_the_tutorial_says() {
    let server = server();
    let customers = walk(&server, "/v1/customers?limit=500");
    let keys: HashSet<&str> = customers[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, HashSet::from(["id", "name", "phone", "email", "birthday", "updated_at", "deleted"]));
    assert!(customers.iter().any(|row| row["email"].is_null()) && customers.iter().all(|row| row["deleted"] == false));
    let known: HashSet<&str> = customers.iter().map(|row| text(row, "id")).collect();
    for order in walk(&server, "/v1/orders?limit=500") {
        assert!(known.contains(text(&order, "customer_id")) && order["currency"] == "CNY");
        let cents = |value: &Value| value.as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
        let lines = order["lines"].as_array().unwrap().iter();
        let sum: i64 = lines.map(|line| cents(&line["price"]) * line["quantity"].as_i64().unwrap()).sum();
        assert_eq!(cents(&order["total"]), sum);
    }
}

#[test]
fn changes_since_a_time_include_that_time_and_what_is_gone() {
    let server = server();
    let first = server.with(|shop| shop.advance(&Step { seconds: 60, changes: 100, ..Step::default() }));
    let rows = walk(&server, "/v1/customers?limit=20&updated_since=2026-06-30T16:00:00Z");
    let by_id: BTreeMap<&str, &Value> = rows.iter().map(|row| (text(row, "id"), row)).collect();
    let told = first.created.iter().chain(&first.updated).chain(&first.deleted);
    let told: HashSet<&str> = told.filter(|(table, _)| table == "customers").map(|(_, id)| id.as_str()).collect();
    assert_eq!(told, by_id.keys().copied().collect());
    let gone: Vec<_> = first.deleted.iter().filter(|(table, _)| table == "customers").collect();
    assert!(!gone.is_empty());
    for (_, id) in gone {
        assert!(by_id[id.as_str()]["deleted"] == true && by_id[id.as_str()]["name"].is_null());
    }
    let newest = text(rows.last().unwrap(), "updated_at");
    let again = walk(&server, &format!("/v1/customers?limit=20&updated_since={newest}"));
    assert_eq!(again.len(), rows.iter().filter(|row| text(row, "updated_at") == newest).count());
}

#[test]
fn rows_that_change_while_they_are_paged_come_again_and_none_is_lost() {
    let rule = Rule::once("/v1/customers", Fault::Disturb(Disturbance::MoveRows { changes: 30 })).from(2).times(3);
    let options = Options { people: 600, ..Options::default() };
    let server = serve(options, Scenario::default().with(rule), 0).unwrap();
    let rows = walk(&server, "/v1/customers?limit=50");
    let mut last = BTreeMap::new();
    rows.iter().for_each(|row| drop(last.insert(text(row, "id").to_owned(), row.clone())));
    assert!(last.len() < rows.len());
    let living: Vec<Value> = last.into_values().filter(|row| row["deleted"] == false).collect();
    assert_eq!(living, server.with(|shop| shop.snapshot("customers")));
}

#[test]
fn an_import_leaves_many_rows_with_one_time() {
    let server = server();
    server.with(|shop| shop.advance(&Step { seconds: 60, tied: 150, ..Step::default() }));
    let rows = walk(&server, "/v1/customers?limit=40&updated_since=2026-06-30T16:01:00Z");
    assert_eq!(rows.len(), 150);
    assert!(rows.iter().all(|row| row["updated_at"] == "2026-06-30T16:01:00.000Z"));
}

#[test]
fn what_is_wrong_is_said_in_json() {
    let server = server();
    let refused = |target: &str| error(&get(&server, target));
    assert_eq!(refused("/v1/customers?limit=0"), (400, "bad_request".into()));
    assert_eq!(refused("/v1/customers?limit=501"), (400, "bad_request".into()));
    assert_eq!(refused("/v1/customers?updated_since=yesterday"), (400, "bad_request".into()));
    assert_eq!(refused("/v1/customers?page_token=x"), (400, "bad_request".into()));
    assert_eq!(refused("/v1/persons"), (404, "not_found".into()));
    let key = [("authorization", "Bearer key")];
    assert_eq!(error(&send(server.address(), "POST", "/v1/orders", &key, b"")), (405, "method_not_allowed".into()));
    for headers in [vec![], vec![("authorization", "Bearer other")], vec![("authorization", "key")]] {
        let reply = send(server.address(), "GET", "/v1/customers", &headers, b"");
        assert_eq!(error(&reply), (401, "unauthorized".into()));
    }
    let log = send(server.address(), "GET", "/_sandbox/requests", &[], b"").json();
    assert_eq!((&log[0]["credential"], &log[8]["credential"]), (&json!("key"), &json!(null)));
}

#[test]
fn a_budget_is_refused_with_the_seconds_to_wait() {
    let budget = Some(Budget { requests: 3, seconds: 1 });
    let server = serve(Options { people: 50, budget, ..Options::default() }, Scenario::default(), 0).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_000));
    let replies: Vec<Reply> = (0..4).map(|_| get(&server, "/v1/customers")).collect();
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [200, 200, 200, 429]);
    assert_eq!(replies[3].header("retry-after"), Some("1"));
    std::thread::sleep(std::time::Duration::from_millis(1_000));
    assert_eq!(get(&server, "/v1/customers").status, 200);
}

#[test]
fn a_scenario_throttles_and_revokes() {
    let throttle = Fault::Throttle { retry_after: Some(RetryAfter::Seconds(2)) };
    let scenario = Scenario::default()
        .with(Rule::once("/v1/*", throttle))
        .with(Rule::once("/v1/*", Fault::Disturb(Disturbance::RevokeTokens)).from(3));
    let server = serve(Options { people: 50, ..Options::default() }, scenario, 0).unwrap();
    let first = get(&server, "/v1/orders");
    assert_eq!((error(&first), first.header("retry-after")), ((429, "too_many_requests".into()), Some("2")));
    assert_eq!([get(&server, "/v1/orders").status, get(&server, "/v1/orders").status], [200, 401]);
}

#[test]
fn two_shops_of_one_seed_go_on_alike_and_their_truth_is_known() {
    let (one, other) = (server(), server());
    let step = Step { seconds: 3_600, changes: 200, tied: 10, ..Step::default() };
    let advanced = one.with(|shop| shop.advance(&step));
    assert_eq!(advanced, other.with(|shop| shop.advance(&step)));
    assert_eq!(advanced.changes(), 210);
    let truth = one.with(|shop| shop.truth());
    assert_eq!(truth, other.with(|shop| shop.truth()));
    for id in one.with(|shop| shop.ids("customers")) {
        assert!(truth.people.contains_key(&truth.records["sample.customers"][&id]));
    }
    for order in one.with(|shop| shop.snapshot("orders")) {
        let person = truth.orders["sample.orders"][text(&order, "id")];
        assert_eq!(person, Some(truth.records["sample.customers"][text(&order, "customer_id")]));
    }
    let controlled = send(one.address(), "POST", "/_sandbox/advance", &[], br#"{"seconds":5,"changes":2}"#).json();
    assert_eq!(controlled["time"], "2026-07-01T01:00:05+08:00");
}

#[test]
fn an_empty_world_can_be_served() {
    let server = serve(Options { people: 0, ..Options::default() }, Scenario::default(), 0).unwrap();
    assert_eq!(get(&server, "/v1/customers").json(), json!({ "data": [], "next_page_token": null }));
    assert_eq!(server.with(|shop| shop.advance(&Step { changes: 20, ..Step::default() })).changes(), 20);
}
