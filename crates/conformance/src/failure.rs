//! What a check found: passed, skipped with a reason, or failed with what to do about it. Never a record's values.

use std::fmt;

/// A check that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// With the figures it measured.
    Yes(String),
    /// It does not apply, and why.
    Skipped(String),
}

impl Passed {
    pub(crate) fn with(note: impl Into<String>) -> Self {
        Self::Yes(note.into())
    }

    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped(reason.into())
    }
}

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure(Box<Details>);

/// What failed, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The check's name.
    pub check: &'static str,
    pub stream: Option<String>,
    /// In which situation.
    pub situation: Option<String>,
    pub expected: String,
    pub found: String,
    /// How to go on.
    pub hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self(Box::new(Details { expected: expected.into(), found: found.into(), ..Details::default() }))
    }

    /// The suite itself could not go on.
    pub(crate) fn ours(doing: &str, error: impl fmt::Display) -> Self {
        Self::new(format!("the suite to be able to {doing}"), error.to_string())
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds a situation to what was said of it before, from the outside in.
    pub(crate) fn during(mut self, situation: impl Into<String>) -> Self {
        self.0.situation = Some(match self.0.situation.take() {
            Some(inner) => format!("{}, {inner}", situation.into()),
            None => situation.into(),
        });
        self
    }

    pub(crate) fn of(mut self, stream: &str) -> Self {
        self.0.stream.get_or_insert_with(|| stream.to_owned());
        self
    }

    pub(crate) fn in_check(mut self, check: &'static str) -> Self {
        self.0.check = check;
        self
    }

    pub fn details(&self) -> &Details {
        &self.0
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed", self.check)?;
        if let Some(stream) = &self.stream {
            write!(f, " for stream `{stream}`")?;
        }
        if let Some(situation) = &self.situation {
            write!(f, " ({situation})")?;
        }
        write!(f, ": expected {}; found {}", self.expected, self.found)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; hint: {hint}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Says in which situation something failed.
pub(crate) trait During<T> {
    fn during(self, situation: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Failure> {
    fn during(self, situation: impl FnOnce() -> String) -> Self {
        self.map_err(|failure| failure.during(situation()))
    }
}
