//! Requests and answers as data; how they are sent is the client's business.

use std::borrow::Cow;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::origin::{self, Origins};
use crate::{Error, Kind};

/// A request. It has no `Debug`, because its query, headers and body may hold secrets.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) target: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Option<Body>,
    pub(super) cost: u64,
    pub(super) classes: Vec<Cow<'static, str>>,
    pub(super) idempotent: bool,
    pub(super) expects: Expects,
    pub(super) max_bytes: Option<u64>,
}

#[derive(Clone)]
struct Body {
    content_type: Cow<'static, str>,
    bytes: Bytes,
}

/// What a good answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// One complete JSON document.
    Json,
    /// Whatever comes: CSV, an archive.
    Anything,
}

impl Request {
    /// A request of `target`: a URL of an allowed origin, or a path relative to the client's base. Costs 1 and expects JSON.
    /// Only `GET` and `HEAD` are taken for idempotent.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        let idempotent = method == Method::GET || method == Method::HEAD;
        Self {
            method,
            target: target.into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            cost: 1,
            classes: Vec::new(),
            idempotent,
            expects: Expects::Json,
            max_bytes: None,
        }
    }

    pub fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    pub fn post(target: impl Into<String>) -> Self {
        Self::new(Method::POST, target)
    }

    /// Adds a parameter to the query.
    pub fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn form<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", encoded)
    }

    pub fn body(mut self, content_type: impl Into<Cow<'static, str>>, bytes: impl Into<Bytes>) -> Self {
        self.body = Some(Body { content_type: content_type.into(), bytes: bytes.into() });
        self
    }

    /// What the vendor charges for it; counts against limits of cost.
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }

    /// Counts against the limits of `class` as well, such as those of one interface.
    pub fn class(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.classes.push(class.into());
        self
    }

    /// Sending it twice does no more than once, so it may be tried again: a query by `POST`.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    pub fn expects(mut self, expects: Expects) -> Self {
        self.expects = expects;
        self
    }

    /// The answer may be this large, decoded, where the client's limit is lower: an export in one file.
    pub fn up_to(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Whether it asks for what is newer only, so that "not modified" is an answer to it.
    pub(super) fn is_conditional(&self) -> bool {
        self.headers.contains_key(IF_MODIFIED_SINCE) || self.headers.contains_key(IF_NONE_MATCH)
    }

    pub(super) fn outgoing(&self, origins: &Origins) -> Result<Outgoing, Error> {
        let mut url = origins.resolve(origins.base(), &self.target)?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut headers = self.headers.clone();
        let mut body = Bytes::new();
        if let Some(given) = &self.body {
            let content_type = HeaderValue::from_str(&given.content_type)
                .map_err(|e| Error::new(Kind::Config, "a content type is no header value").source(e))?;
            headers.entry(CONTENT_TYPE).or_insert(content_type);
            body = given.bytes.clone();
        }
        Ok(Outgoing { method: self.method.clone(), url, headers, body, max_bytes: self.max_bytes })
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.target.split(['?', '#']).next().unwrap_or_default();
        write!(f, "Request(`{} {path}`)", self.method)
    }
}

/// A request in its last form, for a hook that adds the credential or signs: what it leaves here is what is sent.
#[derive(Clone)]
pub struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub(super) max_bytes: Option<u64>,
}

impl Outgoing {
    /// Without headers and body: for tests of an [`Authorize`](super::Authorize) hook.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), max_bytes: None }
    }

    /// Method and URL without query: as it may be logged.
    pub fn shown(&self) -> String {
        format!("{} {}", self.method, origin::shown(&self.url))
    }
}

/// What an answer was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// There is nothing, and the vendor's rules say that this is how it says so.
    Empty,
    /// Nothing is newer than what the request named.
    NotModified,
}

/// An answer that is as it should be, whole and decoded.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub outcome: Outcome,
    /// Where it came from, after redirects: what relative links are relative to.
    pub url: Url,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes, {:?})", self.status.as_u16(), self.bytes.len(), self.outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_its_last_form_has_query_and_body_encoded() {
        let origins = Origins::new("https://api.example.com/v2/").unwrap();
        let request = Request::post("find?a=1").query("q", "名 &").form([("k", "a b"), ("s", "&")]);
        let outgoing = request.outgoing(&origins).unwrap();
        assert_eq!(outgoing.url.as_str(), "https://api.example.com/v2/find?a=1&q=%E5%90%8D+%26");
        assert_eq!(&outgoing.body[..], b"k=a+b&s=%26");
        assert_eq!(outgoing.shown(), "POST https://api.example.com/v2/find");
        assert_eq!(format!("{request:?}"), "Request(`POST find`)");
        assert!(!request.idempotent && Request::get("x").idempotent && request.idempotent().idempotent);
    }
}
