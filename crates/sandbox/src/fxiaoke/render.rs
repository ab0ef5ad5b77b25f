//! A record as the vendor shows it: values in their form on the wire, and beside some of them what a reader sees (`__r`, `__l`,
//! `__o`, `__relation_ids`).
//!
//! Fields without a value are left out unless nulls are asked for. Companions come with their field, also where only some
//! fields are asked for.

use serde_json::{Map, Value, json};

use super::Tenant;
use super::schema::{Field, Kind};
use super::staff::{Form, department_detail};
use super::store::{Record, Table};

impl Tenant {
    /// A record with these fields.
    pub(super) fn shown(&self, table: &Table, record: &Record, fields: &[&Field], form: Form, nulls: bool) -> Value {
        let mut shown = Map::new();
        shown.insert("object_describe_api_name".into(), table.object.name.into());
        for field in fields {
            let value = self.store.value(record, field, &self.staff);
            if value.is_null() {
                if nulls {
                    shown.insert(field.name.clone(), Value::Null);
                }
                continue;
            }
            self.companions(&mut shown, record, field, &value, form);
            shown.insert(field.name.clone(), self.on_the_wire(field, value, form));
        }
        Value::Object(shown)
    }

    /// The record as its own user reads it, all fields.
    pub(super) fn whole(&self, table: &Table, record: &Record, form: Form) -> Value {
        let fields: Vec<&Field> = table.object.fields.iter().collect();
        self.shown(table, record, &fields, form, false)
    }

    fn on_the_wire(&self, field: &Field, value: Value, form: Form) -> Value {
        match (field.kind, &value) {
            (Kind::Employee, Value::Array(indexes)) => self.employees(indexes, |one| one.shown(form).into()),
            (Kind::Team, Value::Array(indexes)) => self.employees(indexes, |one| {
                json!({ "teamMemberEmployee": [one.shown(form)], "teamMemberRole": "1", "teamMemberPermissionType": "2" })
            }),
            _ => value,
        }
    }

    fn companions(&self, shown: &mut Map<String, Value>, record: &Record, field: &Field, value: &Value, form: Form) {
        let mut add = |suffix: &str, value: Value| {
            shown.insert(format!("{}{suffix}", field.name), value);
        };
        match (field.kind, value) {
            (Kind::Employee, Value::Array(indexes)) => {
                let details = self.employees(indexes, |one| one.detail(form));
                add("__r", details.get(0).cloned().unwrap_or_default());
                add("__l", details);
            }
            (Kind::Department, Value::Array(ids)) => {
                let details: Vec<Value> = ids.iter().filter_map(|id| department_detail(id.as_str()?)).collect();
                add("__r", details.first().cloned().unwrap_or_default());
                add("__l", details.into());
            }
            (Kind::Reference | Kind::MasterDetail, Value::String(id)) => {
                add("__relation_ids", id.as_str().into());
                if let Some(title) = field.target.and_then(|target| self.store.title(target, id)) {
                    add("__r", title);
                }
            }
            (Kind::SelectOne, Value::String(option)) => {
                add("__r", field.label_of(option).into());
                let other = format!("{}__o", field.name);
                if let Some(other) = record.values.get(&other).filter(|_| option == "other") {
                    add("__o", other.clone());
                }
            }
            (Kind::SelectMany, Value::Array(options)) => {
                let labels: Vec<&str> =
                    options.iter().filter_map(Value::as_str).map(|option| field.label_of(option)).collect();
                add("__r", labels.join(",").into());
            }
            (Kind::RichText, Value::String(html)) => add("__o", without_tags(html).into()),
            _ => {}
        }
    }

    fn employees(&self, indexes: &[Value], shown: impl Fn(&super::staff::Employee) -> Value) -> Value {
        let known = |index: &Value| self.staff.get(index.as_u64()? as usize);
        indexes.iter().filter_map(known).map(shown).collect()
    }
}

fn without_tags(html: &str) -> String {
    html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_taken_out() {
        assert_eq!(without_tags("<p>偏爱<b>深色</b></p>好"), "偏爱深色好");
    }
}
