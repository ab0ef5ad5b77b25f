//! The stage that makes `clean` tables of `raw` ones.
//!
//! Its unit is a mapping: what a mapping has written is in files of its own, so that a change of one stream or one
//! expression rewrites what comes of it and nothing else. All changes of a run are committed as one.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tributary_engine::{Error, Result, Session};
use tributary_lake::{
    DataFile, Lake, StageCommit, StageLog, TableChange, TableName, TableSpec, TableWriter, WriterOptions,
};

use crate::mapping::Mapping;
use crate::split::{MapCounts, Splitter};
use crate::tables::{event_identifier, field_issue, party_identifier, spec_of};
use crate::{functions, normalise, plan};

/// The stage's name in the lake.
pub const STAGE: &str = "clean";
/// Part of the fingerprint: grows when the stage itself does something else.
const VERSION: u32 = 1;

/// What the stage remembers of a mapping.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Done {
    files: BTreeMap<TableName, Vec<DataFile>>,
    counts: MapCounts,
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
    let mut done: BTreeMap<String, Done> =
        log.last.as_ref().and_then(|last| serde_json::from_value(last.notes.clone()).ok()).unwrap_or_default();
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
    for id in reasons.keys() {
        let before = done.remove(id).unwrap_or_default();
        for (table, files) in before.files {
            changes.entry(table).or_default().removes.extend(files);
        }
    }
    for mapping in mappings.iter().filter(|mapping| reasons.contains_key(&mapping.id)) {
        session.load(&mapping.raw).await?;
        let result = map(lake, session, mapping, &specs).await?;
        for (table, files) in &result.files {
            changes.entry(table.clone()).or_default().adds.extend(files.clone());
        }
        done.insert(mapping.id.clone(), result);
    }
    changes.retain(|_, change| !change.adds.is_empty() || !change.removes.is_empty());

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

async fn map(
    lake: &Lake,
    session: &Session,
    mapping: &Mapping,
    specs: &BTreeMap<TableName, TableSpec>,
) -> Result<Done> {
    let doing = format!("map {}", mapping.id);
    let mut counts = count(session, mapping, &doing).await?;
    let secret: String = lake.key("record key").iter().map(|byte| format!("{byte:02x}")).collect();
    let identifier = if mapping.entity.name == "party" { party_identifier() } else { event_identifier() };
    let writer =
        |spec: &TableSpec| TableWriter::new(lake, specs.get(&spec.name).unwrap_or(spec), WriterOptions::default());
    let entity = spec_of(mapping.entity);
    let (mut records, mut identifiers, mut issues) = (writer(&entity), writer(&identifier), writer(&field_issue()));

    let splitter = Splitter::new(mapping);
    let mut stream = session.stream(&doing, &plan::mapped_sql(mapping, &secret)).await?;
    let (mut identifier_rows, mut issue_rows) = (0, 0);
    let mut seen = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(Error::query(doing.clone()))?;
        seen += batch.num_rows() as u64;
        let parts = splitter.split(&batch, &mut counts)?;
        records.write(&parts.entity).await?;
        for batch in &parts.identifiers {
            identifier_rows += batch.num_rows() as u64;
            identifiers.write(batch).await?;
        }
        for batch in &parts.issues {
            issue_rows += batch.num_rows() as u64;
            issues.write(batch).await?;
        }
    }
    let without = counts.empty_records;
    counts.input += without;
    counts.empty += without;

    let mut files = BTreeMap::new();
    let mut rows_of = BTreeMap::new();
    for (spec, writer) in [(entity, records), (identifier, identifiers), (field_issue(), issues)] {
        let written = writer.finish().await?;
        rows_of.insert(spec.name.clone(), written.iter().map(|file| file.rows).sum::<u64>());
        files.insert(spec.name, written);
    }
    let rows = |spec: TableSpec| rows_of.get(&spec.name).copied().unwrap_or_default();
    counts.written = rows(spec_of(mapping.entity));

    let expected = counts.elements.map_or(counts.current, |elements| elements + without);
    let unbalanced = |why: String| Error::Ledger { stage: format!("clean ({})", mapping.id), why };
    for (what, left, right) in [
        ("records current and records mapped", expected, seen + without),
        ("rows mapped and rows kept, filtered or empty", counts.input, counts.output + counts.filtered + counts.empty),
        ("rows kept and rows written or folded", counts.output, counts.written + counts.folded),
        (
            "raw rows and rows current, superseded or deleted",
            counts.rows,
            counts.current + counts.superseded + counts.deleted,
        ),
        (
            "identifiers found and identifiers written",
            identifier_rows,
            rows(if mapping.entity.name == "party" { party_identifier() } else { event_identifier() }),
        ),
        ("field issues found and field issues written", issue_rows, rows(field_issue())),
    ] {
        if left != right {
            return Err(unbalanced(format!("{what} differ, {left} and {right}")));
        }
    }
    Ok(Done { files, counts })
}

/// The independent counts: of raw rows, of current ones, of elements.
async fn count(session: &Session, mapping: &Mapping, doing: &str) -> Result<MapCounts> {
    let numbers = |batches: Vec<arrow::array::RecordBatch>| -> Result<Vec<u64>> {
        let Some(batch) = batches.into_iter().find(|batch| batch.num_rows() > 0) else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        for column in batch.columns() {
            let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Int64)?;
            numbers.push(u64::try_from(column.as_primitive::<Int64Type>().value(0)).unwrap_or_default());
        }
        Ok(numbers)
    };
    let found = numbers(session.collect(doing, &plan::count_sql(mapping)).await?)?;
    let &[rows, live, current, keys] = found.as_slice() else {
        return Err(Error::Ledger { stage: "clean".into(), why: "the count query has another shape".into() });
    };
    let mut counts = MapCounts { rows, current, ..MapCounts::default() };
    // A key whose newest row deletes it has no current row; its older rows are superseded all the same.
    let gone = if mapping.keyed { keys.saturating_sub(current) } else { live.saturating_sub(current) };
    counts.deleted = rows.saturating_sub(live) + gone;
    counts.superseded = live.saturating_sub(current + gone);
    if let Some(sql) = plan::element_count_sql(mapping)
        && let &[elements, without] = numbers(session.collect(doing, &sql).await?)?.as_slice()
    {
        counts.elements = Some(elements);
        counts.empty_records = without;
    }
    Ok(counts)
}
