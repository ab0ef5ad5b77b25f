//! The shop's API: an access token for a refresh token, lists by time and id, a list of what was deleted.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, TimeDelta};
use serde_json::{Map, Value, json};
use tributary_conformance::{Change, Unsupported};
use tributary_sandbox::http::{Answer, Api, Described, Disturbance, Request};

pub const PAGE: usize = 20;

/// A record; its id and time are written when it is shown.
#[derive(Clone)]
struct Record {
    fields: Map<String, Value>,
    updated: Option<i64>,
}

#[derive(Default)]
pub struct Table {
    records: BTreeMap<u64, Record>,
    /// Id, time, and what is left of it.
    deleted: Vec<(u64, i64, Record)>,
    last_id: u64,
    turn: usize,
    rounds: u64,
}

pub struct Store {
    pub now: i64,
    tables: BTreeMap<&'static str, Table>,
    token: Option<String>,
    tokens: u32,
}

fn time(seconds: i64) -> String {
    let zone = FixedOffset::east_opt(8 * 3600).unwrap();
    DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn seconds(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).map_or(i64::MIN, |time| time.timestamp())
}

impl Record {
    fn shown(&self, id: u64) -> Value {
        let mut shown = Map::from_iter([("id".to_owned(), id.into())]);
        shown.extend(self.fields.clone());
        shown.insert("updated_at".into(), self.updated.map_or(Value::Null, |at| time(at).into()));
        shown.into()
    }
}

impl Table {
    fn insert(&mut self, updated: Option<i64>) {
        self.last_id += 1_234_567;
        let n = self.last_id / 1_234_567;
        let fields = json!({
            "name": format!("顾客 {n} 号"), "balance": format!("{}.{:02}", n * 37 % 90_000, n % 100), "points": n * 7,
            "vip": n.is_multiple_of(3), "born": format!("19{:02}-0{}-11", n % 100, n % 9 + 1),
            "address": { "city": "杭州", "zip": format!("3100{:02}", n % 100), "gate": n % 5 },
            "tags": [format!("t{}", n % 4), "新"], "channel": { "from": "wechat", "score": n },
        });
        let Value::Object(fields) = fields else { return };
        self.records.insert(9_007_199_254_740_993 + self.last_id, Record { fields, updated });
    }

    /// The ids of so many records, others each time, that pass.
    fn some(&mut self, records: usize, passes: impl Fn(&Record) -> bool) -> Vec<u64> {
        let ids: Vec<u64> = self.records.iter().filter(|(_, record)| passes(record)).map(|(id, _)| *id).collect();
        self.turn += records;
        let start = (self.turn * 7) % ids.len().max(1);
        ids.iter().cycle().skip(start).take(records.min(ids.len())).copied().collect()
    }

    fn update(&mut self, id: u64, at: i64) {
        self.rounds += 1;
        let round = self.rounds;
        if let Some(record) = self.records.get_mut(&id) {
            record.fields.insert("points".into(), (round * 1_000_003).into());
            record.updated = Some(at);
        }
    }
}

impl Store {
    /// Records some minutes apart, a third of them in the same second as another.
    pub fn new(records: usize) -> Self {
        let mut store = Self { now: 1_782_864_000, tables: BTreeMap::new(), token: None, tokens: 0 };
        for stream in ["customers", "orders"] {
            let table = store.tables.entry(stream).or_default();
            (0..records as i64).for_each(|n| table.insert(Some(1_782_000_000 + (n - n % 3) * 200)));
        }
        store
    }

    pub fn truth(&self, stream: &str) -> Vec<Value> {
        self.tables[stream].records.iter().map(|(id, record)| record.shown(*id)).collect()
    }

