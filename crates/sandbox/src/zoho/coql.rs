//! COQL: `select … from … where … order by … limit … offset …`, and the answer to it.
//!
//! Conditions are joined in pairs, each pair in brackets once there are more than two, as the vendor wants it. A query without a
//! condition is refused (every documented one has one). Aggregates, `group by` and aliases are not there.

mod parse;

use serde_json::{Map, Value, json};

use self::parse::parse;
use super::Crm;
use super::criteria::{Criteria, Test};
use super::refusal::Refusal;
use super::render::column;
use super::route::Caller;
use super::store::Record;
use crate::http::{Answer, Request};

/// The limit and offset of a query, for the log: numbers only, no value of a record.
pub(super) fn page(body: &str) -> Option<String> {
    let at = body.to_ascii_lowercase().rfind(" limit ")?;
    let rest = body[at + " limit ".len()..].split(['"', '\\', '}']).next().unwrap_or_default();
    let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit() || c == ',');
    let words: Vec<&str> =
        rest.split_whitespace().take_while(|word| is_number(word) || word.eq_ignore_ascii_case("offset")).collect();
    (!words.is_empty()).then(|| format!("limit {}", words.join(" ")))
}

impl Crm {
    pub(super) fn query(&mut self, request: &Request, caller: Caller) -> Result<Answer, Refusal> {
        self.allowed(caller.credential, "coql.READ")?;
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(text) = body.get("select_query").and_then(Value::as_str) else {
            return Err(Refusal::bad("MANDATORY_NOT_FOUND", "required field not found")
                .details(json!({ "api_name": "select_query", "json_path": "$.select_query" })));
        };
        let query = parse(text)?;
        let table = self.store.table(&query.module).filter(|table| table.module.api_supported);
        let module = table.ok_or_else(Refusal::module)?.module.name;
        self.allowed(caller.credential, &format!("modules.{module}.READ"))?;
        self.spend(match query.limit {
            0..=200 => 1,
            201..=1_000 => 2,
            _ => 3,
        })?;
        if query.offset + query.limit > self.options.limits.queried {
            return Err(exceeded("offset", self.options.limits.queried));
        }

        let table = self.store.table(module).ok_or_else(Refusal::module)?;
        let unknown = query
            .columns
            .iter()
            .chain(query.orders.iter().map(|(name, _)| name))
            .find(|name| column(&self.store, table, name).is_none_or(|field| field.kind.only_in_single_reads()));
        if let Some(name) = unknown {
            return Err(invalid_column(name));
        }
        if let Some(name) = self.wrong_condition(table, &query.criteria) {
            return Err(invalid_column(&name));
        }
        let mut rows: Vec<&Record> = table
            .records
            .values()
            .filter(|record| !record.converted && self.meets(table, record, &query.criteria))
            .collect();
        rows.sort_by(|one, other| {
            let orders = query.orders.iter().map(|(name, down)| {
                let order = self.ordered(table, one, other, name);
                if *down { order.reverse() } else { order }
            });
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        let by_id = matches!(&query.criteria, Criteria::Is(name, Test::In(_)) if name == "id");
        let served = if by_id { usize::MAX } else { self.options.limits.served };
        let data: Vec<Value> = rows
            .iter()
            .skip(query.offset)
            .take(query.limit.min(served))
            .map(|record| {
                let mut shown = Map::new();
                for name in &query.columns {
                    let value = match table.module.field(name) {
                        Some(field) => self.queried(record, field, caller.offset),
                        None => self
                            .beyond(table, record, name)
                            .map_or(Value::Null, |(beyond, field)| self.queried(beyond, field, caller.offset)),
                    };
                    shown.insert(name.clone(), value);
                }
                shown.insert("id".into(), record.id.to_string().into());
                Value::Object(shown)
            })
            .collect();
        if data.is_empty() {
            return Ok(Answer::empty(204));
        }
        let more = query.offset + data.len() < rows.len();
        let info = json!({ "count": data.len(), "more_records": more });
        Ok(Answer::json(200, &json!({ "data": data, "info": info })))
    }
}

fn invalid_column(name: &str) -> Refusal {
    Refusal::bad("INVALID_QUERY", "invalid query formed")
        .details(json!({ "column_name": name, "reason": "invalid column" }))
}

fn exceeded(clause: &str, limit: usize) -> Refusal {
    Refusal::bad("LIMIT_EXCEEDED", "limit exceeded").details(json!({ "clause": clause, "limit": limit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_sees_the_limit_and_no_value() {
        let body = r#"{"select_query":"select id from Leads where Email = 'a@b.c' limit 20 offset 40"}"#;
        assert_eq!(page(body).as_deref(), Some("limit 20 offset 40"));
        assert_eq!(page(r#"{"select_query":"select id from Leads where Last_Name = 'a limit b'"}"#), None);
    }
}
