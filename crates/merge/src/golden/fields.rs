//! Which record gives a customer each of its fields.

use std::borrow::Cow;

use super::groups::{Group, Identifier, Party};
use crate::id::CustomerId;
use crate::members::Place;
use crate::records::Sources;
use crate::rules::{FieldRule, Rules};
use crate::survive::{Candidate, Strategy, choose};

/// The columns of `clean.party` that survive by themselves or in groups. The first names the group in `[merge.survivorship]`.
const GROUPS: &[&[&str]] = &[
    &["name", "family_name", "given_name"],
    &["gender"],
    &["birthday"],
    &["company"],
    &["language"],
    &["segment"],
    &["address", "country", "province", "city", "district", "street", "postcode"],
];
/// Columns of a party as they are read.
pub(super) const PARTY: [&str; 14] = [
    "name",
    "family_name",
    "given_name",
    "gender",
    "birthday",
    "company",
    "language",
    "segment",
    "country",
    "province",
    "city",
    "district",
    "street",
    "postcode",
];
/// Types of identifiers that a golden record shows.
pub(super) const IDENTIFIERS: [&str; 3] = ["phone", "email", "member_no"];

/// Who gave a field, and by which rule.
pub(super) struct Given<'a> {
    pub field: &'static str,
    pub place: Place,
    pub source: u32,
    pub rule: &'a str,
}

/// A golden record.
#[derive(Default)]
pub(super) struct Golden<'a> {
    pub id: CustomerId,
    /// As [`PARTY`], then as [`IDENTIFIERS`].
    values: [Option<String>; PARTY.len() + IDENTIFIERS.len()],
    pub name_masked: bool,
    pub phone_masked: bool,
    pub joined: Option<i64>,
    pub at: Option<i64>,
    pub records: i64,
    pub sources: Vec<u32>,
    pub stub: bool,
    pub provenance: Vec<Given<'a>>,
}

impl Golden<'_> {
    /// A column of many: a column of a party, or a type of identifier.
    pub fn column<'a>(rows: &'a [Self], name: &str) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
        let at = PARTY.iter().chain(&IDENTIFIERS).position(|known| *known == name);
        rows.iter().map(move |row| row.values.get(at?)?.as_deref())
    }
}

/// How one field, or a group of them, is chosen.
struct Choice {
    field: &'static str,
    /// Their places in [`PARTY`], or the one in [`IDENTIFIERS`].
    columns: Vec<usize>,
    strategy: Strategy,
    rule: String,
}

/// The rules of survival of all fields.
pub(super) struct Choices {
    groups: Vec<Choice>,
    identifiers: Vec<Choice>,
}

impl Choices {
    pub fn new(rules: &Rules, sources: &mut Sources) -> Self {
        let mut choice = |field: &'static str, columns: Vec<usize>| {
            let rule = rules.field(field);
            Choice { field, columns, strategy: strategy(rule, sources), rule: describe(rule) }
        };
        let column = |name: &&str| PARTY.iter().position(|at| at == name);
        let groups = GROUPS.iter().filter_map(|group| {
            let field = group.first()?;
            Some(choice(field, group.iter().filter_map(column).collect()))
        });
        Self {
            groups: groups.collect(),
            identifiers: IDENTIFIERS.iter().enumerate().map(|(at, kind)| choice(kind, vec![at])).collect(),
        }
    }

    /// The golden record of a customer.
    pub fn golden(&self, group: Group) -> Golden<'_> {
        let Group { customer, parties, identifiers } = group;
        let mut golden = Golden {
            id: customer,
            stub: parties.is_empty(),
            records: parties.len() as i64,
            sources: parties.iter().map(|party| party.source).collect(),
            joined: parties.iter().filter_map(|party| party.joined).min(),
            at: parties.iter().filter_map(|party| party.at).max(),
            ..Golden::default()
        };
        golden.sources.sort_unstable();
        golden.sources.dedup();
        for choice in &self.groups {
            choice.among_parties(&parties, &mut golden);
        }
        for choice in &self.identifiers {
            choice.among_identifiers(&identifiers, &mut golden);
        }
        golden
    }
}

