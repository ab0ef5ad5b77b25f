//! HTTP for connectors: a client that obeys the vendor, guards the credential and never takes a broken page for a short one.
//!
//! A connector says what to ask ([`Request`]) and what the vendor's answers mean ([`Rules`]); [`Client::send`] gives back
//! answers that are whole and good. In between, and nowhere else, are: origins and redirects, time-outs and caps, the budget
//! that all users of a credential on a machine share ([`Limit`]), the access token that they share too ([`Tokens`]), retries and
//! `Retry-After` ([`Policy`]). Beside the client are the ways through pages, which know no network: [`PageNumber`],
//! [`Offset`], [`PageToken`], [`Keyset`], [`next_link`], [`next_url`], [`Windows`], guarded by a [`Walk`]; and [`locate()`], which finds the
//! records in a page.
//!
//! ```no_run
//! # async fn read() -> Result<(), tributary_connector::Error> {
//! use tributary_connector::http::{Client, Origins, PageNumber, Request, Walk, locate};
//!
//! let client = Client::builder("shop/account-7", Origins::new("https://api.example.com")?).build()?;
//! let (mut pages, mut walk) = (PageNumber::new(1, 100), Walk::new());
//! loop {
//!     let answer = client.send(Request::get("/v1/orders").query("page", pages.page())).await?;
//!     let found = locate(&answer.bytes, "data", &["meta.has_more"])?;
//!     let more = found.fields[0].as_ref().and_then(|value| value.as_bool());
//!     if let Some(page) = &found.page {
//!         walk.page(&page.bytes, found.records, more.unwrap_or(false))?;
//!         // hand out the page
//!     }
//!     if !pages.advance(found.records, more)? {
//!         return Ok(());
//!     }
//! }
//! # }
//! ```
//!
//! Each request is logged at level debug: method, origin and path, status, bytes, attempt, wait; never a query, a header or a
//! body. Proxies are not used, HTTP/2 neither, and there is no switch that makes TLS insecure.

mod auth;
mod body;
mod budget;
mod classify;
mod client;
mod clock;
mod exchange;
mod limits;
mod locate;
mod meter;
mod origin;
mod paging;
mod request;
mod resolve;
mod retry;
mod settings;
mod state;
mod token;
mod tokens;
mod walk;
mod windows;

pub use auth::{Authorize, TokenHeader};
pub use budget::{Counts, Limit, Rule};
pub use classify::{Judged, Rules, Seen, Until, Verdict, When, by_status};
pub use client::{Builder, Client};
pub use clock::{Clock, SystemClock, VirtualClock};
pub use limits::Limits;
pub use locate::{Located, Value, locate, scan};
pub use origin::{Origins, shown};
pub use paging::{Keyset, Offset, PageNumber, Token as PageToken, next_link, next_url};
pub use request::{Answer, Expects, Outcome, Outgoing, Request};
pub use reqwest::{Method, StatusCode, header};
pub use retry::{Policy, retry_after};
pub use settings::Settings;
pub use state::Folder;
pub use token::{RefreshGrant, Token, TokenSource};
pub use tokens::{Issued, Tokens};
pub use url::Url;
pub use walk::Walk;
pub use windows::{Window, Windows};
