//! Who may come in, in both of the vendor's generations: the app's tokens, and in whose name a request acts.
//!
//! A token is given again as long as it is not old; in its last ten minutes another is made, and the old one stays good to its
//! end. `expiresIn` is what is left. The token calls of a tenant may neither be many nor at the same time. The generations
//! do not mix: a token of one is none of the other. There is no consent page; a permanent code is simply known.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::Tenant;
use super::refusal::{Refusal, success};
use super::staff::Form;
use crate::chance::scramble;
use crate::http::{Answer, Request};

pub(super) const NEW: &str = "/oauth2.0/token";
pub(super) const LEGACY: &str = "/cgi/corpAccessToken/get/V2";

/// The app and the tenant that it works for. These are made up, no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Default `FSAID_sandbox`.
    pub app_id: String,
    /// Default `secret`.
    pub app_secret: String,
    /// Default `code`.
    pub permanent_code: String,
    /// The tenant's account, for `x-fs-ea`. Default `sandbox`.
    pub ea: String,
    /// The tenant's id of old requests. Default `FSCID_sandbox`.
    pub corp_id: String,
}

impl Default for Credential {
    fn default() -> Self {
        Self {
            app_id: "FSAID_sandbox".into(),
            app_secret: "secret".into(),
            permanent_code: "code".into(),
            ea: "sandbox".into(),
            corp_id: "FSCID_sandbox".into(),
        }
    }
}

/// The two ways of coming in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    Bearer,
    Legacy,
}

#[derive(Debug, Clone)]
struct Token {
    text: String,
    generation: Generation,
    issued: i64,
    dead: bool,
}

/// The tokens that were given out.
#[derive(Debug, Clone)]
pub(super) struct Auth {
    seed: u64,
    tokens: Vec<Token>,
    /// When tokens were asked for.
    asked: VecDeque<i64>,
    revoked: bool,
}

/// In whose name a request acts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Index into the employees.
    pub(super) employee: usize,
    /// The form of employees' ids in the answer.
    pub(super) form: Form,
}

impl Auth {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, tokens: Vec::new(), asked: VecDeque::new(), revoked: false }
    }

    /// All tokens are taken for expired.
    pub(super) fn expire_all(&mut self) {
        self.tokens.iter_mut().for_each(|token| token.dead = true);
    }

    /// The permanent code works no more, nor what was made of it.
    pub(super) fn revoke(&mut self) {
        self.expire_all();
        self.revoked = true;
    }

    /// A name for the token of a request, if it is or was good: `legacy/2` is the second token there was.
    pub(super) fn name(&self, request: &Request, body: &Value) -> Option<String> {
        let (generation, text) = given(request, body)?;
        let place = self.tokens.iter().position(|token| token.text == text && token.generation == generation)?;
        let kind = if generation == Generation::Bearer { "bearer" } else { "legacy" };
        Some(format!("{kind}/{}", place + 1))
    }
}

/// The token that a request shows, and how.
fn given<'a>(request: &'a Request, body: &'a Value) -> Option<(Generation, &'a str)> {
    if let Some(header) = request.header("authorization") {
        let (scheme, token) = header.split_once(' ').unwrap_or(("", header));
        return scheme.eq_ignore_ascii_case("bearer").then(|| (Generation::Bearer, token.trim()));
    }
    let token = body.get("corpAccessToken").and_then(Value::as_str).filter(|token| !token.is_empty());
    token.map(|token| (Generation::Legacy, token))
}

