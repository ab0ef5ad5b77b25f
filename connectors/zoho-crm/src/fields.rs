//! A field of a module, as the vendor describes it and as a column.
//!
//! The metadata is believed as far as it goes: an unknown type is text, and what is text by name and an array by nature
//! (`Tag`, `Pricing_Details`) is known by its JSON type. A value that is none of its column's type is kept beside the row.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde_json::Value;
use tributary_connector::{MEMBER, PERSONAL, Personal, SEPARATOR};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Text that lists cut.
    RichText,
    Integer,
    Decimal(u8, i8),
    Boolean,
    Date,
    Time,
    /// One of a set of texts.
    Choice,
    /// Several of a set of texts.
    Choices,
    /// Several things that have a name each.
    Tags,
    /// Another record or a user.
    Reference,
    /// Anything else, as its JSON. Neither queries nor exports are known to show it.
    Json,
    /// Records of their own, which are a stream of their own.
    Children,
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    pub name: String,
    pub kind: Kind,
}

impl Described {
    /// A field by its metadata; `None` if it has no name.
    pub(crate) fn read(field: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_ascii_lowercase();
        let name = field["api_name"].as_str().filter(|name| is_name(name))?.to_owned();
        let json_type = text(&field["json_type"]);
        let data_type = match text(&field["data_type"]).as_str() {
            "formula" => text(&field["formula"]["return_type"]),
            "rollup_summary" => text(&field["rollup_summary"]["return_type"]),
            other => other.to_owned(),
        };
        let places = field["decimal_place"].as_i64();
        let kind = match (name.as_str(), data_type.as_str()) {
            ("id", _) => Kind::Text,
            ("Tag", _) => Kind::Tags,
            (_, "textarea") if text(&field["textarea"]["type"]) == "rich_text" => Kind::RichText,
            (_, "subform" | "multiselectlookup" | "multiuserlookup") => Kind::Children,
            (_, "multiselectpicklist") => Kind::Choices,
            (_, "lookup" | "ownerlookup" | "userlookup" | "multi_module_lookup" | "layout" | "module") => {
                Kind::Reference
            }
            (
                _,
                "fileupload" | "imageupload" | "consent_lookup" | "linetax" | "time_range" | "multireminder" | "rrule"
                | "alarm",
            ) => Kind::Json,
            (_, "picklist") if !json_type.starts_with("json") => Kind::Choice,
            (_, "integer" | "bigint" | "long") => Kind::Integer,
            (_, "double" | "decimal" | "percent" | "currency") => decimal(places),
            (_, "boolean") => Kind::Boolean,
            (_, "date") => Kind::Date,
            (_, "datetime" | "event_reminder") => Kind::Time,
            _ if json_type == "jsonarray" || json_type == "jsonobject" => Kind::Json,
            _ => Kind::Text,
        };
        Some(Self { name, kind })
    }

    /// The column; `None` for what is a stream of its own.
    pub(crate) fn column(&self) -> Option<Field> {
        let data_type = match self.kind {
            Kind::Children => return None,
            Kind::Text | Kind::RichText | Kind::Choice | Kind::Reference | Kind::Json => DataType::Utf8,
            Kind::Integer => DataType::Int64,
            Kind::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Kind::Boolean => DataType::Boolean,
            Kind::Date => DataType::Date32,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Choices | Kind::Tags => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        };
        let mut metadata = HashMap::new();
        let personal = self.personal();
        if personal != Personal::Identifier {
            metadata.insert(PERSONAL.to_owned(), personal.as_str().to_owned());
        }
        match self.kind {
            Kind::Reference => drop(metadata.insert(MEMBER.to_owned(), "id".to_owned())),
            Kind::Choices => drop(metadata.insert(SEPARATOR.to_owned(), ";".to_owned())),
            Kind::Tags => {
                metadata.insert(SEPARATOR.to_owned(), ";".to_owned());
                metadata.insert(MEMBER.to_owned(), "name".to_owned());
            }
            _ => {}
        }
        Some(Field::new(&self.name, data_type, true).with_metadata(metadata))
    }

    fn personal(&self) -> Personal {
        let name = self.name.to_ascii_lowercase();
        let speaks_of = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if self.kind == Kind::Date && speaks_of(&["birth"])
            || speaks_of(&["city", "state", "province", "country", "zip"])
        {
            return Personal::Quasi;
        }
        match self.kind {
            Kind::Text if self.name == "id" => Personal::None,
            Kind::Text | Kind::RichText | Kind::Json | Kind::Children => Personal::Identifier,
            _ => Personal::None,
        }
    }
}

/// Fits in a query as it is.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 100 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$')
}

fn decimal(places: Option<i64>) -> Kind {
    match places {
        Some(places @ 5..) => Kind::Decimal(38, i8::try_from(places.min(18)).unwrap_or(18)),
        _ => Kind::Decimal(19, 4),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(name: &str, data_type: &str, more: Value) -> Kind {
        let mut field = json!({ "api_name": name, "data_type": data_type });
        if let (Value::Object(field), Value::Object(more)) = (&mut field, more) {
            field.extend(more);
        }
        Described::read(&field).unwrap().kind
    }

    #[test]
    fn types_are_those_of_the_wire() {
        assert_eq!(kind("id", "bigint", json!({ "json_type": "string" })), Kind::Text);
        assert_eq!(kind("Points", "bigint", json!({ "json_type": "string" })), Kind::Integer);
        assert_eq!(kind("Amount", "currency", json!({ "decimal_place": 2 })), Kind::Decimal(19, 4));
        assert_eq!(kind("Rate", "double", json!({ "decimal_place": 9 })), Kind::Decimal(38, 9));
        assert_eq!(kind("Tag", "text", json!({ "json_type": "jsonarray" })), Kind::Tags);
        assert_eq!(kind("Pricing_Details", "text", json!({ "json_type": "jsonarray" })), Kind::Json);
        assert_eq!(kind("Score", "formula", json!({ "formula": { "return_type": "double" } })), Kind::Decimal(19, 4));
        assert_eq!(kind("Notes", "textarea", json!({ "textarea": { "type": "rich_text" } })), Kind::RichText);
        assert_eq!(kind("New", "hologram", json!({ "json_type": "light" })), Kind::Text);
        assert_eq!(kind("Family", "subform", json!({})), Kind::Children);
        assert_eq!(Described::read(&json!({ "data_type": "text" })), None);
        assert_eq!(Described::read(&json!({ "api_name": "a b; drop", "data_type": "text" })), None);
    }

    #[test]
    fn names_phones_and_texts_say_who_it_is_and_ids_times_and_numbers_do_not() {
        let personal = |name: &str, data_type: &str| {
            Personal::of(
                &Described::read(&json!({ "api_name": name, "data_type": data_type })).unwrap().column().unwrap(),
            )
        };
        assert_eq!(personal("Last_Name", "text"), Personal::Identifier);
        assert_eq!(personal("Mobile", "phone"), Personal::Identifier);
        assert_eq!(personal("Date_of_Birth", "date"), Personal::Quasi);
        assert_eq!(personal("Mailing_City", "text"), Personal::Quasi);
        for (name, data_type) in
            [("id", "bigint"), ("Owner", "ownerlookup"), ("Stage", "picklist"), ("Modified_Time", "datetime")]
        {
            assert_eq!(personal(name, data_type), Personal::None, "{name}");
        }
    }
}
