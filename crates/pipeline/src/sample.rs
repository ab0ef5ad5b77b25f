//! The first rows of a stream, as its raw table would hold them, and what its mappings make of them. Both go through what a
//! run goes through, so that they cannot say otherwise; no lake is read or written.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use tributary_clean::{Mapping, functions, traced_sql};
use tributary_connector::{Connector, Error as ConnectorError, Event, ReadRequest, State, Stream};
use tributary_engine::{Options, Session};
use tributary_lake::{Lake, Location};

use crate::evolve::{self, Policy};
use crate::raw::{self, Place, Shape};
use crate::run::Error;

/// What a stream begins with.
#[derive(Debug)]
pub struct Sample {
    /// Rows of the raw table: the stream's columns, then ours. Rejected ones are not among them.
    pub rows: RecordBatch,
    /// Where the first of them is from: a file, a shop.
    pub partition: Option<Arc<str>>,
    /// Why records were rejected, of those looked at.
    pub rejected: Vec<String>,
    /// Partitions that could not be taken.
    pub errors: Vec<(String, ConnectorError)>,
}

impl Sample {
    /// The stream's own columns, and `_extra` if anything is in it.
    pub fn columns(&self) -> RecordBatch {
        let schema = self.rows.schema();
        let keep = |(at, name): &(usize, &String)| {
            !raw::is_ours(name) || (*name == "_extra" && self.rows.column(*at).null_count() < self.rows.num_rows())
        };
        let names: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
        let kept: Vec<usize> = names.into_iter().enumerate().filter(keep).map(|(at, _)| at).collect();
        self.rows.project(&kept).unwrap_or_else(|_| self.rows.clone())
    }
}

/// Reads a stream from its beginning until there are `limit` rows.
///
/// # Errors
/// If it cannot be read.
pub async fn sample(source: &str, connector: &dyn Connector, stream: &Stream, limit: usize) -> Result<Sample, Error> {
    let layout = evolve::fit(stream, None, Policy::Evolve).map_err(Error::Connector)?;
    let schema = raw::spec(source, &stream.name, &layout.table).schema;
    let shape = Arc::new(Shape::new(schema.clone(), &layout.stream, source, [0; 32]));
    let read_at = chrono::Utc::now().timestamp_micros();
    let request = ReadRequest::new(stream.clone(), State::default());
    let mut reader = connector.read(request).await.map_err(Error::Connector)?;
    let (mut batches, mut rows, mut first_row) = (Vec::<RecordBatch>::new(), 0, 0);
    let (mut partition, mut rejected, mut errors) = (None, Vec::new(), Vec::new());
    // What came before is complete.
    let mut whole = (0, 0);
    while rows < limit {
        match reader.next().await.map_err(Error::Connector)? {
            None => break,
            Some(Event::Page(page)) => {
                partition.get_or_insert_with(|| page.partition.clone());
                let shape_of_page = shape.clone();
                let prepared = tokio::task::spawn_blocking(move || shape_of_page.prepare(&page)).await;
                let prepared = prepared.map_err(|e| Error::Panic(e.to_string()))??;
                let batch = shape.finish(&prepared, None, &Place { epoch: 1, commit: 1, first_row, read_at })?;
                first_row += i64::try_from(batch.num_rows()).unwrap_or_default();
                rejected.extend(text(&batch, "_error").into_iter().flatten());
                let good: Vec<bool> = text(&batch, "_op").iter().map(|op| op.as_deref() == Some("upsert")).collect();
                let batch = filter_record_batch(&batch, &good.into())?;
                let batch = batch.slice(0, batch.num_rows().min(limit - rows));
                rows += batch.num_rows();
                batches.push(batch);
            }
            Some(Event::Discard { partition: bad, error }) => {
                errors.push((bad.to_string(), error));
                (rows, partition) = (whole.1, partition.filter(|_| whole.1 > 0));
                batches.truncate(whole.0);
            }
            Some(Event::Checkpoint(_)) => whole = (batches.len(), rows),
            Some(Event::Forget { .. } | Event::Withdraw(_) | Event::Unchanged { .. }) => {}
        }
    }
    Ok(Sample { rows: concat_batches(&schema, &batches)?, partition, rejected, errors })
}

fn text(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let texts = batch.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
    texts.into_iter().flatten().map(|text| text.map(str::to_owned)).collect()
}

/// What each of `mappings`, all of the sample's stream, makes of it: the answer of [`traced_sql`].
///
/// # Errors
/// If a mapping's expressions fail on these rows.
pub async fn mapped(sample: &Sample, mappings: &[&Mapping]) -> Result<Vec<RecordBatch>, Error> {
    // A session belongs to a lake: this one is gone when we are done.
    let folder = tempfile::tempdir().map_err(Error::Folder)?;
    let lake = Lake::open_or_create(Location::parse(&folder.path().to_string_lossy())?, Some("sample"), false).await?;
    let session = Session::new(&lake, &Options { partitions: Some(1), ..Options::default() })?;
    functions::functions().into_iter().for_each(|function| session.register_function(function));
    let mut answers = Vec::new();
    for mapping in mappings {
        session.register_batches(&mapping.raw, sample.rows.schema(), vec![sample.rows.clone()])?;
        let doing = format!("map {}", mapping.id);
        let frame = session.sql(&doing, &traced_sql(mapping, &"00".repeat(32))).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.map_err(tributary_engine::Error::query(doing))?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        answers.push(concat_batches(&schema, &batches)?);
    }
    Ok(answers)
}
