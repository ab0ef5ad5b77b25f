//! Connector for Zoho CRM: any module of an organisation, standard or custom, with what was deleted from it.
//!
//! The README says what is promised; here is where things are:
//!
//! * `config` – the options; `centre` – data centres and which hosts may have a token; `connector` – check, discover, read
//! * `api` – the client, its budget, the requests; `error` – the vendor's codes; `time` – its times
//! * `fields` – what a field is as a column; `streams` – discovery; `columns` – which way a column can be read
//! * `rows` – a page's records; `place` – where a stream stands; `read` – the order in which a stream is read
//! * `query` – changes by COQL; `list` – changes by list; `whole` – streams that are read whole; `bulk`, `export` – first
//!   loads by export; `deleted` – what is gone; `users`

#![forbid(unsafe_code)]

mod api;
mod bulk;
mod centre;
mod columns;
pub mod config;
mod connector;
mod deleted;
mod error;
mod export;
mod fields;
mod list;
mod place;
mod query;
mod read;
mod rows;
mod streams;
mod time;
mod users;
mod whole;

use tributary_connector::Registry;

pub use config::Config;
pub use connector::{ZohoCrm, ZohoCrmFactory};

/// Adds this connector to `registry`, as `zoho-crm`.
pub fn register(registry: &mut Registry) {
    registry.register(ZohoCrmFactory);
}
