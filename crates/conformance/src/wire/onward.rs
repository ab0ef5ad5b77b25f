//! The way from a wire to its world.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reqwest::header::{HeaderName, HeaderValue};

use super::message::{Delivery, Reply, Request};
use super::replaced;

/// Headers that are of a connection and not of a message.
const OF_A_CONNECTION: [&str; 8] =
    ["connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Asks the world.
#[derive(Debug, Clone)]
pub struct Onward {
    upstream: Option<String>,
    /// Base URLs of the world, and those of the wires before them.
    names: Arc<[(String, String)]>,
}

impl Onward {
    pub(super) fn new(upstream: Option<String>, names: Arc<[(String, String)]>) -> Self {
        Self { upstream, names }
    }

    /// Asks, and gives the answer with its body as it came, compressed or not; 502 if there is none. Where the world names itself
    /// in headers or in a body that is not compressed, it is given the wire's name.
    pub async fn send(&self, request: Request) -> Reply {
        let Some(upstream) = &self.upstream else {
            return Reply::of(502, "text/plain", "there is nothing behind this wire");
        };
        match fetch(&format!("{upstream}{}", request.target()), request).await {
            Ok(reply) => self.renamed(reply),
            // The error's own text may hold the URL, and that a secret.
            Err(error) => Reply::of(502, "text/plain", format!("no answer: {}", error.without_url())),
        }
    }

    /// Asks another place, with the request's own headers.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn send_to(&self, url: &str, request: Request) -> Result<Reply, reqwest::Error> {
        fetch(url, request).await
    }

    fn renamed(&self, mut reply: Reply) -> Reply {
        for (_, value) in &mut reply.headers {
            *value = replaced(value, &self.names);
        }
        if reply.header("content-encoding").is_none()
            && let Ok(text) = std::str::from_utf8(&reply.body)
            && self.names.iter().any(|(from, _)| text.contains(from.as_str()))
        {
            reply.body = Bytes::from(replaced(text, &self.names));
        }
        reply
    }
}

async fn fetch(url: &str, request: Request) -> Result<Reply, reqwest::Error> {
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
    let mut builder = client()?.request(method, url);
    for (name, value) in &request.headers {
        if OF_A_CONNECTION.contains(&name.as_str()) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            builder = builder.header(name, value);
        }
    }
    if !request.body.is_empty() || request.method == "POST" {
        builder = builder.body(request.body);
    }
    let response = builder.send().await?;
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .filter(|(name, _)| !OF_A_CONNECTION.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    Ok(Reply { status, headers, body: response.bytes().await?, delivery: Delivery::Whole })
}

/// One for all wires. It keeps no connections, because these would belong to the runtime of one wire.
fn client() -> Result<&'static reqwest::Client, reqwest::Error> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Of two that set it at once one is too late, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .pool_max_idle_per_host(0)
        .build()?;
    Ok(CLIENT.get_or_init(|| client))
}
