//! A lake in memory, seen as it is and as it fails by plan, a pipeline over it, and what its tables hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tributary_connector::http::Settings;
use tributary_lake::fault::{self, Faulty, Plan};
use tributary_lake::{Error as LakeError, Lake, Location, Table};
use tributary_pipeline::observe::Silent;
use tributary_pipeline::upkeep::maintain;
use tributary_pipeline::{Project, RunDate, RunOptions, Summary, diagnostic, parse, reset, run, undo};

use crate::shelf::{Shelf, registry};

/// What two lakes of one history may differ in: names that are made up anew, the time, and numbers of commits, of which a run
/// that failed leaves some out.
const MAY_DIFFER: [&str; 4] = ["run_id", "_read_at", "_commit", "commit"];

/// Of a step that failed, why.
pub type Outcome<T = ()> = Result<T, String>;

/// Table → its rows as text, sorted.
pub type Picture = BTreeMap<String, Vec<String>>;

pub struct World {
    name: String,
    store: Arc<InMemory>,
    pub plan: Arc<Plan>,
    pub shelf: Arc<Mutex<Shelf>>,
    /// Customers with fewer points are left out by the mapping.
    pub least_points: i64,
}

impl Drop for World {
    fn drop(&mut self) {
        fault::unmount(&self.name);
        fault::unmount(&format!("{}-faulty", self.name));
    }
}

impl World {
    pub fn new() -> Self {
        Self::over(InMemory::new(), Shelf::default(), 0)
    }

    fn over(store: InMemory, shelf: Shelf, least_points: i64) -> Self {
        static WORLDS: AtomicU64 = AtomicU64::new(0);
        let name = format!("world-{}", WORLDS.fetch_add(1, Ordering::SeqCst));
        let (store, plan) = (Arc::new(store), Arc::new(Plan::default()));
        fault::mount(&name, store.clone());
        fault::mount(&format!("{name}-faulty"), Arc::new(Faulty::new(store.clone(), plan.clone())));
        Self { name, store, plan, shelf: Arc::new(Mutex::new(shelf)), least_points }
    }

    /// Another world that is as this one is now.
    pub fn fork(&self) -> Self {
        Self::over(self.store.fork(), self.shelf.lock().unwrap().clone(), self.least_points)
    }

    /// The lake as it is.
    fn sound(&self) -> String {
        format!("fault://{}/lake", self.name)
    }

    /// The lake through the store that fails.
    fn faulty(&self) -> String {
        format!("fault://{}-faulty/lake", self.name)
    }

    pub async fn run(&self) -> Outcome<Summary> {
        run_at(self.faulty(), self.shelf.clone(), self.least_points).await
    }

    /// A run on its own, which can be left standing.
    pub fn begin_run(&self) -> tokio::task::JoinHandle<Outcome<Summary>> {
        tokio::spawn(run_at(self.faulty(), self.shelf.clone(), self.least_points))
    }

    /// A run by another process, for which nothing fails.
    pub async fn run_elsewhere(&self) -> Outcome<Summary> {
        run_at(self.sound(), self.shelf.clone(), self.least_points).await
    }

    pub async fn maintain(&self) -> Outcome {
        maintain(&self.faulty(), Some(Duration::ZERO)).await.map(drop).map_err(in_words)
    }

    pub async fn undo(&self, run: &str) -> Outcome {
        undo::undo(&self.faulty(), run, true).await.map(drop).map_err(in_words)
    }

    pub async fn reset(&self, name: &str, forget: bool) -> Outcome {
        reset::reset(&self.faulty(), name, forget, false).await.map(drop).map_err(in_words)
    }

    /// All is well from now on, and whoever held a lease has ended long ago.
    pub async fn mend(&self) {
        self.plan.mend();
        fault::expire_leases(&Location::parse(&self.sound()).unwrap()).await.unwrap();
    }

    pub async fn lake(&self) -> Option<Lake> {
        match Lake::open(Location::parse(&self.sound()).unwrap()).await {
            Ok(lake) => Some(lake),
            Err(LakeError::NoLake { .. }) => None,
            Err(e) => panic!("the lake cannot be opened: {e}"),
        }
    }

