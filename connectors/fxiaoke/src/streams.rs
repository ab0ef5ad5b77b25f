//! An object's description as a stream: columns, key, cursor.
//!
//! Numbers are strings on the wire and decimals here; times are milliseconds since 1970. A field that was switched off is no column, and
//! neither is one whose name differs from another's in case alone: their values, if any come, are in `_extra`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use serde_json::{Map, Value};
use tributary_connector::{Cursor, Deletes, EPOCH, PERSONAL, Personal, Stream, TIMEZONE};

/// Dates are midnights of China.
const ZONE: &str = "Asia/Shanghai";

/// The fields that every object has, whether its description tells of them or not.
const SYSTEM: [(&str, &str); 11] = [
    ("_id", "id"),
    ("name", "text"),
    ("record_type", "record_type"),
    ("owner", "employee"),
    ("created_by", "employee"),
    ("create_time", "date_time"),
    ("last_modified_by", "employee"),
    ("last_modified_time", "date_time"),
    ("life_status", "select_one"),
    ("lock_status", "select_one"),
    ("is_deleted", "true_or_false"),
];

/// An object's stream; without a description, its name alone.
pub fn stream(object: &str, fields: Option<&Map<String, Value>>) -> Stream {
    Stream {
        name: object.to_owned(),
        schema: Arc::new(fields.map_or_else(Schema::empty, schema)),
        primary_key: vec!["_id".to_owned()],
        cursor: Cursor::Column("last_modified_time".to_owned()),
        deletes: Deletes::Feed,
        version: Some("last_modified_time".to_owned()),
    }
}

fn schema(described: &Map<String, Value>) -> Schema {
    let mut columns = Columns::default();
    for (name, kind) in SYSTEM {
        columns.add(name, described.get(name).filter(|_| name != "_id").unwrap_or(&kind.into()));
    }
    for (name, field) in described {
        let active = field.get("is_active").and_then(Value::as_bool).unwrap_or(true);
        if active {
            columns.add(name, field);
        }
    }
    Schema::new(columns.fields)
}

#[derive(Default)]
struct Columns {
    fields: Vec<Field>,
    /// Tables do not tell names apart by case.
    names: HashSet<String>,
}

impl Columns {
    /// Adds the columns of a field, given its description, or only its type.
    fn add(&mut self, name: &str, described: &Value) {
        let kind = kind(described);
        let personal = personal(name, kind);
        let data_type = data_type(kind, described);
        let mut metadata = HashMap::from([(PERSONAL.to_owned(), personal.as_str().to_owned())]);
        if matches!(data_type, DataType::Date32 | DataType::Timestamp(..)) {
            metadata.insert(EPOCH.to_owned(), "ms".to_owned());
            metadata.insert(TIMEZONE.to_owned(), ZONE.to_owned());
        }
        self.push(Field::new(name, data_type, name != "_id").with_metadata(metadata));
        let companion = format!("{name}__r");
        if name == "owner" {
            let name = Fields::from(vec![Field::new("name", DataType::Utf8, true)]);
            self.push(Field::new(companion, DataType::Struct(name), true));
        } else if matches!(kind, "object_reference" | "master_detail") {
            self.push(Field::new(companion, DataType::Utf8, true));
        }
    }

    fn push(&mut self, field: Field) {
        if self.names.insert(field.name().to_lowercase()) {
            self.fields.push(field);
        }
    }
}

/// The type that a field's values have: of one that is reckoned, that of its result.
fn kind(described: &Value) -> &str {
    let text = |name: &str| described.get(name).and_then(Value::as_str);
    let kind = described.as_str().or_else(|| text("type")).unwrap_or("text");
    match kind {
        "formula" | "count" => text("return_type").unwrap_or(if kind == "count" { "number" } else { "formula" }),
        "quote" => text("quote_field_type").unwrap_or("text"),
        kind => kind,
    }
}

fn data_type(kind: &str, described: &Value) -> DataType {
    match kind {
        "number" | "currency" | "percentile" => decimal(described),
        "date" => DataType::Date32,
        "date_time" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "true_or_false" => DataType::Boolean,
        "employee" | "employee_many" | "department" | "department_many" | "select_many" | "object_reference_many" => {
            DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))
        }
        _ => DataType::Utf8,
    }
}

/// Whole numbers where there are no decimals, else money's form unless there are more decimals than it has.
fn decimal(described: &Value) -> DataType {
    let places = match described.get("decimal_places") {
        Some(Value::Number(places)) => places.as_u64(),
        Some(Value::String(places)) => places.parse().ok(),
        _ => None,
    };
    match places {
        Some(0) => DataType::Int64,
        Some(places @ 5..=18) => DataType::Decimal128(38, places as i8),
        _ => DataType::Decimal128(19, 4),
    }
}

