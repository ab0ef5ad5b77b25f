//! How HTTP is done in a run: one value, made by the program and handed to every connector ([`crate::Context::http`]).
//!
//! A connector builds its client from it and sets only what it knows of its vendor; clocks, patience and what is shared with
//! other processes are not its business.

use std::fmt;
use std::sync::Arc;

use super::client::{Builder, Client};
use super::clock::{Clock, SystemClock};
use super::limits::Limits;
use super::origin::Origins;
use super::retry::Policy;
use super::state::Folder;
use super::token::TokenSource;
use super::tokens::Tokens;
use crate::{Error, Secret};

/// How a run does HTTP. The default shares nothing with other processes.
#[derive(Clone)]
pub struct Settings {
    pub clock: Arc<dyn Clock>,
    /// Where budgets and tokens are shared with other processes; `None`: with nobody.
    pub folder: Option<Folder>,
    /// What stored tokens are encrypted with; `None`: tokens are not stored, and each process gets its own.
    pub token_key: Option<Secret>,
    pub limits: Limits,
    /// How failures are met. [`Policy::park_after`] is how long a run stays for a wait.
    pub policy: Policy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            folder: None,
            token_key: None,
            limits: Limits::default(),
            policy: Policy::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("folder", &self.folder).field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Settings {
    /// What [`Client::builder`] gives, set up for this run.
    pub fn client(&self, credential: impl Into<String>, origins: Origins) -> Builder {
        let builder = Client::builder(credential, origins)
            .clock(Arc::clone(&self.clock))
            .limits(self.limits.clone())
            .retry(self.policy.clone());
        match &self.folder {
            Some(folder) => builder.folder(folder.clone()),
            None => builder.in_memory(),
        }
    }

    /// The tokens of a credential, stored where this run stores them. `client` goes to where tokens are got.
    ///
    /// # Errors
    /// [`crate::Kind::Config`] if the key is too short to be one.
    pub fn tokens(
        &self,
        credential: impl Into<String>,
        client: Client,
        source: impl TokenSource + 'static,
    ) -> Result<Tokens, Error> {
        match (&self.folder, &self.token_key) {
            (Some(folder), Some(key)) => Tokens::stored(credential, client, source, folder, key),
            _ => Ok(Tokens::in_memory(credential, client, source)),
        }
    }
}
