//! Plans and runs a pipeline: sync, clean, identity, customer, mart, and the manifest at the end.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tributary_clean::stage::Reason;
use tributary_connector::Retry;
use tributary_engine::{Address, Options, Session};
use tributary_lake::{Claims, Lake, Lease, Location, RunRecord, StageLog, TableName, Upkeep, fault};

use crate::claims::{self, Share};
use crate::observe::{Note, Observer};
use crate::project::{Project, RunDate};
use crate::quarantine::limit::{self, Held};
use crate::standing::{self, Standing, rows_so_far};
use crate::sync::{Report, Sync};
use crate::{Diagnostic, raw, schema_event, upkeep};

/// What ends a run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline file is wrong.
    #[error("the pipeline has {} error(s)", .0.len())]
    Input(Vec<Diagnostic>),
    #[error(transparent)]
    Connector(tributary_connector::Error),
    #[error(transparent)]
    Lake(#[from] tributary_lake::Error),
    #[error(transparent)]
    Engine(#[from] tributary_engine::Error),
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    #[error("a temporary folder could not be made")]
    Folder(#[source] std::io::Error),
    #[error("no run `{0}` of this lake has read anything that is still known")]
    NoRun(String),
    /// Of a lake or a pipeline.
    #[error("the {of} has no source or stream `{name}`")]
    NoStream { of: &'static str, name: String, known: Vec<String> },
    #[error("`{name}` cannot be read by windows of time: {why}")]
    NoWindow { name: String, why: &'static str },
    #[error("`{0}` was never read")]
    NeverRead(String),
    #[error("{} cannot be read from the start beside what was read before", names(.0))]
    Stays(Vec<String>),
    #[error("a part of the program broke off: {0}")]
    Panic(String),
}

impl Error {
    /// What a user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connector(e) => e.hint.clone(),
            Self::Lake(e) => e.hint(),
            Self::Engine(e) => e.hint(),
            Self::NoStream { known, .. } => {
                Some(format!("known: {}; a source's name alone means all of its streams", names(known)))
            }
            Self::NoWindow { name, .. } => Some(format!(
                "a run of the pipeline reads what is new of it; to read all of it again: `tributary reset PIPELINE {name}`"
            )),
            Self::NeverRead(_) => Some("run the pipeline: it reads all of it".into()),
            Self::Stays(_) => Some(
                "what it shows takes the place of what it showed before; with `--forget` only what it shows now counts, and \
                 records of files that are no longer there go too"
                    .into(),
            ),
            Self::NoRun(_) => Some("`tributary runs LAKE` lists them; what a run read is known for 29 days".into()),
            _ => None,
        }
    }
}

fn names(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// How a run differs from the file.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Streams, `source.stream`, whose files may be replaced by ones that withdraw over half of their keys.
    pub accept_replace: Vec<String>,
    /// Streams, `source.stream`, that go on although too many of their records were rejected.
    pub accept_rejected: Vec<String>,
    /// Only these sources are read; all if there is none.
    pub sources: Vec<String>,
    /// Pipelines of the lake whose sources and stages become this one's.
    pub take_over: Vec<String>,
    /// Train a new match model; ids that change by it change by events.
    pub retrain: bool,
    pub date: RunDate,
}

/// What a run did. The ledger is in it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    pub run: String,
    pub new: bool,
    pub streams: Vec<Report>,
    pub clean: BTreeMap<String, tributary_clean::MapCounts>,
    pub identity: tributary_merge::people::Counts,
    pub customer: tributary_merge::golden::Counts,
    pub mart: tributary_mart::stage::Counts,
    /// Stage → why it did something.
    pub reasons: BTreeMap<String, Vec<String>>,
    pub tables: BTreeMap<TableName, u64>,
    /// The pipeline of the lake that makes the stages after `clean`, if it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stages_of: Option<String>,
    /// When a stream whose source wants to be left alone may go on; a run before that asks in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Upkeep::is_empty")]
    pub upkeep: Upkeep,
    /// Streams of which too many records were rejected: nothing was made of what was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// What could not be taken, in words.
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
}

/// A step of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub stage: String,
    pub what: String,
    /// Why; empty: nothing to do.
    pub reasons: Vec<String>,
}

/// What a run would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub unchecked: Vec<String>,
    /// The pipeline of the lake that makes the stages after `clean`, if it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stages_of: Option<String>,
}

