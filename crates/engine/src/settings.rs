//! The options of DataFusion that results depend on: the same for a session, a scheduler and its executors.

use datafusion::prelude::SessionConfig;

/// `fold_case`: whether names without quotes are taken as lower case.
pub(crate) fn settings(config: SessionConfig, fold_case: bool) -> SessionConfig {
    config
        .set_bool("datafusion.sql_parser.enable_ident_normalization", fold_case)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        // Decoded once more in place of kept: a hundred megabytes for each file that is read.
        .set_usize("datafusion.execution.parquet.max_predicate_cache_size", 0)
        // With it DataFusion 55.2 fails on plans that use an expression twice and take a struct apart, as mappings do.
        .set_bool("datafusion.optimizer.enable_leaf_expression_pushdown", false)
        .set_str("datafusion.execution.time_zone", "UTC")
}
