//! What the merge is told: which identifiers tie records together, and which values survive.

use crate::certain::Rule;

/// What equal values of one type of identifier mean.
#[derive(Debug, Clone)]
pub struct IdentifierRule {
    pub kind: String,
    /// Whether equal values make certain edges.
    pub strong: bool,
    /// Whether two unlike values keep people apart.
    pub unique: bool,
    pub rule: Rule,
}

/// How a field of the golden record is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldRule {
    MostRecent,
    MostComplete,
    MostFrequent,
    /// Sources in order; the default decides within one.
    Prefer(Vec<String>),
}

/// All rules of a merge.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The first type that names an order's customer wins.
    pub identifiers: Vec<IdentifierRule>,
    pub default: FieldRule,
    pub fields: Vec<(String, FieldRule)>,
}

impl Rules {
    pub fn field(&self, name: &str) -> &FieldRule {
        self.fields.iter().find(|(field, _)| field == name).map_or(&self.default, |(_, rule)| rule)
    }

    /// The types whose values tie records or keep them apart, as an SQL list.
    pub(crate) fn kinds_sql(&self) -> String {
        let kinds = self.identifiers.iter().filter(|rule| rule.strong || rule.unique);
        let kinds: Vec<_> = kinds.map(|rule| format!("'{}'", rule.kind.replace('\'', "''"))).collect();
        if kinds.is_empty() { "''".into() } else { kinds.join(", ") }
    }

    pub(crate) fn identity_fingerprint(&self) -> String {
        hash(&format!("{:?}", self.identifiers))
    }

    pub(crate) fn golden_fingerprint(&self) -> String {
        let order: Vec<_> = self.identifiers.iter().map(|rule| &rule.kind).collect();
        hash(&format!("{:?} {:?} {order:?}", self.default, self.fields))
    }
}

pub(crate) fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}
