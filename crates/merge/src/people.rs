//! The stage that decides which records are one person, and under which id: tables `identity.*`.
//!
//! Every party record and every stub (an identifier that orders name) is a record. Records are numbered in the order of
//! their keys; identifiers come sorted by value, one block at a time; what is kept is a number and a name per record, the
//! edges, and the ids of before.

use std::collections::{BTreeMap, HashMap};

use futures::stream;
use serde::{Deserialize, Serialize};
use tributary_engine::{Error, Result, Session, rewrite};
use tributary_lake::{Lake, StageCommit, StageLog, TableName, key_of};

use crate::batch::{Cursor, batch, flags, numbers, texts};
use crate::certain::{self, Refusal, Veto};
use crate::cluster::{self, Edge};
use crate::identity::{self, Event, Founding, Previous, Record};
use crate::rules::Rules;
use crate::tables::{edge, event, member};

/// The stage's name in the lake.
pub const STAGE: &str = "identity";
const VERSION: &str = "1";
const INPUTS: [&str; 3] = ["party", "party_identifier", "event_identifier"];

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
    /// Values that were refused, by type and cap.
    pub refused: BTreeMap<String, u64>,
    /// Pairs kept apart in spite of a shared value.
    pub vetoed: u64,
    /// What happened to ids, by kind.
    pub events: BTreeMap<String, u64>,
}

/// What a run of the stage did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Why it ran; empty: nothing had changed.
    pub reasons: Vec<String>,
    pub counts: Counts,
    pub versions: BTreeMap<TableName, u64>,
}

struct Person {
    key: String,
    source: u32,
    name: Option<String>,
    masked: bool,
    stub: bool,
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
    Ok(reasons(&StageLog::peek(lake, STAGE).await?, &fingerprint(rules), &inputs(lake).await?))
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
    let reasons = reasons(&log, &fingerprint(rules), &inputs);
    if reasons.is_empty() {
        let counts = log.last.and_then(|last| serde_json::from_value(last.notes).ok()).unwrap_or_default();
        return Ok(Outcome { counts, ..Outcome::default() });
    }
    for name in INPUTS {
        session.load(&TableName::new("clean", name)).await?;
    }
    let specs = [member(), edge(), event()];
    for spec in &specs {
        session.register(&lake.ensure_table(spec).await?)?;
    }

    let mut counts = Counts::default();
    let mut sources = Vec::new();
    let people = people(lake, session, rules, &mut sources, &mut counts).await?;
    let found = edges(lake, session, rules, &people).await?;
    let size = u32::try_from(people.len()).unwrap_or(u32::MAX);
    let clusters = cluster::cluster(size, &found.edges, &found.unique, &[]);
    let before = Before::load(session).await?;
    let number = log.next_number();
    let mut of_cluster: BTreeMap<u32, Vec<Record<String>>> = BTreeMap::new();
    for (at, person) in people.iter().enumerate() {
        let label = clusters.label.get(at).copied().unwrap_or_default();
        let first_seen = before.since.get(&person.key).copied().unwrap_or(number);
        of_cluster.entry(label).or_default().push(Record { key: person.key.clone(), first_seen });
    }
    for records in of_cluster.values() {
        let has_party =
            records.iter().any(|r| people.binary_search_by(|p| p.key.cmp(&r.key)).is_ok_and(|at| !people[at].stub));
        *if has_party { &mut counts.customers } else { &mut counts.stub_customers } += 1;
    }
    let of_cluster: Vec<_> = of_cluster.into_values().collect();
    let secret = lake.key("customer id");
    let previous = Previous { members: &before.members, foundings: &before.foundings, redirects: &before.redirects };
    let assigned = identity::assign(&previous, &of_cluster, |record: &String, generation| {
        format!("c_{}", key_of(&secret, [record.as_str(), &generation.to_string()]))
    })
    .map_err(|e| Error::Ledger { stage: STAGE.into(), why: e.to_string() })?;

