//! The stage that makes golden records: tables `customer.*`.
//!
//! Records, their identifiers and their customer come as streams sorted by customer id; one customer is held at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::RecordBatch;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tributary_engine::{Error, Result, Session, rewrite};
use tributary_lake::{Lake, StageCommit, StageLog, TableName, TableSpec, TableWriter, WriterOptions};

use crate::batch::{Cursor, batch, flags, numbers, texts};
use crate::id::CustomerId;
use crate::people::{history, reasons};
use crate::records::stub_key;
use crate::rules::{FieldRule, Rules};
use crate::survive::{Candidate, Strategy, choose};
use crate::tables::{attribution, customer, provenance, redirect};

/// The stage's name in the lake.
pub const STAGE: &str = "customer";
const VERSION: &str = "1";
/// How many customers go into one batch.
const BATCH: usize = 8192;

/// The columns of `clean.party` that survive by themselves or in groups. The first names the group in `[merge.survivorship]`.
const GROUPS: &[&[&str]] = &[
    &["name", "family_name", "given_name"],
    &["gender"],
    &["birthday"],
    &["company"],
    &["language"],
    &["segment"],
    &["address", "country", "province", "city", "district", "street", "postcode"],
];
/// Columns of a party as the query reads them, after `customer_id, record_key, source, source_ts, joined_at, name_masked`.
const PARTY: &[&str] = &[
    "name",
    "family_name",
    "given_name",
    "gender",
    "birthday",
    "company",
    "language",
    "segment",
    "country",
    "province",
    "city",
    "district",
    "street",
    "postcode",
];
const IDENTIFIERS: &[&str] = &["phone", "email", "member_no"];

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
    let mut changes = golden(lake, session, rules, &mut counts).await?;

    let redirects = history(session).await?.redirects;
    let text = |id: &CustomerId| Some(id.text());
    let rows = vec![texts(redirects.keys().map(text)), texts(redirects.values().map(text))];
    let rows = batch(&redirect().schema, rows)?;
    changes.insert(redirect().name, rewrite(lake, &redirect(), true, stream::iter([Ok(rows)])).await?.0);
    changes.insert(attribution().name, attribute(lake, session, rules, &inputs, &mut counts).await?);
    changes.retain(|_, change| !change.adds.is_empty() || !change.removes.is_empty());

    let owns = [customer(), provenance(), redirect(), attribution()].map(|spec| spec.name).to_vec();
    let notes = serde_json::to_value(&counts).unwrap_or_default();
    let commit = StageCommit { run: run.into(), fingerprint: fingerprint(rules), inputs, owns, changes, notes };
    let versions = log.commit(lake, commit).await?;
    Ok(Outcome { reasons, counts, versions })
}

type Changes = BTreeMap<TableName, tributary_lake::TableChange>;

/// Which customer each order (answer, visit) belongs to: by the first type of identifier that names one.
async fn attribute(
    lake: &Lake,
    session: &Session,
    rules: &Rules,
    inputs: &BTreeMap<String, i64>,
    counts: &mut Counts,
) -> Result<tributary_lake::TableChange> {
    let doing = "attach orders to customers";
    let order: String = rules
        .identifiers
        .iter()
        .enumerate()
        .map(|(at, rule)| format!(" WHEN '{}' THEN {at}", rule.kind.replace('\'', "''")))
        .collect();
    let order = if order.is_empty() { "0".to_owned() } else { format!("CASE e.type{order} ELSE 999 END") };
    let sql = format!(
        "SELECT entity, record_key, customer_id, type FROM (SELECT e.entity, e.record_key, m.customer_id, e.type, \
         row_number() OVER (PARTITION BY e.entity, e.record_key ORDER BY {order}, e.type, m.customer_id) AS rank \
         FROM (SELECT *, {} AS stub FROM clean.event_identifier WHERE NOT masked) e \
         JOIN identity.member m ON m.record_key = e.stub WHERE NOT m.retired AND NOT m.shared) WHERE rank = 1",
        stub_key(lake)
    );
    let rows = session.stream(doing, &sql).await?.map(|rows| rows.map_err(Error::query(doing)));
    let (change, written) = rewrite(lake, &attribution(), true, rows).await?;
    let mut attributed = 0;
    let sql = format!("SELECT entity, count(DISTINCT record_key) AS events FROM ({sql}) GROUP BY entity");
    let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
    let mut known: BTreeMap<String, u64> = BTreeMap::new();
    while let Some((rows, row)) = cursor.peek().await? {
        let events = rows.number(1, row).and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        attributed += events;
        known.insert(rows.text(0, row).unwrap_or_default().to_owned(), events);
        cursor.advance();
    }
    if attributed != written {
        let why = format!("{attributed} orders and the like have a customer and {written} were written");
        return Err(Error::Ledger { stage: STAGE.into(), why });
    }
    let named = session.collect(doing, "SELECT DISTINCT entity FROM clean.event_identifier").await?;
    let mut entities = BTreeSet::new();
    for batch in &named {
        let rows = crate::batch::Rows::new(batch)?;
        entities.extend((0..rows.len).filter_map(|row| rows.text(0, row).map(str::to_owned)));
    }
    for entity in entities.iter().filter(|entity| inputs.contains_key(&format!("clean.{entity}"))) {
        let all = session.count(doing, &format!("SELECT count(*) FROM clean.\"{entity}\"")).await?;
        let with = known.get(entity).copied().unwrap_or_default();
        counts.attributed.insert(entity.clone(), (with, all.saturating_sub(with)));
    }
    Ok(change)
}

