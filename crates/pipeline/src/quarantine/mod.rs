//! Rejected records: which there are, why, and what has become of them.
//!
//! A rejected record is a row `_op = "reject"` of its raw table and stays there. What has become of it shows in other rows: one
//! with its place (`_commit`, `_row`) that is a record, if it was replayed; one that withdraws its scope, or retracts its commit.

pub(crate) mod kept;
pub(crate) mod limit;
mod replay;

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::Serialize;
use tributary_clean::ident;
use tributary_connector::Form;
use tributary_engine::{Options, Session};
use tributary_lake::{Lake, Location, StreamLog, TableName};

use crate::raw;
use crate::run::Error;
use crate::standing;

pub use replay::{NAME, Replayed, ReplayedStream, replay};

/// What has become of a rejected record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing yet.
    Open,
    /// It could be decoded later, and is a record now.
    Replayed,
    /// Its scope shows other content by now.
    Withdrawn,
    /// What was read with it was taken back.
    Undone,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replayed => "replayed",
            Self::Withdrawn => "withdrawn",
            Self::Undone => "undone",
        }
    }

    fn of(text: &str) -> Self {
        [Self::Replayed, Self::Withdrawn, Self::Undone].into_iter().find(|of| of.as_str() == text).unwrap_or(Self::Open)
    }
}

/// A reason for which records of a stream were rejected.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    pub source: String,
    pub stream: String,
    pub reason: String,
    pub records: u64,
    pub open: u64,
    pub replayed: u64,
    pub withdrawn: u64,
    pub undone: u64,
    /// When the first and the last of them was read.
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

/// A rejected record as it may be shown.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// `<commit>-<row>`: its place in the lake.
    pub id: String,
    pub state: State,
    pub scope: Option<String>,
    pub line: Option<i64>,
    pub reason: String,
    pub read_at: DateTime<Utc>,
    /// As text, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

/// The reasons for which records were rejected, of all streams of a lake or of those that `wanted` says, which a
/// person calls `name`. The most records come first.
///
/// # Errors
/// [`Error::NoStream`] if no stream is wanted; the ledger's if it knows of other rejected records than the table.
pub async fn list(lake: &str, name: &str, wanted: impl Fn(&str, &str) -> bool) -> Result<Vec<Reason>, Error> {
    let lake = Lake::open(Location::parse(lake)?).await?;
    let session = Session::new(&lake, &Options::default())?;
    let mut reasons = Vec::new();
    for (source, stream) in streams(&lake, name, wanted).await? {
        let Some(standing) = Standing::load(&lake, &session, &source, &stream).await? else { continue };
        let mut of_stream: BTreeMap<String, Reason> = BTreeMap::new();
        let mut records = 0;
        standing
            .each(&session, &standing.sql(&[], "TRUE"), |record| {
                records += 1;
                let reason = reason(&record.error);
                let reason = of_stream.entry(reason.clone()).or_insert_with(|| Reason {
                    source: source.clone(),
                    stream: stream.clone(),
                    reason,
                    records: 0,
                    open: 0,
                    replayed: 0,
                    withdrawn: 0,
                    undone: 0,
                    first: record.read_at,
                    last: record.read_at,
                });
                reason.records += 1;
                *match record.state {
                    State::Open => &mut reason.open,
                    State::Replayed => &mut reason.replayed,
                    State::Withdrawn => &mut reason.withdrawn,
                    State::Undone => &mut reason.undone,
                } += 1;
                reason.first = reason.first.min(record.read_at);
                reason.last = reason.last.max(record.read_at);
            })
            .await?;
        let known = standing.totals.get("rejected").copied().unwrap_or_default();
        if records != known {
            let why = format!("its table has {records} rejected records and its state says {known}");
            let stage = format!("raw ({source}.{stream})");
            return Err(Error::Engine(tributary_engine::Error::Ledger { stage, why }));
        }
        let mut of_stream: Vec<_> = of_stream.into_values().collect();
        of_stream.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.reason.cmp(&b.reason)));
        reasons.extend(of_stream);
    }
    Ok(reasons)
}

