//! How tables travel within a logical plan: a snapshot as the list of its files, rows held in memory as Arrow IPC.
//!
//! Everything else is DataFusion's and Ballista's own encoding; functions go by name.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use ballista_core::serde::BallistaLogicalExtensionCodec;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, TableReference, exec_datafusion_err};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use prost::Message;

use crate::Snapshot;
use crate::rows::Rows;

/// See the module.
#[derive(Debug, Default)]
pub struct Codec(BallistaLogicalExtensionCodec);

/// A table on its way. The schema travels beside it.
#[derive(Clone, PartialEq, Message)]
struct Table {
    #[prost(oneof = "Kind", tags = "1, 2")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Files(Files),
    /// An Arrow IPC stream.
    #[prost(bytes, tag = "2")]
    Rows(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct Files {
    /// The root of the store: never with credentials, which each executor has from its own environment.
    #[prost(string, tag = "1")]
    store: String,
    #[prost(message, repeated, tag = "2")]
    files: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(uint64, tag = "2")]
    size: u64,
    #[prost(uint64, tag = "3")]
    rows: u64,
}

impl LogicalExtensionCodec for Codec {
    fn try_decode(&self, buf: &[u8], inputs: &[LogicalPlan], context: &TaskContext) -> Result<Extension> {
        self.0.try_decode(buf, inputs, context)
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        self.0.try_encode(node, buf)
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        name: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let table = Table::decode(buf).map_err(|e| exec_datafusion_err!("`{name}` is no table of ours: {e}"))?;
        match table.kind {
            Some(Kind::Files(files)) => {
                let store = ObjectStoreUrl::parse(&files.store)?;
                let files = files.files.into_iter().map(|file| (file.path, file.size, file.rows)).collect();
                Ok(Arc::new(Snapshot { schema, store, files }))
            }
            Some(Kind::Rows(bytes)) => {
                let batches = StreamReader::try_new(bytes.as_slice(), None)?
                    .map(|batch| Ok(RecordBatch::try_new(schema.clone(), batch?.columns().to_vec())?))
                    .collect::<Result<_>>()?;
                Ok(Arc::new(Rows::new(schema, batches)?))
            }
            None => Err(exec_datafusion_err!("`{name}` is a table of another version of this program")),
        }
    }

    fn try_encode_table_provider(
        &self,
        name: &TableReference,
        table: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        let kind = if let Some(snapshot) = table.downcast_ref::<Snapshot>() {
            let files = snapshot.files.iter();
            let files = files.map(|(path, size, rows)| File { path: path.clone(), size: *size, rows: *rows });
            Kind::Files(Files { store: snapshot.store.to_string(), files: files.collect() })
        } else if let Some(rows) = table.downcast_ref::<Rows>() {
            let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
            for batch in &rows.batches {
                writer.write(batch)?;
            }
            Kind::Rows(writer.into_inner()?)
        } else {
            return Err(exec_datafusion_err!("`{name}` is a table that cannot travel to a cluster"));
        };
        Table { kind: Some(kind) }.encode(buf).map_err(|e| exec_datafusion_err!("`{name}` could not be packed: {e}"))
    }

    fn try_decode_file_format(&self, buf: &[u8], context: &TaskContext) -> Result<Arc<dyn FileFormatFactory>> {
        self.0.try_decode_file_format(buf, context)
    }

    fn try_encode_file_format(&self, buf: &mut Vec<u8>, node: Arc<dyn FileFormatFactory>) -> Result<()> {
        self.0.try_encode_file_format(buf, node)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::prelude::SessionContext;
    use datafusion_proto::bytes::{
        logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
    };

    use super::*;

    fn schema() -> SchemaRef {
        let personal = [("personal".to_owned(), "identifier".to_owned())];
        Arc::new(Schema::new(vec![
            Field::new("key", DataType::Int64, false),
            Field::new("name", DataType::Utf8, true).with_metadata(personal.into()),
        ]))
    }

    fn there_and_back(table: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
        let codec = Codec::default();
        let name = TableReference::partial("clean", "party");
        let mut bytes = Vec::new();
        codec.try_encode_table_provider(&name, table.clone(), &mut bytes).unwrap();
        let context = SessionContext::new().task_ctx();
        codec.try_decode_table_provider(&bytes, &name, table.schema(), &context).unwrap()
    }

    #[test]
    fn a_snapshot_travels_as_its_files() {
        let files = vec![("lake/clean/party/1.parquet".to_owned(), 100, 7), ("lake/a b,%.parquet".to_owned(), 1, 0)];
        let store = ObjectStoreUrl::parse("s3://bucket").unwrap();
        let sent = Snapshot { schema: schema(), store, files };
        let came = there_and_back(Arc::new(Snapshot { files: sent.files.clone(), store: sent.store.clone(), ..sent }));
        let came = came.downcast_ref::<Snapshot>().unwrap();
        assert_eq!((&came.schema, came.store.as_str()), (&schema(), "s3://bucket/"));
        assert_eq!(came.files.len(), 2);
        assert_eq!(came.files.first().unwrap(), &("lake/clean/party/1.parquet".to_owned(), 100, 7));
        assert_eq!(came.files.last().unwrap().0, "lake/a b,%.parquet");
    }

    #[test]
    fn rows_in_memory_travel_with_their_types_and_nulls() {
        let columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec![Some("王芳"), None]))];
        let batch = RecordBatch::try_new(schema(), columns).unwrap();
        let came = there_and_back(Arc::new(Rows::new(schema(), vec![batch.clone(), batch.slice(1, 1)]).unwrap()));
        assert_eq!(came.schema(), schema());
        assert_eq!(came.downcast_ref::<Rows>().unwrap().batches, [batch.clone(), batch.slice(1, 1)]);
        let none = there_and_back(Arc::new(Rows::new(schema(), Vec::new()).unwrap()));
        assert!(none.downcast_ref::<Rows>().unwrap().batches.is_empty());
    }

    #[tokio::test]
    async fn a_whole_plan_travels_and_a_foreign_table_does_not() {
        let context = SessionContext::new();
        let rows = Rows::new(schema(), Vec::new()).unwrap();
        context.register_table("rows", Arc::new(rows)).unwrap();
        let plan = context.sql("SELECT count(*), upper(name) AS n FROM rows WHERE key > 3 GROUP BY n ORDER BY n").await;
        let plan = plan.unwrap().into_optimized_plan().unwrap();
        let bytes = logical_plan_to_bytes_with_extension_codec(&plan, &Codec::default()).unwrap();
        let came =
            logical_plan_from_bytes_with_extension_codec(&bytes, &context.task_ctx(), &Codec::default()).unwrap();
        assert_eq!(came.display_indent().to_string(), plan.display_indent().to_string());

        let foreign = Arc::new(datafusion::datasource::MemTable::try_new(schema(), vec![vec![]]).unwrap());
        let refused = Codec::default().try_encode_table_provider(&"t".into(), foreign, &mut Vec::new()).unwrap_err();
        assert_eq!(refused.strip_backtrace(), "Execution error: `t` is a table that cannot travel to a cluster");
    }
}
