//! Reading rows out of batches, and building columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    StringBuilder, StringViewArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use futures::StreamExt;
use tributary_engine::datafusion::execution::SendableRecordBatchStream;
use tributary_engine::datafusion::physical_plan::stream::RecordBatchReceiverStream;
use tributary_engine::{Error, Result};

use crate::id::Text;

/// Batches that are made before they are asked for.
const AHEAD: usize = 2;

/// A batch whose columns are text, numbers or flags, by place.
pub struct Rows {
    columns: Vec<Column>,
    pub len: usize,
}

enum Column {
    Text(StringArray),
    View(StringViewArray),
    Number(Int64Array),
    Flag(BooleanArray),
    Float(Float64Array),
}

impl Rows {
    pub fn new(batch: &RecordBatch) -> std::result::Result<Self, ArrowError> {
        let columns = batch.columns().iter().map(|column| match column.data_type() {
            DataType::Boolean => Ok(Column::Flag(column.as_boolean().clone())),
            DataType::Utf8View => Ok(Column::View(column.as_string_view().clone())),
            DataType::Float64 => Ok(Column::Float(column.as_primitive::<Float64Type>().clone())),
            DataType::Int64 | DataType::Int32 | DataType::UInt64 | DataType::Date32 => number(column),
            DataType::Timestamp(_, zone) => {
                let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                number(&micros)
            }
            _ => Ok(Column::Text(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())),
        });
        Ok(Self { columns: columns.collect::<std::result::Result<_, ArrowError>>()?, len: batch.num_rows() })
    }

    pub fn text(&self, column: usize, row: usize) -> Option<&str> {
        match self.columns.get(column) {
            Some(Column::Text(array)) if array.is_valid(row) => Some(array.value(row)),
            Some(Column::View(array)) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    /// Micros for a time, days for a date.
    pub fn number(&self, column: usize, row: usize) -> Option<i64> {
        match self.columns.get(column) {
            Some(Column::Number(array)) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    pub fn float(&self, column: usize, row: usize) -> Option<f64> {
        match self.columns.get(column) {
            Some(Column::Float(array)) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    pub fn flag(&self, column: usize, row: usize) -> bool {
        matches!(self.columns.get(column), Some(Column::Flag(array)) if array.is_valid(row) && array.value(row))
    }
}

fn number(column: &ArrayRef) -> std::result::Result<Column, ArrowError> {
    let wide = match column.data_type() {
        DataType::Date32 => cast(&cast(column, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(column, &DataType::Int64)?,
    };
    Ok(Column::Number(wide.as_primitive::<Int64Type>().clone()))
}

/// The rows of a sorted stream, one at a time.
pub struct Cursor {
    stream: SendableRecordBatchStream,
    doing: &'static str,
    rows: Arc<Rows>,
    at: usize,
}

impl Cursor {
    pub fn new(stream: SendableRecordBatchStream, doing: &'static str) -> Self {
        Self { stream, doing, rows: Arc::new(Rows { columns: Vec::new(), len: 0 }), at: 0 }
    }

    /// The same, with a task of its own that makes the next batches while rows are looked at.
    pub fn ahead(mut stream: SendableRecordBatchStream, doing: &'static str) -> Self {
        let mut task = RecordBatchReceiverStream::builder(stream.schema(), AHEAD);
        let batches = task.tx();
        task.spawn(async move {
            while let Some(batch) = stream.next().await {
                // Nobody waits for it any more.
                if batches.send(batch).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        Self::new(task.build(), doing)
    }

    /// The present row, or none at the end. Who keeps the row keeps its batch.
    pub async fn peek(&mut self) -> Result<Option<(&Arc<Rows>, usize)>> {
        while self.at >= self.rows.len {
            match self.stream.next().await {
                None => return Ok(None),
                Some(batch) => {
                    self.rows = Arc::new(Rows::new(&batch.map_err(Error::query(self.doing))?)?);
                    self.at = 0;
                }
            }
        }
        Ok(Some((&self.rows, self.at)))
    }

    pub fn advance(&mut self) {
        self.at += 1;
    }
}

/// Bytes of a key, for which room is made.
const EXPECTED: usize = 16;

pub fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    let values = values.into_iter();
    let rows = values.size_hint().0;
    let mut texts = StringBuilder::with_capacity(rows, rows * EXPECTED);
    for value in values {
        match value {
            Some(value) => texts.append_value(value.as_ref()),
            None => texts.append_null(),
        }
    }
    Arc::new(texts.finish())
}

/// As [`texts`], of keys, which are all looked through at once to see that they are text.
pub(crate) fn keys(values: impl IntoIterator<Item = Option<Text>>) -> Result<ArrayRef> {
    let values = values.into_iter();
    let rows = values.size_hint().0;
    let mut bytes: Vec<u8> = Vec::with_capacity(rows * EXPECTED);
    let mut lengths = Vec::with_capacity(rows);
    let mut valid = Vec::with_capacity(rows);
    for value in values {
        let before = bytes.len();
        valid.push(value.is_some());
        if let Some(value) = value {
            bytes.extend_from_slice(value.bytes());
        }
        lengths.push(bytes.len() - before);
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    Ok(Arc::new(StringArray::try_new(OffsetBuffer::from_lengths(lengths), Buffer::from_vec(bytes), nulls)?))
}

pub fn numbers(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub fn floats(values: impl IntoIterator<Item = Option<f32>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float32Array>())
}

pub fn flags(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<BooleanArray>())
}

/// A batch of `schema` from columns that are cast to its types.
pub fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let columns =
        columns.iter().zip(schema.fields()).map(|(column, field)| match (column.data_type(), field.data_type()) {
            (DataType::Int64, DataType::Date32) => cast(&cast(column, &DataType::Int32)?, &DataType::Date32),
            (_, wanted) => cast(column, wanted),
        });
    Ok(RecordBatch::try_new(schema.clone(), columns.collect::<std::result::Result<_, ArrowError>>()?)?)
}
