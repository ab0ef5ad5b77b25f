//! Delta tables and what is needed to write them exactly once: commits, state objects, stages, leases, the manifest.
//!
//! The only crate that names deltalake. The rest of the program sees [`Table`]s, [`DataFile`]s and record batches. Reading
//! rows is the engine's; this crate knows files and versions, never SQL.

mod claim;
mod commit;
mod durable;
mod error;
pub mod fault;
mod key;
mod lease;
mod location;
mod maintain;
mod manifest;
mod objects;
mod passed;
mod probe;
mod read;
mod root;
mod single;
mod stage;
mod state;
mod table;
mod write;

pub use claim::{Claim, Claims};
pub use commit::{Change, Txn};
pub use error::{Error, Result};
pub use key::{Keys, key_number, key_of};
pub use lease::{Fence, Lease};
pub use location::Location;
pub use maintain::{Maintained, Maintenance, Upkeep};
pub use manifest::{Manifest, RUN_TABLE, RunRecord, run_schema};
pub use passed::Passed;
pub use root::{Lake, LakeInfo};
pub use stage::{StageCommit, StageLog, StageRecord, TableChange};
pub use state::{Epoch, Progress, StreamId, StreamLog};
pub use table::{DataFile, Table, TableName, TableSpec};
pub use write::{TableWriter, WriterOptions, bucket_of};
