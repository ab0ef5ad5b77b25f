//! The stage that decides which records are one person, and under which id: tables `identity.*`.
//!
//! Every party record and every stub (an identifier that orders name) is a record. Records are numbered in the order of
//! their keys; what is kept is a number and a name per record, what of it is compared, the edges, and the ids of before.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use futures::stream;
use serde::{Deserialize, Serialize};
use tributary_engine::{Error, Result, Session, rewrite};
use tributary_lake::{Lake, StageCommit, StageLog, TableName, key_of};
use tributary_linkage::model::Generic;

use crate::batch::{Cursor, batch, flags, numbers, texts};
use crate::decision;
use crate::evidence::{self, Kind, NONE, Row};
use crate::id::{CustomerId, RecordKey};
use crate::identity::{self, Event, Founding, Previous};
use crate::likely;
use crate::matching::{Clustered, Likely, Matching};
use crate::rules::Rules;
use crate::tables;

/// The stage's name in the lake.
pub const STAGE: &str = "identity";
const VERSION: &str = "2";
const INPUTS: [&str; 3] = ["party", "party_identifier", "event_identifier"];
/// A customer of more records than so many is named: two persons may have grown into one.
const LARGE: usize = 100;
/// So many of what there may be a lot of are named.
const NAMED: usize = 5;
/// Rows in a batch that is written.
const BATCH: usize = 65_536;

/// What the stage counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records of persons.
    pub parties: u64,
    /// Identifiers that only orders and the like name.
    pub stubs: u64,
    /// Stubs whose identifier too many share.
    pub shared: u64,
    /// Clusters with at least one party.
    pub customers: u64,
    /// Clusters of stubs alone.
    pub stub_customers: u64,
    /// Certain edges by type of identifier.
    pub edges: BTreeMap<String, u64>,
    /// What likeness said; `None` where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likely: Option<LikelyCounts>,
    /// Pairs of records of which a steward has said that they are one person, and that they are two.
    #[serde(default)]
    pub decided: (u64, u64),
    /// Decisions on records that are not there (any more).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decided_of_absent: u64,
    /// Customers of very many records, the largest first: their number of records and id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large: Vec<(u64, String)>,
    /// Values that were refused, by type and cap.
    pub refused: BTreeMap<String, u64>,
    /// Pairs kept apart in spite of a shared value.
    pub vetoed: u64,
    /// What happened to ids, by kind.
    pub events: BTreeMap<String, u64>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What likeness said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LikelyCounts {
    /// The model's number in `identity.model`, and how many records it was trained on.
    pub model: i64,
    pub trained_on: u64,
    /// Pairs that were compared, and the expected share of true pairs among all that were.
    pub compared: u64,
    pub coverage: f64,
    pub edges: u64,
    /// Edges against which the other records of the two customers speak.
    pub cut: u64,
    /// Values that strangers share and that are taken as missing: field, how many records have it, the key of one.
    pub generic: Vec<(String, u64, String)>,
    /// Blocks too large to be compared: what their records share, how many there are, the key of one.
    pub refused: Vec<(String, u64, String)>,
}

impl Eq for LikelyCounts {}

/// What a run of the stage did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Why it ran; empty: nothing had changed.
    pub reasons: Vec<String>,
    pub counts: Counts,
    pub versions: BTreeMap<TableName, u64>,
}

fn fingerprint(rules: &Rules) -> BTreeMap<String, String> {
    [("stage".into(), VERSION.into()), ("`[merge]`".into(), rules.identity_fingerprint())].into()
}

async fn inputs(lake: &Lake) -> Result<BTreeMap<String, i64>> {
    let mut found = BTreeMap::new();
    for name in INPUTS {
        let name = TableName::new("clean", name);
        if let Some(table) = lake.table(&name).await? {
            found.insert(name.to_string(), StageLog::standing(lake, &table, "clean").await?);
        }
    }
    if let Some(table) = lake.table(&tables::decision().name).await? {
        let standing = StageLog::standing(lake, &table, decision::STAGE).await?;
        // The table is made before anything is decided.
        if standing > 0 {
            found.insert(table.name.to_string(), standing);
        }
    }
    Ok(found)
}

