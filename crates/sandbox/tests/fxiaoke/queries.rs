//! Pages, filters, orders, projections, and what does not come.

use std::collections::HashSet;

use serde_json::{Value, json};
use tributary_sandbox::fxiaoke::{Limits, Options, Step, serve};
use tributary_sandbox::http::Scenario;

use crate::client::{Client, filter, ids_of, post};
use crate::{limited, options, server};

const VISITS: &str = "object_Vk3Qd__c";

#[test]
fn pages_by_offset_and_by_id_reach_every_record_once() {
    let server = server();
    let client = Client::new(&server);
    for object in ["ContactObj", "SalesOrderProductObj", VISITS] {
        let expected = server.with(|tenant| tenant.ids(object));
        assert!(expected.len() > 100, "{object}: {}", expected.len());
        assert_eq!(ids_of(&client.walk(object, &[])), expected);
        let mut paged = HashSet::new();
        for page in 0.. {
            let reply = client.query(object, json!({ "limit": 50, "offset": page * 50 }));
            let data = reply.data();
            assert_eq!((&data["total"], &data["limit"]), (&expected.len().into(), &50.into()));
            paged.extend(reply.ids());
            if reply.ids().len() < 50 {
                break;
            }
        }
        assert_eq!(paged, expected.into_iter().collect());
    }
}

#[test]
fn ids_come_in_two_lengths_and_in_the_order_of_their_text() {
    let server = server();
    let ids = server.with(|tenant| tenant.ids("ContactObj"));
    let lengths: HashSet<usize> = ids.iter().map(String::len).collect();
    assert_eq!(lengths, HashSet::from([24, 32]));
    assert!(ids.is_sorted());
}

#[test]
fn a_page_out_of_bounds_is_refused() {
    let server = server();
    let client = Client::new(&server);
    let code = |info: Value| client.query("ContactObj", info).code();
    assert_eq!(code(json!({ "limit": 101 })), 10_006);
    assert_eq!(code(json!({ "limit": 100, "offset": 50 })), 10_006);
    assert_eq!(code(json!({ "limit": 100, "offset": 10_000 })), 0);
    let beyond = client.query("ContactObj", json!({ "limit": 100, "offset": 10_100 }));
    assert_eq!(beyond.code(), 10_013);
    assert_eq!(beyond.json()["errorMessage"], "offset out of range 10000");
    let low = limited(Limits { page: 10, offset: 20, ..Limits::default() });
    let low = Client::new(&low);
    let codes = [(11, 0), (10, 20), (10, 30)]
        .map(|(limit, offset)| low.query("ContactObj", json!({ "limit": limit, "offset": offset })).code());
    assert_eq!(codes, [10_006, 0, 10_013]);
    assert_eq!(code(json!({})), 0);
    assert_eq!(client.query("ContactObj", json!({})).ids().len(), 20);
}

#[test]
fn each_kind_of_object_has_its_path_and_names_are_taken_in_both_nestings() {
    let server = server();
    let client = Client::new(&server);
    let query = |path: &str, object: &str, key: &str| {
        client.call(path, &json!({ "data": { key: object, "search_query_info": { "limit": 1 } } })).code()
    };
    let (preset, custom) = ("/cgi/crm/v2/data/query", "/cgi/crm/custom/v2/data/query");
    assert_eq!(query(preset, "ContactObj", "dataObjectApiName"), 0);
    assert_eq!(query(preset, "ContactObj", "apiName"), 0);
    assert_eq!(query(custom, VISITS, "dataObjectApiName"), 0);
    assert_eq!(query(preset, VISITS, "dataObjectApiName"), 10_006);
    assert_eq!(query(custom, "ContactObj", "dataObjectApiName"), 10_006);
    assert_eq!(query(preset, "LeadObj", "dataObjectApiName"), 10_006);
    assert_eq!(client.call(preset, &json!({ "search_query_info": { "limit": 1 } })).code(), 10_006);
}

#[test]
fn changes_since_a_millisecond_come_by_filter() {
    let server = server();
    let client = Client::new(&server);
    let before = server.with(|tenant| tenant.clock().milliseconds());
    let advanced = server.with(|tenant| tenant.advance(&Step { seconds: 600, changes: 80, ..Step::default() }));
    let rows = client.walk("ContactObj", &[filter("last_modified_time", "GT", json!([before]))]);
    let changed: HashSet<String> = ids_of(&rows).into_iter().collect();
    let gone: HashSet<&String> = advanced.deleted.iter().map(|(_, id)| id).collect();
    let told = advanced.updated.iter().chain(&advanced.created).chain(&advanced.invalidated);
    for (object, id) in told.filter(|(object, _)| object == "ContactObj") {
        assert!(changed.contains(id) || gone.contains(id), "{object} {id}");
    }
    let times: Vec<i64> = rows.iter().map(|row| row["last_modified_time"].as_i64().unwrap()).collect();
    let window = [filter("last_modified_time", "BETWEEN", json!([before, times[0].to_string()]))];
    let within = client.walk("ContactObj", &window);
    assert_eq!(within.len(), times.iter().filter(|&&time| time <= times[0]).count());
}

