//! Finds a stream's schema by looking into some of its files. The newest come last, so that new columns come last as well.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use tokio::runtime::Handle;
use tributary_connector::{Error, Kind, TIMEZONE};

use crate::config::{ColumnType, Config, Format, Order};
use crate::csv::Layout;
use crate::input::{self, Input};
use crate::load::Settings;
use crate::pages::Halt;
use crate::parquet;
use crate::place::{Entry, Place};
use crate::shape::Shape;
use crate::text::Text;
use crate::xlsx::Workbook;

/// Files that are looked into for their header or schema, and for their records' shape.
const FILES: usize = 20;
const JSON_FILES: usize = 3;
const JSON_RECORDS: usize = 1_000;
const JSON_BYTES: usize = 16 << 20;

/// The schema of `entries`' records.
///
/// # Errors
/// If none of the files that were looked into can be read, or a key is not among their columns.
pub fn schema(
    mut entries: Vec<Entry>,
    config: &Config,
    settings: &Settings,
    timezone: &str,
    runtime: &Handle,
) -> Result<SchemaRef, Error> {
    if settings.order == Order::Mtime {
        entries.sort_by_key(|entry| entry.stat.mtime);
    }
    let mut fields: Vec<(String, DataType)> = Vec::new();
    let mut failed = None;
    let mut found = false;
    for entry in &entries[entries.len().saturating_sub(FILES)..] {
        match settings.format_of(entry).and_then(|format| match format {
            Format::Jsonl => Ok(Vec::new()),
            format => table(entry, format, settings, runtime),
        }) {
            Ok(more) => {
                found |= !more.is_empty();
                join(&mut fields, more);
            }
            Err(e) => failed = failed.or(Some(e)),
        }
    }
    let json: Vec<&Entry> =
        entries.iter().filter(|entry| matches!(settings.format_of(entry), Ok(Format::Jsonl))).collect();
    let mut shape = Shape::Null;
    for entry in &json[json.len().saturating_sub(JSON_FILES)..] {
        match records(entry, settings, runtime) {
            Ok(more) => shape = shape.or(more),
            Err(e) => failed = failed.or(Some(e)),
        }
    }
    if let DataType::Struct(more) = shape.data_type() {
        found = true;
        join(&mut fields, more.iter().map(|field| (field.name().clone(), field.data_type().clone())).collect());
    }
    match failed {
        Some(e) if !found => return Err(e),
        _ => {}
    }
    declare(&mut fields, &config.columns, !json.is_empty());
    for name in config.primary_key.iter().chain(&config.version) {
        if !fields.iter().any(|(known, _)| known == name) {
            let known: Vec<_> = fields.iter().map(|(known, _)| format!("`{known}`")).collect();
            return Err(Error::new(Kind::Config, format!("no file has a column `{name}`"))
                .hint(format!("columns: {}", known.join(", "))));
        }
    }
    Ok(Arc::new(Schema::new(
        fields.iter().map(|(name, data_type)| field(name, data_type, timezone)).collect::<Vec<_>>(),
    )))
}

/// The columns of a file that holds a table.
fn table(
    entry: &Entry,
    format: Format,
    settings: &Settings,
    runtime: &Handle,
) -> Result<Vec<(String, DataType)>, Error> {
    let names = match format {
        Format::Csv | Format::Jsonl => {
            let (_, input) = Input::open(entry, runtime)?;
            let text = Text::start(input, settings.encoding).map_err(|e| input::unreadable(entry, e))?;
            Layout::find(&text, &settings.csv, &entry.partition)?.map(|layout| layout.header).unwrap_or_default()
        }
        _ if entry.stat.size == 0 => Vec::new(),
        Format::Parquet => {
            let schema = match &entry.place {
                Place::Local(path) => {
                    parquet::schema(File::open(path).map_err(|e| input::unreadable(entry, e))?, &entry.partition)?
                }
                Place::Remote(store, path) => {
                    runtime.block_on(parquet::remote_schema(store, path, entry.stat.size, &entry.partition))?
                }
            };
            return Ok(schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect());
        }
        Format::Xlsx => {
            let file = match &entry.place {
                Place::Local(path) => File::open(path).map_err(|e| input::unreadable(entry, e))?,
                Place::Remote(..) => input::whole(entry, runtime)?.1,
            };
            let mut workbook = Workbook::open(file, &entry.partition)?;
            workbook.table(&settings.xlsx, |table| Ok(table.header.into_values().collect())).map_err(
                |halt| match halt {
                    Halt::File(e) => e,
                    Halt::Closed => Error::new(Kind::Data, format!("`{}` could not be read", entry.partition)),
                },
            )?
        }
    };
    Ok(names.into_iter().map(|name| (name, DataType::Utf8)).collect())
}