/// One record of the customer at hand.
struct Party {
    record: String,
    source: String,
    at: Option<i64>,
    joined: Option<i64>,
    masked: bool,
    /// As [`PARTY`]; a birthday as its days.
    values: Vec<Option<String>>,
}

struct Identifier {
    record: String,
    source: String,
    at: Option<i64>,
    kind: String,
    value: String,
    masked: bool,
}

#[derive(Default)]
struct Golden {
    id: String,
    values: BTreeMap<&'static str, String>,
    name_masked: bool,
    phone_masked: bool,
    joined: Option<i64>,
    at: Option<i64>,
    records: i64,
    sources: BTreeSet<String>,
    stub: bool,
    /// Field, record, source, rule.
    provenance: Vec<(&'static str, String, String, String)>,
}

async fn golden(lake: &Lake, session: &Session, rules: &Rules, counts: &mut Counts) -> Result<Changes> {
    let doing = "read the records of customers";
    let columns: Vec<_> = PARTY.iter().map(|name| format!("p.{name}")).collect();
    let parties = format!(
        "SELECT m.customer_id, p.record_key, p.source, p.source_ts, p.joined_at, p.name_masked, {} FROM identity.member m \
         JOIN clean.party p ON p.record_key = m.record_key WHERE NOT m.retired ORDER BY m.customer_id, p.record_key",
        columns.join(", ")
    );
    let identifiers = format!(
        "SELECT m.customer_id, i.record_key, i.source, i.at, i.type, i.value, i.masked FROM identity.member m JOIN \
         (SELECT i.record_key, i.source, p.source_ts AS at, i.type, i.value, i.masked FROM clean.party_identifier i \
         JOIN clean.party p ON p.record_key = i.record_key UNION ALL SELECT {} AS record_key, min(source) AS source, \
         CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS at, type, value, false AS masked FROM clean.event_identifier \
         WHERE NOT masked GROUP BY type, scope, value) i ON i.record_key = m.record_key WHERE NOT m.retired \
         ORDER BY m.customer_id, i.record_key, i.type, i.value",
        stub_key(lake)
    );
    let customers = "SELECT customer_id, bool_and(stub) AS stub FROM identity.member WHERE NOT retired \
                     GROUP BY customer_id ORDER BY customer_id";
    let mut parties = Cursor::new(session.stream(doing, &parties).await?, doing);
    let mut identifiers = Cursor::new(session.stream(doing, &identifiers).await?, doing);
    let mut customers = Cursor::new(session.stream(doing, customers).await?, doing);

    let mut written = Written::open(lake).await?;
    let mut pending: Vec<Golden> = Vec::new();
    let mut sources: HashMap<String, u32> = HashMap::new();
    let (mut records, mut of_parties) = (0u64, 0i64);
    while let Some((rows, row)) = customers.peek().await? {
        let id = rows.text(0, row).unwrap_or_default().to_owned();
        let stub = rows.flag(1, row);
        customers.advance();
        let mut group = Vec::new();
        while let Some((rows, row)) = parties.peek().await? {
            if rows.text(0, row) != Some(id.as_str()) {
                break;
            }
            let text = |column| rows.text(column, row).map(str::to_owned);
            group.push(Party {
                record: text(1).unwrap_or_default(),
                source: text(2).unwrap_or_default(),
                at: rows.number(3, row),
                joined: rows.number(4, row),
                masked: rows.flag(5, row),
                values: (0..PARTY.len())
                    .map(|at| text(6 + at).or_else(|| rows.number(6 + at, row).map(|days| days.to_string())))
                    .collect(),
            });
            parties.advance();
        }
        let mut known = Vec::new();
        while let Some((rows, row)) = identifiers.peek().await? {
            if rows.text(0, row) != Some(id.as_str()) {
                break;
            }
            let text = |column| rows.text(column, row).unwrap_or_default().to_owned();
            known.push(Identifier {
                record: text(1),
                source: text(2),
                at: rows.number(3, row),
                kind: text(4),
                value: text(5),
                masked: rows.flag(6, row),
            });
            identifiers.advance();
        }
        *if stub { &mut counts.stub_customers } else { &mut counts.customers } += 1;
        records += 1;
        of_parties += group.len() as i64;
        pending.push(survive(id, stub, &group, &known, rules, &mut sources));
        if pending.len() >= BATCH {
            written.write(&std::mem::take(&mut pending)).await?;
        }
    }
    written.write(&pending).await?;
    let expected = session.count(doing, "SELECT count(*) FROM identity.member WHERE NOT retired AND NOT stub").await?;
    if u64::try_from(of_parties).unwrap_or_default() != expected {
        let why = format!("customers have {expected} records and {of_parties} were read");
        return Err(Error::Ledger { stage: STAGE.into(), why });
    }
    written.finish(records).await
}

/// The values of one customer.
fn survive(
    id: String,
    stub: bool,
    parties: &[Party],
    identifiers: &[Identifier],
    rules: &Rules,
    sources: &mut HashMap<String, u32>,
) -> Golden {
    let mut golden = Golden { id, stub, records: parties.len() as i64, ..Golden::default() };
    let mut number = |source: &str| {
        let next = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        *sources.entry(source.to_owned()).or_insert(next)
    };
    for party in parties {
        golden.sources.insert(party.source.clone());
        golden.joined = [golden.joined, party.joined].into_iter().flatten().min();
        golden.at = golden.at.max(party.at);
    }
    for group in GROUPS {
        let Some(field) = group.first() else { continue };
        let members: Vec<usize> = group.iter().filter_map(|name| PARTY.iter().position(|at| at == name)).collect();
        let joined: Vec<String> = parties
            .iter()
            .map(|party| {
                let values =
                    members.iter().map(|at| party.values.get(*at).and_then(Option::as_deref).unwrap_or_default());
                values.collect::<Vec<_>>().join("\u{1f}").trim_matches('\u{1f}').to_owned()
            })
            .collect();
        let candidates: Vec<Candidate> = parties
            .iter()
            .zip(&joined)
            .enumerate()
            .map(|(at, (party, value))| Candidate {
                record: u32::try_from(at).unwrap_or(u32::MAX),
                source: number(&party.source),
                at: party.at,
                value,
                masked: *field == "name" && party.masked,
                completeness: u32::try_from(
                    members.iter().filter(|at| party.values.get(**at).is_some_and(Option::is_some)).count(),
                )
                .unwrap_or_default(),
            })
            .collect();
        let rule = rules.field(field);
        let Some(winner) = choose(&strategy(rule, &mut number), &candidates).and_then(|at| parties.get(at)) else {
            continue;
        };
        for at in members {
            if let (Some(name), Some(Some(value))) = (PARTY.get(at), winner.values.get(at)) {
                golden.values.insert(name, value.clone());
            }
        }
        if *field == "name" {
            golden.name_masked = winner.masked;
        }
        golden.provenance.push((field, winner.record.clone(), winner.source.clone(), describe(rule)));
    }
    for kind in IDENTIFIERS {
        let held: Vec<&Identifier> = identifiers.iter().filter(|identifier| identifier.kind == *kind).collect();
        let candidates: Vec<Candidate> = held
            .iter()
            .enumerate()
            .map(|(at, identifier)| Candidate {
                record: u32::try_from(at).unwrap_or(u32::MAX),
                source: number(&identifier.source),
                at: identifier.at,
                value: &identifier.value,
                masked: identifier.masked,
                completeness: 1,
            })
            .collect();
        let rule = rules.field(kind);
        let Some(winner) = choose(&strategy(rule, &mut number), &candidates).and_then(|at| held.get(at)) else {
            continue;
        };
        golden.values.insert(kind, winner.value.clone());
        if *kind == "phone" {
            golden.phone_masked = winner.masked;
        }
        golden.provenance.push((kind, winner.record.clone(), winner.source.clone(), describe(rule)));
    }
    golden
}

fn strategy(rule: &FieldRule, number: &mut impl FnMut(&str) -> u32) -> Strategy {
    match rule {
        FieldRule::MostRecent => Strategy::MostRecent,
        FieldRule::MostComplete => Strategy::MostComplete,
        FieldRule::MostFrequent => Strategy::MostFrequent,
        FieldRule::Prefer(sources) => Strategy::Prefer(sources.iter().map(|source| number(source)).collect()),
    }
}

fn describe(rule: &FieldRule) -> String {
    match rule {
        FieldRule::MostRecent => "most_recent".into(),
        FieldRule::MostComplete => "most_complete".into(),
        FieldRule::MostFrequent => "most_frequent".into(),
        FieldRule::Prefer(sources) => format!("prefer {}", sources.join(", ")),
    }
}

struct Written {
    customers: (TableSpec, TableWriter, u64),
    provenance: (TableSpec, TableWriter, u64),
    removes: BTreeMap<TableName, Vec<tributary_lake::DataFile>>,
}

impl Written {
    async fn open(lake: &Lake) -> Result<Self> {
        let mut removes = BTreeMap::new();
        for spec in [customer(), provenance()] {
            let table = lake.ensure_table(&spec).await?;
            removes.insert(spec.name, table.files()?);
        }
        let open = |spec: TableSpec| {
            let writer = TableWriter::new(lake, &spec, WriterOptions::default());
            (spec, writer, 0)
        };
        Ok(Self { customers: open(customer()), provenance: open(provenance()), removes })
    }