    let mut shared = vec![false; people.len()];
    for record in &found.shared {
        if let Some(flag) = shared.get_mut(*record as usize) {
            *flag = true;
        }
    }
    counts.shared = found.shared.len() as u64;
    counts.vetoed = found.vetoed.len() as u64 + clusters.refused.len() as u64;
    counts.refused = found.refused_counts.clone();
    for (_, kind) in &found.kinds {
        *counts.edges.entry(kind.0.clone()).or_default() += 1;
    }

    let live = assigned.members.iter().filter(|member| !member.retired).count();
    if live != people.len() {
        let why = format!("{} records went in and {live} belong to a customer", people.len());
        return Err(Error::Ledger { stage: STAGE.into(), why });
    }
    let place = |key: &String| people.binary_search_by(|person| person.key.cmp(key)).ok();
    let rows = &assigned.members;
    let members = batch(
        &member().schema,
        vec![
            texts(rows.iter().map(|m| Some(&m.record))),
            texts(rows.iter().map(|m| Some(&m.customer_id))),
            texts(rows.iter().map(|m| match place(&m.record) {
                Some(at) => sources.get(people[at].source as usize).cloned(),
                None => before.source.get(&m.record).cloned(),
            })),
            flags(rows.iter().map(|m| place(&m.record).map_or(before.stubs.contains(&m.record), |at| people[at].stub))),
            flags(rows.iter().map(|m| m.retired)),
            flags(rows.iter().map(|m| place(&m.record).is_some_and(|at| shared[at]))),
            numbers(rows.iter().map(|m| Some(before.since.get(&m.record).copied().unwrap_or(number)))),
        ],
    )?;
    let edges = found.table(&people, &clusters)?;
    let events = event_rows(&assigned.events, &assigned.founded, before.next_ordinal, number, run, &mut counts)?;

    let mut changes = BTreeMap::new();
    for (spec, rows, replace) in [(member(), members, true), (edge(), edges, true), (event(), events, false)] {
        let (change, _) = rewrite(lake, &spec, replace, stream::iter([Ok(rows)])).await?;
        if !change.adds.is_empty() || !change.removes.is_empty() {
            changes.insert(spec.name, change);
        }
    }
    let owns = specs.iter().map(|spec| spec.name.clone()).collect();
    let notes = serde_json::to_value(&counts).unwrap_or_default();
    let commit = StageCommit { run: run.into(), fingerprint: fingerprint(rules), inputs, owns, changes, notes };
    let versions = log.commit(lake, commit).await?;
    Ok(Outcome { reasons, counts, versions })
}

/// A stub's key, in SQL.
pub(crate) fn stub_key(lake: &Lake) -> String {
    let secret: String = lake.key("record key").iter().map(|byte| format!("{byte:02x}")).collect();
    format!("key_of('{secret}', 'stub', type, scope, value)")
}

async fn people(
    lake: &Lake,
    session: &Session,
    rules: &Rules,
    sources: &mut Vec<String>,
    counts: &mut Counts,
) -> Result<Vec<Person>> {
    let sql = format!(
        "SELECT record_key, source, name, name_masked, stub FROM (SELECT record_key, source, name, name_masked, \
         false AS stub FROM clean.party UNION ALL SELECT DISTINCT {} AS record_key, '' AS source, \
         CAST(NULL AS VARCHAR) AS name, false AS name_masked, true AS stub FROM clean.event_identifier \
         WHERE NOT masked AND type IN ({})) ORDER BY record_key, stub",
        stub_key(lake),
        rules.kinds_sql()
    );
    let doing = "read the records to merge";
    let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut people: Vec<Person> = Vec::new();
    while let Some((rows, row)) = cursor.peek().await? {
        let source = rows.text(1, row).unwrap_or_default();
        let source = match numbers.get(source) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(sources.len()).unwrap_or(u32::MAX);
                sources.push(source.to_owned());
                numbers.insert(source.to_owned(), number);
                number
            }
        };
        let person = Person {
            key: rows.text(0, row).unwrap_or_default().to_owned(),
            source,
            name: rows.text(2, row).map(str::to_owned),
            masked: rows.flag(3, row),
            stub: rows.flag(4, row),
        };
        *if person.stub { &mut counts.stubs } else { &mut counts.parties } += 1;
        if people.last().is_some_and(|last| last.key == person.key) {
            let why = "two records have one key; two maps of one stream to `party` need keys that differ".to_owned();
            return Err(Error::Ledger { stage: STAGE.into(), why });
        }
        people.push(person);
        cursor.advance();
    }
    Ok(people)
}

