//! A mapping of a stream to an entity of the common customer model.

use serde_json::{Value as Json, json};

use super::fingerprint;
use super::reader::Reader;
use super::tree::{Entry, Node, Table, Value};
use crate::diagnostic::{Span, Spanned};

/// One `[[map]]`.
#[derive(Debug, Clone)]
pub struct Map {
    pub from: StreamRef,
    /// The entity.
    pub to: Spanned<String>,
    /// SQL: which rows.
    pub where_: Option<Spanned<String>>,
    /// SQL expressions that together name a row of the target; empty: the stream's own key.
    pub key: Vec<Spanned<String>>,
    /// A nested list: one row per element.
    pub each: Option<Spanned<String>>,
    /// In the order of the file.
    pub fields: Vec<(Spanned<String>, FieldExpr)>,
    pub identifiers: Vec<Identifier>,
    /// The header.
    pub span: Span,
}

/// `from = "stores.members"`; each part with its own place.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRef {
    pub source: Spanned<String>,
    pub stream: Spanned<String>,
    /// The whole string.
    pub span: Span,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldExpr {
    /// SQL over the stream's columns.
    Sql(Spanned<String>),
    /// A column, whatever its name.
    Column(Spanned<String>),
    /// The same text in every row.
    Constant(Spanned<String>),
}

/// One `[[map.identifiers]]`.
#[derive(Debug, Clone)]
pub struct Identifier {
    pub type_: Spanned<String>,
    /// A shop, an app, a programme; a plain string is a [`FieldExpr::Constant`].
    pub scope: Option<FieldExpr>,
    pub value: FieldExpr,
    pub valid_from: Option<FieldExpr>,
    pub valid_to: Option<FieldExpr>,
    pub span: Span,
}

impl FieldExpr {
    pub fn span(&self) -> Span {
        self.text().span
    }

    fn text(&self) -> &Spanned<String> {
        match self {
            Self::Sql(text) | Self::Column(text) | Self::Constant(text) => text,
        }
    }

    fn meaning(&self) -> Json {
        match self {
            Self::Sql(sql) => json!({ "sql": fingerprint::sql(sql) }),
            Self::Column(column) => json!({ "column": column.value }),
            Self::Constant(text) => json!({ "constant": text.value }),
        }
    }
}

impl Identifier {
    /// All its expressions.
    pub fn expressions(&self) -> impl Iterator<Item = &FieldExpr> {
        [self.scope.as_ref(), Some(&self.value), self.valid_from.as_ref(), self.valid_to.as_ref()].into_iter().flatten()
    }

    fn meaning(&self) -> Json {
        let meaning = |expression: &Option<FieldExpr>| expression.as_ref().map(FieldExpr::meaning);
        json!({
            "type": self.type_.value,
            "scope": meaning(&self.scope),
            "value": self.value.meaning(),
            "valid_from": meaning(&self.valid_from),
            "valid_to": meaning(&self.valid_to),
        })
    }
}

impl Map {
    /// What the mapping means, in canonical form: neither layout nor place nor the order of fields changes it.
    pub fn fingerprint(&self) -> String {
        let mut identifiers: Vec<String> =
            self.identifiers.iter().map(|identifier| fingerprint::canonical(&identifier.meaning())).collect();
        identifiers.sort();
        let fields: serde_json::Map<String, Json> =
            self.fields.iter().map(|(target, from)| (target.value.clone(), from.meaning())).collect();
        fingerprint::canonical(&json!({
            "from": [self.from.source.value, self.from.stream.value],
            "to": self.to.value,
            "where": self.where_.as_ref().map(|sql| fingerprint::sql(sql)),
            "key": self.key.iter().map(|sql| fingerprint::sql(sql)).collect::<Vec<_>>(),
            "each": self.each.as_ref().map(|sql| fingerprint::sql(sql)),
            "fields": fields,
            "identifiers": identifiers,
        }))
    }
}

/// `None` if the map lacks what makes it one; that has been reported.
pub(super) fn read(span: Span, table: &Table, reader: &mut Reader<'_>) -> Option<Map> {
    let from = reader.text(table, "from").and_then(|text| stream_ref(&text, reader));
    let key = match table.get("key").map(|entry| &entry.node) {
        Some(Node { value: Value::Array(_), .. }) => reader.texts(table, "key").unwrap_or_default(),
        _ => reader.text(table, "key").into_iter().collect(),
    };
    let fields = reader.table(table, "fields").map_or(&[][..], |(_, fields)| &fields.0);
    let fields = fields
        .iter()
        .filter_map(|entry| Some((Spanned::new(entry.key.clone(), entry.key_span), expression(entry, FieldExpr::Sql)?)))
        .collect();
    let identifiers = reader.tables(table, "identifiers");
    Some(Map {
        from: from?,
        to: reader.required(table, "to", span),
        where_: reader.text(table, "where"),
        key,
        each: reader.text(table, "each"),
        fields,
        identifiers: identifiers.into_iter().filter_map(|(node, table)| identifier(node.span, table, reader)).collect(),
        span,
    })
}

fn stream_ref(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<StreamRef> {
    // A source's name has no dot, a stream's may.
    let Some((source, stream)) =
        text.value.split_once('.').filter(|(source, stream)| !source.is_empty() && !stream.is_empty())
    else {
        if !text.value.is_empty() {
            reader.problem(text.span, format!("`{text}` names no stream"), "`from = \"<source>.<stream>\"`");
        }
        return None;
    };
    let part =
        |part: &str, at: usize| Spanned::new(part.to_owned(), reader.file.inside(text.span, at..at + part.len()));
    Some(StreamRef { source: part(source, 0), stream: part(stream, source.len() + 1), span: text.span })
}

fn identifier(span: Span, table: &Table, reader: &Reader<'_>) -> Option<Identifier> {
    let optional = |key: &str| table.get(key).and_then(|entry| expression(entry, FieldExpr::Sql));
    Some(Identifier {
        type_: reader.text(table, "type")?,
        scope: table.get("scope").and_then(|entry| expression(entry, FieldExpr::Constant)),
        value: optional("value")?,
        valid_from: optional("valid_from"),
        valid_to: optional("valid_to"),
        span,
    })
}

/// `plain` says what a bare string is.
fn expression(entry: &Entry, plain: fn(Spanned<String>) -> FieldExpr) -> Option<FieldExpr> {
    let node = &entry.node;
    match &node.value {
        Value::String(text) => Some(plain(Spanned::new(text.clone(), node.span))),
        Value::Table(table) => {
            let [inner] = table.0.as_slice() else { return None };
            let text = Spanned::new(constant(&inner.node)?, inner.node.span);
            match inner.key.as_str() {
                "column" => Some(FieldExpr::Column(text)),
                "sql" => Some(FieldExpr::Sql(text)),
                "constant" | "value" => Some(FieldExpr::Constant(text)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn constant(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) | Value::Datetime(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Array(_) | Value::Table(_) => None,
    }
}
