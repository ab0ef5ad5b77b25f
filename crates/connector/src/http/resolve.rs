//! Names to addresses, with those left out that a name of the internet must not lead to.
//!
//! The check is at connect time, so that a name that changes its mind between check and use gains nothing.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::origin::Origins;

pub(super) struct Guarded(pub Origins);

/// All addresses of a name are of a private network.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is at a private address")]
pub(super) struct PrivateAddress(String);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let origins = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let admitted: Vec<_> = found.iter().copied().filter(|found| origins.admits(host, found.ip())).collect();
            if admitted.is_empty() && !found.is_empty() {
                return Err(PrivateAddress(host.to_owned()).into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}
