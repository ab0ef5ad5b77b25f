//! Writing data files. A file is written and synced here, and is part of a table only once it is committed.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use object_store::ObjectStoreExt;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::table::is_personal;
use crate::{DataFile, Error, Lake, Location, Result, TableName, TableSpec, fault};

/// How data files are cut.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// A file is closed once it has this many rows.
    pub rows_per_file: u64,
    pub rows_per_group: usize,
    pub zstd_level: i32,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { rows_per_file: 4_000_000, rows_per_group: 256 * 1024, zstd_level: 1 }
    }
}

/// A dictionary that grows beyond this is given up: values that are mostly unique cost time and space in one.
const DICTIONARY_BYTES: usize = 512 * 1024;
/// What a writer hands to the store at once; the least that S3 takes as a part.
const PART_BYTES: usize = 5 << 20;
/// Parts on their way at once.
const PARTS: usize = 2;

/// Which of `buckets` a key falls into.
pub fn bucket_of(key: &[u8], buckets: u32) -> u32 {
    let hash = blake3::hash(key);
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_be_bytes([a, b, c, d]) % buckets.max(1)
}

/// Writes batches into data files of one table.
pub struct TableWriter {
    location: Location,
    table: TableName,
    schema: SchemaRef,
    properties: WriterProperties,
    options: WriterOptions,
    open: Option<OpenFile>,
    done: Vec<DataFile>,
}

struct OpenFile {
    path: Path,
    name: String,
    writer: AsyncArrowWriter<BufWriter>,
    rows: u64,
}

impl TableWriter {
    /// A writer for a table of `spec`; batches must have its schema.
    pub fn new(lake: &Lake, spec: &TableSpec, options: WriterOptions) -> Self {
        let level = ZstdLevel::try_new(options.zstd_level).unwrap_or_default();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(options.rows_per_group))
            .set_created_by(concat!("tributary ", env!("CARGO_PKG_VERSION")).into())
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            // Nested columns have leaves of their own names: nothing but the plain columns below gets statistics.
            .set_statistics_enabled(EnabledStatistics::None);
        for field in spec.schema.fields() {
            let column = ColumnPath::new(vec![field.name().clone()]);
            if !is_personal(field) && !field.data_type().is_nested() {
                properties = properties.set_column_statistics_enabled(column.clone(), EnabledStatistics::Chunk);
            }
            // Numbers that count up, and keys, each of which is seen once: a dictionary would only cost. A text whose dictionary
            // is given up is often a number or a time, and begins as the one before.
            let (encoding, dictionary) = match field.name().as_str() {
                "_row" | "_line" | "_epoch" | "_commit" | "_read_at" => (Encoding::DELTA_BINARY_PACKED, false),
                "_source_key" | "record_key" => (Encoding::DELTA_BYTE_ARRAY, false),
                _ if *field.data_type() == DataType::Utf8 => (Encoding::DELTA_BYTE_ARRAY, true),
                _ => continue,
            };
            properties = properties
                .set_column_dictionary_enabled(column.clone(), dictionary)
                .set_column_encoding(column, encoding);
        }
        Self {
            location: lake.location.clone(),
            table: spec.name.clone(),
            // Field metadata would otherwise be written into every file.
            schema: Arc::new(Schema::new(
                spec.schema
                    .fields()
                    .iter()
                    .map(|f| f.as_ref().clone().with_metadata(Default::default()))
                    .collect::<Vec<_>>(),
            )),
            properties: properties.build(),
            options,
            open: None,
            done: Vec::new(),
        }
    }

    /// # Errors
    /// If the store fails or the batch is of another schema.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
        if fault::drops(&self.table.layer) {
            batch = batch.slice(1, batch.num_rows() - 1);
        }
        if self.open.is_none() {
            let name = format!("part-{}.parquet", uuid::Uuid::new_v4());
            let path = self.location.path([self.table.layer.as_str(), self.table.name.as_str(), name.as_str()]);
            let sink = BufWriter::with_capacity(self.location.store.clone(), path.clone(), PART_BYTES)
                .with_max_concurrency(PARTS);
            let writer = AsyncArrowWriter::try_new(sink, self.schema.clone(), Some(self.properties.clone()))
                .map_err(Error::parquet("open", &self.table))?;
            self.open = Some(OpenFile { path, name, writer, rows: 0 });
        }
        if let Some(open) = &mut self.open {
            open.writer.write(&batch).await.map_err(Error::parquet("write", &self.table))?;
            open.rows += batch.num_rows() as u64;
            if open.rows >= self.options.rows_per_file {
                self.close().await?;
            }
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let footer = open.writer.finish().await.map_err(Error::parquet("finish", &self.table))?;
        let size = self.location.store.head(&open.path).await.map_err(Error::store("look at", &open.path))?.size;
        // The footer's count, not ours: it is what the file holds.
        let rows = u64::try_from(footer.file_metadata().num_rows()).unwrap_or_default();
        self.done.push(DataFile { path: open.name, size, rows });
        Ok(())
    }

    /// Closes the last file and hands out all of them.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn finish(mut self) -> Result<Vec<DataFile>> {
        fault::point("write.finish")?;
        self.close().await?;
        Ok(self.done)
    }

    /// Removes what was written. What cannot be removed is an orphan, which vacuum takes.
    pub async fn abort(mut self) {
        let mut paths: Vec<Path> = Vec::new();
        if let Some(open) = self.open.take() {
            let mut sink = open.writer.into_inner();
            let _ = sink.abort().await;
            paths.push(open.path);
        }
        for file in &self.done {
            paths.push(self.location.path([self.table.layer.as_str(), self.table.name.as_str(), file.path.as_str()]));
        }
        for path in paths {
            let _ = self.location.store.delete(&path).await;
        }
    }
}
