//! Columns in the shape of the schema, filled from JSON values; what has no place in them is kept in `_extra`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};
use arrow::error::ArrowError;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::column::{Column, separator};
use super::extra::Extra;
use crate::MEMBER;

/// A column under construction, with those below it.
pub(super) enum Tree {
    Text {
        builder: StringBuilder,
        /// What is taken of an object.
        member: Option<String>,
    },
    /// Any other scalar; per value the row it is in.
    Scalar(Column, Vec<u32>),
    Struct {
        fields: Fields,
        children: Vec<Tree>,
        valid: Vec<bool>,
    },
    List {
        item: FieldRef,
        child: Box<Tree>,
        ends: Vec<i32>,
        valid: Vec<bool>,
        /// What is between its values in a text; see [`crate::SEPARATOR`].
        separator: Option<String>,
    },
}

impl Tree {
    pub(super) fn new(field: &FieldRef) -> Self {
        match field.data_type() {
            DataType::Utf8 => {
                Self::Text { builder: StringBuilder::new(), member: field.metadata().get(MEMBER).cloned() }
            }
            DataType::Struct(fields) => {
                let children = fields.iter().map(Self::new).collect();
                Self::Struct { fields: fields.clone(), children, valid: Vec::new() }
            }
            DataType::List(item) => {
                let mut child = Box::new(Self::new(item));
                if let (Self::Text { member, .. }, Some(named)) = (child.as_mut(), field.metadata().get(MEMBER)) {
                    member.get_or_insert_with(|| named.clone());
                }
                let separator = separator(field);
                Self::List { item: Arc::clone(item), child, ends: vec![0], valid: Vec::new(), separator }
            }
            _ => Self::Scalar(Column::new(field, 0, 0), Vec::new()),
        }
    }

    /// Appends an object's values to the columns of `fields`, and keeps those of other names.
    pub(super) fn append_fields(
        children: &mut [Self],
        fields: &Fields,
        object: Object<'_>,
        path: Option<&Path<'_>>,
        row: usize,
        extra: &mut Extra,
    ) {
        let mut values: Vec<Option<&RawValue>> = vec![None; fields.len()];
        let mut unknown = Vec::new();
        // Objects of one stream mostly have their fields in one order.
        let mut expected = 0;
        for (name, value) in object.0 {
            let place = (expected..fields.len()).chain(0..expected).find(|&place| *fields[place].name() == name);
            match place {
                Some(place) => {
                    values[place] = Some(value);
                    expected = place + 1;
                }
                None => unknown.push((name, value)),
            }
        }
        for ((child, field), value) in children.iter_mut().zip(fields).zip(values) {
            child.append(value, &Path { parent: path, step: Step::Name(field.name()) }, row, extra);
        }
        for (name, value) in last_of_each(unknown) {
            let key = extra.key(&Path { parent: path, step: Step::Name(&name) }.in_full());
            extra.json(row, key, value.get());
        }
    }

    fn append(&mut self, value: Option<&RawValue>, path: &Path<'_>, row: usize, extra: &mut Extra) {
        let Some(json) = value.map(RawValue::get).filter(|&json| json != "null") else {
            return self.append_null(row);
        };
        match self {
            Self::Text { builder, member: Some(member) } if json.starts_with('{') => match member_of(json, member) {
                Some(Some(text)) => builder.append_value(text),
                Some(None) => builder.append_null(),
                None => {
                    path.misfit(json, row, extra);
                    builder.append_null();
                }
            },
            Self::Text { builder, .. } => builder.append_value(scalar_text(json)),
            Self::Scalar(column, rows) => {
                rows.push(row as u32);
                let text = scalar_text(json);
                let span = (0, text.len() as u32);
                column.extend(text.as_bytes(), std::iter::once(span), |_| path.misfit(json, row, extra));
            }
            Self::Struct { fields, children, valid } => match serde_json::from_str::<Object>(json) {
                Ok(object) => {
                    valid.push(true);
                    Self::append_fields(children, fields, object, Some(path), row, extra);
                }
                Err(_) => {
                    path.misfit(json, row, extra);
                    self.append_null(row);
                }
            },
            Self::List { child, ends, valid, separator, .. } => match serde_json::from_str::<Vec<&RawValue>>(json) {
                Ok(items) if items.is_empty() && separator.is_some() => self.append_null(row),
                Ok(items) => {
                    valid.push(true);
                    ends.push(ends.last().copied().unwrap_or(0).saturating_add(items.len() as i32));
                    for (index, item) in items.into_iter().enumerate() {
                        child.append(Some(item), &Path { parent: Some(path), step: Step::Index(index) }, row, extra);
                    }
                }
                Err(_) => {
                    path.misfit(json, row, extra);
                    self.append_null(row);
                }
            },
        }
    }

