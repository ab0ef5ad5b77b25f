//! Who may come in: refresh tokens, the access tokens made of them, their lifetimes, counts and scopes.
//!
//! The token endpoint answers errors with a status of 200, as the real one does: success is the presence of `access_token`.
//! A lock-out lasts ten minutes from the last attempt, as those who met it report. There is no consent page; a refresh
//! token is simply known.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::Crm;
use super::refusal::Refusal;
use crate::chance::scramble;
use crate::http::{Answer, Request, first};

const WINDOW: i64 = 600;

/// One refresh token and the client that it belongs to. These are made up, no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Default `client`.
    pub client_id: String,
    /// Default `secret`.
    pub client_secret: String,
    /// Default `refresh`.
    pub refresh_token: String,
    /// Separated by blanks or commas. Default: all that this server has a use for.
    pub scope: String,
    /// Whose: index into the users, of whom there are five. Page tokens are the user's.
    pub user: usize,
    /// The offset of that user's times, in minutes. Default 480.
    pub offset_minutes: i32,
}

impl Default for Credential {
    fn default() -> Self {
        Self {
            client_id: "client".into(),
            client_secret: "secret".into(),
            refresh_token: "refresh".into(),
            scope: "ZohoCRM.modules.ALL ZohoCRM.settings.ALL ZohoCRM.coql.READ ZohoCRM.bulk.ALL ZohoCRM.users.READ \
                    ZohoCRM.org.READ"
                .into(),
            user: 0,
            offset_minutes: 480,
        }
    }
}

#[derive(Debug, Clone)]
struct Token {
    text: String,
    credential: usize,
    /// Counted per credential, for the log.
    number: u64,
    expires: i64,
    dead: bool,
}

/// The tokens that were given out.
#[derive(Debug, Clone)]
pub(super) struct Auth {
    seed: u64,
    tokens: Vec<Token>,
    /// Per credential: when tokens were made, until when none is, whether it is revoked.
    made: Vec<VecDeque<i64>>,
    locked_until: Vec<i64>,
    revoked: Vec<bool>,
}

impl Auth {
    pub(super) fn new(seed: u64, credentials: usize) -> Self {
        Self {
            seed,
            tokens: Vec::new(),
            made: vec![VecDeque::new(); credentials],
            locked_until: vec![i64::MIN; credentials],
            revoked: vec![false; credentials],
        }
    }

    /// All access tokens are taken for expired.
    pub(super) fn expire_all(&mut self) {
        self.tokens.iter_mut().for_each(|token| token.dead = true);
    }

    /// No refresh token works any more, nor what was made of it.
    pub(super) fn revoke_all(&mut self) {
        self.expire_all();
        self.revoked.fill(true);
    }

    /// A name for the credential of a request, if the token is or was good: `0/3` is the third token of the first.
    pub(super) fn name(&self, request: &Request) -> Option<String> {
        let token = self.token(request)?;
        Some(format!("{}/{}", token.credential, token.number))
    }

    fn token(&self, request: &Request) -> Option<&Token> {
        let text = request.header("authorization")?.strip_prefix("Zoho-oauthtoken ")?.trim();
        self.tokens.iter().find(|token| token.text == text)
    }

    /// The credential of a request, or why it has none.
    pub(super) fn check(&self, request: &Request, now: i64) -> Result<usize, Refusal> {
        let Some(token) = self.token(request) else {
            let given =
                request.header("authorization").is_some_and(|header| header.starts_with("Zoho-oauthtoken 1000."));
            return Err(if given {
                invalid_token()
            } else {
                Refusal::new(401, "AUTHENTICATION_FAILURE", "Authentication failed")
            });
        };
        if token.dead || token.expires <= now { Err(invalid_token()) } else { Ok(token.credential) }
    }
}

fn invalid_token() -> Refusal {
    Refusal::new(401, "INVALID_TOKEN", "invalid oauth token")
}

