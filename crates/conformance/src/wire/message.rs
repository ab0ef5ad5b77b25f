//! Requests and replies as they are between connector and world.

use bytes::Bytes;
use url::form_urlencoded;

/// A request that has come in whole. Its `Debug` leaves out what may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, in capitals.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As it was written.
    pub query: Option<String>,
    /// Names in lower case; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Request {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The parameters of the query, decoded.
    pub fn parameters(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes()).into_owned().collect()
    }

    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Path and query.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request(`{} {}`)", self.method, self.path)
    }
}

/// What goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Without those of the connection, such as the length.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub delivery: Delivery,
}

/// How a reply goes over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    #[default]
    Whole,
    /// The connection is closed without a reply.
    Nothing,
    /// The connection is reset after so many bytes of the body.
    Reset { after: usize },
    /// Nothing more comes after so many bytes of the body, and the connection stays.
    Silence { after: usize },
    /// In eight pieces, and so many milliseconds between them.
    Drip { milliseconds: u64 },
    /// White space follows without an end.
    Endless,
    /// The length that is told is off by this.
    Length { plus: i64 },
}

impl Reply {
    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn of(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
            delivery: Delivery::Whole,
        }
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::of(status, "application/json;charset=UTF-8", body.to_string())
    }

    /// With a header, in place of those of that name.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn delivered(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
