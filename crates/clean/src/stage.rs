//! The stage that makes `clean` tables of `raw` ones.
//!
//! Its unit is a mapping: what a mapping has written is in files of its own, so that a change of one stream or one
//! expression rewrites what comes of it and nothing else. All changes of a run are committed as one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tributary_engine::{Result, Session};
use tributary_lake::{DataFile, Lake, StageCommit, StageLog, TableChange, TableName, TableSpec};

use crate::change::Seen;
use crate::difference::Difference;
use crate::feed::Feed;
use crate::mapping::Mapping;
use crate::pieces::{Piece, Tables};
use crate::plan::Rows;
use crate::split::MapCounts;
use crate::tables::{change as change_table, event_identifier, field_issue, party_identifier, spec_of};
use crate::{anew, change, functions, normalise};

/// The stage's name in the lake.
pub const STAGE: &str = "clean";
/// Part of the fingerprint: grows when the stage itself does something else.
const VERSION: u32 = 2;

/// What the stage remembers of a mapping.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Done {
    /// Files of before there were pieces.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<TableName, Vec<DataFile>>,
    #[serde(default)]
    pieces: Vec<Piece>,
    /// What it has seen of its raw table, and which of its commits were undone then.
    #[serde(default)]
    seen: Seen,
    #[serde(default)]
    retracted: Vec<(i64, i64)>,
    counts: MapCounts,
}

impl Done {
    fn files(&self) -> BTreeMap<TableName, Vec<DataFile>> {
        let mut files = self.files.clone();
        for (table, more) in self.pieces.iter().flat_map(|piece| &piece.files) {
            files.entry(table.clone()).or_default().extend(more.iter().cloned());
        }
        files
    }
}

/// Why a mapping has to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    First,
    /// A table of the stage is gone.
    Missing(TableName),
    /// The mapping is another than last time.
    Changed,
    /// The normalisers are of another version.
    Normalisers,
    /// Its stream has new rows.
    NewRows,
    /// The mapping is no longer there.
    Gone,
}

/// What a run of the stage would do, or did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Mapping → why it ran.
    pub ran: BTreeMap<String, Reason>,
    /// Mapping → what became of its records; also of those that did not run.
    pub counts: BTreeMap<String, MapCounts>,
    /// New versions.
    pub versions: BTreeMap<TableName, u64>,
}

/// Which mappings would run, and why. Changes nothing.
///
/// # Errors
/// If the stage's record cannot be read.
pub async fn plan(
    lake: &Lake,
    mappings: &[Mapping],
    epochs: &BTreeMap<TableName, i64>,
    others: &BTreeSet<String>,
) -> Result<BTreeMap<String, Reason>> {
    Ok(decide(&StageLog::peek(lake, STAGE).await?, mappings, epochs, others))
}

fn decide(
    log: &StageLog,
    mappings: &[Mapping],
    epochs: &BTreeMap<TableName, i64>,
    others: &BTreeSet<String>,
) -> BTreeMap<String, Reason> {
    let mut reasons = BTreeMap::new();
    let Some(last) = &log.last else {
        let reason = log.missing.first().map_or(Reason::First, |table| Reason::Missing(table.clone()));
        return mappings.iter().map(|mapping| (mapping.id.clone(), reason.clone())).collect();
    };
    let normalisers = normaliser_fingerprint();
    for mapping in mappings {
        let fingerprint = last.fingerprint.get(&mapping.id).and_then(|there| there.split_once(' '));
        let epoch = last.inputs.get(&format!("{} {}", mapping.id, mapping.raw)).copied();
        let reason = match fingerprint {
            None => Some(Reason::First),
            Some((there, _)) if there != mapping.fingerprint() => Some(Reason::Changed),
            Some((_, there)) if there != normalisers => Some(Reason::Normalisers),
            _ if epoch != epochs.get(&mapping.raw).copied() => Some(Reason::NewRows),
            _ => None,
        };
        if let Some(reason) = reason {
            reasons.insert(mapping.id.clone(), reason);
        }
    }
    for id in last.fingerprint.keys().filter(|id| !is_of(id, others)) {
        if mappings.iter().all(|mapping| mapping.id != *id) {
            reasons.insert(id.clone(), Reason::Gone);
        }
    }
    reasons
}

