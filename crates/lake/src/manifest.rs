//! The manifest: which version of every table belongs together. It is the last commit of a run, in `ops.run`, by
//! compare-and-swap; whoever wants one consistent picture of the lake reads the newest.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::table::PERSONAL;
use crate::{Error, Lake, Result, StreamId, StreamLog, TableName, TableSpec, TableWriter, WriterOptions};

/// The name of the table of runs.
pub const RUN_TABLE: &str = "run";
const TRIES: usize = 50;

/// Table → version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Grows by one with each run.
    pub number: u32,
    pub tables: BTreeMap<TableName, u64>,
}

/// A run, as it is recorded.
#[derive(Debug, Clone)]
pub struct RunRecord {
    pub run: String,
    pub pipeline: String,
    pub started: DateTime<Utc>,
    /// `done`, `failed`, `waiting` or `nothing new`.
    pub status: String,
    /// The ledger and whatever else is to be found again.
    pub summary: Value,
    /// The tables this run has replaced, with their versions.
    pub tables: BTreeMap<TableName, u64>,
}

/// Columns of `ops.run`.
pub fn run_schema() -> SchemaRef {
    let field = |name: &str, kind: DataType| {
        Field::new(name, kind, true).with_metadata([(PERSONAL.to_owned(), "none".to_owned())].into())
    };
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        field("number", DataType::Int64),
        field("run_id", DataType::Utf8),
        field("pipeline", DataType::Utf8),
        field("started_at", time.clone()),
        field("ended_at", time),
        field("status", DataType::Utf8),
        field("manifest", DataType::Utf8),
        field("summary", DataType::Utf8),
    ]))
}

fn spec() -> TableSpec {
    TableSpec { name: TableName::new("ops", RUN_TABLE), schema: run_schema() }
}

fn id() -> StreamId {
    StreamId { source: "ops".into(), stream: RUN_TABLE.into(), incarnation: 1 }
}

fn to_manifest(log: &StreamLog) -> Manifest {
    let tables = log
        .positions
        .iter()
        .filter_map(|(name, version)| Some((TableName::try_from(name.clone()).ok()?, version.as_u64()?)));
    Manifest { number: log.epoch.map_or(0, |epoch| epoch.number), tables: tables.collect() }
}

impl Lake {
    /// The newest manifest; empty before the first run has ended.
    ///
    /// # Errors
    /// If `ops.run` or its state cannot be read.
    pub async fn manifest(&self) -> Result<Manifest> {
        match self.table(&spec().name).await? {
            Some(table) => Ok(to_manifest(&StreamLog::open(self, &table, id()).await?)),
            None => Ok(Manifest::default()),
        }
    }

    /// Records a run: the manifest before it, with this run's tables replaced.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn record_run(&self, record: &RunRecord) -> Result<Manifest> {
        for attempt in 0..TRIES {
            match self.try_record(record).await {
                Err(Error::Overtaken(_)) if attempt + 1 < TRIES => {
                    tokio::time::sleep(std::time::Duration::from_millis(7 * (attempt as u64 % 11 + 1))).await;
                }
                other => return other,
            }
        }
        Err(Error::Overtaken("ops.run".into()))
    }

    async fn try_record(&self, record: &RunRecord) -> Result<Manifest> {
        let spec = spec();
        let mut table = self.ensure_table(&spec).await?;
        let mut log = StreamLog::open(self, &table, id()).await?;
        let mut manifest = to_manifest(&log);
        manifest.number += 1;
        manifest.tables.extend(record.tables.clone());
        let changed = record.tables.iter().map(|(name, version)| (name.to_string(), Value::from(*version))).collect();
        let versions: BTreeMap<String, u64> = manifest.tables.iter().map(|(n, v)| (n.to_string(), *v)).collect();

        let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let time = |at: DateTime<Utc>| {
            Arc::new(TimestampMicrosecondArray::from(vec![at.timestamp_micros()]).with_timezone("UTC")) as ArrayRef
        };
        let json = |value: &Value| text(&value.to_string());
        let batch = RecordBatch::try_new(
            spec.schema.clone(),
            vec![
                Arc::new(Int64Array::from(vec![i64::from(manifest.number)])),
                text(&record.run),
                text(&record.pipeline),
                time(record.started),
                time(Utc::now()),
                text(&record.status),
                json(&serde_json::json!(versions)),
                json(&record.summary),
            ],
        )?;
        let mut writer = TableWriter::new(self, &spec, WriterOptions::default());
        writer.write(&batch).await?;
        let files = writer.finish().await?;
        log.commit(self, &mut table, files, changed, BTreeMap::new(), 0).await?;
        Ok(manifest)
    }
}
