//! What becomes of a query when an executor is lost: it fails, and is asked again from the start.
//!
//! Ballista would rather repeat the tasks whose results are gone and keep the rest. With 55.0, where several stages had to be repeated in
//! part, rows came twice (the ledger of a run saw it), or the cores of tasks that were called off were never free again and the job
//! stood still. So all jobs that are under way when an executor goes are called off before Ballista mends them, and of a job of which a stage
//! was repeated all the same no result is given out; [`super::remote`] asks again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use ballista_core::error::Result;
use ballista_core::serde::protobuf::{ExecutorHeartbeat, JobStatus, job_status::Status};
use ballista_core::serde::scheduler::{ExecutorData, ExecutorMetadata};
use ballista_core::{ConfigProducer, JobId, JobStatusSubscriber};
use ballista_scheduler::SessionBuilder;
use ballista_scheduler::cluster::memory::{InMemoryClusterState, InMemoryJobState};
use ballista_scheduler::cluster::{
    BallistaCluster, BoundTask, ClusterState, ClusterStateEventStream, ExecutorSlot, JobState, JobStateEventStream,
};
use ballista_scheduler::config::TaskDistributionPolicy;
use ballista_scheduler::scheduler_server::SchedulerServer;
use ballista_scheduler::state::execution_graph::ExecutionGraphBox;
use ballista_scheduler::state::execution_stage::ExecutionStage;
use ballista_scheduler::state::task_manager::JobInfoCache;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};

pub type Server = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// Jobs that are under way, and how many executors had gone when each began.
#[derive(Default)]
struct UnderWay {
    losses: AtomicU64,
    began: Mutex<HashMap<JobId, u64>>,
    /// Who calls jobs off; there as soon as there are jobs.
    server: Arc<OnceLock<Server>>,
}

impl UnderWay {
    fn begin(&self, job_id: &JobId) {
        let losses = self.losses.load(Ordering::SeqCst);
        self.began.lock().unwrap_or_else(PoisonError::into_inner).insert(job_id.clone(), losses);
    }

    fn end(&self, job_id: &JobId) {
        self.began.lock().unwrap_or_else(PoisonError::into_inner).remove(job_id);
    }

    /// Whether an executor has gone since a job began.
    fn lost(&self, job_id: &JobId) -> bool {
        let losses = self.losses.load(Ordering::SeqCst);
        let began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.get(job_id).is_some_and(|began| *began != losses)
    }

    /// Calls off all of them. It is enough that this is asked for before the executor is known to be lost: events are dealt with in order.
    async fn call_off(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
        let jobs: Vec<_> = self.began.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let Some(server) = self.server.get() else { return };
        for job in jobs {
            if let Err(e) = server.cancel_job(job).await {
                tracing::warn!("a job could not be called off: {e}");
            }
        }
    }
}

/// A cluster whose state is kept in memory, with the rule of this module; and where the server goes that is made of it.
pub fn cluster(
    scheduler: &str,
    sessions: SessionBuilder,
    config: ConfigProducer,
) -> (BallistaCluster, Arc<OnceLock<Server>>) {
    let under_way = Arc::new(UnderWay::default());
    let executors = Executors { inner: InMemoryClusterState::default(), under_way: under_way.clone() };
    let jobs = Jobs { inner: InMemoryJobState::new(scheduler, sessions, config), under_way: under_way.clone() };
    (BallistaCluster::new(Arc::new(executors), Arc::new(jobs)), under_way.server.clone())
}

/// The executors.
struct Executors {
    inner: InMemoryClusterState,
    under_way: Arc<UnderWay>,
}

#[async_trait]
impl ClusterState for Executors {
    async fn init(&self) -> Result<()> {
        self.inner.init().await
    }

    async fn bind_schedulable_tasks(
        &self,
        distribution: TaskDistributionPolicy,
        active_jobs: Arc<HashMap<JobId, JobInfoCache>>,
        executors: Option<HashSet<String>>,
    ) -> Result<Vec<BoundTask>> {
        self.inner.bind_schedulable_tasks(distribution, active_jobs, executors).await
    }

    async fn unbind_tasks(&self, executor_slots: Vec<ExecutorSlot>) -> Result<()> {
        self.inner.unbind_tasks(executor_slots).await
    }

    async fn register_executor(&self, metadata: ExecutorMetadata, spec: ExecutorData) -> Result<()> {
        self.inner.register_executor(metadata, spec).await
    }

    async fn save_executor_metadata(&self, metadata: ExecutorMetadata) -> Result<()> {
        self.inner.save_executor_metadata(metadata).await
    }

    async fn get_executor_metadata(&self, executor_id: &str) -> Result<ExecutorMetadata> {
        self.inner.get_executor_metadata(executor_id).await
    }