/// Why a stage would run: its record against what it would be made from now.
pub(crate) fn reasons(
    log: &StageLog,
    fingerprint: &BTreeMap<String, String>,
    inputs: &BTreeMap<String, i64>,
) -> Vec<String> {
    let Some(last) = &log.last else {
        return vec![log.missing.first().map_or("it has not run yet".into(), |table| format!("`{table}` is gone"))];
    };
    let mut reasons = Vec::new();
    for (part, now) in fingerprint {
        if last.fingerprint.get(part) != Some(now) {
            reasons.push(format!("{part} changed"));
        }
    }
    for (table, now) in inputs {
        if last.inputs.get(table) != Some(now) {
            reasons.push(format!("`{table}` changed"));
        }
    }
    reasons
}

/// Why the stage would run now. Changes nothing.
///
/// # Errors
/// If the lake cannot be read.
pub async fn plan(lake: &Lake, rules: &Rules) -> Result<Vec<String>> {
    Ok(wanted(rules, reasons(&StageLog::peek(lake, STAGE).await?, &fingerprint(rules), &inputs(lake).await?)))
}

fn wanted(rules: &Rules, mut reasons: Vec<String>) -> Vec<String> {
    if rules.likely.is_some_and(|likely| likely.retrain) {
        reasons.push("a new match model is asked for".into());
    }
    reasons
}

/// Brings `identity.*` up to `clean.*`.
///
/// # Errors
/// [`Error::Ledger`] if a record is unaccounted for; [`tributary_lake::Error::Damaged`] if a table of ids is gone, which no
/// other layer can give back.
pub async fn run(lake: &Lake, session: &Session, rules: &Rules, run: &str) -> Result<Outcome> {
    let mut log = StageLog::open(lake, STAGE).await?;
    if let Some(table) = log.missing.first() {
        let why = "ids live there and nowhere else; they cannot be made again".to_owned();
        return Err(tributary_lake::Error::Damaged { what: table.to_string(), why }.into());
    }
    let inputs = inputs(lake).await?;
    let reasons = wanted(rules, reasons(&log, &fingerprint(rules), &inputs));
    if reasons.is_empty() {
        let counts = log.last.and_then(|last| serde_json::from_value(last.notes).ok()).unwrap_or_default();
        return Ok(Outcome { counts, ..Outcome::default() });
    }
    load(lake, session).await?;
    let specs = [tables::member(), tables::edge(), tables::event(), tables::model()];
    let mut counts = Counts::default();
    let mut matching = Matching::read(session, rules, 1.0).await?;
    let clustered = matching.cluster(rules.likely.map_or(1.0, |likely| likely.threshold));
    let before = Before::load(session, &mut matching).await?;
    let number = log.next_number();
    let clusters = clusters(&matching, &clustered, &before, number);
    let secret = lake.key("customer id");
    let previous = Previous { members: &before.members, foundings: &before.foundings, redirects: &before.redirects };
    let assigned = identity::assign(&previous, &clusters, |record: &RecordKey, generation| {
        CustomerId::of(&key_of(&secret, [record.text().as_ref(), &generation.to_string()]))
    })
    .map_err(|e| Error::Ledger { stage: STAGE.into(), why: e.to_string() })?;
    count(&mut counts, &matching, &clustered, &clusters, &assigned.ids, number);

    let (live, all) = (assigned.members.iter().filter(|member| !member.retired).count(), matching.records.all.len());
    if live != all {
        let why = format!("{all} records went in and {live} belong to a customer");
        return Err(Error::Ledger { stage: STAGE.into(), why });
    }
    let events = event_rows(&assigned.events, &assigned.founded, before.next_ordinal, number, run, &mut counts);
    let mut changes = BTreeMap::new();
    let members = member_rows(&matching, &before, &assigned.members, number);
    changes.insert(tables::member().name, rewrite(lake, &tables::member(), true, stream::iter(members)).await?.0);
    let edges = edge_rows(&matching, &clustered);
    let identifiers = &matching.certain.identifiers;
    changes.insert(tables::edge().name, evidence::write(lake, &matching.records, identifiers, edges).await?);
    changes.insert(tables::event().name, rewrite(lake, &tables::event(), false, stream::iter(events)).await?.0);
    if let Some(Likely { model, number: None, .. }) = &matching.likely {
        let row = likely::row(number, run, model);
        changes.insert(tables::model().name, rewrite(lake, &tables::model(), false, stream::iter([row])).await?.0);
    }
    changes.retain(|_, change| !change.adds.is_empty() || !change.removes.is_empty());
    let owns = specs.iter().map(|spec| spec.name.clone()).collect();
    let notes = serde_json::to_value(&counts).unwrap_or_default();
    let commit = StageCommit { run: run.into(), fingerprint: fingerprint(rules), inputs, owns, changes, notes };
    let versions = log.commit(lake, commit).await?;
    Ok(Outcome { reasons, counts, versions })
}

