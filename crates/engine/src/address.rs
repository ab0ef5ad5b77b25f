//! The address of a cluster's scheduler, as a pipeline names it.

use std::fmt;

use url::{Host, Url};

/// `df://host:50050`, where a Ballista scheduler listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// `None` if it is no such address. The port has to be said.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "df")?;
        let bare = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
        if !bare || url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            other => other.to_string(),
        };
        Some(Self { host, port: url.port()? })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "df://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        for right in ["df://localhost:50050", "df://10.0.0.7:50050", "df://[::1]:50050"] {
            assert_eq!(Address::parse(right).unwrap().to_string(), right);
        }
        for wrong in ["host:50050", "df://host", "http://host:1", "df://u@host:1", "df://host:1/path", "df://:1", ""] {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }
}
