//! Holds a part of the file against a JSON schema and reports all that does not fit, each at its place.
//!
//! One checker serves our own keys and the connectors' configurations. It knows what `schemars` writes for serde types:
//! `$ref`, `allOf`, `anyOf` / `oneOf` with every way of tagging, `enum`, `const`, bounds and closed objects. Patterns and
//! formats are left to whoever reads the value. Choosing among alternatives is in [`super::alternatives`].

use serde_json::Value as Schema;

use super::jsonschema::{article, branches, constants, is_of, types};
use super::secret;
use super::suggest;
use super::tree::{Entry, Node, Table, Value};
use crate::diagnostic::{Problem, Span};

pub const DEPTH: usize = 64;

/// What a check runs with.
pub struct Checker<'a> {
    /// Holds the definitions that references name.
    pub(super) root: &'a Schema,
    /// Keys that the table checked first may have besides its own: somebody else's.
    others: Vec<&'a str>,
    pub problems: Vec<Problem>,
    /// Places that are secret by the schema, references excepted.
    pub secrets: Vec<Span>,
}

impl<'a> Checker<'a> {
    pub fn new(root: &'a Schema) -> Self {
        Self { root, others: Vec::new(), problems: Vec::new(), secrets: Vec::new() }
    }

    /// Lets the first table have these keys too.
    pub fn besides(mut self, others: Vec<&'a str>) -> Self {
        self.others = others;
        self
    }

    /// Checks a table whose own place is `span` and whose name for messages is `name`.
    pub fn table(&mut self, table: &Table, span: Span, name: &str) {
        let others = std::mem::take(&mut self.others);
        self.object(self.root, table, span, name, &others, 0);
        self.alternatives(self.root, &Node { span, value: Value::Table(table.clone()) }, name, 0);
    }

    pub(super) fn resolve(&self, schema: &'a Schema) -> &'a Schema {
        let mut schema = schema;
        for _ in 0..DEPTH {
            let Some(reference) = schema.get("$ref").and_then(Schema::as_str) else { break };
            let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else {
                break;
            };
            schema = target;
        }
        schema
    }

    pub(super) fn is_secret(schema: &Schema) -> bool {
        let named = |schema: &Schema| {
            schema.get("$ref").and_then(Schema::as_str).is_some_and(|reference| reference.ends_with("/SecretRef"))
        };
        named(schema) || branches(schema, "allOf").iter().any(named)
    }

    pub(super) fn check(&mut self, schema: &'a Schema, node: &Node, name: &str, depth: usize) {
        if depth > DEPTH {
            return;
        }
        if Self::is_secret(schema) && !matches!(node.value, Value::Table(_)) {
            secret::scalars(node, &mut self.secrets);
            self.problems.push(secret::refusal(name, node.span));
            return;
        }
        let schema = self.resolve(schema);
        for part in branches(schema, "allOf") {
            self.check(part, node, name, depth + 1);
        }
        if !self.fits_type(schema, node) {
            let expected = types(schema).iter().map(|name| article(name)).collect::<Vec<_>>().join(" or ");
            self.problems.push(
                mismatch(name, &expected, node).maybe_help(layout(&expected, node, name).or(example(schema, name))),
            );
            return;
        }
        self.listed(schema, node, name);
        self.bounds(schema, node, name);
        match &node.value {
            Value::Table(table) => self.object(schema, table, node.span, name, &[], depth),
            Value::Array(items) => {
                if let Some(each) = schema.get("items") {
                    for (number, item) in items.iter().enumerate() {
                        // Tables of an array are told apart by their place, and a secret is named by its key.
                        let plain = item.as_table().is_some() || Self::is_secret(each);
                        let name = if plain { name.to_owned() } else { format!("{name}[{number}]") };
                        self.check(each, item, &name, depth + 1);
                    }
                }
            }
            _ => {}
        }
        self.alternatives(schema, node, name, depth);
    }

    pub(super) fn fits_type(&self, schema: &Schema, node: &Node) -> bool {
        let types = types(schema);
        types.is_empty() || types.iter().any(|name| is_of(name, &node.value))
    }

    /// `enum` and `const`.
    fn listed(&mut self, schema: &Schema, node: &Node, name: &str) {
        let Some(allowed) = constants(schema) else { return };
        if !allowed.contains(&node.to_json()) {
            self.unlisted(&allowed, node, name);
        }
    }

    pub(super) fn unlisted(&mut self, allowed: &[Schema], node: &Node, name: &str) {
        let names: Vec<&str> = allowed.iter().filter_map(Schema::as_str).collect();
        let problem = match node.as_text() {
            Some(text) => Problem::new(node.span, format!("`{name}` cannot be `{text}`"))
                .maybe_help(suggest::help(text, names.iter().copied())),
            None => mismatch(name, "a string", node).maybe_help(suggest::known(&names)),
        };
        self.problems.push(problem);
    }

    fn bounds(&mut self, schema: &Schema, node: &Node, name: &str) {
        let bound = |key: &str| schema.get(key).and_then(Schema::as_f64);
        let at_least = |value: f64, key: &str| bound(key).filter(|least| value < *least);
        let at_most = |value: f64, key: &str| bound(key).filter(|most| value > *most);
        let wrong = match &node.value {
            Value::Integer(_) | Value::Float(_) => {
                let value =
                    if let Value::Float(value) = node.value { value } else { node.to_json().as_f64().unwrap_or(0.0) };
                let above = bound("exclusiveMinimum").filter(|least| value <= *least);
                at_least(value, "minimum")
                    .map(|least| format!("must be at least {least}"))
                    .or_else(|| above.map(|least| format!("must be above {least}")))
                    .or_else(|| at_most(value, "maximum").map(|most| format!("must be at most {most}")))
            }
            Value::String(text) => {
                let short = bound("minLength").is_some_and(|least| (text.trim().chars().count() as f64) < least);
                short.then(|| "must not be empty".to_owned())
            }
            Value::Array(items) => bound("minItems")
                .is_some_and(|least| (items.len() as f64) < least)
                .then(|| "must not be empty".to_owned()),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.problems.push(Problem::new(node.span, format!("`{name}` {wrong}")));
        }
    }

    fn object(&mut self, schema: &'a Schema, table: &Table, span: Span, name: &str, others: &[&str], depth: usize) {
        let own = self.properties(schema, depth);
        let candidates = || own.iter().map(|(key, _)| *key).chain(others.iter().copied());
        let rest = schema.get("additionalProperties").or_else(|| schema.get("unevaluatedProperties"));
        let closed = rest.and_then(Schema::as_bool) == Some(false);
        let required: Vec<&str> = branches(schema, "required").iter().filter_map(Schema::as_str).collect();
        let missing: Vec<&str> =
            required.into_iter().filter(|key| table.get(key).is_none() && !others.contains(key)).collect();
        let mut meant = Vec::new();
        for entry in &table.0 {
            let key = entry.key.as_str();
            if others.contains(&key) {
                continue;
            }
            if let Some((_, property)) = own.iter().find(|(known, _)| *known == key) {
                if schema.get("properties").and_then(|own| own.get(key)).is_some() {
                    self.check(property, &entry.node, key, depth + 1);
                }
                continue;
            }
            let near = suggest::nearest(key, candidates());
            let for_missing = near.filter(|near| missing.contains(near));
            if closed || for_missing.is_some() {
                self.problems.push(unknown(entry, candidates()));
                meant.extend(for_missing);
            } else if let Some(each) = rest.filter(|rest| rest.is_object()) {
                let named = name.is_empty() || Self::is_secret(each);
                let path = if named { key.to_owned() } else { format!("{name}.{key}") };
                self.check(each, &entry.node, &path, depth + 1);
            }
        }
        for key in missing.into_iter().filter(|key| !meant.contains(key)) {
            let property = own.iter().find(|(known, _)| *known == key);
            self.problems
                .push(absent(key, name, span).maybe_help(property.and_then(|(_, property)| mend(key, property))));
        }
        if schema.get("maxProperties").and_then(Schema::as_u64) == Some(1) && table.0.len() != 1 {
            self.one_of(own.iter().map(|(key, _)| *key), table, span, name);
        }
    }

    /// A table that must have exactly one of its keys.
    pub(super) fn one_of<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k str> + Clone,
        table: &Table,
        span: Span,
        name: &str,
    ) {
        // An unknown key has been reported already.
        if table.keys().all(|key| keys.clone().any(|known| known == key)) {
            let keys: Vec<_> = keys.map(|key| format!("`{key}`")).collect();
            self.problems.push(Problem::new(span, format!("`{name}` must have exactly one of {}", keys.join(", "))));
        }
    }

