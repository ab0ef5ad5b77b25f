//! The stage that decides which records are one person, and under which id: tables `identity.*`.
//!
//! Every party record and every stub (an identifier that orders name) is a record. Records are numbered in the order of
//! their keys; what is kept is a number and a name per record, what of it is compared, the edges, and the ids of before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tributary_engine::{Error, Result, Session};
use tributary_lake::{Lake, StageCommit, StageLog, TableChange, TableName, key_of};
use tributary_linkage::increment::RecordBlocks;
use tributary_linkage::model::Generic;

use crate::events::{self, History};
use crate::evidence::{self, Kind, NONE, Row};
use crate::id::{CustomerId, RecordKey};
use crate::identity::{self, Previous};
use crate::increment::{self, Commit};
use crate::matching::{Clustered, Likely, Matching};
use crate::membership::{self, Member};
use crate::rules::Rules;
use crate::{decision, index, likely, tables};

/// The stage's name in the lake.
pub const STAGE: &str = "identity";
const VERSION: &str = "2";
const INPUTS: [&str; 3] = ["party", "party_identifier", "event_identifier"];
/// A customer of more records than so many is named: two persons may have grown into one.
const LARGE: usize = 100;
/// So many of what there may be a lot of are named.
pub(crate) const NAMED: usize = 5;
/// Inputs that are no table: how far the stage `clean` had come, and by which model the index was made.
pub(crate) const CLEAN: &str = "stage clean";
pub(crate) const MODEL: &str = "match model";

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
    /// Records that had changed; `None` where all were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<u64>,
}

/// What a run of the stage came to, not committed yet.
pub(crate) struct Done {
    pub counts: Counts,
    pub changes: BTreeMap<TableName, TableChange>,
    /// The number of the model by which the index was made; 0 without a model, `None` without an index.
    pub model: Option<i64>,
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
    /// Pairs that were compared in this run, and the expected share of true pairs among all that were.
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
    let mut inputs = inputs(lake).await?;
    let reasons = wanted(rules, reasons(&log, &fingerprint(rules), &inputs));
    if reasons.is_empty() {
        let counts = log.last.and_then(|last| serde_json::from_value(last.notes).ok()).unwrap_or_default();
        return Ok(Outcome { counts, ..Outcome::default() });
    }
    load(lake, session).await?;
    let clean = StageLog::peek(lake, "clean").await?.next_number() - 1;
    let commit = Commit { number: log.next_number(), run, clean };
    let same = log.last.as_ref().filter(|last| last.fingerprint == fingerprint(rules));
    let small = match same.filter(|_| !rules.likely.is_some_and(|likely| likely.retrain)) {
        Some(last) => increment::run(lake, session, rules, last, commit).await?,
        None => None,
    };
    let Done { counts, mut changes, model } = match small {
        Some(done) => done,
        None => everything(lake, session, rules, commit).await?,
    };
    changes.retain(|_, change| !change.adds.is_empty() || !change.removes.is_empty());
    inputs.insert(CLEAN.into(), clean);
    inputs.extend(model.map(|model| (MODEL.to_owned(), model)));
    // The index is not among them: were it gone, it would be made again.
    let owns = [tables::member(), tables::edge(), tables::event(), tables::model()].map(|spec| spec.name).to_vec();
    let notes = serde_json::to_value(&counts).unwrap_or_default();
    let commit = StageCommit { run: run.into(), fingerprint: fingerprint(rules), inputs, owns, changes, notes };
    let versions = log.commit(lake, commit).await?;
    Ok(Outcome { reasons, counts, versions })
}

