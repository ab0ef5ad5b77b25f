//! What the tenant tells of its objects, and how values are written.

use serde_json::{Value, json};

use crate::client::{Client, filter, path_of};
use crate::server;

const VISITS: &str = "object_Vk3Qd__c";

#[test]
fn objects_are_listed_and_described() {
    let server = server();
    let client = Client::new(&server);
    let list = client.call("/cgi/crm/v2/object/list", &json!({})).data();
    let objects = list["objects"].as_array().unwrap();
    let custom: Vec<_> = objects.iter().filter(|object| object["defineType"] == "custom").collect();
    assert_eq!((objects.len(), custom.len(), &custom[0]["describeApiName"]), (11, 1, &VISITS.into()));
    let describe = |body: Value| client.call("/cgi/crm/v2/object/describe", &body).data()["describe"].clone();
    let inner = describe(json!({ "includeDetail": true, "data": { "apiName": "AccountObj" } }));
    let outer = describe(json!({ "includeDetail": true, "apiName": "AccountObj" }));
    assert_eq!(inner, outer);
    let field = |name: &str| inner["fields"][name].clone();
    assert_eq!((&field("tel")["type"], &field("tel")["define_type"]), (&"phone_number".into(), &"package".into()));
    assert_eq!(field("account_level")["options"][0], json!({ "label": "重点客户", "value": "A" }));
    assert_eq!(
        (&field("birth_date__c")["time_zone"], &field("birth_date__c")["define_type"]),
        (&"GMT+8".into(), &"custom".into())
    );
    assert_eq!((&field("name")["is_required"], &field("_id")["define_type"]), (&true.into(), &"system".into()));
    let visits = describe(json!({ "apiName": VISITS }));
    assert_eq!(visits["fields"]["contact__c"]["target_api_name"], "ContactObj");
    assert_eq!(client.call("/cgi/crm/v2/object/describe", &json!({ "apiName": "LeadObj" })).code(), 10_006);
}

#[test]
fn every_field_of_a_row_is_described_and_of_its_type() {
    let server = server();
    let client = Client::new(&server);
    let list = client.call("/cgi/crm/v2/object/list", &json!({})).data();
    for object in list["objects"].as_array().unwrap() {
        let name = object["describeApiName"].as_str().unwrap();
        let describe = client.call("/cgi/crm/v2/object/describe", &json!({ "apiName": name })).data();
        let fields = describe["describe"]["fields"].as_object().unwrap();
        for row in client.query(name, json!({ "limit": 100 })).rows() {
            for (key, value) in row.as_object().unwrap() {
                let Some(field) = fields.get(key) else {
                    let companion = ["__r", "__l", "__o", "__relation_ids"].iter().any(|end| key.ends_with(end));
                    assert!(
                        companion || ["object_describe_api_name", "total_num", "searchAfterId"].contains(&key.as_str()),
                        "{name}.{key}"
                    );
                    continue;
                };
                let right = match field["type"].as_str().unwrap() {
                    "number" | "currency" | "percentile" | "count" | "formula" => {
                        value.as_str().unwrap().parse::<f64>().is_ok()
                    }
                    "date" => (value.as_i64().unwrap() + 8 * 3_600_000) % 86_400_000 == 0,
                    "date_time" => value.as_i64().unwrap() > 1_500_000_000_000,
                    "employee" | "department" | "select_many" | "image" | "embedded_object_list" => value.is_array(),
                    "true_or_false" => value.is_boolean(),
                    "select_one" => row[format!("{key}__r")].is_string() && value.is_string(),
                    _ => value.is_string(),
                };
                assert!(right, "{name}.{key}: {value}");
            }
        }
    }
}

