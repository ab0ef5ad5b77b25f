//! The shape of `raw` tables, and the rows that go into them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, StringBuilder,
    new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{Datelike, Timelike};
use tributary_connector::decode::{Decoded, decode};
use tributary_connector::{Deletes, Form, Op, Page, Rejected, Stream};
use tributary_lake::{Keys, TableName, TableSpec, key_number, key_of};
use tributary_model::{Personal, plain};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::quarantine::kept;

/// The columns of a raw table that are ours; they follow the stream's.
const OURS: [&str; 13] = [
    "_extra",
    "_error",
    "_bytes",
    "_source_key",
    "_op",
    "_scope",
    "_version",
    "_incarnation",
    "_epoch",
    "_row",
    "_line",
    "_commit",
    "_read_at",
];

/// What a source's column is called that has a name of ours.
const THEIRS: &str = "__source";

/// The name in the raw table of a source's column.
pub fn column_name(name: &str) -> String {
    if OURS.contains(&name) { format!("{name}{THEIRS}") } else { name.to_owned() }
}

/// Whether a raw table's column is ours.
pub fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}

/// The name at the source of a raw table's column.
pub fn source_name(name: &str) -> String {
    match name.strip_suffix(THEIRS) {
        Some(theirs) if OURS.contains(&theirs) => theirs.to_owned(),
        _ => name.to_owned(),
    }
}

