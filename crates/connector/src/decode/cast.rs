//! Batches to the stream's schema: columns are matched by name, text is read as if it came from a file of text, other types
//! are cast where no value is changed by it, and what does not fit or is not known goes to `_extra`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray, UInt64Array, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::Decoded;
use super::column;
use super::extra::Extra;

pub(super) fn batch(batch: &RecordBatch, schema: &SchemaRef, first_record: u64) -> Result<Decoded, ArrowError> {
    let rows = batch.num_rows();
    let mut extra = Extra::default();
    let mut arrays = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        arrays.push(match batch.column_by_name(field.name()) {
            Some(array) => fit(array, field, &mut extra)?,
            None => new_null_array(field.data_type(), rows),
        });
    }
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        if schema.column_with_name(field.name()).is_none() {
            keep(array, field, &mut extra)?;
        }
    }
    let (extra, misfits) = extra.finish(rows)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?;
    let record = UInt64Array::from_iter_values(first_record..first_record + rows as u64);
    Ok(Decoded { batch, extra, record, rejected: Vec::new(), misfits })
}

/// `array` as `field`'s type; values that do not fit are kept in `extra` and null.
fn fit(array: &ArrayRef, field: &Field, extra: &mut Extra) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    let mut misfit = |row: usize, text: &str| {
        extra.misfit(field.name());
        let key = extra.key(field.name());
        extra.text(row, key, text);
    };
    if matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        let texts = cast(array, &DataType::Utf8)?;
        return column::from_texts(&texts, field, misfit);
    }
    let fitted = match (array.data_type(), field.data_type()) {
        (DataType::Timestamp(_, None), DataType::Timestamp(TimeUnit::Microsecond, Some(_))) => {
            local_times(array, field)
        }
        (DataType::Int64, DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _))
            if column::epoch(field).is_some() =>
        {
            let texts = cast(array, &DataType::Utf8)?;
            return column::from_texts(&texts, field, misfit);
        }
        // A float has no exact decimal; its shortest text is what was meant.
        (DataType::Float16 | DataType::Float32 | DataType::Float64, DataType::Decimal128(..) | DataType::Int64) => {
            let texts = cast(array, &DataType::Utf8)?;
            return column::from_texts(&texts, field, misfit);
        }
        _ => cast(array, field.data_type()),
    };
    let fitted = fitted.unwrap_or_else(|_| new_null_array(field.data_type(), array.len()));
    if fitted.null_count() > array.null_count() {
        let options = FormatOptions::default();
        let texts = ArrayFormatter::try_new(array, &options)?;
        for row in (0..array.len()).filter(|&row| array.is_valid(row) && fitted.is_null(row)) {
            misfit(row, &texts.value(row).to_string());
        }
    }
    Ok(fitted)
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: true, ..CastOptions::default() })
}

/// Times without a zone, in the column's zone.
fn local_times(array: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let mut zone = column::zone(field);
    let utc = micros.as_primitive::<TimestampMicrosecondType>().iter().map(|micros| {
        let micros = micros?;
        let seconds = zone.utc(micros.div_euclid(1_000_000))?;
        Some(seconds * 1_000_000 + micros.rem_euclid(1_000_000))
    });
    let array: TimestampMicrosecondArray = utc.collect();
    let DataType::Timestamp(_, label) = field.data_type() else { return Ok(micros) };
    Ok(Arc::new(array.with_timezone_opt(label.clone())))
}

/// Keeps a column that the schema lacks.
fn keep(array: &ArrayRef, field: &Arc<Field>, extra: &mut Extra) -> Result<(), ArrowError> {
    let key = extra.key(field.name());
    let options = EncoderOptions::default();
    match make_encoder(field, array, &options) {
        Ok(mut encoder) => {
            for row in (0..array.len()).filter(|&row| array.is_valid(row)) {
                extra.with(row, key, |out| encoder.encode(row, out));
            }
        }
        Err(_) => {
            let options = FormatOptions::default();
            let texts = ArrayFormatter::try_new(array, &options)?;
            for row in (0..array.len()).filter(|&row| array.is_valid(row)) {
                extra.text(row, key, &texts.value(row).to_string());
            }
        }
    }
    Ok(())
}
