//! Zoho's data centres, and which hosts may be given a token.
//!
//! No host is made from another by replacing parts of it: the accounts server of Canada is not that of its API. The token
//! endpoint says where the API is, and it is believed only if that is one of the hosts known here, so that an answer that was
//! tampered with leads nowhere.

use tributary_connector::http::Url;
use tributary_connector::{Error, Kind};

use crate::config::{Config, DataCenter, Environment};

struct Centre {
    accounts: &'static str,
    /// The domain of the API, below `www.`, `sandbox.` and `developer.`.
    api: &'static str,
}

const CENTRES: [(DataCenter, Centre); 9] = [
    (DataCenter::Us, Centre { accounts: "accounts.zoho.com", api: "zohoapis.com" }),
    (DataCenter::Eu, Centre { accounts: "accounts.zoho.eu", api: "zohoapis.eu" }),
    (DataCenter::In, Centre { accounts: "accounts.zoho.in", api: "zohoapis.in" }),
    (DataCenter::Au, Centre { accounts: "accounts.zoho.com.au", api: "zohoapis.com.au" }),
    (DataCenter::Cn, Centre { accounts: "accounts.zoho.com.cn", api: "zohoapis.com.cn" }),
    (DataCenter::Jp, Centre { accounts: "accounts.zoho.jp", api: "zohoapis.jp" }),
    (DataCenter::Ca, Centre { accounts: "accounts.zohocloud.ca", api: "zohoapis.ca" }),
    (DataCenter::Sa, Centre { accounts: "accounts.zoho.sa", api: "zohoapis.sa" }),
    // Its API's domain is in no document; the token has to name it.
    (DataCenter::Uk, Centre { accounts: "accounts.zoho.uk", api: "zohoapis.uk" }),
];

fn centre(of: DataCenter) -> Option<&'static Centre> {
    CENTRES.iter().find(|(name, _)| *name == of).map(|(_, centre)| centre)
}

/// Where access tokens are got.
///
/// # Errors
/// [`Kind::Config`] if the configuration does not say.
pub(crate) fn accounts_url(config: &Config) -> Result<String, Error> {
    if let Some(url) = &config.accounts_url {
        return Ok(url.clone());
    }
    let centre = config.data_center.and_then(centre).ok_or_else(|| {
        Error::new(Kind::Config, "`data_center` is not set").hint(
            "it is the end of the address at which people sign in: `us` for `crm.zoho.com`, `cn` for `crm.zoho.com.cn`",
        )
    })?;
    Ok(format!("https://{}", centre.accounts))
}

/// Where the API is, by the configuration and by what came with the access token.
///
/// # Errors
/// [`Kind::Refused`] if the token is said to be for a host that is none of Zoho's.
pub(crate) fn api_url(config: &Config, api_domain: Option<&str>) -> Result<String, Error> {
    if let Some(url) = &config.api_url {
        return Ok(url.clone());
    }
    let prefix = match config.environment {
        Environment::Production => "www",
        Environment::Sandbox => "sandbox",
        Environment::Developer => "developer",
    };
    let Some(told) = api_domain else {
        let known = config.data_center.filter(|name| *name != DataCenter::Uk).and_then(centre);
        let centre = known
            .ok_or_else(|| Error::new(Kind::Config, "the token does not say where the API is").hint("set `api_url`"))?;
        return Ok(format!("https://{prefix}.{}", centre.api));
    };
    let url = Url::parse(told).ok().filter(|url| url.scheme() == "https" && url.port().is_none());
    let domain = url.as_ref().and_then(Url::host_str).and_then(|host| {
        let (first, domain) = host.split_once('.')?;
        let known = CENTRES.iter().any(|(_, centre)| centre.api == domain);
        (known && matches!(first, "www" | "sandbox" | "developer")).then_some(domain)
    });
    match domain {
        Some(domain) => Ok(format!("https://{prefix}.{domain}")),
        None => Err(Error::new(Kind::Refused, "the access token is said to be for a host that is none of Zoho's APIs")
            .hint("the token was not used; if the host is right, set `api_url` to it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let secrets = r#""client_id":{"env":"A"},"client_secret":{"env":"B"},"refresh_token":{"env":"C"}"#;
        serde_json::from_str(&format!("{{{secrets}{more}}}")).unwrap()
    }

    #[test]
    fn the_host_that_the_token_names_is_believed_if_it_is_one_of_zohos() {
        let cn = config(r#","data_center":"cn""#);
        assert_eq!(accounts_url(&cn).unwrap(), "https://accounts.zoho.com.cn");
        assert_eq!(api_url(&cn, Some("https://www.zohoapis.com.cn")).unwrap(), "https://www.zohoapis.com.cn");
        assert_eq!(api_url(&cn, Some("https://www.zohoapis.eu")).unwrap(), "https://www.zohoapis.eu");
        assert_eq!(api_url(&cn, None).unwrap(), "https://www.zohoapis.com.cn");
        for foreign in [
            "https://www.zohoapis.com.evil.net",
            "http://www.zohoapis.com",
            "https://www.zohoapis.com:8443",
            "https://evil.zohoapis.com",
            "https://zohoapis.com",
            "https://www.zohoapis.com@evil.net",
            "http://127.0.0.1:1",
            "",
        ] {
            assert_eq!(api_url(&cn, Some(foreign)).unwrap_err().kind, Kind::Refused, "{foreign}");
        }
    }

    #[test]
    fn environments_have_hosts_of_their_own() {
        let sandbox = config(r#","data_center":"us","environment":"sandbox""#);
        assert_eq!(api_url(&sandbox, Some("https://www.zohoapis.com")).unwrap(), "https://sandbox.zohoapis.com");
        assert_eq!(api_url(&config(r#","data_center":"uk""#), None).unwrap_err().kind, Kind::Config);
        assert_eq!(accounts_url(&config("")).unwrap_err().kind, Kind::Config);
        let local = config(r#","api_url":"http://127.0.0.1:9""#);
        assert_eq!(api_url(&local, Some("https://www.zohoapis.com")).unwrap(), "http://127.0.0.1:9");
    }
}
