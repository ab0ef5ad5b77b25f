//! What stewards have said of pairs of records: table `identity.decision`.
//!
//! Lines are added and never changed; of a pair the newest counts. Decisions go before all evidence, and stay through rebuilds and
//! new models.

use std::collections::BTreeMap;

use chrono::Utc;
use serde::Serialize;
use tributary_engine::{Error, Result, Session, rewrite};
use tributary_lake::{Lake, StageCommit, StageLog, TableName};
use tributary_linkage::forest::Forest;

use crate::batch::{Cursor, batch, numbers, texts};
use crate::id::RecordKey;
use crate::tables::decision as table;

/// Whose commits decisions are, in the lake.
pub(crate) const STAGE: &str = "decision";

/// What is said of two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They are one person, whatever else is known.
    Same,
    /// They are two persons, whatever else is known.
    Apart,
    /// Nothing any more: the evidence decides again.
    Open,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Apart => "apart",
            Self::Open => "open",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Same, Self::Apart, Self::Open].into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// The decisions that count, by numbers of records, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    pub same: Vec<(u32, u32)>,
    pub apart: Vec<(u32, u32)>,
    /// Of records that are not there (any more).
    pub absent: u64,
    /// The pairs that anything was ever said of, with the newest line on each.
    pub lines: Vec<(i64, RecordKey, RecordKey)>,
}

/// Pairs with the line that counts and its verdict.
async fn standing(session: &Session) -> Result<BTreeMap<(RecordKey, RecordKey), (i64, Verdict)>> {
    let doing = "read the decisions of stewards";
    let sql = "SELECT number, a, b, verdict FROM identity.decision ORDER BY number";
    let mut cursor = Cursor::new(session.stream(doing, sql).await?, doing);
    let mut found = BTreeMap::new();
    while let Some((rows, row)) = cursor.peek().await? {
        let number = rows.number(0, row).unwrap_or_default();
        let Some(verdict) = Verdict::of(rows.text(3, row).unwrap_or_default()) else {
            let why = format!("line {number} has a verdict that is none");
            return Err(tributary_lake::Error::Damaged { what: table().name.to_string(), why }.into());
        };
        let pair = (
            RecordKey::new(rows.text(1, row).unwrap_or_default())?,
            RecordKey::new(rows.text(2, row).unwrap_or_default())?,
        );
        found.insert(pair, (number, verdict));
        cursor.advance();
    }
    Ok(found)
}

impl Decisions {
    /// `number` gives a record's by its key, of those that are there.
    pub async fn read(session: &Session, number: impl Fn(RecordKey) -> Option<u32>) -> Result<Self> {
        let mut standing: Vec<_> = standing(session).await?.into_iter().collect();
        standing.sort_unstable_by_key(|(_, (number, _))| *number);
        let mut decisions = Self::default();
        for ((a, b), (line, verdict)) in standing {
            decisions.lines.push((line, a, b));
            match (number(a), number(b), verdict) {
                (.., Verdict::Open) => {}
                (Some(a), Some(b), Verdict::Same) => decisions.same.push((a, b)),
                (Some(a), Some(b), Verdict::Apart) => decisions.apart.push((a, b)),
                _ => decisions.absent += 1,
            }
        }
        Ok(decisions)
    }
}

/// A decision as it was taken.
#[derive(Debug, Clone, Serialize)]
pub struct Decided {
    pub number: i64,
    pub a: String,
    pub b: String,
    pub verdict: Verdict,
    /// What was said of the pair before.
    pub before: Option<Verdict>,
}

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("`{0}` is no record and no customer of this lake")]
    Unknown(String),
    #[error("`{0}` and `{1}` stand for one record")]
    OneRecord(String, String),
    /// The two records that were and would be.
    #[error(
        "records `{a}` and `{b}` would be one person and two: decision {decision} and others contradict each other"
    )]
    Contradiction { a: String, b: String, decision: i64 },
    #[error(transparent)]
    Engine(#[from] Error),
}

impl Refused {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unknown(_) => Some("`tributary why LAKE CUSTOMER` shows the keys of a customer's records"),
            Self::OneRecord(..) => {
                Some("name two of the customer's records by their keys, as `tributary why LAKE CUSTOMER` shows them")
            }
            Self::Contradiction { .. } => Some("take the decision that is wrong back with `--open`, then decide again"),
            Self::Engine(_) => None,
        }
    }
}

