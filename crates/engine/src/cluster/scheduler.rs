//! A scheduler: takes plans, cuts them into stages and gives these to executors. It reads no row.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::serde::BallistaPhysicalExtensionCodec;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion::logical_expr::ScalarUDF;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;

use super::codec::Codec;
use super::{MESSAGE, base, losses, planning};
use crate::{Error, Result};

/// What a scheduler is told at its start.
#[derive(Debug, Clone)]
pub struct Scheduler {
    pub listen: SocketAddr,
    /// What executors reach it by; the address it listens at, if `None`.
    pub advertise: Option<String>,
    /// How long an executor may be silent until its work is given to another.
    pub patience: u64,
}

/// Runs a scheduler until the process is stopped. `ready` is told where it listens.
///
/// # Errors
/// If it cannot listen there.
pub async fn schedule(scheduler: Scheduler, functions: Vec<ScalarUDF>, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let failed =
        |why: String| Error::Process { what: "scheduler", place: scheduler.listen.to_string(), source: why.into() };
    let listener = TcpListener::bind(scheduler.listen).await.map_err(|e| failed(e.to_string()))?;
    let listens = listener.local_addr().map_err(|e| failed(e.to_string()))?;
    let host = match (&scheduler.advertise, listens.ip()) {
        (Some(host), _) => host.clone(),
        (None, ip) if ip.is_unspecified() => {
            return Err(failed(
                "it listens everywhere, so `--advertise` has to say by which name executors reach it".into(),
            ));
        }
        (None, IpAddr::V6(ip)) => format!("[{ip}]"),
        (None, ip) => ip.to_string(),
    };
    let config = SchedulerConfig {
        external_host: host,
        bind_host: listens.ip().to_string(),
        bind_port: listens.port(),
        scheduling_policy: TaskSchedulingPolicy::PushStaged,
        task_distribution: TaskDistributionPolicy::RoundRobin,
        executor_timeout_seconds: scheduler.patience,
        expire_dead_executor_interval_seconds: (scheduler.patience / 4).max(1),
        // An executor that comes back in this time finds its job waiting.
        no_executors_grace_period_seconds: scheduler.patience.max(60),
        // What is to be repeated is repeated whole: see `losses`.
        stage_max_failures: 1,
        grpc_server_max_decoding_message_size: MESSAGE,
        grpc_server_max_encoding_message_size: MESSAGE,
        grpc_client_max_message_size: MESSAGE,
        override_logical_codec: Some(Arc::new(Codec::default())),
        override_physical_codec: Some(Arc::new(BallistaPhysicalExtensionCodec::default())),
        ..SchedulerConfig::default()
    };
    let broke = |e: ballista_core::error::BallistaError| failed(e.to_string());
    config.validate().map_err(broke)?;
    let sessions = Arc::new(move |config| planning(config, &functions));
    let (cluster, place) = losses::cluster(&config.scheduler_id, sessions, Arc::new(base));
    let server =
        create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config)).await.map_err(broke)?;
    // Nobody else has a place for it.
    let _ = place.set(server.clone());
    ready(listens);
    start_grpc_service_with_listener(listener, server).await.map_err(broke)
}
