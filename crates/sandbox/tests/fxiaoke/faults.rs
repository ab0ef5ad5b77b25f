//! What a scenario does to a vendor who says 200 to everything.

use std::collections::HashSet;

use serde_json::json;
use tributary_sandbox::http::{Disturbance, Fault, Rule, Scenario};

use crate::client::{Client, ids_of, new_token};
use crate::misbehaving;

const QUERY: &str = "/cgi/crm/v2/data/query";

#[test]
fn failures_of_the_vendor_come_as_200_and_those_before_it_do_not() {
    let fail = |number: u64, status: u16| Rule::once(QUERY, Fault::ServerError { status }).from(number);
    let scenario = Scenario::default()
        .with(fail(1, 500))
        .with(fail(2, 504))
        .with(fail(3, 502))
        .with(Rule::once(QUERY, Fault::Throttle { retry_after: None }).from(4));
    let server = misbehaving(scenario);
    let client = Client::new(&server);
    let ask = || client.query("ContactObj", json!({ "limit": 10 }));
    assert_eq!((ask().code(), ask().code()), (-1, 50_009));
    assert_eq!(ask().status, 502);
    assert_eq!((ask().code(), ask().code()), (30_004, 0));
    let failures: Vec<_> = server.requests().iter().map(|entry| entry.failure).collect();
    assert_eq!(failures, [None, Some(-1), Some(50_009), None, Some(30_004), None]);
}

#[test]
fn a_rule_can_be_about_one_object() {
    let rule = Rule::once(QUERY, Fault::Throttle { retry_after: None }).about("LeadsObj").always();
    let server = misbehaving(Scenario::default().with(rule));
    let client = Client::new(&server);
    let code = |object: &str| client.query(object, json!({ "limit": 1 })).code();
    assert_eq!((code("ContactObj"), code("LeadsObj"), code("ContactObj")), (0, 30_004, 0));
}

#[test]
fn a_repeated_page_is_one_of_the_same_object() {
    let rule = Rule::once(QUERY, Fault::RepeatPage).about("ContactObj").from(2);
    let server = misbehaving(Scenario::default().with(rule));
    let client = Client::new(&server);
    let page = |object: &str, offset: usize| client.query(object, json!({ "limit": 10, "offset": offset })).ids();
    let first = page("ContactObj", 0);
    page("LeadsObj", 0);
    assert_eq!(page("ContactObj", 10), first);
    assert_ne!(page("ContactObj", 10), first);
}

#[test]
fn tokens_expire_between_pages_and_the_permanent_code_is_revoked() {
    let expire = Rule::once(QUERY, Fault::Disturb(Disturbance::ExpireTokens)).from(2);
    let revoke = Rule::once(QUERY, Fault::Disturb(Disturbance::RevokeTokens)).from(4);
    let server = misbehaving(Scenario::default().with(expire).with(revoke));
    let client = Client::new(&server);
    let code = |client: &Client| client.query("ContactObj", json!({ "limit": 1 })).code();
    assert_eq!((code(&client), code(&client)), (0, 20_016));
    let client = Client::new(&server);
    assert_eq!((code(&client), code(&client)), (0, 20_016));
    assert_eq!(new_token(&server).json()["errorMessage"], "the parameter permanentCode is missing or illegal");
}

#[test]
fn paging_by_offset_loses_rows_that_move() {
    let rule = Rule::once(QUERY, Fault::Disturb(Disturbance::MoveRows { changes: 40 })).from(2).always();
    let server = misbehaving(Scenario::default().with(rule));
    let client = Client::new(&server);
    let before: HashSet<String> = server.with(|tenant| tenant.ids("ContactObj")).into_iter().collect();
    let mut seen = Vec::new();
    for page in 0.. {
        let orders = json!([{ "fieldName": "last_modified_time", "isAsc": true }]);
        let ids = client.query("ContactObj", json!({ "limit": 50, "offset": page * 50, "orders": orders })).ids();
        seen.extend(ids.clone());
        if ids.len() < 50 {
            break;
        }
    }
    let after: HashSet<String> = server.with(|tenant| tenant.ids("ContactObj")).into_iter().collect();
    let distinct: HashSet<String> = seen.iter().cloned().collect();
    assert!(before.intersection(&after).any(|id| !distinct.contains(id)) || distinct.len() < seen.len());
}

#[test]
fn the_schema_drifts() {
    let contact = || "ContactObj".to_owned();
    let drift = |disturbance| Rule::once(QUERY, Fault::Disturb(disturbance)).from(2);
    let scenario = Scenario::default()
        .with(drift(Disturbance::AddField { module: contact(), field: "shoe_size__c".into() }))
        .with(drift(Disturbance::ChangeType { module: contact(), field: "is_vip__c".into() }))
        .with(drift(Disturbance::DropField { module: contact(), field: "job_title".into() }))
        .with(drift(Disturbance::UnknownEnum {
            module: contact(),
            field: "gender".into(),
            value: "undisclosed".into(),
        }));
    let server = misbehaving(scenario);
    let client = Client::new(&server);
    let (before, after) = (client.walk("ContactObj", &[]), client.walk("ContactObj", &[]));
    assert_eq!(ids_of(&before).len(), ids_of(&after).len());
    assert!(before.iter().any(|row| row.get("job_title").is_some()));
    assert!(after.iter().all(|row| row.get("job_title").is_none() && row["shoe_size__c"].is_string()));
    assert!(before[0]["is_vip__c"].is_boolean() && after[0]["is_vip__c"].is_string());
    assert_eq!(after.iter().filter(|row| row["gender"] == "undisclosed").count(), 3);
    let describe = client.call("/cgi/crm/v2/object/describe", &json!({ "apiName": "ContactObj" })).data();
    assert_eq!(describe["describe"]["fields"]["is_vip__c"]["type"], "text");
}
