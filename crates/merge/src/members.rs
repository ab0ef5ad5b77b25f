//! Which customer each live record belongs to, held here as numbers, so that no table has to be joined with `identity.member`.
//!
//! A join would hold one side as texts or sort both; this takes less than thirty bytes for a record, and a look-up touches
//! few places in memory. Customers are numbered in the order of their ids, records in that of their keys; both numbers of a
//! record are its [`Place`], so that rows sorted by place come customer by customer, and the records of one by their keys.

mod place_of;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tributary_engine::{Error, Result, Session};

use crate::batch::Cursor;
use crate::buckets::Buckets;
use crate::golden::STAGE;
use crate::id::{CustomerId, RecordKey};
use place_of::PlaceOf;

const STUB: u8 = 1;
const SHARED: u8 = 2;
/// Bits for the two.
const MARKS: u32 = 2;

/// The number of a record's customer, then its own, then whether it is a stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

impl Place {
    const CUSTOMER: u32 = 33;
    /// So many customers have a place that is no negative number where numbers have a sign.
    const CUSTOMERS: usize = 1 << (63 - Self::CUSTOMER);

    fn new(customer: u32, record: u32, stub: bool) -> Self {
        Self(u64::from(customer) << Self::CUSTOMER | u64::from(record) << 1 | u64::from(stub))
    }

    /// A place as a column of numbers has it.
    pub fn of(number: i64) -> Self {
        Self(number.cast_unsigned())
    }

    pub fn customer(self) -> u32 {
        (self.0 >> Self::CUSTOMER) as u32
    }

    /// Whether the record is an identifier that orders name.
    pub fn is_stub(self) -> bool {
        self.0 & 1 != 0
    }

    fn record(self) -> usize {
        (self.0 >> 1 & u64::from(u32::MAX)) as usize
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Members {
    /// In their order.
    records: Vec<RecordKey>,
    index: Buckets,
    /// Of each record.
    customers: Vec<u32>,
    marks: Vec<u8>,
    /// Of each customer, in their order.
    ids: Vec<CustomerId>,
}

impl Members {
    /// Reads `identity.member`, whose rows may come in any order.
    ///
    /// # Errors
    /// [`Error::Ledger`] if a record has two customers, or a row is lost.
    pub async fn read(session: &Session) -> Result<Self> {
        let doing = "read the members of customers";
        let live = "FROM identity.member WHERE NOT retired";
        let count = session.count(doing, &format!("SELECT count(*) {live}")).await?;
        let mut found = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        let sql = format!("SELECT record_key, customer_id, stub, shared {live}");
        let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
        while let Some((rows, row)) = cursor.peek().await? {
            let text = |column| rows.text(column, row).unwrap_or_default();
            found.push(Found::new(text(0), text(1), rows.flag(2, row), rows.flag(3, row))?);
            cursor.advance();
        }
        if found.len() as u64 != count {
            let why = format!("there are {count} members and {} were read", found.len());
            return Err(Error::Ledger { stage: STAGE.into(), why });
        }
        Self::new(found)
    }

    fn new(mut found: Vec<Found>) -> Result<Self> {
        // As the table is written it is in order, which costs next to nothing to see.
        found.sort_unstable_by_key(|found| found.record);
        if found.windows(2).any(|pair| matches!(pair, [a, b] if a.record == b.record)) {
            return Err(Error::Ledger { stage: STAGE.into(), why: "a record belongs to two customers".into() });
        }
        let mut ids: Vec<CustomerId> = found.iter().map(Found::customer).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.shrink_to_fit();
        if ids.len() > Place::CUSTOMERS {
            let why = format!("{} customers are more than can be numbered", ids.len());
            return Err(Error::Ledger { stage: STAGE.into(), why });
        }
        let customer = Buckets::new(ids.iter().map(|id| id.bits()), CustomerId::BITS);
        let number = |id: CustomerId| {
            let range = customer.range(id.bits());
            let at = range.start + ids.get(range)?.binary_search(&id).ok()?;
            u32::try_from(at).ok()
        };
        let customers = found.iter().map(|found| number(found.customer()).unwrap_or(u32::MAX)).collect();
        let marks = found.iter().map(Found::marks).collect();
        let mut records: Vec<RecordKey> = found.into_iter().map(|found| found.record).collect();
        records.shrink_to_fit();
        let index = Buckets::new(records.iter().map(|key| key.bits()), RecordKey::BITS);
        Ok(Self { records, index, customers, marks, ids })
    }

    /// The name of a function, and its definition for a session: the place of a record, by its key; null for what is no live
    /// member. It holds these members for as long as the session is there.
    pub fn define(self: &Arc<Self>, session: &Session) -> &'static str {
        session.register_function(PlaceOf::new(self.clone()).into());
        place_of::NAME
    }

    pub fn place(&self, record: RecordKey) -> Option<Place> {
        let range = self.index.range(record.bits());
        let at = range.start + self.records.get(range)?.binary_search(&record).ok()?;
        let stub = self.marks.get(at)? & STUB != 0;
        Some(Place::new(*self.customers.get(at)?, u32::try_from(at).ok()?, stub))
    }

    /// How many customers there are.
    pub fn customers(&self) -> u64 {
        self.ids.len() as u64
    }

    /// The id of a customer by its number.
    pub fn id(&self, customer: u32) -> Option<CustomerId> {
        self.ids.get(customer as usize).copied()
    }

    pub fn record(&self, place: Place) -> Option<RecordKey> {
        self.records.get(place.record()).copied()
    }

    /// Whether it is nobody's, as too many share it.
    pub fn is_shared(&self, place: Place) -> bool {
        self.marks.get(place.record()).is_some_and(|marks| marks & SHARED != 0)
    }
}

/// A member as it is read; there may be so many that two marks of a byte each would take half as much again.
struct Found {
    record: RecordKey,
    /// The bits of the customer's id, and the marks.
    rest: u128,
}

impl Found {
    fn new(record: &str, customer: &str, stub: bool, shared: bool) -> Result<Self> {
        let marks = if stub { STUB } else { 0 } | if shared { SHARED } else { 0 };
        let rest = CustomerId::new(customer)?.bits() << MARKS | u128::from(marks);
        Ok(Self { record: RecordKey::new(record)?, rest })
    }

    fn customer(&self) -> CustomerId {
        CustomerId::of_bits(self.rest >> MARKS)
    }

    fn marks(&self) -> u8 {
        (self.rest & ((1 << MARKS) - 1)) as u8
    }
}