/// Looks at all records, and makes the index.
async fn everything(lake: &Lake, session: &Session, rules: &Rules, commit: Commit<'_>) -> Result<Done> {
    let mut counts = Counts::default();
    let mut index = index::Writer::new(lake, rules, commit.number);
    let mut matching = Matching::read(session, rules, 1.0, Some(&mut index)).await?;
    let clustered = matching.cluster(rules.likely.map_or(1.0, |likely| likely.threshold));
    let before = Before::load(session, &mut matching).await?;
    let number = commit.number;
    let clusters = clusters(&matching, &clustered, &before, number);
    let secret = lake.key("customer id");
    let previous = Previous {
        members: &before.members,
        foundings: &before.history.foundings,
        redirects: &before.history.redirects,
    };
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
    let news = events::News {
        events: &assigned.events,
        founded: &assigned.founded,
        first: before.history.next_ordinal,
        number,
        run: commit.run,
    };
    counts.events = news.counts();
    let mut changes = BTreeMap::new();
    let rows = member_rows(&matching, &before, &assigned.members, number);
    changes.insert(tables::member().name, membership::write(lake, &matching.records.sources, rows).await?);
    let mut edges = edge_rows(&matching, &clustered);
    evidence::sort(&mut edges);
    let key = |number| matching.records.key(number);
    changes.insert(tables::edge().name, evidence::write(lake, key, &matching.kinds, edges).await?);
    changes.insert(tables::event().name, news.write(lake).await?);
    let mut by = 0;
    if let Some(Likely { model, number: kept, parties, .. }) = &matching.likely {
        by = kept.unwrap_or(number);
        if kept.is_none() {
            let row = likely::row(number, commit.run, model);
            let rows = futures::stream::iter([row]);
            let (change, _) = tributary_engine::rewrite(lake, &tables::model(), false, rows).await?;
            changes.insert(tables::model().name, change);
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let blocks = RecordBlocks::new(model, &parties.features, threads);
        let mut of = vec![];
        for (party, number) in (0..).zip(&parties.numbers) {
            blocks.of(party, &mut of);
            if let Some(key) = matching.records.key(*number) {
                index.blocks(key, &of).await?;
            }
        }
    }
    changes.extend(index.finish(lake, true).await?);
    Ok(Done { counts, changes, model: Some(by) })
}

/// Registers what the stage reads; tables of its own that are not there are made.
pub(crate) async fn load(lake: &Lake, session: &Session) -> Result<()> {
    for name in INPUTS {
        session.load(&TableName::new("clean", name)).await?;
    }
    let own = [tables::member(), tables::edge(), tables::event(), tables::model(), tables::decision()];
    for spec in own.into_iter().chain([tables::indexed(), tables::block()]) {
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
) -> impl Iterator<Item = Member> + 'a {
    let records = &matching.records;
    let mut shared = vec![false; records.all.len()];
    for record in &matching.certain.shared {
        if let Some(flag) = shared.get_mut(*record as usize) {
            *flag = true;
        }
    }
    members.iter().map(move |member| {
        let now = records.number(member.record);
        let record = now.and_then(|number| records.get(number));
        let was = before.rest(member.record);
        Member {
            key: member.record,
            customer_id: member.customer_id,
            since: was.map_or(number, |was| was.since),
            source: record.map(|record| record.source).or(was.map(|was| was.source)).unwrap_or(NONE),
            stub: record.map(|record| record.stub).or(was.map(|was| was.stub)).unwrap_or_default(),
            retired: member.retired,
            shared: now.and_then(|number| shared.get(number as usize)).copied().unwrap_or_default(),
        }
    })
}

fn edge_rows(matching: &Matching, clustered: &Clustered) -> Vec<Row> {
    let row = |a: u32, b: u32, kind| Row { a: a.min(b), b: a.max(b), kind, identifier: NONE, bits: None };
    let mut rows: Vec<Row> = matching.certain.rows().collect();
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
    history: History,
}

/// What else is known of a member.
struct Rest {
    since: i64,
    source: u32,
    stub: bool,
}

impl Before {
    async fn load(session: &Session, matching: &mut Matching) -> Result<Self> {
        let rows = membership::read(session, &mut matching.records.sources).await?;
        let member =
            |row: &Member| identity::Member { record: row.key, customer_id: row.customer_id, retired: row.retired };
        let members = rows.iter().map(member).collect();
        let rest = rows.iter().map(|row| Rest { since: row.since, source: row.source, stub: row.stub }).collect();
        Ok(Self { members, rest, history: History::read(session).await? })
    }

    fn rest(&self, record: RecordKey) -> Option<&Rest> {
        let at = self.members.binary_search_by_key(&record, |member| member.record).ok()?;
        self.rest.get(at)
    }
}
