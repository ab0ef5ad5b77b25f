//! A stand-in for Zoho CRM, API version 8: the made-up retailer's CRM behind the vendor's requests.
//!
//! The contacts are those of `crm/contacts.csv` of the same [`Config`], with the same ids and values; beside them are leads,
//! accounts, deals, cases, a custom module, a subform and a link. [`Crm::advance`] lets the world go on; [`Crm::truth`]
//! says which record is whose. Time is the CRM's own and stands still unless told otherwise ([`Options::speed`],
//! [`Crm::clock`]): tokens, page tokens, windows of credits and the retention of deleted records follow it.
//!
//! What is imitated is what the public documentation and the published SDKs say: paging cliffs, empty answers without a body,
//! flat errors, 429 without a hint. Where they are silent or disagree, the stricter is chosen, and the place says so. Absent on
//! purpose: search, custom views, territories, notifications, bulk write, attachments, COQL's aggregates.
//!
//! ```
//! use tributary_sandbox::{http::Scenario, zoho};
//!
//! let server = zoho::serve(zoho::Options { people: 50, ..zoho::Options::default() }, Scenario::default(), 0)?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! let advanced = server.with(|crm| crm.advance(&zoho::Step { seconds: 3_600, changes: 10, ..zoho::Step::default() }));
//! assert_eq!(advanced.changes(), 10);
//! # Ok::<(), tributary_sandbox::Error>(())
//! ```

mod alter;
mod auth;
mod bulk;
mod change;
mod coql;
mod criteria;
mod disturb;
mod list;
mod metadata;
mod quota;
mod refusal;
mod render;
mod route;
mod schema;
mod seed;
mod store;
mod write;

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde_json::Value;

pub use auth::Credential;
pub use quota::Edition;

pub use crate::alteration::{Alteration, Altered};
pub use crate::clock::Clock;
use crate::http::{Handle, Scenario};
use crate::standin::SHANGHAI;
pub use crate::step::{Advanced, Step};
use crate::world::World;
use crate::{Config, Error, Truth, clock};

/// What to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// As in [`Config`]. Default 2,000.
    pub people: usize,
    /// As in [`Config`]. Default 1.
    pub seed: u64,
    /// As in [`Config`]; the CRM's clock starts at the midnight after it, in Shanghai.
    pub as_of: NaiveDate,
    /// Seconds of the CRM's clock for each that passes. Default 0: it stands still until it is set.
    pub speed: f64,
    /// What credits and concurrency the organisation has. Default Enterprise.
    pub edition: Edition,
    /// Who may come in. Default: one, `client`, `secret` and `refresh`, with all scopes.
    pub credentials: Vec<Credential>,
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
            edition: Edition::Enterprise,
            credentials: vec![Credential::default()],
            limits: Limits::default(),
        }
    }
}

/// The vendor's limits; the defaults are the documented ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Records of a page, of a list and of a query, where more are asked for; not where they are asked for by their ids. The
    /// vendor fills its pages, and says all the same whether there is more. As many as are asked for.
    pub served: usize,
    /// Records that page numbers reach. 2,000.
    pub paged: usize,
    /// Records that page tokens reach. 100,000.
    pub paged_by_token: usize,
    /// Seconds that a page token lives. 24 hours.
    pub page_token_seconds: i64,
    /// Records that LIMIT and OFFSET reach. 100,000.
    pub queried: usize,
    /// Rows of one bulk job. 200,000.
    pub bulk_rows: usize,
    /// Downloads of bulk results per minute. 10.
    pub downloads: usize,
    /// Seconds that an access token lives. 3,600.
    pub token_seconds: i64,
    /// Access tokens per refresh token in ten minutes. 10.
    pub tokens: usize,
    /// Access tokens of one refresh token that live at a time. 15.
    pub live_tokens: usize,
    /// The status with which too many token requests are refused: the vendor says 200, some have seen 400.
    pub token_refusal_status: u16,
    /// Credits in 24 hours, if not the edition's.
    pub credits: Option<u64>,
    /// Requests at a time, if not the edition's.
    pub concurrency: Option<usize>,
    /// Of these, heavy ones (queries, bulk jobs, writes). 10.
    pub heavy_concurrency: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            served: usize::MAX,
            paged: 2_000,
            paged_by_token: 100_000,
            page_token_seconds: clock::DAY,
            queried: 100_000,
            bulk_rows: 200_000,
            downloads: 10,
            token_seconds: 3_600,
            tokens: 10,
            live_tokens: 15,
            token_refusal_status: 200,
            credits: None,
            concurrency: None,
            heavy_concurrency: 10,
        }
    }
}