    pub fn change(&mut self, stream: &str, change: &Change) -> Result<(), Unsupported> {
        let table = self.tables.get_mut(stream).unwrap();
        let now = &mut self.now;
        let mut tick = || {
            *now += 1;
            *now
        };
        let feed = stream == "customers";
        match *change {
            Change::Insert { records } => (0..records).for_each(|_| table.insert(Some(tick()))),
            Change::Update { records } => table.some(records, |_| true).iter().for_each(|id| table.update(*id, tick())),
            Change::Tie { records } => {
                let (at, ids) = (tick(), table.some(records / 2, |_| true));
                ids.iter().for_each(|id| table.update(*id, at));
                (ids.len()..records).for_each(|_| table.insert(Some(at)));
            }
            Change::TieAgain { records } => {
                let newest = table.records.values().filter_map(|record| record.updated).max().unwrap();
                for id in table.some(records, |record| record.updated != Some(newest)) {
                    table.update(id, newest);
                }
            }
            Change::Delete { records } => {
                for id in table.some(records, |_| true) {
                    let record = table.records.remove(&id).unwrap();
                    table.deleted.push((id, tick(), record));
                }
            }
            Change::Restore { .. } if !feed => return Err(Unsupported::new("orders do not come back")),
            Change::Restore { records } => {
                for _ in 0..records {
                    let (id, _, record) = table.deleted.remove(0);
                    table.records.insert(id, record);
                    table.update(id, tick());
                }
            }
            Change::Late { records, by } => {
                let at = *now - by.as_secs() as i64;
                for id in table.some(records, |record| record.updated.is_some_and(|updated| updated < at)) {
                    table.update(id, at);
                }
            }
            Change::NullCursor { records } => (0..records).for_each(|_| table.insert(None)),
            Change::AddField { ref name } => {
                for (id, record) in &mut table.records {
                    record.fields.insert(name.clone(), format!("new {}", id % 97).into());
                }
            }
            Change::ChangeType => {
                for id in table.some(3, |_| true) {
                    table.records.get_mut(&id).unwrap().fields.insert("points".into(), "many".into());
                }
            }
            Change::ExpireTokens => self.token = None,
        }
        Ok(())
    }

    fn grant(&mut self, request: &Request) -> Answer {
        let form: BTreeMap<_, _> = request.form().into_iter().collect();
        let is = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
        if !is("client_secret", "canary-client-secret") || !is("refresh_token", "canary-refresh-token") {
            // As some vendors do, it says what it was given.
            return Answer::json(
                400,
                &json!({ "error": "invalid_client", "error_description": form.get("client_secret") }),
            );
        }
        self.tokens += 1;
        let token = format!("canary-access-{}", self.tokens);
        self.token = Some(token.clone());
        Answer::json(200, &json!({ "access_token": token, "expires_in": 86_400 }))
    }

    fn list(&self, table: &Table, request: &Request) -> Answer {
        let after = request.parameter("after").map_or(0, |id| id.parse().unwrap());
        let from = request.parameter("from").map_or(i64::MIN, seconds);
        let undated = request.parameter("undated").is_some();
        let deleted = request.path.ends_with("/deleted");
        let mut rows: Vec<(i64, u64)> = match deleted {
            true => table.deleted.iter().map(|(id, at, _)| (*at, *id)).collect(),
            false => {
                let wanted = table.records.iter().filter(|(_, record)| record.updated.is_none() == undated);
                wanted.map(|(id, record)| (record.updated.unwrap_or(i64::MIN), *id)).collect()
            }
        };
        let to = request.parameter("to").map_or(i64::MAX, seconds);
        rows.retain(|place| *place > (from, after) && place.0 < to);
        rows.sort_unstable();
        let has_more = rows.len() > PAGE;
        let shown = |&(at, id): &(i64, u64)| match deleted {
            true => json!({ "id": id, "updated_at": time(at) }),
            false => table.records[&id].shown(id),
        };
        let data: Vec<_> = rows.iter().take(PAGE).map(shown).collect();
        Answer::json(200, &json!({ "data": data, "has_more": has_more }))
    }
}

impl Api for Store {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.path == "/oauth/token" {
            return self.grant(request);
        }
        let given = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if given.is_none() || given != self.token.as_deref() {
            return Answer::json(401, &json!({ "message": "the access token is not valid" }));
        }
        let name = request.path.trim_start_matches("/v1/").trim_end_matches("/deleted");
        match self.tables.get(name) {
            Some(table) => self.list(table, request),
            None => Answer::json(200, &json!({ "shop": "杭州" })),
        }
    }

    fn describe(&self, _request: &Request) -> Described {
        Described::default()
    }

    fn throttled(&self) -> Answer {
        Answer::empty(429)
    }

    fn failed(&self, status: u16) -> Answer {
        Answer::empty(status)
    }

    fn disturb(&mut self, _disturbance: &Disturbance) -> Result<(), String> {
        Err("the suite does that".to_owned())
    }

    fn control(&mut self, _request: &Request) -> Option<Answer> {
        None
    }
}

/// `by` before a time as the API writes it.
pub fn earlier(text: &str, by: TimeDelta) -> Option<String> {
    Some(time((DateTime::parse_from_rfc3339(text).ok()? - by).timestamp()))
}
