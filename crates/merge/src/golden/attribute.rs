//! Which customer each order (answer, visit) belongs to: the one of the first type of identifier that names one.
//!
//! The identifiers come sorted by event; one event is held at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::stream;
use tributary_engine::{Error, Result, Session, rewrite};
use tributary_lake::{Lake, TableChange};

use super::{BATCH, Counts, STAGE};
use crate::batch::{Cursor, Rows, batch, texts};
use crate::id::CustomerId;
use crate::members::{Members, Place};
use crate::records::stub_key;
use crate::rules::Rules;
use crate::tables::attribution;

const DOING: &str = "attach orders to customers";

/// An event whose customer is known.
struct Attributed {
    entity: String,
    record: String,
    customer: CustomerId,
    kind: String,
}

/// The events, in order.
struct Events<'a> {
    rows: Cursor,
    members: &'a Members,
    rules: &'a Rules,
    /// Entity → identifiers that were read, events that have a customer.
    read: BTreeMap<String, (u64, u64)>,
}

/// Writes the table anew and counts by entity.
///
/// # Errors
/// [`Error::Ledger`] if an identifier or an event is unaccounted for.
pub(super) async fn write(
    lake: &Lake,
    session: &Session,
    members: &Arc<Members>,
    rules: &Rules,
    inputs: &BTreeMap<String, i64>,
    counts: &mut Counts,
) -> Result<TableChange> {
    let apart = session.apart(session.memory())?;
    let sql = format!(
        "SELECT entity, record_key, type, {}({}) AS place FROM clean.event_identifier WHERE NOT masked \
         ORDER BY entity, record_key",
        members.define(&apart),
        stub_key(lake)
    );
    let rows = Cursor::ahead(apart.stream(DOING, &sql).await?, DOING);
    let mut events = Events { rows, members, rules, read: BTreeMap::new() };
    let batches = stream::try_unfold(&mut events, async |events| Ok(events.batch().await?.map(|rows| (rows, events))));
    let (change, written) = rewrite(lake, &attribution(), true, Box::pin(batches)).await?;
    let read = events.read;

    let attributed: u64 = read.values().map(|(_, events)| events).sum();
    if attributed != written {
        let why = format!("{attributed} orders and the like have a customer and {written} were written");
        return Err(Error::Ledger { stage: STAGE.into(), why });
    }
    let sql = "SELECT entity, count(*) FILTER (WHERE NOT masked) FROM clean.event_identifier GROUP BY entity";
    for batch in &session.collect(DOING, sql).await? {
        let rows = Rows::new(batch)?;
        for row in 0..rows.len {
            let entity = rows.text(0, row).unwrap_or_default();
            let expected = rows.number(1, row).and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
            let (identifiers, with) = read.get(entity).copied().unwrap_or_default();
            if identifiers != expected {
                let why = format!("`{entity}` has {expected} identifiers and {identifiers} were read");
                return Err(Error::Ledger { stage: STAGE.into(), why });
            }
            if inputs.contains_key(&format!("clean.{entity}")) {
                let all = session.count(DOING, &format!("SELECT count(*) FROM clean.\"{entity}\"")).await?;
                counts.attributed.insert(entity.to_owned(), (with, all.saturating_sub(with)));
            }
        }
    }
    Ok(change)
}

impl Events<'_> {
    /// The next rows of the table; none at the end.
    async fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut rows = Vec::with_capacity(BATCH);
        while rows.len() < BATCH
            && let Some(event) = self.next().await?
        {
            rows.extend(event);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let columns = vec![
            texts(rows.iter().map(|row| Some(&row.entity))),
            texts(rows.iter().map(|row| Some(&row.record))),
            texts(rows.iter().map(|row| Some(row.customer.text()))),
            texts(rows.iter().map(|row| Some(&row.kind))),
        ];
        batch(&attribution().schema, columns).map(Some)
    }

    /// The next event: whose it is, or that it is nobody's.
    async fn next(&mut self) -> Result<Option<Option<Attributed>>> {
        let Some((rows, row)) = self.rows.peek().await? else { return Ok(None) };
        let text = |rows: &Rows, row, column| rows.text(column, row).unwrap_or_default().to_owned();
        let (entity, record) = (text(rows, row, 0), text(rows, row, 1));
        let mut best: Option<(usize, String, u32)> = None;
        let mut identifiers = 0;
        while let Some((rows, row)) = self.rows.peek().await?
            && rows.text(1, row) == Some(&record)
            && rows.text(0, row) == Some(&entity)
        {
            identifiers += 1;
            let place = rows.number(3, row).map(Place::of).filter(|place| !self.members.is_shared(*place));
            if let Some(place) = place {
                let kind = text(rows, row, 2);
                let rank = self.rules.identifiers.iter().position(|rule| rule.kind == kind).unwrap_or(usize::MAX);
                let found = (rank, kind, place.customer());
                if best.as_ref().is_none_or(|best| found < *best) {
                    best = Some(found);
                }
            }
            self.rows.advance();
        }
        let attributed = best.and_then(|(_, kind, customer)| {
            let customer = self.members.id(customer)?;
            Some(Attributed { entity: entity.clone(), record, customer, kind })
        });
        let (read, with) = self.read.entry(entity).or_default();
        *read += identifiers;
        *with += u64::from(attributed.is_some());
        Ok(Some(attributed))
    }
}
