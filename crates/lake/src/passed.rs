//! How far each stream's records have been let through to the stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Lake, Result, objects};

const FILE: &str = "passed.json";
const FORMAT: u32 = 1;

/// Read and written under the lease of a run. What is lost of it is judged again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    format: u32,
    /// `source.stream` → its newest commit that was let through.
    pub streams: BTreeMap<String, i64>,
}

impl Default for Passed {
    fn default() -> Self {
        Self { format: FORMAT, streams: BTreeMap::new() }
    }
}

impl Lake {
    /// What was let through so far.
    ///
    /// # Errors
    /// If the store fails, or a newer program wrote it.
    pub async fn passed(&self) -> Result<Passed> {
        let path = self.location.path(["_tributary", FILE]);
        let Some(bytes) = objects::get(&self.location, &path).await? else { return Ok(Passed::default()) };
        let passed: Passed = objects::from_bytes(&bytes, FILE)?;
        if passed.format > FORMAT {
            return Err(crate::Error::Format { what: FILE.into(), format: passed.format });
        }
        Ok(passed)
    }

    /// Writes down what is let through. Only the holder of the run's lease may.
    ///
    /// # Errors
    /// If the store fails or the lease is lost.
    pub async fn set_passed(&self, passed: &Passed) -> Result<()> {
        self.check().await?;
        let path = self.location.path(["_tributary", FILE]);
        objects::put(&self.location, &path, objects::to_bytes(passed, FILE)?).await
    }
}
