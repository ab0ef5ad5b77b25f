//! Columns in the shape of the schema, filled from a record's tape; what has no place in them is kept in `_extra`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};
use arrow::error::ArrowError;

use super::column::{Column, separator};
use super::extra::Extra;
use super::names::{NONE, Names};
use super::parse::{Kind, Token, object};
use super::text::{Texts, unescape, unescaped};
use crate::MEMBER;

/// A column under construction, with those below it.
pub(super) enum Tree {
    Text {
        texts: Texts,
        /// The name of what is taken of an object.
        member: Option<Names>,
    },
    /// Any other scalar.
    Scalar {
        column: Column,
        /// Per value the row it is in, if values may turn out only at the end not to fit.
        rows: Vec<u32>,
        unescaped: Vec<u8>,
    },
    Struct {
        members: Members,
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

/// What the columns look into.
pub(super) enum Shape<'a> {
    Scalar,
    Object(&'a mut Names, &'a mut [Tree]),
    List(&'a mut Tree),
}

impl Tree {
    pub(super) fn new(field: &FieldRef) -> Self {
        match field.data_type() {
            DataType::Utf8 => {
                let member = field.metadata().get(MEMBER).map(|member| Names::new(std::iter::once(member.as_str())));
                Self::Text { texts: Texts::new(), member }
            }
            DataType::Struct(fields) => Self::Struct { members: Members::new(fields), valid: Vec::new() },
            DataType::List(item) => {
                let mut child = Box::new(Self::new(item));
                if let (Self::Text { member, .. }, Some(named)) = (child.as_mut(), field.metadata().get(MEMBER)) {
                    member.get_or_insert_with(|| Names::new(std::iter::once(named.as_str())));
                }
                let separator = separator(field);
                Self::List { item: Arc::clone(item), child, ends: vec![0], valid: Vec::new(), separator }
            }
            _ => Self::Scalar { column: Column::new(field, 0, 0), rows: Vec::new(), unescaped: Vec::new() },
        }
    }

    pub(super) fn shape(&mut self) -> Shape<'_> {
        match self {
            Self::Text { member: Some(member), .. } => Shape::Object(member, &mut []),
            Self::Struct { members, .. } => Shape::Object(&mut members.names, &mut members.columns),
            Self::List { child, .. } => Shape::List(child),
            Self::Text { member: None, .. } | Self::Scalar { .. } => Shape::Scalar,
        }
    }

    /// Makes room for `times` as much as there is.
    fn reserve(&mut self, times: usize) {
        match self {
            Self::Text { texts, .. } => texts.reserve(times),
            Self::Scalar { column, .. } => column.reserve(times),
            Self::Struct { members, valid } => {
                valid.reserve(valid.len().saturating_mul(times));
                members.reserve(times);
            }
            Self::List { child, ends, valid, .. } => {
                ends.reserve(valid.len().saturating_mul(times));
                valid.reserve(valid.len().saturating_mul(times));
                child.reserve(times);
            }
        }
    }

    /// Appends the value at `at` of the tape, null if there is none.
    fn append(&mut self, record: &Record<'_>, at: u32, path: &Path<'_>, extra: &mut Extra) {
        let Some(token) = record.token(at).filter(|token| token.kind != Kind::Null) else {
            return self.append_null(record.row);
        };
        match self {
            Self::Text { texts, member } => {
                let mut taken = Some(token);
                if token.kind == Kind::Object && member.is_some() {
                    // Of the one name that is known the number is 0.
                    let members = record.children(at).filter_map(|at| record.token(at));
                    taken = members.filter(|member| member.name == 0).last();
                    if taken.is_none() {
                        path.misfit(record.json(token), record.row, extra);
                    }
                }
                match taken {
                    None => texts.push_null(),
                    Some(taken) => match taken.kind {
                        Kind::Null => texts.push_null(),
                        Kind::Text => texts.push(record.bytes, taken.start as usize + 1, taken.end as usize - 1),
                        Kind::Escaped => texts.push_json(record.json(taken)),
                        _ => texts.push(record.bytes, taken.start as usize, taken.end as usize),
                    },
                }
            }
            Self::Scalar { column, rows, unescaped } => {
                if column.is_cast_at_the_end() {
                    rows.push(record.row as u32);
                }
                let text = match token.kind {
                    Kind::Text => record.content(token),
                    Kind::Escaped => {
                        unescaped.clear();
                        unescape(record.json(token), unescaped);
                        unescaped
                    }
                    _ => record.json(token),
                };
                if !column.push(text) {
                    path.misfit(record.json(token), record.row, extra);
                }
            }
            Self::Struct { members, valid } if token.kind == Kind::Object => {
                valid.push(true);
                members.append(record, at, Some(path), extra);
            }
            Self::List { child, ends, valid, separator, .. } if token.kind == Kind::Array => {
                let mut items = 0;
                for (index, at) in record.children(at).enumerate() {
                    child.append(record, at, &Path { parent: Some(path), step: Step::Index(index) }, extra);
                    items = index as i32 + 1;
                }
                if items == 0 && separator.is_some() {
                    return self.append_null(record.row);
                }
                valid.push(true);
                ends.push(ends.last().copied().unwrap_or(0).saturating_add(items));
            }
            Self::Struct { .. } | Self::List { .. } => {
                path.misfit(record.json(token), record.row, extra);
                self.append_null(record.row);
            }
        }
    }

    fn append_null(&mut self, row: usize) {
        match self {
            Self::Text { texts, .. } => texts.push_null(),
            Self::Scalar { column, rows, .. } => {
                if column.is_cast_at_the_end() {
                    rows.push(row as u32);
                }
                column.push(&[]);
            }
            Self::Struct { members, valid } => {
                valid.push(false);
                members.columns.iter_mut().for_each(|column| column.append_null(row));
            }
            Self::List { ends, valid, .. } => {
                valid.push(false);
                ends.push(ends.last().copied().unwrap_or(0));
            }
        }
    }

    fn finish(self, path: &Path<'_>, extra: &mut Extra) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text { texts, .. } => Arc::new(texts.finish()?),
            Self::Scalar { column, rows, .. } => column.finish(|value, text| {
                extra.misfit(&path.column());
                let key = extra.key(&path.in_full());
                extra.text(rows[value] as usize, key, text);
            })?,
            Self::Struct { members, valid } => {
                let fields = members.fields.clone();
                let arrays = members.finish(Some(path), extra)?;
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

/// The columns of an object's members.
pub(super) struct Members {
    fields: Fields,
    /// A name's number is the place of its column, if it has one.
    names: Names,
    columns: Vec<Tree>,
    /// Where on the tape each column's value is, while an object is appended; nowhere after that.
    places: Vec<u32>,
    /// And where the members are that have no column.
    unknown: Vec<u32>,
}

/// No place on a tape.
const NOWHERE: u32 = u32::MAX;

impl Members {
    pub(super) fn new(fields: &Fields) -> Self {
        Self {
            fields: fields.clone(),
            names: Names::new(fields.iter().map(|field| field.name().as_str())),
            columns: fields.iter().map(Tree::new).collect(),
            places: vec![NOWHERE; fields.len()],
            unknown: Vec::new(),
        }
    }

    /// Reads the object at the start of `bytes` onto `tape`, as [`object`].
    pub(super) fn read(&mut self, bytes: &[u8], tape: &mut Vec<Token>) -> Option<usize> {
        object(bytes, &mut self.names, &mut self.columns, tape)
    }

    /// Makes room for `times` as much as there is.
    pub(super) fn reserve(&mut self, times: usize) {
        self.columns.iter_mut().for_each(|column| column.reserve(times));
    }

    /// Appends the object at `at` of the tape; keeps members of other names. Of equal names the last one counts.
    pub(super) fn append(&mut self, record: &Record<'_>, at: u32, path: Option<&Path<'_>>, extra: &mut Extra) {
        self.unknown.clear();
        for at in record.children(at) {
            let Some(token) = record.token(at) else { continue };
            match self.places.get_mut(token.name as usize) {
                Some(place) => *place = at,
                None => self.unknown.push(at),
            }
        }
        for ((column, field), place) in self.columns.iter_mut().zip(&self.fields).zip(&mut self.places) {
            let at = std::mem::replace(place, NOWHERE);
            // Most values are texts.
            if let (Tree::Text { texts, .. }, Some(token)) = (&mut *column, record.token(at))
                && token.kind == Kind::Text
            {
                texts.push(record.bytes, token.start as usize + 1, token.end as usize - 1);
                continue;
            }
            column.append(record, at, &Path { parent: path, step: Step::Column(field) }, extra);
        }
        if !self.unknown.is_empty() {
            self.keep(record, path, extra);
        }
    }

    /// Keeps the members that have no column, in the order of their names' last places.
    fn keep(&mut self, record: &Record<'_>, path: Option<&Path<'_>>, extra: &mut Extra) {
        let fixed = path.is_none_or(Path::is_fixed);
        let mut strangers = HashMap::new();
        for &at in &self.unknown {
            match record.token(at).map_or(NONE, |token| token.name) {
                NONE => drop(strangers.insert(record.name(at), at)),
                number => self.names.set_last(number, at),
            }
        }
        for &at in &self.unknown {
            let Some(token) = record.token(at) else { continue };
            let key =
                |extra: &mut Extra, name: &str| extra.key(&Path { parent: path, step: Step::Name(name) }.in_full());
            let key = if token.name == NONE {
                let name = record.name(at);
                (strangers.get(&name) == Some(&at)).then(|| key(extra, &name))
            } else {
                let name = self.names.get_mut(token.name).filter(|name| name.last == at);
                name.map(|name| match name.key {
                    Some(known) if fixed => known,
                    _ => *name.key.insert(key(extra, &name.text)),
                })
            };
            if let Some(key) = key {
                extra.json(record.row, key, record.json(token));
            }
        }
    }

    pub(super) fn finish(self, path: Option<&Path<'_>>, extra: &mut Extra) -> Result<Vec<ArrayRef>, ArrowError> {
        let columns = self.columns.into_iter().zip(&self.fields);
        columns.map(|(column, field)| column.finish(&Path { parent: path, step: Step::Column(field) }, extra)).collect()
    }
}

/// A record that has been read.
pub(super) struct Record<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) tape: &'a [Token],
    /// The row that it becomes.
    pub(super) row: usize,
}

impl<'a> Record<'a> {
    #[inline]
    fn token(&self, at: u32) -> Option<&'a Token> {
        self.tape.get(at as usize)
    }

    #[inline]
    fn json(&self, token: &Token) -> &'a [u8] {
        self.bytes.get(token.start as usize..token.end as usize).unwrap_or_default()
    }