    async fn registered_executor_metadata(&self) -> Vec<ExecutorMetadata> {
        self.inner.registered_executor_metadata().await
    }

    async fn save_executor_heartbeat(&self, heartbeat: ExecutorHeartbeat) -> Result<()> {
        self.inner.save_executor_heartbeat(heartbeat).await
    }

    async fn remove_executor(&self, executor_id: &str) -> Result<()> {
        self.under_way.call_off().await;
        self.inner.remove_executor(executor_id).await
    }

    fn executor_heartbeats(&self) -> HashMap<String, ExecutorHeartbeat> {
        self.inner.executor_heartbeats()
    }

    fn get_executor_heartbeat(&self, executor_id: &str) -> Option<ExecutorHeartbeat> {
        self.inner.get_executor_heartbeat(executor_id)
    }

    async fn cluster_state_events(&self) -> Result<ClusterStateEventStream> {
        self.inner.cluster_state_events().await
    }
}

/// The jobs.
struct Jobs {
    inner: InMemoryJobState,
    under_way: Arc<UnderWay>,
}

fn repeated(stage: &ExecutionStage) -> bool {
    match stage {
        ExecutionStage::UnResolved(stage) => stage.stage_attempt_num > 0,
        ExecutionStage::Resolved(stage) => stage.stage_attempt_num > 0,
        ExecutionStage::Running(stage) => stage.stage_attempt_num > 0,
        ExecutionStage::Successful(stage) => stage.stage_attempt_num > 0,
        ExecutionStage::Failed(stage) => stage.stage_attempt_num > 0,
    }
}

#[async_trait]
impl JobState for Jobs {
    fn accept_job(&self, job_id: &JobId, job_name: &str, queued_at: u64) -> Result<()> {
        self.under_way.begin(job_id);
        self.inner.accept_job(job_id, job_name, queued_at)
    }

    fn pending_job_number(&self) -> usize {
        self.inner.pending_job_number()
    }

    async fn submit_job(
        &self,
        job_id: JobId,
        graph: &ExecutionGraphBox,
        subscriber: Option<JobStatusSubscriber>,
    ) -> Result<()> {
        self.inner.submit_job(job_id, graph, subscriber).await
    }

    async fn get_jobs(&self) -> Result<HashSet<JobId>> {
        self.inner.get_jobs().await
    }

    async fn get_all_jobs(&self) -> Result<HashSet<JobId>> {
        self.inner.get_all_jobs().await
    }

    async fn get_job_status(&self, job_id: &JobId) -> Result<Option<JobStatus>> {
        self.inner.get_job_status(job_id).await
    }

    async fn get_execution_graph(&self, job_id: &JobId) -> Result<Option<ExecutionGraphBox>> {
        self.inner.get_execution_graph(job_id).await
    }

    async fn save_job(&self, job_id: &JobId, graph: &ExecutionGraphBox) -> Result<()> {
        let doubtful = match graph.status().status {
            Some(Status::Successful(_)) => self.under_way.lost(job_id) || graph.stages().values().any(repeated),
            // It was called off, most likely: a reason that may pass.
            Some(Status::Failed(_)) => self.under_way.lost(job_id),
            _ => return self.inner.save_job(job_id, graph).await,
        };
        self.under_way.end(job_id);
        if !doubtful {
            return self.inner.save_job(job_id, graph).await;
        }
        tracing::warn!("an executor was lost while job {job_id} ran: its result is not given out");
        let mut failed = graph.cloned();
        failed.fail_job("an executor was lost while it ran".into());
        self.inner.save_job(job_id, &failed).await
    }

    async fn fail_unscheduled_job(&self, job_id: &JobId, reason: String) -> Result<()> {
        self.under_way.end(job_id);
        self.inner.fail_unscheduled_job(job_id, reason).await
    }

    async fn remove_job(&self, job_id: &JobId) -> Result<()> {
        self.under_way.end(job_id);
        self.inner.remove_job(job_id).await
    }

    async fn try_acquire_job(&self, job_id: &JobId) -> Result<Option<ExecutionGraphBox>> {
        self.inner.try_acquire_job(job_id).await
    }

    async fn job_state_events(&self) -> Result<JobStateEventStream> {
        self.inner.job_state_events().await
    }

    async fn create_or_update_session(&self, session_id: &str, config: &SessionConfig) -> Result<Arc<SessionContext>> {
        self.inner.create_or_update_session(session_id, config).await
    }

    async fn remove_session(&self, session_id: &str) -> Result<()> {
        self.inner.remove_session(session_id).await
    }

    fn produce_config(&self) -> SessionConfig {
        self.inner.produce_config()
    }
}
