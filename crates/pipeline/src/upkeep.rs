//! Maintenance of a lake: at the end of a run where it is worth while, and thoroughly when asked for.

use std::time::Duration;

use chrono::Utc;
use tributary_lake::{Lake, Lease, Location, Maintenance, RUN_TABLE, RunRecord, StageLog, TableName, Upkeep};

use crate::run::Error;

/// Whose runs are maintenance, in `ops.run`.
pub const NAME: &str = "maintenance";
const STAGES: [&str; 4] = ["clean", "identity", "customer", "mart"];
/// How often what nobody needs any more is looked for at the end of a run.
const VACUUM_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a table only grows, so that nothing remembers its files by name: `clean` knows which mapping wrote which file, and
/// what comes after it is written anew as a whole. `match.change` drops its oldest files, so that their order counts.
fn grows(name: &TableName) -> bool {
    match name.layer.as_str() {
        "raw" | "ops" => true,
        "identity" => name.name == "event",
        "match" => name.name != "change",
        _ => false,
    }
}

/// What a run does at its end: compacts tables of many small files, and once a day deletes what nobody needs any more.
///
/// # Errors
/// If the store fails or the lease is lost; what was done stays, and the next run goes on.
pub(crate) async fn after_run(lake: &Lake, lease: &Lease) -> Result<Upkeep, tributary_lake::Error> {
    let options = Maintenance::default();
    let mut upkeep = Upkeep::default();
    lake.compact(lease, &options, grows, &mut upkeep).await?;
    upkeep.versions.remove(&TableName::new("ops", RUN_TABLE));
    let due = lake
        .last_vacuum()
        .await?
        .is_none_or(|last| (Utc::now() - last).to_std().is_ok_and(|passed| passed > VACUUM_EVERY));
    if due {
        lake.vacuum(lease, &options, &mut upkeep).await?;
    }
    Ok(upkeep)
}

/// Does all that can be done for a lake: `tributary maintain`.
///
/// # Errors
/// If there is no such lake, a run is at work on it, or the store fails.
pub async fn maintain(lake: &str, retention: Option<Duration>) -> Result<Upkeep, Error> {
    let lake = Lake::open(Location::parse(lake)?).await?;
    let lease = Lease::take(&lake, "run", "maintenance").await?;
    let done = thoroughly(&lake.under(&lease), &lease, retention).await;
    lease.release().await?;
    done
}

async fn thoroughly(lake: &Lake, lease: &Lease, retention: Option<Duration>) -> Result<Upkeep, Error> {
    let started = Utc::now();
    let mut options = Maintenance::thorough();
    options.retention = retention.unwrap_or(options.retention);
    for stage in STAGES {
        // What a killed run left half applied names files that are in no table yet.
        StageLog::open(lake, stage).await?;
    }
    let mut upkeep = Upkeep::default();
    lake.compact(lease, &options, grows, &mut upkeep).await?;
    upkeep.versions.remove(&TableName::new("ops", RUN_TABLE));
    if !upkeep.versions.is_empty() {
        // Only tables that the newest picture has: one that a failed run began is not for readers yet.
        let known = lake.manifest().await?.tables;
        let tables = upkeep.versions.clone().into_iter().filter(|(name, _)| known.contains_key(name)).collect();
        let record = RunRecord {
            run: uuid::Uuid::new_v4().to_string(),
            pipeline: NAME.into(),
            started,
            status: "done".into(),
            summary: serde_json::to_value(&upkeep).unwrap_or_default(),
            tables,
        };
        lake.record_run(&record).await?;
    }
    lake.vacuum(lease, &options, &mut upkeep).await?;
    Ok(upkeep)
}
