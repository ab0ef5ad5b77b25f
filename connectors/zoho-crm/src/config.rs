//! The connector's configuration, which is its documentation as well.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tributary_connector::SecretRef;

/// An organisation of Zoho CRM, seen by one user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the organisation lives: `us`, `eu`, `in`, `au`, `cn`, `jp`, `ca`, `sa` or `uk`. It is the end of the address at which
    /// people sign in (`crm.zoho.com.cn`: `cn`). Must be given, unless `accounts_url` and `api_url` are.
    #[serde(default)]
    pub data_center: Option<DataCenter>,
    /// `production`, `sandbox` or `developer`. Default: `production`.
    #[serde(default)]
    pub environment: Environment,
    /// The client's id, from the API console of the data centre.
    pub client_id: SecretRef,
    /// The client's secret.
    pub client_secret: SecretRef,
    /// The refresh token that the client was given. Its scopes: `ZohoCRM.modules.READ`, `ZohoCRM.settings.READ`,
    /// `ZohoCRM.coql.READ`, `ZohoCRM.bulk.READ`, `ZohoCRM.users.READ` and `ZohoCRM.org.READ`. Without the one for COQL reading
    /// is slower; without the one for bulk so is the first load.
    pub refresh_token: SecretRef,
    /// Another address of the accounts server. Default: that of the data centre.
    #[serde(default)]
    pub accounts_url: Option<String>,
    /// Another address of the API. Default: the one that comes with each access token, if it is one of Zoho's.
    #[serde(default)]
    pub api_url: Option<String>,
    /// What the organisation pays for, which says how many requests it may make: `free`, `standard`, `professional`,
    /// `enterprise` or `ultimate`. Default: asked of the organisation; where that is not allowed, `free`.
    #[serde(default)]
    pub edition: Option<Edition>,
    /// How long before the newest change that was seen the next run begins again, for changes that become visible late:
    /// `90s`, `2m`, `1h`. What is seen twice is kept once. Default: `2m`.
    #[serde(default)]
    pub lookback: Lookback,
    /// Whether leads that have become contacts are read; if not, they are taken for deleted. Default: `true`.
    #[serde(default = "yes")]
    pub include_converted: bool,
    /// Whether a first load is made from an export (Bulk Read): `auto`, if there are more than `bulk_from` records and the
    /// credential may; `always`, or `never`. Default: `auto`.
    #[serde(default)]
    pub bulk: Bulk,
    /// From how many records on `bulk = "auto"` uses an export. Default: 2000.
    #[serde(default = "bulk_from")]
    pub bulk_from: u64,
}

fn yes() -> bool {
    true
}

fn bulk_from() -> u64 {
    2_000
}

/// Where an organisation lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataCenter {
    Us,
    Eu,
    In,
    Au,
    Cn,
    Jp,
    Ca,
    Sa,
    Uk,
}

/// Which of an organisation's environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    #[default]
    Production,
    Sandbox,
    Developer,
}

/// What an organisation pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Edition {
    Free,
    Standard,
    Professional,
    Enterprise,
    Ultimate,
}

/// When a first load is made from an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bulk {
    #[default]
    Auto,
    Always,
    Never,
}

/// A duration as text: a number and `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Lookback(pub Duration);

impl Default for Lookback {
    fn default() -> Self {
        Self(Duration::from_secs(120))
    }
}

impl TryFrom<String> for Lookback {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`lookback = \"{text}\"` is no duration such as `90s`, `2m` or `1h`");
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3_600),
            "d" => Some(86_400),
            _ => None,
        };
        let seconds = seconds.and_then(|seconds| number.checked_mul(seconds)).ok_or_else(wrong)?;
        if seconds > 30 * 86_400 {
            return Err(format!("`lookback = \"{text}\"` is over 30 days"));
        }
        Ok(Self(Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookback(text: &str) -> Option<u64> {
        Lookback::try_from(text.to_owned()).ok().map(|lookback| lookback.0.as_secs())
    }

    #[test]
    fn a_lookback_is_a_number_and_a_unit() {
        assert_eq!([lookback("90s"), lookback("2m"), lookback("1 h"), lookback("0s")], [90, 120, 3_600, 0].map(Some));
        for wrong in ["", "5", "m", "-1m", "2 weeks", "31d", "99999999999999999999d"] {
            assert_eq!(lookback(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_literal_secret_and_an_unknown_key_are_refused() {
        let secrets = r#""client_id":{"env":"A"},"client_secret":{"env":"B"},"refresh_token":{"env":"C"}"#;
        let read = |more: &str| serde_json::from_str::<Config>(&format!("{{{secrets}{more}}}"));
        assert!(read(r#","data_center":"cn","lookback":"5m""#).is_ok());
        assert!(read(r#","lookback":"soon""#).unwrap_err().to_string().contains("`90s`"));
        assert!(read(r#","data_centre":"cn""#).is_err());
        assert!(
            serde_json::from_str::<Config>(&format!("{{{}}}", secrets.replace(r#"{"env":"A"}"#, "\"A\""))).is_err()
        );
    }
}
