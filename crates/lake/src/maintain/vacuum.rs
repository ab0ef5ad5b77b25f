//! What may go is found by deltalake, and deleted here: its own vacuum would commit twice, under nobody's lease.

use deltalake::operations::vacuum::VacuumMode;

use super::{Maintenance, delta};
use crate::{Error, Lake, Result, Table, fault, objects};

/// Deletes the files of a table that neither its newest version nor those of `kept` have, and that have been gone, or
/// unknown, for long enough. How many, and how many bytes.
pub(super) async fn vacuum(lake: &Lake, table: &Table, kept: &[u64], options: &Maintenance) -> Result<(u64, u64)> {
    let failed = || Error::delta("look for old files of", &table.name);
    let mut plan = table
        .delta
        .clone()
        .vacuum()
        .with_mode(VacuumMode::Full)
        .with_retention_period(delta(options.retention)?)
        .with_enforce_retention_duration(false)
        .with_dry_run(true);
    if !kept.is_empty() {
        plan = plan.with_keep_versions(kept);
    }
    let (_, found) = plan.await.map_err(failed())?;
    let (mut deleted, mut freed) = (0, 0);
    for name in found.files_deleted {
        let mut path = lake.location.path([table.name.layer.as_str(), table.name.name.as_str()]);
        path.extend(object_store::path::Path::from(name).parts());
        let Some(size) = objects::size(&lake.location, &path).await? else { continue };
        fault::point("vacuum.delete")?;
        objects::delete(&lake.location, &path).await?;
        deleted += 1;
        freed += size;
    }
    Ok((deleted, freed))
}
