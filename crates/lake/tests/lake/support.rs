//! Lakes to try things on, and what is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tributary_lake::fault::{Faulty, Plan, expire_leases};
use tributary_lake::{
    DataFile, Lake, Location, Result, StreamId, Table, TableName, TableSpec, TableWriter, WriterOptions,
};

pub async fn lake(folder: &tempfile::TempDir) -> Lake {
    let location = Location::parse(folder.path().join("lake").to_str().unwrap()).unwrap();
    Lake::open_or_create(location, Some("test"), false).await.unwrap()
}

/// A store in memory, seen as it is and as it fails by plan.
pub struct Place {
    pub sound: Location,
    pub faulty: Location,
    pub plan: Arc<Plan>,
}

pub fn place() -> Place {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let plan = Arc::new(Plan::default());
    let location = |store: Arc<dyn ObjectStore>| Location {
        text: "memory".into(),
        url: "memory:///lake/".parse().unwrap(),
        store,
        prefix: Path::from("lake"),
        local: false,
    };
    Place { sound: location(store.clone()), faulty: location(Arc::new(Faulty::new(store, plan.clone()))), plan }
}

pub fn spec(name: &str) -> TableSpec {
    let plain = [("tributary.personal".to_owned(), "none".to_owned())];
    let fields = vec![
        Field::new("number", DataType::Int64, true).with_metadata(plain.into()),
        Field::new("phone", DataType::Utf8, true),
    ];
    TableSpec { name: TableName::new("raw", name), schema: Arc::new(Schema::new(fields)) }
}

pub async fn write(lake: &Lake, spec: &TableSpec, numbers: &[i64]) -> Vec<DataFile> {
    try_write(lake, spec, numbers).await.unwrap()
}

pub async fn try_write(lake: &Lake, spec: &TableSpec, numbers: &[i64]) -> Result<Vec<DataFile>> {
    let phones: Vec<String> = numbers.iter().map(|n| format!("+86138{n:08}")).collect();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(numbers.to_vec())), Arc::new(StringArray::from(phones))];
    let mut writer = TableWriter::new(lake, spec, WriterOptions::default());
    writer.write(&RecordBatch::try_new(spec.schema.clone(), columns)?).await?;
    writer.finish().await
}

pub fn stream() -> StreamId {
    StreamId { source: "shop".into(), stream: "orders".into(), incarnation: 1 }
}

pub fn at(position: u64) -> BTreeMap<String, Value> {
    [("file".to_owned(), json!(position))].into()
}

/// The column `number` of a table, sorted, read from its files.
pub async fn numbers(lake: &Lake, table: &Table) -> Vec<i64> {
    let mut found = Vec::new();
    for file in table.files().unwrap() {
        let path = lake.location.path([table.name.layer.as_str(), table.name.name.as_str(), file.path.as_str()]);
        let bytes = lake.location.store.get(&path).await.unwrap().bytes().await.unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let column = batch.column_by_name("number").unwrap().as_primitive::<Int64Type>();
            assert_eq!(column.null_count(), 0);
            found.extend(column.values().iter().copied());
        }
    }
    found.sort_unstable();
    found
}

/// What lies in the store under the lake, by path within it.
pub async fn objects(location: &Location) -> Vec<String> {
    let prefix = format!("{}/", location.prefix);
    let found: Vec<_> = location.store.list(Some(&location.prefix)).try_collect().await.unwrap();
    let mut names: Vec<String> =
        found.iter().map(|object| object.location.as_ref().trim_start_matches(&prefix).to_owned()).collect();
    names.sort_unstable();
    names
}

/// Lets all leases run out.
pub async fn time_passes(location: &Location) {
    expire_leases(location).await.unwrap();
}