/// The session of a run: on the pipeline's cluster, if it names one.
pub(crate) fn session(project: &Project, lake: &Lake) -> Result<Session, Error> {
    Ok(Session::new(lake, &Options { cluster: cluster(project), ..options(project) })?)
}

fn options(project: &Project) -> Options {
    let mut options = Options::default();
    if let Some(memory) = &project.pipeline.engine.memory {
        options.memory = usize::try_from(memory.value).unwrap_or(usize::MAX);
    }
    let partitions = project.pipeline.engine.partitions.as_ref();
    options.partitions = partitions.and_then(|partitions| usize::try_from(partitions.value).ok());
    options
}

fn cluster(project: &Project) -> Option<Address> {
    project.pipeline.engine.cluster.as_ref().and_then(|cluster| Address::parse(&cluster.value))
}

/// Tries the pipeline's cluster, if it names one: before anything is written.
pub(crate) async fn reach(project: &Project) -> Result<(), Error> {
    match cluster(project) {
        Some(address) => Ok(tributary_engine::reach(&address).await?),
        None => Ok(()),
    }
}

/// Says what a run would do and why. Reads the lake's records; writes nothing.
///
/// # Errors
/// If the lake cannot be read.
pub async fn plan(project: &Project, options: &RunOptions) -> Result<Plan, Error> {
    let mut plan = Plan { unchecked: project.unchecked.clone(), ..Plan::default() };
    let location = Location::parse(&project.pipeline.lake.value)?;
    let lake = match Lake::open(location).await {
        Ok(lake) => Some(lake),
        Err(tributary_lake::Error::NoLake { .. }) => None,
        Err(e) => return Err(e.into()),
    };
    let mut epochs = BTreeMap::new();
    for source in &project.sources {
        for stream in &source.streams {
            let name = raw::table_name(&source.in_lake, &stream.name);
            let what = format!("{}.{}", source.name, stream.name);
            let mut reason = "never read: read all of it".to_owned();
            if let Some(lake) = &lake
                && let Some(table) = lake.table(&name).await?
            {
                let standing = Standing::open(lake, &table, &source.in_lake, &stream.name).await?;
                if let Some(epoch) = standing.live.epoch {
                    epochs.insert(name, rows_so_far(&standing.totals()));
                    reason = match standing.positions() {
                        0 => "read all of it: it has been reset, or nothing of it was read yet".into(),
                        known => {
                            format!("read what is new since batch {} ({known} positions known)", epoch.number)
                        }
                    };
                }
            }
            plan.steps.push(Step { stage: "raw".into(), what, reasons: vec![reason] });
        }
    }
    let claims = match &lake {
        Some(lake) => lake.claims().await?,
        None => Claims::default(),
    };
    let share = claims::share(project, claims, &options.take_over).map_err(Error::Input)?;
    let Some(lake) = lake else {
        let pipeline = &project.pipeline;
        if project.mappings.is_empty() && pipeline.merge.is_none() && pipeline.mart.is_none() {
            return Ok(plan);
        }
        for stage in ["clean", "identity", "customer", "mart"] {
            plan.steps.push(Step {
                stage: stage.into(),
                what: "all tables".into(),
                reasons: vec!["there is no lake yet".into()],
            });
        }
        return Ok(plan);
    };
    if !derives(project, &lake).await? {
        return Ok(plan);
    }
    // A look at the lake needs no cluster.
    let session = Session::new(&lake, &self::options(project))?;
    let judged = limit::judge(&lake, &session, project, &[], &options.accept_rejected).await?;
    let reasons: Vec<_> = judged.held().map(|held| held.in_words(&project.pipeline.lake.value)).collect();
    if !reasons.is_empty() {
        let what = "nothing before this is settled".into();
        plan.steps.push(Step { stage: "clean".into(), what, reasons });
        return Ok(plan);
    }
    let reasons = tributary_clean::stage::plan(&lake, &project.mappings, &epochs, &share.others).await?;
    let mut touched = false;
    let mut ids: Vec<&String> = project.mappings.iter().map(|mapping| &mapping.id).collect();
    ids.extend(reasons.keys().filter(|id| project.mappings.iter().all(|mapping| mapping.id != **id)));
    for id in ids {
        let reason = reasons.get(id).map(|reason| describe(project, id, reason));
        touched |= reason.is_some();
        let entity = id.split(" → ").nth(1).map_or("", |entity| entity.split(' ').next().unwrap_or_default());
        plan.steps.push(Step {
            stage: "clean".into(),
            what: format!("clean.{entity} from {}", id.split(" → ").next().unwrap_or_default()),
            reasons: reason.into_iter().collect(),
        });
    }
    if share.stages_of.is_some() {
        plan.stages_of = share.stages_of;
        return Ok(plan);
    }
    let stages = [
        ("identity", tributary_merge::people::plan(&lake, &project.rules).await?),
        ("customer", tributary_merge::golden::plan(&lake, &project.rules).await?),
        ("mart", tributary_mart::stage::plan(&lake, &project.parameters(options.date)).await?),
    ];
    for (stage, mut reasons) in stages {
        if reasons.is_empty() && touched {
            reasons.push("what it is made from will be rebuilt".into());
        }
        touched |= !reasons.is_empty();
        plan.steps.push(Step { stage: stage.into(), what: "all tables".into(), reasons });
    }
    Ok(plan)
}

