//! A stand-in for 纷享销客 (Fxiaoke, ShareCRM): a tenant of it, behind the vendor's requests of both generations.
//!
//! The people are those of the same [`Config`]: customers, contacts, leads, orders with lines, service tickets,
//! members of the stores, the tenant's staff, and one object of the tenant's own, `object_Vk3Qd__c`. [`Tenant::advance`] lets
//! the world go on; [`Tenant::truth`] says which record is whose. Time is the tenant's own and stands still unless told
//! otherwise ([`Options::speed`], [`Tenant::clock`]): tokens and limits follow it, so that a window of calls never ends on a
//! clock that stands.
//!
//! What is imitated is what public documents, digests and clients say: a status of 200 for everything, codes that contradict
//! their table, null fields that are absent, decimals as text, two paths for two kinds of objects, rows that vanish without an
//! error. Where they are silent or disagree, the stricter is chosen, and the place says so. Absent on purpose: consent pages,
//! files, approval flows beyond their first state, duplicates' rules, events (the vendor documents none).
//!
//! ```
//! use tributary_sandbox::{fxiaoke, http::Scenario};
//!
//! let server = fxiaoke::serve(fxiaoke::Options { people: 50, ..fxiaoke::Options::default() }, Scenario::default(), 0)?;
//! let step = fxiaoke::Step { seconds: 60, changes: 10, ..fxiaoke::Step::default() };
//! let advanced = server.with(|tenant| tenant.advance(&step));
//! assert_eq!(advanced.changes(), 10);
//! # Ok::<(), tributary_sandbox::Error>(())
//! ```

mod alter;
mod auth;
mod change;
mod describe;
mod disturb;
mod filter;
mod objects;
mod query;
mod quota;
mod refusal;
mod render;
mod route;
mod sales;
mod schema;
mod seed;
mod staff;
mod store;
mod write;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::Value;

pub use crate::alteration::{Alteration, Altered};
pub use crate::clock::Clock;
pub use crate::step::{Advanced, Step};
pub use auth::Credential;

use crate::http::{Handle, Scenario};
use crate::world::World;
use crate::{Config, Error, Truth};

/// What to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// As in [`Config`]. Default 2,000.
    pub people: usize,
    /// As in [`Config`]. Default 1.
    pub seed: u64,
    /// As in [`Config`]; the tenant's clock starts at the midnight after it, in Shanghai.
    pub as_of: NaiveDate,
    /// Seconds of the tenant's clock for each that passes. Default 0: it stands still until it is set.
    pub speed: f64,
    /// The app that may come in.
    pub credential: Credential,
    /// Whether records that were declared void are shown, with `life_status` `invalid`. Whether the vendor shows them is not
    /// documented. Default true.
    pub shows_invalid: bool,
    /// Employees, by either id, who are shown only what they own. Default: none; the ids are `1000` to `1004`.
    pub own_only: Vec<String>,
    /// So many records of each object share one time of change at the start, as an import leaves them. Default 0.
    pub tied: usize,
    /// The vendor's limits, which a test may lower so as to meet them sooner.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        let Config { people, seed, as_of } = Config::default();
        Self {
            people,
            seed,
            as_of,
            speed: 0.0,
            credential: Credential::default(),
            shows_invalid: true,
            own_only: Vec::new(),
            tied: 0,
            limits: Limits::default(),
        }
    }
}

