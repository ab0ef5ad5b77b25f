//! One access token per credential, for all tasks and, where it is stored, all processes of a machine.
//!
//! A vendor that lets ten tokens be got in ten minutes, and drops the oldest when there are too many, punishes workers that
//! each get their own. So one asks and the others wait; who was waiting, in this process or another, takes what the first one got.
//! A token is on disk before it is used, because the refresh token that came with it may be the only one left.
//!
//! Stored tokens are encrypted (XChaCha20-Poly1305) with a key from a secret. Without one they stay in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::client::Client;
use super::clock::later;
use super::state::{Folder, Held, StateFile};
use super::token::{Token, TokenSource};
use crate::{Error, Kind, Secret};

/// How long before its end a token is replaced; a quarter of its life if that is less.
const MARGIN: Duration = Duration::from_secs(300);

/// How long a credential that was refused is not tried again.
const REFUSED_FOR: Duration = Duration::from_secs(15 * 60);

/// A key shorter than this is a word, not a key.
const SHORTEST_KEY: usize = 32;

const MAGIC: &[u8; 4] = b"trt1";
const NONCE_BYTES: usize = 24;

/// The access token of a credential; clones share it.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    credential: String,
    client: Client,
    source: Box<dyn TokenSource>,
    stored: Option<(StateFile, XChaCha20Poly1305)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Issued>>,
    /// When the credential was refused, and how that was said.
    refused: Option<(DateTime<Utc>, String, Option<String>)>,
}

/// A token with its times.
pub struct Issued {
    pub token: Token,
    at: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    /// Tells tokens apart without comparing secrets.
    serial: u64,
}

impl Issued {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_none_or(|expires| {
            let margin = (expires - self.at).to_std().unwrap_or_default() / 4;
            later(now, margin.min(MARGIN)) < expires
        })
    }
}

impl Tokens {
    /// Tokens that are kept in memory only. `client` goes to where tokens are got.
    pub fn in_memory(credential: impl Into<String>, client: Client, source: impl TokenSource + 'static) -> Self {
        Self::new(credential.into(), client, source, None)
    }

    /// Tokens that are kept in `folder` as well, encrypted with `key`.
    ///
    /// # Errors
    /// [`Kind::Config`] if `key` is too short to be one.
    pub fn stored(
        credential: impl Into<String>,
        client: Client,
        source: impl TokenSource + 'static,
        folder: &Folder,
        key: &Secret,
    ) -> Result<Self, Error> {
        if key.expose().len() < SHORTEST_KEY {
            return Err(Error::new(
                Kind::Config,
                format!("the key for stored tokens is under {SHORTEST_KEY} characters"),
            )
            .hint("make one: `openssl rand -hex 32`"));
        }
        let credential = credential.into();
        let derived =
            Zeroizing::new(blake3::derive_key("tributary 2026 key of stored tokens", key.expose().as_bytes()));
        let cipher = XChaCha20Poly1305::new(&Key::from(*derived));
        let file = folder.file("tokens", &credential);
        Ok(Self::new(credential, client, source, Some((file, cipher))))
    }

    fn new(
        credential: String,
        client: Client,
        source: impl TokenSource + 'static,
        stored: Option<(StateFile, XChaCha20Poly1305)>,
    ) -> Self {
        Self(Arc::new(Inner { credential, client, source: Box::new(source), stored, state: Mutex::default() }))
    }

    /// The token, a new one if need be.
    ///
    /// # Errors
    /// If none can be got.
    pub async fn get(&self) -> Result<Arc<Issued>, Error> {
        let now = self.0.client.clock().now();
        let current = self.0.state.lock().await.current.clone();
        match current.filter(|current| current.is_fresh(now)) {
            Some(current) => Ok(current),
            None => self.another(None).await,
        }
    }

    /// Another token than `spent`, which the vendor refused.
    ///
    /// # Errors
    /// If none can be got.
    pub async fn replace(&self, spent: &Issued) -> Result<Arc<Issued>, Error> {
        self.another(Some(spent.serial)).await
    }

    /// On a task of its own: a caller that gives up must not take the vendor's answer, with the only refresh token, along.
    async fn another(&self, spent: Option<u64>) -> Result<Arc<Issued>, Error> {
        let this = self.clone();
        tokio::spawn(async move { this.refresh(spent).await })
            .await
            .map_err(|e| Error::new(Kind::Auth, "getting an access token was broken off").source(e))?
    }