/// One who works with the CRM.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) email: String,
}

/// The CRM.
#[derive(Debug, Clone)]
pub struct Crm {
    options: Options,
    base_url: String,
    world: World,
    users: Vec<User>,
    store: store::Store,
    clock: Clock,
    auth: auth::Auth,
    quota: quota::Quota,
    page_tokens: HashMap<String, list::PageToken>,
    jobs: BTreeMap<u64, bulk::Job>,
    /// Numbers of things that were made so far: steps, alterations, page tokens.
    steps: u64,
    alterations: u64,
    tokens_made: u64,
}

/// Serves the CRM on 127.0.0.1 and the port, 0 for any that is free.
///
/// # Errors
///
/// [`Error::Config`] when the retailer cannot be made, [`Error::Serve`] when the port cannot be had.
pub fn serve(options: Options, scenario: Scenario, port: u16) -> Result<Handle<Crm>, Error> {
    crate::http::serve(port, scenario, |url| Crm::new(options, url))
}

impl Crm {
    /// The CRM as it is at the start, for a server at this base URL.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the retailer cannot be made.
    pub fn new(options: Options, base_url: &str) -> Result<Self, Error> {
        let config = Config { people: options.people, seed: options.seed, as_of: options.as_of };
        let (world, contacts) = World::draw(config)?;
        let mut crm = Self {
            base_url: base_url.to_owned(),
            users: seed::users(),
            store: store::Store::new(schema::modules()),
            clock: Clock::new(world.started(), options.speed),
            auth: auth::Auth::new(options.seed, options.credentials.len()),
            quota: quota::Quota::default(),
            page_tokens: HashMap::new(),
            jobs: BTreeMap::new(),
            steps: 0,
            alterations: 0,
            tokens_made: 0,
            world,
            options,
        };
        crm.fill(contacts);
        Ok(crm)
    }

    /// Serves this CRM as it is: one that was made ready once can be cloned, which is much faster than drawing it anew.
    ///
    /// # Errors
    ///
    /// [`Error::Serve`] when the port cannot be had.
    pub fn serve(self, scenario: Scenario, port: u16) -> Result<Handle<Self>, Error> {
        crate::http::serve(port, scenario, |url| Ok(Self { base_url: url.to_owned(), ..self }))
    }

    /// Its clock, to be set.
    pub fn clock(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// Which record is whose, deleted ones included, as `truth/` tells it for files. Streams are named `crm.contacts`, `crm.leads`, `crm.deals`,
    /// `crm.cases`, `crm.loyalty_cards`.
    pub fn truth(&self) -> Truth {
        let records = self.store.truth.iter().map(|(module, records)| {
            let records = records.iter().map(|(id, person)| (id.to_string(), *person)).collect();
            (format!("crm.{}", module.to_ascii_lowercase()), records)
        });
        Truth { records: records.collect(), orders: BTreeMap::new(), people: self.world.truth() }
    }

    /// The ids of the records that a module holds now, converted leads included.
    pub fn ids(&self, module: &str) -> Vec<String> {
        let table = self.store.table(module);
        table.map_or_else(Vec::new, |table| table.records.keys().map(u64::to_string).collect())
    }

    /// These records as single reads show them to a user in Shanghai, in the order of their ids.
    pub fn snapshot(&self, module: &str) -> Vec<Value> {
        let table = self.store.table(module);
        table.map_or_else(Vec::new, |table| {
            table.records.values().map(|record| self.single(table, record, SHANGHAI)).collect()
        })
    }
}
