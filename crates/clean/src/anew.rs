//! A mapping made anew from all raw rows.

use arrow::array::Array;
use futures::StreamExt;
use tributary_engine::{Error, Result, Session};
use tributary_lake::Lake;

use crate::account::{balanced, count, terms};
use crate::difference::Difference;
use crate::feed::Feed;
use crate::mapping::Mapping;
use crate::pieces::{Piece, PieceWriter, Tables, size_for, texts};
use crate::plan::{self, Rows};
use crate::split::{MapCounts, Splitter};

/// Maps `rows`, in the order of their places, into new files. Where it is known what there was, what is not as it was goes into the feed.
pub async fn make(
    lake: &Lake,
    session: &Session,
    mapping: &Mapping,
    rows: &Rows,
    secret: &str,
    mut changes: Option<(Difference<'_>, &mut Feed)>,
) -> Result<(Vec<Piece>, MapCounts)> {
    let doing = format!("map {}", mapping.id);
    let mut counts = count(session, mapping, rows, &doing).await?;
    let tables = Tables::of(mapping)?;
    let splitter = Splitter::new(mapping);
    let mut writer = PieceWriter::new(lake, &tables, size_for(counts.elements.unwrap_or(counts.current)));
    let mut stream = session.stream(&doing, &plan::mapped_sql(mapping, rows, secret)).await?;
    let (mut seen, mut identifiers, mut issues) = (0, 0, 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(Error::query(doing.clone()))?;
        seen += batch.num_rows() as u64;
        let places = texts(batch.column(batch.schema_ref().index_of(mapping.place())?))?;
        let mut from = 0;
        while from < places.len() {
            let rest = places.slice(from, places.len() - from);
            let room = writer.room(&rest);
            if room == 0 {
                writer.close().await?;
                continue;
            }
            let parts = splitter.split(&batch.slice(from, room), &mut counts)?;
            identifiers += rows_in(&parts.identifiers);
            issues += rows_in(&parts.issues);
            let here = rest.slice(0, room);
            if let (Some((difference, feed)), Some(first), Some(last)) =
                (&mut changes, here.iter().flatten().next(), here.iter().flatten().next_back())
            {
                difference.take(first, last, &parts, feed).await?;
            }
            writer.write(&here, &parts).await?;
            from += room;
        }
    }
    if let Some((difference, feed)) = changes {
        difference.finish(feed).await?;
    }
    let pieces = writer.finish().await?;
    let written =
        |name| -> u64 { pieces.iter().flat_map(|piece| piece.files.get(name)).flatten().map(|file| file.rows).sum() };
    counts.written = written(&tables.entity.name);
    let expected = counts.elements.unwrap_or(counts.current);
    balanced(mapping, [("records current and records mapped", expected, seen)])?;
    balanced(mapping, terms(&counts))?;
    balanced(
        mapping,
        [
            ("identifiers found and identifiers written", identifiers, written(&tables.identifiers.name)),
            ("field issues found and field issues written", issues, written(&tables.issues.name)),
        ],
    )?;
    Ok((pieces, counts))
}

/// How many rows batches have together.
pub fn rows_in(batches: &[arrow::array::RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}
