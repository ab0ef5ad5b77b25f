//! How access tokens are got.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::classify::{Rules, Verdict, When};
use super::client::Client;
use super::request::Request;
use crate::{Error, Kind, Secret, SecretRef};

/// An access token and what came with it.
#[derive(Clone)]
pub struct Token {
    pub secret: Secret,
    /// From when it was got; `None`: until the vendor refuses it.
    pub expires_in: Option<Duration>,
    /// The refresh token that replaces the one it was got with, where the vendor rotates them.
    pub refresh: Option<Secret>,
    /// What else the vendor said, such as `api_domain`.
    pub extra: BTreeMap<String, String>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[token]")
    }
}

/// Gets access tokens.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A new token. `client` goes to the origin of tokens; `last` is the token before, if any is known, for vendors that rotate
    /// refresh tokens. Called by one task at a time, and by one process at a time where tokens are stored.
    ///
    /// # Errors
    /// [`Kind::Auth`] if the credential is refused: it is not tried again for a quarter of an hour.
    async fn fetch(&self, client: &Client, last: Option<&Token>) -> Result<Token, Error>;
}

/// A key that somebody else keeps: an access token without an end.
pub(super) struct ApiKey(pub SecretRef);

#[async_trait]
impl TokenSource for ApiKey {
    async fn fetch(&self, _client: &Client, _last: Option<&Token>) -> Result<Token, Error> {
        Ok(Token { secret: self.0.resolve().await?, expires_in: None, refresh: None, extra: BTreeMap::new() })
    }
}

/// The refresh-token grant of OAuth 2 (RFC 6749, 6). Success is an `access_token` in the answer, whatever its status.
pub struct RefreshGrant {
    /// A URL, or a path of the client's base.
    pub url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub refresh_token: Secret,
}

impl RefreshGrant {
    /// The rules for a client that gets tokens; a vendor's own go first ([`Rules::or`]).
    pub fn rules() -> Rules {
        let refused = Verdict::Fatal { kind: Kind::Auth, hint: "the credential is refused: authorise it again".into() };
        Rules::new()
            .code_at("error")
            .on(When::any().has("access_token"), Verdict::Ok)
            .on(When::any().field("error", ["slow_down"]), Verdict::RateLimited)
            .on(When::any().field("error", ["temporarily_unavailable", "server_error"]), Verdict::Retry)
            .on(When::status(429), Verdict::RateLimited)
            .on(When::statuses(500..=599), Verdict::Retry)
            .on(When::any().has("error"), refused.clone())
            .on(When::status(400).or_status(401).or_status(403), refused)
            .on(
                When::statuses(200..=299).first_byte(b'{'),
                Verdict::Fatal { kind: Kind::Protocol, hint: "there is no `access_token` in the answer".into() },
            )
    }

    /// Says which configured refresh token a rotated one descends from, so that a new configuration is not passed over.
    fn lineage(&self) -> String {
        hex::encode(blake3::derive_key(
            "tributary 2026 lineage of a refresh token",
            self.refresh_token.expose().as_bytes(),
        ))
    }
}

const LINEAGE: &str = "tributary.lineage";

#[async_trait]
impl TokenSource for RefreshGrant {
    async fn fetch(&self, client: &Client, last: Option<&Token>) -> Result<Token, Error> {
        let lineage = self.lineage();
        let rotated =
            last.filter(|last| last.extra.get(LINEAGE) == Some(&lineage)).and_then(|last| last.refresh.clone());
        let refresh = rotated.as_ref().unwrap_or(&self.refresh_token);
        let request = Request::post(self.url.as_str())
            .form([
                ("grant_type", "refresh_token"),
                ("client_id", &self.client_id),
                ("client_secret", self.client_secret.expose()),
                ("refresh_token", refresh.expose()),
            ])
            // Asking twice gives two tokens, which does no harm; not asking again after a lost answer would.
            .idempotent();
        let answer = client.send(request).await?;
        let mut token = parse(&answer.bytes)?;
        token.refresh = token.refresh.or(rotated);
        token.extra.insert(LINEAGE.to_owned(), lineage);
        Ok(token)
    }
}

fn parse(bytes: &[u8]) -> Result<Token, Error> {
    // The parser's own error might quote the answer.
    let answer: serde_json::Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|_| Error::new(Kind::Protocol, "the answer with the token is no JSON object"))?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let seconds = |name: &str| match answer.get(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let secret =
        text("access_token").ok_or_else(|| Error::new(Kind::Auth, "there is no `access_token` in the answer"))?;
    let extra = answer
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "access_token" | "refresh_token" | "id_token"))
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    Ok(Token {
        secret: Secret::new(secret.to_owned()),
        // Where both are there, `expires_in` is of an older form, in milliseconds.
        expires_in: seconds("expires_in_sec").or_else(|| seconds("expires_in")).map(Duration::from_secs),
        refresh: text("refresh_token").map(|refresh| Secret::new(refresh.to_owned())),
        extra,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_with_what_came_with_it() {
        let token =
            parse(br#"{"access_token":"a","expires_in":3600,"api_domain":"https://x","token_type":"Bearer"}"#).unwrap();
        assert_eq!((token.secret.expose(), token.expires_in), ("a", Some(Duration::from_secs(3600))));
        assert_eq!(token.extra["api_domain"], "https://x");
        assert_eq!(format!("{token:?}"), "[token]");
        let old = parse(br#"{"access_token":"a","expires_in":3600000,"expires_in_sec":"3600"}"#).unwrap();
        assert_eq!(old.expires_in, Some(Duration::from_secs(3600)));
        for bad in [&br#"{"access_token":""}"#[..], b"{}", b"[]", b"x"] {
            assert!(parse(bad).is_err());
        }
    }
}