/// `raw.<source>_<stream>` with the stream's columns as they lie in the lake. All of them may be null, whatever the source says: rows
/// that are no records, such as rejected ones, have none of them.
pub fn spec(source: &str, stream: &str, own: &Schema) -> TableSpec {
    let number = |name: &str| plain(name, DataType::Int64, Personal::None);
    let text = |name: &str, personal| plain(name, DataType::Utf8, personal);
    let mut fields: Vec<Field> = own.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    fields.extend([
        text("_extra", Personal::Identifier),
        text("_error", Personal::None),
        plain("_bytes", DataType::Binary, Personal::Identifier),
        text("_source_key", Personal::None),
        text("_op", Personal::None),
        text("_scope", Personal::None),
        text("_version", Personal::None),
        plain("_incarnation", DataType::Int32, Personal::None),
        number("_epoch"),
        number("_row"),
        number("_line"),
        number("_commit"),
        plain("_read_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), Personal::None),
    ]);
    TableSpec { name: table_name(source, stream), schema: Arc::new(Schema::new(fields)) }
}

/// The name of a stream's raw table: lower case, so that SQL needs no quotes for it.
pub fn table_name(source: &str, stream: &str) -> TableName {
    TableName::new("raw", format!("{source}_{}", stream.to_lowercase()))
}

/// The stream's own columns of a raw table's schema.
pub fn own_columns(schema: &Schema) -> Vec<Field> {
    schema
        .fields()
        .iter()
        .filter(|field| !OURS.contains(&field.name().as_str()))
        .map(|field| field.as_ref().clone())
        .collect()
}

/// What every row of a run of a stream has in common.
#[derive(Debug, Clone)]
pub struct Shape {
    pub schema: SchemaRef,
    pub stream: Stream,
    source: String,
    secret: [u8; 32],
    key_columns: Vec<usize>,
    version_column: Option<usize>,
    /// The column that says that a record is no more.
    delete_column: Option<usize>,
    incarnation: i32,
}

/// A page, ready but for what its batch decides.
pub struct Prepared {
    /// All columns but `_epoch`, `_row`, `_commit`, `_read_at`, which are filled at commit.
    columns: Vec<ArrayRef>,
    /// Per row the number of its record, where that is not the order of the rows: rejected ones come last.
    order: Vec<u64>,
    pub rows: usize,
    /// For streams with a key: per good row its key and a hash of key, version and content.
    pub keys: Vec<(u128, u64)>,
    pub records: u64,
    pub good: u64,
    /// Of each rejected record a hash of its bytes.
    pub rejected: Vec<u64>,
    pub undecodable: u64,
    pub bytes: u64,
    pub misfits: BTreeMap<String, u64>,
}

impl Prepared {
    /// Per row its version, where there is one.
    pub fn versions(&self) -> Option<&StringArray> {
        // `_op`, `_scope`, `_version`, `_incarnation` and `_line` come last before those that are filled at commit.
        self.columns.get(self.columns.len().checked_sub(3)?)?.as_string_opt::<i32>()
    }

    /// Why the last row was rejected, if it was.
    pub fn error(&self) -> Option<&str> {
        let errors = self.columns.get(self.columns.len().checked_sub(8)?)?.as_string_opt::<i32>()?;
        errors.iter().last().flatten()
    }
}

impl Shape {
    pub fn new(schema: SchemaRef, stream: &Stream, source: &str, secret: [u8; 32]) -> Self {
        let place = |name: &String| stream.schema.index_of(name).ok();
        Self {
            schema,
            source: source.into(),
            secret,
            key_columns: stream.primary_key.iter().filter_map(place).collect(),
            version_column: stream.version.as_ref().and_then(place),
            delete_column: match &stream.deletes {
                Deletes::Column(column) => place(column),
                _ => None,
            },
            stream: stream.clone(),
            incarnation: 1,
        }
    }

    /// For rows of another incarnation of the stream than its first.
    pub fn in_incarnation(mut self, incarnation: i32) -> Self {
        self.incarnation = incarnation;
        self
    }

    pub fn keyed(&self) -> bool {
        !self.stream.primary_key.is_empty()
    }

    /// Decodes a page and gives each row its key. Pure; runs on any thread.
    pub fn prepare(&self, page: &Page) -> Result<Prepared, ArrowError> {
        let mut decoded = decode(page, &self.stream.schema)?;
        let bytes = size_of(page);
        let (source_keys, keys) = if self.keyed() {
            let (keys, keyless) = self.keys(&decoded, page)?;
            if !keyless.is_empty() {
                decoded = reject_keyless(decoded, &keyless, &self.stream)?;
                return self.assemble(page, decoded, keys.0, keys.1, bytes);
            }
            keys
        } else {
            let scope = key_of(&self.secret, [self.source.as_str(), &self.stream.name, &page.scope]);
            (ordinal_keys(&scope, decoded.record.values()), Vec::new())
        };
        self.assemble(page, decoded, source_keys, keys, bytes)
    }

    /// The keys of a decoded page, and the rows whose key is incomplete.
    #[expect(clippy::type_complexity, reason = "two results of one pass")]
    fn keys(
        &self,
        decoded: &Decoded,
        page: &Page,
    ) -> Result<((StringArray, Vec<(u128, u64)>), Vec<usize>), ArrowError> {
        let rows = decoded.batch.num_rows();
        let options = FormatOptions::default();
        let columns: Vec<_> = self.key_columns.iter().map(|at| decoded.batch.column(*at)).collect();
        let formatters = columns.iter().map(|c| ArrayFormatter::try_new(c, &options)).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<_> = columns.iter().map(|column| column.as_string_opt::<i32>()).collect();
        let contents = content_hashes(&decoded.batch, &decoded.extra, page)?;
        let mut source_keys = StringBuilder::with_capacity(rows, rows * 14);
        let mut keys = Vec::with_capacity(rows);
        let mut keyless = Vec::new();
        let mut parts = vec![String::new(); columns.len()];
        let mut stream_keys = Keys::new(self.secret, [self.source.as_str(), &self.stream.name]);
        let mut key = String::new();
        for (row, content) in contents.into_iter().enumerate() {
            if columns.iter().any(|column| column.is_null(row)) {
                keyless.push(row);
                continue;
            }
            for ((part, text), formatter) in parts.iter_mut().zip(&texts).zip(&formatters) {
                part.clear();
                match text {
                    Some(text) => part.push_str(text.value(row)),
                    None => formatter.value(row).write(part)?,
                }
            }
            stream_keys.write(parts.iter().map(String::as_str), &mut key);
            keys.push((key_number(&key), content));
            source_keys.append_value(&key);
        }
        Ok(((source_keys.finish(), keys), keyless))
    }

    fn assemble(
        &self,
        page: &Page,
        decoded: Decoded,
        source_keys: StringArray,
        keys: Vec<(u128, u64)>,
        bytes: u64,
    ) -> Result<Prepared, ArrowError> {
        let good = decoded.batch.num_rows();
        let bad = decoded.rejected.len();
        let rows = good + bad;
        let stacked = |good: ArrayRef, bad: ArrayRef| arrow::compute::concat(&[&good, &bad]);
        let nulls = |kind: &DataType, count: usize| new_null_array(kind, count);
        let own = decoded.batch.num_columns();
        let mut columns = Vec::with_capacity(own + OURS.len());
        for column in decoded.batch.columns() {
            columns.push(if bad == 0 {
                column.clone()
            } else {
                stacked(column.clone(), nulls(column.data_type(), bad))?
            });
        }
        let text = |value: &str, count: usize| Arc::new(StringArray::from(vec![value; count])) as ArrayRef;
        let extra = Arc::new(decoded.extra) as ArrayRef;
        let keys_column = Arc::new(source_keys) as ArrayRef;
        let deleted = self.delete_column.and_then(|at| decoded.batch.column(at).as_boolean_opt());
        let op = match deleted {
            Some(deleted) if page.op == Op::Upsert => {
                let ops = deleted.iter().map(|deleted| if deleted == Some(true) { Op::Delete } else { Op::Upsert });
                Arc::new(StringArray::from_iter_values(ops.map(Op::as_str))) as ArrayRef
            }
            _ => text(page.op.as_str(), good),
        };
        let version = match self.version_column {
            Some(at) => version_text(decoded.batch.column(at))?,
            None => match &page.version {
                Some(version) => text(version, good),
                None => nulls(&DataType::Utf8, good),
            },
        };
        let pair = |good: ArrayRef, bad_column: ArrayRef| if bad == 0 { Ok(good) } else { stacked(good, bad_column) };
        let kept: StringArray = decoded.rejected.iter().map(|rejected| kept::write(rejected, page.op)).collect();
        columns.push(pair(extra, Arc::new(kept))?);
        let errors = decoded.rejected.iter().map(|rejected| match rejected.line {
            Some(line) => format!("line {line}: {}", rejected.error),
            None => format!("record {}: {}", rejected.record, rejected.error),
        });
        columns.push(pair(nulls(&DataType::Utf8, good), Arc::new(StringArray::from_iter_values(errors)))?);
        let rejected_bytes = BinaryArray::from_iter_values(decoded.rejected.iter().map(|rejected| &rejected.bytes));
        columns.push(pair(nulls(&DataType::Binary, good), Arc::new(rejected_bytes))?);
        columns.push(pair(keys_column, nulls(&DataType::Utf8, bad))?);
        columns.push(pair(op, text("reject", bad))?);
        columns.push(text(&page.scope, rows));
        let version_of_page = match &page.version {
            Some(version) => text(version, bad),
            None => nulls(&DataType::Utf8, bad),
        };
        columns.push(pair(version, version_of_page)?);
        columns.push(Arc::new(Int32Array::from(vec![self.incarnation; rows])));
        let lines =
            Int64Array::from_iter(decoded.rejected.iter().map(|r| r.line.and_then(|line| i64::try_from(line).ok())));
        let lines = pair(nulls(&DataType::Int64, good), Arc::new(lines))?;
        columns.push(lines);
        let rejected = decoded.rejected.iter().map(|rejected| rejected.record);
        let order =
            if bad == 0 { Vec::new() } else { decoded.record.values().iter().copied().chain(rejected).collect() };
        Ok(Prepared {
            columns,
            order,
            rows,
            keys,
            records: page.records,
            good: good as u64,
            rejected: decoded.rejected.iter().map(|rejected| xxh3_64(&rejected.bytes)).collect(),
            undecodable: decoded.rejected.iter().filter(|rejected| rejected.undecodable).count() as u64,
            bytes,
            misfits: decoded.misfits.into_iter().collect(),
        })
    }

    /// A control row: rows of `scope` that came before are withdrawn.
    pub fn withdrawal(&self, scope: &str) -> Prepared {
        let own = self.schema.fields().len() - OURS.len();
        let mut columns: Vec<ArrayRef> =
            self.schema.fields().iter().take(own).map(|field| new_null_array(field.data_type(), 1)).collect();
        let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let null = |kind: DataType| new_null_array(&kind, 1);
        columns.extend([null(DataType::Utf8), null(DataType::Utf8), null(DataType::Binary), null(DataType::Utf8)]);
        columns.extend([text("replace"), text(scope), null(DataType::Utf8)]);
        columns.extend([Arc::new(Int32Array::from(vec![self.incarnation])) as ArrayRef, null(DataType::Int64)]);
        Prepared {
            columns,
            order: Vec::new(),
            rows: 1,
            keys: Vec::new(),
            records: 0,
            good: 0,
            rejected: Vec::new(),
            undecodable: 0,
            bytes: 0,
            misfits: BTreeMap::new(),
        }
    }

    /// The finished batch: rows `keep` of the page, numbered from `first_row` without a gap, in the order of their records.
    pub fn finish(
        &self,
        prepared: &Prepared,
        keep: Option<&arrow::array::BooleanArray>,
        place: &Place,
    ) -> Result<RecordBatch, ArrowError> {
        let kept: Vec<ArrayRef> = match keep {
            Some(keep) => {
                prepared.columns.iter().map(|column| arrow::compute::filter(column, keep)).collect::<Result<_, _>>()?
            }
            None => prepared.columns.clone(),
        };
        let rows = keep.map_or(prepared.rows, arrow::array::BooleanArray::true_count);
        let constant = |value: i64| Arc::new(Int64Array::from(vec![value; rows])) as ArrayRef;
        let numbers = numbers(prepared, keep, rows, place.first_row);
        let read_at = arrow::array::TimestampMicrosecondArray::from(vec![place.read_at; rows]).with_timezone("UTC");
        let (before, line) = kept.split_at(kept.len() - 1);
        let mut columns = before.to_vec();
        columns.push(constant(place.epoch));
        columns.push(Arc::new(Int64Array::from(numbers)));
        columns.extend(line.iter().cloned());
        columns.push(constant(place.commit));
        columns.push(Arc::new(read_at));
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}

/// The numbers of the rows that are kept. A rejected record has the place it would have had, in case it is replayed.
fn numbers(prepared: &Prepared, keep: Option<&arrow::array::BooleanArray>, rows: usize, first_row: i64) -> Vec<i64> {
    if prepared.order.is_empty() {
        return (first_row..).take(rows).collect();
    }
    let kept = |row: &usize| keep.is_none_or(|keep| keep.value(*row));
    let records: Vec<u64> = prepared.order.iter().enumerate().filter(|(row, _)| kept(row)).map(|(_, at)| *at).collect();
    let mut by_record: Vec<usize> = (0..records.len()).collect();
    by_record.sort_by_key(|row| records.get(*row));
    let mut numbers = vec![first_row; records.len()];
    for (number, row) in (first_row..).zip(by_record) {
        if let Some(place) = numbers.get_mut(row) {
            *place = number;
        }
    }
    numbers
}

/// Where in the lake's history a batch's rows stand.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub epoch: i64,
    pub commit: i64,
    pub first_row: i64,
    /// Microseconds since 1970 UTC.
    pub read_at: i64,
}

/// `<scope>-0000000017`, …
fn ordinal_keys(scope: &str, ordinals: &[u64]) -> StringArray {
    let mut keys = StringBuilder::with_capacity(ordinals.len(), ordinals.len() * (scope.len() + 11));
    let mut key = format!("{scope}-");
    let start = key.len();
    for ordinal in ordinals {
        key.truncate(start);
        // Writing to a string cannot fail.
        let _ = write!(key, "{ordinal:010}");
        keys.append_value(&key);
    }
    keys.finish()
}

fn size_of(page: &Page) -> u64 {
    use tributary_connector::Data;
    match &page.data {
        Data::Batch(batch) => batch.get_array_memory_size() as u64,
        Data::Csv(page) => page.bytes.len() as u64,
        Data::Json(page) => page.bytes.len() as u64,
        Data::Rejected(rejected) => rejected.iter().map(|rejected| rejected.bytes.len() as u64).sum(),
    }
}

/// A version column as text that sorts as its values do.
fn version_text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if column.data_type().is_integer() {
        let numbers = arrow::compute::cast(column, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<arrow::datatypes::Int64Type>();
        let text = numbers
            .iter()
            .map(|number| number.map(|number| format!("{:020}", i128::from(number) - i128::from(i64::MIN))));
        return Ok(Arc::new(text.collect::<StringArray>()));
    }
    if matches!(column.data_type(), DataType::Timestamp(..)) {
        // Not Arrow's own text, in which half past comes before the full second: it leaves out a fraction that is zero.
        let times = arrow::compute::cast(column, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
        let times = times.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        let text = times.iter().map(|time| time.map(time_text));
        return Ok(Arc::new(text.collect::<StringArray>()));
    }
    arrow::compute::cast(column, &DataType::Utf8)
}

/// Microseconds since 1970 UTC as `2026-06-30T16:00:00.000000Z`: texts of one length, in the order of time. Written by hand, as it is
/// done for every row, and a general formatter costs as much as decoding the row.
fn time_text(time: i64) -> String {
    let at = chrono::DateTime::from_timestamp_micros(time).filter(|at| (0..=9999).contains(&at.year()));
    let Some(at) = at else {
        // Before and after all years of four digits.
        let sign = if time < 0 { '!' } else { '~' };
        return format!("{sign}{:020}", i128::from(time) - i128::from(i64::MIN));
    };
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut number = |place: std::ops::Range<usize>, mut value: u32| {
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    number(0..4, at.year().unsigned_abs());
    number(5..7, at.month());
    number(8..10, at.day());
    number(11..13, at.hour());
    number(14..16, at.minute());
    number(17..19, at.second());
    number(20..26, at.timestamp_subsec_micros());
    str::from_utf8(&text).map(str::to_owned).unwrap_or_default()
}

/// Per row, a hash of everything in it but its place.
fn content_hashes(batch: &RecordBatch, extra: &StringArray, page: &Page) -> Result<Vec<u64>, ArrowError> {
    let version = page.version.as_deref().unwrap_or_default();
    let mut hashes = vec![xxh3_64_with_seed(version.as_bytes(), page.op as u64); batch.num_rows()];
    for column in batch.columns().iter().map(AsRef::as_ref).chain([extra as &dyn Array]) {
        hash_into(&mut hashes, column)?;
    }
    Ok(hashes)
}

/// Adds a column: the hash so far is the seed of the next.
fn hash_into(hashes: &mut [u64], column: &dyn Array) -> Result<(), ArrowError> {
    let rows = hashes.iter_mut().enumerate();
    let add = |hash: &mut u64, value: Option<&[u8]>| {
        *hash = value
            .map_or(hash.rotate_left(29).wrapping_mul(0x9e37_79b9_7f4a_7c15), |value| xxh3_64_with_seed(value, *hash));
    };
    if let Some(texts) = column.as_string_opt::<i32>() {
        rows.for_each(|(row, hash)| add(hash, texts.is_valid(row).then(|| texts.value(row).as_bytes())));
    } else if let Some(width) = column.data_type().primitive_width() {
        let data = column.to_data();
        let values = data.buffers()[0].as_slice()[data.offset() * width..].chunks_exact(width);
        rows.zip(values).for_each(|((row, hash), value)| add(hash, column.is_valid(row).then_some(value)));
    } else if let Some(group) = column.as_struct_opt() {
        for (row, hash) in rows {
            add(hash, column.is_valid(row).then_some(b"{".as_slice()));
        }
        for part in group.columns() {
            hash_into(hashes, part)?;
        }
    } else if let Some(list) = column.as_list_opt::<i32>() {
        // Each element by itself, then into its row: where a list ends counts as well.
        let first = list.value_offsets().first().copied().unwrap_or_default() as usize;
        let last = list.value_offsets().last().copied().unwrap_or_default() as usize;
        let mut elements = vec![0; last - first];
        hash_into(&mut elements, list.values().slice(first, last - first).as_ref())?;
        for (row, hash) in rows {
            let range = list.value_offsets()[row] as usize - first..list.value_offsets()[row + 1] as usize - first;
            add(hash, column.is_valid(row).then_some(b"[".as_slice()));
            for element in &elements[range] {
                add(hash, Some(&element.to_le_bytes()));
            }
            add(hash, Some(b"]"));
        }
    } else {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(column, &options)?;
        let mut text = String::new();
        for (row, hash) in rows {
            text.clear();
            formatter.value(row).write(&mut text)?;
            add(hash, column.is_valid(row).then_some(text.as_bytes()));
        }
    }
    Ok(())
}

/// Moves rows without a complete key among the rejected ones, as JSON.
fn reject_keyless(decoded: Decoded, keyless: &[usize], stream: &Stream) -> Result<Decoded, ArrowError> {
    let options = FormatOptions::default();
    let schema = decoded.batch.schema();
    let formatters =
        decoded.batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options)).collect::<Result<Vec<_>, _>>()?;
    let names = stream.primary_key.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut rejected = decoded.rejected;
    for row in keyless {
        let values = schema.fields().iter().zip(&formatters).zip(decoded.batch.columns());
        let mut object: serde_json::Map<String, serde_json::Value> = values
            .filter(|(_, column)| column.is_valid(*row))
            .map(|((field, formatter), _)| (field.name().clone(), formatter.value(*row).to_string().into()))
            .collect();
        if decoded.extra.is_valid(*row)
            && let Ok(serde_json::Value::Object(extra)) = serde_json::from_str(decoded.extra.value(*row))
        {
            object.extend(extra);
        }
        rejected.push(Rejected {
            record: decoded.record.value(*row),
            line: None,
            bytes: serde_json::Value::Object(object).to_string().into(),
            error: format!("it has no key ({names})"),
            undecodable: false,
            form: Some(Form::Values),
        });
    }
    let mut keep = vec![true; decoded.batch.num_rows()];
    for row in keyless {
        if let Some(keep) = keep.get_mut(*row) {
            *keep = false;
        }
    }
    let keep = arrow::array::BooleanArray::from(keep);
    let extra = arrow::compute::filter(&decoded.extra, &keep)?;
    let record = arrow::compute::filter(&decoded.record, &keep)?;
    Ok(Decoded {
        batch: arrow::compute::filter_record_batch(&decoded.batch, &keep)?,
        extra: extra.as_string::<i32>().clone(),
        record: record.as_primitive::<UInt64Type>().clone(),
        rejected,
        misfits: decoded.misfits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one column whose content is the same, by place.
    fn alike(column: ArrayRef) -> Vec<(usize, usize)> {
        let mut hashes = vec![7; column.len()];
        hash_into(&mut hashes, &column).unwrap();
        let mut sliced = vec![7; column.len() - 1];
        hash_into(&mut sliced, &column.slice(1, column.len() - 1)).unwrap();
        assert_eq!(hashes[1..], sliced[..], "a row's hash does not depend on where it stands");
        let pairs = (0..hashes.len()).flat_map(|a| (a + 1..hashes.len()).map(move |b| (a, b)));
        pairs.filter(|(a, b)| hashes[*a] == hashes[*b]).collect()
    }

    #[test]
    fn rows_with_lists_and_groups_are_alike_only_where_all_of_them_is() {
        use arrow::array::{ListArray, StructArray};
        use arrow::datatypes::Int32Type;
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), Some(2)]),
            Some(vec![Some(1)]),
            Some(vec![Some(2)]),
            Some(vec![]),
            None,
            Some(vec![None]),
            Some(vec![Some(1), Some(2)]),
            Some(vec![Some(2), Some(1)]),
        ]);
        assert_eq!(alike(Arc::new(lists)), [(0, 6)]);
        let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
        let texts = |texts: [Option<&str>; 5]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        let groups = StructArray::new(
            vec![field("a"), field("b")].into(),
            vec![texts([Some("x"), None, Some("x"), Some("xy"), None]), texts([None, Some("x"), None, None, None])],
            Some(vec![true, true, true, true, false].into()),
        );
        assert_eq!(alike(Arc::new(groups)), [(0, 2)]);
    }

    #[test]
    fn versions_by_time_are_texts_in_the_order_of_time() {
        let times = [i64::MIN, -62_167_219_200_000_001, -1, 0, 500_000, 1_000_000, 1_700_000_000_000_000, i64::MAX];
        let texts: Vec<_> = times.iter().map(|time| time_text(*time)).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(texts[4], "1970-01-01T00:00:00.500000Z");
        assert_eq!(time_text(1_782_836_645_012_345), "2026-06-30T16:24:05.012345Z");
    }
}
