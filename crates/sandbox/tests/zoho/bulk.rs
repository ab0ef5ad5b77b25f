//! Bulk read: jobs, their results, and what is refused.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use tributary_sandbox::http::{Disturbance, Fault, Rule, Scenario};
use tributary_sandbox::zoho::Limits;

use crate::client::Client;
use crate::{limited, misbehaving, server};

const READ: &str = "/crm/bulk/v8/read";

fn job(client: &Client, query: &Value) -> String {
    let added = client.post(READ, &json!({ "query": query }));
    assert_eq!(added.status, 201, "{}", added.text());
    let added = added.json()["data"][0].clone();
    assert_eq!((&added["code"], &added["details"]["state"]), (&"ADDED_SUCCESSFULLY".into(), &"ADDED".into()));
    added["details"]["id"].as_str().unwrap().to_owned()
}

fn poll(client: &Client, id: &str) -> Value {
    client.get(&format!("{READ}/{id}")).json()["data"][0].clone()
}

/// The lines of the one file of a finished job.
fn lines(client: &Client, id: &str) -> Vec<String> {
    let reply = client.get(&format!("{READ}/{id}/result"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("content-disposition").is_some());
    let mut zip = zip::ZipArchive::new(Cursor::new(reply.body)).unwrap();
    assert_eq!(zip.len(), 1);
    let mut file = zip.by_name(&format!("{id}.csv")).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_job_is_made_polled_and_fetched() {
    let server = server();
    let client = Client::new(&server);
    let criteria = json!({ "group_operator": "and", "group": [
        { "field": { "api_name": "Modified_Time" }, "comparator": "less_than", "value": "2026-07-01T00:00:00+08:00" },
        { "field": { "api_name": "Email" }, "comparator": "not_equal", "value": "${EMPTY}" },
    ] });
    let fields = json!(["Email", "Owner", "Account_Name", "Account_Name.Account_Name"]);
    let id = job(&client, &json!({ "module": { "api_name": "Contacts" }, "fields": fields, "criteria": criteria }));
    assert_eq!(client.get(&format!("{READ}/{id}/result")).error(), (404, "RESOURCE_NOT_FOUND".into()));
    let states: Vec<Value> = (0..3).map(|_| poll(&client, &id)["state"].clone()).collect();
    assert_eq!(states, ["QUEUED", "IN PROGRESS", "COMPLETED"]);
    let lines = lines(&client, &id);
    assert_eq!(lines[0], "Id,Email,Owner,Account_Name,Account_Name.Account_Name");
    assert!(lines[1..].iter().all(|line| line.split(',').nth(1).unwrap().contains('@')));
    assert!(lines.iter().any(|line| line.split(',').nth(3).is_some_and(|id| id.parse::<u64>().is_ok())));
    assert_eq!(poll(&client, &id)["result"]["count"], lines.len() - 1);
    let expected = client.query("select id from Contacts where Email is not null limit 2000").ids();
    assert_eq!(lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect::<Vec<_>>(), expected);
}

#[test]
fn more_rows_than_one_job_holds_come_by_page_token() {
    let server = limited(Limits { bulk_rows: 100, ..Limits::default() });
    let client = Client::new(&server);
    let (mut ids, mut query) = (Vec::new(), json!({ "module": { "api_name": "Contacts" }, "fields": ["Last_Name"] }));
    loop {
        let id = job(&client, &query);
        server.with(|crm| crm.clock().pass(10));
        let result = poll(&client, &id)["result"].clone();
        ids.extend(lines(&client, &id)[1..].iter().map(|line| line.split(',').next().unwrap().to_owned()));
        assert_eq!(result["more_records"], result["next_page_token"].is_string());
        match result["next_page_token"].as_str() {
            Some(token) => query = json!({ "page_token": token }),
            None => break,
        }
    }
    assert_eq!(ids, server.with(|crm| crm.ids("Contacts")));
}

#[test]
fn no_rows_are_a_completed_job_and_no_fields_are_all() {
    let server = server();
    let client = Client::new(&server);
    let nobody = json!({ "field": { "api_name": "Email" }, "comparator": "equal", "value": "nobody" });
    let id = job(&client, &json!({ "module": { "api_name": "Contacts" }, "criteria": nobody }));
    server.with(|crm| crm.clock().pass(10));
    assert_eq!(poll(&client, &id)["result"]["count"], 0);
    let lines = lines(&client, &id);
    assert!(lines.len() == 1 && lines[0].contains("Member_No") && !lines[0].contains("Family_Members"));
}

#[test]
fn the_eleventh_download_of_a_minute_is_refused() {
    let server = server();
    let client = Client::new(&server);
    let id = job(&client, &json!({ "module": { "api_name": "Accounts" } }));
    server.with(|crm| crm.clock().pass(10));
    poll(&client, &id);
    (0..10).for_each(|_| drop(lines(&client, &id)));
    let target = format!("{READ}/{id}/result");
    assert_eq!(client.get(&target).error(), (429, "TOO_MANY_REQUESTS".into()));
    server.with(|crm| crm.clock().pass(60));
    lines(&client, &id);
    server.with(|crm| crm.clock().pass(86_400));
    assert_eq!(Client::new(&server).get(&target).error(), (404, "RESOURCE_NOT_FOUND".into()));
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let server = server();
    let client = Client::new(&server);
    let refused = |query: Value| client.post(READ, &json!({ "query": query })).error();
    assert_eq!(client.request("POST", READ, &[], b"{}").error(), (415, "MEDIA_TYPE_NOT_SUPPORTED".into()));
    assert_eq!(refused(json!({ "module": { "api_name": "Notes" } })), (400, "INVALID_MODULE".into()));
    let subform = json!({ "module": { "api_name": "Contacts" }, "fields": ["Family_Members"] });
    assert_eq!(refused(subform), (400, "FIELD_NOT_AVAILABLE".into()));
    assert_eq!(refused(json!({ "page_token": "none" })), (400, "INVALID_DATA".into()));
    assert_eq!(client.get(&format!("{READ}/17")).error(), (404, "RESOURCE_NOT_FOUND".into()));
}

#[test]
fn a_job_can_fail() {
    let fail = Rule::once("/crm/bulk/v8/read/*", Fault::Disturb(Disturbance::FailJobs)).from(2);
    let server = misbehaving(Scenario::default().with(fail));
    let client = Client::new(&server);
    let id = job(&client, &json!({ "module": { "api_name": "Contacts" } }));
    poll(&client, &id);
    let failed = poll(&client, &id);
    assert_eq!(failed["state"], "FAILURE");
    assert_eq!(failed["result"]["error_message"]["code"], "INTERNAL_SERVER_ERROR");
}
