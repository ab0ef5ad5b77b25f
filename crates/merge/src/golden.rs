//! The stage that makes golden records: tables `customer.*`.
//!
//! Which customer a record belongs to is held here ([`Members`]); records and identifiers come sorted by customer (`groups`),
//! one customer is held at a time, gets its values (`fields`) and is written (`write`). `attribute` says whose each order is.
//! Nothing is joined; what grows with the lake is the members' few bytes each, the sorts spill.

mod attribute;
mod fields;
mod groups;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream;
use serde::{Deserialize, Serialize};
use tributary_engine::{Error, Result, Session, rewrite};
use tributary_lake::{Lake, StageCommit, StageLog, TableChange, TableName};

use crate::batch::{batch, texts};
use crate::events::History;
use crate::id::CustomerId;
use crate::members::Members;
use crate::people::reasons;
use crate::records::Sources;
use crate::rules::Rules;
use crate::tables::{attribution, customer, provenance, redirect};
use fields::{Choices, Golden};
use groups::Groups;
use write::Written;

/// The stage's name in the lake.
pub const STAGE: &str = "customer";
const VERSION: &str = "1";
/// How many customers go into one batch.
const BATCH: usize = 8192;

/// What the stage counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub customers: u64,
    pub stub_customers: u64,
    /// Entity → events with a customer, events without.
    pub attributed: BTreeMap<String, (u64, u64)>,
}

/// What a run of the stage did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub reasons: Vec<String>,
    pub counts: Counts,
    pub versions: BTreeMap<TableName, u64>,
}

fn fingerprint(rules: &Rules) -> BTreeMap<String, String> {
    [("stage".into(), VERSION.into()), ("`[merge]`".into(), rules.golden_fingerprint())].into()
}

/// Entities whose records name a person by identifiers, and have a table.
fn entities() -> impl Iterator<Item = &'static str> {
    tributary_model::ENTITIES
        .iter()
        .filter(|entity| entity.identified && entity.name != "party")
        .map(|entity| entity.name)
}

async fn inputs(lake: &Lake) -> Result<BTreeMap<String, i64>> {
    let mut found = BTreeMap::new();
    let clean = ["party", "party_identifier", "event_identifier"].into_iter().chain(entities());
    let tables = clean.map(|name| ("clean", name)).chain([("identity", "member"), ("identity", "event")]);
    for (stage, name) in tables {
        let name = TableName::new(stage, name);
        if let Some(table) = lake.table(&name).await? {
            found.insert(name.to_string(), StageLog::standing(lake, &table, stage).await?);
        }
    }
    Ok(found)
}

/// Why the stage would run now. Changes nothing.
///
/// # Errors
/// If the lake cannot be read.
pub async fn plan(lake: &Lake, rules: &Rules) -> Result<Vec<String>> {
    Ok(reasons(&StageLog::peek(lake, STAGE).await?, &fingerprint(rules), &inputs(lake).await?))
}

/// Brings `customer.*` up to `clean.*` and `identity.*`.
///
/// # Errors
/// [`Error::Ledger`] if a customer or an event is unaccounted for; nothing is committed then.
pub async fn run(lake: &Lake, session: &Session, rules: &Rules, run: &str) -> Result<Outcome> {
    let mut log = StageLog::open(lake, STAGE).await?;
    let inputs = inputs(lake).await?;
    let reasons = reasons(&log, &fingerprint(rules), &inputs);
    if reasons.is_empty() {
        let counts = log.last.and_then(|last| serde_json::from_value(last.notes).ok()).unwrap_or_default();
        return Ok(Outcome { counts, ..Outcome::default() });
    }
    for name in inputs.keys() {
        if let Ok(name) = TableName::try_from(name.clone()) {
            session.load(&name).await?;
        }
    }
    let mut counts = Counts::default();
    let members = Arc::new(Members::read(session).await?);
    let mut changes = golden(lake, session, &members, rules, &mut counts).await?;
    changes.insert(attribution().name, attribute::write(lake, session, &members, rules, &inputs, &mut counts).await?);
    drop(members);

    let redirects = History::of_redirects(session).await?.redirects;
    let text = |id: &CustomerId| Some(id.text());
    let rows = vec![texts(redirects.keys().map(text)), texts(redirects.values().map(text))];
    let rows = batch(&redirect().schema, rows)?;
    changes.insert(redirect().name, rewrite(lake, &redirect(), true, stream::iter([Ok(rows)])).await?.0);
    changes.retain(|_, change| !change.adds.is_empty() || !change.removes.is_empty());

    let owns = [customer(), provenance(), redirect(), attribution()].map(|spec| spec.name).to_vec();
    let notes = serde_json::to_value(&counts).unwrap_or_default();
    let commit = StageCommit { run: run.into(), fingerprint: fingerprint(rules), inputs, owns, changes, notes };
    let versions = log.commit(lake, commit).await?;
    Ok(Outcome { reasons, counts, versions })
}

type Changes = BTreeMap<TableName, TableChange>;

async fn golden(
    lake: &Lake,
    session: &Session,
    members: &Arc<Members>,
    rules: &Rules,
    counts: &mut Counts,
) -> Result<Changes> {
    let mut sources = Sources::default();
    let choices = Choices::new(rules, &mut sources);
    let mut groups = Groups::open(session, members).await?;
    let mut written = Written::open(lake).await?;
    let mut pending: Vec<Golden> = Vec::with_capacity(BATCH);
    while let Some(group) = groups.next(&mut sources).await? {
        let golden = choices.golden(group);
        *if golden.stub { &mut counts.stub_customers } else { &mut counts.customers } += 1;
        pending.push(golden);
        if pending.len() == BATCH {
            written.write(&pending, &sources, members).await?;
            pending.clear();
        }
    }
    written.write(&pending, &sources, members).await?;
    let read = groups.records;
    drop(groups);
    let sql = "SELECT count(*) FROM identity.member WHERE NOT retired AND NOT stub";
    let expected = session.count("count the records of customers", sql).await?;
    if read != expected {
        let why = format!("customers have {expected} records and {read} were read");
        return Err(Error::Ledger { stage: STAGE.into(), why });
    }
    written.finish(members.customers()).await
}
