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
    /// Whether likely edges look at it.
    pub evidence: bool,
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

/// Whether, and from which probability on, likeness makes an edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likely {
    pub threshold: f64,
    /// Train a new model in place of the one that is kept.
    pub retrain: bool,
}

/// All rules of a merge.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `None`: certain edges only.
    pub likely: Option<Likely>,
    /// Sources that have each person once: no two of their records are one customer.
    pub deduplicated: Vec<String>,
    /// The first type that names an order's customer wins.
    pub identifiers: Vec<IdentifierRule>,
    pub default: FieldRule,
    pub fields: Vec<(String, FieldRule)>,
}

impl Rules {
    /// The same, with a new match model if it is asked for.
    #[must_use]
    pub fn retrained(mut self, retrain: bool) -> Self {
        if let Some(likely) = &mut self.likely {
            likely.retrain = retrain;
        }
        self
    }

    pub fn field(&self, name: &str) -> &FieldRule {
        self.fields.iter().find(|(field, _)| field == name).map_or(&self.default, |(_, rule)| rule)
    }

    /// The types whose values tie records or keep them apart, as an SQL list.
    pub(crate) fn kinds_sql(&self) -> String {
        let kinds = self.identifiers.iter().filter(|rule| rule.strong || rule.unique);
        let kinds: Vec<_> = kinds.map(|rule| quoted(&rule.kind)).collect();
        if kinds.is_empty() { "''".into() } else { kinds.join(", ") }
    }

    /// The types that likely edges do not look at, as the rest of an SQL list.
    pub(crate) fn ignored_sql(&self) -> String {
        let ignored = self.identifiers.iter().filter(|rule| !rule.evidence);
        ignored.map(|rule| format!(", {}", quoted(&rule.kind))).collect()
    }

    pub(crate) fn identity_fingerprint(&self) -> String {
        let likely = self.likely.map(|likely| likely.threshold);
        hash(&format!("{:?} {likely:?} {:?}", self.identifiers, self.deduplicated))
    }

    pub(crate) fn golden_fingerprint(&self) -> String {
        let order: Vec<_> = self.identifiers.iter().map(|rule| &rule.kind).collect();
        hash(&format!("{:?} {:?} {order:?}", self.default, self.fields))
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(crate) fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}
