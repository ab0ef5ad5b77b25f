//! Both generations of credentials: how a token is got, and how a request carries it.
//!
//! The vendor gives the same token again until it is old, and `expiresIn` is what is left of it. A token's file on disk is named
//! by app, generation and where the permanent code is found, because a code stands for a tenant: two tenants of one app
//! must not take each other's token.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tributary_connector::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use tributary_connector::http::{Authorize, Client, Outgoing, Request, Token, TokenSource, Url};
use tributary_connector::{Error, Kind, Secret, SecretRef};

use crate::config::{Config, Generation};
use crate::error::protocol;

pub const TOKEN: &str = "/oauth2.0/token";
pub const LEGACY_TOKEN: &str = "/cgi/corpAccessToken/get/V2";
pub const BY_MOBILE: &str = "/cgi/user/getByMobile";

/// The tenant's account, in answers and in tokens that are kept.
const EA: &str = "ea";
const CORP_ID: &str = "corpId";
const OPEN_USER_ID: &str = "currentOpenUserId";

/// Gets tokens with what the configuration names. Secrets are fetched when they are needed, and not kept.
pub struct Credential {
    generation: Generation,
    app_id: String,
    app_secret: SecretRef,
    permanent_code: SecretRef,
    open_user_id: Option<String>,
    mobile: Option<String>,
}

impl Credential {
    pub fn new(config: &Config) -> Self {
        Self {
            generation: config.auth,
            app_id: config.app_id.clone(),
            app_secret: config.app_secret.clone(),
            permanent_code: config.permanent_code.clone(),
            open_user_id: config.open_user_id.clone(),
            mobile: config.mobile.clone(),
        }
    }

    /// What tokens are kept by; holds no secret.
    pub fn name(config: &Config, base: &str) -> String {
        let Config { app_id, permanent_code, auth, open_user_id, mobile, .. } = config;
        format!("fxiaoke/{base}/{app_id}/{auth:?}/{permanent_code}/{open_user_id:?}/{mobile:?}")
    }

    async fn legacy_user(&self, client: &Client, token: &str, corp_id: &str) -> Result<String, Error> {
        if let Some(known) = &self.open_user_id {
            return Ok(known.clone());
        }
        let mobile = self.mobile.as_deref().unwrap_or_default();
        let body = json!({ "corpAccessToken": token, "corpId": corp_id, "mobile": mobile });
        let answer = client.send(Request::post(BY_MOBILE).class(BY_MOBILE).json(&body).idempotent()).await?;
        let answer = object(&answer.bytes)?;
        let found = answer.get("empList").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        match found {
            [one] => text(one, "openUserId"),
            [] => Err(Error::new(Kind::Config, "no employee of the tenant has the number in `mobile`")
                .hint("give the number that the employee has in Fxiaoke, or `open_user_id`")),
            _ => Err(Error::new(Kind::Config, "several employees of the tenant have the number in `mobile`")
                .hint("say which one by `open_user_id`")),
        }
    }
}

#[async_trait]
impl TokenSource for Credential {
    async fn fetch(&self, client: &Client, _last: Option<&Token>) -> Result<Token, Error> {
        let (secret, code) = (self.app_secret.resolve().await?, self.permanent_code.resolve().await?);
        let mut body = json!({ "appId": self.app_id, "appSecret": secret.expose(), "permanentCode": code.expose() });
        let path = match self.generation {
            Generation::ClientCredentials => {
                body["grantType"] = "app_secret".into();
                TOKEN
            }
            Generation::Legacy => LEGACY_TOKEN,
        };
        // Asking again gives the same token.
        let answer = client.send(Request::post(path).class(TOKEN).json(&body).idempotent()).await?;
        let answer = Value::Object(object(&answer.bytes)?);
        let mut extra = BTreeMap::new();
        let token = match self.generation {
            Generation::ClientCredentials => {
                extra.insert(EA.to_owned(), text(&answer, "ea")?);
                text(&answer, "accessToken")?
            }
            Generation::Legacy => {
                let (token, corp_id) = (text(&answer, "corpAccessToken")?, text(&answer, "corpId")?);
                extra.insert(OPEN_USER_ID.to_owned(), self.legacy_user(client, &token, &corp_id).await?);
                extra.insert(CORP_ID.to_owned(), corp_id);
                token
            }
        };
        let expires_in = match answer.get("expiresIn") {
            Some(Value::Number(seconds)) => seconds.as_u64(),
            Some(Value::String(seconds)) => seconds.parse().ok(),
            _ => None,
        };
        Ok(Token { secret: Secret::new(token), expires_in: expires_in.map(Duration::from_secs), refresh: None, extra })
    }
}