    async fn refresh(&self, spent: Option<u64>) -> Result<Arc<Issued>, Error> {
        let inner = &self.0;
        let clock = inner.client.clock();
        let mut state = inner.state.lock().await;
        let will_do = |issued: &Issued| issued.is_fresh(clock.now()) && Some(issued.serial) != spent;
        if let Some(current) = state.current.as_ref().filter(|current| will_do(current)) {
            return Ok(Arc::clone(current));
        }
        let held = match &inner.stored {
            Some((file, _)) => Some(file.lock_async().await.map_err(|e| file.failed(e))?),
            None => None,
        };
        let mut last = state.current.clone();
        if let Some(stored) = held.as_ref().and_then(|held| inner.load(held)) {
            let stored = Arc::new(stored);
            if will_do(&stored) {
                state.current = Some(Arc::clone(&stored));
                return Ok(stored);
            }
            last = Some(stored);
        }
        if let Some((at, message, hint)) = &state.refused
            && clock.now() < later(*at, REFUSED_FOR)
        {
            let error = Error::new(Kind::Auth, message.clone());
            return Err(Error { hint: hint.clone(), ..error });
        }
        let fetched = inner.source.fetch(&inner.client, last.as_ref().map(|last| &last.token)).await;
        let token = fetched.inspect_err(|error| {
            if error.kind == Kind::Auth {
                state.refused = Some((clock.now(), error.message.clone(), error.hint.clone()));
            }
        })?;
        state.refused = None;
        let at = clock.now();
        let expires = token.expires_in.map(|life| later(at, life));
        let issued = Arc::new(Issued { token, at, expires, serial: fastrand::u64(..) });
        state.current = Some(Arc::clone(&issued));
        if let Some(held) = held {
            inner.save(&held, &issued)?;
        }
        Ok(issued)
    }
}

/// The form on disk, before it is encrypted.
#[derive(Serialize, Deserialize)]
struct Stored {
    access: Zeroizing<String>,
    refresh: Option<Zeroizing<String>>,
    at: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    serial: u64,
    extra: BTreeMap<String, String>,
}

impl Inner {
    /// What is stored; nothing if it cannot be read, because its key changed or it is damaged.
    fn load(&self, held: &Held) -> Option<Issued> {
        let (file, cipher) = self.stored.as_ref()?;
        let bytes = held.read().ok().flatten()?;
        let opened = open(cipher, &self.credential, &bytes);
        if opened.is_none() {
            tracing::warn!(file = %file.path().display(), "a stored token cannot be read with this key; getting another");
        }
        let stored = opened?;
        let token = Token {
            secret: Secret::new(stored.access.to_string()),
            expires_in: stored.expires.and_then(|expires| (expires - stored.at).to_std().ok()),
            refresh: stored.refresh.map(|refresh| Secret::new(refresh.to_string())),
            extra: stored.extra,
        };
        Some(Issued { token, at: stored.at, expires: stored.expires, serial: stored.serial })
    }

    fn save(&self, held: &Held, issued: &Issued) -> Result<(), Error> {
        let Some((file, cipher)) = &self.stored else { return Ok(()) };
        let stored = Stored {
            access: Zeroizing::new(issued.token.secret.expose().to_owned()),
            refresh: issued.token.refresh.as_ref().map(|refresh| Zeroizing::new(refresh.expose().to_owned())),
            at: issued.at,
            expires: issued.expires,
            serial: issued.serial,
            extra: issued.token.extra.clone(),
        };
        let sealed = seal(cipher, &self.credential, &stored)?;
        held.replace(&sealed, true).map_err(|e| file.failed(e))
    }
}

fn seal(cipher: &XChaCha20Poly1305, credential: &str, stored: &Stored) -> Result<Vec<u8>, Error> {
    let failed = || Error::new(Kind::Config, "a token could not be encrypted");
    let plain = Zeroizing::new(serde_json::to_vec(stored).map_err(|_| failed())?);
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| failed().hint("the system gives no random numbers"))?;
    let payload = Payload { msg: &plain, aad: credential.as_bytes() };
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| failed())?;
    Ok([MAGIC.as_slice(), &nonce, &sealed].concat())
}

fn open(cipher: &XChaCha20Poly1305, credential: &str, bytes: &[u8]) -> Option<Stored> {
    let (nonce, sealed) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: sealed, aad: credential.as_bytes() };
    let plain = Zeroizing::new(cipher.decrypt(&XNonce::from(*nonce), payload).ok()?);
    serde_json::from_slice(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(key: u8) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from([key; 32]))
    }

    #[test]
    fn a_stored_token_opens_with_its_key_and_for_its_credential_only() {
        let stored = Stored {
            access: Zeroizing::new("canary-access".to_owned()),
            refresh: Some(Zeroizing::new("canary-refresh".to_owned())),
            at: DateTime::UNIX_EPOCH,
            expires: None,
            serial: 7,
            extra: BTreeMap::new(),
        };
        let sealed = seal(&cipher(1), "zoho/me", &stored).unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("canary"));
        assert_eq!(open(&cipher(1), "zoho/me", &sealed).unwrap().access.as_str(), "canary-access");
        assert!(open(&cipher(2), "zoho/me", &sealed).is_none());
        assert!(open(&cipher(1), "zoho/you", &sealed).is_none());
        for cut in 0..sealed.len() {
            assert!(open(&cipher(1), "zoho/me", &sealed[..cut]).is_none());
        }
        assert_ne!(sealed, seal(&cipher(1), "zoho/me", &stored).unwrap());
    }

    #[test]
    fn a_token_is_replaced_before_its_end() {
        let at = DateTime::UNIX_EPOCH;
        let issued = |life| Issued {
            token: Token { secret: Secret::new("x".into()), expires_in: None, refresh: None, extra: BTreeMap::new() },
            at,
            expires: Some(later(at, Duration::from_secs(life))),
            serial: 1,
        };
        let after = |seconds| later(at, Duration::from_secs(seconds));
        assert!(issued(3600).is_fresh(after(3299)) && !issued(3600).is_fresh(after(3300)));
        assert!(issued(40).is_fresh(after(29)) && !issued(40).is_fresh(after(30)));
    }
}
