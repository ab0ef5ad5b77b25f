//! COQL, metadata, and writing.

use serde_json::json;

use crate::client::Client;
use crate::{limited, server};
use tributary_sandbox::zoho::Limits;

#[test]
fn a_query_shows_lookups_without_names_and_dotted_keys_flat() {
    let server = server();
    let client = Client::new(&server);
    let text = "select Full_Name, Owner, Account_Name, Account_Name.Account_Name from Contacts \
                where (Account_Name is not null and Modified_Time < '2026-07-01T00:00:00+08:00') order by id asc limit 3";
    let reply = client.query(text).json();
    let row = &reply["data"][0];
    assert_eq!(row["Owner"].as_object().unwrap().keys().collect::<Vec<_>>(), ["id"]);
    assert_eq!(row["Account_Name"].as_object().unwrap().keys().collect::<Vec<_>>(), ["id"]);
    assert!(row["Account_Name.Account_Name"].is_string() && row["id"].is_string());
    assert_eq!(reply["info"], json!({ "count": 3, "more_records": true }));
}

#[test]
fn key_set_paging_by_query_reaches_every_record_once() {
    let server = server();
    let client = Client::new(&server);
    let (mut ids, mut last) = (Vec::new(), "0".to_owned());
    loop {
        let reply = client.query(&format!("select id from Contacts where id > {last} order by id limit 37"));
        if reply.status == 204 {
            break;
        }
        ids.extend(reply.ids());
        last = ids.last().unwrap().clone();
    }
    assert_eq!(ids, server.with(|crm| crm.ids("Contacts")));
}

#[test]
fn a_query_out_of_bounds_is_refused() {
    let server = limited(Limits { queried: 1_000, ..Limits::default() });
    let client = Client::new(&server);
    let code = |text: &str| client.query(text).error();
    assert_eq!(code("select id from Contacts where id > 0 limit 2001"), (400, "LIMIT_EXCEEDED".into()));
    assert_eq!(code("select id from Contacts where id > 0 limit 600 offset 600"), (400, "LIMIT_EXCEEDED".into()));
    assert_eq!(code("select Nope from Contacts where id > 0"), (400, "INVALID_QUERY".into()));
    assert_eq!(code("select Family_Members from Contacts where id > 0"), (400, "INVALID_QUERY".into()));
    assert_eq!(code("select id from Contacts where Modified_Time > 'yesterday'"), (400, "INVALID_QUERY".into()));
    assert_eq!(code("select id from Persons where id > 0"), (400, "INVALID_MODULE".into()));
    assert_eq!(code("select id from Contacts where id > 0 and id > 1 and id > 2"), (400, "SYNTAX_ERROR".into()));
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    let many = format!("select id from Contacts where id in ({})", many.join(","));
    assert_eq!(code(&many), (400, "LIMIT_EXCEEDED".into()));
}

#[test]
fn metadata_describes_what_the_records_hold() {
    let server = server();
    let client = Client::new(&server);
    let modules = client.get("/crm/v8/settings/modules").json();
    let of_type = |wanted: &str| {
        let modules = modules["modules"].as_array().unwrap().iter();
        modules.filter(|module| module["generated_type"] == wanted).count()
    };
    assert_eq!((of_type("default"), of_type("custom"), of_type("subform")), (5, 1, 1));
    let fields = client.get("/crm/v8/settings/fields?module=Contacts").json();
    let field = |name: &str| {
        let fields = fields["fields"].as_array().unwrap().iter();
        fields.clone().find(|field| field["api_name"] == name).unwrap().clone()
    };
    assert_eq!(field("Account_Name")["lookup"]["module"]["api_name"], "Accounts");
    assert_eq!(field("Family_Members")["associated_module"]["module"], "Family_Members");
    assert_eq!(field("Gender")["pick_list_values"][0]["actual_value"], "Female");
    assert_eq!((&field("Points")["json_type"], &field("Tag")["data_type"]), (&"string".into(), &"text".into()));
    assert!(client.get("/crm/v8/settings/fields?module=Visits").is_bare(204));
    assert_eq!(client.get("/crm/v8/settings/fields").error(), (400, "REQUIRED_PARAM_MISSING".into()));
    let org = client.get("/crm/v8/org").json();
    assert_eq!(org["org"][0]["license_details"]["paid_type"], "enterprise");
    let me = client.get("/crm/v8/users?type=CurrentUser").json();
    assert_eq!(me["users"].as_array().unwrap().len(), 1);
}

#[test]
fn an_upsert_converges_and_each_record_has_its_result() {
    let server = server();
    let client = Client::new(&server);
    let body = json!({ "data": [
        { "Last_Name": "新", "First_Name": "客", "Email": "new@mail.example.com" },
        { "First_Name": "无名" },
    ] });
    let first = client.post("/crm/v8/Contacts/upsert", &body);
    assert_eq!(first.status, 207);
    let results = first.json()["data"].clone();
    assert_eq!((&results[0]["action"], &results[1]["code"]), (&"insert".into(), &"MANDATORY_NOT_FOUND".into()));
    assert_eq!(results[1]["details"]["json_path"], "$.data[1].Last_Name");
    let again = client.post("/crm/v8/Contacts/upsert", &body).json()["data"][0].clone();
    assert_eq!((&again["action"], &again["duplicate_field"]), (&"update".into(), &"Email".into()));
    assert_eq!(again["details"]["id"], results[0]["details"]["id"]);
    let twice = client.post("/crm/v8/Accounts", &json!({ "data": [{ "Account_Name": "新客户" }] }));
    assert_eq!(twice.status, 201);
    let many = json!({ "data": vec![json!({ "Account_Name": "x" }); 101] });
    assert_eq!(client.post("/crm/v8/Accounts", &many).error(), (400, "INVALID_DATA".into()));
}
