//! Reading a stream from its start again.
//!
//! The stream goes on in a new incarnation that knows no position. What was read before stays in raw, and counts until the source
//! shows a newer version of it; with `forget`, none of it counts any more. A stream in which what is shown takes the place of what
//! was shown before can only be read anew with `forget`: what is taken back later would leave the older rows standing.

use std::collections::BTreeMap;

use chrono::Utc;
use serde::Serialize;
use serde_json::json;
use tributary_lake::{Lake, Lease, Location, RunRecord, StreamLog, Table};

use crate::raw;
use crate::retract::{self, With, covers};
use crate::run::Error;
use crate::schema_event;
use crate::standing::{self, CURSOR, Manner, RETRACTED, Standing};

/// Whose runs are resets, in `ops.run`.
pub const NAME: &str = "reset";
/// The name among a stream's positions of the commit that reset it.
const RESET: &str = "tributary:reset";

/// What becomes of a stream.
#[derive(Debug, Clone, Serialize)]
pub struct ResetStream {
    pub source: String,
    pub stream: String,
    /// Rows that were read so far.
    pub rows: u64,
    /// How many places its reading knew: of a file, a shop, a window.
    pub positions: usize,
    /// It has been reset already, and nothing was read since.
    pub before: bool,
}

/// What a reset did, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct Resetting {
    pub streams: Vec<ResetStream>,
    /// Whether what was read before no longer counts.
    pub forget: bool,
    pub dry_run: bool,
}

/// When the incarnation at work was reset, as a commit of the lake.
pub(crate) fn at(log: &StreamLog) -> Option<i64> {
    log.positions.get(RESET)?.as_i64()
}

/// Resets `name`, a source or `source.stream`. With `dry_run` nothing is changed.
///
/// # Errors
/// If there is no such source or stream, or one that can only be reset with `forget`: nothing is done then. If the store fails,
/// streams that were done stay done, and the same again does the rest.
pub async fn reset(lake: &str, name: &str, forget: bool, dry_run: bool) -> Result<Resetting, Error> {
    let lake = Lake::open(Location::parse(lake)?).await?;
    if dry_run {
        let streams = chosen(&lake, name, forget).await?.into_iter().map(|(_, _, told)| told).collect();
        return Ok(Resetting { streams, forget, dry_run });
    }
    let lease = Lease::take(&lake, "run", &format!("the reset of `{name}`")).await?;
    let done = all(&lake.under(&lease), name, forget).await;
    lease.release().await?;
    done
}

async fn all(lake: &Lake, name: &str, forget: bool) -> Result<Resetting, Error> {
    let started = Utc::now();
    let mut done = Resetting { streams: Vec::new(), forget, dry_run: false };
    for (mut table, standing, told) in chosen(lake, name, forget).await? {
        if !told.before {
            one(lake, &mut table, &standing, forget).await?;
        }
        done.streams.push(told);
    }
    let record = RunRecord {
        run: uuid::Uuid::new_v4().to_string(),
        pipeline: NAME.into(),
        started,
        status: "done".into(),
        summary: serde_json::to_value(&done).unwrap_or_default(),
        // What readers see changes when the stages have caught up.
        tables: BTreeMap::new(),
    };
    lake.record_run(&record).await?;
    Ok(done)
}

/// The streams that `name` means, all of which can be reset.
async fn chosen(lake: &Lake, name: &str, forget: bool) -> Result<Vec<(Table, Standing, ResetStream)>, Error> {
    let (mut chosen, mut known, mut stay) = (Vec::new(), Vec::new(), Vec::new());
    let claims = lake.claims().await?;
    for (source, stream) in lake.streams().await? {
        let Some(table) = lake.table(&raw::table_name(&source, &stream)).await? else { continue };
        let shown = claims.name_of(&source).to_owned();
        let full = format!("{shown}.{stream}");
        if name != shown && name != full {
            known.push(full);
            continue;
        }
        let standing = Standing::open(lake, &table, &source, &stream).await?;
        if !forget && Manner::of(&standing.live) != Manner::Changes {
            stay.push(full);
            continue;
        }
        let rows = ["written", "rejected"].iter().filter_map(|name| standing.totals().get(*name).copied()).sum();
        let gone = standing::retracted(&standing.live);
        let before =
            standing.positions() == 0 && at(&standing.live).is_some_and(|reset| !forget || covers(&gone, reset - 1));
        let positions = standing.positions();
        chosen.push((table, standing, ResetStream { source: shown, stream, rows, positions, before }));
    }
    if !stay.is_empty() {
        return Err(Error::Stays(stay));
    }
    if chosen.is_empty() {
        return Err(Error::NoStream { of: "lake", name: name.into(), known });
    }
    Ok(chosen)
}

async fn one(lake: &Lake, table: &mut Table, standing: &Standing, forget: bool) -> Result<(), Error> {
    let live = &standing.live;
    let commit = lake.next_commit().await?;
    let ours = [RETRACTED, CURSOR, schema_event::NAME].map(|name| (name, live.positions.get(name).cloned()));
    let kept = ours.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut next = live.reborn(kept.collect());
    let (mut gone, mut counts) = (Vec::new(), BTreeMap::new());
    if forget {
        gone.push((0, commit - 1));
        let totals = standing.totals();
        let [written, undone] = ["written", "undone"].map(|name| totals.get(name).copied().unwrap_or_default());
        counts.insert("undone".to_owned(), written.saturating_sub(undone));
    }
    let with = With { positions: [(RESET.to_owned(), json!(commit))].into(), counts, commit, point: "reset.commit" };
    retract::commit(lake, table, &mut next, &gone, with).await
}
