//! The rows of `identity.event`: what happened to ids and members, in order, and what can be told from it.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use tributary_engine::{Result, Session, rewrite};
use tributary_lake::{Lake, TableChange};

use crate::batch::{Cursor, batch, numbers, texts};
use crate::id::{CustomerId, RecordKey};
use crate::identity::{Event, Founding};
use crate::tables::event;

/// Rows in a batch that is written.
const BATCH: usize = 65_536;

/// What the events tell: who founded which id, and which ids are part of others.
#[derive(Default)]
pub(crate) struct History {
    pub foundings: Vec<Founding<RecordKey, CustomerId>>,
    pub redirects: BTreeMap<CustomerId, CustomerId>,
    pub next_ordinal: i64,
}

impl History {
    /// All of it.
    pub async fn read(session: &Session) -> Result<Self> {
        Self::of(session, "'created', 'merged', 'revived'").await
    }

    /// Without who founded what.
    pub async fn of_redirects(session: &Session) -> Result<Self> {
        Self::of(session, "'merged', 'revived'").await
    }

    async fn of(session: &Session, kinds: &str) -> Result<Self> {
        let doing = "read the events of before";
        let sql = format!(
            "SELECT kind, customer_id, other_id, record_key, generation, ordinal FROM identity.event \
             WHERE kind IN ({kinds}) ORDER BY ordinal"
        );
        let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
        let mut history = Self::default();
        while let Some((rows, row)) = cursor.peek().await? {
            let text = |column| rows.text(column, row).unwrap_or_default();
            let id = |column| CustomerId::new(text(column));
            match rows.text(0, row) {
                Some("created") => {
                    let generation = rows.number(4, row).and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
                    history.foundings.push(Founding {
                        customer_id: id(1)?,
                        record: RecordKey::new(text(3))?,
                        generation,
                    });
                }
                Some("merged") => {
                    let (from, into) = (id(1)?, id(2)?);
                    for current in history.redirects.values_mut().filter(|current| **current == from) {
                        *current = into;
                    }
                    history.redirects.insert(from, into);
                }
                _ => {
                    history.redirects.remove(&id(1)?);
                }
            }
            cursor.advance();
        }
        let last = session.count(doing, "SELECT coalesce(max(ordinal), 0) FROM identity.event").await?;
        history.next_ordinal = i64::try_from(last).unwrap_or_default() + 1;
        Ok(history)
    }
}

/// What came of one commit of the stage.
pub(crate) struct News<'a> {
    pub events: &'a [Event<RecordKey, CustomerId>],
    /// Sorted by id.
    pub founded: &'a [Founding<RecordKey, CustomerId>],
    /// The number of the first.
    pub first: i64,
    /// That of the commit.
    pub number: i64,
    pub run: &'a str,
}

type Parts = (&'static str, Option<CustomerId>, Option<CustomerId>, Option<RecordKey>, Option<i64>);

impl News<'_> {
    fn parts(&self, event: &Event<RecordKey, CustomerId>) -> Parts {
        match *event {
            Event::Created { id } => {
                let at = self.founded.binary_search_by(|founding| founding.customer_id.cmp(&id)).ok();
                let founding = at.and_then(|at| self.founded.get(at));
                let generation = founding.map(|founding| i64::from(founding.generation));
                ("created", Some(id), None, founding.map(|founding| founding.record), generation)
            }
            Event::Revived { id } => ("revived", Some(id), None, None, None),
            Event::Merged { from, into } => ("merged", Some(from), Some(into), None, None),
            Event::Split { from, to } => ("split", Some(from), Some(to), None, None),
            Event::Retired { id } => ("retired", Some(id), None, None, None),
            Event::MemberJoined { record, to } => ("member_joined", None, Some(to), Some(record), None),
            Event::MemberMoved { record, from, to } => ("member_moved", Some(from), Some(to), Some(record), None),
            Event::MemberLeft { record, from } => ("member_left", Some(from), None, Some(record), None),
        }
    }

    /// How many there are of each kind.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for event in self.events {
            *counts.entry(self.parts(event).0.to_owned()).or_default() += 1;
        }
        counts
    }

    /// Adds them to the table.
    pub async fn write(&self, lake: &Lake) -> Result<TableChange> {
        let firsts = (self.first..).step_by(BATCH);
        let batches = self.events.chunks(BATCH).zip(firsts).map(|(events, first)| self.of(events, first));
        Ok(rewrite(lake, &event(), false, futures::stream::iter(batches)).await?.0)
    }

    fn of(&self, events: &[Event<RecordKey, CustomerId>], first: i64) -> Result<RecordBatch> {
        let rows: Vec<Parts> = events.iter().map(|event| self.parts(event)).collect();
        batch(
            &event().schema,
            vec![
                numbers(rows.iter().map(|_| Some(self.number))),
                numbers((first..).zip(&rows).map(|(ordinal, _)| Some(ordinal))),
                texts(rows.iter().map(|row| Some(row.0))),
                texts(rows.iter().map(|row| row.1.map(CustomerId::text))),
                texts(rows.iter().map(|row| row.2.map(CustomerId::text))),
                texts(rows.iter().map(|row| row.3.map(RecordKey::text))),
                numbers(rows.iter().map(|row| row.4)),
                texts(rows.iter().map(|_| Some(self.run))),
            ],
        )
    }
}
