//! The tables made for use. Each is one query over `clean`, `identity` and `customer`, its parameters and rules are data.
//!
//! Sales are orders that belong to a customer, on their business date, at what was paid: the order's own amount, or its
//! lines' where the order has none. Refunds count as negative amounts on the day they were made, and are no sale.

#![forbid(unsafe_code)]

mod lifecycle;
mod purchase;
mod rfm;
mod sales;
pub mod stage;

pub use rfm::{SEGMENTS, Segment};

use chrono::NaiveDate;

/// What the marts are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// The day the tables are of: later events are not looked at.
    pub as_of: AsOf,
    pub rfm_window_days: u32,
    /// Purchases up to this day go into the purchase summary; up to `as_of` if `None`.
    pub cut: Option<NaiveDate>,
    pub new_days: u32,
    pub loyal_orders: u32,
    /// Of the gaps between two purchase days of a customer.
    pub at_risk_quantile: f64,
    pub churned_quantile: f64,
}

/// The day the tables are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The day of the newest sale.
    MaxEvent,
    Date(NaiveDate),
}

/// A table's query, once parameters are put in.
pub(crate) struct Query {
    pub spec: tributary_lake::TableSpec,
    pub sql: String,
    /// Answers in another way how many rows `sql` must give.
    pub count: String,
}
