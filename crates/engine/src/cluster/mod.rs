//! Plans on a Ballista cluster: the feature `cluster`.
//!
//! What travels is logical plans and the names of functions, with snapshots as lists of files and small tables as rows
//! (`codec`). The scheduler (`scheduler`) and the executors (`executor`) are processes of this same program, so that they
//! have our functions and our options. A result comes back whole before its first row is handed out (`remote`), and is not given
//! out if an executor was lost meanwhile (`losses`): that costs time and nothing else. Nothing but the process that runs the pipeline writes to a lake.
//!
//! Plans and rows travel in the clear and nobody is asked who they are: the network is trusted. Plans hold the key that
//! records' keys are hashed with, so what is logged or told goes through [`crate::mask`].

mod codec;
mod executor;
mod losses;
mod remote;
mod scheduler;
mod sorts;
mod spool;
mod stores;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::{
    SessionConfigExt, ballista_aggregate_functions, ballista_scalar_functions, ballista_window_functions,
};
use ballista_core::optimizer::{ballista_default_optimizer_rules, with_ballista_optimizer_rules};
use ballista_core::utils::create_grpc_client_endpoint;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};

pub use executor::{Executor, execute};
pub use remote::Failed;
pub use scheduler::{Scheduler, schedule};
pub(crate) use stores::reachable;

use crate::key::KeyOf;
use crate::settings::settings;
use crate::{Address, Error, Result};

/// The longest message: a plan with the rows that are part of it.
const MESSAGE: u32 = 1 << 30;
/// How long a scheduler may take to answer, and its executors to run the smallest of queries.
const ANSWERS: Duration = Duration::from_secs(10);
const RUNS: Duration = Duration::from_secs(60);

/// A context that runs its queries on a cluster, over the tables, functions and options of `local`.
pub(crate) fn context(local: &SessionContext, address: &Address) -> SessionContext {
    let state = local.state();
    let config = options(state.config().clone().upgrade_for_ballista());
    let rules = with_ballista_optimizer_rules(state.optimizers());
    let planner = remote::Planner::new(address, &config);
    let state = SessionStateBuilder::new_from_existing(state)
        .with_config(config)
        .with_optimizer_rules(rules)
        .with_query_planner(Arc::new(planner))
        .build();
    SessionContext::new_with_state(state)
}

/// The options of Ballista that a session, the scheduler and the executors have in common.
fn options(config: SessionConfig) -> SessionConfig {
    config
        .with_ballista_grpc_client_max_message_size(MESSAGE as usize)
        // Stages are cut from the plan that DataFusion makes, as it runs in one process; joins are not chosen anew between them.
        .with_ballista_adaptive_query_planner(false)
        .set_usize("ballista.client.grpc_timeout_seconds", 120)
        // A part of a plan is a task of its own, so that all executors get some.
        .set_usize("ballista.scheduler.max_partitions_per_task", 1)
}

/// Where scheduler and executors begin; what a session says of its own comes on top.
fn base() -> SessionConfig {
    options(settings(SessionConfig::new_with_ballista(), false))
}

/// All scalar functions that a plan may name: DataFusion's, the engine's, and those given.
fn scalars(given: &[ScalarUDF]) -> Vec<Arc<ScalarUDF>> {
    let mut all = ballista_scalar_functions();
    all.push(Arc::new(ScalarUDF::from(KeyOf::new())));
    all.extend(given.iter().cloned().map(Arc::new));
    all
}

/// The functions by their names, as an executor looks them up.
fn registry(given: &[ScalarUDF]) -> ballista_core::registry::BallistaFunctionRegistry {
    let scalar_functions: HashMap<_, _> =
        scalars(given).into_iter().map(|function| (function.name().to_owned(), function)).collect();
    ballista_core::registry::BallistaFunctionRegistry { scalar_functions, ..Default::default() }
}

/// The state in which the scheduler plans a query.
fn planning(config: SessionConfig, given: &[ScalarUDF]) -> datafusion::common::Result<SessionState> {
    Ok(SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(Arc::new(RuntimeEnv::default()))
        .with_optimizer_rules(ballista_default_optimizer_rules())
        .with_physical_optimizer_rule(Arc::new(sorts::InFull))
        .with_scalar_functions(scalars(given))
        .with_aggregate_functions(ballista_aggregate_functions())
        .with_window_functions(ballista_window_functions())
        .build())
}

/// Tries a cluster: whether its scheduler answers, knows our functions, and has an executor.
///
/// # Errors
/// [`Error::Unreachable`] or [`Error::Idle`].
pub async fn reach(address: &Address) -> Result<()> {
    let unreachable = |why: String| Error::Unreachable { address: address.to_string(), source: why.into() };
    let endpoint = create_grpc_client_endpoint(url(address), None).map_err(|e| unreachable(e.to_string()))?;
    match tokio::time::timeout(ANSWERS, endpoint.connect()).await {
        Err(_) => return Err(unreachable(format!("no answer within {} seconds", ANSWERS.as_secs()))),
        Ok(Err(e)) => return Err(unreachable(chain(&e))),
        Ok(Ok(_)) => {}
    }
    let local = SessionContext::new_with_config(settings(SessionConfig::new().with_target_partitions(1), false));
    local.register_udf(ScalarUDF::from(KeyOf::new()));
    let context = context(&local, address);
    context.register_udf(ScalarUDF::from(KeyOf::new()));
    let failed = || Error::query("try the cluster");
    let sql = format!("SELECT key_of('{}', column1) FROM (VALUES ('a'), ('b'))", "00".repeat(32));
    let question = context.sql(&sql).await.map_err(failed())?;
    match tokio::time::timeout(RUNS, question.collect()).await {
        Ok(answer) => answer.map(|_| ()).map_err(failed()),
        Err(_) => Err(Error::Idle { address: address.to_string(), seconds: RUNS.as_secs() }),
    }
}

fn url(address: &Address) -> String {
    format!("http://{}:{}", address.host(), address.port())
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_a_session_hold_on_scheduler_and_executors() {
        let ours = settings(SessionConfig::new(), false);
        for (key, there) in
            [("scheduler and executors", base()), ("a session", options(ours.clone().upgrade_for_ballista()))]
        {
            let there = there.options().entries();
            for name in [
                "datafusion.sql_parser.enable_ident_normalization",
                "datafusion.execution.parquet.pushdown_filters",
                "datafusion.execution.parquet.max_predicate_cache_size",
                "datafusion.optimizer.enable_leaf_expression_pushdown",
                "datafusion.execution.time_zone",
            ] {
                let value = |entries: &[datafusion::config::ConfigEntry]| {
                    entries.iter().find(|entry| entry.key == name).unwrap().value.clone()
                };
                assert_eq!(value(&there), value(&ours.options().entries()), "{name} of {key}");
            }
        }
    }

    #[tokio::test]
    async fn a_scheduler_that_is_not_there_is_named() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = Address::parse(&format!("df://127.0.0.1:{free}")).unwrap();
        let error = reach(&address).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the scheduler at `{address}` could not be reached"));
        assert!(error.hint().unwrap().contains("tributary cluster scheduler"));
    }
}
