//! Reading records page by page, one by one, and what is gone.

use std::collections::HashSet;

use serde_json::Value;
use tributary_sandbox::http::Scenario;
use tributary_sandbox::zoho::{Credential, Limits, Options, Step, serve};

use crate::client::{Client, access_token};
use crate::{limited, server};

const CONTACTS: &str = "/crm/v8/Contacts?fields=Last_Name,Modified_Time";

#[test]
fn a_list_wants_fields_and_at_most_fifty() {
    let server = server();
    let client = Client::new(&server);
    assert_eq!(client.get("/crm/v8/Contacts").error(), (400, "REQUIRED_PARAM_MISSING".into()));
    let many = vec!["Last_Name"; 51].join(",");
    assert_eq!(client.get(&format!("/crm/v8/Contacts?fields={many}")).error(), (400, "LIMIT_EXCEEDED".into()));
    assert_eq!(client.get("/crm/v8/Persons?fields=Name").error(), (400, "INVALID_MODULE".into()));
    assert_eq!(client.get("/crm/v8/Contacts/x/y/z").error(), (404, "INVALID_URL_PATTERN".into()));
    assert_eq!(client.request("PATCH", "/crm/v8/Contacts", &[], b"").status, 405);
    assert_eq!(client.get(&format!("{CONTACTS}&per_page=201")).status, 400);
}

#[test]
fn page_tokens_reach_every_record_once_newest_id_first() {
    let server = server();
    let client = Client::new(&server);
    let ids = client.walk(&format!("{CONTACTS}&per_page=50"));
    let expected: HashSet<String> = server.with(|crm| crm.ids("Contacts")).into_iter().collect();
    assert_eq!(ids.len(), expected.len());
    assert_eq!(ids.iter().cloned().collect::<HashSet<_>>(), expected);
    let numbers: Vec<u64> = ids.iter().map(|id| id.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, other| one > other) && numbers[0] > 1 << 53);
    let count = client.get("/crm/v8/Contacts/actions/count").json();
    assert_eq!(count["count"], ids.len());
}

