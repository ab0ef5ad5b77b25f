//! A stream's schema, column by column, for a connector that knows its columns beforehand.
//!
//! Text is taken for personal unless it is said to be none: `id` and `label` are for what tells nothing of a person.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::{Cursor, Deletes, PERSONAL, Personal, Stream, TIMEZONE};

/// Columns in the making; [`Columns::stream`] ends it.
#[derive(Debug, Clone)]
pub struct Columns {
    timezone: chrono_tz::Tz,
    fields: Vec<Field>,
}

impl Columns {
    /// `timezone`: of times without an offset.
    pub fn new(timezone: chrono_tz::Tz) -> Self {
        Self { timezone, fields: Vec::new() }
    }

    /// A text that names a record; an id is never a number, whatever it looks like.
    pub fn id(self, name: &str) -> Self {
        self.add(name, DataType::Utf8, Personal::None)
    }

    /// A text of a known kind: a status, a currency.
    pub fn label(self, name: &str) -> Self {
        self.add(name, DataType::Utf8, Personal::None)
    }

    /// A text that may say who somebody is.
    pub fn text(self, name: &str) -> Self {
        self.add(name, DataType::Utf8, Personal::Identifier)
    }

    pub fn integer(self, name: &str) -> Self {
        self.add(name, DataType::Int64, Personal::None)
    }

    /// An amount of money, exact: `decimal(19,4)`.
    pub fn money(self, name: &str) -> Self {
        self.add(name, DataType::Decimal128(19, 4), Personal::None)
    }

    /// A quantity, exact: `decimal(18,3)`.
    pub fn quantity(self, name: &str) -> Self {
        self.add(name, DataType::Decimal128(18, 3), Personal::None)
    }

    pub fn flag(self, name: &str) -> Self {
        self.add(name, DataType::Boolean, Personal::None)
    }

    /// A day of someone's: a birthday narrows down who it is.
    pub fn date(self, name: &str) -> Self {
        self.add(name, DataType::Date32, Personal::Quasi)
    }

    /// An instant, in microseconds UTC.
    pub fn time(self, name: &str) -> Self {
        self.add(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), Personal::None)
    }

    /// An object with these columns.
    pub fn object(mut self, name: &str, members: impl FnOnce(Self) -> Self) -> Self {
        let members = members(Self::new(self.timezone)).fields;
        self.fields.push(Field::new(name, DataType::Struct(members.into()), true));
        self
    }

    /// A list of objects with these columns.
    pub fn list(mut self, name: &str, items: impl FnOnce(Self) -> Self) -> Self {
        let items = items(Self::new(self.timezone)).fields;
        let item = Field::new("item", DataType::Struct(items.into()), true);
        self.fields.push(Field::new(name, DataType::List(Arc::new(item)), true));
        self
    }

    fn add(mut self, name: &str, kind: DataType, personal: Personal) -> Self {
        let mut told = HashMap::from([(PERSONAL.to_owned(), personal.as_str().to_owned())]);
        if matches!(kind, DataType::Timestamp(..)) {
            told.insert(TIMEZONE.to_owned(), self.timezone.name().to_owned());
        }
        self.fields.push(Field::new(name, kind, true).with_metadata(told));
        self
    }

    /// A stream of these columns whose records have the key `id` and are ordered, found again and told apart by the time in
    /// `changed`.
    pub fn stream(self, name: &str, id: &str, changed: &str, deletes: Deletes) -> Stream {
        Stream {
            name: name.to_owned(),
            schema: Arc::new(Schema::new(self.fields)),
            primary_key: vec![id.to_owned()],
            cursor: Cursor::Column(changed.to_owned()),
            deletes,
            version: Some(changed.to_owned()),
        }
    }
}
