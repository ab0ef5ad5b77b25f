//! One exchange with a server: a request goes out, redirects are followed, and the whole body comes back or an error.
//!
//! What makes an answer a good one is decided elsewhere (`classify`), and so is whether to ask again (`client`).

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::auth::Authorize;
use super::body::Body;
use super::clock::Clock;
use super::limits::Limits;
use super::origin::{Origins, shown};
use super::request::Outgoing;
use super::resolve::{Guarded, PrivateAddress};
use super::token::Token;
use crate::{Error, Kind, Retry};

pub(super) struct Exchange {
    http: reqwest::Client,
    pub origins: Origins,
    limits: Limits,
    authorize: Option<Arc<dyn Authorize>>,
    clock: Arc<dyn Clock>,
}

/// An answer whose meaning is not known yet.
pub(super) struct Raw {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub url: Url,
}

/// An exchange that did not come to an end.
pub(super) struct Broken {
    pub error: Error,
    /// The server may have seen the request.
    pub sent: bool,
}

impl Broken {
    fn sent(error: Error) -> Self {
        Self { error, sent: true }
    }

    fn unsent(error: Error) -> Self {
        Self { error, sent: false }
    }
}

impl Exchange {
    /// # Errors
    /// [`Kind::Config`] if TLS cannot be set up.
    pub(super) fn new(
        origins: Origins,
        limits: Limits,
        authorize: Option<Arc<dyn Authorize>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Of two that set it at once one is too late, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("tributary/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A proxy would resolve names itself, out of sight of the check for private addresses.
            .no_proxy()
            // Other crates of the program may have switched these on; `body` has to see the bytes of the wire.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connect_timeout(limits.connect)
            .dns_resolver(Guarded(origins.clone()));
        if !origins.have_tls() {
            // Nothing is ever asked by TLS then, and reading the system's certificates takes a tenth of a second in tests.
            http = http.tls_certs_only([]);
        }
        let http = http
            .build()
            .map_err(|e| Error::new(Kind::Config, "the HTTP client could not be set up").source(e.without_url()))?;
        Ok(Self { http, origins, limits, authorize, clock })
    }

    /// # Errors
    /// Why there is no whole answer.
    pub(super) async fn run(&self, outgoing: Outgoing, token: Option<&Token>) -> Result<Raw, Broken> {
        let asked = outgoing.shown();
        let outcome = match tokio::time::timeout(self.limits.page, self.follow(outgoing, token)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Broken::sent(timed_out("the page was not complete after", self.limits.page))),
        };
        outcome.map_err(|broken| {
            let message = format!("`{asked}`: {}", broken.error.message);
            Broken { error: Error { message, ..broken.error }, ..broken }
        })
    }

    async fn follow(&self, mut outgoing: Outgoing, token: Option<&Token>) -> Result<Raw, Broken> {
        for _ in 0..=self.limits.max_redirects {
            let response = self.ask(outgoing.clone(), token).await?;
            let Some(location) = redirect(&response) else {
                return self.read(response, &outgoing).await.map_err(Broken::sent);
            };
            if outgoing.method != Method::GET && outgoing.method != Method::HEAD {
                return Err(Broken::sent(
                    Error::new(Kind::Protocol, format!("a redirect ({})", response.status().as_u16()))
                        .hint("only a `GET` is redirected: the address in the configuration may be an old one"),
                ));
            }
            let location = location
                .to_str()
                .map_err(|_| Broken::sent(Error::new(Kind::Protocol, "a redirect to something that is no URL")))?;
            outgoing.url = self.origins.resolve(&outgoing.url, location).map_err(|error| {
                let message = format!("a redirect: {}", error.message);
                Broken::sent(Error { message, ..error })
            })?;
        }
        let error = Error::new(Kind::Protocol, format!("more than {} redirects", self.limits.max_redirects));
        Err(Broken::sent(error))
    }

