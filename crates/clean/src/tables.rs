//! The `clean` tables beside the entities' own.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use tributary_lake::{TableName, TableSpec};
use tributary_model::{Entity, Personal, plain};

/// `clean.<entity>`.
pub fn spec_of(entity: &Entity) -> TableSpec {
    TableSpec { name: TableName::new("clean", entity.name), schema: entity.schema() }
}

fn date() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// `clean.party_identifier`: a person's phones, addresses of mail, numbers.
pub fn party_identifier() -> TableSpec {
    let fields = vec![
        plain("record_key", DataType::Utf8, Personal::None),
        plain("source", DataType::Utf8, Personal::None),
        plain("type", DataType::Utf8, Personal::None),
        plain("scope", DataType::Utf8, Personal::None),
        plain("value", DataType::Utf8, Personal::Identifier),
        plain("masked", DataType::Boolean, Personal::None),
        plain("valid_from", date(), Personal::None),
        plain("valid_to", date(), Personal::None),
    ];
    TableSpec { name: TableName::new("clean", "party_identifier"), schema: Arc::new(Schema::new(fields)) }
}

/// `clean.event_identifier`: by which identifiers an order, an answer or a visit names its person.
pub fn event_identifier() -> TableSpec {
    let fields = vec![
        plain("entity", DataType::Utf8, Personal::None),
        plain("record_key", DataType::Utf8, Personal::None),
        plain("source", DataType::Utf8, Personal::None),
        plain("type", DataType::Utf8, Personal::None),
        plain("scope", DataType::Utf8, Personal::None),
        plain("value", DataType::Utf8, Personal::Identifier),
        plain("masked", DataType::Boolean, Personal::None),
        plain("commit", DataType::Int64, Personal::None),
    ];
    TableSpec { name: TableName::new("clean", "event_identifier"), schema: Arc::new(Schema::new(fields)) }
}

/// `clean.field_issue`: fields that were lost, without their values.
pub fn field_issue() -> TableSpec {
    let fields = ["entity", "record_key", "source", "stream", "source_key", "field", "kind"];
    let fields: Vec<_> = fields.iter().map(|name| plain(name, DataType::Utf8, Personal::None)).collect();
    TableSpec { name: TableName::new("clean", "field_issue"), schema: Arc::new(Schema::new(fields)) }
}

/// `match.change`: what the stage changed last of what is merged. A row is a party as it is now, one of its identifiers, a party that was
/// (`gone`, unless it is there as it is now), or an identifier that an order names (`event`) or named (`event_gone`).
pub fn change() -> TableSpec {
    let party = tributary_model::entity("party");
    let own =
        ["name", "name_masked", "family_name", "given_name", "gender", "birthday", "province", "city", "district"];
    let own = own.into_iter().chain(["street", "postcode"]).filter_map(|name| party?.field(name));
    let mut fields = vec![
        plain("number", DataType::Int64, Personal::None),
        plain("what", DataType::Utf8, Personal::None),
        plain("rows", DataType::Int64, Personal::None),
    ];
    fields.extend(party_identifier().schema.fields().iter().map(|field| field.as_ref().clone()));
    fields.extend(own.map(tributary_model::Field::arrow));
    TableSpec { name: TableName::new("match", "change"), schema: Arc::new(Schema::new(fields)) }
}
