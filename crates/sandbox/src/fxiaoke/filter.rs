//! Filters of a query: all of them must hold. Which operator takes which values, and how a value meets them.
//!
//! An empty value meets being empty, and not being equal, which is documented; no other operator, which is not. Text is
//! compared as it is written. A list meets what one of its elements meets. Ids of employees are known in both forms.

use std::cmp::Ordering;

use serde_json::Value;

use super::Tenant;
use super::refusal::Refusal;
use super::schema::{Field, Kind, Object};
use super::store::Record;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Like,
    NotLike,
    Empty,
    NotEmpty,
    In,
    NotIn,
    Between,
    NotBetween,
    StartsWith,
    EndsWith,
}

impl Operator {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "EQ" => Self::Equal,
            "N" => Self::NotEqual,
            "GT" => Self::Greater,
            "GTE" => Self::GreaterEqual,
            "LT" => Self::Less,
            "LTE" => Self::LessEqual,
            "LIKE" => Self::Like,
            "NLIKE" => Self::NotLike,
            "IS" => Self::Empty,
            "ISN" => Self::NotEmpty,
            "IN" | "HASANYOF" | "CONTAINS" => Self::In,
            "NIN" | "NHASANYOF" => Self::NotIn,
            "BETWEEN" => Self::Between,
            "NBETWEEN" => Self::NotBetween,
            "STARTWITH" => Self::StartsWith,
            "ENDWITH" => Self::EndsWith,
            _ => return None,
        })
    }

    /// How many values it takes at least and at most.
    fn values(self) -> (usize, usize) {
        match self {
            Self::Empty | Self::NotEmpty => (0, usize::MAX),
            Self::In | Self::NotIn => (1, usize::MAX),
            Self::Between | Self::NotBetween => (2, 2),
            _ => (1, 1),
        }
    }
}

/// One filter, read.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) field: Field,
    pub(super) operator: Operator,
    /// As text, whatever they came as.
    pub(super) values: Vec<String>,
}

/// Reads `[{"field_name", "field_values", "operator"}]`.
pub(super) fn read(object: &Object, given: Option<&Value>) -> Result<Vec<Filter>, Refusal> {
    let Some(given) = given.filter(|given| !given.is_null()) else {
        return Ok(Vec::new());
    };
    let filters = given.as_array().ok_or_else(|| Refusal::parameter("filters"))?;
    filters.iter().map(|filter| read_one(object, filter)).collect()
}

fn read_one(object: &Object, given: &Value) -> Result<Filter, Refusal> {
    let text = |name: &str| given.get(name).and_then(Value::as_str).ok_or_else(|| Refusal::parameter(name));
    let name = text("field_name")?;
    let field = object.field(name).ok_or_else(|| Refusal::value(&format!("field {name} does not exist")))?;
    let operator = Operator::of(text("operator")?).ok_or_else(|| Refusal::parameter("operator"))?;
    let given =
        given.get("field_values").and_then(Value::as_array).ok_or_else(|| Refusal::parameter("field_values"))?;
    let values: Vec<String> = given.iter().map(plain).collect();
    let (least, most) = operator.values();
    let right = |value: &String| !field.kind.numeric() || value.parse::<f64>().is_ok();
    if !(least..=most).contains(&values.len()) || (least > 0 && !values.iter().all(right)) {
        return Err(Refusal::value(&format!("the values of field {name} are illegal")));
    }
    Ok(Filter { field: field.clone(), operator, values })
}

