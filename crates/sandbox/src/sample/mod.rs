//! A small REST API that behaves: what a first connector of one's own is written against.
//!
//! ```text
//! GET /v1/customers?updated_since=2026-06-30T16:00:00Z&limit=100&page_token=…
//! Authorization: Bearer <api key>
//!
//! {"data": [{"id": "cus_000017", "name": …, "phone": …, "email": …, "birthday": "1990-05-01",
//!            "updated_at": "2026-06-30T16:00:00.000Z", "deleted": false}, …],
//!  "next_page_token": "…"}
//! ```
//!
//! `GET /v1/orders` is the same, with `customer_id`, `ordered_at`, `total` (decimal, as text), `currency` and `lines`. Rows
//! come in the order of `updated_at` and then `id`; `updated_since` is inclusive; what is deleted stays as a row that says
//! so and no more. A page token is a place in that order: rows that change while they are paged come again at the end, none
//! is lost. Without another page the token is null. Errors are JSON: `{"error": {"code", "message"}}`, with 400, 401, 404,
//! 405 or 429.
//!
//! The customers are people of the same [`Config`], with noise of their own. It does no more on purpose: no
//! metadata, no single records, no writing; a scenario can make it misbehave as any stand-in.

mod alter;
mod change;
mod list;
mod seed;

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

pub use crate::alteration::{Alteration, Altered};
pub use crate::clock::Clock;
pub use crate::step::{Advanced, Step};

use crate::http::{Handle, Scenario};
use crate::world::World;
use crate::{Config, Error, Truth};

const CUSTOMERS: &str = "customers";
const ORDERS: &str = "orders";

/// What to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// As in [`Config`]. Default 2,000.
    pub people: usize,
    /// As in [`Config`]. Default 1.
    pub seed: u64,
    /// As in [`Config`]; the API's clock starts at the midnight after it, in Shanghai.
    pub as_of: NaiveDate,
    /// Seconds of the API's clock for each that passes. Default 0: it stands still until it is set.
    pub speed: f64,
    /// Who may come in. Default `key`, which is made up and no secret.
    pub api_key: String,
    /// How many requests are answered. Default: all.
    pub budget: Option<Budget>,
    /// Rows of a page, where more are asked for. Default: as many as are asked for.
    pub served: usize,
}

impl Default for Options {
    fn default() -> Self {
        let Config { people, seed, as_of } = Config::default();
        Self { people, seed, as_of, speed: 0.0, api_key: "key".into(), budget: None, served: usize::MAX }
    }
}

/// So many requests in so many seconds, counted anew after them, on this machine's clock so that waiting helps. What comes too
/// often gets a 429 whose `Retry-After` is the seconds to the next count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// In one count.
    pub requests: u64,
    /// How long one count is.
    pub seconds: u64,
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    /// Epoch milliseconds.
    updated: i64,
    deleted: bool,
    values: Map<String, Value>,
}

/// The shop behind the API.
#[derive(Debug, Clone)]
pub struct Shop {
    options: Options,
    world: World,
    clock: Clock,
    /// By name, then by id.
    tables: BTreeMap<&'static str, BTreeMap<String, Row>>,
    truth: Truth,
    revoked: bool,
    /// When the count began, and the requests of it.
    counted: (Instant, u64),
    steps: u64,
    alterations: u64,
}

/// Serves the API on 127.0.0.1 and the port, 0 for any that is free.
///
/// # Errors
///
/// [`Error::Config`] when the retailer cannot be made, [`Error::Serve`] when the port cannot be had.
pub fn serve(options: Options, scenario: Scenario, port: u16) -> Result<Handle<Shop>, Error> {
    crate::http::serve(port, scenario, |_| Shop::new(options))
}

impl Shop {
    /// The shop as it is at the start.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the retailer cannot be made.
    pub fn new(options: Options) -> Result<Self, Error> {
        let config = Config { people: options.people, seed: options.seed, as_of: options.as_of };
        let (world, _) = World::draw(config)?;
        let truth = Truth {
            records: BTreeMap::from([("sample.customers".to_owned(), HashMap::new())]),
            orders: BTreeMap::from([("sample.orders".to_owned(), HashMap::new())]),
            people: world.truth(),
        };
        let mut shop = Self {
            clock: Clock::new(world.started(), options.speed),
            tables: BTreeMap::from([(CUSTOMERS, BTreeMap::new()), (ORDERS, BTreeMap::new())]),
            truth,
            revoked: false,
            counted: (Instant::now(), 0),
            steps: 0,
            alterations: 0,
            world,
            options,
        };
        shop.fill();
        Ok(shop)
    }

    /// Serves this shop as it is: one that was made ready once can be cloned, which is much faster than drawing it anew.
    ///
    /// # Errors
    ///
    /// [`Error::Serve`] when the port cannot be had.
    pub fn serve(self, scenario: Scenario, port: u16) -> Result<Handle<Self>, Error> {
        crate::http::serve(port, scenario, |_| Ok(self))
    }

    /// Its clock, to be set.
    pub fn clock(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// Which customer is which person, and whose each order is, deleted ones included: `sample.customers`, `sample.orders`.
    pub fn truth(&self) -> Truth {
        self.truth.clone()
    }

    /// The ids of the rows of `customers` or `orders` that are not deleted, in their order.
    pub fn ids(&self, table: &str) -> Vec<String> {
        self.living(table).map(|(id, _)| id.clone()).collect()
    }

    /// These rows as lists show them.
    pub fn snapshot(&self, table: &str) -> Vec<Value> {
        self.living(table).map(|(id, row)| shown(id, row)).collect()
    }

    fn living(&self, table: &str) -> impl Iterator<Item = (&String, &Row)> {
        self.tables.get(table).into_iter().flatten().filter(|(_, row)| !row.deleted)
    }
}

/// A row as lists show it; of a deleted one no more than that.
fn shown(id: &str, row: &Row) -> Value {
    let mut shown = Map::new();
    shown.insert("id".into(), id.into());
    for (name, value) in &row.values {
        shown.insert(name.clone(), if row.deleted { Value::Null } else { value.clone() });
    }
    shown.insert("updated_at".into(), list::written(row.updated).into());
    shown.insert("deleted".into(), json!(row.deleted));
    Value::Object(shown)
}
