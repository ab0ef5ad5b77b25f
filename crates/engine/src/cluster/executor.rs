//! An executor: reads files of the lake, computes, and keeps what it made in its work folder until the next stage, or whoever
//! asked, has fetched it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::serde::BallistaPhysicalExtensionCodec;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::ScalarUDF;

use super::codec::Codec;
use super::stores::Stores;
use super::{MESSAGE, base, registry};
use crate::{Address, Error, Result};

/// How often an executor tells that it lives, in seconds.
const HEARTBEAT: u64 = 2;

/// What an executor is told at its start.
#[derive(Debug, Clone)]
pub struct Executor {
    pub scheduler: Address,
    pub listen: IpAddr,
    /// What the others reach it by; the address it listens at, if `None`.
    pub advertise: Option<String>,
    /// Where results are fetched.
    pub port: u16,
    /// Where the scheduler brings work.
    pub control: u16,
    /// How many parts of a plan it runs at a time.
    pub cores: usize,
    /// Bytes for sorts, joins and aggregations before they spill, over all cores.
    pub memory: u64,
    /// What it makes goes here, and what spills; a temporary folder if `None`.
    pub work: Option<PathBuf>,
}

/// Runs an executor until the process is stopped.
///
/// # Errors
/// If it cannot listen there, or its scheduler does not answer.
pub async fn execute(executor: Executor, functions: Vec<ScalarUDF>) -> Result<()> {
    let place = format!("{}:{}", executor.listen, executor.port);
    let failed = |why: String| Error::Process { what: "executor", place: place.clone(), source: why.into() };
    let host = match (&executor.advertise, executor.listen) {
        (Some(host), _) => host.clone(),
        (None, ip) if ip.is_unspecified() => {
            return Err(failed(
                "it listens everywhere, so `--advertise` has to say by which name the others reach it".into(),
            ));
        }
        (None, ip) => ip.to_string(),
    };
    // Kept to the end: the folder goes with it.
    let temporary = tempfile::tempdir().map_err(|e| failed(e.to_string()))?;
    let work = executor.work.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&work).map_err(|e| failed(format!("its work folder `{}`: {e}", work.display())))?;
    let runtime = RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(Stores::default()))
        .with_temp_file_path(work.clone())
        .build_arc()
        .map_err(Error::query("start"))?;
    let config = ExecutorProcessConfig {
        bind_host: executor.listen.to_string(),
        external_host: Some(host),
        port: executor.port,
        grpc_port: executor.control,
        scheduler_host: executor.scheduler.host().to_owned(),
        scheduler_port: executor.scheduler.port(),
        scheduler_connect_timeout_seconds: 60,
        vcores: executor.cores.max(1),
        task_scheduling_policy: TaskSchedulingPolicy::PushStaged,
        work_dir: Some(work.to_string_lossy().into_owned()),
        job_data_ttl_seconds: 24 * 3600,
        job_data_clean_up_interval_seconds: 600,
        grpc_max_decoding_message_size: MESSAGE,
        grpc_max_encoding_message_size: MESSAGE,
        executor_heartbeat_interval_seconds: HEARTBEAT,
        memory_pool_size: Some(executor.memory),
        override_function_registry: Some(Arc::new(registry(&functions))),
        override_runtime_producer: Some(Arc::new(move |_| Ok(runtime.clone()))),
        override_config_producer: Some(Arc::new(base)),
        override_logical_codec: Some(Arc::new(Codec::default())),
        override_physical_codec: Some(Arc::new(BallistaPhysicalExtensionCodec::default())),
        ..ExecutorProcessConfig::default()
    };
    start_executor_process(Arc::new(config)).await.map_err(|e| match e {
        ballista_core::error::BallistaError::GrpcConnectionError(why) => {
            Error::Unreachable { address: executor.scheduler.to_string(), source: why.into() }
        }
        other => failed(super::chain(&other)),
    })
}
