//! Those who read the made-up tenant: one with headers, as new requests have them, and one with everything in the body.

use serde_json::{Value, json};
use tributary_sandbox::fxiaoke::Tenant;
use tributary_sandbox::http::Handle;

pub use crate::wire::{Reply, send};

impl Reply {
    /// The code of the envelope, whose status is 200 whatever it says.
    pub fn code(&self) -> i64 {
        assert_eq!(self.status, 200, "{}", self.text());
        let body = self.json();
        assert!(body["errorMessage"].is_string() && body["traceId"].is_string(), "{body}");
        body["errorCode"].as_i64().unwrap()
    }

    /// What came, if it went well.
    pub fn data(&self) -> Value {
        assert_eq!(self.code(), 0, "{}", self.text());
        self.json()["data"].clone()
    }

    pub fn rows(&self) -> Vec<Value> {
        self.data()["dataList"].as_array().unwrap().clone()
    }

    pub fn ids(&self) -> Vec<String> {
        self.rows().iter().map(|row| row["_id"].as_str().unwrap().to_owned()).collect()
    }
}

/// A POST of JSON without any credential.
pub fn post(server: &Handle<Tenant>, path: &str, body: &Value) -> Reply {
    let kind = [("content-type", "application/json")];
    send(server.address(), "POST", path, &kind, body.to_string().as_bytes())
}

pub fn new_token(server: &Handle<Tenant>) -> Reply {
    let body =
        json!({ "appId": "FSAID_sandbox", "appSecret": "secret", "permanentCode": "code", "grantType": "app_secret" });
    post(server, "/oauth2.0/token?thirdTraceId=1", &body)
}

pub fn legacy_token(server: &Handle<Tenant>) -> Reply {
    let body = json!({ "appId": "FSAID_sandbox", "appSecret": "secret", "permanentCode": "code" });
    post(server, "/cgi/corpAccessToken/get/V2", &body)
}

/// One who holds a token and acts in an employee's name.
pub struct Client<'a> {
    pub server: &'a Handle<Tenant>,
    pub token: String,
    /// `1000`, or `FSUID_…` for one who sends it in the body.
    pub user: String,
    pub legacy: bool,
}

impl<'a> Client<'a> {
    pub fn new(server: &'a Handle<Tenant>) -> Self {
        Self::of(server, "1000")
    }

    pub fn of(server: &'a Handle<Tenant>, user: &str) -> Self {
        let token = new_token(server).json()["accessToken"].as_str().unwrap().to_owned();
        Self { server, token, user: user.to_owned(), legacy: false }
    }

    pub fn legacy(server: &'a Handle<Tenant>) -> Self {
        let token = legacy_token(server).json()["corpAccessToken"].as_str().unwrap().to_owned();
        let user = server.with(|tenant| tenant.open_user_id("1000").unwrap().to_owned());
        Self { server, token, user, legacy: true }
    }

    pub fn call(&self, path: &str, body: &Value) -> Reply {
        let mut body = body.clone();
        if self.legacy {
            body["corpAccessToken"] = self.token.as_str().into();
            body["corpId"] = "FSCID_sandbox".into();
            body["currentOpenUserId"] = self.user.as_str().into();
            return post(self.server, path, &body);
        }
        let token = format!("Bearer {}", self.token);
        let headers = [
            ("content-type", "application/json"),
            ("authorization", token.as_str()),
            ("x-fs-ea", "sandbox"),
            ("x-fs-userid", self.user.as_str()),
        ];
        send(self.server.address(), "POST", path, &headers, body.to_string().as_bytes())
    }

    /// A query of an object on the path of its kind.
    pub fn query(&self, object: &str, info: Value) -> Reply {
        self.call(
            path_of(object, "query"),
            &json!({ "data": { "dataObjectApiName": object, "search_query_info": info } }),
        )
    }

    /// All rows of an object, by the ids.
    pub fn walk(&self, object: &str, filters: &[Value]) -> Vec<Value> {
        let (mut rows, mut last) = (Vec::<Value>::new(), String::new());
        loop {
            let mut filters = filters.to_vec();
            filters.push(filter("_id", "GT", json!([last])));
            let orders = json!([{ "fieldName": "_id", "isAsc": true }]);
            let page =
                self.query(object, json!({ "limit": 100, "offset": 0, "filters": filters, "orders": orders })).rows();
            let Some(row) = page.last() else {
                return rows;
            };
            last = row["_id"].as_str().unwrap().to_owned();
            let full = page.len() == 100;
            rows.extend(page);
            if !full {
                return rows;
            }
        }
    }
}

/// `data/…` on the path of an object's kind.
pub fn path_of(object: &str, call: &str) -> &'static str {
    match (object.ends_with("__c"), call) {
        (false, "query") => "/cgi/crm/v2/data/query",
        (true, "query") => "/cgi/crm/custom/v2/data/query",
        (false, "get") => "/cgi/crm/v2/data/get",
        (true, "get") => "/cgi/crm/custom/v2/data/get",
        _ => panic!("no path for `{call}`"),
    }
}

pub fn filter(name: &str, operator: &str, values: Value) -> Value {
    json!({ "field_name": name, "operator": operator, "field_values": values })
}

pub fn ids_of(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["_id"].as_str().unwrap().to_owned()).collect()
}
