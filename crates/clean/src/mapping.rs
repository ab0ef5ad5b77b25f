//! How a stream becomes an entity.

use tributary_engine::datafusion::sql::sqlparser::ast;
use tributary_lake::TableName;
use tributary_model::Entity;

/// An expression of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    Sql(String),
    /// A column by its exact name.
    Column(String),
    Constant(String),
}

impl Expr {
    /// The expression as SQL.
    pub fn sql(&self) -> String {
        match self {
            Self::Sql(text) => format!("({text}\n)"),
            Self::Column(name) => ident(name),
            Self::Constant(text) => literal(text),
        }
    }
}

/// A name as a quoted SQL identifier.
pub fn ident(name: &str) -> String {
    ast::Ident::with_quote('"', name).to_string()
}

/// Text as an SQL literal.
pub fn literal(text: &str) -> String {
    ast::Value::SingleQuotedString(text.to_owned()).to_string()
}

/// An identifier that a record carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierMapping {
    pub kind: String,
    /// Where the value holds: a shop, an app, a programme. Empty: everywhere.
    pub scope: Expr,
    pub value: Expr,
    pub valid_from: Option<Expr>,
    pub valid_to: Option<Expr>,
}

/// A mapping of a stream to an entity, ready to run.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Names the mapping in state and messages: `stores.members → party`; unique.
    pub id: String,
    pub source: String,
    /// The source's name in the lake, which keys are made of.
    pub in_lake: String,
    pub stream: String,
    pub raw: TableName,
    pub entity: &'static Entity,
    /// Whether the stream has a primary key, so that records may have versions. Where it has none, to look for versions
    /// finds none: this saves work and changes no result.
    pub keyed: bool,
    pub filter: Option<Expr>,
    /// What names the record; empty: the stream's own key.
    pub key: Vec<Expr>,
    /// A nested list, each element of which is a record.
    pub each: Option<Expr>,
    pub fields: Vec<(String, Expr)>,
    pub identifiers: Vec<IdentifierMapping>,
    /// `region|zone|date order` of the source.
    pub options: String,
    pub timezone: chrono_tz::Tz,
    /// The currency of sums that name none.
    pub currency: Option<String>,
    /// Commits of the stream that were undone, from first to last: their rows are as if they had never come. The stream's
    /// watermark moves with them, so they are no part of the fingerprint.
    pub retracted: Vec<(i64, i64)>,
}

impl Mapping {
    /// Changes exactly when the mapping's result may.
    pub fn fingerprint(&self) -> String {
        let meaning = format!(
            "{:?}",
            (
                &self.source,
                &self.stream,
                self.entity.name,
                &self.filter,
                &self.key,
                &self.each,
                &self.fields,
                &self.identifiers,
                &self.options,
                &self.currency,
            )
        );
        blake3::hash(meaning.as_bytes()).to_hex()[..16].to_owned()
    }

    /// Whether a raw row `t` counts, as SQL.
    pub(crate) fn stands(&self) -> String {
        let gone = self.retracted.iter().map(|(first, last)| format!(" AND t._commit NOT BETWEEN {first} AND {last}"));
        format!("TRUE{}", gone.collect::<String>())
    }

    /// Whether several raw rows may make one record, as the lines of a ticket do.
    pub(crate) fn folds(&self) -> bool {
        !self.key.is_empty()
    }

    /// Whether merging looks at what it makes: persons, or records that name one.
    pub(crate) fn merged(&self) -> bool {
        self.entity.name == "party" || self.entity.identified
    }

    /// By which column the mapped rows, and the files made of them, are sorted: what changes with a raw row lies in one place.
    pub(crate) fn place(&self) -> &'static str {
        if self.folds() { "record_key" } else { "_source_key" }
    }

    pub fn maps(&self, field: &str) -> Option<&Expr> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, expr)| expr)
    }
}
