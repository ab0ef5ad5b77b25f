//! One record, three shapes: in a list, alone, and in a query's answer or an exported file.
//!
//! A list leaves subforms and multi-select lookups out and cuts rich text; a query shows lookups as ids without names; an
//! export shows bare ids.

use serde_json::{Map, Value, json};

use super::schema::{Field, Kind};
use super::store::{Record, Store, Table, value};
use super::{Crm, User};
use crate::clock::written;

/// Where a list cuts rich text.
const RICH_TEXT: usize = 500;

impl Crm {
    /// A record of a list, with these fields and its id; unknown names are left out.
    pub(super) fn listed(&self, table: &Table, record: &Record, fields: &[&str], offset: i32) -> Value {
        let mut shown = Map::new();
        for name in fields {
            if let Some(field) = table.module.field(name).filter(|field| !field.kind.only_in_single_reads()) {
                let mut value = self.shown(&value(record, field), field, offset);
                if let (Kind::RichText, Value::String(text)) = (field.kind, &mut value) {
                    *text = text.chars().take(RICH_TEXT).collect();
                }
                shown.insert(field.name.clone(), value);
            }
        }
        shown.insert("id".into(), record.id.to_string().into());
        Value::Object(shown)
    }

    /// A record by itself: all fields, with the children.
    pub(super) fn single(&self, table: &Table, record: &Record, offset: i32) -> Value {
        let mut shown = Map::new();
        let mut has_more = Map::new();
        for field in &table.module.fields {
            let value = match field.kind {
                Kind::Subform | Kind::MultiLookup => {
                    has_more.insert(field.name.clone(), false.into());
                    self.children(field, record.id, offset)
                }
                _ => self.shown(&value(record, field), field, offset),
            };
            shown.insert(field.name.clone(), value);
        }
        let extra = json!({
            "$currency_symbol": "¥", "$approved": true, "$editable": true, "$process_flow": false, "$in_merge": false,
            "$field_states": null, "$zia_visions": null, "$has_more": has_more, "Record_Image": null,
            "$approval": { "delegate": false, "approve": false, "reject": false, "resubmit": false },
            "Layout": { "name": "Standard", "id": layout_id(table.module.name) },
        });
        if let Value::Object(extra) = extra {
            shown.extend(extra);
        }
        if table.module.name == "Leads" {
            shown.insert("$converted".into(), record.converted.into());
        }
        Value::Object(shown)
    }

    /// The rows of a subform or of a multi-select lookup.
    fn children(&self, field: &Field, parent: u64, offset: i32) -> Value {
        let Some(table) = field.target.and_then(|target| self.store.table(target)) else {
            return json!([]);
        };
        let subform = field.kind == Kind::Subform;
        let link = if subform { "Parent_Id" } else { "Contact" };
        let parent = Value::from(parent.to_string());
        let rows = table.records.values().filter(|row| row.values.get(link) == Some(&parent));
        let rows = rows.map(|row| {
            let names: Vec<&str> = if subform {
                table.module.fields.iter().map(|field| field.name.as_str()).collect()
            } else {
                vec![field.name.as_str()]
            };
            let mut shown = self.listed(table, row, &names, offset);
            if subform {
                shown["$in_merge"] = false.into();
                shown["$field_states"] = Value::Null;
                shown["$zia_visions"] = Value::Null;
                shown["Layout"] = json!({ "name": "Standard", "id": layout_id(table.module.name) });
            } else {
                shown["$has_more"] = json!({});
            }
            shown
        });
        Value::Array(rows.collect())
    }

    /// A value as lists and single records show it.
    fn shown(&self, value: &Value, field: &Field, offset: i32) -> Value {
        match (field.kind, value) {
            (Kind::DateTime, Value::Number(seconds)) => written(seconds.as_i64().unwrap_or_default(), offset).into(),
            (Kind::Owner | Kind::User, Value::Number(user)) => {
                let user = self.user(user.as_u64().unwrap_or_default() as usize);
                json!({ "name": user.name, "id": user.id.to_string(), "email": user.email })
            }
            (Kind::Lookup, Value::String(id)) => {
                json!({ "name": self.title_of(field, id), "id": id })
            }
            _ => value.clone(),
        }
    }

    /// A value as a query shows it.
    pub(super) fn queried(&self, record: &Record, field: &Field, offset: i32) -> Value {
        let value = value(record, field);
        match (field.kind, &value) {
            (Kind::Lookup, Value::String(id)) => json!({ "id": id }),
            (Kind::Owner | Kind::User, Value::Number(user)) => {
                json!({ "id": self.user(user.as_u64().unwrap_or_default() as usize).id.to_string() })
            }
            _ => self.shown(&value, field, offset),
        }
    }

    /// A value as a cell of an exported file.
    pub(super) fn cell(&self, record: &Record, field: &Field, offset: i32) -> String {
        let value = value(record, field);
        match (field.kind, &value) {
            (Kind::Lookup, Value::String(id)) => id.clone(),
            (Kind::Owner | Kind::User, Value::Number(user)) => {
                self.user(user.as_u64().unwrap_or_default() as usize).id.to_string()
            }
            _ => plain(&self.shown(&value, field, offset)),
        }
    }

    /// The value of `Account_Name.Account_Name`: a field of the record that a lookup leads to.
    pub(super) fn beyond<'a>(&'a self, table: &Table, record: &Record, path: &str) -> Option<(&'a Record, &'a Field)> {
        let (lookup, name) = path.split_once('.')?;
        let target = self.store.table(table.module.field(lookup)?.target?)?;
        let id: u64 = record.values.get(lookup)?.as_str()?.parse().ok()?;
        Some((target.records.get(&id)?, target.module.field(name)?))
    }

    fn title_of(&self, field: &Field, id: &str) -> Option<String> {
        self.store.title(field.target?, id.parse().ok()?)
    }

    pub(super) fn user(&self, index: usize) -> &User {
        &self.users[index % self.users.len()]
    }
}

/// Whether a field, or `Lookup.Field`, can be shown for a module.
pub(super) fn column<'a>(store: &'a Store, table: &'a Table, path: &str) -> Option<&'a Field> {
    match path.split_once('.') {
        None => table.module.field(path),
        Some((lookup, name)) => store.table(table.module.field(lookup)?.target?)?.module.field(name),
    }
}

/// A made-up id for the one layout of a module.
pub(super) fn layout_id(module: &str) -> String {
    let sum = module.bytes().fold(0_u64, |sum, byte| sum * 31 % 1_000_003 + u64::from(byte));
    (4_876_876_000_000_000_000 + sum).to_string()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(";"),
        Value::Object(object) => object.get("name").map(plain).unwrap_or_default(),
        other => other.to_string(),
    }
}