/// A type of identifier and its scope.
type KindScope = (String, String);

#[derive(Default)]
struct Found {
    edges: Vec<Edge>,
    unique: Vec<cluster::Unique>,
    /// For each edge its records, its type and scope.
    kinds: Vec<((u32, u32), KindScope)>,
    vetoed: Vec<((u32, u32), KindScope, Veto)>,
    refused: Vec<(u32, KindScope, Refusal)>,
    refused_counts: BTreeMap<String, u64>,
    /// Stubs of refused values.
    shared: Vec<u32>,
}

async fn edges(lake: &Lake, session: &Session, rules: &Rules, people: &[Person]) -> Result<Found> {
    let kinds = rules.kinds_sql();
    let sql = format!(
        "SELECT type, scope, value, record_key, valid_from, valid_to FROM (SELECT DISTINCT type, scope, value, record_key, \
         valid_from, valid_to FROM clean.party_identifier WHERE NOT masked AND type IN ({kinds}) UNION ALL SELECT DISTINCT \
         type, scope, value, {} AS record_key, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS valid_from, \
         CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS valid_to FROM clean.event_identifier \
         WHERE NOT masked AND type IN ({kinds})) ORDER BY type, scope, value, record_key",
        stub_key(lake)
    );
    let doing = "read the identifiers to merge by";
    let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
    let mut found = Found::default();
    let mut block: Vec<(u32, Option<i64>, Option<i64>)> = Vec::new();
    let mut current: Option<(String, String, String)> = None;
    loop {
        let next = match cursor.peek().await? {
            None => None,
            Some((rows, row)) => {
                let part = |column| rows.text(column, row).unwrap_or_default();
                let same = current.as_ref().is_some_and(|(k, s, v)| k == part(0) && s == part(1) && v == part(2));
                let of = if same { None } else { Some((part(0).to_owned(), part(1).to_owned(), part(2).to_owned())) };
                let record = people.binary_search_by(|person| person.key.as_str().cmp(part(3))).ok();
                Some((of, record, rows.number(4, row), rows.number(5, row)))
            }
        };
        let ends = !matches!(next, Some((None, ..)));
        if ends && let Some((kind, scope, value)) = current.take() {
            found.take_block(rules, people, &block, (kind, scope), &value);
            block.clear();
        }
        let Some((of, record, from, to)) = next else { return Ok(found) };
        if of.is_some() {
            current = of;
        }
        if let Some(record) = record {
            block.push((u32::try_from(record).unwrap_or(u32::MAX), from, to));
        }
        cursor.advance();
    }
}

