//! When a source shows other columns than before: what becomes of them in the raw table.
//!
//! A raw table never loses a column and never changes one. A new column is added; one whose type changed goes on in a column
//! of its own beside the old one (`amount`, then `amount__text`); one that is gone stays, empty from then on. With the policy
//! `extra` nothing is added and what is new is kept in `_extra`, with `fail` the stream is not read until a person has looked.
//! Pure; [`crate::schema_event`] keeps record of what was found.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use tributary_connector::{Error, Kind, Stream};

use crate::raw;

/// Columns that a source shows for the first time, or with another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// They become columns.
    #[default]
    Evolve,
    /// They are kept in `_extra`.
    Extra,
    /// The stream is not read.
    Fail,
}

/// A stream as it is read, and as it lies in the lake. Column by column these are the same.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Names and types to decode with: the source's, then what it no longer shows.
    pub stream: Stream,
    /// The raw table's own columns.
    pub table: SchemaRef,
}

impl Layout {
    /// Takes on the table's own form of nested types (the names within a list): files must have that.
    pub fn adopt(self, table: &Schema) -> Self {
        let adopted = |field: &FieldRef, name: &str| match table.field_with_name(name) {
            Ok(lake) if lake.data_type().is_nested() => {
                Arc::new(field.as_ref().clone().with_data_type(lake.data_type().clone()))
            }
            _ => Arc::clone(field),
        };
        let names: Vec<&String> = self.table.fields().iter().map(|field| field.name()).collect();
        let read: Vec<_> =
            self.stream.schema.fields().iter().zip(&names).map(|(field, name)| adopted(field, name)).collect();
        let kept: Vec<_> = self.table.fields().iter().zip(&names).map(|(field, name)| adopted(field, name)).collect();
        let stream = Stream { schema: Arc::new(Schema::new(read)), ..self.stream.clone() };
        Self { stream, table: Arc::new(Schema::new(kept)) }
    }
}

/// The name of a column that the source cannot show: it starts with a character that no source uses.
fn retired(name: &str) -> String {
    format!("\u{0}{name}")
}

/// Fits a stream to its raw table, if there is one.
///
/// # Errors
/// [`Kind::Refused`] if the policy is to fail and the source shows something new.
pub fn fit(stream: &Stream, lake: Option<&Schema>, policy: Policy) -> Result<Layout, Error> {
    let own = lake.map(raw::own_columns).unwrap_or_default();
    let there: BTreeMap<&str, &Field> = own.iter().map(|field| (field.name().as_str(), field)).collect();
    let mut read: Vec<FieldRef> = Vec::new();
    let mut kept: Vec<FieldRef> = Vec::new();
    let mut refused = Vec::new();
    // What goes on in a column beside.
    let mut elsewhere = Vec::new();
    for field in stream.schema.fields() {
        let name = raw::column_name(field.name());
        let named = |name: String, kind: &DataType| {
            Arc::new(field.as_ref().clone().with_name(name).with_data_type(kind.clone()))
        };
        let as_source = |kind: &DataType| named(field.name().clone(), kind);
        let kind = field.data_type();
        match there.get(name.as_str()).map(|lake| lake.data_type()) {
            None if lake.is_some() && policy == Policy::Extra => continue,
            None if lake.is_some() && policy == Policy::Fail => refused.push(format!("`{name}` is new")),
            None => {
                read.push(as_source(kind));
                kept.push(named(name, kind));
            }
            // The lake's own form of a nested type (the names within a list) is what files must have; members it lacks go
            // to `_extra`.
            Some(lake) if same(lake, kind) || (lake.is_nested() && nests_alike(lake, kind)) => {
                read.push(as_source(lake));
                kept.push(named(name, lake));
            }
            Some(lake) => {
                let beside = beside(&name, kind, &there);
                // That it goes on there was settled before.
                let settled = there.contains_key(beside.as_str());
                match policy {
                    Policy::Evolve => {}
                    _ if settled => {}
                    Policy::Fail => {
                        refused.push(format!("`{name}` was {} and is {}", shown(lake), shown(kind)));
                        continue;
                    }
                    Policy::Extra => {
                        read.push(as_source(lake));
                        kept.push(named(name, lake));
                        continue;
                    }
                }
                read.push(as_source(kind));
                kept.push(named(beside, kind));
                elsewhere.push(name);
            }
        }
    }
    if !refused.is_empty() {
        let message = format!("stream `{}` shows other columns: {}", stream.name, refused.join(", "));
        return Err(Error::new(Kind::Refused, message)
            .hint("look at them, then read with `schema = \"evolve\"` or `\"extra\"` in the source"));
    }
    for field in &own {
        if kept.iter().any(|kept| kept.name() == field.name()) {
            continue;
        }
        // A column that is known no more may still come; one that goes on beside must not take its values.
        let out = elsewhere.contains(field.name());
        read.push(Arc::new(if out {
            field.clone().with_name(retired(field.name()))
        } else {
            field.clone().with_name(raw::source_name(field.name()))
        }));
        kept.push(Arc::new(field.clone()));
    }
    let stream = Stream { schema: Arc::new(Schema::new(read)), ..stream.clone() };
    Ok(Layout { stream, table: Arc::new(Schema::new(kept)) })
}

/// The column in which `name` goes on as another type: `amount__text`.
fn beside(name: &str, kind: &DataType, there: &BTreeMap<&str, &Field>) -> String {
    let first = format!("{name}__{}", suffix(kind));
    let mut candidate = first.clone();
    let mut number = 2;
    while there.get(candidate.as_str()).is_some_and(|lake| !same(lake.data_type(), kind)) {
        candidate = format!("{first}_{number}");
        number += 1;
    }
    candidate
}

