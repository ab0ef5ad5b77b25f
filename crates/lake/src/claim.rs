//! What of a lake belongs to which pipeline: a source to one, and the stages that all share to one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Lake, Result, objects};

const FILE: &str = "claims.json";
const FORMAT: u32 = 1;

/// Who has what. Read and written under the lease of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    format: u32,
    /// Source, by its name in the lake → its pipeline.
    pub sources: BTreeMap<String, Claim>,
    /// The pipeline that makes the tables after `clean`.
    pub stages: Option<Claim>,
}

/// A pipeline's claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub pipeline: String,
    /// What the source is called now, where that is not its name in the lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it says so in its file, or was only the first.
    pub declared: bool,
    pub since: DateTime<Utc>,
}

impl Claims {
    /// What a source of the lake is called now.
    pub fn name_of<'a>(&'a self, source: &'a str) -> &'a str {
        self.sources.get(source).and_then(|claim| claim.name.as_deref()).unwrap_or(source)
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self { format: FORMAT, sources: BTreeMap::new(), stages: None }
    }
}

impl Lake {
    /// What is claimed so far.
    ///
    /// # Errors
    /// If the store fails, or a newer program wrote it.
    pub async fn claims(&self) -> Result<Claims> {
        let path = self.location.path(["_tributary", FILE]);
        let Some(bytes) = objects::get(&self.location, &path).await? else { return Ok(Claims::default()) };
        let claims: Claims = objects::from_bytes(&bytes, FILE)?;
        if claims.format > FORMAT {
            return Err(crate::Error::Format { what: FILE.into(), format: claims.format });
        }
        Ok(claims)
    }

    /// Writes the claims down. Only the holder of the run's lease may.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn set_claims(&self, claims: &Claims) -> Result<()> {
        let path = self.location.path(["_tributary", FILE]);
        objects::put(&self.location, &path, objects::to_bytes(claims, FILE)?).await
    }
}
