//! How records become people: rules by type of identifier, and which value survives.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::fingerprint;
use super::reader::Reader;
use super::tree::{Entry, Table, Value};
use crate::diagnostic::{Problem, Span, Spanned};

/// `[merge]`, with the defaults of what it does not say.
#[derive(Debug, Clone)]
pub struct Merge {
    /// Whether likeness makes one person too, not only an equal identifier.
    pub likely: bool,
    /// Two records are one person from this match probability on.
    pub threshold: f64,
    /// Sources that have each person once.
    pub deduplicated: Vec<Spanned<String>>,
    pub identifiers: BTreeMap<String, IdentifierRule>,
    pub survivorship: Survivorship,
    /// The header.
    pub span: Span,
}

/// What equal values of a type of identifier mean.
#[derive(Debug, Clone)]
pub struct IdentifierRule {
    pub strength: Strength,
    /// A value that more unlike names share is nobody's.
    pub max_names: Option<u32>,
    /// A value that more records of one source have is nobody's.
    pub max_records_per_source: Option<u32>,
    /// Two unlike values keep people apart.
    pub unique: bool,
    /// Whether unlike clear names keep equal values from making one person; `None`: as is usual for the type.
    pub names_must_agree: Option<bool>,
    /// Place among the rules, from 0: those of the file in its order, then the defaults.
    pub priority: usize,
    /// The type's name in the file; `None`: a default.
    pub span: Option<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    Strong,
    Weak,
    None,
}

/// Which value a golden record takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Survivorship {
    pub default: Strategy,
    /// By field, in the order of the file.
    pub fields: Vec<(Spanned<String>, Rule)>,
}

/// The rule of one field.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    Strategy(Strategy),
    /// The first of these sources that has a value; else, and among equals, the default.
    Prefer(Vec<Spanned<String>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    #[default]
    MostRecent,
    MostComplete,
    MostFrequent,
}

impl Strategy {
    pub(super) const NAMES: [&str; 3] = ["most_recent", "most_complete", "most_frequent"];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::MostRecent => "most_recent",
            Self::MostComplete => "most_complete",
            Self::MostFrequent => "most_frequent",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::MostRecent, Self::MostComplete, Self::MostFrequent]
            .into_iter()
            .find(|strategy| strategy.as_str() == name)
    }
}

impl Strength {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Weak => "weak",
            Self::None => "none",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Strong, Self::Weak, Self::None].into_iter().find(|strength| strength.as_str() == name)
    }
}

/// Types with a rule of their own unless the file has one, and their cap on names and on records per source.
const DEFAULTS: [(&str, Option<u32>); 7] = [
    ("member_no", None),
    ("unionid", None),
    ("ouid", None),
    ("openid", None),
    ("external_id", None),
    ("phone", Some(3)),
    ("email", Some(3)),
];

/// As likely as not: the probability is calibrated.
const THRESHOLD: f64 = 0.5;

impl Default for Merge {
    fn default() -> Self {
        let mut identifiers = BTreeMap::new();
        fill(&mut identifiers);
        let survivorship = Survivorship { default: Strategy::default(), fields: Vec::new() };
        let (likely, threshold, deduplicated) = (true, THRESHOLD, Vec::new());
        Self { likely, threshold, deduplicated, identifiers, survivorship, span: Span::default() }
    }
}

fn fill(identifiers: &mut BTreeMap<String, IdentifierRule>) {
    for (name, _) in DEFAULTS {
        if !identifiers.contains_key(name) {
            let priority = identifiers.len();
            identifiers.extend(default_rule(name).map(|rule| (name.to_owned(), IdentifierRule { priority, ..rule })));
        }
    }
}

fn default_rule(name: &str) -> Option<IdentifierRule> {
    let (_, cap) = DEFAULTS.into_iter().find(|(known, _)| *known == name)?;
    Some(IdentifierRule {
        strength: Strength::Strong,
        max_names: cap,
        max_records_per_source: cap,
        unique: false,
        names_must_agree: None,
        priority: 0,
        span: None,
    })
}

impl Merge {
    /// What decides who is one person, in canonical form.
    pub fn identity_fingerprint(&self) -> String {
        fingerprint::canonical(&self.people())
    }

