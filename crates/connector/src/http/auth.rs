//! How a request carries its credential: a hook that sees the request in its last form.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::request::Outgoing;
use super::token::Token;
use crate::{Error, Kind};

/// Puts the credential into a request, or signs it. Called for each attempt and each redirect, always of an allowed origin.
pub trait Authorize: Send + Sync {
    /// May change headers, query and body; what is left in `request` is what is sent.
    ///
    /// # Errors
    /// [`Kind::Auth`] if the credential does not do.
    fn authorize(&self, request: &mut Outgoing, token: Option<&Token>, now: DateTime<Utc>) -> Result<(), Error>;
}

impl<F> Authorize for F
where
    F: Fn(&mut Outgoing, Option<&Token>, DateTime<Utc>) -> Result<(), Error> + Send + Sync,
{
    fn authorize(&self, request: &mut Outgoing, token: Option<&Token>, now: DateTime<Utc>) -> Result<(), Error> {
        self(request, token, now)
    }
}

/// The access token in a header, after a prefix: `Authorization: Bearer …`.
#[derive(Debug, Clone)]
pub struct TokenHeader {
    name: HeaderName,
    prefix: Cow<'static, str>,
}

impl TokenHeader {
    pub fn new(name: HeaderName, prefix: impl Into<Cow<'static, str>>) -> Self {
        Self { name, prefix: prefix.into() }
    }

    pub fn bearer() -> Self {
        Self::new(AUTHORIZATION, "Bearer ")
    }
}

impl Authorize for TokenHeader {
    fn authorize(&self, request: &mut Outgoing, token: Option<&Token>, _now: DateTime<Utc>) -> Result<(), Error> {
        let token = token.ok_or_else(|| Error::new(Kind::Config, "there is no source of access tokens"))?;
        // The value's own error would hold nothing of it; it is left out all the same.
        let mut value = HeaderValue::from_str(&format!("{}{}", self.prefix, token.secret.expose()))
            .map_err(|_| Error::new(Kind::Auth, "the access token has characters that no header can hold"))?;
        value.set_sensitive(true);
        request.headers.insert(self.name.clone(), value);
        Ok(())
    }
}
