//! Kinds of fields and what the describe call says of them; the objects themselves are in `objects`.

use serde_json::{Value, json};

/// What a field holds, and how it is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    LongText,
    RichText,
    Phone,
    Email,
    /// Decimals are strings: these four, and those that are computed.
    Number,
    Currency,
    Percentile,
    /// Epoch milliseconds, of a day's midnight in Shanghai.
    Date,
    DateTime,
    SelectOne,
    SelectMany,
    Bool,
    /// Always lists.
    Employee,
    Department,
    Reference,
    MasterDetail,
    Images,
    AutoNumber,
    RecordType,
    /// `lng#%$lat#%$address`.
    Location,
    Formula,
    Count,
    /// A value of the record that a reference leads to.
    Quote,
    Team,
}

impl Kind {
    /// Its name in descriptions.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::LongText => "long_text",
            Self::RichText => "html_rich_text",
            Self::Phone => "phone_number",
            Self::Email => "email",
            Self::Number => "number",
            Self::Currency => "currency",
            Self::Percentile => "percentile",
            Self::Date => "date",
            Self::DateTime => "date_time",
            Self::SelectOne => "select_one",
            Self::SelectMany => "select_many",
            Self::Bool => "true_or_false",
            Self::Employee => "employee",
            Self::Department => "department",
            Self::Reference => "object_reference",
            Self::MasterDetail => "master_detail",
            Self::Images => "image",
            Self::AutoNumber => "auto_number",
            Self::RecordType => "record_type",
            Self::Location => "location",
            Self::Formula => "formula",
            Self::Count => "count",
            Self::Quote => "quote",
            Self::Team => "embedded_object_list",
        }
    }

    /// Whether the simple query leaves it out.
    pub(super) fn computed(self) -> bool {
        matches!(self, Self::Formula | Self::Count | Self::Quote)
    }

    /// Whether values are compared as numbers.
    pub(super) fn numeric(self) -> bool {
        matches!(
            self,
            Self::Number
                | Self::Currency
                | Self::Percentile
                | Self::Formula
                | Self::Count
                | Self::Date
                | Self::DateTime
        )
    }
}

/// One field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// Kept by the system; not to be written.
    pub(super) system: bool,
    /// The object that a reference leads to.
    pub(super) target: Option<&'static str>,
    /// For a quote: the reference, the object that it leads to, and the field there.
    pub(super) quoted: Option<(&'static str, &'static str, &'static str)>,
    /// Label and value.
    pub(super) values: &'static [(&'static str, &'static str)],
}

impl Field {
    pub(super) fn new(name: &str, label: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
            required: false,
            system: false,
            target: None,
            quoted: None,
            values: &[],
        }
    }

    pub(super) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn system(self) -> Self {
        Self { system: true, ..self }
    }

    pub(super) fn to(self, object: &'static str) -> Self {
        Self { target: Some(object), ..self }
    }

    pub(super) fn of(self, reference: &'static str, object: &'static str, field: &'static str) -> Self {
        Self { quoted: Some((reference, object, field)), ..self }
    }

    pub(super) fn among(self, values: &'static [(&'static str, &'static str)]) -> Self {
        Self { values, ..self }
    }

    /// The label of an option.
    pub(super) fn label_of<'a>(&self, value: &'a str) -> &'a str {
        self.values.iter().find(|(_, known)| *known == value).map_or(value, |(label, _)| label)
    }

    /// What the describe call says.
    pub(super) fn described(&self) -> Value {
        let define_type = match () {
            () if self.system => "system",
            () if self.name.ends_with("__c") => "custom",
            () => "package",
        };
        let mut described = json!({
            "api_name": self.name, "label": self.label, "type": self.kind.name(), "is_required": self.required,
            "define_type": define_type, "is_active": true, "is_index": true, "is_unique": self.kind == Kind::AutoNumber,
            "status": "released",
        });
        let more = match self.kind {
            Kind::SelectOne | Kind::SelectMany => {
                let option = |(label, value): &(&str, &str)| json!({ "label": label, "value": value });
                json!({ "options": self.values.iter().map(option).collect::<Vec<_>>() })
            }
            Kind::Number | Kind::Count => json!({ "decimal_places": 0, "length": 14 }),
            Kind::Currency | Kind::Percentile | Kind::Formula => json!({ "decimal_places": 2, "length": 14 }),
            Kind::Date => json!({ "date_format": "yyyy-MM-dd", "time_zone": "GMT+8" }),
            Kind::DateTime => json!({ "date_format": "yyyy-MM-dd HH:mm", "time_zone": "GMT+8" }),
            Kind::Reference | Kind::MasterDetail => json!({ "target_api_name": self.target }),
            Kind::Quote => {
                let quoted = self.quoted.map(|(reference, _, field)| format!("{reference}__r.{field}"));
                json!({ "quote_field": quoted, "quote_field_type": "text" })
            }
            Kind::Employee | Kind::Department => json!({ "is_single": true }),
            _ => json!({}),
        };
        if let (Value::Object(described), Value::Object(more)) = (&mut described, more) {
            described.extend(more);
        }
        described
    }
}

/// One object: the vendor's word for a table.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// The letters before the numbers of its auto-number fields.
    pub(super) prefix: &'static str,
    pub(super) fields: Vec<Field>,
}

impl Object {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether it is one that the tenant made, whose requests have paths of their own.
    pub(super) fn custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// Whether it tells of the tenant itself: everybody may read it, nobody may write it.
    pub(super) fn of_tenant(&self) -> bool {
        matches!(self.name, "PersonnelObj" | "DepartmentObj")
    }
}
