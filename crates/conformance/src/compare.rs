//! A row against the vendor's own record, field by field.
//!
//! What "the same" means depends on the column: ids and money to the last digit, times as instants, text as text. What has no
//! column must be in `_extra`. Written anew and not with the kit's own casts, so that it shares no mistake with them.

use std::collections::HashSet;

use arrow::datatypes::{DataType, Field};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use serde_json::{Map, Value};
use tributary_connector::{EPOCH, Stream, TIMEZONE};

use crate::rows::{Row, text};

/// Where `row` differs from the vendor's record: fields and how, no values.
pub(crate) fn differences(truth: &Value, row: &Row, stream: &Stream, derived: &[&str]) -> Vec<String> {
    let mut compared = Compared { extra: &row.extra, used: HashSet::new(), differences: Vec::new() };
    let none = Map::new();
    let truth = truth.as_object().unwrap_or(&none);
    for field in stream.schema.fields().iter().filter(|field| !derived.contains(&field.name().as_str())) {
        let cell = row.cells.get(field.name()).unwrap_or(&Value::Null);
        compared.value(truth.get(field.name()).unwrap_or(&Value::Null), cell, field, field.name());
    }
    for (name, value) in truth.iter().filter(|(name, _)| stream.schema.column_with_name(name).is_none()) {
        compared.unknown(value, name);
    }
    for path in row.extra.keys().filter(|path| !compared.used.contains(path.as_str())) {
        compared
            .differences
            .push(format!("`_extra` holds `{path}`, which the vendor's record does not have like this"));
    }
    compared.differences
}

struct Compared<'a> {
    extra: &'a Map<String, Value>,
    used: HashSet<&'a str>,
    differences: Vec<String>,
}

impl Compared<'_> {
    fn value(&mut self, truth: &Value, cell: &Value, field: &Field, path: &str) {
        if is_nothing(truth) {
            if !is_nothing(cell) {
                self.differences.push(format!("`{path}` has a value where the vendor has none"));
            }
            return;
        }
        if cell.is_null() {
            if !self.kept(truth, path) {
                self.differences.push(format!("`{path}` is null and not in `_extra`, where the vendor has a value"));
            }
            return;
        }
        match (field.data_type(), truth, cell) {
            (DataType::Struct(fields), Value::Object(truth), Value::Object(cell)) => {
                for field in fields {
                    let below = format!("{path}.{}", field.name());
                    let of = |object: &Map<String, Value>| object.get(field.name()).cloned().unwrap_or_default();
                    self.value(&of(truth), &of(cell), field, &below);
                }
                for (name, value) in truth.iter().filter(|(name, _)| fields.find(name).is_none()) {
                    self.unknown(value, &format!("{path}.{name}"));
                }
            }
            (DataType::List(item), Value::Array(truth), Value::Array(cell)) => {
                if truth.len() != cell.len() {
                    self.differences.push(format!("`{path}` has {} items, not {}", cell.len(), truth.len()));
                    return;
                }
                for (index, (truth, cell)) in truth.iter().zip(cell).enumerate() {
                    self.value(truth, cell, item, &format!("{path}[{index}]"));
                }
            }
            _ if same(truth, cell, field) => {}
            _ => self.differences.push(format!("`{path}` ({}) differs", field.data_type())),
        }
    }

    fn unknown(&mut self, truth: &Value, path: &str) {
        if !self.kept(truth, path) && !is_nothing(truth) {
            self.differences.push(format!("`{path}` has no column and is not in `_extra`"));
        }
    }

    /// Whether `_extra` has it.
    fn kept(&mut self, truth: &Value, path: &str) -> bool {
        let Some((path, kept)) = self.extra.get_key_value(path) else { return false };
        let same = kept == truth || (text(kept).is_some() && text(kept) == text(truth));
        if same {
            self.used.insert(path);
        }
        same
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(object) => object.values().all(is_nothing),
        _ => false,
    }
}

fn same(truth: &Value, cell: &Value, field: &Field) -> bool {
    let (Some(wanted), Some(found)) = (text(truth), text(cell)) else {
        // A text column holds an object or array as JSON.
        return cell.as_str().and_then(|cell| serde_json::from_str::<Value>(cell).ok()).as_ref() == Some(truth);
    };
    match field.data_type() {
        DataType::Timestamp(..) => instant(truth, field).is_some_and(|wanted| cell.as_i64() == Some(wanted)),
        DataType::Date32 if truth.is_number() => {
            let time = instant(truth, field).and_then(DateTime::from_timestamp_micros);
            let day = time.map(|time| time.with_timezone(&zone(field)).date_naive().to_string());
            day.as_deref() == found.get(..10)
        }
        DataType::Date32 => wanted.get(..10) == found.get(..10),
        DataType::Decimal128(..) => plain_decimal(&wanted).is_some() && plain_decimal(&wanted) == plain_decimal(&found),
        DataType::Int64 | DataType::UInt64 => plain_decimal(&wanted) == plain_decimal(&found),
        DataType::Float64 => wanted.parse::<f64>().ok() == found.parse::<f64>().ok(),
        DataType::Boolean => boolean(&wanted) == found.parse().ok(),
        _ => wanted == found,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "t" | "是" => Some(true),
        "false" | "0" | "no" | "n" | "f" | "否" => Some(false),
        _ => None,
    }
}