fn describe(project: &Project, id: &str, reason: &Reason) -> String {
    let line = project.lines.get(id).copied();
    match reason {
        Reason::First => "first time".into(),
        Reason::Missing(table) => format!("rebuild: `{table}` is gone"),
        Reason::Changed => match line {
            Some(line) => format!("rebuild: `[[map]]` line {line} changed, or its source's zone, region or currency"),
            None => {
                "rebuild: the connector's own mapping changed, or its source's columns, zone, region or currency".into()
            }
        },
        Reason::Normalisers => "rebuild: the normalisers are of another version".into(),
        Reason::NewRows => "its stream has new rows".into(),
        Reason::Gone => "its `[[map]]` is gone: its rows go too".into(),
    }
}

/// Whether there is anything to derive: a pipeline that maps nothing, on a lake where nothing was mapped before, only reads.
async fn derives(project: &Project, lake: &Lake) -> Result<bool, Error> {
    let pipeline = &project.pipeline;
    let declared = !project.mappings.is_empty() || pipeline.merge.is_some() || pipeline.mart.is_some();
    Ok(declared || StageLog::peek(lake, tributary_clean::stage::STAGE).await?.next_number() > 1)
}

/// Runs the pipeline once.
///
/// # Errors
/// What ended it. What is committed stays and is consistent; the next run goes on from there. Errors of single files are in
/// the summary.
pub async fn run(project: &Project, options: &RunOptions, observer: &dyn Observer) -> Result<Summary, Error> {
    reach(project).await?;
    let location = Location::parse(&project.pipeline.lake.value)?;
    let seed = project.pipeline.seed.as_ref().map(|seed| seed.value.as_str());
    let lake = Lake::open_or_create(location, seed, project.pipeline.single_writer).await?;
    let name = &project.pipeline.name.value;
    let queued = |holder: &str| observer.note(Note::Queued { behind: holder });
    let lease = Lease::take_when_free(&lake, "run", &format!("a run of `{name}`"), queued).await?;
    let lake = lake.under(&lease);
    let before = lake.claims().await?;
    let share = match claims::share(project, before.clone(), &options.take_over) {
        Ok(share) => share,
        Err(diagnostics) => {
            lease.release().await?;
            return Err(Error::Input(diagnostics));
        }
    };
    if share.claims != before {
        lake.set_claims(&share.claims).await?;
    }
    let started = Utc::now();
    let run_id = uuid::Uuid::new_v4().to_string();
    let mut summary = Summary { run: run_id, ..Summary::default() };
    let mut outcome = stages(project, options, observer, &lake, &share, &mut summary).await;
    if outcome.is_ok() {
        match upkeep::after_run(&lake, &lease).await {
            Ok(done) => {
                summary.tables.extend(done.versions.clone());
                summary.upkeep = done;
            }
            Err(e @ tributary_lake::Error::Lost(_)) => outcome = Err(e.into()),
            // The run's own work is done; the next run tries again.
            Err(e) => summary.warnings.push(format!("the lake could not be tidied up: {e}")),
        }
    }
    let status = match &outcome {
        Err(_) => "failed",
        Ok(()) if !summary.held.is_empty() => "held",
        Ok(()) if !summary.errors.is_empty() => "incomplete",
        Ok(()) if summary.waiting.is_some() => "waiting",
        Ok(()) if !summary.new => "nothing new",
        Ok(()) => "done",
    };
    let record = RunRecord {
        run: summary.run.clone(),
        pipeline: name.clone(),
        started,
        status: status.into(),
        summary: serde_json::to_value(&summary).unwrap_or_default(),
        // A run that failed half-way replaces nothing in the picture that readers have.
        tables: if outcome.is_ok() { summary.tables.clone() } else { BTreeMap::new() },
    };
    let recorded = async {
        fault::point("manifest.before")?;
        lake.record_run(&record).await?;
        fault::point("manifest.after")
    }
    .await;
    lease.release().await?;
    outcome?;
    recorded?;
    Ok(summary)
}

