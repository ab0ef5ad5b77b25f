//! What a JSON schema says, as far as the checker asks.

use serde_json::Value as Schema;

use super::tree::Value;

pub fn branches<'s>(schema: &'s Schema, key: &str) -> &'s [Schema] {
    schema.get(key).and_then(Schema::as_array).map_or(&[], Vec::as_slice)
}

pub fn branches_str<'s>(schema: &'s Schema, key: &str) -> Vec<&'s str> {
    branches(schema, key).iter().filter_map(Schema::as_str).collect()
}

pub fn types(schema: &Schema) -> Vec<&str> {
    match schema.get("type") {
        Some(Schema::String(one)) => vec![one],
        Some(Schema::Array(several)) => several.iter().filter_map(Schema::as_str).collect(),
        _ => Vec::new(),
    }
}

pub fn is_null(schema: &Schema) -> bool {
    types(schema) == ["null"]
}

/// The only values a schema allows, if it lists them.
pub fn constants(schema: &Schema) -> Option<Vec<Schema>> {
    if let Some(one) = schema.get("const") {
        return Some(vec![one.clone()]);
    }
    schema.get("enum").and_then(Schema::as_array).cloned()
}

pub fn constants_of(schema: &Schema, property: &str) -> Option<Vec<Schema>> {
    schema.get("properties")?.get(property).and_then(constants)
}

pub fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "string" => matches!(value, Value::String(_) | Value::Datetime(_)),
        "integer" => matches!(value, Value::Integer(_)),
        "number" => matches!(value, Value::Integer(_) | Value::Float(_)),
        "boolean" => matches!(value, Value::Boolean(_)),
        "array" => matches!(value, Value::Array(_)),
        "object" => matches!(value, Value::Table(_)),
        _ => false,
    }
}

pub fn article(name: &str) -> String {
    match name {
        "object" => "a table".to_owned(),
        "integer" | "array" => format!("an {name}"),
        _ => format!("a {name}"),
    }
}
