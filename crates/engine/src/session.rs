//! The session: tables by two-part names, functions, bounded memory; here, or on a cluster.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::common::TableReference;
use datafusion::datasource::TableProvider;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use tributary_lake::{DataFile, Lake, Table, TableName, TableSpec};

use crate::key::KeyOf;
use crate::rows::Rows;
use crate::settings::settings;
use crate::snapshot::store_url;
use crate::{Address, Error, Result, Snapshot};

const CATALOG: &str = "lake";
/// What a sort keeps aside for merging what it has in memory, as a share of a pool of its own and at most.
const ASIDE: (usize, usize) = (8, 10 << 20);

/// Bounds of a session.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes for sorts, joins and aggregations before they spill.
    pub memory: usize,
    /// How many parts a plan runs in; the number of cores if `None`.
    pub partitions: Option<usize>,
    /// Whether names without quotes are taken as lower case, as in standard SQL. Mappings are not: a header is as it is.
    pub fold_case: bool,
    /// The scheduler of the cluster that runs the plans; this process if `None`.
    pub cluster: Option<Address>,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: 512 << 20, partitions: None, fold_case: false, cluster: None }
    }
}

/// A session over one lake. A clone is the same session.
#[derive(Clone)]
pub struct Session {
    context: SessionContext,
    /// The same tables, functions and options, in this process whatever `context` does.
    here: SessionContext,
    distributed: bool,
    lake: Lake,
    memory: usize,
}

