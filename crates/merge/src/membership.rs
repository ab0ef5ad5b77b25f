//! The rows of `identity.member`: which record belongs to which customer.

use arrow::array::RecordBatch;
use tributary_engine::{Result, Session, rewrite};
use tributary_lake::{Lake, TableChange};

use crate::batch::{Cursor, batch, flags, keys, numbers, texts};
use crate::id::{CustomerId, RecordKey};
use crate::records::{Sources, rows_of};
use crate::tables::member;

/// Rows in a batch that is written.
const BATCH: usize = 65_536;

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub key: RecordKey,
    pub customer_id: CustomerId,
    /// The number of the stage's commit that first had the record.
    pub since: i64,
    pub source: u32,
    pub stub: bool,
    /// The record is gone.
    pub retired: bool,
    /// A stub whose identifier more people share than may.
    pub shared: bool,
}

/// All rows, sorted by key. The table must be registered.
pub(crate) async fn read(session: &Session, sources: &mut Sources) -> Result<Vec<Member>> {
    let doing = "read the members of before";
    let sql = "SELECT record_key, customer_id, source, stub, retired, shared, since FROM identity.member";
    let mut cursor = Cursor::new(session.stream(doing, sql).await?, doing);
    // As many at once as there are: a list that grows is copied again and again.
    let mut members = Vec::with_capacity(rows_of(session, &member()).await?);
    while let Some((rows, row)) = cursor.peek().await? {
        let text = |column| rows.text(column, row).unwrap_or_default();
        members.push(Member {
            key: RecordKey::new(text(0))?,
            customer_id: CustomerId::new(text(1))?,
            since: rows.number(6, row).unwrap_or_default(),
            source: sources.number(text(2)),
            stub: rows.flag(3, row),
            retired: rows.flag(4, row),
            shared: rows.flag(5, row),
        });
        cursor.advance();
    }
    // It is written sorted; files and parts of them may come in any order.
    if !members.is_sorted_by_key(|member| member.key) {
        members.sort_by_key(|member| member.key);
    }
    Ok(members)
}

/// Writes all rows in place of those that were; they come sorted by key.
pub(crate) async fn write(
    lake: &Lake,
    sources: &Sources,
    mut rows: impl Iterator<Item = Member> + Send,
) -> Result<TableChange> {
    let batches = std::iter::from_fn(|| {
        let chunk: Vec<Member> = rows.by_ref().take(BATCH).collect();
        (!chunk.is_empty()).then(|| of(sources, &chunk))
    });
    Ok(rewrite(lake, &member(), true, futures::stream::iter(batches)).await?.0)
}

fn of(sources: &Sources, rows: &[Member]) -> Result<RecordBatch> {
    batch(
        &member().schema,
        vec![
            keys(rows.iter().map(|member| Some(member.key.text())))?,
            keys(rows.iter().map(|member| Some(member.customer_id.text())))?,
            texts(rows.iter().map(|member| Some(sources.name(member.source)))),
            flags(rows.iter().map(|member| member.stub)),
            flags(rows.iter().map(|member| member.retired)),
            flags(rows.iter().map(|member| member.shared)),
            numbers(rows.iter().map(|member| Some(member.since))),
        ],
    )
}
