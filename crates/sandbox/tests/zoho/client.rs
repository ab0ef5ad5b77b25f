//! One who reads the made-up CRM.

use serde_json::Value;
use tributary_sandbox::http::Handle;
use tributary_sandbox::zoho::Crm;

pub use crate::wire::{Reply, send};

impl Reply {
    /// Both the body and its type are absent.
    pub fn is_bare(&self, status: u16) -> bool {
        self.status == status && self.body.is_empty() && self.header("content-type").is_none()
    }

    /// Status and code of an error in the vendor's flat envelope.
    pub fn error(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body["status"], "error", "{body}");
        assert!(body["details"].is_object() && body["message"].is_string(), "{body}");
        (self.status, body["code"].as_str().unwrap().to_owned())
    }

    /// The records' ids, in order.
    pub fn ids(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// One who holds an access token.
pub struct Client<'a> {
    pub server: &'a Handle<Crm>,
    pub token: String,
}

impl<'a> Client<'a> {
    pub fn new(server: &'a Handle<Crm>) -> Self {
        Self { server, token: access_token(server, "refresh") }
    }

    pub fn get(&self, target: &str) -> Reply {
        self.request("GET", target, &[], b"")
    }

    pub fn get_since(&self, target: &str, time: &str) -> Reply {
        self.request("GET", target, &[("if-modified-since", time)], b"")
    }

    pub fn post(&self, target: &str, body: &Value) -> Reply {
        self.request("POST", target, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn query(&self, text: &str) -> Reply {
        self.post("/crm/v8/coql", &serde_json::json!({ "select_query": text }))
    }

    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let authorization = format!("Zoho-oauthtoken {}", self.token);
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        send(self.server.address(), method, target, &all, body)
    }

    /// All ids of a list, by page tokens; `path` has a query already.
    pub fn walk(&self, path: &str) -> Vec<String> {
        let (mut ids, mut target) = (Vec::new(), path.to_owned());
        loop {
            let page = self.get(&target);
            ids.extend(page.ids());
            let info = page.json()["info"].clone();
            match info["next_page_token"].as_str() {
                Some(token) => target = format!("{path}&page_token={token}"),
                None => {
                    assert_eq!(info["more_records"], false);
                    return ids;
                }
            }
        }
    }
}

/// The answer to a refresh of this refresh token.
pub fn refresh(server: &Handle<Crm>, refresh_token: &str) -> Reply {
    let query = format!("refresh_token={refresh_token}&client_id=client&client_secret=secret&grant_type=refresh_token");
    send(server.address(), "POST", &format!("/oauth/v2/token?{query}"), &[], b"")
}

pub fn access_token(server: &Handle<Crm>, refresh_token: &str) -> String {
    refresh(server, refresh_token).json()["access_token"].as_str().unwrap().to_owned()
}
