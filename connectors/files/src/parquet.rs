//! Reads Parquet files, and says which Arrow types of theirs a stream may have.

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use tributary_connector::{Data, Error, Kind};

use crate::pages::{Halt, Pages};

const BATCH_ROWS: usize = 8_192;
/// Bytes read from the end of an object in the hope that all of its footer is in them.
const FOOTER: u64 = 64 * 1024;

fn open(file: File, name: &str) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
    ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|e| Error::new(Kind::Data, format!("`{name}` is not a Parquet file, or is damaged")).source(e))
}

/// The file's schema, in types that a lake has.
///
/// # Errors
/// [`Kind::Data`] if the file is none.
pub fn schema(file: File, name: &str) -> Result<Schema, Error> {
    Ok(plain_schema(open(file, name)?.schema()))
}

/// The same of an object, of which only the end is read.
///
/// # Errors
/// If it is not Parquet or cannot be read.
pub async fn remote_schema(
    store: &Arc<dyn ObjectStore>,
    path: &object_store::path::Path,
    size: u64,
    name: &str,
) -> Result<Schema, Error> {
    let damaged =
        |e: ParquetError| Error::new(Kind::Data, format!("`{name}` is not a Parquet file, or is damaged")).source(e);
    let mut wanted = FOOTER;
    loop {
        let end: Bytes = store
            .get_range(path, size.saturating_sub(wanted)..size)
            .await
            .map_err(|_| Error::new(Kind::Transport, format!("`{name}` could not be read")))?;
        match footer(&end, size) {
            Ok(metadata) => {
                let file = metadata.file_metadata();
                let schema =
                    parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()).map_err(damaged)?;
                return Ok(plain_schema(&schema));
            }
            Err(ParquetError::NeedMoreData(more)) if more as u64 > wanted && wanted < size => wanted = more as u64,
            Err(e) => return Err(damaged(e)),
        }
    }
}

fn footer(end: &Bytes, size: u64) -> Result<ParquetMetaData, ParquetError> {
    let mut reader = ParquetMetaDataReader::new();
    reader.try_parse_sized(end, size)?;
    reader.finish()
}

fn plain_schema(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>())
}

/// Reads all of `file` into `pages`.
///
/// # Errors
/// If the file is damaged (the error says in which row group) or nobody listens any more.
pub fn read(file: File, pages: &mut Pages<'_>) -> Result<(), Halt> {
    let builder = open(file, pages.partition())?;
    let groups: Vec<u64> = builder.metadata().row_groups().iter().map(|group| group.num_rows().max(0) as u64).collect();
    let name = pages.partition().to_owned();
    let damaged = |rows: u64, e: Option<arrow::error::ArrowError>| {
        let mut left = rows;
        let group = groups
            .iter()
            .position(|&group| {
                left < group || {
                    left -= group;
                    false
                }
            })
            .unwrap_or(groups.len());
        let error = Error::new(Kind::Data, format!("`{name}` is damaged in row group {group}"));
        Halt::File(match e {
            Some(e) => error.source(e),
            None => error,
        })
    };
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| Error::new(Kind::Data, format!("`{}` could not be read", pages.partition())).source(e))?;
    for batch in reader {
        let batch = batch.map_err(|e| damaged(pages.records(), Some(e)))?;
        let rows = batch.num_rows() as u64;
        if rows > 0 {
            pages.send(Data::Batch(batch), rows)?;
        }
    }
    // The count in the file's footer against the rows that came.
    if pages.records() != groups.iter().sum::<u64>() {
        return Err(damaged(pages.records(), None));
    }
    Ok(())
}

/// `field` with types that a lake does not have widened to ones that hold the same values.
fn plain(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), plain_type(field.data_type()), true))
}

fn plain_type(data_type: &DataType) -> DataType {
    use DataType::*;
    match data_type {
        Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32 => Int64,
        UInt64 => Decimal128(20, 0),
        Float16 | Float32 => Float64,
        LargeUtf8 | Utf8View | Time32(_) | Time64(_) | Duration(_) | Interval(_) | Null => Utf8,
        LargeBinary | BinaryView | FixedSizeBinary(_) => Binary,
        Date64 => Date32,
        Timestamp(..) => Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        &(Decimal32(precision, scale) | Decimal64(precision, scale)) => Decimal128(precision, scale),
        &Decimal256(precision, scale) if precision <= 38 => Decimal128(precision, scale),
        Decimal256(..) => Utf8,
        Dictionary(_, values) => plain_type(values),
        List(item) | LargeList(item) | FixedSizeList(item, _) | ListView(item) | LargeListView(item) => {
            List(plain(item))
        }
        Struct(fields) => Struct(fields.iter().map(plain).collect()),
        other => other.clone(),
    }
}
