//! What a run of the stage changed of persons' records and of the identifiers that orders name: table `match.change`.
//!
//! Whoever comes after reads it in place of everything. It is a convenience: where it does not reach back far enough, or says that a
//! mapping was made anew, everything is looked at.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use tributary_engine::Result;
use tributary_lake::{Lake, TableChange, TableSpec, TableWriter, WriterOptions};

use crate::tables::change;

/// So many files are kept, which is at least one for each commit of the stage.
const KEPT: usize = 32;

/// Collects the changes of one commit of the stage.
pub struct Feed {
    spec: TableSpec,
    writer: TableWriter,
    number: i64,
    rows: i64,
    all: bool,
}

impl Feed {
    /// For the stage's commit `number`.
    pub fn new(lake: &Lake, number: i64) -> Self {
        let spec = change();
        let writer = TableWriter::new(lake, &spec, WriterOptions::default());
        Self { spec, writer, number, rows: 0, all: false }
    }

    /// Notes that anything may have changed.
    pub fn all(&mut self) {
        self.all = true;
    }

    pub fn is_all(&self) -> bool {
        self.all
    }

    /// Adds rows: those columns that a batch has, and what they say.
    pub async fn rows(&mut self, what: &str, batch: &RecordBatch) -> Result<()> {
        if self.all || batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as i64;
        self.write(what, batch.num_rows(), |name| batch.column_by_name(name)).await
    }

    async fn write<'a>(
        &mut self,
        what: &str,
        rows: usize,
        column: impl Fn(&str) -> Option<&'a ArrayRef>,
    ) -> Result<()> {
        let columns =
            self.spec.schema.fields().iter().map(|field| match (field.name().as_str(), column(field.name())) {
                ("number", _) => Ok(Arc::new(Int64Array::from(vec![self.number; rows])) as ArrayRef),
                ("what", _) => Ok(Arc::new(StringArray::from(vec![what; rows])) as ArrayRef),
                (_, Some(column)) => cast(column, field.data_type()),
                (_, None) => Ok(new_null_array(field.data_type(), rows)),
            });
        let batch = RecordBatch::try_new(self.spec.schema.clone(), columns.collect::<std::result::Result<_, _>>()?)?;
        Ok(self.writer.write(&batch).await?)
    }

    /// What becomes of the table: the last row says how many there are, or that anything may have changed.
    pub async fn finish(mut self, lake: &Lake) -> Result<TableChange> {
        let rows: ArrayRef = Arc::new(Int64Array::from(vec![self.rows]));
        let what = if self.all { "all" } else { "commit" };
        self.write(what, 1, |name| (name == "rows").then_some(&rows)).await?;
        let adds = self.writer.finish().await?;
        let mut removes = lake.ensure_table(&self.spec).await?.files_in_order()?;
        let kept = removes.len().saturating_sub(KEPT.saturating_sub(adds.len()));
        removes.truncate(kept);
        Ok(TableChange { adds, removes })
    }
}

/// The column of a batch that names records, and nothing else.
pub fn keys(batch: &RecordBatch) -> Result<RecordBatch> {
    let at = batch.schema_ref().index_of("record_key")?;
    Ok(batch.project(&[at])?)
}
