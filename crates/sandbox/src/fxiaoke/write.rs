//! Writing records: create, update, another owner, and the two steps of deleting.
//!
//! What goes away is first declared void (作废), which can be taken back, and then deleted, which cannot. A new order whose
//! request leaves approval flows on, as the vendor does by default, is under review and not in force. A create that is sent
//! twice makes two records. Written records belong to nobody: the truth does not know them.

use serde_json::{Map, Value, json};

use super::Tenant;
use super::auth::Caller;
use super::refusal::{Refusal, success};
use super::schema::{Field, Kind, Object};
use super::staff::Employee;
use super::store::Record;
use crate::clock::DAY;
use crate::http::Answer;

/// The object whose new records an approval flow waits for.
const APPROVED: &str = "SalesOrderObj";

/// Milliseconds that Shanghai is ahead.
const EAST: i64 = 8 * 3_600_000;

impl Tenant {
    pub(super) fn create(&mut self, body: &Value, custom: bool, caller: Caller) -> Result<Answer, Refusal> {
        let object = self.writable(body, custom)?;
        let data = body.get("data").unwrap_or(&Value::Null);
        let given = data.get("object_data").ok_or_else(|| Refusal::parameter("object_data"))?;
        let values = self.values(&object, given)?;
        if let Some(field) = object.fields.iter().find(|field| field.required && missing(field, &values)) {
            return Err(Refusal::value(&format!("field {} is required", field.name)));
        }
        let details = data.get("details").and_then(Value::as_object);
        let mut rows = Vec::new();
        for (name, given) in details.into_iter().flatten() {
            let table = self.store.table(name).ok_or_else(|| Refusal::parameter("details"))?;
            let object = table.object.clone();
            for row in given.as_array().into_iter().flatten() {
                rows.push((object.name, self.values(&object, row)?));
            }
        }
        let owner = given.get("owner").and_then(|owner| owner.get(0)).and_then(Value::as_str);
        let owner = owner.and_then(|id| self.staff.iter().position(|one| one.is(id))).unwrap_or(caller.employee);
        let flows = body.get("triggerApprovalFlow").and_then(Value::as_bool).unwrap_or(true);
        let status = if flows && object.name == APPROVED { "under_review" } else { "normal" };
        let id = self.enter(object.name, values, owner, status);
        for (name, mut row) in rows {
            row.insert("order_id".into(), id.as_str().into());
            self.enter(name, row, owner, status);
        }
        Ok(success(json!({ "dataId": id })))
    }

    /// Puts a written record in.
    fn enter(
        &mut self,
        object: &'static str,
        mut values: Map<String, Value>,
        owner: usize,
        status: &'static str,
    ) -> String {
        let now = self.clock.milliseconds();
        self.number(object, now, &mut values);
        let id = self.store.next_id(now);
        let record = Record {
            id: id.clone(),
            owner,
            modified_by: owner,
            created: now,
            modified: now,
            life_status: status,
            version: 1,
            values,
        };
        self.store.insert(object, record, None);
        id
    }

    pub(super) fn update(&mut self, body: &Value, custom: bool, caller: Caller) -> Result<Answer, Refusal> {
        let object = self.writable(body, custom)?;
        let given = body.get("data").and_then(|data| data.get("object_data"));
        let given = given.ok_or_else(|| Refusal::parameter("object_data"))?;
        if given.get("owner").is_some() {
            return Err(Refusal::value("field owner is changed by changeOwner only"));
        }
        let id = given.get("_id").and_then(Value::as_str).ok_or_else(|| Refusal::parameter("_id"))?;
        let values = self.values(&object, given)?;
        self.write_to(&object, id, caller, |record| record.values.extend(values))?;
        Ok(success(json!({})))
    }

    pub(super) fn change_owner(&mut self, body: &Value, custom: bool, caller: Caller) -> Result<Answer, Refusal> {
        let object = self.writable(body, custom)?;
        let pairs = body.get("data").and_then(|data| data.get("Data")).and_then(Value::as_array).cloned();
        for pair in pairs.ok_or_else(|| Refusal::parameter("Data"))? {
            let id = pair.get("objectDataId").and_then(Value::as_str).unwrap_or_default();
            let owner = pair.get("ownerId").and_then(|ids| ids.get(0)).and_then(Value::as_str).unwrap_or_default();
            let owner = self.staff.iter().position(|one| one.is(owner)).ok_or_else(Refusal::employee)?;
            self.write_to(&object, id, caller, |record| record.owner = owner)?;
        }
        Ok(success(json!({})))
    }

