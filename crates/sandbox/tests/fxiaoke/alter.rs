//! Precise changes of the tenant, of any object.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tributary_sandbox::fxiaoke::{Alteration, Limits, Options, Tenant};
use tributary_sandbox::http::{Handle, Scenario};

use crate::client::{Client, send};

const OBJECTS: [&str; 9] = [
    "AccountObj",
    "ContactObj",
    "LeadsObj",
    "NewOpportunityObj",
    "SalesOrderObj",
    "SalesOrderProductObj",
    "CasesObj",
    "MemberObj",
    "object_Vk3Qd__c",
];
const START: i64 = 1_782_835_200_000;

fn tenant(options: Options) -> Handle<Tenant> {
    Tenant::new(Options { people: 300, ..options }).unwrap().serve(Scenario::default(), 0).unwrap()
}

fn alter(server: &Handle<Tenant>, object: &str, alteration: Alteration) -> Vec<String> {
    server.with(|tenant| tenant.alter(object, &alteration)).unwrap_or_else(|reason| panic!("{object}: {reason}")).ids
}

fn records(server: &Handle<Tenant>, object: &str) -> BTreeMap<String, Value> {
    let records = server.with(|tenant| tenant.snapshot(object));
    records.into_iter().map(|record| (record["_id"].as_str().unwrap().to_owned(), record)).collect()
}

fn times(records: &BTreeMap<String, Value>, ids: &[String]) -> Vec<i64> {
    ids.iter().map(|id| records[id]["last_modified_time"].as_i64().unwrap() - START).collect()
}

#[test]
fn each_change_has_a_millisecond_of_its_own_after_all_before() {
    for object in OBJECTS {
        let server = tenant(Options::default());
        let before = records(&server, object);
        let new = alter(&server, object, Alteration::Insert { records: 3 });
        let after = records(&server, object);
        assert_eq!((after.len(), times(&after, &new)), (before.len() + 3, vec![1, 2, 3]));
        assert!(new.iter().all(|id| !before.contains_key(id) && after[id]["version"] == "2"));
        let updated = alter(&server, object, Alteration::Update { records: 3 });
        let after = records(&server, object);
        assert_eq!(times(&after, &updated), [4, 5, 6]);
        assert!(updated.iter().all(|id| before.get(id) != Some(&after[id])));
        let deleted = alter(&server, object, Alteration::Delete { records: 2 });
        assert_eq!(records(&server, object).len(), before.len() + 1);
        assert!(deleted.iter().all(|id| !server.with(|tenant| tenant.invalid_ids(object)).contains(id)));
        let refused = server.with(|tenant| tenant.alter(object, &Alteration::Restore { records: 1 })).unwrap_err();
        assert_eq!(refused, "what was deleted is gone for good");
    }
}

#[test]
fn where_void_records_are_hidden_deleted_ones_can_be_recovered() {
    for object in OBJECTS {
        let server = tenant(Options { shows_invalid: false, ..Options::default() });
        let before = records(&server, object);
        let deleted = alter(&server, object, Alteration::Delete { records: 3 });
        assert!(deleted.iter().all(|id| !records(&server, object).contains_key(id)));
        let back = alter(&server, object, Alteration::Restore { records: 2 });
        assert_eq!(back, deleted[..2]);
        let after = records(&server, object);
        assert_eq!((after.len(), times(&after, &back)), (before.len() - 1, vec![4, 5]));
    }
}

#[test]
fn ties_share_their_millisecond_and_late_changes_claim_an_older_one() {
    for object in OBJECTS {
        let server = tenant(Options::default());
        let mut tied = alter(&server, object, Alteration::Tie { records: 7 });
        tied.extend(alter(&server, object, Alteration::TieAgain { records: 2 }));
        assert_eq!(times(&records(&server, object), &tied), [1; 9]);
        assert_eq!(tied.iter().collect::<std::collections::BTreeSet<_>>().len(), 9);
        let late = alter(&server, object, Alteration::Late { records: 3, seconds: 60 });
        assert_eq!(times(&records(&server, object), &late), [-59_999; 3]);
    }
}

#[test]
fn fields_come_and_change_tokens_end_and_what_cannot_be_is_said() {
    let server = tenant(Options::default());
    let client = Client::new(&server);
    for object in OBJECTS {
        alter(&server, object, Alteration::AddField { name: "channel__c".into() });
        assert!(records(&server, object).values().all(|record| record["channel__c"].is_string()));
        let described = client.call("/cgi/crm/v2/object/describe", &json!({ "data": { "apiName": object } })).json();
        assert!(described["data"]["describe"]["fields"]["channel__c"].is_object());
    }
    for (object, field) in [
        ("AccountObj", "annual_spend__c"),
        ("ContactObj", "is_vip__c"),
        ("SalesOrderObj", "mc_exchange_rate"),
        ("object_Vk3Qd__c", "agreed__c"),
    ] {
        let changed = alter(&server, object, Alteration::ChangeType);
        let after = records(&server, object);
        assert!(changed.len() == 3 && changed.iter().all(|id| after[id][field] == "many"), "{object}");
    }
    let refused = |object: &str, alteration| server.with(|tenant| tenant.alter(object, &alteration)).unwrap_err();
    assert_eq!(
        refused("LeadsObj", Alteration::ChangeType),
        "`LeadsObj` has no field that could hold text and does not"
    );
    assert_eq!(refused("PersonnelObj", Alteration::Update { records: 1 }), "nobody may write `PersonnelObj`");
    assert_eq!(refused("NobodyObj", Alteration::ExpireTokens), "there is no object `NobodyObj`");
    let undated = refused("LeadsObj", Alteration::NullCursor { records: 1 });
    assert_eq!(undated, "the tenant keeps `last_modified_time` of every record");

    alter(&server, "LeadsObj", Alteration::ExpireTokens);
    assert_eq!(client.call("/cgi/crm/v2/object/list", &json!({})).code(), 20_016);
    assert_eq!(Client::new(&server).call("/cgi/crm/v2/object/list", &json!({})).code(), 0);
    let body = br#"{"delete":{"records":1}}"#;
    let reply = send(server.address(), "POST", "/_sandbox/alter?table=LeadsObj", &[], body);
    assert_eq!(reply.json()["ids"].as_array().unwrap().len(), 1);
}

#[test]
fn pages_in_order_of_the_ids_can_hold_fewer_than_are_asked_for() {
    let limits = Limits { served: 20, ..Limits::default() };
    let server = tenant(Options { limits, ..Options::default() });
    let client = Client::new(&server);
    let ids = server.with(|tenant| tenant.ids("ContactObj"));
    let asked = |filters: Value, orders: Value| {
        let info = json!({ "limit": 100, "offset": 0, "filters": filters, "orders": orders });
        client.query("ContactObj", info).data()
    };
    let by_id = json!([{ "fieldName": "_id", "isAsc": true }]);
    let page = asked(json!([]), by_id.clone());
    assert_eq!((page["dataList"].as_array().unwrap().len(), &page["limit"]), (20, &json!(100)));
    let some = json!([{ "field_name": "_id", "operator": "IN", "field_values": ids[..50] }]);
    assert_eq!(asked(some, by_id)["dataList"].as_array().unwrap().len(), 50);
    assert!(asked(json!([]), json!([]))["dataList"].as_array().unwrap().len() > 20);
}
