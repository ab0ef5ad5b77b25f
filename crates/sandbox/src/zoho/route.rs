//! Which request goes where, and what holds for all of them: concurrency, credential, credits, headers.

use serde_json::Value;

use super::refusal::Refusal;
use super::{Advanced, Alteration, Altered, Clock, Crm, Step, coql};
use crate::Truth;
use crate::clock::{http_date, written};
use crate::http::{Answer, Api, Described, Disturbance, Request};
use crate::standin::{SHANGHAI, StandIn, control};

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
            table: None,
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
        control(self, request)
    }
}

impl StandIn for Crm {
    fn advance(&mut self, step: &Step) -> Advanced {
        Self::advance(self, step)
    }

    fn alter(&mut self, table: &str, alteration: &Alteration) -> Result<Altered, String> {
        Self::alter(self, table, alteration)
    }

    fn clock(&mut self) -> &mut Clock {
        Self::clock(self)
    }

    fn truth(&self) -> Truth {
        Self::truth(self)
    }

    fn tables(&self) -> Vec<&str> {
        self.store.tables.iter().map(|table| table.module.name).collect()
    }

    fn ids(&self, table: &str) -> Vec<String> {
        Self::ids(self, table)
    }

    fn snapshot(&self, table: &str) -> Vec<Value> {
        Self::snapshot(self, table)
    }
}

impl Crm {
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
