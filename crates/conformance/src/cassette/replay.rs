//! Serves a cassette.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;
use url::form_urlencoded;

use super::{Asked, Body, Error, Exchange, ORIGIN, Redaction};
use crate::clock::locked;
use crate::wire::{Between, Delivery, Onward, Reply, Request, Wire};

/// A cassette that is served: a request is answered as the one in the file with its method, path, query and body was. Values under
/// names of secrets may be any. Equal requests get their answers in the order of the file, and the last one again and again.
#[derive(Debug, Clone)]
pub struct Replay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    exchanges: Vec<Exchange>,
    /// By what requests are told apart by: places in the file.
    places: HashMap<String, Vec<usize>>,
    redaction: Redaction,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    served: HashMap<String, usize>,
    unmatched: Vec<String>,
}

impl Replay {
    /// Reads a cassette that was recorded with the usual names of secrets.
    ///
    /// # Errors
    /// If the file cannot be read, or a line of it is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, Redaction::new())
    }

    /// Reads a cassette; `redaction` knows the names of secrets.
    ///
    /// # Errors
    /// As [`Replay::open`].
    pub fn open_with(path: impl AsRef<Path>, redaction: Redaction) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(number, line)| {
            serde_json::from_str::<Exchange>(line).map_err(|source| Error::Line {
                path: path.to_owned(),
                line: number + 1,
                source,
            })
        };
        let exchanges = lines.map(read).collect::<Result<Vec<_>, _>>()?;
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, exchange) in exchanges.iter().enumerate() {
            places.entry(told_apart_by(&exchange.request, &redaction)).or_default().push(place);
        }
        Ok(Self(Arc::new(Inner { exchanges, places, redaction, state: Mutex::default() })))
    }

    /// Serves it on a port of 127.0.0.1, until the wire is dropped.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn serve(&self) -> Result<Wire, Error> {
        Wire::alone(Arc::new(self.clone())).map_err(Error::Port)
    }

    /// When the first exchange was recorded, for a clock that shows that time.
    pub fn recorded(&self) -> Option<DateTime<Utc>> {
        self.0.exchanges.first().map(|exchange| exchange.at)
    }

    /// The requests so far that are not in the cassette, each with what comes nearest. Never a value.
    pub fn unmatched(&self) -> Vec<String> {
        locked(&self.0.state).unmatched.clone()
    }
}

#[async_trait]
impl Between for Replay {
    async fn answer(&self, request: Request, _onward: &Onward) -> Reply {
        let own = format!("http://{}", request.header("host").unwrap_or_default());
        let text = match Body::of(&request.body) {
            Body::Text(text) => Body::Text(text.replace(&own, ORIGIN)),
            bytes => bytes,
        };
        let query = request.parameters();
        let asked = Asked { method: request.method, path: request.path, query, headers: request.headers, body: text };
        let key = told_apart_by(&asked, &self.0.redaction);
        let mut state = locked(&self.0.state);
        let Some(places) = self.0.places.get(&key) else {
            let message = self.0.nearest(&asked);
            state.unmatched.push(message.clone());
            return Reply::of(501, "text/plain;charset=UTF-8", message);
        };
        let served = state.served.entry(key).or_default();
        let place = places.get(*served).or(places.last()).copied().unwrap_or_default();
        *served += 1;
        let reply = &self.0.exchanges[place].reply;
        let body = match &reply.body {
            Body::Text(text) => Bytes::from(text.replace(ORIGIN, &own)),
            Body::Bytes { bytes } => Bytes::copy_from_slice(bytes),
        };
        let headers = reply.headers.iter().map(|(name, value)| (name.clone(), value.replace(ORIGIN, &own))).collect();
        Reply { status: reply.status, headers, body, delivery: Delivery::Whole }
    }
}

impl Inner {
    fn nearest(&self, asked: &Asked) -> String {
        let Asked { method, path, query, .. } = asked;
        let of_path: Vec<_> =
            self.exchanges.iter().map(|e| &e.request).filter(|r| r.path == *path && r.method == *method).collect();
        let names: Vec<_> = query.iter().map(|(name, _)| name.as_str()).collect();
        let asked = format!("there is no `{method} {path}` with the parameters {names:?} in the cassette");
        let by_likeness = |recorded: &&&Asked| recorded.query.iter().filter(|pair| query.contains(pair)).count();
        let Some(nearest) = of_path.iter().max_by_key(by_likeness) else {
            return format!("{asked}: none of this path");
        };
        let differing: Vec<_> = nearest
            .query
            .iter()
            .filter(|pair| !query.contains(pair))
            .chain(query.iter().filter(|pair| !nearest.query.contains(pair)))
            .map(|(name, _)| name.as_str())
            .collect();
        match differing[..] {
            [] => format!("{asked}: one of this path and query has another body"),
            _ => format!("{asked}: the nearest of {} differs in {differing:?}", of_path.len()),
        }
    }
}

/// Method, path, query and body in one form, whatever their order, and without the values of secrets.
fn told_apart_by(asked: &Asked, redaction: &Redaction) -> String {
    let masked = |pairs: Vec<(String, String)>| {
        let mut pairs: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| if redaction.any_value_fits(&name) { (name, "*".to_owned()) } else { (name, value) })
            .collect();
        pairs.sort();
        pairs
    };
    let content_type = asked.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let is_form = content_type.is_some_and(|(_, kind)| kind.starts_with("application/x-www-form-urlencoded"));
    let body = if is_form {
        format!("{:?}", masked(form_urlencoded::parse(asked.body.bytes()).into_owned().collect()))
    } else {
        match serde_json::from_slice::<Value>(asked.body.bytes()) {
            Ok(value) => without_secrets(value, redaction).to_string(),
            Err(_) => format!("{:?}", asked.body),
        }
    };
    format!("{} {} {:?} {body}", asked.method, asked.path, masked(asked.query.clone()))
}

fn without_secrets(value: Value, redaction: &Redaction) -> Value {
    match value {
        Value::Object(fields) => {
            let masked = fields.into_iter().map(|(name, value)| {
                let value =
                    if redaction.any_value_fits(&name) { "*".into() } else { without_secrets(value, redaction) };
                (name, value)
            });
            // In the order of their names.
            let sorted: std::collections::BTreeMap<_, _> = masked.collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(|item| without_secrets(item, redaction)).collect(),
        other => other,
    }
}