/// Registers what the stage reads; tables of its own that are not there are made.
pub(crate) async fn load(lake: &Lake, session: &Session) -> Result<()> {
    for name in INPUTS {
        session.load(&TableName::new("clean", name)).await?;
    }
    for spec in [tables::member(), tables::edge(), tables::event(), tables::model(), tables::decision()] {
        session.register(&lake.ensure_table(&spec).await?)?;
    }
    Ok(())
}

/// The records of each cluster, clusters and records in the order of keys.
fn clusters(
    matching: &Matching,
    clustered: &Clustered,
    before: &Before,
    number: i64,
) -> Vec<Vec<identity::Record<RecordKey>>> {
    let mut found: Vec<Vec<identity::Record<RecordKey>>> = vec![];
    let mut place: Vec<u32> = Vec::with_capacity(matching.records.all.len());
    for (record, label) in matching.records.all.iter().zip(&clustered.clusters.label) {
        // A label is the lowest record of its cluster: the first that comes by.
        let at = match place.get(*label as usize) {
            Some(at) => *at,
            None => {
                found.push(vec![]);
                u32::try_from(found.len() - 1).unwrap_or(NONE)
            }
        };
        place.push(at);
        if let Some(cluster) = found.get_mut(at as usize) {
            let first_seen = before.rest(record.key).map_or(number, |rest| rest.since);
            cluster.push(identity::Record { key: record.key, first_seen });
        }
    }
    found
}

fn count(
    counts: &mut Counts,
    matching: &Matching,
    clustered: &Clustered,
    clusters: &[Vec<identity::Record<RecordKey>>],
    ids: &[CustomerId],
    number: i64,
) {
    let records = &matching.records;
    let key = |record: u32| records.get(record).map(|record| record.key.text().as_ref().to_owned()).unwrap_or_default();
    counts.stubs = records.all.iter().filter(|record| record.stub).count() as u64;
    counts.parties = records.all.len() as u64 - counts.stubs;
    counts.customers = matching.customers(clustered);
    counts.stub_customers = clusters.len() as u64 - counts.customers;
    counts.shared = matching.certain.shared.len() as u64;
    let vetoed = matching.certain.against.iter().filter(|row| matches!(row.kind, Kind::Vetoed(_))).count();
    counts.vetoed = (vetoed + clustered.clusters.refused.len()) as u64;
    counts.refused = matching.certain.refused.clone();
    counts.edges = matching.certain_by_type();
    counts.decided = (matching.decisions.same.len() as u64, matching.decisions.apart.len() as u64);
    counts.decided_of_absent = matching.decisions.absent;
    let mut large: Vec<(u64, CustomerId)> = clusters
        .iter()
        .zip(ids)
        .filter(|(cluster, _)| cluster.len() > LARGE)
        .map(|(cluster, id)| (cluster.len() as u64, *id))
        .collect();
    large.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    counts.large = large.into_iter().take(NAMED).map(|(size, id)| (size, id.text().as_ref().to_owned())).collect();
    let Some(likely) = &matching.likely else { return };
    let example =
        |party: u32| likely.parties.numbers.get(party as usize).map(|number| key(*number)).unwrap_or_default();
    let generic = likely.model.generic(&likely.parties.features);
    let generic = generic.into_iter().take(NAMED);
    let mut refused: Vec<(String, u64, String)> = likely
        .scored
        .keys
        .iter()
        .flat_map(|key| {
            key.refused.iter().map(|block| (likely.model.words(&key.key), block.records, example(block.example)))
        })
        .collect();
    refused.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.cmp(b)));
    refused.truncate(NAMED);
    counts.likely = Some(LikelyCounts {
        model: likely.number.unwrap_or(number),
        trained_on: likely.model.records,
        compared: likely.scored.comparisons(),
        coverage: likely.model.coverage,
        edges: likely.scored.edges.len() as u64,
        cut: clustered.cut.len() as u64,
        generic: generic.map(|Generic { name, records, example: of }| (name, records.into(), example(of))).collect(),
        refused,
    });
}

