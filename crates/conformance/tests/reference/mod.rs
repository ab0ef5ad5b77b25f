//! The reference: a small API of a made-up shop, a connector for it, and the two as a subject. It passes all checks.

mod api;
mod connector;
mod subject;

pub use subject::Shop;
