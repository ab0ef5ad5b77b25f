//! What a mapping's query answers, taken apart into the rows of each table and the counts of the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::{cast, filter};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::{DateTime, Datelike};
use serde::{Deserialize, Serialize};

use crate::mapping::Mapping;
use crate::tables::{event_identifier, field_issue, party_identifier};

/// What became of the records of a mapping. `rows = current + superseded + deleted`; then
/// `input = output + filtered + empty`; then `output = written + folded`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapCounts {
    /// Raw rows, rejected ones aside.
    pub rows: u64,
    pub current: u64,
    /// Older versions of a record.
    pub superseded: u64,
    /// Deleted at the source, or withdrawn with their file.
    pub deleted: u64,
    /// Current records, or elements of their lists and records without any.
    pub input: u64,
    pub output: u64,
    /// Left out by `where`.
    pub filtered: u64,
    /// Without a key or without an element.
    pub empty: u64,
    /// Rows that share a key with a newer one: the lines of one order.
    pub folded: u64,
    /// What the files hold.
    pub written: u64,
    /// Elements of the current records' lists, counted by themselves, where the mapping takes a list apart.
    #[serde(skip)]
    pub(crate) elements: Option<u64>,
    /// Current records whose list is empty.
    #[serde(skip)]
    pub(crate) empty_records: u64,
    /// `field: kind` → how many.
    pub issues: BTreeMap<String, u64>,
}

impl MapCounts {
    /// All numbers but the issues.
    pub(crate) fn numbers(&self) -> [u64; 10] {
        let mut copy = self.clone();
        copy.numbers_mut().map(|number| *number)
    }

    pub(crate) fn numbers_mut(&mut self) -> [&mut u64; 10] {
        let Self { rows, current, superseded, deleted, input, output, filtered, empty, folded, written, .. } = self;
        [rows, current, superseded, deleted, input, output, filtered, empty, folded, written]
    }
}

/// The rows of one batch, table by table.
pub struct Parts {
    pub entity: RecordBatch,
    pub identifiers: Vec<RecordBatch>,
    pub issues: Vec<RecordBatch>,
}

/// Takes batches of one mapping apart.
pub struct Splitter<'a> {
    mapping: &'a Mapping,
    schema: SchemaRef,
}

impl<'a> Splitter<'a> {
    pub fn new(mapping: &'a Mapping) -> Self {
        Self { mapping, schema: mapping.entity.schema() }
    }

    pub fn split(&self, batch: &RecordBatch, counts: &mut MapCounts) -> Result<Parts, ArrowError> {
        let keys = cast(batch.column(0), &arrow::datatypes::DataType::Utf8)?;
        let keys = keys.as_string::<i32>();
        let keep = batch.column(1).as_boolean();
        let rank = cast(batch.column(2), &arrow::datatypes::DataType::Int64)?;
        let rank = rank.as_primitive::<Int64Type>();
        let mut mask = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            counts.input += 1;
            let kept = keep.is_valid(row) && keep.value(row);
            let mut taken = false;
            if !kept {
                counts.filtered += 1;
            } else if keys.is_null(row) {
                counts.empty += 1;
            } else {
                counts.output += 1;
                taken = rank.value(row) == 1;
                counts.folded += u64::from(!taken);
            }
            mask.push(taken);
        }
        let mask = BooleanArray::from(mask);
        let taken = |column: &ArrayRef| filter(column, &mask);
        let rows = mask.true_count();
        let record_key = taken(&(Arc::new(keys.clone()) as ArrayRef))?;
        let constant = |text: &str| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
        let source = constant(&self.mapping.source);
        let stream = constant(&self.mapping.stream);
        let source_key = taken(batch.column(3))?;
        let commit = taken(batch.column(5))?;