fn personal(name: &str, kind: &str) -> Personal {
    let name = name.to_lowercase();
    if ["birth", "gender", "sex", "age_"].iter().any(|part| name.contains(part)) {
        return Personal::Quasi;
    }
    match kind {
        "country" | "province" | "city" | "district" | "town" | "village" => Personal::Quasi,
        "id"
        | "number"
        | "currency"
        | "percentile"
        | "date"
        | "date_time"
        | "time"
        | "true_or_false"
        | "select_one"
        | "select_many"
        | "record_type"
        | "employee"
        | "employee_many"
        | "department"
        | "department_many"
        | "object_reference"
        | "object_reference_many"
        | "master_detail" => Personal::None,
        _ => Personal::Identifier,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(fields: Value) -> Stream {
        stream("ContactObj", fields.as_object())
    }

    #[test]
    fn a_description_becomes_typed_columns() {
        let stream = described(json!({
            "_id": {"type": "text"},
            "name": {"type": "text"}, "mobile1": {"type": "phone_number"},
            "amount": {"type": "currency", "decimal_places": 2}, "rate": {"type": "number", "decimal_places": "6"},
            "pieces": {"type": "number", "decimal_places": 0}, "share": {"type": "percentile"},
            "lines": {"type": "count", "decimal_places": 0}, "sum": {"type": "formula", "return_type": "currency"},
            "word": {"type": "formula"}, "tel": {"type": "quote", "quote_field_type": "phone_number"},
            "date_of_birth": {"type": "date"}, "closed": {"type": "date_time"}, "vip": {"type": "true_or_false"},
            "tags": {"type": "select_many"}, "gender": {"type": "select_one"}, "town": {"type": "city"},
            "account_id": {"type": "object_reference"}, "helpers": {"type": "employee"}, "off": {"type": "text", "is_active": false},
            "Name": {"type": "text"}, "new": {"type": "of_next_year"}, "last_modified_time": {"type": "date_time"},
        }));
        let column = |name: &str| stream.schema.field_with_name(name).unwrap();
        let text_of = |name: &str| format!("{:?} {}", column(name).data_type(), Personal::of(column(name)).as_str());
        for (name, expected) in [
            ("_id", "Utf8 none"),
            ("name", "Utf8 identifier"),
            ("mobile1", "Utf8 identifier"),
            ("amount", "Decimal128(19, 4) none"),
            ("rate", "Decimal128(38, 6) none"),
            ("pieces", "Int64 none"),
            ("share", "Decimal128(19, 4) none"),
            ("lines", "Int64 none"),
            ("sum", "Decimal128(19, 4) none"),
            ("word", "Utf8 identifier"),
            ("tel", "Utf8 identifier"),
            ("date_of_birth", "Date32 quasi"),
            ("closed", "Timestamp(Microsecond, Some(\"UTC\")) none"),
            ("vip", "Boolean none"),
            ("gender", "Utf8 quasi"),
            ("town", "Utf8 quasi"),
            ("account_id", "Utf8 none"),
            ("account_id__r", "Utf8 identifier"),
            ("new", "Utf8 identifier"),
            ("is_deleted", "Boolean none"),
        ] {
            assert_eq!(text_of(name), expected, "{name}");
        }
        for lists in ["tags", "helpers", "owner"] {
            assert!(
                matches!(column(lists).data_type(), DataType::List(item) if *item.data_type() == DataType::Utf8),
                "{lists}"
            );
        }
        assert!(matches!(column("owner__r").data_type(), DataType::Struct(_)));
        assert_eq!(Personal::of(column("owner__r")), Personal::Identifier);
        for missing in ["off", "Name"] {
            assert!(stream.schema.field_with_name(missing).is_err());
        }
        let at = column("last_modified_time").metadata();
        assert_eq!((at[EPOCH].as_str(), at[TIMEZONE].as_str()), ("ms", "Asia/Shanghai"));
        assert_eq!(stream.schema.fields().iter().filter(|field| field.name() == "last_modified_time").count(), 1);
        assert!(!column("_id").is_nullable());
    }

    #[test]
    fn an_object_that_nobody_wants_has_a_name_and_no_columns() {
        let stream = stream("object_a__c", None);
        assert!(stream.schema.fields().is_empty());
        assert_eq!(stream.primary_key, ["_id"]);
        assert_eq!(stream.cursor, Cursor::Column("last_modified_time".into()));
    }
}
