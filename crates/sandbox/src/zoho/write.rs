//! Writing records: insert and upsert, as much of them as clients and tests need.
//!
//! Each record has a result of its own, in the order of the request; the status tells whether all, some or none went in. Updates by
//! id, locks, triggers and appending to multi-select values are not there. Written records belong to nobody: the truth
//! does not know them.

use serde_json::{Map, Value, json};

use super::Crm;
use super::refusal::Refusal;
use super::route::Caller;
use super::schema::{Field, Kind};
use super::store::{Record, Table};
use crate::clock::written;
use crate::http::{Answer, Request};

const MOST_RECORDS: usize = 100;

impl Crm {
    pub(super) fn write(
        &mut self,
        request: &Request,
        module: &'static str,
        upsert: bool,
        caller: Caller,
    ) -> Result<Answer, Refusal> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(data) = body.get("data").and_then(Value::as_array) else {
            return Err(
                Refusal::bad("MANDATORY_NOT_FOUND", "required field not found").details(json!({ "api_name": "data" }))
            );
        };
        if data.len() > MOST_RECORDS {
            return Err(Refusal::bad("INVALID_DATA", "invalid data")
                .details(json!({ "maximum_length": MOST_RECORDS, "api_name": "data", "json_path": "$.data" })));
        }
        self.spend(data.len().div_ceil(10).max(1) as u64)?;
        let checked = body.get("duplicate_check_fields").and_then(Value::as_array);
        let checked: Option<Vec<&str>> = checked.map(|names| names.iter().filter_map(Value::as_str).collect());
        let (mut results, mut good) = (Vec::new(), 0);
        for (at, given) in data.iter().enumerate() {
            match self.write_one(module, given, at, upsert.then_some(checked.as_deref()), caller) {
                Ok(result) => {
                    good += 1;
                    results.push(result);
                }
                Err(refusal) => results.push(refusal.body()),
            }
        }
        let status = match good {
            0 if !data.is_empty() => 400,
            _ if good < data.len() => 207,
            _ if upsert => 200,
            _ => 201,
        };
        Ok(Answer::json(status, &json!({ "data": results })))
    }

    /// `upsert` holds the fields to look for duplicates by, if they are named; an insert has none.
    fn write_one(
        &mut self,
        module: &'static str,
        given: &Value,
        at: usize,
        upsert: Option<Option<&[&str]>>,
        caller: Caller,
    ) -> Result<Value, Refusal> {
        let table = self.store.table(module).ok_or_else(Refusal::module)?;
        let wrong = |code, message, field: &str| {
            Refusal::bad(code, message)
                .details(json!({ "api_name": field, "json_path": format!("$.data[{at}].{field}") }))
        };
        let mut values = Map::new();
        for field in table.module.fields.iter().filter(|field| !field.read_only) {
            if let Some(value) = given.get(&field.name) {
                let kept = kept(field, value).ok_or_else(|| wrong("INVALID_DATA", "invalid data", &field.name))?;
                values.insert(field.name.clone(), kept);
            }
        }
        let system = match upsert.flatten() {
            Some(named) => named.to_vec(),
            None if upsert.is_some() => vec![table.module.duplicates],
            None => Vec::new(),
        };
        let unique = table.module.fields.iter().filter(|field| field.unique).map(|field| field.name.as_str());
        let duplicate = system.into_iter().chain(unique).find_map(|name| {
            let id = holder(table, name, values.get(name)?)?;
            Some((name.to_owned(), id))
        });
        let full_name = table.module.field("Full_Name").is_some();
        let now = self.clock.now();
        let (id, created, action) = match &duplicate {
            Some((name, _)) if upsert.is_none() => return Err(wrong("DUPLICATE_DATA", "duplicate data", name)),
            Some((_, id)) => {
                let created = table.records.get(id).map_or(now, |record| record.created);
                self.store.update(module, *id, now, |record| {
                    record.values.extend(values);
                    name_fully(&mut record.values, full_name);
                });
                (*id, created, "update")
            }
            None => {
                let missing = table
                    .module
                    .fields
                    .iter()
                    .find(|field| field.mandatory && values.get(&field.name).is_none_or(Value::is_null));
                if let Some(field) = missing {
                    return Err(wrong("MANDATORY_NOT_FOUND", "required field not found", &field.name));
                }
                name_fully(&mut values, full_name);
                let id = self.store.next_id();
                let owner = caller.user % self.users.len();
                let record = Record { id, owner, created: now, modified: now, converted: false, values };
                self.store.insert(module, record, None);
                (id, now, "insert")
            }
        };
        let user = self.user(caller.user);
        let user = json!({ "name": user.name, "id": user.id.to_string() });
        Ok(json!({
            "code": "SUCCESS", "action": action, "duplicate_field": duplicate.map(|(name, _)| name), "status": "success",
            "message": if action == "insert" { "record added" } else { "record updated" },
            "details": {
                "id": id.to_string(), "Created_Time": written(created, caller.offset),
                "Modified_Time": written(now, caller.offset), "Created_By": user, "Modified_By": user,
                "$approval_state": "approved",
            },
        }))
    }
}

/// The record that has this value already.
fn holder(table: &Table, name: &str, value: &Value) -> Option<u64> {
    if value.is_null() {
        return None;
    }
    table
        .records
        .values()
        .find(|record| !record.converted && record.values.get(name) == Some(value))
        .map(|record| record.id)
}

/// A value as it is kept, or none if the field cannot hold it.
fn kept(field: &Field, value: &Value) -> Option<Value> {
    if value.is_null() {
        return Some(Value::Null);
    }
    let right = match field.kind {
        Kind::Lookup => return value.get("id").or(Some(value)).filter(|id| id.is_string()).cloned(),
        Kind::BigInt => return Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned).into()),
        Kind::Boolean => value.is_boolean(),
        Kind::Integer | Kind::Currency => value.is_number(),
        Kind::MultiPicklist | Kind::Tag => value.is_array(),
        Kind::Owner | Kind::User | Kind::Subform | Kind::MultiLookup | Kind::DateTime => false,
        _ => value.is_string(),
    };
    right.then(|| value.clone())
}

fn name_fully(values: &mut Map<String, Value>, wanted: bool) {
    if !wanted {
        return;
    }
    let part = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
    let full = format!("{} {}", part("First_Name"), part("Last_Name"));
    values.insert("Full_Name".into(), full.trim().into());
}
