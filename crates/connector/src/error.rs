//! The one error type of connectors: what failed, whose fault it is, whether to try again, and the mend.
//!
//! Messages are lower case, name things in backticks and never hold a record's values.

use std::time::Duration;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The source's configuration is wrong.
    Config,
    /// Credentials are missing, wrong or spent.
    Auth,
    /// The source asks us to slow down.
    RateLimited,
    /// A quota is used up; see [`Retry::After`].
    Quota,
    /// The source could not be reached or broke off.
    Transport,
    /// The source answered something that cannot be understood.
    Protocol,
    /// One file, table or object of the source cannot be read.
    Data,
    /// The thing asked for is not there.
    NotFound,
    /// Going on would lose something; a person has to decide.
    Refused,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Configuration,
    Source,
    Ours,
}

/// Whether the same call may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    Never,
    BackOff,
    After(Duration),
}

/// An error of a connector.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub kind: Kind,
    pub fault: Fault,
    pub retry: Retry,
    pub message: String,
    /// What to do about it, if that is known.
    pub hint: Option<String>,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with the fault and retry that usually go with it.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let (fault, retry) = match kind {
            Kind::Config | Kind::Auth | Kind::Refused => (Fault::Configuration, Retry::Never),
            Kind::RateLimited | Kind::Quota | Kind::Transport => (Fault::Source, Retry::BackOff),
            Kind::Protocol | Kind::Data | Kind::NotFound => (Fault::Source, Retry::Never),
        };
        Self { kind, fault, retry, message: message.into(), hint: None, source: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}