impl Crm {
    /// `POST /oauth/v2/token`, parameters in the query or in either kind of form.
    pub(super) fn token(&mut self, request: &Request) -> Answer {
        let error = |error: &str| Answer::json(200, &json!({ "error": error }));
        let form = request.form();
        let parameter = |name| first(&form, name).unwrap_or_default();
        if parameter("grant_type") != "refresh_token" {
            return error("unsupported_grant_type");
        }
        let credentials = &self.options.credentials;
        if !credentials.iter().any(|known| known.client_id == parameter("client_id")) {
            return error("invalid_client");
        }
        let of_client = |known: &&Credential| known.client_id == parameter("client_id");
        if !credentials.iter().filter(of_client).any(|known| known.client_secret == parameter("client_secret")) {
            return error("invalid_client_secret");
        }
        let wanted = parameter("refresh_token");
        let found = credentials.iter().position(|known| of_client(&known) && known.refresh_token == wanted);
        let Some(index) = found.filter(|&index| !self.auth.revoked[index]) else {
            return error("invalid_code");
        };
        let now = self.clock.now();
        let made = &mut self.auth.made[index];
        while made.front().is_some_and(|&at| at <= now - WINDOW) {
            made.pop_front();
        }
        if made.len() >= self.options.limits.tokens || now < self.auth.locked_until[index] {
            self.auth.locked_until[index] = now + WINDOW;
            let body = json!({
                "error": "Access Denied", "status": "failure",
                "error_description": "You have made too many requests continuously. Please try again after some time.",
            });
            return Answer::json(self.options.limits.token_refusal_status, &body);
        }
        made.push_back(now);
        Answer::json(200, &self.new_token(index, now))
    }

    fn new_token(&mut self, credential: usize, now: i64) -> Value {
        let auth = &mut self.auth;
        let drawn = scramble(auth.seed ^ scramble(auth.tokens.len() as u64));
        let text = format!("1000.{drawn:016x}{:016x}.{:016x}", scramble(drawn), scramble(!drawn));
        let of_this = |token: &&Token| token.credential == credential;
        let number = auth.tokens.iter().filter(of_this).count() as u64 + 1;
        let expires = now + self.options.limits.token_seconds;
        auth.tokens.push(Token { text: text.clone(), credential, number, expires, dead: false });
        let mut living =
            auth.tokens.iter().filter(|token| of_this(token) && !token.dead && token.expires > now).count();
        for token in
            auth.tokens.iter_mut().filter(|token| token.credential == credential && !token.dead && token.expires > now)
        {
            if living <= self.options.limits.live_tokens {
                break;
            }
            token.dead = true;
            living -= 1;
        }
        json!({
            "access_token": text, "scope": self.options.credentials[credential].scope, "api_domain": self.base_url,
            "token_type": "Bearer", "expires_in": self.options.limits.token_seconds,
        })
    }

    /// Whether the credential's scopes cover one of these, each as `modules.Contacts.READ` without its prefix; the levels above
    /// (`modules.READ`, `modules.ALL`) and `ALL` in place of the last part cover it too.
    pub(super) fn allowed(&self, credential: usize, needed: &str) -> Result<(), Refusal> {
        let needed = needed.to_ascii_lowercase();
        let (area, action) = needed.rsplit_once('.').unwrap_or((&needed, "all"));
        let top = area.split('.').next().unwrap_or(area);
        let covers =
            [format!("{area}.{action}"), format!("{area}.all"), format!("{top}.{action}"), format!("{top}.all")];
        let scope = self.options.credentials[credential].scope.to_ascii_lowercase();
        let mut scopes = scope.split([' ', ',']).filter_map(|scope| scope.strip_prefix("zohocrm."));
        if scopes.any(|scope| covers.iter().any(|cover| cover == scope)) {
            return Ok(());
        }
        Err(Refusal::new(401, "OAUTH_SCOPE_MISMATCH", "Unauthorized"))
    }
}