impl Tenant {
    pub(super) fn passes(&self, record: &Record, filter: &Filter) -> bool {
        let value = self.store.value(record, &filter.field, &self.staff);
        let empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        match filter.operator {
            Operator::Empty => empty,
            Operator::NotEmpty => !empty,
            Operator::NotEqual if empty => true,
            _ if empty => false,
            Operator::NotEqual => !self.stands(&value, filter, |order| order.is_eq()),
            Operator::NotIn => !self.stands(&value, filter, |order| order.is_eq()),
            Operator::Equal | Operator::In => self.stands(&value, filter, |order| order.is_eq()),
            Operator::Greater => self.stands(&value, filter, |order| order.is_gt()),
            Operator::GreaterEqual => self.stands(&value, filter, |order| order.is_ge()),
            Operator::Less => self.stands(&value, filter, |order| order.is_lt()),
            Operator::LessEqual => self.stands(&value, filter, |order| order.is_le()),
            Operator::Between => between(&value, filter),
            Operator::NotBetween => !between(&value, filter),
            Operator::Like => found(&value, filter, |text, part| text.contains(part)),
            Operator::NotLike => !found(&value, filter, |text, part| text.contains(part)),
            Operator::StartsWith => found(&value, filter, |text, part| text.starts_with(part)),
            Operator::EndsWith => found(&value, filter, |text, part| text.ends_with(part)),
        }
    }

    /// Whether an element of the value stands so to a value of the filter.
    fn stands(&self, value: &Value, filter: &Filter, wanted: fn(Ordering) -> bool) -> bool {
        let elements = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let meets = |element: &Value, given: &String| match (filter.field.kind, element.as_u64()) {
            (Kind::Employee | Kind::Team, Some(index)) => {
                self.staff[index as usize].is(given) && wanted(Ordering::Equal)
            }
            _ => compare(element, given, filter.field.kind).is_some_and(wanted),
        };
        elements.iter().any(|element| filter.values.iter().any(|given| meets(element, given)))
    }
}

fn between(value: &Value, filter: &Filter) -> bool {
    let [from, to] = filter.values.as_slice() else {
        return false;
    };
    let kind = filter.field.kind;
    compare(value, from, kind).is_some_and(Ordering::is_ge) && compare(value, to, kind).is_some_and(Ordering::is_le)
}

fn found(value: &Value, filter: &Filter, wanted: fn(&str, &str) -> bool) -> bool {
    let text = plain(value);
    filter.values.iter().any(|part| wanted(&text, part))
}

fn compare(value: &Value, given: &str, kind: Kind) -> Option<Ordering> {
    if let (Some(one), Ok(other)) = (value.as_i64(), given.parse::<i64>()) {
        return Some(one.cmp(&other));
    }
    let text = plain(value);
    if kind.numeric() {
        // Epoch milliseconds and amounts: both lie well within what a double tells apart.
        return text.parse::<f64>().ok()?.partial_cmp(&given.parse().ok()?);
    }
    Some(text.as_str().cmp(given))
}

/// Text as it is, all else as JSON writes it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The order of two values of one kind; empty ones first.
pub(super) fn ordered(one: &Value, other: &Value, kind: Kind) -> Ordering {
    if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64()) {
        return one.cmp(&other);
    }
    match (one.is_null(), other.is_null()) {
        (false, false) => compare(one, &plain(other), kind).unwrap_or(Ordering::Equal),
        (one, other) => other.cmp(&one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_as_their_kind_says() {
        assert_eq!(compare(&json!("9.5"), "10", Kind::Currency), Some(Ordering::Less));
        assert_eq!(compare(&json!("9"), "10", Kind::Text), Some(Ordering::Greater));
        assert_eq!(compare(&json!(1_656_213_600_123_i64), "1656213600122", Kind::DateTime), Some(Ordering::Greater));
        assert_eq!(ordered(&json!(null), &json!("a"), Kind::Text), Ordering::Less);
    }

    #[test]
    fn a_filter_is_refused_for_what_it_names() {
        let objects = super::super::objects::objects();
        let read = |filter: Value| read_one(&objects[0], &filter).map_err(|refusal| refusal.code);
        let filter = |name: &str, operator: &str, values: Value| {
            read(json!({ "field_name": name, "operator": operator, "field_values": values })).err()
        };
        assert_eq!(filter("name", "EQ", json!(["x"])), None);
        assert_eq!(filter("Name", "EQ", json!(["x"])), Some(32_000));
        assert_eq!(filter("name", "=", json!(["x"])), Some(10_006));
        assert_eq!(filter("name", "EQ", json!("x")), Some(10_006));
        assert_eq!(filter("create_time", "BETWEEN", json!([1])), Some(32_000));
        assert_eq!(filter("create_time", "GT", json!(["2026-06-30"])), Some(32_000));
    }
}
