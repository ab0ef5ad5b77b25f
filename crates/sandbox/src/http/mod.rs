//! What all stand-ins for vendors' APIs share: a real HTTP server on 127.0.0.1, a scenario by which it misbehaves, a log.
//!
//! A stand-in is an [`Api`]: it turns a [`Request`] into an [`Answer`] and knows no sockets. [`serve()`] puts one behind a port
//! of its own, on a thread of its own, so that tests of any runtime can use it, paused clocks included. What a [`Scenario`]
//! asks for happens around the stand-in: before it answers (its data move, its tokens die) or to what it answered (the body
//! is cut, the page is an older one). Paths below `/_sandbox/` are for tests: the log, the scenario, the stand-in's own controls.
//!
//! It speaks plain HTTP/1.1 and nothing else: TLS and DNS are not what the stand-ins are for.

mod control;
mod fault;
mod form;
mod log;
mod scenario;
mod server;
mod wire;

use bytes::Bytes;
use serde::Serialize;

pub use log::Entry;
pub use scenario::{Disturbance, Fault, RetryAfter, Rule, Scenario};
pub use server::{Handle, serve};

/// A vendor's API, without its transport.
pub trait Api: Send + 'static {
    /// Answers one request, as the vendor would.
    fn answer(&mut self, request: &Request) -> Answer;

    /// Who asks and what for, for the log; never a secret. Called before [`answer`](Api::answer), with nothing changed yet.
    fn describe(&self, request: &Request) -> Described;

    /// The vendor's answer to who asks too often, without a hint when to come back.
    fn throttled(&self) -> Answer;

    /// The vendor's answer when it has failed, with a status of 500 or more.
    fn failed(&self, status: u16) -> Answer;

    /// Changes the data or the credentials as a scenario asks; the error says what is not known here.
    fn disturb(&mut self, disturbance: &Disturbance) -> Result<(), String>;

    /// The stand-in's own controls below `/_sandbox/`; `None` if it has none of this name.
    fn control(&mut self, request: &Request) -> Option<Answer>;
}

/// What the log should know of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// The stand-in's time, as it writes times.
    pub time: String,
    /// Which credential it came with: a name, not the secret.
    pub credential: Option<String>,
    /// The page it asks for, as far as it says so.
    pub page: Option<String>,
    /// The table it is about, where the path does not say.
    pub table: Option<String>,
}

/// A request that has come in whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, in capitals.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Decoded, in order.
    pub query: Vec<(String, String)>,
    /// Names in lower case; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Bytes,
    /// The paths of the other requests that are being answered at this moment.
    pub beside: Vec<String>,
}

impl Request {
    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// The first query parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// The parameters of the query and, where the body is a form (URL-encoded or multipart), those of the body after them.
    pub fn form(&self) -> Vec<(String, String)> {
        let mut all = self.query.clone();
        all.extend(form::of_body(self.header("content-type").unwrap_or_default(), &self.body));
        all
    }
}

/// The value of the first pair of this name.
pub(crate) fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// In order; the length is added.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
    /// The vendor's code of what went wrong, where the status does not tell; it is in the body, and here for the log.
    pub failure: Option<i64>,
}

impl Answer {
    /// No body, and no type of one.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A body with its type.
    pub fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
            ..Self::default()
        }
    }

    /// JSON; what cannot be written as JSON is a mistake of the stand-in and a status of 500.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::of(status, "application/json;charset=UTF-8", body),
            Err(error) => Self::of(500, "text/plain", format!("the sandbox could not write its answer: {error}")),
        }
    }

    /// The same with a header added.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
