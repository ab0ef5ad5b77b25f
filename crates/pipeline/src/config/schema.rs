//! One JSON schema of pipeline files for editors: our keys, and each connector's under the sources that name it.

use serde_json::{Map, Value, json};
use tributary_connector::Registry;

use super::keys;

/// The schema for these connectors (`tributary schema`). Descriptions and defaults are those of the reference page.
pub fn json_schema(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    let mut choices = Vec::new();
    for factory in registry.iter() {
        let name = factory.name();
        let source = source_of(name, factory.summary(), factory.schema(), &mut definitions);
        definitions.insert(format!("source.{name}"), source);
        choices.push(json!({
            "if": { "required": ["connector"], "properties": { "connector": { "const": name } } },
            "then": { "$ref": format!("#/$defs/source.{name}") },
        }));
    }
    let source = json!({
        "type": "object",
        "required": ["connector"],
        "properties": { "connector": { "type": "string", "enum": registry.names().collect::<Vec<_>>() } },
        "allOf": choices,
    });

    let mut schema = keys::PIPELINE.clone();
    if let Some(sources) = schema.pointer_mut("/properties/sources/additionalProperties") {
        *sources = source;
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".to_owned(), "A Tributary pipeline".into());
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

/// A connector's schema with our keys added; its definitions move under its name.
fn source_of(name: &str, summary: &str, mut schema: Value, definitions: &mut Map<String, Value>) -> Value {
    rename(&mut schema, name);
    let Some(source) = schema.as_object_mut() else { return schema };
    source.remove("$schema");
    source.remove("title");
    source.insert("description".to_owned(), summary.into());
    if let Some(Value::Object(own)) = source.remove("$defs") {
        definitions.extend(own.into_iter().map(|(key, definition)| (format!("{name}.{key}"), definition)));
    }
    let ours = keys::SOURCE.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required: Vec<String> = source
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|key| key.as_str().map(str::to_owned))
        .filter(|key| !ours.contains_key(key))
        .chain(["connector".to_owned()])
        .collect();
    source.insert("required".to_owned(), json!(required));
    if let Some(properties) = source.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
        properties.extend(ours);
        properties.insert("connector".to_owned(), json!({ "const": name, "description": summary }));
    }
    schema
}

fn rename(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::String(reference) if key == "$ref" => {
                        *reference = reference.replace("#/$defs/", &format!("#/$defs/{name}."));
                    }
                    value => rename(value, name),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, name)),
        _ => {}
    }
}
