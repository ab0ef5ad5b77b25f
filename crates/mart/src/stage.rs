//! The stage that makes the `mart` tables.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tributary_engine::{Error, Result, Session, rewrite};
use tributary_lake::{Lake, StageCommit, StageLog, TableName};

use crate::{AsOf, Parameters, lifecycle, purchase, rfm, sales};

/// The stage's name in the lake.
pub const STAGE: &str = "mart";
const VERSION: &str = "1";
const INPUTS: [(&str, &str); 5] = [
    ("clean", "order"),
    ("clean", "order_line"),
    ("clean", "refund"),
    ("customer", "customer"),
    ("customer", "attribution"),
];

/// What the stage counted: rows by table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub as_of: Option<NaiveDate>,
    pub rows: BTreeMap<String, u64>,
}

/// What a run of the stage did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub reasons: Vec<String>,
    pub counts: Counts,
    pub versions: BTreeMap<TableName, u64>,
}

fn fingerprint(parameters: &Parameters) -> BTreeMap<String, String> {
    let rules = blake3::hash(
        format!("{:?} {:?}", Parameters { as_of: AsOf::MaxEvent, ..parameters.clone() }, crate::SEGMENTS).as_bytes(),
    );
    [
        ("stage".into(), VERSION.into()),
        ("`[mart]`".into(), rules.to_hex()[..16].to_owned()),
        ("`as_of`".into(), format!("{:?}", parameters.as_of)),
    ]
    .into()
}

async fn inputs(lake: &Lake) -> Result<BTreeMap<String, i64>> {
    let mut found = BTreeMap::new();
    for (layer, name) in INPUTS {
        let name = TableName::new(layer, name);
        if let Some(table) = lake.table(&name).await? {
            found.insert(name.to_string(), StageLog::standing(lake, &table, layer).await?);
        }
    }
    Ok(found)
}

fn reasons(log: &StageLog, fingerprint: &BTreeMap<String, String>, inputs: &BTreeMap<String, i64>) -> Vec<String> {
    let Some(last) = &log.last else {
        return vec![log.missing.first().map_or("it has not run yet".into(), |table| format!("`{table}` is gone"))];
    };
    let changed = fingerprint.iter().filter(|(part, now)| last.fingerprint.get(*part) != Some(now));
    let moved = inputs.iter().filter(|(table, now)| last.inputs.get(*table) != Some(now));
    changed
        .map(|(part, _)| format!("{part} changed"))
        .chain(moved.map(|(table, _)| format!("`{table}` changed")))
        .collect()
}

/// Why the stage would run now. Changes nothing.
///
/// # Errors
/// If the lake cannot be read.
pub async fn plan(lake: &Lake, parameters: &Parameters) -> Result<Vec<String>> {
    Ok(reasons(&StageLog::peek(lake, STAGE).await?, &fingerprint(parameters), &inputs(lake).await?))
}

/// Brings `mart.*` up to the tables below.
///
/// # Errors
/// [`Error::Ledger`] if a customer is unaccounted for; nothing is committed then.
pub async fn run(lake: &Lake, session: &Session, parameters: &Parameters, run: &str) -> Result<Outcome> {
    let mut log = StageLog::open(lake, STAGE).await?;
    let inputs = inputs(lake).await?;
    let reasons = reasons(&log, &fingerprint(parameters), &inputs);
    if reasons.is_empty() {
        let counts = log.last.and_then(|last| serde_json::from_value(last.notes).ok()).unwrap_or_default();
        return Ok(Outcome { counts, ..Outcome::default() });
    }
    for (layer, name) in INPUTS {
        session.load(&TableName::new(layer, name)).await?;
    }
    let as_of = match parameters.as_of {
        AsOf::Date(date) => date,
        AsOf::MaxEvent => newest(session).await?,
    };
    let with = sales::with_sales(as_of, inputs.contains_key("clean.refund"));
    let mut counts = Counts { as_of: Some(as_of), ..Counts::default() };
    let mut changes = BTreeMap::new();
    let queries = [
        rfm::query(parameters, as_of, &with),
        purchase::query(parameters, as_of, &with),
        lifecycle::query(parameters, as_of, &with),
    ];
    let owns = queries.iter().map(|query| query.spec.name.clone()).collect();
    for query in queries {
        let doing = format!("make `{}`", query.spec.name);
        let failed = doing.clone();
        let rows = session.stream(&doing, &query.sql).await?;
        let rows = rows.map(move |rows| rows.map_err(Error::query(failed.clone())));
        let (change, written) = rewrite(lake, &query.spec, true, rows).await?;
        let expected = session.count(&doing, &query.count).await?;
        if written != expected {
            let why = format!("`{}` should have {expected} rows and has {written}", query.spec.name);
            return Err(Error::Ledger { stage: STAGE.into(), why });
        }
        counts.rows.insert(query.spec.name.to_string(), written);
        changes.insert(query.spec.name, change);
    }
    changes.retain(|_, change| !change.adds.is_empty() || !change.removes.is_empty());
    let notes = serde_json::to_value(&counts).unwrap_or_default();
    let commit = StageCommit { run: run.into(), fingerprint: fingerprint(parameters), inputs, owns, changes, notes };
    let versions = log.commit(lake, commit).await?;
    Ok(Outcome { reasons, counts, versions })
}

/// The day of the newest order; the first day of the calendar if there is none.
async fn newest(session: &Session) -> Result<NaiveDate> {
    let sql = "SELECT coalesce(CAST(max(business_date) AS INT), 0) FROM clean.\"order\"";
    let days = session.count("find the newest order", sql).await?;
    Ok(NaiveDate::from_ymd_opt(1970, 1, 1)
        .and_then(|first| first.checked_add_days(Days::new(days)))
        .unwrap_or_default())
}
