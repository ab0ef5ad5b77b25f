//! Likely edges of parties: their features, the stored model, and what a comparison says.
//!
//! Of each party there are compared its name, birthday, gender and address, its first phone and e-mail, and its first
//! identifier of each of at most eight types and scopes. A model is trained once there are enough records, kept in
//! `identity.model`, and stays as it is until a new one is asked for.

use arrow::array::RecordBatch;
use tributary_engine::{Error, Result, Session};
use tributary_lake::{Lake, TableName};
use tributary_linkage::explain::{Explanation, explain};
use tributary_linkage::model::VERSION;
use tributary_linkage::{Builder, Features, Kind, Model, Options, train};

use crate::batch::{Cursor, batch, numbers, texts};
use crate::id::RecordKey;
use crate::profile::{Profile, named};
use crate::records::{Read, Reader, Sources};
use crate::rules::Rules;
use crate::tables::model as model_table;

/// A model of fewer records would say more of chance than of them.
pub(crate) const FEWEST: usize = 200;
/// So many identifiers are compared besides phone and e-mail.
const MOST_CODES: usize = 8;

/// Takes parties to compare, in the order of their keys.
pub(crate) struct Comparing {
    builder: Builder,
    codes: Vec<String>,
    /// Of each party its number among the records.
    numbers: Vec<u32>,
}

/// The parties as they are compared.
pub(crate) struct Parties {
    pub features: Features,
    /// Of each party its number among the records.
    pub numbers: Vec<u32>,
}

impl Comparing {
    /// `codes` are the identifiers that are compared besides phone and e-mail.
    pub fn new(lake: &Lake, codes: Vec<String>) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = lake.key("match");
        let names: Vec<&str> = codes.iter().map(String::as_str).collect();
        let builder = Builder::new(u64::from_le_bytes([a, b, c, d, e, f, g, h]), &names);
        Self { builder, codes, numbers: vec![] }
    }

    pub fn take(&mut self, number: u32, key: RecordKey, source: u32, profile: &Profile) {
        profile.push(&mut self.builder, &self.codes, key.hash(), source);
        self.numbers.push(number);
    }

    pub fn finish(self) -> Parties {
        Parties { features: self.builder.finish(), numbers: self.numbers }
    }
}

/// The identifiers that a model compares.
pub(crate) fn codes_of(model: &Model) -> Vec<String> {
    let codes = model.comparisons.iter().filter(|comparison| comparison.kind == Kind::Code);
    codes.map(|comparison| comparison.name.clone()).collect()
}

/// The identifiers that a new model is to compare: those that most records have.
pub(crate) async fn codes(session: &Session, rules: &Rules) -> Result<Vec<String>> {
    let doing = "count the identifiers to compare";
    let sql = format!(
        "SELECT type, scope FROM clean.party_identifier WHERE type NOT IN ('phone', 'email'{}) AND NOT masked \
         GROUP BY type, scope ORDER BY count(DISTINCT record_key) DESC, type, scope LIMIT {MOST_CODES}",
        rules.ignored_sql()
    );
    let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
    let mut found = vec![];
    while let Some((rows, row)) = cursor.peek().await? {
        found.push(named(rows.text(0, row).unwrap_or_default(), rows.text(1, row).unwrap_or_default()));
        cursor.advance();
    }
    Ok(found)
}

/// A model and the number under which it is kept.
pub struct Kept {
    pub number: i64,
    pub model: Model,
}

/// The newest model of the lake, if there is one that this version can read. `identity.model` must be registered.
///
/// # Errors
/// If the table cannot be read, or what is in it.
pub async fn newest(session: &Session) -> Result<Option<Kept>> {
    let doing = "read the match model";
    let sql =
        format!("SELECT number, model FROM identity.model WHERE version = {VERSION} ORDER BY number DESC LIMIT 1");
    let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
    let Some((rows, row)) = cursor.peek().await? else { return Ok(None) };
    let model = serde_json::from_str(rows.text(1, row).unwrap_or_default()).map_err(|e| {
        let what = format!("the model of line {} of `identity.model`", rows.number(0, row).unwrap_or_default());
        Error::Lake(tributary_lake::Error::Damaged { what, why: e.to_string() })
    })?;
    Ok(Some(Kept { number: rows.number(0, row).unwrap_or_default(), model }))
}

/// A row of `identity.model`.
pub(crate) fn row(number: i64, run: &str, model: &Model) -> Result<RecordBatch> {
    let text = serde_json::to_string(model).map_err(|e| {
        let why = format!("the model cannot be written: {e}");
        Error::Ledger { stage: crate::people::STAGE.into(), why }
    })?;
    let records = i64::try_from(model.records).ok();
    batch(
        &model_table().schema,
        vec![
            numbers([Some(number)]),
            numbers([Some(i64::from(VERSION))]),
            texts([Some(run)]),
            numbers([records]),
            texts([Some(text)]),
        ],
    )
}

/// A new model of the parties, if they are enough.
pub(crate) fn trained(features: &Features, between_sources: bool) -> Option<Model> {
    (features.len() >= FEWEST).then(|| train(features, &Options { between_sources, ..Options::default() }))
}

/// Why two records are one person, or are not, as the newest model of the lake sees it.
pub struct Compared {
    pub explanation: Explanation,
    /// The number of the model in `identity.model`.
    pub model: i64,
    /// The probability from which on a pair is an edge.
    pub threshold: f64,
}

/// Compares two records. `None` if one of them is no party, or there is no model.
///
/// # Errors
/// If the lake cannot be read.
pub async fn compare(session: &Session, a: &str, b: &str) -> Result<Option<Compared>> {
    for name in [("identity", "model"), ("clean", "party"), ("clean", "party_identifier")] {
        if session.load(&TableName::new(name.0, name.1)).await?.is_none() {
            return Ok(None);
        }
    }
    let Some(Kept { number, model }) = newest(session).await? else { return Ok(None) };
    let both = format!("WHERE record_key IN ('{}', '{}')", a.replace('\'', "''"), b.replace('\'', "''"));
    let mut comparing = Comparing::new(session.lake(), codes_of(&model));
    let mut sources = Sources::default();
    let mut reader = Reader::some(session, &both).await?;
    while let Some(Read { key, profile, .. }) = reader.next().await? {
        comparing.take(0, key, sources.number(profile.source), &profile);
    }
    let Parties { features, .. } = comparing.finish();
    Ok((features.len() == 2).then(|| Compared {
        explanation: explain(&model, &features, 0, 1),
        model: number,
        threshold: model.threshold,
    }))
}
