//! What a connector author depends on, and nothing else of ours.
//!
//! A connector says which streams it has ([`Connector::discover`]) and hands out pages ([`Reader::next`]); a page is a
//! record batch or bytes to decode. Decoding, back-pressure, state and commits are the framework's. This crate knows no
//! lake, no engine and no pipeline.

#![forbid(unsafe_code)]

mod columns;
pub mod decode;
mod error;
mod form;
pub mod http;
mod page;
mod paged;
mod position;
mod registry;
mod secret;
mod sniffed;
mod stream;

pub use columns::Columns;
pub use error::{Error, Fault, Kind, Retry};
pub use form::Form;
pub use page::{CsvDialect, CsvPage, Data, Event, JsonPage, JsonShape, Op, Page, Rejected, Withdrawal};
pub use paged::{Fetch, Fetched, paged};
pub use position::{Position, State, Window};
pub use registry::{AnyFactory, Configuration, Connector, Context, Factory, ReadRequest, Reader, Registry};
pub use secret::{Secret, SecretRef};
pub use sniffed::Sniffed;
pub use stream::{Capabilities, Cursor, Deletes, EPOCH, MEMBER, PERSONAL, Personal, SEPARATOR, Stream, TIMEZONE};