    /// The properties of an object, with those of its parts.
    fn properties(&self, schema: &'a Schema, depth: usize) -> Vec<(&'a str, &'a Schema)> {
        let mut found: Vec<(&str, &Schema)> = Vec::new();
        if let Some(own) = schema.get("properties").and_then(Schema::as_object) {
            found.extend(own.iter().map(|(key, schema)| (key.as_str(), schema)));
        }
        if depth < DEPTH {
            for part in ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| branches(schema, key)) {
                for (key, schema) in self.properties(self.resolve(part), depth + 1) {
                    if found.iter().all(|(known, _)| *known != key) {
                        found.push((key, schema));
                    }
                }
            }
        }
        found
    }
}

pub fn mismatch(name: &str, expected: &str, node: &Node) -> Problem {
    let found = match &node.value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "an array",
        Value::Table(_) => "a table",
    };
    let expected = expected.replace("a null or ", "").replace(" or a null", "");
    Problem::new(node.span, format!("`{name}` must be {expected}, not {found}"))
}

pub fn unknown<'k>(entry: &Entry, candidates: impl Iterator<Item = &'k str>) -> Problem {
    Problem::new(entry.key_span, format!("unknown key `{}`", entry.key))
        .maybe_help(suggest::help(&entry.key, candidates))
}

/// The line to add for a key that is missing.
fn mend(key: &str, schema: &Schema) -> Option<String> {
    if Checker::is_secret(schema) {
        return Some(format!("add `{}`", secret::reference(key)));
    }
    let text = || types(schema).contains(&"string").then(|| format!("`{key} = \"…\"`"));
    example(schema, key).or_else(text).map(|line| format!("add {line}"))
}

/// A line that would be right.
pub fn example(schema: &Schema, name: &str) -> Option<String> {
    let example = schema.get("examples").and_then(|examples| examples.get(0))?;
    Some(format!("`{} = {example}`", name.rsplit('.').next().unwrap_or(name)))
}

/// What to do where a list is wanted and something else is there.
pub fn layout(expected: &str, node: &Node, name: &str) -> Option<String> {
    match node.value {
        _ if expected != "an array" => None,
        Value::Table(_) => Some(format!("each one has a header of its own: `[[{name}]]`")),
        _ => Some(format!("a list is written in brackets: `{name} = [ … ]`")),
    }
}

pub fn absent(key: &str, name: &str, span: Span) -> Problem {
    let place = if name.is_empty() { String::new() } else { format!(" in `{name}`") };
    Problem::new(span, format!("`{key}` is missing{place}")).missing()
}
