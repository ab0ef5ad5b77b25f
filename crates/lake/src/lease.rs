//! A lease: who may work on something, and until when. It keeps two runs from doing the same work; what keeps them from
//! doing harm is the transaction of each commit, so that a holder who overslept loses its work and nothing else.
//!
//! A lease is a numbered object; the number is its fencing token. The process that holds one on this machine and has died
//! is recognised, so that a killed run can be started again at once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::objects::{self, Created};
use crate::{Error, Lake, Location, Result};

const TTL: Duration = Duration::from_secs(60);
/// How often who waits looks whether the lease is free.
const POLL: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held {
    holder: String,
    host: String,
    process: u32,
    /// When the process started, in the kernel's terms, so that a number used again is told apart.
    started: Option<String>,
    until: DateTime<Utc>,
    released: bool,
}

/// A lease that is kept alive until it is released or dropped.
#[derive(Debug)]
pub struct Lease {
    lake: Lake,
    name: String,
    token: u64,
    held: Held,
    keeper: tokio::task::JoinHandle<()>,
}

impl Lease {
    /// Takes the lease `name` for `holder` (what a person should read: "run of `omnichannel`").
    ///
    /// # Errors
    /// [`Error::Held`] if a living holder has it.
    pub async fn take(lake: &Lake, name: &str, holder: &str) -> Result<Self> {
        let folder = lake.location.path(["_tributary", "lease", name]);
        loop {
            let names = objects::names(&lake.location, &folder).await?;
            let newest = names.last().and_then(|name| name.strip_suffix(".json")?.parse::<u64>().ok());
            if let Some(token) = newest {
                let path = folder.clone().join(object_name(token));
                let bytes = objects::get(&lake.location, &path).await?;
                if let Some(bytes) = bytes {
                    let held: Held = objects::from_bytes(&bytes, path.as_ref())?;
                    if !held.released && held.until > Utc::now() && !held.has_died() {
                        return Err(Error::Held {
                            what: name.into(),
                            holder: format!("{} (process {} on {})", held.holder, held.process, held.host),
                            until: held.until.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
                        });
                    }
                }
            }
            let token = newest.map_or(1, |newest| newest + 1);
            let held = Held::now(holder);
            let path = folder.clone().join(object_name(token));
            let bytes = objects::to_bytes(&held, path.as_ref())?;
            if objects::create(&lake.location, &path, bytes).await? == Created::New {
                for old in names.iter().rev().skip(4) {
                    objects::delete(&lake.location, &folder.clone().join(old.as_str())).await?;
                }
                let keeper = tokio::spawn(keep(lake.clone(), path, held.clone()));
                return Ok(Self { lake: lake.clone(), name: name.into(), token, held, keeper });
            }
        }
    }

    /// Takes the lease as soon as it is free. `told` hears who has it, once for each holder.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn take_when_free(lake: &Lake, name: &str, holder: &str, mut told: impl FnMut(&str)) -> Result<Self> {
        let mut before = None;
        loop {
            match Self::take(lake, name, holder).await {
                Err(Error::Held { holder, .. }) => {
                    if before.as_ref() != Some(&holder) {
                        told(&holder);
                        before = Some(holder);
                    }
                    tokio::time::sleep(POLL).await;
                }
                other => return other,
            }
        }
    }

    /// The fencing token: grows with every holder.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// What tells whether the lease is still one's own.
    pub fn fence(&self) -> Fence {
        Fence { lake: self.lake.location.clone(), name: self.name.clone(), token: self.token }
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// If the store fails; the lease then runs out by itself.
    pub async fn release(self) -> Result<()> {
        self.keeper.abort();
        let path = self.lake.location.path(["_tributary", "lease", &self.name, &object_name(self.token)]);
        let held = Held { released: true, ..self.held.clone() };
        objects::put(&self.lake.location, &path, objects::to_bytes(&held, path.as_ref())?).await
    }
}

/// Tells whether a lease is still held. A process that was stopped for longer than its lease runs finds out here; should it
/// pass all the same, in the moment between this and its commit, the transaction refuses it.
#[derive(Debug, Clone)]
pub struct Fence {
    lake: Location,
    name: String,
    token: u64,
}

impl Fence {
    /// # Errors
    /// [`Error::Lost`] if another has taken the lease since.
    pub async fn check(&self) -> Result<()> {
        let folder = self.lake.path(["_tributary", "lease", &self.name]);
        let names = objects::names(&self.lake, &folder).await?;
        match names.last() {
            Some(newest) if *newest == object_name(self.token) => Ok(()),
            _ => Err(Error::Lost(self.name.clone())),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

fn object_name(token: u64) -> String {
    format!("{token:012}.json")
}

async fn keep(lake: Lake, path: object_store::path::Path, mut held: Held) {
    loop {
        tokio::time::sleep(TTL / 3).await;
        held.until = Utc::now() + TTL;
        if let Ok(bytes) = objects::to_bytes(&held, path.as_ref())
            && let Err(e) = objects::put(&lake.location, &path, bytes).await
        {
            tracing::warn!("a lease could not be renewed: {e}");
        }
    }
}

impl Held {
    fn now(holder: &str) -> Self {
        let process = std::process::id();
        Self {
            holder: holder.into(),
            host: host(),
            process,
            started: started(process),
            until: Utc::now() + TTL,
            released: false,
        }
    }

    /// Whether the holder was a process of this machine that is no more.
    fn has_died(&self) -> bool {
        self.host == host() && self.started.is_some() && started(self.process) != self.started
    }
}

fn host() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{} {}", name.trim(), boot.trim()).trim().to_owned()
}

/// When a process started, from field 22 of its stat line; `None` if there is none such, or it is dead and unreaped.
fn started(process: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}