impl Session {
    /// A session on a cluster does not ask it anything yet: [`crate::reach`] does.
    ///
    /// # Errors
    /// If the spill folder cannot be set up, or a cluster cannot read such a lake.
    pub fn new(lake: &Lake, options: &Options) -> Result<Self> {
        let config =
            SessionConfig::new().with_information_schema(true).with_default_catalog_and_schema(CATALOG, "public");
        let mut config = settings(config, options.fold_case);
        if let Some(partitions) = options.partitions {
            config = config.with_target_partitions(partitions);
        }
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory))
            .build_arc()
            .map_err(Error::query("start"))?;
        let context = SessionContext::new_with_config_rt(config, runtime);
        context.register_object_store(store_url(lake)?.as_ref(), lake.location.store.clone());
        let here = context;
        let context = match &options.cluster {
            None => here.clone(),
            Some(address) => distributed(&here, lake, address)?,
        };
        let session =
            Self { context, here, distributed: options.cluster.is_some(), lake: lake.clone(), memory: options.memory };
        session.register_function(ScalarUDF::from(KeyOf::new()));
        Ok(session)
    }

    /// The same tables in a session of this process with a pool of memory of its own, whose plans have one sort at a time,
    /// whatever they are read in. Functions that are registered there are not known here.
    ///
    /// In one pool sorts can starve each other: one that merges what it has spilled takes what is free, and another that has just spilled
    /// then finds nothing to go on with, and fails. A sort that is alone gets by with what there is, however much it sorts.
    ///
    /// # Errors
    /// If the pool cannot be set up.
    pub fn apart(&self, memory: usize) -> Result<Self> {
        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.here.runtime_env())
            .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
            .build_arc()
            .map_err(Error::query("set memory apart"))?;
        let mut state = self.here.state();
        let options = state.config_mut().options_mut();
        options.optimizer.repartition_sorts = false;
        options.execution.sort_spill_reservation_bytes = (memory / ASIDE.0).min(ASIDE.1);
        let state = SessionStateBuilder::new_from_existing(state).with_runtime_env(runtime).build();
        let here = SessionContext::new_with_state(state);
        Ok(Self { context: here.clone(), here, distributed: false, lake: self.lake.clone(), memory })
    }

    /// Bytes for sorts, joins and aggregations before they spill.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Whether plans leave this process. What goes with them is tables of the lake, tables of few rows, and functions that every
    /// process of this program knows by name; a function that was made here and holds something does not, so a stage that has one
    /// asks this first and takes a plan that does without.
    pub fn distributed(&self) -> bool {
        self.distributed
    }

    /// The DataFusion context, for what this type does not cover.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    fn provide(&self, name: &TableName, provider: Arc<dyn TableProvider>) -> Result<()> {
        let catalog = self.context.catalog(CATALOG);
        if let Some(catalog) = catalog.filter(|catalog| catalog.schema(&name.layer).is_none()) {
            catalog
                .register_schema(&name.layer, Arc::new(MemorySchemaProvider::new()) as Arc<dyn SchemaProvider>)
                .map_err(Error::query(format!("register layer `{}`", name.layer)))?;
        }
        let reference = TableReference::partial(name.layer.clone(), name.name.clone());
        // A table registered again is replaced.
        let failed = || Error::query(format!("register table `{name}`"));
        self.context.deregister_table(reference.clone()).map_err(failed())?;
        self.context.register_table(reference, provider).map_err(failed())?;
        Ok(())
    }

    /// Registers a table as it was loaded.
    ///
    /// # Errors
    /// If its log cannot be read.
    pub fn register(&self, table: &Table) -> Result<()> {
        self.provide(&table.name, Arc::new(Snapshot::new(&self.lake, table)?))
    }

    /// Loads the newest version of a table and registers it; `None` if there is no such table.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn load(&self, name: &TableName) -> Result<Option<Table>> {
        let table = self.lake.table(name).await?;
        if let Some(table) = &table {
            self.register(table)?;
        }
        Ok(table)
    }

    /// Registers rows held in memory as a table.
    ///
    /// # Errors
    /// If a batch is not of the schema.
    pub fn register_batches(&self, name: &TableName, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<()> {
        let table = Rows::new(schema, batches).map_err(Error::query(format!("register `{name}`")))?;
        self.provide(name, Arc::new(table))
    }

    /// Lets go of a table, if it was registered.
    ///
    /// # Errors
    /// If the engine cannot.
    pub fn forget(&self, name: &TableName) -> Result<()> {
        if self.context.catalog(CATALOG).is_none_or(|catalog| catalog.schema(&name.layer).is_none()) {
            return Ok(());
        }
        let reference = TableReference::partial(name.layer.clone(), name.name.clone());
        self.context.deregister_table(reference).map_err(Error::query(format!("forget table `{name}`")))?;
        Ok(())
    }

    /// All rows of some files of a table, which must be few enough. They are read in this process, on a cluster too: nothing is
    /// computed of them, and the way over an executor would be one more.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub async fn rows_of(&self, spec: &TableSpec, files: &[DataFile]) -> Result<Vec<RecordBatch>> {
        let failed = || Error::query(format!("read files of `{}`", spec.name));
        let files = Snapshot::of(&self.lake, spec.schema.clone(), &spec.name, files.to_vec())?;
        self.here.read_table(Arc::new(files)).map_err(failed())?.collect().await.map_err(failed())
    }

    /// A function for this session's queries. On a cluster only its name travels: scheduler and executors must know it
    /// too (see [`Session::distributed`]).
    pub fn register_function(&self, function: ScalarUDF) {
        self.here.register_udf(function.clone());
        self.context.register_udf(function);
    }

    /// Plans a query; what is none (`COPY … TO`, `CREATE …`, `SET …`) is refused. `doing` completes "the engine could not …"
    /// in an error.
    ///
    /// # Errors
    /// If it cannot be planned.
    pub async fn sql(&self, doing: &str, sql: &str) -> Result<DataFrame> {
        let questions = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        self.context.sql_with_options(sql, questions).await.map_err(Error::query(doing))
    }

    /// All rows of a query; for results known to be small.
    ///
    /// # Errors
    /// If it cannot be planned or run.
    pub async fn collect(&self, doing: &str, sql: &str) -> Result<Vec<RecordBatch>> {
        self.sql(doing, sql).await?.collect().await.map_err(Error::query(doing))
    }

    /// The rows of a query as a stream.
    ///
    /// # Errors
    /// If it cannot be planned.
    pub async fn stream(&self, doing: &str, sql: &str) -> Result<SendableRecordBatchStream> {
        self.sql(doing, sql).await?.execute_stream().await.map_err(Error::query(doing))
    }

    /// The one number that a query such as `select count(*) …` answers.
    ///
    /// # Errors
    /// If it cannot be run.
    pub async fn count(&self, doing: &str, sql: &str) -> Result<u64> {
        let batches = self.collect(doing, sql).await?;
        let value = batches.iter().find(|batch| batch.num_rows() > 0).map(|batch| batch.column(0).clone());
        let Some(value) = value else { return Ok(0) };
        let value = arrow::compute::cast(&value, &arrow::datatypes::DataType::Int64)?;
        let value = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&value);
        Ok(u64::try_from(value.value(0)).unwrap_or_default())
    }
}

#[cfg(feature = "cluster")]
fn distributed(here: &SessionContext, lake: &Lake, address: &Address) -> Result<SessionContext> {
    if !crate::cluster::reachable(&lake.location.url) {
        return Err(Error::Place { lake: lake.location.text.clone() });
    }
    Ok(crate::cluster::context(here, address))
}

#[cfg(not(feature = "cluster"))]
fn distributed(_: &SessionContext, _: &Lake, _: &Address) -> Result<SessionContext> {
    Err(Error::NoCluster)
}
