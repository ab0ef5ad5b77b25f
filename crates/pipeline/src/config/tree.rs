//! The file as a tree in which every key and value knows its place: what the checker and the readers walk.
//!
//! The `toml` crate parses; here its tree becomes ours: owned, in the file's order, with the syntax errors as problems. After
//! a syntax error the rest of the file is still looked at, if it reads well without the lines in question.

use toml::de::{DeTable, DeValue};

use super::syntax;
use crate::diagnostic::{Problem, Span};

/// A value and where it is. A table with a header is at its header; one made by dotted keys is at its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date, a time or both, as TOML writes them.
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

/// Entries in the order of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table(pub Vec<Entry>);

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.key.as_str())
    }
}

impl Node {
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// A string, or a date as its text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) | Value::Datetime(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The value without places, for a connector. A float that is no number becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::String(text) | Value::Datetime(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Boolean(value) => (*value).into(),
            Value::Array(items) => items.iter().map(Node::to_json).collect(),
            Value::Table(table) => table.0.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect(),
        }
    }
}

/// What could be read.
pub(crate) struct Document {
    /// `None` if the file's structure cannot be relied on.
    pub root: Option<Table>,
    /// Syntax errors, at most one a line.
    pub problems: Vec<Problem>,
    /// The tree lacks lines that could not be read.
    pub broken: bool,
}

pub(crate) fn read(text: &str) -> Document {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = Vec::new();
    let mut broken_lines = Vec::new();
    for error in errors {
        let at: Span = error.span().unwrap_or(text.len()..text.len()).into();
        let line = line_of(text, at.start);
        if !syntax::is_duplicate(error.message()) {
            if broken_lines.contains(&line) {
                continue;
            }
            broken_lines.push(line);
        }
        problems.extend(syntax::problem(text, at, error.message()));
    }
    if broken_lines.is_empty() {
        let root = convert_table(table.get_ref(), &mut problems);
        return Document { root: Some(root), problems, broken: false };
    }
    let root = without_lines(text, &broken_lines);
    Document { root, problems, broken: true }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at.min(text.len())).map_or(0, |before| before.matches('\n').count())
}

/// The tree of the file without some lines, if it is sound then; places stay what they were.
fn without_lines(text: &str, broken: &[usize]) -> Option<Table> {
    let mut rest = String::with_capacity(text.len());
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if !broken.contains(&number) {
            rest.push_str(line);
            continue;
        }
        if line.trim_start().starts_with('[') {
            // Without its header a table's keys would belong to another.
            return None;
        }
        let body = line.trim_end_matches(['\r', '\n']);
        rest.push_str(&" ".repeat(body.len()));
        rest.push_str(line.get(body.len()..).unwrap_or(""));
    }
    let (table, errors) = DeTable::parse_recoverable(&rest);
    errors.is_empty().then(|| convert_table(table.get_ref(), &mut Vec::new()))
}

fn convert_table(table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Table {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span().into(),
            node: convert(value, problems),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span);
    Table(entries)
}

fn convert(value: &toml::Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Node {
    let span: Span = value.span().into();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_else(|_| {
                problems.push(Problem::new(span, "the number is too large").help("at most 9223372036854775807"));
                0
            }))
        }
        DeValue::Float(number) => Value::Float(match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            _ => {
                problems.push(Problem::new(span, "the number must be finite"));
                0.0
            }
        }),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(value) => Value::Datetime(value.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| convert(item, problems)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table, problems)),
    };
    Node { span, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'t>(text: &'t str, path: &[&str]) -> (&'t str, &'t str) {
        let root = read(text).root.unwrap();
        let mut table = &root;
        let mut found = ("", "");
        for key in path {
            let entry = table.get(key).unwrap();
            let slice = |span: Span| &text[span.start..span.end];
            found = (slice(entry.key_span), slice(entry.node.span));
            match &entry.node.value {
                Value::Table(inner) => table = inner,
                Value::Array(items) => {
                    if let Some(inner) = items.last().and_then(Node::as_table) {
                        table = inner;
                    }
                }
                _ => {}
            }
        }
        found
    }

    #[test]
    fn every_way_to_write_a_table_has_places() {
        let text = "a.b.c = 1\n[sources.crm]\nx = { \"y z\" = 'v' }\n[[map]]\nq = 1\n[map.fields]\n姓名 = \"n\"\n[[map]]\nq = [1, 2]\n";
        assert_eq!(at(text, &["a"]), ("a", "a"));
        assert_eq!(at(text, &["a", "b", "c"]), ("c", "1"));
        assert_eq!(at(text, &["sources", "crm"]), ("crm", "[sources.crm]"));
        assert_eq!(at(text, &["sources", "crm", "x", "y z"]), ("\"y z\"", "'v'"));
        assert_eq!(at(text, &["map"]), ("map", "[[map]]"));
        assert_eq!(at(text, &["map", "q"]), ("q", "[1, 2]"));
    }

    #[test]
    fn entries_keep_the_order_of_the_file() {
        let root = read("z = 1\na = 2\n[sources.y]\n[sources.b]\n").root.unwrap();
        assert_eq!(root.keys().collect::<Vec<_>>(), ["z", "a", "sources"]);
        let sources = root.get("sources").unwrap().node.as_table().unwrap();
        assert_eq!(sources.keys().collect::<Vec<_>>(), ["y", "b"]);
    }

    #[test]
    fn the_rest_is_read_without_a_broken_line_unless_it_is_a_header() {
        let document = read("a = 1\nb = lake/x\nc = 3\n");
        assert_eq!(document.root.unwrap().keys().collect::<Vec<_>>(), ["a", "c"]);
        assert!(document.broken);
        assert!(read("a = 1\n[sources.crm\nc = 3\n").root.is_none());
        assert!(read("a = \"\"\"\nb = 1\n").root.is_none());
    }
}
