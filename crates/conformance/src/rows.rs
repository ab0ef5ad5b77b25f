//! A page's rows in one plain form, whatever their types, so that they can be held against the truth.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value};
use tributary_connector::decode::{Decoded, decode};
use tributary_connector::{Deletes, Op, Page, Stream};

use crate::Failure;

/// A decoded record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its number within the scope.
    pub record: u64,
    /// Its key's values as text; nothing if the stream has no key, or the record has none.
    pub key: Option<String>,
    /// Sorts as versions do.
    pub version: Option<String>,
    /// Sorts as the cursor does.
    pub cursor: Option<String>,
    /// The page's, or what the stream's column of deletions says.
    pub op: Op,
    /// By column: numbers as they are, decimals as text, times as microseconds since 1970, dates as `2026-07-01`.
    pub cells: Map<String, Value>,
    /// By path.
    pub extra: Map<String, Value>,
}

/// A decoded page.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub rows: Vec<Row>,
    pub rejected: u64,
    /// Columns with values that did not fit, and how many.
    pub misfits: Vec<(String, u64)>,
}

/// Decodes a page; `cursor` names the column of the cursor.
///
/// # Errors
/// If it cannot be decoded, or does not hold what it says.
pub(crate) fn of(page: &Page, stream: &Stream, cursor: Option<&str>) -> Result<Rows, Failure> {
    let decoded = decode(page, &stream.schema).map_err(|e| Failure::ours("decode a page", e))?;
    let found = decoded.batch.num_rows() as u64 + decoded.rejected.len() as u64;
    if found != page.records {
        return Err(Failure::new(
            format!("a page of {} records, as it says itself", page.records),
            format!("{found}, rejected ones included"),
        )
        .hint("`Page::records` counts all records of a page, good or bad"));
    }
    let rows = rows(&decoded, page, stream, cursor).map_err(|e| Failure::ours("look into a page", e))?;
    Ok(Rows { rows, rejected: decoded.rejected.len() as u64, misfits: decoded.misfits })
}

fn rows(decoded: &Decoded, page: &Page, stream: &Stream, cursor: Option<&str>) -> Result<Vec<Row>, ArrowError> {
    let batch = &decoded.batch;
    let schema = batch.schema();
    let sorted = |name: Option<&str>, row| match name.and_then(|name| batch.column_by_name(name)) {
        Some(column) => sortable(column, row),
        None => Ok(None),
    };
    let mut rows = Vec::with_capacity(batch.num_rows());
    let columns = batch.columns().iter().map(|column| Cells::of(column)).collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        let mut cells = Map::new();
        for (field, column) in schema.fields().iter().zip(&columns) {
            cells.insert(field.name().clone(), column.at(row)?);
        }
        let extra = match decoded.extra.is_valid(row).then(|| serde_json::from_str(decoded.extra.value(row))) {
            Some(Ok(Value::Object(extra))) => extra,
            Some(_) => return Err(ArrowError::JsonError("`_extra` is no object".to_owned())),
            None => Map::new(),
        };
        let version = match &stream.version {
            Some(name) => sorted(Some(name), row)?,
            None => page.version.as_deref().map(str::to_owned),
        };
        let deleted = match &stream.deletes {
            Deletes::Column(name) => cells.get(name) == Some(&Value::Bool(true)),
            _ => false,
        };
        rows.push(Row {
            record: decoded.record.value(row),
            key: key(stream.primary_key.iter().map(|name| cells.get(name))),
            version,
            cursor: sorted(cursor, row)?,
            op: if deleted { Op::Delete } else { page.op },
            cells,
            extra,
        });
    }
    Ok(rows)
}

/// The values of a key as one text; nothing if one of them is missing, or there are none.
pub(crate) fn key<'a>(values: impl Iterator<Item = Option<&'a Value>>) -> Option<String> {
    let mut key = String::new();
    for value in values {
        let text = text(value?)?;
        key.push_str(&text);
        key.push('\u{1f}');
    }
    (!key.is_empty()).then_some(key)
}

/// A scalar's text; nothing for null, objects and arrays.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A column's values in their plain form.
struct Cells<'a> {
    array: &'a dyn Array,
    /// For types whose form is Arrow's own.
    shown: Option<ArrayFormatter<'a>>,
    below: Vec<(String, Self)>,
}

impl<'a> Cells<'a> {
    fn of(array: &'a dyn Array) -> Result<Self, ArrowError> {
        let (mut shown, mut below) = (None, Vec::new());
        match array.data_type() {
            DataType::Int64 | DataType::UInt64 | DataType::Float64 | DataType::Boolean | DataType::Utf8 => {}
            DataType::Timestamp(TimeUnit::Microsecond, _) => {}
            DataType::Struct(fields) => {
                for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                    below.push((field.name().clone(), Self::of(column)?));
                }
            }
            DataType::List(_) => below.push((String::new(), Self::of(array.as_list::<i32>().values())?)),
            _ => shown = Some(ArrayFormatter::try_new(array, &SHOWN)?),
        }
        Ok(Self { array, shown, below })
    }

    fn at(&self, row: usize) -> Result<Value, ArrowError> {
        let array = self.array;
        if array.is_null(row) {
            return Ok(Value::Null);
        }
        if let Some(shown) = &self.shown {
            return Ok(shown.value(row).try_to_string()?.into());
        }
        Ok(match array.data_type() {
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
            DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
            DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
            DataType::Boolean => array.as_boolean().value(row).into(),
            DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(row).into(),
            DataType::Struct(_) => {
                let fields = self.below.iter().map(|(name, cells)| Ok((name.clone(), cells.at(row)?)));
                Value::Object(fields.collect::<Result<_, ArrowError>>()?)
            }
            DataType::List(_) => {
                let offsets = array.as_list::<i32>().value_offsets();
                let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
                let items = self.below.iter().flat_map(|(_, cells)| (from..to).map(|item| cells.at(item)));
                items.collect::<Result<_, _>>()?
            }
            _ => array.as_string::<i32>().value(row).into(),
        })
    }
}

const SHOWN: FormatOptions<'static> = FormatOptions::new();

/// A value's text whose order is that of the values.
fn sortable(array: &dyn Array, row: usize) -> Result<Option<String>, ArrowError> {
    if array.is_null(row) {
        return Ok(None);
    }
    let padded = |number: i64| format!("{:020}", i128::from(number) - i128::from(i64::MIN));
    Ok(Some(match array.data_type() {
        DataType::Int64 => padded(array.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            padded(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Date32 => padded(i64::from(array.as_primitive::<Date32Type>().value(row))),
        DataType::Decimal128(..) => {
            let number = array.as_primitive::<Decimal128Type>().value(row);
            format!("{:040}", number.wrapping_sub(i128::MIN) as u128)
        }
        _ => shown(array, row)?,
    }))
}

fn shown(array: &dyn Array, row: usize) -> Result<String, ArrowError> {
    ArrayFormatter::try_new(array, &SHOWN)?.value(row).try_to_string()
}
