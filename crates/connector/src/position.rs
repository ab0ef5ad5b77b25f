//! Where a stream stands: one opaque position per partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, Kind};

/// A place to resume after, in the connector's own terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub serde_json::Value);

impl Position {
    /// # Errors
    /// If `value` cannot be written as JSON.
    pub fn new(value: &impl Serialize) -> Result<Self, Error> {
        serde_json::to_value(value)
            .map(Self)
            .map_err(|e| Error::new(Kind::Protocol, "a position cannot be written as JSON").source(e))
    }

    /// # Errors
    /// If the position was written by another version of the connector that this one does not understand.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_value(self.0.clone()).map_err(|e| {
            Error::new(Kind::Protocol, "a saved position is not of this connector's form")
                .hint("it may come from a newer version; upgrade, or reset the stream")
                .source(e)
        })
    }
}

/// A span of time, its beginning included and its end not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// The positions of a stream's partitions (a file, a shop, a time window). Empty: start from the beginning.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State(pub BTreeMap<Arc<str>, Position>);
