//! A DataFusion session over snapshots of the lake. Everything that reads rows of the lake goes through here.
//!
//! Tables are registered under their two-part names at one version, as lists of plain Parquet files, so that what a query
//! sees cannot move under it. Memory is bounded; sorts, joins and aggregations spill. Plans run in this process, or with the
//! feature `cluster` on a Ballista cluster.

#![forbid(unsafe_code)]

mod address;
#[cfg(feature = "cluster")]
pub mod cluster;
mod key;
mod mask;
mod rewrite;
mod rows;
mod session;
mod settings;
mod snapshot;

pub use address::Address;
#[cfg(feature = "cluster")]
pub use cluster::reach;
pub use datafusion;
pub use mask::mask;
pub use rewrite::rewrite;
pub use session::{Options, Session};
pub use snapshot::Snapshot;

use datafusion::error::DataFusionError;

/// Whether this program was built with the feature `cluster`.
pub const CLUSTER: bool = cfg!(feature = "cluster");

/// Without the feature there is no cluster to reach.
///
/// # Errors
/// Always [`Error::NoCluster`].
#[cfg(not(feature = "cluster"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
pub async fn reach(_: &Address) -> Result<()> {
    Err(Error::NoCluster)
}

/// A result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a query.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the engine could not {doing}")]
    Query {
        doing: String,
        #[source]
        source: Box<DataFusionError>,
    },
    /// The same, where a cluster tried.
    #[error("the engine could not {doing}")]
    Cluster {
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Terms that must be equal are not: something was lost or doubled, and nothing of it is committed.
    #[error("the ledger of {stage} does not balance: {why}")]
    Ledger { stage: String, why: String },
    #[error("this program was built without clusters")]
    NoCluster,
    #[error("the scheduler at `{address}` could not be reached")]
    Unreachable {
        address: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A scheduler without executors.
    #[error("the cluster at `{address}` has not run the smallest of queries within {seconds} seconds")]
    Idle { address: String, seconds: u64 },
    #[error("a cluster cannot read a lake at `{lake}`: the bucket is part of its path")]
    Place { lake: String },
    #[error("the {what} at `{place}` could not run")]
    Process {
        what: &'static str,
        place: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(transparent)]
    Lake(#[from] tributary_lake::Error),
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}

impl Error {
    pub fn query(doing: impl Into<String>) -> impl FnOnce(DataFusionError) -> Self {
        let doing = doing.into();
        move |source| match source {
            #[cfg(feature = "cluster")]
            DataFusionError::External(source) if source.is::<cluster::Failed>() => Self::Cluster { doing, source },
            source => Self::Query { doing, source: Box::new(source) },
        }
    }

    /// What a user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Lake(e) => e.hint(),
            Self::Ledger { .. } => Some("nothing of it is committed; run again, and report it if it stays".into()),
            Self::NoCluster => Some("build it with `--features cluster`".into()),
            Self::Unreachable { .. } => Some("`tributary cluster scheduler` starts one: docs/cluster.md".into()),
            Self::Idle { .. } => Some("`tributary cluster executor` starts an executor: docs/cluster.md".into()),
            Self::Place { .. } => Some("name it as `s3://bucket/prefix`, `gs://…` or `az://…`".into()),
            Self::Cluster { .. } => Some(
                "the scheduler and the executors must be of the same build as this program and reach the lake's store; \
                 nothing of the stage is committed, run again"
                    .into(),
            ),
            _ => None,
        }
    }
}
