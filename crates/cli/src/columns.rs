//! Rows as text, column by column; nested records and lists of records are taken apart into the columns within.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// A column that is no record itself.
pub struct Column {
    /// Its name, below the names of the records around it.
    pub path: Vec<String>,
    /// How many names lead to the list whose records it is of.
    pub list: Option<usize>,
    pub kind: DataType,
    /// Of a list: all of the row's values.
    pub values: Vec<Option<String>>,
}

impl Column {
    pub fn name(&self) -> String {
        match self.list.and_then(|outer| self.path.split_at_checked(outer)) {
            Some((outer, inner)) => format!("{}[].{}", outer.join("."), inner.join(".")),
            None => self.path.join("."),
        }
    }
}

/// All columns of `batch`.
pub fn flatten(batch: &RecordBatch) -> Result<Vec<Column>, ArrowError> {
    let mut columns = Vec::new();
    let all = vec![true; batch.num_rows()];
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        within(vec![field.name().clone()], array, &all, &mut columns)?;
    }
    Ok(columns)
}

fn within(path: Vec<String>, array: &ArrayRef, there: &[bool], columns: &mut Vec<Column>) -> Result<(), ArrowError> {
    let there: Vec<bool> = there.iter().enumerate().map(|(row, there)| *there && array.is_valid(row)).collect();
    if let Some(record) = array.as_struct_opt() {
        for (field, inner) in record.fields().iter().zip(record.columns()) {
            let path = path.iter().chain([field.name()]).cloned().collect();
            within(path, inner, &there, columns)?;
        }
        return Ok(());
    }
    if let Some(list) = array.as_list_opt::<i32>().filter(|list| list.values().as_struct_opt().is_some()) {
        let (mut inner, all) = (Vec::new(), vec![true; list.values().len()]);
        within(path.clone(), list.values(), &all, &mut inner)?;
        columns.extend(inner.into_iter().map(|column| {
            let values = list.offsets().windows(2).zip(&there).map(|(ends, there)| {
                let of_row =
                    column.values.get(ends[0] as usize..ends[1] as usize).filter(|values| *there && !values.is_empty());
                Some(of_row?.iter().map(|value| value.as_deref().unwrap_or_default()).collect::<Vec<_>>().join(", "))
            });
            Column { list: Some(path.len()), values: values.collect(), ..column }
        }));
        return Ok(());
    }
    let texts = texts(array)?;
    let values = texts.into_iter().zip(there).map(|(text, there)| text.filter(|_| there)).collect();
    columns.push(Column { path, list: None, kind: array.data_type().clone(), values });
    Ok(())
}

/// The values of a column.
pub fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>, ArrowError> {
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%Z"));
    if array.data_type().is_null() {
        return Ok(vec![None; array.len()]);
    }
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let text = |row| {
        let text = formatter.value(row).to_string();
        // Times are in UTC everywhere.
        text.strip_suffix("+00:00").map_or(text.clone(), |time| format!("{time}Z"))
    };
    Ok((0..array.len()).map(|row| array.is_valid(row).then(|| text(row))).collect())
}

/// A type as a pipeline file names it.
pub fn kind_name(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        kind if kind.is_integer() => "int".into(),
        kind if kind.is_floating() => "float".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(..) => "timestamp".into(),
        DataType::Boolean => "bool".into(),
        DataType::List(_) => "list".into(),
        other => other.to_string().to_lowercase(),
    }
}