impl Found {
    fn take_block(
        &mut self,
        rules: &Rules,
        people: &[Person],
        block: &[(u32, Option<i64>, Option<i64>)],
        kind: KindScope,
        value: &str,
    ) {
        let Some((at, rule)) = rules.identifiers.iter().enumerate().find(|(_, rule)| rule.kind == kind.0) else {
            return;
        };
        if rule.unique {
            let hash = blake3::hash(value.as_bytes());
            let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
            let hash = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            self.unique.extend(block.iter().map(|(record, ..)| (*record, number, hash)));
        }
        if !rule.strong || block.len() < 2 {
            return;
        }
        const DAY: i64 = 86_400_000_000;
        let day = |micros: Option<i64>| micros.and_then(|micros| i32::try_from(micros.div_euclid(DAY)).ok());
        let members: Vec<certain::Member> = block
            .iter()
            .filter_map(|(record, from, to)| {
                let person = people.get(*record as usize)?;
                Some(certain::Member {
                    record: *record,
                    source: person.source,
                    stub: person.stub,
                    name: person.name.as_deref(),
                    name_masked: person.masked,
                    valid_from: day(*from),
                    valid_to: day(*to),
                })
            })
            .collect();
        let outcome = certain::block_edges(&members, &rule.rule);
        // Types named first are stronger: they are joined first where a constraint lets only one of two.
        let strength = u8::try_from(255usize.saturating_sub(at)).unwrap_or_default();
        for (a, b) in outcome.edges {
            self.edges.push(Edge { a, b, strength });
            self.kinds.push(((a, b), kind.clone()));
        }
        self.vetoed.extend(outcome.vetoed.into_iter().map(|(a, b, veto)| ((a, b), kind.clone(), veto)));
        if let Some(refusal) = outcome.refused {
            let cap = match refusal {
                Refusal::TooManyNames { .. } => "max_names",
                Refusal::TooManyRecords { .. } => "max_records_per_source",
            };
            *self.refused_counts.entry(format!("{}: {cap}", kind.0)).or_default() += 1;
            self.shared.extend(members.iter().filter(|member| member.stub).map(|member| member.record));
            self.refused.extend(members.iter().map(|member| (member.record, kind.clone(), refusal)));
        }
    }

    fn table(&self, people: &[Person], clusters: &cluster::Clusters) -> Result<arrow::array::RecordBatch> {
        let key = |record: u32| people.get(record as usize).map(|person| person.key.clone());
        let mut rows: Vec<[Option<String>; 6]> = Vec::new();
        for ((a, b), (kind, scope)) in &self.kinds {
            rows.push([key(*a), key(*b), Some("certain".into()), Some(kind.clone()), Some(scope.clone()), None]);
        }
        for ((a, b), (kind, scope), veto) in &self.vetoed {
            let reason = match veto {
                Veto::Names => "their clear names are unlike",
                Veto::Validity => "they held it at different times",
                Veto::Ambiguous => "it may belong to several of the others",
            };
            let (kind, scope) = (Some(kind.clone()), Some(scope.clone()));
            rows.push([key(*a), key(*b), Some("vetoed".into()), kind, scope, Some(reason.into())]);
        }
        for (record, (kind, scope), refusal) in &self.refused {
            let reason = match refusal {
                Refusal::TooManyNames { .. } => "more unlike names share it than `max_names`",
                Refusal::TooManyRecords { .. } => "more records of one source share it than `max_records_per_source`",
            };
            let (kind, scope) = (Some(kind.clone()), Some(scope.clone()));
            rows.push([key(*record), None, Some("refused".into()), kind, scope, Some(reason.into())]);
        }
        for (a, b, _) in &clusters.refused {
            let reason = Some("a unique identifier keeps them apart".into());
            rows.push([key(*a), key(*b), Some("vetoed".into()), None, None, reason]);
        }
        rows.sort_unstable();
        let columns = (0..6).map(|column| texts(rows.iter().map(|row| row.get(column).cloned().flatten()))).collect();
        batch(&edge().schema, columns)
    }
}

/// What `identity.*` says from before.
#[derive(Default)]
struct Before {
    members: Vec<identity::Member<String, String>>,
    foundings: Vec<Founding<String, String>>,
    redirects: BTreeMap<String, String>,
    since: HashMap<String, i64>,
    source: HashMap<String, String>,
    stubs: std::collections::HashSet<String>,
    next_ordinal: i64,
}

impl Before {
    async fn load(session: &Session) -> Result<Self> {
        let mut before = Self::default();
        let doing = "read the members of before";
        let sql =
            "SELECT record_key, customer_id, source, stub, retired, since FROM identity.member ORDER BY record_key";
        let mut cursor = Cursor::new(session.stream(doing, sql).await?, doing);
        while let Some((rows, row)) = cursor.peek().await? {
            let text = |column| rows.text(column, row).unwrap_or_default().to_owned();
            let record = text(0);
            before.since.insert(record.clone(), rows.number(5, row).unwrap_or_default());
            before.source.insert(record.clone(), text(2));
            if rows.flag(3, row) {
                before.stubs.insert(record.clone());
            }
            before.members.push(identity::Member { record, customer_id: text(1), retired: rows.flag(4, row) });
            cursor.advance();
        }
        let events = history(session).await?;
        before.foundings = events.foundings;
        before.redirects = events.redirects;
        before.next_ordinal = events.next_ordinal;
        Ok(before)
    }
}

