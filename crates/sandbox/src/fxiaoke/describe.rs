//! What the tenant tells of its objects.

use serde_json::{Value, json};

use super::Tenant;
use super::query::object_name;
use super::refusal::{Refusal, success};
use super::schema::Object;
use crate::http::Answer;

impl Tenant {
    /// One object and its fields, of either kind. Clients name it within `data` or beside it.
    pub(super) fn describe(&self, body: &Value) -> Result<Answer, Refusal> {
        let table = object_name(body).and_then(|name| self.store.table(name));
        let object = &table.ok_or_else(|| Refusal::parameter("apiName"))?.object;
        let fields = object.fields.iter().map(|field| (field.name.clone(), field.described())).collect();
        let describe = json!({
            "api_name": object.name, "display_name": object.label, "define_type": define_type(object), "is_active": true,
            "store_table_name": object.name.to_ascii_lowercase(), "fields": Value::Object(fields),
        });
        Ok(success(json!({ "data": { "describe": describe } })))
    }

    pub(super) fn list(&self) -> Answer {
        let shown = |object: &Object| {
            json!({
                "describeApiName": object.name, "describeDisplayName": object.label, "defineType": define_type(object),
                "isActive": true,
            })
        };
        let objects: Vec<Value> = self.store.tables.iter().map(|table| shown(&table.object)).collect();
        success(json!({ "data": { "objects": objects } }))
    }
}

fn define_type(object: &Object) -> &'static str {
    if object.custom() { "custom" } else { "package" }
}