impl Tenant {
    /// Either of the token calls.
    pub(super) fn token(&mut self, request: &Request, body: &Value) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let is_token = |path: &String| path == NEW || path == LEGACY;
        let asked = &mut self.auth.asked;
        asked.retain(|&at| at > now - 60);
        asked.push_back(now);
        if asked.len() > self.options.limits.tokens_per_minute || request.beside.iter().any(is_token) {
            let code = self.options.limits.token_refusal_code;
            return Err(Refusal::new(code, "the interface call limit is exceeded", "调用次数超出限制"));
        }
        let known = self.options.credential.clone();
        let generation = if request.path == NEW { Generation::Bearer } else { Generation::Legacy };
        let is = |name: &str, value: &str| body.get(name).and_then(Value::as_str) == Some(value);
        for (name, value) in
            [("appId", &known.app_id), ("appSecret", &known.app_secret), ("permanentCode", &known.permanent_code)]
        {
            if !is(name, value) || (name == "permanentCode" && self.auth.revoked) {
                return Err(Refusal::parameter(name));
            }
        }
        if generation == Generation::Bearer && !is("grantType", "app_secret") {
            return Err(Refusal::parameter("grantType"));
        }
        let (token, left) = self.current_token(generation, now);
        let answer = match generation {
            Generation::Bearer => json!({
                "accessToken": token, "expiresIn": left, "openUserId": known.corp_id, "appId": known.app_id,
                "ea": known.ea, "errorMessage": "success",
            }),
            Generation::Legacy => json!({
                "corpAccessToken": token, "expiresIn": left, "corpId": known.corp_id, "errorMessage": "success",
            }),
        };
        Ok(success(answer))
    }

    /// The token of the moment and the seconds left of it.
    fn current_token(&mut self, generation: Generation, now: i64) -> (String, i64) {
        let limits = &self.options.limits;
        let auth = &mut self.auth;
        let last = auth.tokens.iter().rfind(|token| token.generation == generation && !token.dead);
        if let Some(token) = last.filter(|token| now - token.issued < limits.token_renewal_seconds) {
            return (token.text.clone(), token.issued + limits.token_seconds - now);
        }
        let drawn = scramble(auth.seed ^ scramble(auth.tokens.len() as u64));
        let text = format!("{drawn:016X}{:016X}", scramble(drawn));
        auth.tokens.push(Token { text: text.clone(), generation, issued: now, dead: false });
        (text, limits.token_seconds)
    }

    /// The right token, of the right tenant.
    pub(super) fn check_token(&self, request: &Request, body: &Value) -> Result<Generation, Refusal> {
        let Some((generation, text)) = given(request, body) else {
            let other_scheme = request.header("authorization").is_some();
            return Err(if other_scheme { Refusal::token() } else { Refusal::no_token() });
        };
        let (now, life) = (self.clock.now(), self.options.limits.token_seconds);
        let good = |token: &Token| {
            token.text == text && token.generation == generation && !token.dead && now - token.issued < life
        };
        let known = &self.options.credential;
        let tenant = match generation {
            Generation::Bearer => request.header("x-fs-ea") == Some(&known.ea),
            Generation::Legacy => body.get("corpId").and_then(Value::as_str) == Some(&known.corp_id),
        };
        if tenant && self.auth.tokens.iter().any(good) { Ok(generation) } else { Err(Refusal::token()) }
    }

    /// Who acts, by the headers of new requests or the body of old ones.
    pub(super) fn caller(&self, request: &Request, body: &Value, generation: Generation) -> Result<Caller, Refusal> {
        let (name, id) = match generation {
            Generation::Bearer => ("x-fs-userid", request.header("x-fs-userid")),
            Generation::Legacy => ("currentOpenUserId", body.get("currentOpenUserId").and_then(Value::as_str)),
        };
        let id = id.ok_or_else(|| Refusal::parameter(name))?;
        let own_form = |generation| if generation == Generation::Legacy { Form::Open } else { Form::Number };
        let form = own_form(generation);
        let employee = self.staff.iter().position(|employee| employee.shown(form) == id);
        let employee = employee.ok_or_else(Refusal::employee)?;
        let form = match body.get("convertUserId").and_then(Value::as_bool) {
            Some(true) => Form::Open,
            Some(false) => Form::Number,
            None => form,
        };
        Ok(Caller { employee, form })
    }

    /// `POST /cgi/user/getByMobile`: old requests only, and without an acting user.
    pub(super) fn by_mobile(&self, body: &Value, generation: Generation) -> Result<Answer, Refusal> {
        if generation != Generation::Legacy {
            return Err(Refusal::no_token());
        }
        let mobile = body.get("mobile").and_then(Value::as_str).ok_or_else(|| Refusal::parameter("mobile"))?;
        let found = self.staff.iter().filter(|employee| employee.mobile == mobile);
        let shown = found.map(|employee| {
            json!({
                "openUserId": employee.open_id, "account": employee.id, "fullName": employee.name, "name": employee.name,
                "isStop": false, "email": employee.email, "mobile": employee.mobile,
            })
        });
        Ok(success(json!({ "empList": shown.collect::<Vec<_>>() })))
    }
}