fn member_rows<'a>(
    matching: &'a Matching,
    before: &'a Before,
    members: &'a [identity::Member<RecordKey, CustomerId>],
    number: i64,
) -> impl Iterator<Item = Result<RecordBatch>> + 'a {
    let records = &matching.records;
    let mut shared = vec![false; records.all.len()];
    for record in &matching.certain.shared {
        if let Some(flag) = shared.get_mut(*record as usize) {
            *flag = true;
        }
    }
    members.chunks(BATCH).map(move |rows| {
        let now: Vec<Option<u32>> = rows.iter().map(|member| records.number(member.record)).collect();
        let was: Vec<Option<&Rest>> = rows.iter().map(|member| before.rest(member.record)).collect();
        let source = |(now, was): (&Option<u32>, &Option<&Rest>)| {
            let source = now.and_then(|at| records.get(at)).map(|record| record.source);
            records.sources.get(source.or(was.map(|was| was.source))? as usize)
        };
        let stub = |(now, was): (&Option<u32>, &Option<&Rest>)| {
            let stub = now.and_then(|at| records.get(at)).map(|record| record.stub);
            stub.or(was.map(|was| was.stub)).unwrap_or_default()
        };
        let is_shared = |now: &Option<u32>| now.and_then(|at| shared.get(at as usize)).copied().unwrap_or_default();
        batch(
            &tables::member().schema,
            vec![
                texts(rows.iter().map(|member| Some(member.record.text()))),
                texts(rows.iter().map(|member| Some(member.customer_id.text()))),
                texts(now.iter().zip(&was).map(source)),
                flags(now.iter().zip(&was).map(stub)),
                flags(rows.iter().map(|member| member.retired)),
                flags(now.iter().map(is_shared)),
                numbers(was.iter().map(|was| Some(was.map_or(number, |was| was.since)))),
            ],
        )
    })
}

fn edge_rows(matching: &Matching, clustered: &Clustered) -> Vec<Row> {
    let row = |a: u32, b: u32, kind| Row { a: a.min(b), b: a.max(b), kind, identifier: NONE, bits: None };
    let certain = matching.certain.edges.iter().zip(&matching.certain.by);
    let mut rows: Vec<Row> =
        certain.map(|(edge, by)| Row { identifier: *by, ..row(edge.a, edge.b, Kind::Certain) }).collect();
    rows.extend_from_slice(&matching.certain.against);
    rows.extend(matching.decisions.same.iter().map(|(a, b)| row(*a, *b, Kind::Decided)));
    let refused = clustered.clusters.refused.iter();
    rows.extend(refused.map(|(a, b, conflict)| row(*a, *b, Kind::Vetoed((*conflict).into()))));
    if let Some(likely) = &matching.likely {
        let numbers = &likely.parties.numbers;
        let mut cut = clustered.cut.iter().peekable();
        for (edge, at) in likely.scored.edges.iter().zip(0u32..) {
            let kind = if cut.next_if_eq(&&at).is_some() { Kind::Cut } else { Kind::Likely };
            let (Some(a), Some(b)) = (numbers.get(edge.a as usize), numbers.get(edge.b as usize)) else { continue };
            rows.push(Row { bits: Some(edge.bits), ..row(*a, *b, kind) });
        }
    }
    rows
}

/// What `identity.*` says from before.
struct Before {
    /// Sorted by record.
    members: Vec<identity::Member<RecordKey, CustomerId>>,
    /// For each member.
    rest: Vec<Rest>,
    foundings: Vec<Founding<RecordKey, CustomerId>>,
    redirects: BTreeMap<CustomerId, CustomerId>,
    next_ordinal: i64,
}

/// What else is known of a member.
struct Rest {
    since: i64,
    source: u32,
    stub: bool,
}

impl Before {
    async fn load(session: &Session, matching: &mut Matching) -> Result<Self> {
        let (mut members, mut rest) = (vec![], vec![]);
        let doing = "read the members of before";
        let sql =
            "SELECT record_key, customer_id, source, stub, retired, since FROM identity.member ORDER BY record_key";
        let mut cursor = Cursor::new(session.stream(doing, sql).await?, doing);
        while let Some((rows, row)) = cursor.peek().await? {
            let text = |column| rows.text(column, row).unwrap_or_default();
            let (record, customer_id) = (RecordKey::new(text(0))?, CustomerId::new(text(1))?);
            members.push(identity::Member { record, customer_id, retired: rows.flag(4, row) });
            rest.push(Rest {
                since: rows.number(5, row).unwrap_or_default(),
                source: matching.records.source(text(2)),
                stub: rows.flag(3, row),
            });
            cursor.advance();
        }
        let History { foundings, redirects, next_ordinal } = history(session).await?;
        Ok(Self { members, rest, foundings, redirects, next_ordinal })
    }