#[test]
fn operators_mean_what_they_say() {
    let server = server();
    let client = Client::new(&server);
    let all = client.walk("ContactObj", &[]);
    let count =
        |name: &str, operator: &str, values: Value| client.walk("ContactObj", &[filter(name, operator, values)]).len();
    let of = |test: &dyn Fn(&Value) -> bool| all.iter().filter(|row| test(row)).count();
    let female = of(&|row| row["gender"] == "female");
    assert!(female > 0 && female < all.len());
    assert_eq!(count("gender", "EQ", json!(["female"])), female);
    // Not being equal is true of nothing, too.
    assert_eq!(count("gender", "N", json!(["female"])), all.len() - female);
    assert!(count("gender", "NIN", json!(["female"])) < all.len() - female);
    assert_eq!(count("email", "IS", json!([])), of(&|row| row.get("email").is_none()));
    assert_eq!(count("email", "ISN", json!([])), of(&|row| row.get("email").is_some()));
    let starts = |row: &Value| row["name"].as_str().unwrap().starts_with('王');
    assert_eq!(count("name", "STARTWITH", json!(["王"])), of(&starts));
    assert_eq!(count("name", "LIKE", json!(["王"])), of(&|row| row["name"].as_str().unwrap().contains('王')));
    assert_eq!(
        count("email", "ENDWITH", json!([".cn"])),
        of(&|row| row["email"].as_str().is_some_and(|mail| mail.ends_with(".cn")))
    );
    assert_eq!(
        count("owner", "IN", json!(["1001", "1002"])),
        of(&|row| row["owner"][0] == "1001" || row["owner"][0] == "1002")
    );
    assert_eq!(count("_id", "LTE", json!([all[9]["_id"]])), 10);
    let orders = client.walk("SalesOrderObj", &[]);
    let dear = client.walk("SalesOrderObj", &[filter("order_amount", "GTE", json!(["1000"]))]);
    let amount = |row: &Value| row["order_amount"].as_str().unwrap().parse::<f64>().unwrap();
    assert_eq!(dear.len(), orders.iter().filter(|row| amount(row) >= 1_000.0).count());
    assert_eq!(
        client.query("ContactObj", json!({ "limit": 1, "filters": [filter("nope", "EQ", json!(["x"]))] })).code(),
        32_000
    );
}

#[test]
fn equal_times_come_in_an_order_that_is_not_that_of_the_ids() {
    let server = serve(Options { tied: 150, ..options() }, Scenario::default(), 0).unwrap();
    let client = Client::new(&server);
    let tied = |offset: usize| {
        let orders = json!([{ "fieldName": "last_modified_time", "isAsc": true }]);
        let filters = json!([filter("create_time", "GT", json!([0]))]);
        client
            .query("ContactObj", json!({ "limit": 50, "offset": offset, "orders": orders, "filters": filters }))
            .rows()
    };
    let (mut rows, mut offset) = (Vec::new(), 0);
    loop {
        let page = tied(offset);
        rows.extend(page.clone());
        offset += 50;
        if page.len() < 50 {
            break;
        }
    }
    let times: Vec<i64> = rows.iter().map(|row| row["last_modified_time"].as_i64().unwrap()).collect();
    assert!(times.is_sorted());
    let most = times.chunk_by(|one, other| one == other).max_by_key(|chunk| chunk.len()).unwrap();
    assert!(most.len() >= 150, "{} at one time", most.len());
    let ids: Vec<String> =
        ids_of(&rows).into_iter().zip(&times).filter(|(_, time)| *time == &most[0]).map(|(id, _)| id).collect();
    assert!(!ids.is_sorted());
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    // Two orders make it definite.
    let orders = json!([{ "fieldName": "last_modified_time", "isAsc": true }, { "fieldName": "_id", "isAsc": true }]);
    let filters = json!([filter("last_modified_time", "EQ", json!([most[0]]))]);
    assert!(
        client.query("ContactObj", json!({ "limit": 100, "orders": orders, "filters": filters })).ids().is_sorted()
    );
}

#[test]
fn a_step_can_end_with_an_import() {
    let server = server();
    let advanced = server.with(|tenant| tenant.advance(&Step { seconds: 60, tied: 120, ..Step::default() }));
    assert_eq!(advanced.changes(), 120);
    let now = server.with(|tenant| tenant.clock().milliseconds());
    let touched = Client::new(&server).walk("ContactObj", &[filter("last_modified_time", "EQ", json!([now]))]);
    assert_eq!(touched.len(), 120);
}

#[test]
fn some_fields_come_with_their_companions_and_nothing_else() {
    let server = server();
    let client = Client::new(&server);
    let (fields, filters) = (["name", "owner", "account_id", "nope"], [filter("account_id", "ISN", json!([]))]);
    let info = json!({ "limit": 5, "fieldProjection": fields, "filters": filters });
    for row in client.query("ContactObj", info).rows() {
        let keys: HashSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "_id",
            "object_describe_api_name",
            "name",
            "owner",
            "owner__r",
            "owner__l",
            "account_id",
            "account_id__r",
            "account_id__relation_ids",
        ];
        assert_eq!(keys, HashSet::from(expected));
    }
    let empty = client.query("ContactObj", json!({ "limit": 1, "fieldProjection": [] })).rows();
    assert!(empty[0]["life_status"] == "normal" && empty[0]["searchAfterId"].is_array());
}

