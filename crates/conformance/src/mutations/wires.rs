//! Defects of the connection: a wire between the connector and the one that lays the faults.

use std::sync::Arc;

use async_trait::async_trait;

use crate::wire::{Between, Nothing, Onward, Reply, Request, fits};
use crate::{Declared, DeclaredStream};

/// No defect.
pub(super) fn unchanged(_declared: &Declared) -> Arc<dyn Between> {
    Arc::new(Nothing)
}

/// A web page is taken for a page without records.
pub(super) fn web_page_is_none(declared: &Declared) -> Arc<dyn Between> {
    Arc::new(WebPageIsNone(declared.streams.clone()))
}

struct WebPageIsNone(Vec<DeclaredStream>);

#[async_trait]
impl Between for WebPageIsNone {
    async fn answer(&self, request: Request, onward: &Onward) -> Reply {
        let stream = self.0.iter().find(|stream| fits(stream.pages, &request));
        let reply = onward.send(request.clone()).await;
        match stream {
            Some(stream) if reply.status == 200 && reply.body.trim_ascii_start().starts_with(b"<") => {
                stream.none.clone()
            }
            _ => reply,
        }
    }
}

/// Redirects are followed wherever they lead, with all that was sent first.
pub(super) fn follows_redirects(_declared: &Declared) -> Arc<dyn Between> {
    Arc::new(FollowsRedirects)
}

struct FollowsRedirects;

#[async_trait]
impl Between for FollowsRedirects {
    async fn answer(&self, request: Request, onward: &Onward) -> Reply {
        let reply = onward.send(request.clone()).await;
        let location = reply.header("location").filter(|_| (300..400).contains(&reply.status));
        let Some(location) = location.filter(|location| location.starts_with("http")) else { return reply };
        onward.send_to(location, request).await.unwrap_or(reply)
    }
}

/// A second has to do, however long the vendor wants to be left alone.
pub(super) fn impatient(_declared: &Declared) -> Arc<dyn Between> {
    Arc::new(Impatient)
}

struct Impatient;

#[async_trait]
impl Between for Impatient {
    async fn answer(&self, request: Request, onward: &Onward) -> Reply {
        let reply = onward.send(request).await;
        if reply.header("retry-after").is_some() { reply.with("retry-after", "1") } else { reply }
    }
}
