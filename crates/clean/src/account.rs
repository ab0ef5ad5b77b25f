//! The counts of a mapping, and whether they add up.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use tributary_engine::{Error, Result, Session};

use crate::mapping::Mapping;
use crate::plan::{self, Rows};
use crate::split::MapCounts;

/// The independent counts: of raw rows, of current ones, of elements.
pub async fn count(session: &Session, mapping: &Mapping, rows: &Rows, doing: &str) -> Result<MapCounts> {
    let found = numbers(session.collect(doing, &plan::count_sql(mapping, rows)).await?)?;
    let (rows_all, live, current, keys) = match *found.as_slice() {
        [rows, live, current, keys] => (rows, live, current, keys),
        _ => return Err(Error::Ledger { stage: "clean".into(), why: "the count query has another shape".into() }),
    };
    let mut counts = MapCounts { rows: rows_all, current, ..MapCounts::default() };
    // A key whose newest row deletes it has no current row; its older rows are superseded all the same.
    let gone = if mapping.keyed { keys.saturating_sub(current) } else { live.saturating_sub(current) };
    counts.deleted = rows_all.saturating_sub(live) + gone;
    counts.superseded = live.saturating_sub(current + gone);
    if let Some(sql) = plan::element_count_sql(mapping, rows)
        && let &[elements, without] = numbers(session.collect(doing, &sql).await?)?.as_slice()
    {
        counts.elements = Some(elements);
        counts.empty_records = without;
        counts.input += without;
        counts.empty += without;
    }
    Ok(counts)
}

/// The numbers of a query's one row.
pub fn numbers(batches: Vec<RecordBatch>) -> Result<Vec<u64>> {
    let Some(batch) = batches.into_iter().find(|batch| batch.num_rows() > 0) else { return Ok(Vec::new()) };
    let mut numbers = Vec::new();
    for column in batch.columns() {
        let column = cast(column, &DataType::Int64)?;
        numbers.push(u64::try_from(column.as_primitive::<Int64Type>().value(0)).unwrap_or_default());
    }
    Ok(numbers)
}

/// # Errors
/// [`Error::Ledger`] at the first pair of numbers that differ.
pub fn balanced<'a>(mapping: &Mapping, pairs: impl IntoIterator<Item = (&'a str, u64, u64)>) -> Result<()> {
    match pairs.into_iter().find(|(_, left, right)| left != right) {
        None => Ok(()),
        Some((what, left, right)) => Err(Error::Ledger {
            stage: format!("clean ({})", mapping.id),
            why: format!("{what} differ, {left} and {right}"),
        }),
    }
}

/// What must hold of the counts themselves.
pub fn terms(counts: &MapCounts) -> [(&'static str, u64, u64); 3] {
    [
        ("rows mapped and rows kept, filtered or empty", counts.input, counts.output + counts.filtered + counts.empty),
        ("rows kept and rows written or folded", counts.output, counts.written + counts.folded),
        (
            "raw rows and rows current, superseded or deleted",
            counts.rows,
            counts.current + counts.superseded + counts.deleted,
        ),
    ]
}