#[test]
fn absent_values_are_absent_unless_asked_for() {
    let server = server();
    let client = Client::new(&server);
    let without = client.walk("ContactObj", &[filter("email", "IS", json!([]))]);
    assert!(without.iter().all(|row| row.get("email").is_none()));
    let data = json!({ "dataObjectApiName": "ContactObj", "search_query_info": { "limit": 100 } });
    let rows = client.call("/cgi/crm/v2/data/query", &json!({ "includeNull": true, "data": data })).rows();
    assert!(rows.iter().all(|row| row.get("email").is_some()) && rows.iter().any(|row| row["email"].is_null()));
}

#[test]
fn the_total_is_zero_where_totals_are_off() {
    let server = server();
    let client = Client::new(&server);
    let info = json!({ "limit": 100 });
    let data =
        json!({ "dataObjectApiName": "ContactObj", "find_explicit_total_num": false, "search_query_info": info });
    let reply = client.call("/cgi/crm/v2/data/query", &json!({ "data": data })).data();
    assert_eq!((&reply["total"], reply["dataList"].as_array().unwrap().len()), (&0.into(), 100));
}

#[test]
fn the_simple_query_leaves_computed_fields_out() {
    let server = server();
    let client = Client::new(&server);
    let info =
        json!({ "limit": 100, "field_projection": [], "filters": [filter("last_modified_time", "GT", json!([0]))] });
    let body = json!({ "data": { "dataObjectApiName": VISITS, "search_query_info": info } });
    let simple = client.call("/cgi/crm/custom/v2/data/findSimple", &body).rows();
    let full = client.call("/cgi/crm/custom/v2/data/query", &body).rows();
    assert_eq!(ids_of(&simple), ids_of(&full));
    assert!(simple.iter().all(|row| row.get("contact_mobile__c").is_none()));
    assert!(full.iter().any(|row| row["contact_mobile__c"].is_string()));
    assert_eq!(client.call("/cgi/crm/v2/data/findSimple", &body).code(), 10_006);
}

#[test]
fn rows_that_the_user_may_not_see_vanish_without_a_word() {
    let server = serve(Options { own_only: vec!["1003".into()], ..options() }, Scenario::default(), 0).unwrap();
    let (all, narrow) = (Client::new(&server).walk("ContactObj", &[]), Client::of(&server, "1003"));
    let own = narrow.walk("ContactObj", &[]);
    assert!(!own.is_empty() && own.len() < all.len());
    assert!(own.iter().all(|row| row["owner"] == json!(["1003"])));
    assert_eq!(narrow.query("ContactObj", json!({ "limit": 1 })).data()["total"], own.len());
    let other = all.iter().find(|row| row["owner"] != json!(["1003"])).unwrap();
    let get = json!({ "data": { "dataObjectApiName": "ContactObj", "objectDataId": other["_id"] } });
    assert_eq!(narrow.call("/cgi/crm/v2/data/get", &get).code(), 20_014);
    assert_eq!(narrow.walk("PersonnelObj", &[]).len(), 5);
}

#[test]
fn void_rows_come_with_their_state_or_not_at_all_and_deleted_ones_never() {
    for shows_invalid in [true, false] {
        let server = serve(Options { shows_invalid, ..options() }, Scenario::default(), 0).unwrap();
        let start = server.with(|tenant| tenant.clock().milliseconds());
        let advanced = server.with(|tenant| tenant.advance(&Step { seconds: 3_600, changes: 400, ..Step::default() }));
        let rows = Client::new(&server).walk("ContactObj", &[filter("last_modified_time", "GT", json!([start]))]);
        let void: Vec<&Value> = rows.iter().filter(|row| row["life_status"] == "invalid").collect();
        let expected = server.with(|tenant| tenant.invalid_ids("ContactObj"));
        assert!(!expected.is_empty());
        assert_eq!(void.len(), if shows_invalid { expected.len() } else { 0 });
        assert!(
            void.iter()
                .all(|row| row["is_deleted"] == true && expected.contains(&row["_id"].as_str().unwrap().to_owned()))
        );
        let ids = ids_of(&rows);
        let deleted: Vec<_> = advanced.deleted.iter().filter(|(object, _)| object == "ContactObj").collect();
        assert!(!deleted.is_empty() && deleted.iter().all(|(_, id)| !ids.contains(id)));
    }
}

#[test]
fn a_get_or_no_json_is_refused_in_the_envelope() {
    let server = server();
    let client = Client::new(&server);
    let get = crate::client::send(server.address(), "GET", "/cgi/crm/v2/data/query", &[], b"");
    assert_eq!(get.code(), 10_006);
    assert_eq!(client.call("/cgi/crm/v2/data/query", &json!([])).code(), 10_006);
    assert_eq!(post(&server, "/nowhere", &json!({})).code(), 10_006);
}