/// The first `limit` rejected records of a stream, by when they were read: the open ones, or all. Their bytes only if `bytes` is
/// set: they are whatever the source wrote, and that is personal.
///
/// # Errors
/// [`Error::NoStream`] if the lake has no such stream.
pub async fn show(lake: &str, stream: &str, limit: usize, all: bool, bytes: bool) -> Result<Vec<Shown>, Error> {
    let lake = Lake::open(Location::parse(lake)?).await?;
    let session = Session::new(&lake, &Options::default())?;
    let mut shown = Vec::new();
    for (source, stream) in streams(&lake, stream, |of, name| format!("{of}.{name}") == stream).await? {
        let Some(standing) = Standing::load(&lake, &session, &source, &stream).await? else { continue };
        let columns: &[&str] = if bytes { &["_bytes", "_extra"] } else { &[] };
        let sql = standing.sql(columns, if all { "TRUE" } else { "state = 'open'" });
        let sql = format!("{sql} ORDER BY _commit, _row LIMIT {limit}");
        standing
            .each(&session, &sql, |record| {
                shown.push(Shown {
                    id: format!("{}-{}", record.commit, record.row),
                    state: record.state,
                    scope: record.scope.clone(),
                    line: record.line,
                    reason: reason(&record.error),
                    read_at: record.read_at,
                    bytes: bytes.then(|| legible(&record)),
                });
            })
            .await?;
    }
    Ok(shown)
}

/// The streams of a lake that are wanted; at least one.
async fn streams(lake: &Lake, name: &str, wanted: impl Fn(&str, &str) -> bool) -> Result<Vec<(String, String)>, Error> {
    let mut all = lake.streams().await?;
    all.retain(|(source, _)| source != "ops");
    let found: Vec<_> = all.iter().filter(|(source, stream)| wanted(source, stream)).cloned().collect();
    if found.is_empty() && !all.is_empty() {
        let known = all.into_iter().map(|(source, stream)| format!("{source}.{stream}")).collect();
        return Err(Error::NoStream { of: "lake", name: name.into(), known });
    }
    Ok(found)
}

/// Why, without the record's place: records of one cause have one reason.
pub(crate) fn reason(error: &str) -> String {
    let number = |text: &str| text.parse::<u64>().is_ok();
    let without_place = match error.split_once(": ") {
        Some((place, rest)) if place.split_once(' ').is_some_and(|(_, at)| number(at)) => rest,
        _ => error,
    };
    match without_place.split_once(": line ") {
        Some((what, place)) if place.starts_with(|c: char| c.is_ascii_digit()) => what.to_owned(),
        _ => without_place.to_owned(),
    }
}

/// A record's bytes as text of one line.
fn legible(record: &Record) -> String {
    let bytes = record.bytes.as_deref().unwrap_or_default();
    let form = record.extra.as_deref().and_then(|extra| serde_json::from_str::<serde_json::Value>(extra).ok());
    let text = match form.and_then(|extra| Form::from_json(extra.get("form")?)) {
        Some(Form::Csv(dialect)) => dialect.encoding.decode_without_bom_handling(bytes).0,
        _ => String::from_utf8_lossy(bytes),
    };
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}

/// A rejected record as its table has it.
pub(crate) struct Record {
    pub commit: i64,
    pub row: i64,
    pub scope: Option<String>,
    pub line: Option<i64>,
    pub error: String,
    /// Microseconds since 1970 UTC.
    pub read: i64,
    pub read_at: DateTime<Utc>,
    pub state: State,
    pub bytes: Option<Vec<u8>>,
    pub extra: Option<String>,
    pub version: Option<String>,
}

/// A stream's raw table as it stands, for questions about its rejected records.
pub(crate) struct Standing {
    pub table: tributary_lake::Table,
    pub log: StreamLog,
    pub backfills: Vec<StreamLog>,
    /// Of all incarnations that there are.
    totals: BTreeMap<String, u64>,
}

/// Orders all rows of a lake.
const SEQUENCE: &str = "t._commit * 4294967296 + t._row";

impl Standing {
    /// `None` if the stream, by its source's name in the lake, has no table. The table is registered as it was loaded.
    pub async fn load(lake: &Lake, session: &Session, source: &str, stream: &str) -> Result<Option<Self>, Error> {
        let Some(table) = session.load(&raw::table_name(source, stream)).await? else { return Ok(None) };
        let all = standing::Standing::open(lake, &table, source, stream).await?;
        let totals = all.totals();
        Ok(Some(Self { table, log: all.live, backfills: all.backfills, totals }))
    }

    fn raw(&self) -> String {
        let TableName { layer, name } = &self.table.name;
        format!("{}.{}", ident(layer), ident(name))
    }

    /// Whether a row `t` was not taken back, as SQL.
    fn stands(&self) -> String {
        let gone = standing::retracted(&self.log).into_iter();
        let gone = gone.map(|(first, last)| format!(" AND t._commit NOT BETWEEN {first} AND {last}"));
        format!("(TRUE{})", gone.collect::<String>())
    }