/// Whether a mapping, by its id, is of one of `sources`.
fn is_of(id: &str, sources: &BTreeSet<String>) -> bool {
    id.split_once('.').is_some_and(|(source, _)| sources.contains(source))
}

fn normaliser_fingerprint() -> String {
    format!("{VERSION} {}", normalise::fingerprint())
}

/// Brings the `clean` tables up to `epochs` (raw table → how far it stands: the rows its stream has committed so far). What
/// came of sources in `others` is left as it is: they are other pipelines'.
///
/// # Errors
/// [`Error::Ledger`] if a record is unaccounted for; nothing is committed then.
pub async fn run(
    lake: &Lake,
    session: &Session,
    mappings: &[Mapping],
    epochs: &BTreeMap<TableName, i64>,
    others: &BTreeSet<String>,
    run: &str,
) -> Result<Outcome> {
    let mut log = StageLog::open(lake, STAGE).await?;
    let reasons = decide(&log, mappings, epochs, others);
    let mut done: BTreeMap<String, Done> = match &log.last {
        Some(last) => serde_json::from_value(last.notes.clone()).map_err(|e| tributary_lake::Error::Damaged {
            what: format!("the record of stage {STAGE}"),
            why: e.to_string(),
        })?,
        None => BTreeMap::new(),
    };
    // Even without a mapping the stage runs once: those that follow read its tables.
    if reasons.is_empty() && log.last.is_some() {
        let counts =
            done.into_iter().filter(|(id, _)| !is_of(id, others)).map(|(id, done)| (id, done.counts)).collect();
        return Ok(Outcome { counts, ..Outcome::default() });
    }

    let mut specs: BTreeMap<TableName, TableSpec> = BTreeMap::new();
    let always = ["party", "order", "order_line"].into_iter().filter_map(tributary_model::entity);
    for entity in always.chain(mappings.iter().map(|mapping| mapping.entity)) {
        let spec = spec_of(entity);
        specs.insert(spec.name.clone(), spec);
    }
    for spec in [party_identifier(), event_identifier(), field_issue()] {
        specs.insert(spec.name.clone(), spec);
    }
    let fresh = log.last.is_none();
    let mut changes: BTreeMap<TableName, TableChange> = BTreeMap::new();
    for spec in specs.values() {
        let table = lake.ensure_table(spec).await?;
        if fresh {
            // Files nobody remembers: the stage starts anew, and so do its tables.
            changes.entry(spec.name.clone()).or_default().removes = table.files()?;
        }
    }
    if fresh {
        done.clear();
    }

    for function in functions::functions() {
        session.register_function(function);
    }
    let secret: String = lake.key("record key").iter().map(|byte| format!("{byte:02x}")).collect();
    let mut feed = Feed::new(lake, log.next_number());
    if fresh {
        feed.all();
    }
    for (id, reason) in &reasons {
        let before = done.remove(id).unwrap_or_default();
        let mut now = Done::default();
        if let Some(mapping) = mappings.iter().find(|mapping| mapping.id == *id) {
            session.load(&mapping.raw).await?;
            now = map(lake, session, mapping, &before, reason, &secret, &mut feed).await?;
        } else {
            feed.all();
        }
        for (table, change) in difference(&before.files(), &now.files()) {
            let sum = changes.entry(table).or_default();
            sum.adds.extend(change.adds);
            sum.removes.extend(change.removes);
        }
        if *reason != Reason::Gone {
            done.insert(id.clone(), now);
        }
    }
    changes.retain(|_, change| !change.adds.is_empty() || !change.removes.is_empty());
    // It is not among the tables that the stage owns: were it gone, nothing would have to be made anew here.
    changes.insert(change_table().name, feed.finish(lake).await?);

    let normalisers = normaliser_fingerprint();
    let mut fingerprint: BTreeMap<_, _> = mappings
        .iter()
        .map(|mapping| (mapping.id.clone(), format!("{} {normalisers}", mapping.fingerprint())))
        .collect();
    let mut inputs: BTreeMap<_, _> = mappings
        .iter()
        .filter_map(|mapping| Some((format!("{} {}", mapping.id, mapping.raw), *epochs.get(&mapping.raw)?)))
        .collect();
    if let Some(last) = &log.last {
        let of_others = |id: &String| is_of(id, others);
        fingerprint.extend(last.fingerprint.clone().into_iter().filter(|(id, _)| of_others(id)));
        inputs.extend(last.inputs.clone().into_iter().filter(|(id, _)| of_others(id)));
    }
    let mut owns: BTreeSet<TableName> = specs.keys().cloned().collect();
    owns.extend(log.last.iter().flat_map(|last| last.owns.clone()));
    let counts =
        done.iter().filter(|(id, _)| !is_of(id, others)).map(|(id, done)| (id.clone(), done.counts.clone())).collect();
    let notes = serde_json::to_value(&done).unwrap_or_default();
    let commit = StageCommit { run: run.into(), fingerprint, inputs, owns: owns.into_iter().collect(), changes, notes };
    let versions = log.commit(lake, commit).await?;
    Ok(Outcome { ran: reasons, counts, versions })
}

