//! Which request goes where, and what holds for all of them: concurrency, credential, credits, headers.

use serde::Deserialize;
use serde_json::{Value, json};

use super::clock::{http_date, read, written};
use super::refusal::Refusal;
use super::{Crm, Step, coql};
use crate::http::{Answer, Api, Described, Disturbance, Request};

/// The offset of times in controls and in the log.
const SHANGHAI: i32 = 480;

/// Who asks: the credential, and the user and offset that go with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) credential: usize,
    pub(super) user: usize,
    pub(super) offset: i32,
}

impl Api for Crm {
    fn answer(&mut self, request: &Request) -> Answer {
        let answer = match request.path.strip_prefix("/crm/") {
            Some(path) => self.api(request, path).unwrap_or_else(|refusal| refusal.answer()),
            None if request.path == "/oauth/v2/token" && request.method == "POST" => self.token(request),
            None => Refusal::url().answer(),
        };
        let answer = answer.with("date", http_date(self.clock.now()));
        match self.told_credits() {
            Some(left) if request.path.starts_with("/crm/") => answer.with("x-api-credits-remaining", left.to_string()),
            _ => answer,
        }
    }

    fn describe(&self, request: &Request) -> Described {
        let page = match (request.parameter("page_token"), request.parameter("page")) {
            (Some(token), _) => self.page_tokens.get(token).map(|token| format!("token at {}", token.start)),
            (None, page) => page.map(str::to_owned),
        };
        let queried = || coql::page(&String::from_utf8_lossy(&request.body));
        Described {
            time: written(self.clock.now(), SHANGHAI),
            credential: self.auth.name(request),
            page: page.or_else(|| request.path.ends_with("/coql").then(queried).flatten()),
        }
    }

    fn throttled(&self) -> Answer {
        Refusal::too_many().answer().with("date", http_date(self.clock.now()))
    }

    fn failed(&self, status: u16) -> Answer {
        Refusal::new(status, "INTERNAL_ERROR", "Internal Server Error").answer()
    }

    fn disturb(&mut self, disturbance: &Disturbance) -> Result<(), String> {
        self.follow(disturbance)
    }

    fn control(&mut self, request: &Request) -> Option<Answer> {
        let read_json = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap_or_default();
        match (request.method.as_str(), request.path.strip_prefix("/_sandbox/")?) {
            ("POST", "advance") => Some(match Step::deserialize(read_json(&request.body)) {
                Ok(step) => Answer::json(200, &self.advance(&step)),
                Err(error) => Answer::json(400, &json!({ "error": error.to_string() })),
            }),
            ("GET", "clock") => Some(self.time()),
            ("PUT", "clock") => match read_json(&request.body).get("time").and_then(Value::as_str).and_then(read) {
                Some(seconds) => {
                    self.clock.set(seconds);
                    Some(self.time())
                }
                None => Some(Answer::json(400, &json!({ "error": "`time` is no ISO 8601 time" }))),
            },
            ("GET", "truth") => Some(Answer::json(200, &self.truth().records)),
            _ => None,
        }
    }
}

impl Crm {
    fn time(&self) -> Answer {
        Answer::json(200, &json!({ "time": written(self.clock.now(), SHANGHAI) }))
    }

    /// A request below `/crm/`.
    fn api(&mut self, request: &Request, path: &str) -> Result<Answer, Refusal> {
        let credential = self.auth.check(request, self.clock.now())?;
        self.check_concurrency(request)?;
        let known = &self.options.credentials[credential];
        let caller = Caller { credential, user: known.user, offset: known.offset_minutes };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["bulk", "v8", "read", rest @ ..] => self.bulk(request, rest, caller),
            ["v8", rest @ ..] => self.version_8(request, rest, caller),
            _ => Err(Refusal::url()),
        }
    }

    fn version_8(&mut self, request: &Request, parts: &[&str], caller: Caller) -> Result<Answer, Refusal> {
        let method = request.method.as_str();
        match (method, parts) {
            ("POST", ["coql"]) => self.query(request, caller),
            ("GET", ["settings", "modules", rest @ ..]) => {
                self.allowed(caller.credential, "settings.modules.READ")?;
                self.spend(1)?;
                self.settings_modules(rest.first().copied(), caller)
            }
            ("GET", ["settings", "fields"]) => {
                self.allowed(caller.credential, "settings.fields.READ")?;
                self.spend(1)?;
                self.settings_fields(request, caller)
            }
            ("GET", ["users"]) => {
                self.allowed(caller.credential, "users.READ")?;
                self.spend(1)?;
                Ok(self.users_list(request, caller))
            }
            ("GET", ["org"]) => {
                self.allowed(caller.credential, "org.READ")?;
                self.spend(1)?;
                Ok(self.org())
            }
            (_, ["coql" | "users" | "org"]) => Err(Refusal::method()),
            (_, [module, rest @ ..]) if *module != "settings" => {
                let supported = self.store.table(module).filter(|table| table.module.api_supported);
                let module = supported.ok_or_else(Refusal::module)?.module.name;
                let action = if method == "GET" { "READ" } else { "CREATE" };
                self.allowed(caller.credential, &format!("modules.{module}.{action}"))?;
                match (method, rest) {
                    ("GET", []) => self.list(request, module, caller),
                    ("GET", ["deleted"]) => self.deleted(request, module, caller),
                    ("GET", ["actions", "count"]) => self.count(module),
                    ("GET", [id]) => self.get(module, id, caller),
                    ("POST", []) => self.write(request, module, false, caller),
                    ("POST", ["upsert"]) => self.write(request, module, true, caller),
                    (_, [] | ["deleted" | "upsert"] | ["actions", "count"]) => Err(Refusal::method()),
                    _ => Err(Refusal::url()),
                }
            }
            _ => Err(Refusal::url()),
        }
    }
}
