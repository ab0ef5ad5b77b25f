//! A webhook: JSON by POST. Any answer of 2xx is enough.

use tributary_connector::SecretRef;

use crate::settings::Address;

pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Of two that set it at once one is too late, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    reqwest::Client::builder()
        .user_agent(concat!("tributary/", env!("CARGO_PKG_VERSION")))
        // A token goes to the address that was named and to no other.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .build()
}

/// The error says nothing of the address, which may be a secret.
pub(super) async fn post(
    http: &reqwest::Client,
    address: &Address,
    token: Option<&SecretRef>,
    body: &str,
) -> Result<(), String> {
    let address = match address {
        Address::Plain(address) => address.clone(),
        Address::Secret(secret) => secret.resolve().await.map_err(|e| e.to_string())?.expose().to_owned(),
    };
    let mut request = http.post(address).header("content-type", "application/json").body(body.to_owned());
    if let Some(token) = token {
        request = request.bearer_auth(token.resolve().await.map_err(|e| e.to_string())?.expose());
    }
    let answer = request.send().await.map_err(|e| describe(e.without_url()))?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
}

/// reqwest says what matters in the innermost cause.
fn describe(error: reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