/// What a mapping makes of its stream: only what has changed, if its last result is of use.
async fn map(
    lake: &Lake,
    session: &Session,
    mapping: &Mapping,
    before: &Done,
    reason: &Reason,
    secret: &str,
    feed: &mut Feed,
) -> Result<Done> {
    let seen = change::seen(session, mapping).await?;
    let mut made = None;
    if *reason == Reason::NewRows && before.retracted == mapping.retracted {
        let last = (&before.seen, before.pieces.as_slice(), &before.counts);
        made = change::make(lake, session, mapping, secret, last, feed).await?;
    }
    let (pieces, counts) = match made {
        Some(made) => made,
        None => {
            let tables = Tables::of(mapping)?;
            if mapping.merged() && before.pieces.is_empty() {
                feed.all();
            }
            let changes = mapping.merged().then(|| (Difference::new(session, &tables, &before.pieces), feed));
            let withdrawn = change::withdrawn(session, mapping, "ever", "TRUE").await?;
            anew::make(lake, session, mapping, &Rows::all(&mapping.raw, withdrawn), secret, changes).await?
        }
    };
    Ok(Done { files: BTreeMap::new(), pieces, seen, retracted: mapping.retracted.clone(), counts })
}

/// What must be added and removed so that `before` becomes `now`.
fn difference(
    before: &BTreeMap<TableName, Vec<DataFile>>,
    now: &BTreeMap<TableName, Vec<DataFile>>,
) -> BTreeMap<TableName, TableChange> {
    let names: BTreeSet<&TableName> = before.keys().chain(now.keys()).collect();
    let paths = |files: &BTreeMap<TableName, Vec<DataFile>>, name: &TableName| -> BTreeSet<String> {
        files.get(name).into_iter().flatten().map(|file| file.path.clone()).collect()
    };
    let but = |files: &BTreeMap<TableName, Vec<DataFile>>, name: &TableName, others: &BTreeSet<String>| {
        files.get(name).into_iter().flatten().filter(|file| !others.contains(&file.path)).cloned().collect()
    };
    let change = |name: &TableName| TableChange {
        adds: but(now, name, &paths(before, name)),
        removes: but(before, name, &paths(now, name)),
    };
    names.into_iter().map(|name| (name.clone(), change(name))).collect()
}