    /// Declares records void, or takes that back.
    pub(super) fn set_life(
        &mut self,
        body: &Value,
        custom: bool,
        caller: Caller,
        status: &'static str,
    ) -> Result<Answer, Refusal> {
        let object = self.writable(body, custom)?;
        for id in ids(body)? {
            if self.store.record(object.name, &id).is_some_and(|record| record.life_status == status) {
                return Err(Refusal::record("数据状态不允许此操作"));
            }
            self.write_to(&object, &id, caller, |_| ())?;
            self.store.set_life(object.name, &id, self.clock.milliseconds(), status);
        }
        Ok(success(json!({})))
    }

    /// Deletes records that are void already.
    pub(super) fn delete(&mut self, body: &Value, custom: bool) -> Result<Answer, Refusal> {
        let object = self.writable(body, custom)?;
        let ids = ids(body)?;
        let void = |id: &String| self.store.record(object.name, id).is_some_and(Record::invalid);
        if !ids.iter().all(void) {
            return Err(Refusal::record("只能删除已作废的数据"));
        }
        ids.iter().for_each(|id| {
            self.store.delete(object.name, id);
        });
        Ok(success(json!({})))
    }

    fn writable(&self, body: &Value, custom: bool) -> Result<Object, Refusal> {
        let object = self.asked(body, custom)?.object.clone();
        if object.of_tenant() { Err(Refusal::permission()) } else { Ok(object) }
    }

    fn write_to(
        &mut self,
        object: &Object,
        id: &str,
        caller: Caller,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), Refusal> {
        let record = self.store.record(object.name, id).ok_or_else(|| Refusal::record("数据不存在"))?;
        let seen = self.store.table(object.name).is_some_and(|table| self.visible(table, record, caller));
        if !seen {
            return Err(Refusal::permission());
        }
        let now = self.clock.milliseconds();
        self.store.update(object.name, id, now, |record| {
            change(record);
            record.modified_by = caller.employee;
        });
        Ok(())
    }

    /// What a request gives of an object's own fields, as it is kept. Fields that are not known are passed over.
    fn values(&self, object: &Object, given: &Value) -> Result<Map<String, Value>, Refusal> {
        let mut values = Map::new();
        for field in object.fields.iter().filter(|field| !field.system && !field.kind.computed()) {
            if let Some(value) = given.get(&field.name) {
                let kept = kept(field, value, &self.staff);
                let kept =
                    kept.ok_or_else(|| Refusal::value(&format!("the value of field {} is illegal", field.name)))?;
                values.insert(field.name.clone(), kept);
            }
        }
        Ok(values)
    }
}

fn missing(field: &Field, values: &Map<String, Value>) -> bool {
    !field.system && field.kind != Kind::AutoNumber && values.get(&field.name).is_none_or(Value::is_null)
}

/// The ids of a request: one, or a list.
fn ids(body: &Value) -> Result<Vec<String>, Refusal> {
    let data = body.get("data").unwrap_or(&Value::Null);
    if let Some(id) = data.get("object_data_id").and_then(Value::as_str) {
        return Ok(vec![id.to_owned()]);
    }
    let list = data.get("idList").and_then(Value::as_array).ok_or_else(|| Refusal::parameter("idList"))?;
    Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// A value as it is kept, or none if the field cannot hold it.
fn kept(field: &Field, value: &Value, staff: &[Employee]) -> Option<Value> {
    if value.is_null() {
        return Some(Value::Null);
    }
    let right = match field.kind {
        Kind::Number | Kind::Currency | Kind::Percentile => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return text.parse::<f64>().is_ok().then(|| text.into());
        }
        Kind::Employee => {
            let index = |id: &Value| staff.iter().position(|one| id.as_str().is_some_and(|id| one.is(id)));
            return value.as_array()?.iter().map(|id| index(id).map(Value::from)).collect();
        }
        // The time of day of a date is passed over.
        Kind::Date => return value.as_i64().map(|at| (at - (at + EAST).rem_euclid(1_000 * DAY)).into()),
        Kind::DateTime => value.is_i64() || value.is_u64(),
        Kind::SelectOne => value.as_str().is_some_and(|value| field.values.iter().any(|(_, known)| *known == value)),
        Kind::SelectMany | Kind::Department | Kind::Images | Kind::Team => value.is_array(),
        Kind::Bool => value.is_boolean(),
        _ => value.is_string(),
    };
    right.then(|| value.clone())
}