async fn stages(
    project: &Project,
    options: &RunOptions,
    observer: &dyn Observer,
    lake: &Lake,
    share: &Share,
    summary: &mut Summary,
) -> Result<(), Error> {
    let session = session(project, lake)?;
    let mut epochs = BTreeMap::new();
    let mut retracted = BTreeMap::new();
    let wanted = |name: &String| options.sources.is_empty() || options.sources.contains(name);
    for source in project.sources.iter().filter(|source| wanted(&source.name)) {
        if let Some(e) = &source.undiscovered {
            let hint = e.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
            let what = format!("source `{}` could not be looked at: {e}{hint}", source.name);
            if let Retry::After(wait) = e.retry {
                let until = Utc::now() + chrono::TimeDelta::from_std(wait).unwrap_or_default();
                summary.waiting = Some(summary.waiting.map_or(until, |other| other.min(until)));
                summary.warnings.push(what);
                continue;
            }
            let read_before = project.mappings.iter().any(|mapping| mapping.source == source.name)
                && e.kind == tributary_connector::Kind::NotFound
                && read_before(project, lake, &source.name).await?;
            // A folder may be empty today: what was read stays.
            if read_before { &mut summary.warnings } else { &mut summary.errors }.push(what);
        }
        for stream in &source.streams {
            let id = format!("{}.{}", source.name, stream.name);
            let sync = Sync {
                lake,
                session: &session,
                observer,
                batch_rows: source.batch_rows,
                accept_replace: options.accept_replace.contains(&id),
                schema: source.schema,
                in_lake: &source.in_lake,
                run: &summary.run,
                window: None,
            };
            let report = sync.stream(&source.name, source.connector.as_ref(), stream).await?;
            if let Some(stopped) = &report.stopped {
                let hint = stopped.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
                match stopped.until {
                    Some(until) => {
                        summary.waiting = Some(summary.waiting.map_or(until, |other| other.min(until)));
                        summary.warnings.push(format!("{id}: waits: {}{hint}", stopped.why));
                    }
                    None => summary.errors.push(format!("{id}: {}{hint}", stopped.why)),
                }
            }
            for (column, change) in &report.columns {
                summary.warnings.push(format!("{id}: column `{column}`: {change} (see `ops.schema_event`)"));
            }
            summary.new |= report.batches > 0;
            let table = raw::table_name(&source.in_lake, &stream.name);
            epochs.insert(table.clone(), rows_so_far(&report.totals));
            retracted.insert(table.clone(), report.retracted.clone());
            summary.tables.insert(table, report.version);
            for (partition, message, hint) in &report.errors {
                let hint = hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
                summary.errors.push(format!("{id}: `{partition}`: {message}{hint}"));
            }
            summary.streams.push(report);
        }
    }
    if let Some(table) = lake.table(&schema_event::table()).await? {
        summary.tables.insert(schema_event::table(), table.version());
    }
    // Streams whose source could not be looked at, or was not to be, stand where they stood.
    let mut mappings = project.mappings.clone();
    for mapping in &project.mappings {
        if !epochs.contains_key(&mapping.raw) {
            let Some(table) = lake.table(&mapping.raw).await? else {
                if !wanted(&mapping.source) {
                    // Its turn has not come yet.
                    mappings.retain(|other| other.id != mapping.id);
                    continue;
                }
                let what = format!("{}, which {} is made from", mapping.raw, mapping.id);
                return Err(tributary_lake::Error::NoTable(what).into());
            };
            let standing = Standing::open(lake, &table, &mapping.in_lake, &mapping.stream).await?;
            epochs.insert(mapping.raw.clone(), rows_so_far(&standing.totals()));
            retracted.insert(mapping.raw.clone(), standing::retracted(&standing.live));
            summary.tables.insert(mapping.raw.clone(), table.version());
        }
    }

    rejected(project, lake, &session, options, summary).await?;
    if !summary.held.is_empty() || !derives(project, lake).await? {
        return Ok(());
    }
    let stage = |name: &'static str| observer.note(Note::Stage { name });
    let done = |name: &'static str, new: bool| observer.note(Note::StageDone { name, new });
    stage("clean");
    for mapping in &mut mappings {
        mapping.retracted = retracted.get(&mapping.raw).cloned().unwrap_or_default();
    }
    let clean = tributary_clean::stage::run(lake, &session, &mappings, &epochs, &share.others, &summary.run).await?;
    done("clean", !clean.ran.is_empty());
    let reasons: Vec<_> =
        clean.ran.iter().map(|(id, reason)| format!("{id}: {}", describe(project, id, reason))).collect();
    note(summary, "clean", reasons);
    summary.clean = clean.counts;

    if let Some(owner) = &share.stages_of {
        summary.stages_of = Some(owner.clone());
        return versions(lake, &["clean"], summary).await;
    }

    stage("identity");
    let rules = project.rules.clone().retrained(options.retrain);
    let identity = tributary_merge::people::run(lake, &session, &rules, &summary.run).await?;
    done("identity", !identity.reasons.is_empty());
    note(summary, "identity", identity.reasons);
    summary.identity = identity.counts;

    stage("customer");
    let customer = tributary_merge::golden::run(lake, &session, &project.rules, &summary.run).await?;
    done("customer", !customer.reasons.is_empty());
    note(summary, "customer", customer.reasons);
    summary.customer = customer.counts;

    stage("mart");
    let parameters = project.parameters(options.date);
    let mart = tributary_mart::stage::run(lake, &session, &parameters, &summary.run).await?;
    done("mart", !mart.reasons.is_empty());
    note(summary, "mart", mart.reasons);
    summary.mart = mart.counts;

    versions(lake, &["clean", "identity", "customer", "mart"], summary).await
}

