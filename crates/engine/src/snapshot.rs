//! A table of the lake at one version, as DataFusion sees it: a schema and a list of Parquet files.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use tributary_lake::{DataFile, Lake, Table, TableName};
use url::Position;

/// See the module.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) schema: SchemaRef,
    pub(crate) store: ObjectStoreUrl,
    /// Path from the store's root, size and rows of each file.
    pub(crate) files: Vec<(String, u64, u64)>,
}

impl Snapshot {
    /// # Errors
    /// If the table's log cannot be read.
    pub fn new(lake: &Lake, table: &Table) -> crate::Result<Self> {
        Self::of(lake, table.schema().clone(), &table.name, table.files()?)
    }

    /// Some files of a table.
    pub(crate) fn of(lake: &Lake, schema: SchemaRef, name: &TableName, files: Vec<DataFile>) -> crate::Result<Self> {
        let store = store_url(lake)?;
        let folder = lake.location.path([name.layer.as_str(), name.name.as_str()]);
        let files = files.into_iter().map(|file| (format!("{folder}/{}", file.path), file.size, file.rows));
        Ok(Self { schema, store, files: files.collect() })
    }
}

/// The root of the store a lake lies in.
pub(crate) fn store_url(lake: &Lake) -> crate::Result<ObjectStoreUrl> {
    let url = &lake.location.url;
    ObjectStoreUrl::parse(&url[..Position::BeforePath]).map_err(crate::Error::query("find the lake's store"))
}

#[async_trait]
impl TableProvider for Snapshot {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema.clone(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        // Files are dealt out evenly; the optimiser splits large ones further.
        let groups = state.config_options().execution.target_partitions.clamp(1, self.files.len());
        let mut dealt: Vec<Vec<PartitionedFile>> = vec![Vec::new(); groups];
        for (at, (path, size, _)) in self.files.iter().enumerate() {
            if let Some(group) = dealt.get_mut(at % groups) {
                group.push(PartitionedFile::new(path.clone(), *size));
            }
        }
        let mut statistics = Statistics::new_unknown(&self.schema);
        let rows: u64 = self.files.iter().map(|(_, _, rows)| rows).sum();
        statistics.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
        let source = Arc::new(ParquetSource::new(self.schema.clone()));
        let config = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(dealt.into_iter().map(FileGroup::new).collect())
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let rows: u64 = self.files.iter().map(|(_, _, rows)| rows).sum();
        statistics.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
        Some(statistics)
    }
}
