//! Which request goes where, and what holds for all of them: the token, the quota, a status of 200.
//!
//! Everything is a POST of JSON. `thirdTraceId` is neither wanted nor minded.

use serde_json::Value;

use super::auth::{LEGACY, NEW};
use super::query::object_name;
use super::refusal::Refusal;
use super::{Advanced, Alteration, Altered, Clock, Step, Tenant};
use crate::Truth;
use crate::clock::{http_date, written};
use crate::http::{Answer, Api, Described, Disturbance, Request};
use crate::standin::{SHANGHAI, StandIn, control};

const BY_MOBILE: &str = "/cgi/user/getByMobile";

impl Api for Tenant {
    fn answer(&mut self, request: &Request) -> Answer {
        let answer = self.route(request).unwrap_or_else(|refusal| refusal.answer());
        answer.with("date", http_date(self.clock.now()))
    }

    fn describe(&self, request: &Request) -> Described {
        let body = body(request);
        let info = body.get("data").and_then(|data| data.get("search_query_info"));
        let page = info.map(|info| {
            let number = |name: &str| info.get(name).and_then(Value::as_u64).unwrap_or_default();
            format!("limit {} offset {}", number("limit"), number("offset"))
        });
        Described {
            time: written(self.clock.now(), SHANGHAI),
            credential: self.auth.name(request, &body),
            page,
            table: object_name(&body).map(str::to_owned),
        }
    }

    fn throttled(&self) -> Answer {
        Refusal::too_fast().answer().with("date", http_date(self.clock.now()))
    }

    /// 500 and 504 are the vendor's own failures and come as 200; what else fails, fails before it.
    fn failed(&self, status: u16) -> Answer {
        match status {
            500 => Refusal::new(-1, "system busy", "系统繁忙").answer(),
            504 => Refusal::new(50_009, "service timeout", "服务超时").answer(),
            _ => Answer::of(
                status,
                "text/html",
                format!("<html><head><title>{status}</title></head><body></body></html>"),
            ),
        }
    }

    fn disturb(&mut self, disturbance: &Disturbance) -> Result<(), String> {
        self.follow(disturbance)
    }

    /// Those of all stand-ins, and `GET invalid?table=` for the ids of what was declared void.
    fn control(&mut self, request: &Request) -> Option<Answer> {
        if request.method == "GET" && request.path == "/_sandbox/invalid" {
            return Some(Answer::json(200, &self.invalid_ids(request.parameter("table").unwrap_or_default())));
        }
        control(self, request)
    }
}

impl StandIn for Tenant {
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
        self.store.tables.iter().map(|table| table.object.name).collect()
    }

    fn ids(&self, table: &str) -> Vec<String> {
        Self::ids(self, table)
    }

    fn snapshot(&self, table: &str) -> Vec<Value> {
        Self::snapshot(self, table)
    }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

impl Tenant {
    fn route(&mut self, request: &Request) -> Result<Answer, Refusal> {
        let path = request.path.as_str();
        if request.method != "POST" {
            return Err(Refusal::path(path));
        }
        let body = body(request);
        if path == NEW || path == LEGACY {
            return self.token(request, &body);
        }
        let call = if path == BY_MOBILE { None } else { Some(call_of(path).ok_or_else(|| Refusal::path(path))?) };
        let generation = self.check_token(request, &body)?;
        self.spend(path)?;
        let Some((custom, call)) = call else {
            return self.by_mobile(&body, generation);
        };
        let caller = self.caller(request, &body, generation)?;
        match call {
            "data/query" => self.query(&body, custom, false, caller),
            "data/findSimple" => self.query(&body, custom, true, caller),
            "data/get" => self.get(&body, custom, caller),
            "data/create" => self.create(&body, custom, caller),
            "data/update" => self.update(&body, custom, caller),
            "data/changeOwner" => self.change_owner(&body, custom, caller),
            "data/invalid" => self.set_life(&body, custom, caller, "invalid"),
            "data/recover" => self.set_life(&body, custom, caller, "normal"),
            "data/delete" => self.delete(&body, custom),
            "object/describe" => Ok(Self::describe(self, &body)?),
            "object/list" => Ok(self.list()),
            _ => Err(Refusal::path(path)),
        }
    }
}

/// Whether the path is that of objects that the tenant made, and which of the calls it is.
fn call_of(path: &str) -> Option<(bool, &str)> {
    let rest = path.strip_prefix("/cgi/crm/")?;
    let (custom, call) = match rest.strip_prefix("custom/") {
        // The one call that has kept its old path, too.
        Some(call @ "data/invalid") => (true, call),
        Some(rest) => (true, rest.strip_prefix("v2/")?),
        None => (false, rest.strip_prefix("v2/")?),
    };
    let known = match call {
        "data/findSimple" => custom,
        "object/describe" | "object/list" => !custom,
        "data/query" | "data/get" | "data/create" | "data/update" | "data/changeOwner" => true,
        _ => matches!(call, "data/invalid" | "data/recover" | "data/delete"),
    };
    known.then_some((custom, call))
}
