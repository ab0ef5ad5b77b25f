//! Conditions on records, as queries and bulk jobs state them, and the order of values.
//!
//! An empty value meets no condition but that of being empty. Text is compared as it is written; whether the vendor minds
//! case is not documented.

use std::cmp::Ordering;

use serde_json::Value;

use super::render::column;
use super::schema::{Field, Kind};
use super::store::{Record, Table, value};
use super::{Crm, User};
use crate::clock::read;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Criteria {
    All(Vec<Criteria>),
    Any(Vec<Criteria>),
    Is(String, Test),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Equal(String),
    NotEqual(String),
    Less(String),
    LessEqual(String),
    Greater(String),
    GreaterEqual(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Between(String, String),
    /// With `%` for any text.
    Like(String),
    NotLike(String),
    Empty,
    NotEmpty,
}

impl Criteria {
    /// The conditions, without how they are joined.
    pub(super) fn tests(&self) -> Vec<(&str, &Test)> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tests).collect(),
            Self::Is(column, test) => vec![(column, test)],
        }
    }
}

impl Test {
    /// What values are compared with.
    pub(super) fn literals(&self) -> Vec<&str> {
        match self {
            Self::Equal(one) | Self::NotEqual(one) | Self::Less(one) | Self::LessEqual(one) => vec![one],
            Self::Greater(one) | Self::GreaterEqual(one) | Self::Like(one) | Self::NotLike(one) => vec![one],
            Self::In(many) | Self::NotIn(many) => many.iter().map(String::as_str).collect(),
            Self::Between(from, to) => vec![from, to],
            Self::Empty | Self::NotEmpty => Vec::new(),
        }
    }
}

impl Crm {
    /// The first condition whose column is unknown, or whose value is none of the column's kind.
    pub(super) fn wrong_condition(&self, table: &Table, criteria: &Criteria) -> Option<String> {
        criteria.tests().into_iter().find_map(|(name, test)| {
            let right = column(&self.store, table, name).is_some_and(|field| match field.kind {
                Kind::DateTime => test.literals().iter().all(|time| read(time).is_some() && !time.contains('.')),
                Kind::Subform | Kind::MultiLookup | Kind::RichText => false,
                _ => true,
            });
            (!right).then(|| name.to_owned())
        })
    }

    /// Whether the record meets the conditions.
    pub(super) fn meets(&self, table: &Table, record: &Record, criteria: &Criteria) -> bool {
        match criteria {
            Criteria::All(parts) => parts.iter().all(|part| self.meets(table, record, part)),
            Criteria::Any(parts) => parts.iter().any(|part| self.meets(table, record, part)),
            Criteria::Is(name, test) => match self.cell_of(table, record, name) {
                Some((value, field)) => passes(&value, field, test, &self.users),
                None => *test == Test::Empty,
            },
        }
    }

    /// The value of a column, which may lie beyond a lookup, as it is kept.
    fn cell_of<'a>(&'a self, table: &'a Table, record: &Record, name: &str) -> Option<(Value, &'a Field)> {
        match table.module.field(name) {
            Some(field) => Some((value(record, field), field)),
            None => self.beyond(table, record, name).map(|(beyond, field)| (value(beyond, field), field)),
        }
    }

    /// The order of two records by a column: empty values first.
    pub(super) fn ordered(&self, table: &Table, one: &Record, other: &Record, name: &str) -> Ordering {
        let (one, other) = (self.cell_of(table, one, name), self.cell_of(table, other, name));
        match (one, other) {
            (Some((one, field)), Some((other, _))) if !one.is_null() && !other.is_null() => {
                let (one, other) = (text_of(&one, field.kind, &self.users), text_of(&other, field.kind, &self.users));
                compare(&one, &other, field.kind).unwrap_or(Ordering::Equal)
            }
            (one, other) => {
                let full = |cell: Option<(Value, &Field)>| cell.is_some_and(|(value, _)| !value.is_null());
                full(one).cmp(&full(other))
            }
        }
    }
}

fn passes(value: &Value, field: &Field, test: &Test, users: &[User]) -> bool {
    if value.is_null() {
        return *test == Test::Empty;
    }
    let text = text_of(value, field.kind, users);
    let against = |literal: &str| {
        let literal = match field.kind {
            Kind::DateTime => read(literal).unwrap_or_default().to_string(),
            _ => literal.to_owned(),
        };
        compare(&text, &literal, field.kind)
    };
    let is = |literal: &str, wanted: fn(Ordering) -> bool| against(literal).is_some_and(wanted);
    match test {
        Test::Equal(literal) => is(literal, Ordering::is_eq),
        Test::NotEqual(literal) => is(literal, Ordering::is_ne),
        Test::Less(literal) => is(literal, Ordering::is_lt),
        Test::LessEqual(literal) => is(literal, Ordering::is_le),
        Test::Greater(literal) => is(literal, Ordering::is_gt),
        Test::GreaterEqual(literal) => is(literal, Ordering::is_ge),
        Test::In(literals) => literals.iter().any(|literal| is(literal, Ordering::is_eq)),
        Test::NotIn(literals) => !literals.iter().any(|literal| is(literal, Ordering::is_eq)),
        Test::Between(from, to) => is(from, Ordering::is_ge) && is(to, Ordering::is_le),
        Test::Like(pattern) => like(pattern, &text),
        Test::NotLike(pattern) => !like(pattern, &text),
        Test::Empty => false,
        Test::NotEmpty => true,
    }
}

/// A kept value as text: a list joined by `;`, a user as the id.
fn text_of(value: &Value, kind: Kind, users: &[User]) -> String {
    match (kind, value) {
        (Kind::Owner | Kind::User, Value::Number(index)) => {
            let index = index.as_u64().unwrap_or_default() as usize;
            users[index % users.len()].id.to_string()
        }
        (_, Value::String(text)) => text.clone(),
        (_, Value::Array(items)) => items.iter().map(|item| text_of(item, kind, users)).collect::<Vec<_>>().join(";"),
        (_, other) => other.to_string(),
    }
}

/// The order of two values of a kind; none if one of them is no such value.
fn compare(one: &str, other: &str, kind: Kind) -> Option<Ordering> {
    match kind {
        Kind::BigInt | Kind::Integer | Kind::Lookup | Kind::Owner | Kind::User | Kind::DateTime => {
            Some(one.parse::<i128>().ok()?.cmp(&other.parse().ok()?))
        }
        // Amounts come as JSON numbers, which are doubles here as they are there.
        Kind::Currency => one.parse::<f64>().ok()?.partial_cmp(&other.parse().ok()?),
        _ => Some(one.cmp(other)),
    }
}

fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('%') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| like(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_their_kind_says() {
        assert_eq!(compare("9", "10", Kind::BigInt), Some(Ordering::Less));
        assert_eq!(compare("9", "10", Kind::Text), Some(Ordering::Greater));
        assert_eq!(compare("4876876000000000001", "4876876000000000000", Kind::Lookup), Some(Ordering::Greater));
        assert_eq!(compare("12.50", "12.5", Kind::Currency), Some(Ordering::Equal));
        assert_eq!(compare("x", "1", Kind::Integer), None);
    }

    #[test]
    fn a_percent_sign_stands_for_any_text() {
        assert!(like("%三%", "张三丰"));
        assert!(like("张%", "张"));
        assert!(!like("张", "张三"));
    }
}