fn suffix(kind: &DataType) -> &'static str {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Boolean => "bool",
        DataType::Decimal128(..) | DataType::Decimal256(..) => "decimal",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(..) => "time",
        DataType::List(_) | DataType::LargeList(_) => "list",
        DataType::Struct(_) => "object",
        kind if kind.is_integer() => "integer",
        kind if kind.is_floating() => "float",
        _ => "value",
    }
}

/// A type in a user's words.
pub(crate) fn shown(kind: &DataType) -> String {
    match kind {
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        kind => suffix(kind).to_owned(),
    }
}

fn same(a: &DataType, b: &DataType) -> bool {
    a.equals_datatype(b)
}

/// Whether both are lists, or both objects, down to where one ends.
fn nests_alike(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::List(a), DataType::List(b)) => {
            same(a.data_type(), b.data_type()) || nests_alike(a.data_type(), b.data_type())
        }
        (DataType::Struct(_), DataType::Struct(_)) => true,
        _ => false,
    }
}

/// What a source shows now that it did not, by column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub column: String,
    pub change: Change,
    pub before: Option<String>,
    pub after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Added,
    Gone,
    Retyped,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Gone => "gone",
            Self::Retyped => "type changed",
        }
    }
}

/// A stream's columns with their types, in words: what is remembered of how a source looked.
pub fn columns(stream: &Stream) -> BTreeMap<String, String> {
    stream.schema.fields().iter().map(|field| (field.name().clone(), shown(field.data_type()))).collect()
}

/// What changed between two looks at a source.
pub fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Difference> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|column| {
            let (before, after) = (before.get(column), after.get(column));
            let change = match (before, after) {
                (None, Some(_)) => Change::Added,
                (Some(_), None) => Change::Gone,
                (Some(before), Some(after)) if before != after => Change::Retyped,
                _ => return None,
            };
            Some(Difference { column: column.clone(), change, before: before.cloned(), after: after.cloned() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tributary_connector::{Cursor, Deletes};

    use super::*;

    fn stream(columns: &[(&str, DataType)]) -> Stream {
        let fields: Vec<_> = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
        Stream {
            name: "deals".into(),
            schema: Arc::new(Schema::new(fields)),
            primary_key: vec!["_id".into()],
            cursor: Cursor::None,
            deletes: Deletes::Never,
            version: None,
        }
    }

    fn names(schema: &Schema) -> Vec<&str> {
        schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    const BEFORE: &[(&str, DataType)] =
        &[("_id", DataType::Utf8), ("amount", DataType::Int64), ("old", DataType::Utf8)];
    const AFTER: &[(&str, DataType)] =
        &[("_id", DataType::Utf8), ("amount", DataType::Utf8), ("new", DataType::Date32)];

    #[test]
    fn what_changes_its_type_goes_on_beside_and_what_is_gone_stays() {
        let lake = fit(&stream(BEFORE), None, Policy::Evolve).unwrap().table;
        let layout = fit(&stream(AFTER), Some(&lake), Policy::Evolve).unwrap();
        assert_eq!(names(&layout.table), ["_id", "amount__text", "new", "amount", "old"]);
        assert_eq!(names(&layout.stream.schema), ["_id", "amount", "new", "\u{0}amount", "old"]);
        // Back to what it was: the first column goes on, and the other stays.
        let all = Schema::new(layout.table.fields().clone());
        let back = fit(&stream(BEFORE), Some(&all), Policy::Evolve).unwrap();
        assert_eq!(names(&back.table), ["_id", "amount", "old", "amount__text", "new"]);
        assert_eq!(names(&back.stream.schema)[1], "amount");
    }

    #[test]
    fn by_policy_what_is_new_goes_to_extra_or_stops_the_stream() {
        let lake = fit(&stream(BEFORE), None, Policy::Fail).unwrap().table;
        let layout = fit(&stream(AFTER), Some(&lake), Policy::Extra).unwrap();
        assert_eq!(names(&layout.stream.schema), ["_id", "amount", "old"]);
        assert_eq!(layout.stream.schema.field(1).data_type(), &DataType::Int64);
        let error = fit(&stream(AFTER), Some(&lake), Policy::Fail).unwrap_err();
        assert_eq!(error.message, "stream `deals` shows other columns: `amount` was integer and is text, `new` is new");
        assert!(fit(&stream(BEFORE), Some(&lake), Policy::Fail).is_ok());
    }

    #[test]
    fn a_column_with_a_name_of_ours_gets_another() {
        let layout =
            fit(&stream(&[("_id", DataType::Utf8), ("_version", DataType::Utf8)]), None, Policy::Evolve).unwrap();
        assert_eq!(names(&layout.table), ["_id", "_version__source"]);
        assert_eq!(names(&layout.stream.schema), ["_id", "_version"]);
        let again = fit(&stream(&[("_id", DataType::Utf8)]), Some(&layout.table), Policy::Evolve).unwrap();
        assert_eq!(names(&again.stream.schema), ["_id", "_version"]);
    }

    #[test]
    fn two_looks_at_a_source_are_compared_by_column() {
        let found = differences(&columns(&stream(BEFORE)), &columns(&stream(AFTER)));
        let told: Vec<_> = found.iter().map(|found| (found.column.as_str(), found.change)).collect();
        assert_eq!(told, [("amount", Change::Retyped), ("new", Change::Added), ("old", Change::Gone)]);
        assert_eq!((found[0].before.as_deref(), found[0].after.as_deref()), (Some("integer"), Some("text")));
    }
}
