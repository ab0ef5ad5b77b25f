//! Precise changes of the CRM, of any module.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tributary_sandbox::http::{Handle, Scenario};
use tributary_sandbox::zoho::{Alteration, Crm, Limits, Options};

use crate::client::{Client, send};

const MODULES: [&str; 8] =
    ["Leads", "Accounts", "Contacts", "Deals", "Cases", "Loyalty_Cards", "Family_Members", "Contacts_X_Accounts"];

fn crm() -> Handle<Crm> {
    let options = Options { people: 300, ..Options::default() };
    Crm::new(options, "").unwrap().serve(Scenario::default(), 0).unwrap()
}

fn alter(server: &Handle<Crm>, module: &str, alteration: Alteration) -> Vec<String> {
    server.with(|crm| crm.alter(module, &alteration)).unwrap_or_else(|reason| panic!("{module}: {reason}")).ids
}

/// Records by id.
fn records(server: &Handle<Crm>, module: &str) -> BTreeMap<String, Value> {
    let records = server.with(|crm| crm.snapshot(module));
    records.into_iter().map(|record| (record["id"].as_str().unwrap().to_owned(), record)).collect()
}

fn times<'a>(records: &'a BTreeMap<String, Value>, ids: &[String]) -> Vec<&'a str> {
    ids.iter().map(|id| records[id]["Modified_Time"].as_str().unwrap()).collect()
}

#[test]
fn each_change_has_a_second_of_its_own_after_all_before() {
    for module in MODULES {
        let server = crm();
        let before = records(&server, module);
        let new = alter(&server, module, Alteration::Insert { records: 3 });
        let after = records(&server, module);
        assert_eq!(after.len(), before.len() + 3);
        let expected = ["01", "02", "03"].map(|second| format!("2026-07-01T00:00:{second}+08:00"));
        assert_eq!(times(&after, &new), expected);
        assert!(
            new.iter().all(|id| !before.contains_key(id) && after[id]["Created_Time"] == after[id]["Modified_Time"])
        );

        let updated = alter(&server, module, Alteration::Update { records: 3 });
        let after = records(&server, module);
        assert_eq!(times(&after, &updated)[2], "2026-07-01T00:00:06+08:00");
        assert!(updated.iter().all(|id| before.get(id) != Some(&after[id])));

        let deleted = alter(&server, module, Alteration::Delete { records: 2 });
        let client = Client::new(&server);
        let told = client.get(&format!("/crm/v8/{module}/deleted")).json();
        let told: Vec<_> =
            told["data"].as_array().unwrap().iter().map(|gone| (&gone["id"], &gone["deleted_time"])).collect();
        let times = [json!("2026-07-01T00:00:07+08:00"), json!("2026-07-01T00:00:08+08:00")];
        let ids: Vec<Value> = deleted.iter().map(|id| json!(id)).collect();
        assert_eq!(told, [(&ids[0], &times[0]), (&ids[1], &times[1])]);
        assert!(deleted.iter().all(|id| !records(&server, module).contains_key(id)));
    }
}

#[test]
fn what_comes_back_from_the_recycle_bin_is_changed_and_brings_its_rows_along() {
    let server = crm();
    let with_rows = |record: &&Value| record["Family_Members"].as_array().is_some_and(|rows| !rows.is_empty());
    let held = |server: &Handle<Crm>| MODULES.map(|module| records(server, module));
    let before = held(&server);
    assert!(before[2].values().any(|record| with_rows(&record)));
    let contacts = before[2].len();
    let deleted = alter(&server, "Contacts", Alteration::Delete { records: contacts });
    assert!(records(&server, "Family_Members").is_empty());
    assert_eq!(alter(&server, "Contacts", Alteration::Restore { records: contacts }), deleted);
    let mut after = held(&server);
    for (number, id) in deleted.iter().enumerate() {
        let record = after[2].get_mut(id).unwrap();
        let second = contacts + number + 1;
        assert_eq!(record["Modified_Time"], format!("2026-07-01T00:{:02}:{:02}+08:00", second / 60, second % 60));
        record["Modified_Time"] = before[2][id]["Modified_Time"].clone();
    }
    assert!(before == after, "all else is as it was");
    assert_eq!(Client::new(&server).get("/crm/v8/Contacts/deleted").status, 204);

    alter(&server, "Deals", Alteration::Delete { records: 1 });
    server.with(|crm| crm.clock().pass(61 * 86_400));
    let refused = server.with(|crm| crm.alter("Deals", &Alteration::Restore { records: 1 })).unwrap_err();
    assert_eq!(refused, "`Deals` has 0 deleted records, not 1");
}