    fn rest(&self, record: RecordKey) -> Option<&Rest> {
        let at = self.members.binary_search_by_key(&record, |member| member.record).ok()?;
        self.rest.get(at)
    }
}

/// What the events tell: who founded which id, and which ids are part of others.
#[derive(Default)]
pub(crate) struct History {
    pub foundings: Vec<Founding<RecordKey, CustomerId>>,
    pub redirects: BTreeMap<CustomerId, CustomerId>,
    pub next_ordinal: i64,
}

pub(crate) async fn history(session: &Session) -> Result<History> {
    let doing = "read the events of before";
    let sql = "SELECT kind, customer_id, other_id, record_key, generation, ordinal FROM identity.event \
               WHERE kind IN ('created', 'merged', 'revived') ORDER BY ordinal";
    let mut cursor = Cursor::new(session.stream(doing, sql).await?, doing);
    let mut history = History::default();
    while let Some((rows, row)) = cursor.peek().await? {
        let text = |column| rows.text(column, row).unwrap_or_default();
        let id = |column| CustomerId::new(text(column));
        match rows.text(0, row) {
            Some("created") => {
                let generation = rows.number(4, row).and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
                history.foundings.push(Founding { customer_id: id(1)?, record: RecordKey::new(text(3))?, generation });
            }
            Some("merged") => {
                let (from, into) = (id(1)?, id(2)?);
                for current in history.redirects.values_mut().filter(|current| **current == from) {
                    *current = into;
                }
                history.redirects.insert(from, into);
            }
            _ => {
                history.redirects.remove(&id(1)?);
            }
        }
        cursor.advance();
    }
    let last = session.count(doing, "SELECT coalesce(max(ordinal), 0) FROM identity.event").await?;
    history.next_ordinal = i64::try_from(last).unwrap_or_default() + 1;
    Ok(history)
}

fn event_rows<'a>(
    events: &'a [Event<RecordKey, CustomerId>],
    founded: &'a [Founding<RecordKey, CustomerId>],
    first: i64,
    number: i64,
    run: &'a str,
    counts: &mut Counts,
) -> impl Iterator<Item = Result<RecordBatch>> + 'a {
    type Parts = (&'static str, Option<CustomerId>, Option<CustomerId>, Option<RecordKey>, Option<i64>);
    let parts = |event: &Event<RecordKey, CustomerId>| -> Parts {
        match *event {
            Event::Created { id } => {
                let founding = founded.binary_search_by(|f| f.customer_id.cmp(&id)).ok().and_then(|at| founded.get(at));
                let generation = founding.map(|founding| i64::from(founding.generation));
                ("created", Some(id), None, founding.map(|founding| founding.record), generation)
            }
            Event::Revived { id } => ("revived", Some(id), None, None, None),
            Event::Merged { from, into } => ("merged", Some(from), Some(into), None, None),
            Event::Split { from, to } => ("split", Some(from), Some(to), None, None),
            Event::Retired { id } => ("retired", Some(id), None, None, None),
            Event::MemberJoined { record, to } => ("member_joined", None, Some(to), Some(record), None),
            Event::MemberMoved { record, from, to } => ("member_moved", Some(from), Some(to), Some(record), None),
            Event::MemberLeft { record, from } => ("member_left", Some(from), None, Some(record), None),
        }
    };
    for event in events {
        *counts.events.entry(parts(event).0.to_owned()).or_default() += 1;
    }
    let ordinals = (first..).step_by(BATCH);
    events.chunks(BATCH).zip(ordinals).map(move |(events, first)| {
        let rows: Vec<Parts> = events.iter().map(parts).collect();
        batch(
            &tables::event().schema,
            vec![
                numbers(rows.iter().map(|_| Some(number))),
                numbers((first..).zip(&rows).map(|(ordinal, _)| Some(ordinal))),
                texts(rows.iter().map(|row| Some(row.0))),
                texts(rows.iter().map(|row| row.1.map(CustomerId::text))),
                texts(rows.iter().map(|row| row.2.map(CustomerId::text))),
                texts(rows.iter().map(|row| row.3.map(RecordKey::text))),
                numbers(rows.iter().map(|row| row.4)),
                texts(rows.iter().map(|_| Some(run))),
            ],
        )
    })
}
