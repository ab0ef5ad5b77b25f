//! A DataFusion session over snapshots of the lake. Everything that reads rows of the lake goes through here.
//!
//! Tables are registered under their two-part names at one version, as lists of plain Parquet files, so that what a query
//! sees cannot move under it. Memory is bounded; sorts, joins and aggregations spill.

#![forbid(unsafe_code)]

mod key;
mod rewrite;
mod session;
mod snapshot;

pub use datafusion;
pub use rewrite::rewrite;
pub use session::{Options, Session};
pub use snapshot::Snapshot;

/// A result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a query.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the engine could not {doing}")]
    Query {
        doing: String,
        #[source]
        source: Box<datafusion::error::DataFusionError>,
    },
    /// Terms that must be equal are not: something was lost or doubled, and nothing of it is committed.
    #[error("the ledger of {stage} does not balance: {why}")]
    Ledger { stage: String, why: String },
    #[error(transparent)]
    Lake(#[from] tributary_lake::Error),
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}

impl Error {
    pub fn query(doing: impl Into<String>) -> impl FnOnce(datafusion::error::DataFusionError) -> Self {
        let doing = doing.into();
        move |source| Self::Query { doing, source: Box::new(source) }
    }
}
