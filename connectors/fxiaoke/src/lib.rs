//! Connector for Fxiaoke (纷享销客, ShareCRM): preset and custom objects, employees and departments.
//!
//! The README says what is promised; here is where things are:
//!
//! * `config` – the options; `connector` – check, discover, read
//! * `api` – the client and the requests; `auth` – both generations of credentials; `error` – the vendor's codes
//! * `streams` – an object's description as a schema
//! * `page` – what has to be known of a page's records; `edge` – which of them came before
//! * `read` – the walk through what changed; `sweep` – the walk that finds what is gone
//! * `known` – the ids that were handed out; `packed` – how they are written; `position` – what is kept between runs

#![forbid(unsafe_code)]

mod api;
mod auth;
pub mod config;
mod connector;
mod edge;
mod error;
mod known;
mod packed;
mod page;
mod position;
mod read;
mod streams;
mod sweep;

use tributary_connector::Registry;

pub use config::Config;
pub use connector::{Fxiaoke, FxiaokeFactory};

/// Adds this connector to `registry`, as `fxiaoke`.
pub fn register(registry: &mut Registry) {
    registry.register(FxiaokeFactory);
}
