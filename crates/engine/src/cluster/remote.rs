//! Queries that run on a cluster: the plan that stands for one here, and what becomes of its failures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ballista_core::extension::SessionConfigExt;
use ballista_core::planner::{BallistaQueryPlanner, scans_only_information_schema};
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::TryStreamExt;

use super::codec::Codec;
use super::{chain, spool, url};
use crate::{Address, mask};

/// How often a query is asked that fails for a reason that may pass.
const ATTEMPTS: u32 = 4;
/// How long to wait after the first failure; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// Plans nothing itself: a query's logical plan goes to the scheduler.
pub struct Planner {
    address: Address,
    there: BallistaQueryPlanner<LogicalPlanNode>,
    here: DefaultPhysicalPlanner,
}

impl Planner {
    pub fn new(address: &Address, config: &SessionConfig) -> Self {
        let there =
            BallistaQueryPlanner::with_extension(url(address), config.ballista_config(), Arc::new(Codec::default()));
        Self { address: address.clone(), there, here: DefaultPhysicalPlanner::default() }
    }
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner").field("address", &self.address).finish()
    }
}

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        // What is known to have no rows is not worth the way; what is asked of this session's own tables is known here only.
        if matches!(plan, LogicalPlan::EmptyRelation(_)) || scans_only_information_schema(plan)? {
            return self.here.create_physical_plan(plan, session).await;
        }
        let query = self.there.create_physical_plan(plan, session).await?;
        Ok(Arc::new(Remote { query, address: self.address.clone() }))
    }
}

/// A query on a cluster. Its result is fetched whole before its first row is handed out: if an executor that holds a part of it is
/// lost meanwhile, the query is asked again, and whoever reads the rows sees nothing of it.
#[derive(Debug)]
struct Remote {
    query: Arc<dyn ExecutionPlan>,
    address: Address,
}

impl DisplayAs for Remote {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote: {}", self.address)
    }
}

impl ExecutionPlan for Remote {
    fn name(&self) -> &'static str {
        "Remote"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.query.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (query, address, schema) = (self.query.clone(), self.address.clone(), self.schema());
        let wanted = schema.clone();
        let batches = async move {
            let mut attempt = 1;
            loop {
                let result = match query.execute(partition, context.clone()) {
                    Ok(stream) => spool::whole(wanted.clone(), stream).await,
                    Err(e) => Err(e),
                };
                let text = match result {
                    Ok(batches) => return Ok(futures::stream::iter(batches)),
                    Err(e) => mask(chain(&e).trim_end()),
                };
                if attempt == ATTEMPTS || !may_pass(&text) {
                    return Err(DataFusionError::External(Box::new(Failed { address, attempt, text })));
                }
                tracing::warn!("a query failed on the cluster at `{address}` and is asked again: {text}");
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(batches).try_flatten())))
    }
}

/// Whether a failure may be one of the machines and not of the query. Ballista tells by words alone. A wrong guess costs three more tries.
fn may_pass(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let machines =
        ["connect", "transport", "fetch partition", "executor", "stream closed", "broken pipe", "reset by peer"];
    !text.contains("parse plan") && machines.iter().any(|word| text.contains(word))
}

/// A query that failed for good on a cluster.
#[derive(Debug)]
pub struct Failed {
    address: Address,
    attempt: u32,
    text: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, attempt, text } = self;
        match attempt {
            1 => write!(f, "the cluster at `{address}` failed: {text}"),
            _ => write!(f, "the cluster at `{address}` failed {attempt} times: {text}"),
        }
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::empty::EmptyExec;

    use super::*;

    /// A query that gives a row and then fails in these ways, one after the other, and then succeeds.
    #[derive(Debug)]
    struct Flaky {
        empty: Arc<dyn ExecutionPlan>,
        failures: Vec<&'static str>,
        asked: Arc<AtomicU32>,
    }

    impl DisplayAs for Flaky {
        fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "Flaky")
        }
    }

    impl ExecutionPlan for Flaky {
        fn name(&self) -> &'static str {
            "Flaky"
        }

        fn properties(&self) -> &Arc<PlanProperties> {
            self.empty.properties()
        }

        fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
            Vec::new()
        }

        fn apply_expressions(
            &self,
            _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
        ) -> Result<TreeNodeRecursion> {
            Ok(TreeNodeRecursion::Continue)
        }

        fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
            Ok(self)
        }

        fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst) as usize;
            let row = RecordBatch::try_new(self.schema(), vec![Arc::new(Int64Array::from(vec![7]))])?;
            let mut batches = vec![Ok(row)];
            if let Some(failure) = self.failures.get(asked) {
                batches.push(Err(DataFusionError::Execution((*failure).into())));
            }
            Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), futures::stream::iter(batches))))
        }
    }

    /// How many rows a query with these failures gives, or its error; and how often it was asked.
    async fn ask(failures: &[&'static str]) -> (std::result::Result<usize, String>, u32) {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let asked = Arc::new(AtomicU32::new(0));
        let empty = Arc::new(EmptyExec::new(schema));
        let query = Arc::new(Flaky { empty, failures: failures.to_vec(), asked: asked.clone() });
        let remote = Remote { query, address: Address::parse("df://host:50050").unwrap() };
        let rows = remote.execute(0, Arc::default()).unwrap().try_collect::<Vec<_>>().await;
        let rows = rows.map(|batches| batches.iter().map(RecordBatch::num_rows).sum()).map_err(|e| match e {
            DataFusionError::External(e) => e.to_string(),
            other => other.to_string(),
        });
        (rows, asked.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_that_breaks_off_is_asked_for_again_and_its_rows_come_once() {
        assert_eq!(ask(&[]).await, (Ok(1), 1));
        assert_eq!(ask(&["transport error", "could not connect to executor"]).await, (Ok(1), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_wrong_is_told_without_secrets() {
        let (told, asked) = ask(&["transport error"; 9]).await;
        let why = "Execution error: transport error";
        assert_eq!((told, asked), (Err(format!("the cluster at `df://host:50050` failed 4 times: {why}")), 4));
        let wrong = Box::leak(format!("no such column in key_of('{}')", "ab".repeat(32)).into_boxed_str());
        let (told, asked) = ask(&[wrong]).await;
        let why = "Execution error: no such column in key_of('…')";
        assert_eq!((told, asked), (Err(format!("the cluster at `df://host:50050` failed: {why}")), 1));
    }

    #[test]
    fn a_lost_machine_may_come_back_and_a_wrong_query_stays_wrong() {
        for text in [
            "GrpcConnectionError(\"Error connecting to Ballista scheduler or executor\")",
            "Job a failed: Shuffle fetch partition error from Executor b",
            "Stream closed without job completing",
            "Job a failed: an executor was lost while it ran",
        ] {
            assert!(may_pass(text), "{text}");
        }
        for text in [
            "Job a failed: Job failed due to stage 1 failed: DataFusionError(ArrowError(DivideByZero))",
            "Job a failed: ParquetError(General(\"Failed to fetch metadata for file 1.parquet: 403 Forbidden\"))",
            "Could not parse plan: There is no UDF named `f` on this executor",
        ] {
            assert!(!may_pass(text), "{text}");
        }
    }
}