#[test]
fn page_numbers_end_where_the_vendor_says() {
    let server = limited(Limits { paged: 100, paged_by_token: 150, ..Limits::default() });
    let client = Client::new(&server);
    let page = client.get(&format!("{CONTACTS}&per_page=50&page=2"));
    let info = page.json()["info"].clone();
    assert_eq!((&info["page"], &info["count"], &info["more_records"]), (&2.into(), &50.into(), &true.into()));
    let beyond = client.get(&format!("{CONTACTS}&per_page=50&page=3"));
    assert_eq!(beyond.error(), (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED".into()));
    let token = info["next_page_token"].as_str().unwrap();
    let third = client.get(&format!("{CONTACTS}&per_page=50&page_token={token}"));
    let token = third.json()["info"]["next_page_token"].as_str().unwrap().to_owned();
    let fourth = client.get(&format!("{CONTACTS}&per_page=50&page_token={token}"));
    assert_eq!(fourth.error(), (400, "PAGINATION_LIMIT_EXCEEDED".into()));
}

#[test]
fn a_page_token_is_bound_to_parameters_user_and_a_day() {
    let other = Credential { refresh_token: "other".into(), user: 1, ..Credential::default() };
    let options = Options { people: 600, credentials: vec![Credential::default(), other], ..Options::default() };
    let server = serve(options, Scenario::default(), 0).unwrap();
    let client = Client::new(&server);
    let path = format!("{CONTACTS}&per_page=50");
    let token = client.get(&path).json()["info"]["next_page_token"].as_str().unwrap().to_owned();
    let with_token = |client: &Client, path: &str| client.get(&format!("{path}&page_token={token}"));
    assert_eq!(with_token(&client, &path).status, 200);
    let ambiguous = with_token(&client, &format!("{path}&page=2"));
    assert_eq!(ambiguous.error(), (400, "AMBIGUITY_DURING_PROCESSING".into()));
    let mismatch = with_token(&client, &format!("{path}&sort_order=asc"));
    assert_eq!(mismatch.error(), (400, "TOKEN_BOUND_DATA_MISMATCH".into()));
    let stranger = Client { server: &server, token: access_token(&server, "other") };
    assert_eq!(with_token(&stranger, &path).error(), (400, "INVALID_DATA".into()));
    server.with(|crm| crm.clock().pass(86_400));
    let client = Client::new(&server);
    assert_eq!(with_token(&client, &path).error(), (400, "EXPIRED_VALUE".into()));
    assert_eq!(client.get(&format!("{path}&cvid=1&sort_by=id")).error(), (400, "AMBIGUITY_DURING_PROCESSING".into()));
}

#[test]
fn nothing_is_204_and_nothing_newer_304_both_without_a_body() {
    let server = server();
    let client = Client::new(&server);
    assert!(client.get(&format!("{CONTACTS}&ids=1")).is_bare(204));
    assert!(client.get("/crm/v8/Contacts/1").is_bare(204));
    assert!(client.get("/crm/v8/Contacts/deleted").is_bare(204));
    assert!(client.query("select id from Contacts where id = 1").is_bare(204));
    assert!(client.get_since(CONTACTS, "2026-07-01T00:00:00+08:00").is_bare(304));
}

#[test]
fn changes_since_a_second_include_that_second() {
    let server = server();
    let client = Client::new(&server);
    let advanced = server.with(|crm| crm.advance(&Step { seconds: 600, changes: 60, ..Step::default() }));
    let path = "/crm/v8/Contacts?fields=Modified_Time&sort_by=Modified_Time&sort_order=asc";
    let all = client.get_since(path, "2026-07-01T00:00:00+08:00");
    let changed: HashSet<String> = all.ids().into_iter().collect();
    for (module, id) in advanced.updated.iter().chain(&advanced.created) {
        assert!(module != "Contacts" || changed.contains(id) || is_deleted(&advanced.deleted, id));
    }
    let times: Vec<String> = all.json()["data"].as_array().unwrap().iter().map(time).collect();
    assert!(times.is_sorted());
    let newest = times.last().unwrap();
    assert!(times.windows(2).any(|pair| pair[0] == pair[1]), "no two changes share a second");
    // The same moment, as another offset writes it.
    let elsewhere = newest.replace("T00:", "T01:").replace("+08:00", "+09:00");
    let again = client.get_since(path, &elsewhere);
    assert_eq!(again.ids().len(), times.iter().filter(|time| *time == newest).count());
}

fn time(row: &Value) -> String {
    row["Modified_Time"].as_str().unwrap().to_owned()
}

fn is_deleted(deleted: &[(String, String)], id: &str) -> bool {
    deleted.iter().any(|(_, gone)| gone == id)
}

#[test]
fn a_list_shows_less_than_a_single_record() {
    let server = server();
    let client = Client::new(&server);
    let fields =
        "Full_Name,Owner,Account_Name,Style_Notes,Family_Members,Other_Accounts,Points,Annual_Spend,Interests,Tag";
    let rows = client.get(&format!("/crm/v8/Contacts?fields={fields},Nonsense")).json();
    let rows = rows["data"].as_array().unwrap();
    assert!(rows.iter().all(|row| row.get("Family_Members").is_none() && row.get("Other_Accounts").is_none()));
    assert!(
        rows.iter().all(|row| row["Points"].is_string() && row["Annual_Spend"].is_number() && row["Tag"].is_array())
    );
    assert!(rows.iter().any(|row| row["Account_Name"]["name"].is_string() && row["Account_Name"]["id"].is_string()));
    assert!(rows[0]["Owner"]["email"].is_string() && rows[0].get("Nonsense").is_none());

    let cut = rows.iter().find(|row| row["Style_Notes"].as_str().is_some_and(|text| text.chars().count() == 500));
    let id = cut.unwrap()["id"].as_str().unwrap();
    let whole = client.get(&format!("/crm/v8/Contacts/{id}")).json();
    assert!(whole.get("info").is_none());
    assert!(whole["data"][0]["Style_Notes"].as_str().unwrap().chars().count() > 500);

    let family = client.get("/crm/v8/Family_Members?fields=Name,Parent_Id&per_page=1").json();
    let parent = family["data"][0]["Parent_Id"]["id"].as_str().unwrap();
    let parent = client.get(&format!("/crm/v8/Contacts/{parent}")).json()["data"][0].clone();
    let member = &parent["Family_Members"][0];
    assert_eq!(member["Parent_Id"]["id"], parent["id"]);
    assert!(member["Relation"].is_string() && parent["$has_more"]["Family_Members"] == false);
    let link = client.get("/crm/v8/Contacts_X_Accounts?fields=Contact&per_page=1").json();
    let linked = link["data"][0]["Contact"]["id"].as_str().unwrap();
    let linked = client.get(&format!("/crm/v8/Contacts/{linked}")).json();
    assert!(linked["data"][0]["Other_Accounts"][0]["Other_Accounts"]["name"].is_string());
}

#[test]
fn converted_leads_are_hidden_unless_asked_for() {
    let server = server();
    let client = Client::new(&server);
    let path = "/crm/v8/Leads?fields=Last_Name";
    let [shown, hidden, both] =
        ["false", "true", "both"].map(|value| client.get(&format!("{path}&converted={value}")).ids().len());
    assert!(hidden > 0);
    assert_eq!(shown + hidden, both);
    assert_eq!(client.get(path).ids().len(), shown);
}

#[test]
fn deleted_records_are_told_for_sixty_or_a_hundred_and_twenty_days() {
    let server = server();
    server.with(|crm| crm.advance(&Step { seconds: 3_600, changes: 400, ..Step::default() }));
    let day = 86_400;
    let told = |kind: &str| {
        let reply = Client::new(&server).get(&format!("/crm/v8/Contacts/deleted?type={kind}"));
        if reply.status == 204 { 0 } else { reply.ids().len() }
    };
    let (recycled, permanent) = (told("recycle"), told("permanent"));
    assert!(recycled > 0 && permanent > 0);
    let all = Client::new(&server).get("/crm/v8/Contacts/deleted?per_page=2").json();
    assert_eq!((&all["info"]["more_records"], &all["info"]["count"]), (&true.into(), &2.into()));
    server.with(|crm| crm.clock().pass(61 * day));
    assert_eq!((told("recycle"), told("all")), (0, permanent));
    server.with(|crm| crm.clock().pass(60 * day));
    assert_eq!(told("all"), 0);
}
