//! Requests: the key, the budget, and pages in the order of the last change.

use std::time::Instant;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::{Alteration, Altered, Row, Shop, shown};
use crate::Truth;
use crate::clock::{self, Clock};
use crate::http::{Answer, Api, Described, Disturbance, Request};
use crate::standin::{SHANGHAI, StandIn, control};
use crate::step::{Advanced, Step};

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 500;

impl Api for Shop {
    fn answer(&mut self, request: &Request) -> Answer {
        let answer = self.route(request).unwrap_or_else(|refusal| refusal);
        answer.with("date", clock::http_date(self.clock.now()))
    }

    fn describe(&self, request: &Request) -> Described {
        Described {
            time: clock::written(self.clock.now(), SHANGHAI),
            credential: self.knows(request).then(|| "key".to_owned()),
            page: request.parameter("page_token").map(str::to_owned),
            table: None,
        }
    }

    fn throttled(&self) -> Answer {
        error(429, "too_many_requests", "come back later")
    }

    fn failed(&self, status: u16) -> Answer {
        error(status, "failed", "something went wrong on our side")
    }

    fn disturb(&mut self, disturbance: &Disturbance) -> Result<(), String> {
        self.follow(disturbance)
    }

    fn control(&mut self, request: &Request) -> Option<Answer> {
        control(self, request)
    }
}

impl StandIn for Shop {
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
        self.tables.keys().copied().collect()
    }

    fn ids(&self, table: &str) -> Vec<String> {
        Self::ids(self, table)
    }

    fn snapshot(&self, table: &str) -> Vec<Value> {
        Self::snapshot(self, table)
    }
}

impl Shop {
    fn knows(&self, request: &Request) -> bool {
        let key = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        !self.revoked && key == Some(&self.options.api_key)
    }

    fn route(&mut self, request: &Request) -> Result<Answer, Answer> {
        if !self.knows(request) {
            return Err(error(401, "unauthorized", "`Authorization: Bearer` with a valid key is needed"));
        }
        self.spend()?;
        let table = request.path.strip_prefix("/v1/").and_then(|name| self.tables.get(name));
        let table = table.ok_or_else(|| error(404, "not_found", "there are `/v1/customers` and `/v1/orders`"))?;
        if request.method != "GET" {
            return Err(error(405, "method_not_allowed", "only `GET` is"));
        }
        let limit = match request.parameter("limit").map(str::parse) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
            Some(_) => return Err(error(400, "bad_request", &format!("`limit` must be a number from 1 to {MOST}"))),
        };
        let limit = limit.min(self.options.served);
        let since = match request.parameter("updated_since").map(read) {
            None => i64::MIN,
            Some(Some(since)) => since,
            Some(None) => return Err(error(400, "bad_request", "`updated_since` must be an RFC 3339 time")),
        };
        let behind = match request.parameter("page_token").map(place) {
            None => (i64::MIN, String::new()),
            Some(Some(behind)) => behind,
            Some(None) => return Err(error(400, "bad_request", "`page_token` must be one that a page gave")),
        };
        let wanted = |row: &Row, id: &String| row.updated >= since && (row.updated, id) > (behind.0, &behind.1);
        let mut rows: Vec<(&String, &Row)> = table.iter().filter(|(id, row)| wanted(row, id)).collect();
        rows.sort_unstable_by_key(|(id, row)| (row.updated, *id));
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|(id, row)| token(row.updated, id));
        let data: Vec<Value> = rows.iter().map(|(id, row)| shown(id, row)).collect();
        Ok(Answer::json(200, &json!({ "data": data, "next_page_token": next })))
    }

    /// Counts a request, or refuses it.
    fn spend(&mut self) -> Result<(), Answer> {
        let Some(budget) = self.options.budget else {
            return Ok(());
        };
        let passed = self.counted.0.elapsed().as_secs();
        if passed >= budget.seconds {
            self.counted = (Instant::now(), 0);
        }
        if self.counted.1 >= budget.requests {
            let wait = budget.seconds.saturating_sub(passed).max(1);
            return Err(Api::throttled(self).with("retry-after", wait.to_string()));
        }
        self.counted.1 += 1;
        Ok(())
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "code": code, "message": message } }))
}

/// `2026-06-30T16:00:00.000Z`.
pub(super) fn written(milliseconds: i64) -> String {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads a time with any offset, to the millisecond below.
fn read(text: &str) -> Option<i64> {
    // A `+` that nobody encoded arrives as a blank.
    Some(DateTime::parse_from_rfc3339(&text.trim().replace(' ', "+")).ok()?.timestamp_millis())
}

/// A place in the order, as text that says nothing to a reader.
fn token(updated: i64, id: &str) -> String {
    format!("{updated} {id}").bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`token`] wrote.
fn place(token: &str) -> Option<(i64, String)> {
    let digits: Option<Vec<u32>> = token.chars().map(|digit| digit.to_digit(16)).collect();
    let bytes = digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8)).collect();
    let text = String::from_utf8(bytes).ok()?;
    let (updated, id) = text.split_once(' ')?;
    Some((updated.parse().ok()?, id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        assert_eq!(place(&token(1_782_835_200_123, "cus_000017")), Some((1_782_835_200_123, "cus_000017".into())));
        assert_eq!((place("xyz"), place("ff"), place("")), (None, None, None));
    }

    #[test]
    fn times_are_read_with_any_offset() {
        assert_eq!(read("2026-07-01T00:00:00.5+08:00").map(written).as_deref(), Some("2026-06-30T16:00:00.500Z"));
        assert_eq!(read("2026-07-01"), None);
    }
}
