//! `ops.schema_event`: what sources showed differently than before, and what was done about it.
//!
//! How a stream looked last is kept with its positions ([`NAME`]) and changes with the batch that was read so. An event is
//! recorded before that, and what was recorded last is the position of an ordinary stream log: a run that dies between the
//! two does not record it twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use serde_json::Value;
use tributary_connector::Stream;
use tributary_lake::{Lake, StreamId, StreamLog, TableName, TableSpec, TableWriter, WriterOptions};
use tributary_model::{Personal, plain};

use crate::evolve::{self, Change, Difference, Policy};
use crate::run::Error;

const TRIES: u32 = 20;

/// Where the events are.
pub fn table() -> TableName {
    TableName::new("ops", "schema_event")
}

fn spec() -> TableSpec {
    let text = |name: &str| plain(name, DataType::Utf8, Personal::None);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields: Vec<_> =
        ["run_id", "source", "stream", "column", "change", "before", "after", "action"].map(text).to_vec();
    fields.push(plain("at", time, Personal::None));
    TableSpec { name: table(), schema: Arc::new(Schema::new(fields)) }
}

/// The name among a stream's positions of how it looked last.
pub const NAME: &str = "tributary:columns";

/// A stream's columns as they are remembered.
pub fn shown(stream: &Stream) -> Value {
    serde_json::json!(evolve::columns(stream))
}

/// Compares a stream with how it looked last and records what is different; nothing at the first look.
///
/// # Errors
/// If the lake cannot be read or written.
pub async fn record(
    lake: &Lake,
    run: &str,
    source: &str,
    stream: &Stream,
    before: Option<&Value>,
    policy: Policy,
) -> Result<Vec<Difference>, Error> {
    let before = before.and_then(|before| serde_json::from_value(before.clone()).ok());
    let found = before.map(|before| evolve::differences(&before, &evolve::columns(stream))).unwrap_or_default();
    if found.is_empty() {
        return Ok(found);
    }
    let key = format!("{source}.{}", stream.name);
    let id = StreamId { source: "ops".into(), stream: "schema_event".into(), incarnation: 1 };
    let spec = spec();
    let mut tries = 0;
    loop {
        let mut table = lake.ensure_table(&spec).await?;
        let mut log = StreamLog::open(lake, &table, id.clone()).await?;
        if log.positions.get(&key) == Some(&shown(stream)) {
            return Ok(found);
        }
        let mut writer = TableWriter::new(lake, &spec, WriterOptions::default());
        writer.write(&rows(&spec, run, source, stream, policy, &found)?).await?;
        let files = writer.finish().await?;
        let position = BTreeMap::from([(key.clone(), shown(stream))]);
        match log.commit(lake, &mut table, files, position, BTreeMap::new(), 0).await {
            Ok(_) => return Ok(found),
            // Another pipeline of the lake recorded something just now.
            Err(tributary_lake::Error::Overtaken(_)) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(u64::from(tries) * 7)).await;
            }
            Err(e) => return Err(e.into()),
        }
    }
}

fn rows(
    spec: &TableSpec,
    run: &str,
    source: &str,
    stream: &Stream,
    policy: Policy,
    found: &[Difference],
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let same = |value: &str| Arc::new(StringArray::from(vec![value; found.len()])) as ArrayRef;
    let each = |of: &dyn Fn(&Difference) -> Option<String>| {
        Arc::new(found.iter().map(of).collect::<StringArray>()) as ArrayRef
    };
    let now = chrono::Utc::now().timestamp_micros();
    RecordBatch::try_new(
        spec.schema.clone(),
        vec![
            same(run),
            same(source),
            same(&stream.name),
            each(&|found| Some(found.column.clone())),
            each(&|found| Some(found.change.as_str().to_owned())),
            each(&|found| found.before.clone()),
            each(&|found| found.after.clone()),
            each(&|found| Some(action(policy, found.change).to_owned())),
            Arc::new(TimestampMicrosecondArray::from(vec![now; found.len()]).with_timezone("UTC")),
        ],
    )
}

fn action(policy: Policy, change: Change) -> &'static str {
    match (policy, change) {
        (_, Change::Gone) => "the column stays, empty from now on",
        (Policy::Fail, _) => "the stream is not read",
        (Policy::Extra, _) => "what does not fit is kept in `_extra`",
        (Policy::Evolve, Change::Added) => "a column is added",
        (Policy::Evolve, Change::Retyped) => "a column of the new type goes on beside the old one",
    }
}
