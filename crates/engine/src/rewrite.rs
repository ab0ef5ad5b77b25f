//! Writing a table anew from batches, with the check that what came in is what the files hold.

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt};
use tributary_lake::{Lake, TableChange, TableSpec, TableWriter, WriterOptions};

use crate::{Error, Result};

/// Writes `batches` into new files of a table. The change adds them and, if `replace`, removes all files there are.
///
/// # Errors
/// [`Error::Ledger`] if the files hold another number of rows than came in; they are removed then.
pub async fn rewrite(
    lake: &Lake,
    spec: &TableSpec,
    replace: bool,
    mut batches: impl Stream<Item = Result<RecordBatch>> + Unpin,
) -> Result<(TableChange, u64)> {
    let table = lake.ensure_table(spec).await?;
    let mut writer = TableWriter::new(lake, spec, WriterOptions::default());
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        let columns = batch.columns().iter().zip(spec.schema.fields());
        let columns = columns.map(|(column, field)| arrow::compute::cast(column, field.data_type()));
        let batch = RecordBatch::try_new(spec.schema.clone(), columns.collect::<std::result::Result<_, _>>()?)?;
        writer.write(&batch).await?;
    }
    let adds = writer.finish().await?;
    let written: u64 = adds.iter().map(|file| file.rows).sum();
    if written != rows {
        let why = format!("{rows} rows were made for `{}` and {written} written", spec.name);
        return Err(Error::Ledger { stage: spec.name.layer.clone(), why });
    }
    let removes = if replace { table.files()? } else { Vec::new() };
    Ok((TableChange { adds, removes }, rows))
}
