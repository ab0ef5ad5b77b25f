//! Rows held in memory as a table: few enough to be part of a plan, also of one that travels.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// See the module.
#[derive(Debug)]
pub struct Rows {
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only what travels is taken apart again"))]
    pub(crate) batches: Vec<RecordBatch>,
    table: MemTable,
}

impl Rows {
    /// # Errors
    /// If a batch is not of the schema.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        Ok(Self { table: MemTable::try_new(schema, vec![batches.clone()])?, batches })
    }
}

#[async_trait]
impl TableProvider for Rows {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(state, projection, filters, limit).await
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }
}