/// The parser's own error might quote the answer, which holds a token.
fn object(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    serde_json::from_slice(bytes).map_err(|_| protocol("the answer with the token is no JSON object"))
}

fn text(answer: &Value, name: &str) -> Result<String, Error> {
    let text = answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| protocol(format!("there is no `{name}` in the answer with the token")))
}

/// A new number for every attempt, by which the vendor's support finds it.
fn trace(url: &mut Url) {
    url.query_pairs_mut().append_pair("thirdTraceId", &uuid::Uuid::new_v4().to_string());
}

/// For the calls that get tokens, which carry what they need in the body.
pub struct Traced;

impl Authorize for Traced {
    fn authorize(&self, request: &mut Outgoing, _token: Option<&Token>, _now: DateTime<Utc>) -> Result<(), Error> {
        trace(&mut request.url);
        Ok(())
    }
}

/// For all other calls.
pub enum Signed {
    /// In the name of the employee of this number.
    ClientCredentials {
        user: String,
    },
    Legacy,
}

impl Signed {
    pub fn new(config: &Config) -> Self {
        match config.auth {
            Generation::ClientCredentials => Self::ClientCredentials { user: config.user.clone().unwrap_or_default() },
            Generation::Legacy => Self::Legacy,
        }
    }
}

impl Authorize for Signed {
    fn authorize(&self, request: &mut Outgoing, token: Option<&Token>, _now: DateTime<Utc>) -> Result<(), Error> {
        trace(&mut request.url);
        let token = token.ok_or_else(|| Error::new(Kind::Config, "there is no source of access tokens"))?;
        let secret = token.secret.expose();
        let extra = |name: &str| token.extra.get(name).map(String::as_str).unwrap_or_default();
        match self {
            Self::ClientCredentials { user } => {
                header(&mut request.headers, AUTHORIZATION, &format!("Bearer {secret}"))?;
                header(&mut request.headers, HeaderName::from_static("x-fs-ea"), extra(EA))?;
                header(&mut request.headers, HeaderName::from_static("x-fs-userid"), user)
            }
            Self::Legacy => {
                let mut body: Map<String, Value> = serde_json::from_slice(&request.body)
                    .map_err(|_| Error::new(Kind::Config, "a request's body is no JSON object"))?;
                body.insert("corpAccessToken".into(), secret.into());
                body.insert(CORP_ID.into(), extra(CORP_ID).into());
                body.insert(OPEN_USER_ID.into(), extra(OPEN_USER_ID).into());
                request.body = Bytes::from(Value::Object(body).to_string());
                Ok(())
            }
        }
    }
}

fn header(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), Error> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Error::new(Kind::Config, format!("the value for `{name}` has characters that no header can hold"))
    })?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tributary_connector::http::Method;

    use super::*;

    fn outgoing() -> Outgoing {
        let mut outgoing = Outgoing::new(Method::POST, Url::parse("https://open.fxiaoke.com/cgi/x").unwrap());
        outgoing.body = Bytes::from_static(br#"{"data":{"a":1}}"#);
        outgoing
    }

    fn token(extra: &[(&str, &str)]) -> Token {
        let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Token { secret: Secret::new("t0k".into()), expires_in: None, refresh: None, extra }
    }

    #[test]
    fn the_new_generation_goes_into_headers() {
        let mut request = outgoing();
        let signed = Signed::ClientCredentials { user: "1000".into() };
        signed.authorize(&mut request, Some(&token(&[("ea", "fx1")])), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(request.headers["authorization"], "Bearer t0k");
        assert_eq!(
            (&request.headers["x-fs-ea"], &request.headers["x-fs-userid"]),
            (&"fx1".parse().unwrap(), &"1000".parse().unwrap())
        );
        assert!(request.headers["authorization"].is_sensitive());
        assert_eq!(&request.body[..], br#"{"data":{"a":1}}"#);
    }

    #[test]
    fn the_old_generation_goes_into_the_body_and_each_attempt_has_its_number() {
        let extra = [("corpId", "FSCID_1"), ("currentOpenUserId", "FSUID_1")];
        let urls: Vec<String> = (0..2)
            .map(|_| {
                let mut request = outgoing();
                Signed::Legacy.authorize(&mut request, Some(&token(&extra)), DateTime::UNIX_EPOCH).unwrap();
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!(
                    body,
                    json!({"corpAccessToken": "t0k", "corpId": "FSCID_1", "currentOpenUserId": "FSUID_1", "data": {"a": 1}})
                );
                assert!(request.headers.is_empty());
                request.url.into()
            })
            .collect();
        assert!(urls[0].starts_with("https://open.fxiaoke.com/cgi/x?thirdTraceId=") && urls[0] != urls[1]);
    }
}