    /// What decides which values survive, in canonical form.
    pub fn survivorship_fingerprint(&self) -> String {
        fingerprint::canonical(&self.survival())
    }

    /// Both.
    pub fn fingerprint(&self) -> String {
        fingerprint::canonical(&json!({ "people": self.people(), "survivorship": self.survival() }))
    }

    fn people(&self) -> Json {
        let threshold = self.likely.then_some(self.threshold);
        let deduplicated: Vec<_> = self.deduplicated.iter().map(|source| &source.value).collect();
        json!({ "identifiers": self.identity(), "likely": threshold, "deduplicated": deduplicated })
    }

    fn identity(&self) -> Json {
        let rule = |rule: &IdentifierRule| {
            json!({
                "strength": rule.strength.as_str(),
                "max_names": rule.max_names,
                "max_records_per_source": rule.max_records_per_source,
                "unique": rule.unique,
                "names_must_agree": rule.names_must_agree,
                "priority": rule.priority,
            })
        };
        self.identifiers.iter().map(|(name, of)| (name.clone(), rule(of))).collect()
    }

    fn survival(&self) -> Json {
        let rule = |rule: &Rule| match rule {
            Rule::Strategy(strategy) => strategy.as_str().into(),
            Rule::Prefer(sources) => {
                json!({ "prefer": sources.iter().map(|source| &source.value).collect::<Vec<_>>() })
            }
        };
        let fields: serde_json::Map<String, Json> =
            self.survivorship.fields.iter().map(|(field, of)| (field.value.clone(), rule(of))).collect();
        json!({ "default": self.survivorship.default.as_str(), "fields": fields })
    }
}

pub(super) fn read(span: Span, table: &Table, reader: &mut Reader<'_>) -> Merge {
    let mut identifiers = BTreeMap::new();
    for entry in reader.table(table, "identifiers").map_or(&[][..], |(_, rules)| &rules.0) {
        if let Some(rule) = identifier(entry, identifiers.len(), reader) {
            identifiers.insert(entry.key.clone(), rule);
        }
    }
    fill(&mut identifiers);
    let mut survivorship = Survivorship { default: Strategy::default(), fields: Vec::new() };
    for entry in reader.table(table, "survivorship").map_or(&[][..], |(_, rules)| &rules.0) {
        let rule = match &entry.node.value {
            Value::Table(table) => reader.texts(table, "prefer").map(Rule::Prefer),
            _ => entry.node.as_text().and_then(Strategy::of).map(Rule::Strategy),
        };
        match (entry.key.as_str(), rule) {
            ("default", Some(Rule::Strategy(strategy))) => survivorship.default = strategy,
            ("default", _) | (_, None) => {}
            (field, Some(rule)) => survivorship.fields.push((Spanned::new(field.to_owned(), entry.key_span), rule)),
        }
    }
    let likely = reader.boolean(table, "likely").unwrap_or(true);
    let threshold = reader.number(table, "threshold").unwrap_or(THRESHOLD);
    let deduplicated = reader.texts(table, "deduplicated").unwrap_or_default();
    Merge { likely, threshold, deduplicated, identifiers, survivorship, span }
}

fn identifier(entry: &Entry, priority: usize, reader: &mut Reader<'_>) -> Option<IdentifierRule> {
    let table = entry.node.as_table()?;
    let usual = default_rule(&entry.key);
    let strength = match reader.text(table, "strength") {
        Some(text) => Strength::of(&text.value),
        None => usual.as_ref().map(|rule| rule.strength),
    };
    if strength.is_none() && table.get("strength").is_none() {
        let problem = Problem::new(entry.node.span, format!("`strength` is missing in `{}`", entry.key));
        reader.problems.push(problem.help("known: `strong`, `weak`, `none`").missing());
    }
    Some(IdentifierRule {
        strength: strength.unwrap_or(Strength::None),
        max_names: reader.count(table, "max_names").or(usual.as_ref().and_then(|rule| rule.max_names)),
        max_records_per_source: reader
            .count(table, "max_records_per_source")
            .or(usual.as_ref().and_then(|rule| rule.max_records_per_source)),
        unique: reader.boolean(table, "unique").unwrap_or(false),
        names_must_agree: reader.boolean(table, "names_must_agree"),
        priority,
        span: Some(entry.key_span),
    })
}