fn zone(field: &Field) -> Tz {
    field.metadata().get(TIMEZONE).and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

/// Microseconds since 1970.
fn instant(value: &Value, field: &Field) -> Option<i64> {
    let zone = zone(field);
    let text = match value {
        Value::Number(number) => {
            let number = number.as_i64()?;
            let unit = match field.metadata().get(EPOCH).map(String::as_str) {
                Some("s") => 1_000_000,
                Some("ms") => 1_000,
                Some(_) => 1,
                // Seconds reach a hundred thousand million in the year 5138, milliseconds in 1973.
                None if number.abs() < 100_000_000_000 => 1_000_000,
                None => 1_000,
            };
            return number.checked_mul(unit);
        }
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    if let Ok(time) = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%+")) {
        return Some(time.timestamp_micros());
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    Some(zone.from_local_datetime(&local).earliest()?.timestamp_micros())
}

/// A decimal without what does not count: `+012.300` is `12.3`. Nothing for what is none, exponents included.
fn plain_decimal(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.replace(',', "");
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
    Some(format!(
        "{sign}{}{}{fraction}",
        if whole.is_empty() { "0" } else { whole },
        if fraction.is_empty() { "" } else { "." }
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use serde_json::json;
    use tributary_connector::{Cursor, Deletes, Op};

    use super::*;

    fn stream() -> Stream {
        let fields = vec![
            Field::new("id", DataType::Int64, true),
            Field::new("due", DataType::Decimal128(19, 4), true),
            Field::new("at", DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("to", DataType::Struct(vec![Field::new("town", DataType::Utf8, true)].into()), true),
            Field::new("born", DataType::Date32, true).with_metadata(
                [(EPOCH, "ms"), (TIMEZONE, "Asia/Shanghai")].map(|(key, value)| (key.into(), value.into())).into(),
            ),
        ];
        Stream {
            name: "s".into(),
            schema: Arc::new(Schema::new(fields)),
            primary_key: vec!["id".into()],
            cursor: Cursor::None,
            deletes: Deletes::Never,
            version: None,
        }
    }

    fn found(truth: Value, cells: Value, extra: Value) -> Vec<String> {
        let object = |value: Value| value.as_object().unwrap().clone();
        let row = Row {
            record: 0,
            key: None,
            version: None,
            cursor: None,
            op: Op::Upsert,
            cells: object(cells),
            extra: object(extra),
        };
        differences(&truth, &row, &stream(), &[])
    }

    #[test]
    fn the_same_in_another_form_is_the_same() {
        let truth = json!({"id": "813951242628553689", "due": 12.3, "at": "2026-07-01T08:00:00+08:00",
            "to": {"town": "杭州", "gate": 3}, "new": [1], "born": 31_420_800_000_i64});
        let cells = json!({"id": 813_951_242_628_553_689_i64, "due": "12.3000", "at": 1_782_864_000_000_000_i64,
            "to": {"town": "杭州"}, "born": "1970-12-31"});
        assert!(found(truth, cells, json!({"to.gate": 3, "new": [1]})).is_empty());
    }

    #[test]
    fn what_differs_is_named_and_never_shown() {
        let truth = json!({"id": 813_951_242_628_553_689_i64, "due": 12.3, "new": 1});
        let cells = json!({"id": 813_951_242_628_553_728_i64, "due": null, "at": 5, "to": null});
        let found = found(truth, cells, json!({"old": 1}));
        assert_eq!(
            found,
            [
                "`id` (Int64) differs",
                "`due` is null and not in `_extra`, where the vendor has a value",
                "`at` has a value where the vendor has none",
                "`new` has no column and is not in `_extra`",
                "`_extra` holds `old`, which the vendor's record does not have like this",
            ]
        );
    }

    #[test]
    fn decimals_are_compared_by_their_digits() {
        for (a, b) in [("+012.300", "12.3"), ("-0.0", "0"), ("1,149.00", "1149"), (".5", "0.50")] {
            assert_eq!(plain_decimal(a), plain_decimal(b));
        }
        assert_eq!(plain_decimal("1e3"), None);
        assert_ne!(plain_decimal("0.1"), plain_decimal("0.10000000000000001"));
    }
}