/// Notes the versions of the stages' tables, changed or not.
async fn versions(lake: &Lake, stages: &[&str], summary: &mut Summary) -> Result<(), Error> {
    for stage in stages {
        let log = StageLog::peek(lake, stage).await?;
        for table in log.last.into_iter().flat_map(|last| last.owns) {
            if let Some(version) = lake.latest_version(&table).await? {
                summary.tables.insert(table, version);
            }
        }
    }
    Ok(())
}

/// Whether all mapped streams of a source have a table already.
async fn read_before(project: &Project, lake: &Lake, source: &str) -> Result<bool, Error> {
    for mapping in project.mappings.iter().filter(|mapping| mapping.source == source) {
        if lake.latest_version(&mapping.raw).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn note(summary: &mut Summary, stage: &str, reasons: Vec<String>) {
    if !reasons.is_empty() {
        summary.new = true;
        summary.reasons.insert(stage.into(), reasons);
    }
}

/// Says what was rejected, and which streams are held for it.
async fn rejected(
    project: &Project,
    lake: &Lake,
    session: &Session,
    options: &RunOptions,
    summary: &mut Summary,
) -> Result<(), Error> {
    let judged = limit::judge(lake, session, project, &summary.streams, &options.accept_rejected).await?;
    judged.pass(lake).await?;
    let over = judged.over;
    for report in summary.streams.iter().filter(|report| report.counts.rejected > 0) {
        let (id, counts) = (format!("{}.{}", report.source, report.stream), &report.counts);
        if over.iter().all(|held| held.stream != id) {
            summary.warnings.push(format!(
                "{id}: {} of {} records were rejected; see them: `select _error, _scope from raw.{}_{} where _error is not null`",
                counts.rejected, counts.read, report.source, report.stream
            ));
        }
    }
    for held in over {
        let told = held.in_words(&project.pipeline.lake.value);
        if held.accepted {
            summary.warnings.push(told);
        } else {
            summary.errors.push(told);
            summary.held.push(held);
        }
    }
    Ok(())
}