impl Choice {
    fn among_parties<'a>(&'a self, parties: &[Party], golden: &mut Golden<'a>) {
        let filled = |party: &Party| self.columns.iter().filter(|at| party.has(**at)).count();
        // Most fields are those of no record.
        if parties.iter().all(|party| filled(party) == 0) {
            return;
        }
        let texts: Vec<Cow<str>> = parties.iter().map(|party| self.text(party)).collect();
        let candidates: Vec<Candidate> = parties
            .iter()
            .zip(&texts)
            .zip(0u32..)
            .map(|((party, text), record)| Candidate {
                record,
                source: party.source,
                at: party.at,
                value: text,
                masked: self.field == "name" && party.masked,
                completeness: u32::try_from(filled(party)).unwrap_or_default(),
            })
            .collect();
        let Some(winner) = choose(&self.strategy, &candidates).and_then(|at| parties.get(at)) else { return };
        for at in &self.columns {
            if let Some(value) = golden.values.get_mut(*at) {
                *value = winner.value(*at).map(Cow::into_owned);
            }
        }
        if self.field == "name" {
            golden.name_masked = winner.masked;
        }
        golden.provenance.push(Given {
            field: self.field,
            place: winner.place,
            source: winner.source,
            rule: &self.rule,
        });
    }

    /// What records are compared by.
    fn text<'a>(&self, party: &'a Party) -> Cow<'a, str> {
        const BETWEEN: char = '\u{1f}';
        if let [at] = self.columns.as_slice() {
            return match party.value(*at).unwrap_or_default() {
                Cow::Borrowed(text) => text.trim_matches(BETWEEN).into(),
                days => days,
            };
        }
        let mut text = String::new();
        for at in &self.columns {
            text.push_str(&party.value(*at).unwrap_or_default());
            text.push(BETWEEN);
        }
        text.trim_matches(BETWEEN).to_owned().into()
    }

    fn among_identifiers<'a>(&'a self, identifiers: &[Identifier], golden: &mut Golden<'a>) {
        let held: Vec<&Identifier> = identifiers.iter().filter(|identifier| identifier.kind == self.field).collect();
        let candidates: Vec<Candidate> = held
            .iter()
            .zip(0u32..)
            .map(|(identifier, record)| Candidate {
                record,
                source: identifier.source,
                at: identifier.at,
                value: &identifier.value,
                masked: identifier.masked,
                completeness: 1,
            })
            .collect();
        let Some(winner) = choose(&self.strategy, &candidates).and_then(|at| held.get(at)) else { return };
        for at in &self.columns {
            if let Some(to) = golden.values.get_mut(PARTY.len() + at) {
                *to = Some(winner.value.clone());
            }
        }
        if self.field == "phone" {
            golden.phone_masked = winner.masked;
        }
        golden.provenance.push(Given {
            field: self.field,
            place: winner.place,
            source: winner.source,
            rule: &self.rule,
        });
    }
}

fn strategy(rule: &FieldRule, sources: &mut Sources) -> Strategy {
    match rule {
        FieldRule::MostRecent => Strategy::MostRecent,
        FieldRule::MostComplete => Strategy::MostComplete,
        FieldRule::MostFrequent => Strategy::MostFrequent,
        FieldRule::Prefer(names) => Strategy::Prefer(names.iter().map(|name| sources.number(name)).collect()),
    }
}

fn describe(rule: &FieldRule) -> String {
    match rule {
        FieldRule::MostRecent => "most_recent".into(),
        FieldRule::MostComplete => "most_complete".into(),
        FieldRule::MostFrequent => "most_frequent".into(),
        FieldRule::Prefer(sources) => format!("prefer {}", sources.join(", ")),
    }
}