    /// The rejected records for which `which` holds, with what has become of each as `state`, and with more `columns`.
    pub fn sql(&self, columns: &[&str], which: &str) -> String {
        let (raw, stands) = (self.raw(), self.stands());
        let more: String = columns.iter().map(|column| format!(", t.{column} AS {column}")).collect();
        // Few tables have any: the others need not look for them.
        let replayed = self.totals.get("replayed").is_some_and(|replayed| *replayed > 0);
        let (again, is_again) = if replayed {
            let again = format!(
                " LEFT JOIN (SELECT _commit AS c, _row AS r FROM {raw} WHERE _op IN ('upsert', 'delete')) a \
                 ON a.c = t._commit AND a.r = t._row"
            );
            (again, "a.c IS NOT NULL")
        } else {
            (String::new(), "FALSE")
        };
        format!(
            "WITH withdrawn AS (SELECT t._scope AS scope, max({SEQUENCE}) AS sequence FROM {raw} t \
             WHERE t._op = 'replace' AND {stands} GROUP BY t._scope), \
             rejected AS (SELECT t._commit AS _commit, t._row AS _row, t._scope AS _scope, t._line AS _line, \
             t._error AS _error, t._read_at AS _read_at, CASE WHEN NOT {stands} THEN 'undone' \
             WHEN w.sequence > {SEQUENCE} THEN 'withdrawn' WHEN {is_again} THEN 'replayed' ELSE 'open' END AS state{more} \
             FROM {raw} t LEFT JOIN withdrawn w ON t._scope = w.scope{again} WHERE t._op = 'reject') \
             SELECT * FROM rejected WHERE {which}"
        )
    }

    /// Counts the records read after commit `after` whose scope has been withdrawn since.
    pub fn withdrawn_sql(&self, after: i64) -> String {
        let (raw, stands) = (self.raw(), self.stands());
        format!(
            "SELECT count(*) FROM (SELECT DISTINCT t._commit, t._row FROM {raw} t JOIN (SELECT t._scope AS scope, \
             max({SEQUENCE}) AS sequence FROM {raw} t WHERE t._op = 'replace' AND {stands} GROUP BY t._scope) w \
             ON t._scope = w.scope WHERE t._op IN ('upsert', 'delete', 'reject') AND t._commit > {after} AND {stands} \
             AND {SEQUENCE} < w.sequence)"
        )
    }

    /// Goes through the answer of [`Self::sql`].
    pub async fn each(&self, session: &Session, sql: &str, mut see: impl FnMut(Record)) -> Result<(), Error> {
        let mut batches = session.stream(ASKING, sql).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(tributary_engine::Error::query(ASKING))?;
            records(&batch)?.into_iter().for_each(&mut see);
        }
        Ok(())
    }
}

const ASKING: &str = "look at rejected records";

/// The rows of an answer of [`Standing::sql`].
fn records(batch: &RecordBatch) -> Result<Vec<Record>, arrow::error::ArrowError> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let column = |name: &str, kind: &DataType| {
        let found = batch.column_by_name(name).map(|column| arrow::compute::cast(column, kind));
        found.unwrap_or_else(|| Ok(arrow::array::new_null_array(kind, batch.num_rows())))
    };
    let numbers = |name| column(name, &DataType::Int64);
    let texts = |name| column(name, &DataType::Utf8);
    let (commits, rows, lines) = (numbers("_commit")?, numbers("_row")?, numbers("_line")?);
    let (scopes, errors, states) = (texts("_scope")?, texts("_error")?, texts("state")?);
    let (extras, versions) = (texts("_extra")?, texts("_version")?);
    let (bytes, times) = (column("_bytes", &DataType::Binary)?, column("_read_at", &time)?);
    let number = |of: &dyn Array, at: usize| of.is_valid(at).then(|| of.as_primitive::<Int64Type>().value(at));
    let text = |of: &dyn Array, at: usize| of.is_valid(at).then(|| of.as_string::<i32>().value(at).to_owned());
    let record = |at: usize| {
        let read = times.as_primitive::<TimestampMicrosecondType>().value(at);
        Record {
            commit: number(&commits, at).unwrap_or_default(),
            row: number(&rows, at).unwrap_or_default(),
            scope: text(&scopes, at),
            line: number(&lines, at),
            error: text(&errors, at).unwrap_or_default(),
            read,
            read_at: DateTime::from_timestamp_micros(read).unwrap_or_default(),
            state: State::of(&text(&states, at).unwrap_or_default()),
            bytes: bytes.is_valid(at).then(|| bytes.as_binary::<i32>().value(at).to_vec()),
            extra: text(&extras, at),
            version: text(&versions, at),
        }
    };
    Ok((0..batch.num_rows()).map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_one_cause_have_one_reason() {
        for (error, expected) in [
            ("line 17: row has 5 fields, the header has 7", "row has 5 fields, the header has 7"),
            ("record 3: it has no key (`id`)", "it has no key (`id`)"),
            ("line 2: record is not valid JSON: line 1, column 17 of it", "record is not valid JSON"),
            ("a quote is opened and not closed", "a quote is opened and not closed"),
        ] {
            assert_eq!(reason(error), expected);
        }
    }
}
