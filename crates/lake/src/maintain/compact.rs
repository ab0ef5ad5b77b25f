//! Many small files become few. Rows are copied as they are, in the order in which they were committed.

use arrow::array::{RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;

use super::{Maintained, Maintenance};
use crate::{
    Change, DataFile, Error, Lake, Lease, Result, Table, TableSpec, TableWriter, Txn, WriterOptions, fault, read,
};

/// Files of less than the first bound are of the first class, and so on; what is larger stays as it is.
const CLASSES: [u64; 4] = [64 << 10, 1 << 20, 16 << 20, 128 << 20];
/// Rows read at once.
const BATCH: usize = 8_192;

/// Puts a table's small files together if there are enough of them.
pub(super) async fn compact(
    lake: &Lake,
    table: &mut Table,
    lease: &Lease,
    options: &Maintenance,
) -> Result<Maintained> {
    let mut done = Maintained::default();
    for group in groups(table.files_in_order()?, options) {
        let rows = group.iter().map(|file| file.rows).sum::<u64>();
        let adds = copy(lake, table, &group).await?;
        let kept = adds.iter().map(|file| file.rows).sum::<u64>();
        if kept != rows {
            discard(lake, table, &adds).await;
            return Err(Error::Damaged {
                what: table.name.to_string(),
                why: format!("{rows} rows were to be copied, and {kept} were; nothing was changed"),
            });
        }
        done.files_before += group.len() as u64;
        done.files_after += adds.len() as u64;
        done.rows += rows;
        let change = Change { adds, removes: group, rearranged: true };
        // An error does not tell whether it landed: the new files stay, and if they are nobody's, vacuum takes them.
        commit(lake, table, lease, &change).await?;
    }
    Ok(done)
}

/// Which files are put together: those of a size of which there are enough, in the order of their commits, none beyond the
/// largest size. Each row is so copied once per class, not at each compaction.
fn groups(files: Vec<DataFile>, options: &Maintenance) -> Vec<Vec<DataFile>> {
    let thorough = options.files <= 2;
    let bounds: &[u64] = if thorough { &CLASSES[CLASSES.len() - 1..] } else { &CLASSES };
    let mut classes = vec![Vec::new(); bounds.len()];
    for file in files {
        let class = bounds.iter().position(|bound| file.size < *bound).and_then(|class| classes.get_mut(class));
        if let Some(class) = class.filter(|_| file.size <= options.largest / 2) {
            class.push(file);
        }
    }
    let mut groups = Vec::new();
    for class in classes.into_iter().filter(|class| class.len() >= options.files.max(2)) {
        let (mut group, mut bytes) = (Vec::new(), 0);
        for file in class {
            if bytes + file.size > options.largest && !group.is_empty() {
                groups.push(std::mem::take(&mut group));
                bytes = 0;
            }
            bytes += file.size;
            group.push(file);
        }
        groups.push(group);
    }
    groups.retain(|group| group.len() > 1);
    groups
}

async fn copy(lake: &Lake, table: &Table, files: &[DataFile]) -> Result<Vec<DataFile>> {
    let spec = TableSpec { name: table.name.clone(), schema: table.schema().clone() };
    let mut writer = TableWriter::new(lake, &spec, WriterOptions::default());
    match copy_into(&mut writer, lake, table, files).await {
        Ok(()) => writer.finish().await,
        Err(e) => {
            writer.abort().await;
            Err(e)
        }
    }
}

async fn copy_into(writer: &mut TableWriter, lake: &Lake, table: &Table, files: &[DataFile]) -> Result<()> {
    let failed = || Error::parquet("read", &table.name);
    for file in files {
        let path = lake.location.path([table.name.layer.as_str(), table.name.name.as_str(), file.path.as_str()]);
        let batches = read::batches(lake.location.store.clone(), path, file.size, BATCH).await;
        let mut batches = batches.map_err(failed())?;
        while let Some(batch) = batches.try_next().await.map_err(failed())? {
            writer.write(&fit(&batch, table.schema())?).await?;
        }
    }
    Ok(())
}

/// A batch with the table's columns: a file that is older than a column has nulls there.
fn fit(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
        Some(column) => cast_with_options(column, field.data_type(), &exact),
    });
    Ok(RecordBatch::try_new(schema.clone(), columns.collect::<std::result::Result<_, _>>()?)?)
}

/// Commits under the lease's token: a table that carries a later holder's is not touched.
async fn commit(lake: &Lake, table: &mut Table, lease: &Lease, change: &Change) -> Result<u64> {
    let app = format!("tributary:v1/{}/maintain", lake.info.id);
    let first = i64::try_from(lease.token()).unwrap_or(i64::MAX >> 20) << 20;
    fault::point("compact.before")?;
    let from = table.txn(&app).await?;
    if from.is_some_and(|from| from >> 20 > first >> 20) {
        return Err(Error::Overtaken(table.name.to_string()));
    }
    let to = from.map_or(first, |from| first.max(from + 1));
    table.commit(change, &Txn { app, from, to }, "compact.commit").await
}

async fn discard(lake: &Lake, table: &Table, files: &[DataFile]) {
    for file in files {
        let path = lake.location.path([table.name.layer.as_str(), table.name.name.as_str(), file.path.as_str()]);
        // What stays is an orphan, which vacuum takes.
        let _ = crate::objects::delete(&lake.location, &path).await;
    }
}