    async fn write(&mut self, rows: &[Golden]) -> Result<()> {
        let (customers, provenance) = (customer_rows(rows)?, provenance_rows(rows)?);
        for ((_, writer, count), batch) in [(&mut self.customers, customers), (&mut self.provenance, provenance)] {
            *count += batch.num_rows() as u64;
            writer.write(&batch).await?;
        }
        Ok(())
    }

    async fn finish(mut self, customers: u64) -> Result<Changes> {
        let mut changes = Changes::new();
        if self.customers.2 != customers {
            let why = format!("there are {customers} customers and {} golden records", self.customers.2);
            return Err(Error::Ledger { stage: STAGE.into(), why });
        }
        for (spec, writer, count) in [self.customers, self.provenance] {
            let adds = writer.finish().await?;
            let written: u64 = adds.iter().map(|file| file.rows).sum();
            if written != count {
                let why = format!("{count} rows were made for `{}` and {written} written", spec.name);
                return Err(Error::Ledger { stage: STAGE.into(), why });
            }
            let removes = self.removes.remove(&spec.name).unwrap_or_default();
            changes.insert(spec.name, tributary_lake::TableChange { adds, removes });
        }
        Ok(changes)
    }
}

fn customer_rows(rows: &[Golden]) -> Result<RecordBatch> {
    let value = |name: &'static str| texts(rows.iter().map(move |row| row.values.get(name)));
    batch(
        &customer().schema,
        vec![
            texts(rows.iter().map(|row| Some(&row.id))),
            value("name"),
            value("family_name"),
            value("given_name"),
            flags(rows.iter().map(|row| row.name_masked)),
            value("gender"),
            numbers(rows.iter().map(|row| row.values.get("birthday").and_then(|days| days.parse().ok()))),
            value("phone"),
            flags(rows.iter().map(|row| row.phone_masked)),
            value("email"),
            value("member_no"),
            value("company"),
            value("language"),
            value("segment"),
            value("country"),
            value("province"),
            value("city"),
            value("district"),
            value("street"),
            value("postcode"),
            numbers(rows.iter().map(|row| row.joined)),
            numbers(rows.iter().map(|row| row.at)),
            numbers(rows.iter().map(|row| Some(row.records))),
            texts(rows.iter().map(|row| Some(row.sources.iter().cloned().collect::<Vec<_>>().join(", ")))),
            flags(rows.iter().map(|row| row.stub)),
        ],
    )
}

fn provenance_rows(rows: &[Golden]) -> Result<RecordBatch> {
    let all = || rows.iter().flat_map(|row| row.provenance.iter().map(move |given| (row, given)));
    batch(
        &provenance().schema,
        vec![
            texts(all().map(|(row, _)| Some(&row.id))),
            texts(all().map(|(_, given)| Some(given.0))),
            texts(all().map(|(_, given)| Some(&given.1))),
            texts(all().map(|(_, given)| Some(&given.2))),
            texts(all().map(|(_, given)| Some(&given.3))),
        ],
    )
}
