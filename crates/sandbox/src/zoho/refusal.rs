//! How the vendor says no: a status and a flat object with code, details, message and status.

use serde_json::{Value, json};

use crate::http::Answer;

/// A request that is not answered as asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    code: &'static str,
    message: &'static str,
    details: Value,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, details: json!({}) }
    }

    /// A mistake in the request.
    pub(super) fn bad(code: &'static str, message: &'static str) -> Self {
        Self::new(400, code, message)
    }

    pub(super) fn details(self, details: Value) -> Self {
        Self { details, ..self }
    }

    /// A parameter whose value will not do.
    pub(super) fn parameter(name: &str) -> Self {
        Self::bad("INVALID_DATA", "invalid data").details(json!({ "param_name": name }))
    }

    pub(super) fn module() -> Self {
        Self::bad("INVALID_MODULE", "the module name given seems to be invalid")
    }

    pub(super) fn too_many() -> Self {
        Self::new(429, "TOO_MANY_REQUESTS", "You have made too many requests. Please try again after some time.")
    }

    pub(super) fn url() -> Self {
        Self::new(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")
    }

    pub(super) fn method() -> Self {
        Self::new(405, "INVALID_REQUEST_METHOD", "The http request method type is not a valid one")
    }

    pub(super) fn body(&self) -> Value {
        json!({ "code": self.code, "details": self.details, "message": self.message, "status": "error" })
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::json(self.status, &self.body())
    }
}
