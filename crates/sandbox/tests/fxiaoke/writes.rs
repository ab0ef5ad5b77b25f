//! Writing records, and what becomes of them.

use serde_json::{Value, json};

use crate::client::{Client, filter};
use crate::server;

const DATA: &str = "/cgi/crm/v2/data";

fn create(client: &Client, body: Value) -> String {
    let created = client.call(&format!("{DATA}/create"), &body);
    assert_eq!(created.code(), 0, "{}", created.text());
    created.json()["dataId"].as_str().unwrap().to_owned()
}

fn get(client: &Client, object: &str, id: &str) -> Value {
    client.call(&format!("{DATA}/get"), &json!({ "data": { "dataObjectApiName": object, "objectDataId": id } })).data()
}

#[test]
fn a_record_is_made_changed_and_given_to_another() {
    let server = server();
    let client = Client::new(&server);
    // Ten in the morning of 1990-05-31 by GMT+8, the midnight of which is kept.
    let (given, kept) = (644_119_200_000_i64, 644_083_200_000_i64);
    let email = "new@mail.example.com";
    let given = json!({ "dataObjectApiName": "ContactObj", "name": "新", "email": email, "date_of_birth": given });
    let id = create(&client, json!({ "triggerApprovalFlow": false, "data": { "object_data": given } }));
    let made = get(&client, "ContactObj", &id);
    assert_eq!(
        (&made["owner"], &made["date_of_birth"], &made["version"]),
        (&json!(["1000"]), &kept.into(), &"1".into())
    );
    server.with(|tenant| tenant.clock().pass(5));
    let change = json!({ "data": { "object_data": { "dataObjectApiName": "ContactObj", "_id": id, "email": null } } });
    assert_eq!(client.call(&format!("{DATA}/update"), &change).code(), 0);
    let changed = get(&client, "ContactObj", &id);
    assert!(changed.get("email").is_none() && changed["version"] == "2");
    assert_eq!(changed["last_modified_time"].as_i64().unwrap() - made["last_modified_time"].as_i64().unwrap(), 5_000);
    let owner =
        json!({ "data": { "object_data": { "dataObjectApiName": "ContactObj", "_id": id, "owner": ["1001"] } } });
    assert_eq!(client.call(&format!("{DATA}/update"), &owner).code(), 32_000);
    let owner =
        json!({ "data": { "dataObjectApiName": "ContactObj", "Data": [{ "objectDataId": id, "ownerId": ["1001"] }] } });
    assert_eq!(client.call(&format!("{DATA}/changeOwner"), &owner).code(), 0);
    assert_eq!(get(&client, "ContactObj", &id)["owner"], json!(["1001"]));
}

#[test]
fn an_order_is_made_with_its_lines_and_waits_for_approval_unless_told_not_to() {
    let server = server();
    let client = Client::new(&server);
    let account = server.with(|tenant| tenant.ids("AccountObj")[0].clone());
    let data = json!({
        "object_data": { "dataObjectApiName": "SalesOrderObj", "account_id": account, "order_amount": 259.5 },
        "details": { "SalesOrderProductObj": [{ "product_name__c": "针织开衫", "quantity": "2" }, { "quantity": "1" }] },
    });
    let id = create(&client, json!({ "data": data }));
    let order = get(&client, "SalesOrderObj", &id);
    assert_eq!((&order["life_status"], &order["order_amount"]), (&"under_review".into(), &"259.5".into()));
    assert!(order["name"].as_str().unwrap().starts_with("DD20260701-"));
    assert_eq!(client.walk("SalesOrderProductObj", &[filter("order_id", "EQ", json!([id]))]).len(), 2);
    let other = create(&client, json!({ "triggerApprovalFlow": false, "data": data }));
    assert!(other != id && get(&client, "SalesOrderObj", &other)["life_status"] == "normal");
}

#[test]
fn what_is_deleted_was_declared_void_before() {
    let server = server();
    let client = Client::new(&server);
    let id = server.with(|tenant| tenant.ids("SalesOrderObj")[0].clone());
    let call = |name: &str, key: &str, value: Value| {
        client
            .call(&format!("{DATA}/{name}"), &json!({ "data": { "dataObjectApiName": "SalesOrderObj", key: value } }))
            .code()
    };
    assert_eq!(call("delete", "idList", json!([id])), 50_009);
    assert_eq!(call("invalid", "object_data_id", json!(id)), 0);
    assert_eq!(get(&client, "SalesOrderObj", &id)["life_status"], "invalid");
    let lines = client.walk("SalesOrderProductObj", &[filter("order_id", "EQ", json!([id]))]);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["life_status"] == "invalid"));
    assert_eq!(call("recover", "idList", json!([id])), 0);
    assert_eq!(get(&client, "SalesOrderObj", &id)["life_status"], "normal");
    assert_eq!(call("invalid", "object_data_id", json!(id)), 0);
    assert_eq!(call("delete", "idList", json!([id])), 0);
    assert_eq!(call("recover", "idList", json!([id])), 50_009);
    assert!(client.walk("SalesOrderProductObj", &[filter("order_id", "EQ", json!([id]))]).is_empty());
    let visits = server.with(|tenant| tenant.ids("object_Vk3Qd__c"));
    let body = json!({ "data": { "dataObjectApiName": "object_Vk3Qd__c", "idList": visits[..2] } });
    assert_eq!(client.call("/cgi/crm/custom/data/invalid", &body).code(), 0);
    assert_eq!(server.with(|tenant| tenant.invalid_ids("object_Vk3Qd__c")), visits[..2]);
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let server = server();
    let client = Client::new(&server);
    let refused =
        |data: Value| client.call(&format!("{DATA}/create"), &json!({ "data": { "object_data": data } })).code();
    assert_eq!(refused(json!({ "dataObjectApiName": "ContactObj" })), 32_000);
    assert_eq!(refused(json!({ "dataObjectApiName": "ContactObj", "name": "x", "gender": "other" })), 32_000);
    assert_eq!(refused(json!({ "dataObjectApiName": "PersonnelObj", "name": "x" })), 20_014);
    assert_eq!(refused(json!({ "name": "x" })), 10_006);
}
