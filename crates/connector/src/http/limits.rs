//! How long a page may take and how large it may be.

use std::time::Duration;

/// Limits of one exchange with a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub connect: Duration,
    /// From sending until the headers are there.
    pub header: Duration,
    /// Between two pieces of the body.
    pub idle: Duration,
    /// For all of a page, redirects included.
    pub page: Duration,
    /// Of a page, decoded.
    pub max_bytes: u64,
    /// Decoded bytes for each that came over the wire, beyond the first MiB.
    pub max_ratio: u64,
    /// Redirects followed for one request.
    pub max_redirects: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            header: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            page: Duration::from_secs(600),
            max_bytes: 64 << 20,
            max_ratio: 100,
            max_redirects: 3,
        }
    }
}
