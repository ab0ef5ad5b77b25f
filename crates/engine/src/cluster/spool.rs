//! A result as it comes in, whole: in memory while it is small, else in a temporary file.

use std::io::{BufReader, BufWriter, Seek, SeekFrom};

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tempfile::SpooledTempFile;

/// Bytes that are kept in memory.
const IN_MEMORY: usize = 32 << 20;

/// Takes in all of `stream` and hands out its batches, as batches of `schema`. Reading and writing block, for as long as a page cache
/// takes.
pub async fn whole(
    schema: SchemaRef,
    mut stream: SendableRecordBatchStream,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send> {
    let file = BufWriter::new(SpooledTempFile::new(IN_MEMORY));
    let mut writer = StreamWriter::try_new(file, &schema)?;
    while let Some(batch) = stream.next().await {
        writer.write(&fitted(&schema, &batch?)?)?;
    }
    let file = writer.into_inner()?;
    let mut file = file.into_inner().map_err(|e| DataFusionError::IoError(e.into_error()))?;
    file.seek(SeekFrom::Start(0))?;
    let reader = StreamReader::try_new(BufReader::new(file), None)?;
    // What comes from a file has the schema it was written with, nested names and metadata included.
    Ok(reader.map(|batch| Ok(batch?)))
}

/// An executor knows a stage's schema by the plan it was sent: metadata may be missing there, and text may be of another
/// representation.
fn fitted(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(column.clone()),
        false => cast(column, field.data_type()),
    });
    let columns = columns.collect::<std::result::Result<_, _>>()?;
    let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &rows)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, StringArray, StringViewArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;

    fn text(data_type: DataType) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("name", data_type, true)]))
    }

    #[tokio::test]
    async fn a_result_larger_than_memory_comes_out_as_it_went_in_and_of_the_planned_types() {
        let there = text(DataType::Utf8View);
        let line = "x".repeat(1000);
        let batches = (0..40).map(|at| {
            let column = StringViewArray::from_iter_values((0..1000).map(|row| format!("{at} {row} {line}")));
            Ok(RecordBatch::try_new(text(DataType::Utf8View), vec![Arc::new(column)]).unwrap())
        });
        let batches: Vec<_> = batches.collect();
        let stream = Box::pin(RecordBatchStreamAdapter::new(there, futures::stream::iter(batches)));
        let mut rows = 0;
        for batch in whole(text(DataType::Utf8), stream).await.unwrap() {
            let batch = batch.unwrap();
            let column: &StringArray = batch.column(0).as_string();
            assert!(column.value(0).starts_with(&format!("{} 0 x", rows / 1000)));
            rows += batch.num_rows();
        }
        assert_eq!(rows, 40_000);
    }

    #[tokio::test]
    async fn an_error_in_the_middle_is_an_error_of_the_whole() {
        let schema = text(DataType::Utf8);
        let batch = RecordBatch::new_empty(schema.clone());
        let batches = vec![Ok(batch), Err(DataFusionError::Execution("lost".into()))];
        let stream = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), futures::stream::iter(batches)));
        assert!(whole(schema, stream).await.is_err());
    }
}
