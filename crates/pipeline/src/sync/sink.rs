//! Rows on their way into data files.

use arrow::array::RecordBatch;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tributary_lake::{DataFile, Lake, TableSpec, TableWriter, WriterOptions};

use crate::run::Error;

/// Rows that are written to a file at once, at least.
const WRITTEN_ROWS: usize = 8_192;

/// A writer at work; it is handed back even if it failed, so that what it wrote can be removed.
type Writing = JoinHandle<Result<TableWriter, Box<(TableWriter, tributary_lake::Error)>>>;

/// Several writers at work at once, one data file each.
pub(super) struct Sink {
    writers: Vec<(mpsc::Sender<RecordBatch>, Writing)>,
    next: usize,
    /// Small batches, such as an API's pages, that wait to be written as one: a column has a price by the batch.
    small: Vec<RecordBatch>,
    small_rows: usize,
}

impl Sink {
    pub(super) fn open(lake: &Lake, spec: &TableSpec) -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let writers = (0..count).map(|_| {
            let (sender, mut receiver) = mpsc::channel::<RecordBatch>(1);
            let mut writer = TableWriter::new(lake, spec, WriterOptions::default());
            let task = tokio::spawn(async move {
                while let Some(batch) = receiver.recv().await {
                    if let Err(e) = writer.write(&batch).await {
                        return Err(Box::new((writer, e)));
                    }
                }
                Ok(writer)
            });
            (sender, task)
        });
        Self { writers: writers.collect(), next: 0, small: Vec::new(), small_rows: 0 }
    }

    pub(super) async fn write(&mut self, batch: RecordBatch) -> Result<(), Error> {
        if self.small.is_empty() && batch.num_rows() >= WRITTEN_ROWS {
            return self.send(batch).await;
        }
        self.small_rows += batch.num_rows();
        self.small.push(batch);
        if self.small_rows >= WRITTEN_ROWS { self.send_small().await } else { Ok(()) }
    }

    async fn send_small(&mut self) -> Result<(), Error> {
        self.small_rows = 0;
        let small = std::mem::take(&mut self.small);
        let Some(first) = small.first() else { return Ok(()) };
        let whole = arrow::compute::concat_batches(&first.schema(), &small)?;
        drop(small);
        self.send(whole).await
    }

    async fn send(&mut self, batch: RecordBatch) -> Result<(), Error> {
        let at = self.next % self.writers.len().max(1);
        self.next += 1;
        if let Some((sender, _)) = self.writers.get(at) {
            // A writer that has failed no longer listens; its error is found at the end.
            let _ = sender.send(batch).await;
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Vec<DataFile>, Error> {
        self.send_small().await?;
        let mut files = Vec::new();
        let mut finishing = Vec::new();
        for (sender, task) in self.writers {
            drop(sender);
            finishing.push(tokio::spawn(async move {
                match task.await {
                    Ok(Ok(writer)) => writer.finish().await.map_err(Error::from),
                    Ok(Err(failed)) => {
                        let (writer, e) = *failed;
                        writer.abort().await;
                        Err(e.into())
                    }
                    Err(e) => Err(Error::Panic(e.to_string())),
                }
            }));
        }
        for task in finishing {
            files.extend(task.await.map_err(|e| Error::Panic(e.to_string()))??);
        }
        Ok(files)
    }

    pub(super) async fn abort(self) {
        for (sender, task) in self.writers {
            drop(sender);
            match task.await {
                Ok(Ok(writer)) => writer.abort().await,
                Ok(Err(failed)) => failed.0.abort().await,
                Err(_) => {}
            }
        }
    }
}