    async fn ask(&self, mut outgoing: Outgoing, token: Option<&Token>) -> Result<Response, Broken> {
        outgoing.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(hook) = &self.authorize {
            hook.authorize(&mut outgoing, token, self.clock.now()).map_err(Broken::unsent)?;
        }
        // The hook may have changed the URL as well.
        self.origins.check(&outgoing.url).map_err(Broken::unsent)?;
        let has_body = !outgoing.body.is_empty() || outgoing.method == Method::POST;
        let mut request = self.http.request(outgoing.method, outgoing.url).headers(outgoing.headers);
        if has_body {
            request = request.body(outgoing.body);
        }
        let request = request.build().map_err(|e| Broken::unsent(explain(e)))?;
        match tokio::time::timeout(self.limits.header, self.http.execute(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(e)) => Err(Broken { sent: !e.is_connect(), error: explain(e) }),
            Err(_) => Err(Broken::sent(timed_out("no answer after", self.limits.header))),
        }
    }

    async fn read(&self, mut response: Response, outgoing: &Outgoing) -> Result<Raw, Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        let declared: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let has_body = outgoing.method != Method::HEAD && status != StatusCode::NOT_MODIFIED;
        let max_bytes = outgoing.max_bytes.unwrap_or_default().max(self.limits.max_bytes);
        if has_body && let Some(declared) = declared.filter(|declared| *declared > max_bytes) {
            return Err(Error::new(Kind::Refused, format!("the page is {declared} bytes, over {max_bytes}"))
                .hint("ask for smaller pages, or raise the limit"));
        }
        let mut body = Body::new(&headers, &Limits { max_bytes, ..self.limits.clone() })?;
        loop {
            match tokio::time::timeout(self.limits.idle, response.chunk()).await {
                Ok(Ok(Some(piece))) => body.push(&piece)?,
                Ok(Ok(None)) => break,
                Ok(Err(e)) => return Err(explain(e)),
                Err(_) => return Err(timed_out("the page stood still for", self.limits.idle)),
            }
        }
        let received = body.received();
        if has_body && let Some(declared) = declared.filter(|declared| *declared != received) {
            return Err(
                Error::new(Kind::Transport, format!("{received} of {declared} bytes came")).retry(Retry::BackOff)
            );
        }
        // Of compressed bytes that were promised none is a page cut off at its start, unless it says itself that it is empty.
        if has_body && received == 0 && declared.is_none() && matches!(body, Body::Gzip(_)) && status == StatusCode::OK
        {
            return Err(Error::new(Kind::Transport, "the page broke off before its first byte").retry(Retry::BackOff));
        }
        Ok(Raw { status, headers, bytes: body.finish()?, url: outgoing.url.clone() })
    }
}

fn redirect(response: &Response) -> Option<HeaderValue> {
    let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    response.headers().get(LOCATION).filter(|_| moved).cloned()
}

fn timed_out(what: &str, limit: Duration) -> Error {
    Error::new(Kind::Transport, format!("{what} {limit:?}")).retry(Retry::BackOff)
}

/// What went wrong between here and there. The library's own message would name the URL with its query.
fn explain(e: reqwest::Error) -> Error {
    let e = e.without_url();
    if cause::<PrivateAddress>(&e).is_some() {
        return Error::new(Kind::Refused, "the name leads to a private address")
            .hint("if the source is in your own network, say so in its configuration")
            .source(e);
    }
    if let Some(rustls::Error::InvalidCertificate(_)) = cause(&e) {
        return Error::new(Kind::Refused, "the server's certificate is not valid")
            .hint("the connection may be listened to; check the address, and the system's certificates and clock")
            .source(e);
    }
    let message = if e.is_connect() {
        "no connection could be made"
    } else if e.is_body() || e.is_decode() {
        "the connection broke off within the page"
    } else if e.is_builder() {
        return Error::new(Kind::Config, "the request cannot be sent as it is").source(e);
    } else {
        "the connection broke off"
    };
    Error::new(Kind::Transport, message).source(e)
}

/// The first cause that is a `T`, also of those that an I/O error carries.
fn cause<T: std::error::Error + 'static>(e: &reqwest::Error) -> Option<&T> {
    let mut next = e.source();
    while let Some(source) = next {
        if let Some(found) = source.downcast_ref::<T>() {
            return Some(found);
        }
        let carried = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = carried.and_then(|carried| carried.downcast_ref::<T>()) {
            return Some(found);
        }
        next = source.source();
    }
    None
}

/// As it is logged: origin and path, no query.
pub(super) fn log(asked: &str, raw: &Raw, attempt: u32) {
    tracing::debug!(
        request = asked,
        answered_by = shown(&raw.url),
        status = raw.status.as_u16(),
        bytes = raw.bytes.len(),
        attempt,
        "answered"
    );
}