    fn append_null(&mut self, row: usize) {
        match self {
            Self::Text { builder, .. } => builder.append_null(),
            Self::Scalar(column, rows) => {
                rows.push(row as u32);
                column.extend(&[], std::iter::once((0, 0)), |_| {});
            }
            Self::Struct { children, valid, .. } => {
                valid.push(false);
                children.iter_mut().for_each(|child| child.append_null(row));
            }
            Self::List { ends, valid, .. } => {
                valid.push(false);
                ends.push(ends.last().copied().unwrap_or(0));
            }
        }
    }

    pub(super) fn finish(self, path: &Path<'_>, extra: &mut Extra) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text { mut builder, .. } => Arc::new(builder.finish()),
            Self::Scalar(column, rows) => column.finish(|value, text| {
                extra.misfit(&path.column());
                let key = extra.key(&path.in_full());
                extra.text(rows[value] as usize, key, text);
            })?,
            Self::Struct { fields, children, valid } => {
                let mut arrays = Vec::with_capacity(children.len());
                for (child, field) in children.into_iter().zip(&fields) {
                    arrays.push(child.finish(&Path { parent: Some(path), step: Step::Name(field.name()) }, extra)?);
                }
                let (rows, nulls) = (valid.len(), Some(NullBuffer::from(valid)));
                Arc::new(StructArray::try_new_with_length(fields, arrays, nulls, rows)?)
            }
            Self::List { item, child, ends, valid, .. } => {
                let values = child.finish(path, extra)?;
                let nulls = Some(NullBuffer::from(valid));
                Arc::new(ListArray::try_new(item, OffsetBuffer::new(ends.into()), values, nulls)?)
            }
        })
    }
}

/// A string's content; the JSON text of anything else.
fn scalar_text(json: &str) -> Cow<'_, str> {
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        None => Cow::Borrowed(json),
        Some(text) if !text.contains('\\') => Cow::Borrowed(text),
        Some(_) => serde_json::from_str(json).map_or(Cow::Borrowed(json), Cow::Owned),
    }
}

/// The text of an object's member, if it is not null; nothing if there is no such member.
fn member_of<'a>(json: &'a str, member: &str) -> Option<Option<Cow<'a, str>>> {
    let object: Object = serde_json::from_str(json).ok()?;
    let (_, value) = object.0.into_iter().rfind(|(name, _)| name == member)?;
    Some((value.get() != "null").then(|| scalar_text(value.get())))
}

/// The last value of each name, in the order of the names' last places.
fn last_of_each<'a>(mut fields: Vec<(Cow<'a, str>, &'a RawValue)>) -> Vec<(Cow<'a, str>, &'a RawValue)> {
    if fields.len() > 1 {
        let mut seen = HashSet::with_capacity(fields.len());
        let last: Vec<bool> = fields.iter().rev().map(|(name, _)| seen.insert(name.as_ref().to_owned())).collect();
        let mut last = last.into_iter().rev();
        fields.retain(|_| last.next().unwrap_or(true));
    }
    fields
}

/// An object's fields as they come, repeated names included.
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        #[derive(serde::Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(Name(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Fields).map(Self)
    }
}

/// Where a value is in its record. It is written out only when something goes to `_extra`.
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(super) fn root(name: &'a str) -> Self {
        Self { parent: None, step: Step::Name(name) }
    }

    /// `lines[0].gift`
    fn in_full(&self) -> String {
        self.write(true)
    }

    /// `lines.gift`: the column, whichever element it is.
    fn column(&self) -> String {
        self.write(false)
    }

    fn write(&self, indices: bool) -> String {
        let mut text = self.parent.map(|parent| parent.write(indices)).unwrap_or_default();
        match self.step {
            Step::Name(name) => {
                if self.parent.is_some() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Index(index) if indices => {
                // Writing to a string does not fail.
                let _ = write!(text, "[{index}]");
            }
            Step::Index(_) => {}
        }
        text
    }

    fn misfit(&self, json: &str, row: usize, extra: &mut Extra) {
        extra.misfit(&self.column());
        let key = extra.key(&self.in_full());
        extra.json(row, key, json);
    }
}