/// The vendor's limits; the defaults are the documented ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Rows of a page in the order of the ids, where more are asked for; not where they are asked for by their ids. The vendor
    /// fills its pages, and does not say whether there is more. As many as are asked for.
    pub served: usize,
    /// Rows of a page. 100.
    pub page: usize,
    /// The last offset. 10,000.
    pub offset: usize,
    /// Calls of one interface in a window. 100.
    pub calls_per_window: usize,
    /// Seconds of that window. 20.
    pub window_seconds: i64,
    /// Calls on a day of Shanghai, token calls not counted; 0 where none were bought. 100,000, which is one pack.
    pub calls_per_day: u64,
    /// Seconds that a token lives. 7,200.
    pub token_seconds: i64,
    /// The age at which another is made. 6,600.
    pub token_renewal_seconds: i64,
    /// Token calls in a minute, refused ones included. 10.
    pub tokens_per_minute: usize,
    /// The code with which too many of them are refused; no document says which. 14001.
    pub token_refusal_code: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            served: usize::MAX,
            page: 100,
            offset: 10_000,
            calls_per_window: 100,
            window_seconds: 20,
            calls_per_day: 100_000,
            token_seconds: 7_200,
            token_renewal_seconds: 6_600,
            tokens_per_minute: 10,
            token_refusal_code: 14_001,
        }
    }
}

/// The tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    options: Options,
    world: World,
    staff: Vec<staff::Employee>,
    store: store::Store,
    clock: Clock,
    auth: auth::Auth,
    quota: quota::Quota,
    /// Steps and alterations made so far.
    steps: u64,
    alterations: u64,
}

/// Serves the tenant on 127.0.0.1 and the port, 0 for any that is free.
///
/// # Errors
///
/// [`Error::Config`] when the retailer cannot be made, [`Error::Serve`] when the port cannot be had.
pub fn serve(options: Options, scenario: Scenario, port: u16) -> Result<Handle<Tenant>, Error> {
    crate::http::serve(port, scenario, |_| Tenant::new(options))
}

impl Tenant {
    /// The tenant as it is at the start.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the retailer cannot be made.
    pub fn new(options: Options) -> Result<Self, Error> {
        let config = Config { people: options.people, seed: options.seed, as_of: options.as_of };
        let (world, _) = World::draw(config)?;
        let mut tenant = Self {
            staff: staff::employees(options.seed),
            store: store::Store::new(options.seed, objects::objects()),
            clock: Clock::new(world.started(), options.speed),
            auth: auth::Auth::new(options.seed),
            quota: quota::Quota::default(),
            steps: 0,
            alterations: 0,
            world,
            options,
        };
        tenant.fill();
        Ok(tenant)
    }

    /// Serves this tenant as it is: one that was made ready once can be cloned, which is much faster than drawing it anew.
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

    /// Which record is whose, deleted ones included. Streams are named `fx.` and the object's name; orders are those of
    /// `fx.SalesOrderObj`, nobody's where a company bought.
    pub fn truth(&self) -> Truth {
        let records = self.store.truth.iter().map(|(object, records)| (format!("fx.{object}"), records.clone()));
        let orders = BTreeMap::from([("fx.SalesOrderObj".to_owned(), self.store.orders.clone())]);
        Truth { records: records.collect(), orders, people: self.world.truth() }
    }

    /// The ids of the records of an object that are in force now, in the order of their text.
    pub fn ids(&self, object: &str) -> Vec<String> {
        self.of(object, false)
    }

    /// The ids of those that were declared void and are not deleted yet.
    pub fn invalid_ids(&self, object: &str) -> Vec<String> {
        self.of(object, true)
    }

    fn of(&self, object: &str, invalid: bool) -> Vec<String> {
        let records = self.store.table(object).map(|table| table.records.values());
        let records = records.into_iter().flatten().filter(|record| record.invalid() == invalid);
        records.map(|record| record.id.clone()).collect()
    }

    /// The records of an object that are in force, as a single read of new style shows them, in the order of their ids.
    pub fn snapshot(&self, object: &str) -> Vec<Value> {
        let table = self.store.table(object);
        table.map_or_else(Vec::new, |table| {
            let records = table.records.values().filter(|record| !record.invalid());
            records.map(|record| self.whole(table, record, staff::Form::Number)).collect()
        })
    }

    /// The open id of an employee, which old requests act in the name of.
    pub fn open_user_id(&self, employee: &str) -> Option<&str> {
        self.staff.iter().find(|one| one.is(employee)).map(|one| one.open_id.as_str())
    }
}
