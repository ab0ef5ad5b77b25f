//! What the suite puts between a connector and its world: a server on 127.0.0.1 that hands requests on and may do anything to
//! them and to their answers.
//!
//! Faults, logs, defects and cassettes are all a [`Between`]. A [`Wire`] lives on a thread of its own, so that it serves tests of any
//! runtime, and its sockets are its own, so that it can also cut, stall and lie. It speaks plain HTTP/1.1, a request a
//! connection; onward it speaks what the world wants, TLS included.

mod message;
mod onward;
mod server;

use std::io;
use std::sync::Arc;

use async_trait::async_trait;

pub use message::{Delivery, Reply, Request};
pub use onward::Onward;
pub use server::Wire;

/// Something between a connector and its world.
#[async_trait]
pub trait Between: Send + Sync {
    /// The reply to `request`; `onward` asks the world.
    async fn answer(&self, request: Request, onward: &Onward) -> Reply;
}

/// Hands everything on as it is.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

#[async_trait]
impl Between for Nothing {
    async fn answer(&self, request: Request, onward: &Onward) -> Reply {
        onward.send(request).await
    }
}

/// A wire before each of `origins`; where one origin names another in an answer, the name is that of its wire.
///
/// # Errors
/// If no port can be had.
pub fn around(origins: &[String], between: &Arc<dyn Between>) -> io::Result<Vec<Wire>> {
    let opened = origins.iter().map(|_| server::Listening::open()).collect::<io::Result<Vec<_>>>()?;
    let names: Arc<[(String, String)]> =
        origins.iter().cloned().zip(opened.iter().map(server::Listening::url)).collect::<Vec<_>>().into();
    let pairs = opened.into_iter().zip(origins);
    pairs
        .map(|(listening, origin)| {
            listening.serve(Onward::new(Some(origin.clone()), Arc::clone(&names)), Arc::clone(between))
        })
        .collect()
}

/// Whether `request` fits a pattern: a path, after a method if need be, in which `*` stands for any text; several are divided by `|`.
pub fn fits(pattern: &str, request: &Request) -> bool {
    pattern.split('|').any(|pattern| {
        let path = match pattern.trim().split_once(' ') {
            Some((method, path)) if method == request.method => path,
            Some(_) => return false,
            None => pattern.trim(),
        };
        globbed(path, &request.path)
    })
}

/// Whether the pattern, in which `*` stands for any text, is the whole text.
pub(crate) fn globbed(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    text.strip_prefix(head)
        .is_some_and(|tail| (0..=tail.len()).any(|at| tail.get(at..).is_some_and(|tail| globbed(rest, tail))))
}

/// Puts other text in place of texts.
pub(crate) fn replaced(text: &str, names: &[(String, String)]) -> String {
    names.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_path_with_stars_and_perhaps_a_method() {
        let request = Request { method: "GET".into(), path: "/v2/orders/7".into(), ..Request::default() };
        for good in ["*", "/v2/*", "GET /v2/orders/*", "/*/orders/7", "/v2/orders/7", "/x | GET /v2/*"] {
            assert!(fits(good, &request), "{good}");
        }
        for bad in ["/v2/orders", "POST *", "/v2/orders/7/*", ""] {
            assert!(!fits(bad, &request), "{bad}");
        }
    }
}