#[test]
fn ties_share_their_second_and_late_changes_claim_an_older_one() {
    for module in MODULES {
        let server = crm();
        let mut tied = alter(&server, module, Alteration::Tie { records: 7 });
        tied.extend(alter(&server, module, Alteration::TieAgain { records: 2 }));
        let after = records(&server, module);
        assert!(times(&after, &tied).iter().all(|time| *time == "2026-07-01T00:00:01+08:00"));
        assert_eq!(tied.iter().collect::<std::collections::BTreeSet<_>>().len(), 9);
        let late = alter(&server, module, Alteration::Late { records: 1, seconds: 61 });
        assert_eq!(times(&records(&server, module), &late), ["2026-06-30T23:59:00+08:00"]);
    }
}

#[test]
fn fields_come_and_change_tokens_end_and_what_cannot_be_is_said() {
    let server = crm();
    let client = Client::new(&server);
    for module in MODULES {
        alter(&server, module, Alteration::AddField { name: "Channel".into() });
        assert!(records(&server, module).values().all(|record| record["Channel"].is_string()));
        let fields = client.get(&format!("/crm/v8/settings/fields?module={module}")).json();
        assert!(fields["fields"].as_array().unwrap().iter().any(|field| field["api_name"] == "Channel"));
    }
    for (module, field) in
        [("Contacts", "Visits"), ("Deals", "Closing_Date"), ("Loyalty_Cards", "Opened"), ("Family_Members", "Birthday")]
    {
        let changed = alter(&server, module, Alteration::ChangeType);
        let after = records(&server, module);
        assert!(changed.len() == 3 && changed.iter().all(|id| after[id][field] == "many"), "{module}");
        assert!(client.query(&format!("select {field} from {module} where id > 0 limit 2000")).text().contains("many"));
    }
    let refused = |module: &str, alteration| server.with(|crm| crm.alter(module, &alteration)).unwrap_err();
    assert_eq!(refused("Leads", Alteration::ChangeType), "`Leads` has no field that could hold text and does not");
    let undated = refused("Leads", Alteration::NullCursor { records: 1 });
    assert_eq!(undated, "the CRM keeps `Modified_Time` of every record");
    assert_eq!(refused("Nobody", Alteration::ExpireTokens), "there is no module `Nobody`");

    alter(&server, "Leads", Alteration::ExpireTokens);
    assert_eq!(client.get("/crm/v8/Leads?fields=id").error(), (401, "INVALID_TOKEN".into()));
    assert_eq!(Client::new(&server).get("/crm/v8/Leads?fields=id").status, 200);
    let body = br#"{"delete":{"records":1}}"#;
    let reply = send(server.address(), "POST", "/_sandbox/alter?table=Leads", &[], body);
    assert_eq!(reply.json()["ids"].as_array().unwrap().len(), 1);
}

#[test]
fn pages_can_hold_fewer_than_are_asked_for_and_say_that_there_is_more() {
    let limits = Limits { served: 20, ..Limits::default() };
    let options = Options { people: 300, limits, ..Options::default() };
    let server = Crm::new(options, "").unwrap().serve(Scenario::default(), 0).unwrap();
    let client = Client::new(&server);
    let ids = server.with(|crm| crm.ids("Contacts"));
    let mut walked = client.walk("/crm/v8/Contacts?fields=id");
    walked.reverse();
    assert_eq!(walked, ids);
    let page = client.query("select id from Contacts where id > 0 limit 2000").json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["info"]["more_records"]), (20, &json!(true)));
    let some = ids[..50].join(",");
    assert_eq!(client.query(&format!("select id from Contacts where id in ({some}) limit 200")).ids().len(), 50);
    assert_eq!(client.get(&format!("/crm/v8/Contacts?fields=id&ids={some}")).ids().len(), 50);
    alter(&server, "Contacts", Alteration::Delete { records: 25 });
    let told = client.get("/crm/v8/Contacts/deleted?page=2").json();
    assert_eq!((told["data"].as_array().unwrap().len(), &told["info"]["more_records"]), (5, &json!(false)));
}
