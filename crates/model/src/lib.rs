//! The common customer model: which entities there are, their columns, and which of them are personal.
//!
//! Everything that reads or writes `clean` tables takes its column names and types from here. The model is data: a mapping
//! is checked against it, Arrow schemas are made from it, and it says which normaliser a mapped value goes through.

#![forbid(unsafe_code)]

mod entities;
mod field;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

pub use entities::{ENTITIES, IDENTIFIER_TYPES};
pub use field::{Entity, Field, Normaliser, PERSONAL, Personal, plain};

/// An entity by its name.
pub fn entity(name: &str) -> Option<&'static Entity> {
    ENTITIES.iter().find(|entity| entity.name == name)
}

/// Columns that every `clean` table has before its own.
pub fn system_fields() -> Vec<arrow::datatypes::Field> {
    use arrow::datatypes::DataType::{Int64, Utf8};
    vec![
        plain("record_key", Utf8, Personal::None),
        plain("source", Utf8, Personal::None),
        plain("stream", Utf8, Personal::None),
        plain("source_key", Utf8, Personal::None),
        plain("version", Utf8, Personal::None),
        plain("commit", Int64, Personal::None),
    ]
}

impl Entity {
    /// The Arrow schema of `clean.<entity>`.
    pub fn schema(&self) -> SchemaRef {
        let own = self.fields.iter().map(Field::arrow);
        Arc::new(Schema::new(system_fields().into_iter().chain(own).collect::<Vec<_>>()))
    }

    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_and_field_is_named_once() {
        for (at, entity) in ENTITIES.iter().enumerate() {
            assert!(ENTITIES[..at].iter().all(|other| other.name != entity.name), "{}", entity.name);
            let schema = entity.schema();
            for (at, field) in schema.fields().iter().enumerate() {
                assert!(schema.fields()[..at].iter().all(|other| other.name() != field.name()), "{}", field.name());
            }
        }
    }

    #[test]
    fn money_is_decimal_and_never_a_float() {
        for entity in ENTITIES {
            for field in entity.schema().fields() {
                assert!(!field.data_type().is_floating(), "{}.{}", entity.name, field.name());
            }
        }
    }
}