    /// What is between a string's quotes.
    #[inline]
    fn content(&self, token: &Token) -> &'a [u8] {
        self.bytes.get(token.start as usize + 1..token.end as usize - 1).unwrap_or_default()
    }

    /// Where the values are that are in the one at `at`.
    #[inline]
    fn children(&self, at: u32) -> impl Iterator<Item = u32> {
        let end = self.token(at).map_or(0, |token| token.next);
        let mut next = at + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let mut at = next;
            let mut token = self.token(at)?;
            if token.kind == Kind::Name {
                at += 1;
                token = self.token(at)?;
            }
            next = token.next;
            Some(at)
        })
    }

    /// The name of the member at `at`, which [`Names`] does not remember: it comes before the value.
    fn name(&self, at: u32) -> String {
        let name = self.token(at - 1).map(|name| unescaped(self.json(name)));
        String::from_utf8_lossy(&name.unwrap_or_default()).into_owned()
    }
}

/// Where a value is in its record. It is written out only when something goes to `_extra`.
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Column(&'a FieldRef),
    Name(&'a str),
    Index(usize),
}

impl Path<'_> {
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
        let name = match self.step {
            Step::Column(field) => field.name(),
            Step::Name(name) => name,
            Step::Index(index) => {
                if indices {
                    // Writing to a string does not fail.
                    let _ = write!(text, "[{index}]");
                }
                return text;
            }
        };
        if self.parent.is_some() {
            text.push('.');
        }
        text.push_str(name);
        text
    }

    /// Whether there is no index in it: the same for every record.
    fn is_fixed(&self) -> bool {
        !matches!(self.step, Step::Index(_)) && self.parent.is_none_or(Self::is_fixed)
    }

    #[cold]
    fn misfit(&self, json: &[u8], row: usize, extra: &mut Extra) {
        extra.misfit(&self.column());
        let key = extra.key(&self.in_full());
        extra.json(row, key, json);
    }
}
