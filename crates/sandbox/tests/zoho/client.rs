//! A client that takes nothing for granted: one connection per request, the bytes as they came.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tributary_sandbox::http::Handle;
use tributary_sandbox::zoho::Crm;

/// An answer, whole or not.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// How reading ended, if not in good order.
    pub broken: Option<io::ErrorKind>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        assert!(self.broken.is_none(), "{:?}", self.broken);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
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

    /// Both the body and its type are absent.
    pub fn is_bare(&self, status: u16) -> bool {
        self.status == status && self.body.is_empty() && self.header("content-type").is_none()
    }
}

/// Sends one request and reads until the end, or until the other side is silent for a while.
pub fn send(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let (mut bytes, mut chunk, mut broken) = (Vec::new(), vec![0; 1 << 16], None);
    while bytes.len() < 8 << 20 {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) => {
                broken = Some(error.kind());
                break;
            }
        }
    }
    parsed(bytes, broken)
}

fn parsed(bytes: Vec<u8>, broken: Option<io::ErrorKind>) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = bytes[end + 4..].to_vec();
    let declared = headers.iter().find(|(name, _)| name == "content-length");
    let short = declared.is_some_and(|(_, length)| length.parse::<usize>().unwrap() > body.len());
    Reply { status, headers, body, broken: broken.or(short.then_some(io::ErrorKind::UnexpectedEof)) }
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
