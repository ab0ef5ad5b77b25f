//! The tables of identity and of golden records.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use tributary_lake::{TableName, TableSpec};
use tributary_model::{Personal, plain};

fn spec(layer: &str, name: &str, fields: Vec<Field>) -> TableSpec {
    TableSpec { name: TableName::new(layer, name), schema: Arc::new(Schema::new(fields)) }
}

fn text(name: &str) -> Field {
    plain(name, DataType::Utf8, Personal::None)
}

fn number(name: &str) -> Field {
    plain(name, DataType::Int64, Personal::None)
}

fn flag(name: &str) -> Field {
    plain(name, DataType::Boolean, Personal::None)
}

/// Which record belongs to which customer. A record that is gone stays, retired, in case it comes back.
pub fn member() -> TableSpec {
    spec(
        "identity",
        "member",
        vec![
            text("record_key"),
            text("customer_id"),
            text("source"),
            // A stub is an identifier that orders name and that is a record by itself.
            flag("stub"),
            flag("retired"),
            // A stub whose identifier more people share than may: nobody's.
            flag("shared"),
            number("since"),
        ],
    )
}

/// Why two records are one (`certain`, `likely`), or are not in spite of a shared identifier or of likeness (`vetoed`,
/// `refused`, `cut`). A record has the lower key of the two as `a`.
pub fn edge() -> TableSpec {
    let mut fields: Vec<Field> = ["a", "b", "kind", "type", "scope", "reason"].map(text).into();
    // Log2 of the odds that the two are one person.
    fields.push(plain("bits", DataType::Float64, Personal::None));
    spec("identity", "edge", fields)
}

/// The models by which likely edges are found; the one with the highest number counts. Values in it are keyed hashes.
pub fn model() -> TableSpec {
    spec(
        "identity",
        "model",
        vec![number("number"), number("version"), text("run_id"), number("records"), text("model")],
    )
}

/// What stewards have said of pairs of records, the lower key first; lines are only added.
pub fn decision() -> TableSpec {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    spec(
        "identity",
        "decision",
        vec![
            number("number"),
            text("a"),
            text("b"),
            text("verdict"),
            plain("decided_by", DataType::Utf8, Personal::Identifier),
            plain("reason", DataType::Utf8, Personal::Identifier),
            plain("decided_at", time, Personal::None),
        ],
    )
}

/// What happened to ids and members, in order.
pub fn event() -> TableSpec {
    spec(
        "identity",
        "event",
        vec![
            number("number"),
            number("ordinal"),
            text("kind"),
            text("customer_id"),
            text("other_id"),
            text("record_key"),
            number("generation"),
            text("run_id"),
        ],
    )
}

/// The index: records as they were merged last. Rows are added until the table is made anew; of a record the one of the highest number
/// counts.
pub fn indexed() -> TableSpec {
    spec(
        "match",
        "record",
        vec![
            text("record_key"),
            // That of the stage's commit.
            number("number"),
            flag("gone"),
            // Of a stub, how many orders and the like name it.
            number("named"),
            // Hashes of the identifiers that tie records.
            plain("held", DataType::Binary, Personal::None),
            plain("profile", DataType::Binary, Personal::Identifier),
        ],
    )
}

/// The blocks that records are compared in under the newest model, as hashes; rows are added as they are to [`indexed`].
pub fn block() -> TableSpec {
    spec(
        "match",
        "block",
        vec![text("record_key"), number("number"), plain("blocks", DataType::Binary, Personal::None)],
    )
}

/// The golden record.
pub fn customer() -> TableSpec {
    let who = |name: &str| plain(name, DataType::Utf8, Personal::Identifier);
    let near = |name: &str| plain(name, DataType::Utf8, Personal::Quasi);
    let time = |name: &str| plain(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), Personal::None);
    spec(
        "customer",
        "customer",
        vec![
            text("customer_id"),
            who("name"),
            who("family_name"),
            who("given_name"),
            flag("name_masked"),
            near("gender"),
            plain("birthday", DataType::Date32, Personal::Quasi),
            who("phone"),
            flag("phone_masked"),
            who("email"),
            who("member_no"),
            near("company"),
            near("language"),
            near("segment"),
            near("country"),
            near("province"),
            near("city"),
            near("district"),
            who("street"),
            near("postcode"),
            time("joined_at"),
            time("source_ts"),
            number("records"),
            text("sources"),
            // Known by an identifier on an order only.
            flag("stub"),
        ],
    )
}

/// Which record gave each field of a golden record, and by which rule.
pub fn provenance() -> TableSpec {
    spec(
        "customer",
        "provenance",
        vec![text("customer_id"), text("field"), text("record_key"), text("source"), text("rule")],
    )
}

/// An id that is part of another now.
pub fn redirect() -> TableSpec {
    spec("customer", "redirect", vec![text("customer_id"), text("current_id")])
}

/// Which customer an order, an answer or a visit belongs to, and by which type of identifier that is known.
pub fn attribution() -> TableSpec {
    spec("customer", "attribution", vec![text("entity"), text("record_key"), text("customer_id"), text("type")])
}