/// What the events tell: who founded which id, and which ids are part of others.
#[derive(Default)]
pub(crate) struct History {
    pub foundings: Vec<Founding<String, String>>,
    pub redirects: BTreeMap<String, String>,
    pub next_ordinal: i64,
}

pub(crate) async fn history(session: &Session) -> Result<History> {
    let doing = "read the events of before";
    let sql = "SELECT kind, customer_id, other_id, record_key, generation, ordinal FROM identity.event \
               WHERE kind IN ('created', 'merged', 'revived') ORDER BY ordinal";
    let mut cursor = Cursor::new(session.stream(doing, sql).await?, doing);
    let mut history = History::default();
    while let Some((rows, row)) = cursor.peek().await? {
        let text = |column| rows.text(column, row).unwrap_or_default().to_owned();
        match rows.text(0, row) {
            Some("created") => {
                let generation = rows.number(4, row).and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
                history.foundings.push(Founding { customer_id: text(1), record: text(3), generation });
            }
            Some("merged") => {
                let (from, into) = (text(1), text(2));
                for current in history.redirects.values_mut().filter(|current| **current == from) {
                    current.clone_from(&into);
                }
                history.redirects.insert(from, into);
            }
            _ => {
                history.redirects.remove(&text(1));
            }
        }
        cursor.advance();
    }
    let last = session.count(doing, "SELECT coalesce(max(ordinal), 0) FROM identity.event").await?;
    history.next_ordinal = i64::try_from(last).unwrap_or_default() + 1;
    Ok(history)
}

fn event_rows(
    events: &[Event<String, String>],
    founded: &[Founding<String, String>],
    first: i64,
    number: i64,
    run: &str,
    counts: &mut Counts,
) -> Result<arrow::array::RecordBatch> {
    type Row = (&'static str, Option<String>, Option<String>, Option<String>, Option<i64>);
    let rows: Vec<Row> = events
        .iter()
        .map(|event| match event.clone() {
            Event::Created { id } => {
                let founding = founded.binary_search_by(|f| f.customer_id.cmp(&id)).ok().and_then(|at| founded.get(at));
                let generation = founding.map(|founding| i64::from(founding.generation));
                ("created", Some(id), None, founding.map(|founding| founding.record.clone()), generation)
            }
            Event::Revived { id } => ("revived", Some(id), None, None, None),
            Event::Merged { from, into } => ("merged", Some(from), Some(into), None, None),
            Event::Split { from, to } => ("split", Some(from), Some(to), None, None),
            Event::Retired { id } => ("retired", Some(id), None, None, None),
            Event::MemberJoined { record, to } => ("member_joined", None, Some(to), Some(record), None),
            Event::MemberMoved { record, from, to } => ("member_moved", Some(from), Some(to), Some(record), None),
            Event::MemberLeft { record, from } => ("member_left", Some(from), None, Some(record), None),
        })
        .collect();
    for (kind, ..) in &rows {
        *counts.events.entry((*kind).to_owned()).or_default() += 1;
    }
    batch(
        &event().schema,
        vec![
            numbers(rows.iter().map(|_| Some(number))),
            numbers((first..).zip(&rows).map(|(ordinal, _)| Some(ordinal))),
            texts(rows.iter().map(|row| Some(row.0))),
            texts(rows.iter().map(|row| row.1.clone())),
            texts(rows.iter().map(|row| row.2.clone())),
            texts(rows.iter().map(|row| row.3.clone())),
            numbers(rows.iter().map(|row| row.4)),
            texts(rows.iter().map(|_| Some(run))),
        ],
    )
}
