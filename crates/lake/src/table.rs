//! A Delta table at one version: its schema, files and transaction versions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};

use arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake::kernel::StructField;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::logstore::{StorageConfig, default_logstore};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, TableProperty};
use object_store::prefix::PrefixStore;
use serde::{Deserialize, Serialize};

use crate::lease::Fence;
use crate::{Error, Lake, Result};

/// Metadata key of a field: how personal its values are (`none`, `quasi`, `identifier`, `sensitive`); none given counts as
/// `identifier`. Personal columns get no statistics.
pub(crate) const PERSONAL: &str = "tributary.personal";

/// `layer.name`, lying at `<lake>/layer/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TableName {
    pub layer: String,
    pub name: String,
}

impl TableName {
    pub fn new(layer: impl Into<String>, name: impl Into<String>) -> Self {
        Self { layer: layer.into(), name: name.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.layer, self.name)
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.split_once('.')
            .map(|(layer, name)| Self::new(layer, name))
            .ok_or_else(|| format!("`{text}` is not of the form `layer.table`"))
    }
}

/// What a table is to be.
#[derive(Debug, Clone)]
pub struct TableSpec {
    pub name: TableName,
    /// Fields say how personal they are in their metadata.
    pub schema: SchemaRef,
}

/// A data file of a table. `path` is relative to the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    pub path: String,
    pub size: u64,
    pub rows: u64,
}

/// A table as it was when loaded.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: TableName,
    pub(crate) delta: DeltaTable,
    schema: SchemaRef,
    /// The lease under which it is worked on.
    pub(crate) fence: Option<Fence>,
    pub(crate) queue: Arc<tokio::sync::Mutex<()>>,
}

pub(crate) fn is_personal(field: &Field) -> bool {
    field.metadata().get(PERSONAL).is_none_or(|class| class != "none")
}

impl Lake {
    fn handle(&self, name: &TableName) -> Result<DeltaTable> {
        let located = |why: String| Error::Location { location: self.location.text.clone(), why };
        let url =
            self.location.url.join(&format!("{}/{}/", name.layer, name.name)).map_err(|e| located(e.to_string()))?;
        let root = self.location.store.clone();
        let prefix = self.location.path([name.layer.as_str(), name.name.as_str()]);
        let prefixed = Arc::new(PrefixStore::new(root.clone(), prefix));
        Ok(DeltaTable::new(default_logstore(prefixed, root, &url, &StorageConfig::default())))
    }

    fn loaded(&self) -> MutexGuard<'_, BTreeMap<TableName, DeltaTable>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, name: &TableName, delta: DeltaTable) -> Result<Table> {
        self.loaded().insert(name.clone(), delta.clone());
        Table::from_delta(self, name.clone(), delta)
    }

    /// The newest version of a table, or `None` if there is no such table.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    pub async fn table(&self, name: &TableName) -> Result<Option<Table>> {
        let known = self.loaded().get(name).cloned();
        if let Some(mut delta) = known
            && delta.load().await.is_ok()
        {
            return self.keep(name, delta).map(Some);
        }
        // What was known may be gone, log and all.
        self.loaded().remove(name);
        let mut delta = self.handle(name)?;
        let mut waits = [5, 20, 80, 320].into_iter();
        loop {
            let e = match delta.load().await {
                Ok(()) => return self.keep(name, delta).map(Some),
                Err(deltalake::DeltaTableError::NotATable(_) | deltalake::DeltaTableError::InvalidTableLocation(_)) => {
                    return Ok(None);
                }
                Err(e) => e,
            };
            if !delta.verify_deltatable_existence().await.map_err(Error::delta("look for", name))? {
                return Ok(None);
            }
            // A table that is just being made is there before it can be read.
            let Some(wait) = waits.next() else { return Err(Error::delta("load", name)(e)) };
            tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        }
    }

    /// A table at a version.
    ///
    /// # Errors
    /// If that version is not there.
    pub async fn table_at(&self, name: &TableName, version: u64) -> Result<Table> {
        let mut delta = self.handle(name)?;
        delta.load_version(version).await.map_err(Error::delta("load", name))?;
        Table::from_delta(self, name.clone(), delta)
    }

    /// Opens a table, or makes it empty. Columns that the spec has and the table lacks are added.
    ///
    /// # Errors
    /// If a column of the table has another type than the spec says.
    pub async fn ensure_table(&self, spec: &TableSpec) -> Result<Table> {
        let mut table = match self.table(&spec.name).await? {
            Some(table) => table,
            None => self.create_table(spec).await?,
        };
        let mut missing = Vec::new();
        for field in spec.schema.fields() {
            match table.schema.field_with_name(field.name()) {
                Err(_) => missing.push(field.as_ref().clone()),
                Ok(there) if same_type(there, field) => {}
                Ok(there) => {
                    return Err(Error::Damaged {
                        what: spec.name.to_string(),
                        why: format!(
                            "column `{}` is {} in the lake and {} now",
                            field.name(),
                            there.data_type(),
                            field.data_type()
                        ),
                    });
                }
            }
        }
        if !missing.is_empty() {
            crate::fault::point("table.columns.before")?;
            let fields = kernel_fields(missing.iter(), &spec.name)?;
            let doing = Error::delta("add columns to", &spec.name);
            table.delta.clone().add_columns().with_fields(fields).await.map_err(doing)?;
            table = self.table(&spec.name).await?.ok_or_else(|| Error::NoTable(spec.name.to_string()))?;
        }
        Ok(table)
    }

    async fn create_table(&self, spec: &TableSpec) -> Result<Table> {
        crate::fault::point("table.create.before")?;
        let fields = kernel_fields(spec.schema.fields().iter().map(AsRef::as_ref), &spec.name)?;
        let plain: Vec<_> = spec
            .schema
            .fields()
            .iter()
            .filter(|field| !is_personal(field))
            .map(|field| field.name().as_str())
            .collect();
        let handle = self.handle(&spec.name)?;
        let created = CreateBuilder::new()
            .with_log_store(handle.log_store())
            .with_columns(fields)
            .with_configuration_property(TableProperty::DataSkippingStatsColumns, Some(plain.join(",")))
            .with_save_mode(SaveMode::Ignore)
            .await;
        crate::fault::point("table.create.after")?;
        // Another run may have made it just now: what is there decides, not what was answered.
        match (self.table(&spec.name).await?, created) {
            (Some(table), _) => Ok(table),
            (None, Err(e)) => Err(Error::delta("create", &spec.name)(e)),
            (None, Ok(_)) => Err(Error::NoTable(spec.name.to_string())),
        }
    }
}

