//! Where requests may go: the origins (scheme, host and port) that a credential belongs to, and no other.
//!
//! Redirects and next links come from the network and may point anywhere, a cloud's metadata service included. What is
//! not of an allowed origin is refused before a connection is made. Names and addresses are checked here as far as a URL
//! shows them; what a name resolves to is checked when connecting (`resolve`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::{Error, Kind};

/// The origins a client may talk to. The first is the base of requests that are given by path.
#[derive(Debug, Clone)]
pub struct Origins {
    base: Url,
    allowed: Vec<Allowed>,
}

#[derive(Debug, Clone)]
struct Allowed {
    origin: url::Origin,
    host: String,
    private: bool,
}

impl Origins {
    /// # Errors
    /// [`Kind::Config`] if `base` is no `https` URL of a host, or `http` one of this machine.
    pub fn new(base: &str) -> Result<Self, Error> {
        let (base, allowed) = parse(base)?;
        Ok(Self { base, allowed: vec![allowed] })
    }

    /// One more origin that may have the credential.
    ///
    /// # Errors
    /// As [`Origins::new`].
    pub fn and(mut self, origin: &str) -> Result<Self, Error> {
        self.allowed.push(parse(origin)?.1);
        Ok(self)
    }

    /// The origins may be in a private network, such as a till server in the shop.
    pub fn in_private_network(mut self) -> Self {
        self.allowed.iter_mut().for_each(|allowed| allowed.private = true);
        self
    }

    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Whether any of them is reached by TLS.
    pub(super) fn have_tls(&self) -> bool {
        self.allowed.iter().any(|allowed| allowed.origin.ascii_serialization().starts_with("https:"))
    }

    /// `target`, a URL or a path, relative to `base`.
    ///
    /// # Errors
    /// [`Kind::Refused`] if it is of another origin, or holds a password; [`Kind::Protocol`] if it is no URL.
    pub fn resolve(&self, base: &Url, target: &str) -> Result<Url, Error> {
        let url = base
            .join(target)
            .map_err(|e| Error::new(Kind::Protocol, format!("a link of `{}` is no URL", shown(base))).source(e))?;
        self.check(&url)?;
        Ok(url)
    }

    /// # Errors
    /// [`Kind::Refused`] if `url` is of no allowed origin, or holds a password.
    pub fn check(&self, url: &Url) -> Result<(), Error> {
        let origin = url.origin();
        if !self.allowed.iter().any(|allowed| allowed.origin == origin) {
            let known: Vec<_> = self.allowed.iter().map(|a| format!("`{}`", a.origin.ascii_serialization())).collect();
            return Err(Error::new(Kind::Refused, format!("`{}` is no origin of this source", origin_of(url)))
                .hint(format!("the credential is for {} only", known.join(", "))));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::new(Kind::Refused, format!("a URL of `{}` holds a user or password", origin_of(url))));
        }
        Ok(())
    }

    /// Whether `host` may be at `address`: a name of the internet may not lead into a private network.
    pub(super) fn admits(&self, host: &str, address: IpAddr) -> bool {
        if is_loopback_host(host) {
            return address.is_loopback();
        }
        is_public(address) || self.allowed.iter().any(|allowed| allowed.private && allowed.host == host)
    }
}

fn parse(text: &str) -> Result<(Url, Allowed), Error> {
    let wrong = |why: &str| Error::new(Kind::Config, format!("the origin is {why}"));
    let url = Url::parse(text).map_err(|e| wrong("no URL").source(e))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("not to hold a user, password or query"));
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    match url.scheme() {
        "https" => {}
        "http" if is_loopback_host(&host) => {}
        _ => return Err(wrong("not `https`").hint("`http` is for this machine alone")),
    }
    // An address that the configuration itself spells out is meant, and never gets to the resolver; only names can be turned
    // against us.
    let origin = url.origin();
    Ok((url, Allowed { origin, host, private: false }))
}

/// A URL as it may be logged: without user, query and fragment, where secrets and personal data are.
pub fn shown(url: &Url) -> String {
    format!("{}{}", origin_of(url), url.path())
}

fn origin_of(url: &Url) -> String {
    match url.origin() {
        origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
        url::Origin::Opaque(_) => format!("{}:", url.scheme()),
    }
}

pub(super) fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether an address is one of the internet at large (RFC 6890): `IpAddr::is_global`, which is not stable yet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(a == 0
        || v4.is_private()
        || (a == 100 && (64..128).contains(&b)) // shared by a provider's customers, RFC 6598
        || v4.is_loopback()
        || v4.is_link_local()
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19)) // benchmarks, RFC 2544
        || v4.is_documentation()
        || a >= 224)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    // An IPv4 address in the clothes of IPv6: mapped, or by way of NAT64 or 6to4.
    let inner = v6.to_ipv4_mapped().or(match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    });
    match inner {
        Some(v4) => is_public_v4(v4),
        // All that is assigned to the internet at large is within 2000::/3.
        None => segments[0] & 0xe000 == 0x2000 && !(segments[0] == 0x2001 && segments[1] == 0xdb8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_scheme_host_and_port_is_an_allowed_origin() {
        let origins = Origins::new("https://api.example.com/v2/").unwrap();
        let base = origins.base().clone();
        assert_eq!(origins.resolve(&base, "items?page=2").unwrap().as_str(), "https://api.example.com/v2/items?page=2");
        assert!(origins.resolve(&base, "https://API.example.com:443/x").is_ok());
        for other in [
            "http://api.example.com/x",
            "https://api.example.com:8443/x",
            "https://api.example.com.evil.net/x",
            "//evil.net/x",
            "https://api.example.com@evil.net/",
            "file:///etc/passwd",
            "https://169.254.169.254/latest",
            "https://me:pass@api.example.com/",
        ] {
            let error = origins.resolve(&base, other).unwrap_err();
            assert_eq!(error.kind, Kind::Refused, "{other}");
            assert!(!error.message.contains("pass@") && !error.message.contains("/x"), "{}", error.message);
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for good in ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:9", "https://10.1.2.3"] {
            assert!(Origins::new(good).is_ok(), "{good}");
        }
        for bad in ["http://example.com", "ftp://example.com", "http://10.0.0.1", "x", "https://u:p@example.com"] {
            assert_eq!(Origins::new(bad).unwrap_err().kind, Kind::Config, "{bad}");
        }
    }

    #[test]
    fn one_origin_with_tls_is_enough_to_need_certificates() {
        let plain = Origins::new("http://127.0.0.1:8080").unwrap();
        assert!(!plain.have_tls() && plain.and("https://api.example.com").unwrap().have_tls());
    }

    #[test]
    fn a_name_of_the_internet_does_not_lead_into_a_private_network() {
        let origins = Origins::new("https://api.example.com").unwrap();
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001:db8::1",
        ] {
            assert!(!origins.admits("api.example.com", private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(origins.admits("api.example.com", public.parse().unwrap()), "{public}");
        }
        assert!(origins.clone().in_private_network().admits("api.example.com", "10.0.0.1".parse().unwrap()));
        assert!(!origins.admits("localhost", "8.8.8.8".parse().unwrap()));
    }
}