impl From<tributary_lake::Error> for Refused {
    fn from(e: tributary_lake::Error) -> Self {
        Self::Engine(e.into())
    }
}

/// A pair to decide on, and who says what of it, and why.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// Keys of records, or ids of customers, which stand for the record that each has had longest.
    pub pair: (&'a str, &'a str),
    pub verdict: Verdict,
    pub by: Option<&'a str>,
    pub reason: Option<&'a str>,
}

/// Takes a decision down. The next run of the merge heeds it.
///
/// # Errors
/// [`Refused`], and nothing is taken down.
pub async fn decide(lake: &Lake, session: &Session, said: Statement<'_>) -> std::result::Result<Decided, Refused> {
    let mut log = StageLog::open(lake, STAGE).await?;
    let spec = table();
    session.register(&lake.ensure_table(&spec).await?)?;
    session.load(&TableName::new("identity", "member")).await?;
    let (first, second) = (meant(session, said.pair.0).await?, meant(session, said.pair.1).await?);
    let asked = || (said.pair.0.to_owned(), said.pair.1.to_owned());
    if first == second {
        let (a, b) = asked();
        return Err(Refused::OneRecord(a, b));
    }
    let pair = (first.min(second), first.max(second));
    let mut standing = standing(session).await?;
    let number = log.next_number();
    let before = standing.insert(pair, (number, said.verdict)).map(|(_, verdict)| verdict);
    if let Some((a, b, decision)) = contradiction(&standing) {
        let [a, b] = [a, b].map(|id| id.text().as_ref().to_owned());
        return Err(Refused::Contradiction { a, b, decision });
    }
    let row = batch(
        &spec.schema,
        vec![
            numbers([Some(number)]),
            texts([Some(pair.0.text())]),
            texts([Some(pair.1.text())]),
            texts([Some(said.verdict.as_str())]),
            texts([said.by]),
            texts([said.reason]),
            numbers([Some(Utc::now().timestamp_micros())]),
        ],
    )?;
    let (change, _) = rewrite(lake, &spec, false, futures::stream::iter([Ok(row)])).await?;
    let commit = StageCommit {
        run: String::new(),
        fingerprint: BTreeMap::new(),
        inputs: BTreeMap::new(),
        owns: vec![spec.name.clone()],
        changes: [(spec.name, change)].into(),
        notes: serde_json::Value::Null,
    };
    log.commit(lake, commit).await?;
    Ok(Decided {
        number,
        a: pair.0.text().as_ref().to_owned(),
        b: pair.1.text().as_ref().to_owned(),
        verdict: said.verdict,
        before: before.filter(|before| *before != Verdict::Open),
    })
}

/// The record that a key or a customer's id stands for.
async fn meant(session: &Session, text: &str) -> std::result::Result<RecordKey, Refused> {
    let quoted = text.replace('\'', "''");
    let doing = "look up a record";
    let sql = format!(
        "SELECT record_key FROM identity.member WHERE NOT retired AND (record_key = '{quoted}' OR customer_id = '{quoted}') \
         ORDER BY since, record_key LIMIT 1"
    );
    let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
    match cursor.peek().await? {
        Some((rows, row)) => Ok(RecordKey::new(rows.text(0, row).unwrap_or_default())?),
        None => Err(Refused::Unknown(text.to_owned())),
    }
}

/// Two records that are apart by a decision and one person by others.
fn contradiction(standing: &BTreeMap<(RecordKey, RecordKey), (i64, Verdict)>) -> Option<(RecordKey, RecordKey, i64)> {
    let mut ids: Vec<RecordKey> = standing.keys().flat_map(|(a, b)| [*a, *b]).collect();
    ids.sort_unstable();
    ids.dedup();
    let number = |id: &RecordKey| ids.binary_search(id).ok().and_then(|at| u32::try_from(at).ok()).unwrap_or_default();
    let mut forest = Forest::new(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    for ((a, b), _) in standing.iter().filter(|(_, (_, verdict))| *verdict == Verdict::Same) {
        let (a, b) = (forest.find(number(a)), forest.find(number(b)));
        if a != b {
            forest.union(a, b);
        }
    }
    let mut apart = standing.iter().filter(|(_, (_, verdict))| *verdict == Verdict::Apart);
    let found = apart.find(|((a, b), _)| forest.find(number(a)) == forest.find(number(b)));
    found.map(|((a, b), (decision, _))| (*a, *b, *decision))
}