        let mut columns = vec![
            record_key.clone(),
            source.clone(),
            stream.clone(),
            source_key.clone(),
            taken(batch.column(4))?,
            commit.clone(),
        ];
        let first = columns.len();
        for (at, field) in self.mapping.entity.fields.iter().enumerate() {
            let column = taken(batch.column(first + at))?;
            let kind = field.normaliser.data_type();
            let column = if column.data_type().is_null() { new_null_array(&kind, rows) } else { cast(&column, &kind)? };
            columns.push(column);
        }
        self.business_date(&mut columns)?;
        let columns = columns.iter().zip(self.schema.fields()).map(|(column, field)| cast(column, field.data_type()));
        let entity = RecordBatch::try_new(self.schema.clone(), columns.collect::<Result<_, _>>()?)?;

        let mut at = first + self.mapping.entity.fields.len();
        let mut issues = Vec::new();
        let mut note = |name: &str, column: &ArrayRef, counts: &mut MapCounts| -> Result<(), ArrowError> {
            let kinds = cast(&taken(column)?, &arrow::datatypes::DataType::Utf8)?;
            let found = arrow::compute::is_not_null(&kinds)?;
            if found.true_count() == 0 {
                return Ok(());
            }
            let some = |column: &ArrayRef| filter(column, &found);
            let kinds = some(&kinds)?;
            for kind in kinds.as_string::<i32>().iter().flatten() {
                *counts.issues.entry(format!("{name}: {kind}")).or_default() += 1;
            }
            let text = |text: &str| Arc::new(StringArray::from(vec![text; kinds.len()])) as ArrayRef;
            issues.push(RecordBatch::try_new(
                field_issue().schema,
                vec![
                    text(self.mapping.entity.name),
                    some(&record_key)?,
                    some(&source)?,
                    some(&stream)?,
                    cast(&some(&source_key)?, &arrow::datatypes::DataType::Utf8)?,
                    text(name),
                    kinds,
                ],
            )?);
            Ok(())
        };
        for (name, _) in &self.mapping.fields {
            note(name, batch.column(at), counts)?;
            at += 1;
        }
        let mut identifiers = Vec::new();
        for identifier in &self.mapping.identifiers {
            let [value, masked, issue, from, to, scope] = std::array::from_fn(|offset| batch.column(at + offset));
            at += 6;
            note(&identifier.kind, issue, counts)?;
            let value = cast(&taken(value)?, &arrow::datatypes::DataType::Utf8)?;
            let found = arrow::compute::is_not_null(&value)?;
            let some = |column: &ArrayRef| filter(column, &found);
            let count = found.true_count();
            let text = |text: &str| Arc::new(StringArray::from(vec![text; count])) as ArrayRef;
            let start = if self.mapping.entity.name == "party" { vec![] } else { vec![text(self.mapping.entity.name)] };
            let mut columns = start;
            columns.extend([
                some(&record_key)?,
                some(&source)?,
                text(&identifier.kind),
                some(&taken(scope)?)?,
                some(&value)?,
            ]);
            columns.push(some(&taken(masked)?)?);
            let schema = if self.mapping.entity.name == "party" {
                columns.extend([some(&taken(from)?)?, some(&taken(to)?)?]);
                party_identifier().schema
            } else {
                columns.push(some(&commit)?);
                event_identifier().schema
            };
            let columns = columns.iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
            identifiers.push(RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)?);
        }
        Ok(Parts { entity, identifiers, issues })
    }

    /// An order's business date, where none is mapped: the day in the source's zone.
    fn business_date(&self, columns: &mut [ArrayRef]) -> Result<(), ArrowError> {
        if self.mapping.entity.name != "order" || self.mapping.maps("business_date").is_some() {
            return Ok(());
        }
        let place = |name: &str| self.schema.index_of(name);
        let (at, day) = (place("ordered_at")?, place("business_date")?);
        let times = cast(&columns[at], &tributary_model::Normaliser::Timestamp.data_type())?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let days = times.iter().map(|micros| {
            let local = DateTime::from_timestamp_micros(micros?)?.with_timezone(&self.mapping.timezone);
            Some(local.date_naive().num_days_from_ce() - 719_163)
        });
        columns[day] = Arc::new(Date32Array::from_iter(days));
        Ok(())
    }
}
