//! Health, readiness and metrics over HTTP.
//!
//! There is no login, so it listens to this machine only unless told otherwise, and answers to names it was told only: a page of
//! the web whose name is made to lead here (DNS rebinding) gets nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::server::Handle;
use crate::{Error, Settings, metrics};

/// `/healthz`, `/readyz` and `/metrics`, with further routes if there are any, all behind the check of the host.
pub fn router(handle: Handle, settings: &Settings, further: Router) -> Router {
    let hosts: Arc<[String]> = settings.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .with_state(handle)
        .merge(further)
        .layer(middleware::from_fn_with_state(hosts, guard))
}

/// Takes the address of the settings.
///
/// # Errors
/// If others could reach it and that was not asked for, or it cannot be had.
pub async fn listen(settings: &Settings) -> Result<TcpListener, Error> {
    let address: SocketAddr = settings.listen;
    if !address.ip().is_loopback() && !settings.listen_anywhere {
        return Err(Error::new(format!("others can reach `{address}`, and there is no login"))
            .hint("listen to `127.0.0.1` behind a proxy that asks for one, or set `listen_anywhere = true`"));
    }
    TcpListener::bind(address).await.map_err(|e| {
        Error::new(format!("could not listen to `{address}`"))
            .source(e)
            .hint("name another address and port with `--listen`")
    })
}

async fn ready(State(handle): State<Handle>) -> Response {
    match handle.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn scrape(State(handle): State<Handle>) -> Response {
    match metrics::encode(&handle.status()) {
        Ok(body) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn guard(State(hosts): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = match (named.next().map(HeaderValue::to_str), named.next()) {
        (Some(Ok(host)), None) => host,
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    let same = request.uri().authority().is_none_or(|authority| authority.as_str() == host);
    let mut response = if same && is_allowed(host, &hosts) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "this host name is not one of the server's\n").into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An address is no name, so nobody can make it lead elsewhere.
fn is_allowed(host: &str, hosts: &[String]) -> bool {
    if host.parse::<SocketAddr>().is_ok() || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    name == "localhost" || hosts.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_told_us_are_refused() {
        let hosts = ["jobs.example.com".to_owned()];
        for host in ["localhost", "localhost:8077", "127.0.0.1:8077", "127.0.0.1", "[::1]:8077", "JOBS.example.com:1"] {
            assert!(is_allowed(host, &hosts), "{host}");
        }
        for host in ["evil.example.com", "127.0.0.1.evil.example.com:8077", "localhost.evil.example.com", ""] {
            assert!(!is_allowed(host, &hosts), "{host}");
        }
    }
}