#[test]
fn employees_have_the_ids_of_who_asks() {
    let server = server();
    let (new, legacy) = (Client::new(&server), Client::legacy(&server));
    let id = server.with(|tenant| tenant.ids("ContactObj")[3].clone());
    let get = |client: &Client, convert: Value| {
        let mut body = json!({ "data": { "dataObjectApiName": "ContactObj", "objectDataId": id } });
        if convert.is_boolean() {
            body["convertUserId"] = convert;
        }
        client.call(path_of("ContactObj", "get"), &body).data()
    };
    let number = get(&new, json!(null));
    let owner = number["owner"][0].as_str().unwrap().to_owned();
    let open = server.with(|tenant| tenant.open_user_id(&owner).unwrap().to_owned());
    assert!(owner.starts_with("100") && open.starts_with("FSUID_"));
    assert_eq!(get(&new, json!(true))["owner"], json!([open]));
    assert_eq!(get(&legacy, json!(null))["owner"], json!([open]));
    assert_eq!(get(&legacy, json!(false)), number);
    assert!(number["owner__r"]["name"].is_string() && number["owner__l"][0]["id"] == owner);
    assert!(number["data_own_department"].is_array() && number["data_own_department__r"]["deptName"].is_string());
    // A filter knows both.
    let of = |id: &str| new.walk("ContactObj", &[filter("owner", "EQ", json!([id]))]).len();
    assert_eq!(of(&owner), of(&open));
}

#[test]
fn staff_and_departments_are_objects_too() {
    let server = server();
    let client = Client::new(&server);
    let staff = client.walk("PersonnelObj", &[]);
    assert_eq!(staff.len(), 5);
    assert_eq!((&staff[0]["_id"], &staff[0]["phone"]), (&"1000".into(), &"13800138000".into()));
    let departments = client.walk("DepartmentObj", &[]);
    assert_eq!(departments.len(), 3);
    assert!(departments.iter().any(|row| row["_id"] == staff[1]["main_department"][0]));
}

#[test]
fn companions_say_what_a_reader_sees() {
    let server = server();
    let client = Client::new(&server);
    let account = &client
        .query("AccountObj", json!({ "limit": 1, "filters": [filter("account_source", "EQ", json!(["other"]))] }))
        .rows()[0];
    assert_eq!((&account["account_source__r"], &account["account_source__o"]), (&"其他".into(), &"商场活动".into()));
    let case =
        &client.query("CasesObj", json!({ "limit": 1, "filters": [filter("account_id", "ISN", json!([]))] })).rows()[0];
    assert!(
        case["problem_details"].as_str().unwrap().contains("<b>")
            && !case["problem_details__o"].as_str().unwrap().contains('<')
    );
    let of = json!({ "data": { "dataObjectApiName": "AccountObj", "objectDataId": case["account_id"] } });
    assert_eq!(client.call("/cgi/crm/v2/data/get", &of).data()["name"], case["account_id__r"]);
    assert_eq!(case["account_id__relation_ids"], case["account_id"]);
    let located = &client
        .query("AccountObj", json!({ "limit": 1, "filters": [filter("area_location", "ISN", json!([]))] }))
        .rows()[0];
    assert_eq!(located["area_location"].as_str().unwrap().split("#%$").count(), 3);
}

#[test]
fn an_order_is_the_sum_of_its_lines() {
    let server = server();
    let client = Client::new(&server);
    let lines = client.walk("SalesOrderProductObj", &[]);
    let cents = |value: &Value| (value.as_str().unwrap().parse::<f64>().unwrap() * 100.0).round() as i64;
    for order in client.query("SalesOrderObj", json!({ "limit": 100 })).rows() {
        let of: Vec<&Value> = lines.iter().filter(|line| line["order_id"] == order["_id"]).collect();
        let sum: i64 = of.iter().map(|line| cents(&line["subtotal"])).sum();
        let discount: i64 = order["discount"].as_str().unwrap().parse().unwrap();
        assert_eq!(cents(&order["order_amount"]), sum * discount / 100);
        assert_eq!(order["line_count__c"], of.len().to_string());
        assert!(of.iter().all(|line| line["order_id__r"] == order["name"]));
    }
}
