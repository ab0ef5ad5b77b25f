//! Connector for files: CSV, JSON Lines, Parquet and XLSX, local or in an object store.
//!
//! A file is taken once per content. The README says what is promised; here is where things are:
//!
//! * `config` – the options; `connector` – check, discover, read
//! * `place`, `local`, `remote` – which files there are; `input` – opening and hashing them
//! * `contents` – which path shows which content, and what is withdrawn when that changes; `reader` – the events
//! * `load` – one file; `text`, `encoding` – text files; `layout`, `cut`, `csv` – delimited text; `jsonl`; `parquet`;
//!   `archive`, `xlsx` – workbooks
//! * `discover`, `shape` – schemas; `sniff` – what a file looks like

#![forbid(unsafe_code)]

mod archive;
pub mod config;
mod connector;
mod contents;
mod csv;
mod cut;
mod discover;
mod encoding;
mod input;
mod jsonl;
mod layout;
mod load;
mod local;
mod pages;
mod parquet;
mod place;
mod reader;
mod remote;
mod shape;
mod sniff;
mod text;
mod xlsx;

use tributary_connector::Registry;

pub use config::{Config, Format};
pub use connector::{Files, FilesFactory};
pub use sniff::{Sniff, sniff};

/// Adds this connector to `registry`, as `files`.
pub fn register(registry: &mut Registry) {
    registry.register(FilesFactory);
}