    /// The newest versions of all tables but those about runs.
    pub async fn picture(&self) -> Picture {
        let lake = self.lake().await.unwrap();
        let mut picture = Picture::new();
        for name in lake.tables().await.unwrap() {
            if name.layer != "ops" {
                let table = lake.table(&name).await.unwrap().unwrap();
                let mut rows = Vec::new();
                each_row(&lake, &table, |row| {
                    rows.push(row.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" "))
                })
                .await;
                rows.sort_unstable();
                picture.insert(name.to_string(), rows);
            }
        }
        picture
    }

    /// Columns of the rows of a table, as text, sorted; nothing where there is no such table.
    pub async fn values(&self, table: (&str, &str), columns: &[&str]) -> Vec<Vec<String>> {
        let lake = self.lake().await.unwrap();
        let name = tributary_lake::TableName::new(table.0, table.1);
        let Some(table) = lake.table(&name).await.unwrap() else { return Vec::new() };
        let mut rows = Vec::new();
        each_row(&lake, &table, |row| {
            rows.push(
                columns
                    .iter()
                    .map(|column| row.get(*column).unwrap_or_else(|| panic!("no {column}")).clone())
                    .collect(),
            );
        })
        .await;
        rows.sort_unstable();
        rows
    }

    /// What readers are shown can be read, to the last row.
    pub async fn assert_readable(&self) {
        let Some(lake) = self.lake().await else { return };
        for (name, version) in lake.manifest().await.unwrap().tables {
            let table = lake.table_at(&name, version).await.unwrap();
            let mut rows = 0;
            each_row(&lake, &table, |_| rows += 1).await;
            assert_eq!(rows, table.rows().unwrap(), "rows of {name}");
        }
    }

    /// No file lies about that no table knows.
    pub async fn assert_tidy(&self, what: &str) {
        use futures::TryStreamExt;
        use object_store::ObjectStore;
        let lake = self.lake().await.unwrap();
        let data = |path: &str| {
            path.ends_with(".parquet") && !path.contains("_delta_log") && !path.starts_with("lake/_tributary")
        };
        let found: Vec<_> = self.store.list(None).try_collect().await.unwrap();
        let lying: BTreeSet<String> =
            found.into_iter().map(|object| object.location.to_string()).filter(|path| data(path)).collect();
        let mut known = BTreeSet::new();
        for name in lake.tables().await.unwrap() {
            let table = lake.table(&name).await.unwrap().unwrap();
            known.extend(
                table
                    .files()
                    .unwrap()
                    .into_iter()
                    .map(|file| format!("lake/{}/{}/{}", name.layer, name.name, file.path)),
            );
        }
        assert_eq!(lying, known, "data files after {what}");
    }
}

async fn run_at(lake: String, shelf: Arc<Mutex<Shelf>>, least_points: i64) -> Outcome<Summary> {
    let text = include_str!("shop.toml").replace("LAKE", &lake).replace("LEAST", &least_points.to_string());
    let parsed = parse(Path::new("shop.toml"), &text);
    let project = Project::ready(parsed, &registry(&shelf), &Settings::default()).await;
    let project = project.unwrap_or_else(|wrong| panic!("{}", diagnostic::render(&wrong, false)));
    let date = RunDate::Given(chrono::NaiveDate::from_ymd_opt(2026, 6, 1).unwrap());
    let summary = run(&project, &RunOptions { date, ..RunOptions::default() }, &Silent).await.map_err(in_words)?;
    if let Some(wrong) = summary.errors.first() {
        return Err(wrong.clone());
    }
    assert_balanced(&summary);
    Ok(summary)
}

fn in_words(e: impl std::error::Error) -> String {
    let mut words = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        words.push_str(&format!(": {e}"));
        cause = e.source();
    }
    words
}

/// Adds up the ledger of a run again.
fn assert_balanced(summary: &Summary) {
    let summary = serde_json::to_value(summary).unwrap();
    let of = |counts: &Value, name: &str| counts[name].as_i64().unwrap_or_default();
    for stream in summary["streams"].as_array().unwrap() {
        for sums in [&stream["counts"], &stream["totals"]] {
            let right = of(sums, "written") + of(sums, "duplicate") + of(sums, "rejected");
            assert_eq!(of(sums, "read"), right, "{stream}");
        }
    }
    for (mapping, counts) in summary["clean"].as_object().unwrap() {
        let current = of(counts, "current");
        assert_eq!(
            of(counts, "rows"),
            current + of(counts, "superseded") + of(counts, "deleted"),
            "{mapping}: {counts}"
        );
        assert_eq!(
            of(counts, "input"),
            of(counts, "output") + of(counts, "filtered") + of(counts, "empty"),
            "{mapping}"
        );
        assert_eq!(of(counts, "output"), of(counts, "written") + of(counts, "folded"), "{mapping}: {counts}");
    }
}

async fn each_row(lake: &Lake, table: &Table, mut take: impl FnMut(&BTreeMap<String, String>)) {
    for file in table.files().unwrap() {
        let path = lake.location.path([table.name.layer.as_str(), table.name.name.as_str(), file.path.as_str()]);
        let bytes = lake.location.store.get(&path).await.unwrap().bytes().await.unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap() {
            rows_of(&batch.unwrap(), &mut take);
        }
    }
}

fn rows_of(batch: &RecordBatch, take: &mut impl FnMut(&BTreeMap<String, String>)) {
    let options = FormatOptions::default().with_null("null");
    let schema = batch.schema();
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, _)| !MAY_DIFFER.contains(&field.name().as_str()))
        .map(|(field, column)| (field.name(), ArrayFormatter::try_new(column, &options).unwrap()))
        .collect();
    for row in 0..batch.num_rows() {
        take(&columns.iter().map(|(name, values)| ((*name).clone(), values.value(row).to_string())).collect());
    }
}
