//! From a page's bytes to a record batch of the stream's schema.
//!
//! The fast path decodes the whole page; where that fails the page is decoded record by record, so that one bad record is
//! one rejected record. A value that does not fit its column's type is no reason to reject: it becomes null and its text
//! is kept in `_extra`, as are fields the stream does not know. Decoding is pure and may run on any thread.

mod cast;
mod column;
mod csv;
mod extra;
mod found;
mod json;
mod names;
mod parse;
mod split;
pub(crate) mod stops;
mod text;
mod time;
mod tree;
mod value;

use std::sync::Arc;

use arrow::array::{StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::{Data, JsonPage, Page, Rejected};

/// A page, decoded. `batch.num_rows() + rejected.len()` equals the number of records found in the page.
#[derive(Debug)]
pub struct Decoded {
    /// The stream's columns, in the schema's order; all may be null, whatever the schema says.
    pub batch: RecordBatch,
    /// Per row: a JSON object of unknown fields and of values that did not fit; null where there are none.
    pub extra: StringArray,
    /// Per row: its number within the scope.
    pub record: UInt64Array,
    pub rejected: Vec<Rejected>,
    /// Values that did not fit their column's type, by column: kept in `extra`.
    pub misfits: Vec<(String, u64)>,
}

/// Decodes a page into `schema`.
///
/// # Errors
/// Only if Arrow refuses what was built, which is a fault of ours; bad records are in [`Decoded::rejected`].
pub fn decode(page: &Page, schema: &SchemaRef) -> Result<Decoded, arrow::error::ArrowError> {
    let schema = &nullable(schema);
    match &page.data {
        Data::Batch(batch) => cast::batch(batch, schema, page.first_record),
        Data::Csv(csv) => csv::decode(csv, schema, page.first_record),
        Data::Json(json) => json::decode(json, schema, page.first_record),
        Data::Rejected(rejected) => Ok(Decoded {
            batch: RecordBatch::new_empty(schema.clone()),
            extra: StringArray::from(Vec::<Option<String>>::new()),
            record: UInt64Array::from(Vec::<u64>::new()),
            rejected: rejected.clone(),
            misfits: Vec::new(),
        }),
    }
}

/// Where the records of a JSON page lie in its bytes, well formed or not: as many as [`decode`] finds. For a connector that has
/// to look into records, or to leave some out.
pub fn records(page: &JsonPage) -> Vec<std::ops::Range<usize>> {
    json::records_of(page).into_iter().map(|(start, end)| start..end).collect()
}

/// `schema` with all fields nullable: a source that promises a value may still leave it out.
fn nullable(schema: &SchemaRef) -> SchemaRef {
    fn relaxed(field: &FieldRef) -> FieldRef {
        let data_type = match field.data_type() {
            DataType::Struct(fields) => DataType::Struct(fields.iter().map(relaxed).collect()),
            DataType::List(item) => DataType::List(relaxed(item)),
            other => other.clone(),
        };
        if field.is_nullable() && data_type == *field.data_type() {
            return Arc::clone(field);
        }
        Arc::new(Field::clone(field).with_data_type(data_type).with_nullable(true))
    }
    let fields: Vec<FieldRef> = schema.fields().iter().map(relaxed).collect();
    if fields.iter().zip(schema.fields()).all(|(a, b)| Arc::ptr_eq(a, b)) {
        return Arc::clone(schema);
    }
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
