//! Records and identifiers, customer by customer.
//!
//! Two streams sorted by [`Place`]; one customer is held at a time.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use tributary_engine::{Error, Result, Session};

use super::STAGE;
use super::fields::{IDENTIFIERS, PARTY};
use crate::batch::{Cursor, Rows};
use crate::id::CustomerId;
use crate::members::{Members, Place};
use crate::records::{Sources, stub_key};

/// Of a session's memory, what records are sorted in; their identifiers, which are narrower, get the rest.
const OF_RECORDS: (usize, usize) = (2, 3);
const DOING: &str = "read the records of customers";

/// A record of the customer at hand.
pub(super) struct Party {
    pub place: Place,
    pub source: u32,
    pub at: Option<i64>,
    pub joined: Option<i64>,
    pub masked: bool,
    rows: Arc<Rows>,
    row: usize,
}

pub(super) struct Identifier {
    pub place: Place,
    pub source: u32,
    pub at: Option<i64>,
    pub kind: String,
    pub value: String,
    pub masked: bool,
}

/// A customer: its records in the order of their keys; its identifiers by record, type and value.
pub(super) struct Group {
    pub customer: CustomerId,
    pub parties: Vec<Party>,
    pub identifiers: Vec<Identifier>,
}

/// See the module.
pub(super) struct Groups {
    members: Arc<Members>,
    parties: Cursor,
    identifiers: Cursor,
    /// The number of the next customer.
    customer: u32,
    last: Option<Place>,
    /// Records of persons that were read.
    pub records: u64,
}

/// Rows `place, …`, those that belong to no customer last.
///
/// The one place where rows meet their customer. Where plans run on other machines the function cannot go along; there this
/// would be a join with `identity.member`, sorted by `customer_id, record_key`, and [`Members::place`] asked of each row that comes.
async fn placed(session: &Session, members: &Arc<Members>, tables: &[(&str, &str)]) -> Result<Cursor> {
    let place = members.define(session);
    let rows = tables.iter().map(|(key, rest)| format!("SELECT {place}({key}) AS place, {rest}"));
    let sql = format!("{} ORDER BY place NULLS LAST", rows.collect::<Vec<_>>().join(" UNION ALL "));
    Ok(Cursor::ahead(session.stream(DOING, &sql).await?, DOING))
}

impl Groups {
    pub async fn open(session: &Session, members: &Arc<Members>) -> Result<Self> {
        // Both are open at once.
        let of_records = session.memory() / OF_RECORDS.1 * OF_RECORDS.0;
        let of_identifiers = session.memory() - of_records;
        let parties = format!("source, source_ts, joined_at, name_masked, {} FROM clean.party", PARTY.join(", "));
        let kinds = IDENTIFIERS.map(|kind| format!("'{kind}'")).join(", ");
        let identifiers = format!("source, type, value, masked FROM clean.party_identifier WHERE type IN ({kinds})");
        let stubs =
            format!("source, type, value, masked FROM clean.event_identifier WHERE NOT masked AND type IN ({kinds})");
        let stub_key = stub_key(session.lake());
        Ok(Self {
            members: members.clone(),
            parties: placed(&session.apart(of_records)?, members, &[("record_key", &parties)]).await?,
            identifiers: placed(
                &session.apart(of_identifiers)?,
                members,
                &[("record_key", &identifiers), (&stub_key, &stubs)],
            )
            .await?,
            customer: 0,
            last: None,
            records: 0,
        })
    }

    /// The next customer; after the last one, none.
    ///
    /// # Errors
    /// [`Error::Ledger`] if a record comes twice or where it does not belong.
    pub async fn next(&mut self, sources: &mut Sources) -> Result<Option<Group>> {
        let Some(customer) = self.members.id(self.customer) else {
            self.end().await?;
            return Ok(None);
        };
        let mut group = Group { customer, parties: Vec::new(), identifiers: Vec::new() };
        while let Some((rows, row)) = self.parties.peek().await?
            && let Some(place) = here(rows, row, self.customer)
        {
            if self.last >= Some(place) || place.is_stub() {
                return Err(ledger("a record was read twice, or is a person's and an order's".into()));
            }
            self.last = Some(place);
            group.parties.push(Party::new(place, rows, row, sources));
            self.parties.advance();
        }
        self.records += group.parties.len() as u64;
        while let Some((rows, row)) = self.identifiers.peek().await?
            && let Some(place) = here(rows, row, self.customer)
        {
            group.take(place, rows, row, sources);
            self.identifiers.advance();
        }
        group.identifiers.sort_by(|a, b| (a.place, &a.kind, &a.value).cmp(&(b.place, &b.kind, &b.value)));
        self.customer += 1;
        Ok(Some(group))
    }

    /// What is left belongs to nobody.
    async fn end(&mut self) -> Result<()> {
        for rows in [&mut self.parties, &mut self.identifiers] {
            if let Some((rows, row)) = rows.peek().await?
                && rows.number(0, row).is_some()
            {
                return Err(ledger("records came in another order than their customers".into()));
            }
        }
        Ok(())
    }
}

fn ledger(why: String) -> Error {
    Error::Ledger { stage: STAGE.into(), why }
}

/// The place of a row, if it is one of this customer.
fn here(rows: &Rows, row: usize, customer: u32) -> Option<Place> {
    rows.number(0, row).map(Place::of).filter(|place| place.customer() == customer)
}

/// Where the columns of [`PARTY`] begin.
const VALUES: usize = 5;

impl Party {
    fn new(place: Place, rows: &Arc<Rows>, row: usize, sources: &mut Sources) -> Self {
        Self {
            place,
            source: sources.number(rows.text(1, row).unwrap_or_default()),
            at: rows.number(2, row),
            joined: rows.number(3, row),
            masked: rows.flag(4, row),
            rows: rows.clone(),
            row,
        }
    }

    /// A column of [`PARTY`]; a birthday as its days.
    pub fn value(&self, at: usize) -> Option<Cow<'_, str>> {
        let text = self.rows.text(VALUES + at, self.row).map(Cow::Borrowed);
        text.or_else(|| self.rows.number(VALUES + at, self.row).map(|days| days.to_string().into()))
    }

    pub fn has(&self, at: usize) -> bool {
        self.rows.text(VALUES + at, self.row).is_some() || self.rows.number(VALUES + at, self.row).is_some()
    }
}

impl Group {
    fn take(&mut self, place: Place, rows: &Rows, row: usize, sources: &mut Sources) {
        let source = rows.text(1, row).unwrap_or_default();
        if place.is_stub() {
            // All orders that name it say the same, and the first of their sources in the alphabet speaks for them.
            if let Some(known) = self.identifiers.last_mut().filter(|known| known.place == place) {
                if source < sources.name(known.source) {
                    known.source = sources.number(source);
                }
                return;
            }
        }
        let party = self.parties.binary_search_by_key(&place, |party| party.place).ok();
        let party = party.and_then(|at| self.parties.get(at));
        if party.is_none() && !place.is_stub() {
            return;
        }
        let text = |column| rows.text(column, row).unwrap_or_default().to_owned();
        self.identifiers.push(Identifier {
            place,
            source: sources.number(source),
            at: party.and_then(|party| party.at),
            kind: text(2),
            value: text(3),
            masked: rows.flag(4, row),
        });
    }
}