fn kernel_fields<'a>(fields: impl Iterator<Item = &'a Field>, table: &TableName) -> Result<Vec<StructField>> {
    fields
        .map(|field| {
            field.try_into_kernel().map_err(|e: arrow::error::ArrowError| Error::Damaged {
                what: table.to_string(),
                why: format!("column `{}` cannot be kept in Delta: {e}", field.name()),
            })
        })
        .collect()
}

/// Equal but for metadata and nullability, which Delta keeps in its own way.
fn same_type(a: &Field, b: &Field) -> bool {
    a.data_type().equals_datatype(b.data_type())
}

impl Table {
    fn from_delta(lake: &Lake, name: TableName, delta: DeltaTable) -> Result<Self> {
        let schema = delta.snapshot().map_err(Error::delta("load", &name))?.snapshot().arrow_schema();
        let schema = Arc::new(Schema::new(schema.fields().clone()));
        let queue = lake.queue(&name);
        Ok(Self { name, delta, schema, fence: lake.fence.clone(), queue })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn version(&self) -> u64 {
        self.delta.version().unwrap_or_default()
    }

    /// The table's URL, ending with a slash.
    pub fn url(&self) -> &url::Url {
        self.delta.table_url()
    }

    /// The version that an application's last transaction on the table carries.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn txn(&self, app: &str) -> Result<Option<i64>> {
        let state = self.delta.snapshot().map_err(Error::delta("read", &self.name))?;
        state
            .transaction_version(self.delta.log_store().as_ref(), app)
            .await
            .map_err(Error::delta("read the transactions of", &self.name))
    }

    /// The files that make up the table, by path.
    ///
    /// # Errors
    /// If the log cannot be read, or a file was added without its number of rows.
    pub fn files(&self) -> Result<Vec<DataFile>> {
        let mut files: Vec<_> = self.dated_files()?.into_iter().map(|(_, file)| file).collect();
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// The files, those committed first at the front.
    ///
    /// # Errors
    /// As [`Table::files`].
    pub fn files_in_order(&self) -> Result<Vec<DataFile>> {
        let mut files = self.dated_files()?;
        files.sort_unstable_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
        Ok(files.into_iter().map(|(_, file)| file).collect())
    }

    fn dated_files(&self) -> Result<Vec<(i64, DataFile)>> {
        let state = self.delta.snapshot().map_err(Error::delta("read", &self.name))?;
        let mut files = Vec::new();
        for file in state.log_data().iter() {
            let path = file.path().into_owned();
            let rows = file.num_records().ok_or_else(|| Error::Damaged {
                what: format!("{}/{path}", self.name),
                why: "the log does not say how many rows it has".into(),
            })?;
            let size = u64::try_from(file.size()).unwrap_or_default();
            files.push((file.modification_time(), DataFile { path, size, rows: rows as u64 }));
        }
        Ok(files)
    }

    /// How many rows the table has.
    ///
    /// # Errors
    /// As [`Table::files`].
    pub fn rows(&self) -> Result<u64> {
        Ok(self.files()?.iter().map(|file| file.rows).sum())
    }

    pub(crate) async fn reload(&mut self) -> Result<()> {
        self.delta.load().await.map_err(Error::delta("reload", &self.name))?;
        let schema = self.delta.snapshot().map_err(Error::delta("reload", &self.name))?.snapshot().arrow_schema();
        self.schema = Arc::new(Schema::new(schema.fields().clone()));
        Ok(())
    }
}