/// The shape of the first records of a file of JSON Lines.
fn records(entry: &Entry, settings: &Settings, runtime: &Handle) -> Result<Shape, Error> {
    let (_, input) = Input::open(entry, runtime)?;
    let failed = |e| input::unreadable(entry, e);
    let mut text = Text::start_utf8(input, settings.encoding).map_err(failed)?;
    let mut buffer = Vec::new();
    let mut ended = false;
    while !ended && buffer.len() < JSON_BYTES && memchr::memchr_iter(b'\n', &buffer).count() < JSON_RECORDS {
        ended = text.fill(&mut buffer, 1 << 20).map_err(failed)?;
    }
    let lines = buffer.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(JSON_RECORDS);
    let shapes = lines
        .filter_map(|line| serde_json::from_slice::<Shape>(line).ok())
        .filter(|shape| matches!(shape, Shape::Object(_)));
    Ok(shapes.fold(Shape::Null, Shape::or))
}

fn join(fields: &mut Vec<(String, DataType)>, more: Vec<(String, DataType)>) {
    for (name, data_type) in more {
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) if *known == data_type => {}
            // Files that disagree about a type: text holds either.
            Some((_, known)) => *known = joined(known, &data_type),
            None => fields.push((name, data_type)),
        }
    }
}

fn joined(a: &DataType, b: &DataType) -> DataType {
    match (a, b) {
        (DataType::Struct(a), DataType::Struct(b)) => {
            let pairs = |fields: &arrow::datatypes::Fields| {
                fields.iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
            };
            let mut fields: Vec<(String, DataType)> = pairs(a);
            join(&mut fields, pairs(b));
            DataType::Struct(fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect())
        }
        (DataType::List(a), DataType::List(b)) => {
            DataType::List(Arc::new(Field::new("item", joined(a.data_type(), b.data_type()), true)))
        }
        (a, b) if a == b => a.clone(),
        _ => DataType::Utf8,
    }
}

/// Gives declared columns their types, and adds those that no file has.
fn declare(fields: &mut Vec<(String, DataType)>, columns: &BTreeMap<String, ColumnType>, nested: bool) {
    for (name, ColumnType(declared)) in columns {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, data_type)) => *data_type = declared.clone(),
            None => match name.split_once('.').filter(|_| nested) {
                None => fields.push((name.clone(), declared.clone())),
                Some((outer, inner)) => match fields.iter_mut().find(|(known, _)| known == outer) {
                    Some((_, data_type)) => *data_type = declared_within(data_type, inner, declared),
                    None => fields.push((outer.to_owned(), declared_within(&DataType::Null, inner, declared))),
                },
            },
        }
    }
}

/// `data_type` with the field at `path` in it declared; lists on the way are passed through.
fn declared_within(data_type: &DataType, path: &str, declared: &DataType) -> DataType {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let inner =
        |before: &DataType| rest.map_or_else(|| declared.clone(), |rest| declared_within(before, rest, declared));
    match data_type {
        DataType::List(item) => {
            DataType::List(Arc::new(Field::new("item", declared_within(item.data_type(), path, declared), true)))
        }
        DataType::Struct(fields) => {
            let mut fields: Vec<FieldRef> = fields.iter().cloned().collect();
            match fields.iter_mut().find(|field| field.name() == name) {
                Some(field) => *field = Arc::new(Field::new(name, inner(field.data_type()), true)),
                None => fields.push(Arc::new(Field::new(name, inner(&DataType::Null), true))),
            }
            DataType::Struct(fields.into())
        }
        _ => DataType::Struct(vec![Field::new(name, inner(&DataType::Null), true)].into()),
    }
}

/// A field whose times without an offset are in `timezone`.
fn field(name: &str, data_type: &DataType, timezone: &str) -> Field {
    let data_type = match data_type {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|inner| field(inner.name(), inner.data_type(), timezone)).collect())
        }
        DataType::List(item) => DataType::List(Arc::new(field(item.name(), item.data_type(), timezone))),
        other => other.clone(),
    };
    let is_time = matches!(data_type, DataType::Timestamp(..));
    let field = Field::new(name, data_type, true);
    if is_time { field.with_metadata(HashMap::from([(TIMEZONE.to_owned(), timezone.to_owned())])) } else { field }
}
