//! The connector's configuration, which is its documentation as well.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tributary_connector::{Error, Kind, SecretRef};

/// The vendor's clouds; which one a tenant lives in cannot be asked for.
const HOSTS: [&str; 6] = [
    "open.fxiaoke.com",
    "open-hwcloud.fxiaoke.com",
    "open-ale.fxiaoke.com",
    "open-hws.fxiaoke.com",
    "open-ksc.sharecrm.com",
    "open-na.sharecrm.com",
];

/// A tenant of Fxiaoke.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cloud in which the tenant lives: `open.fxiaoke.com`, `open-hwcloud.fxiaoke.com`, `open-ale.fxiaoke.com`,
    /// `open-hws.fxiaoke.com` (Frankfurt), `open-ksc.sharecrm.com` (Hong Kong) or `open-na.sharecrm.com`. Default:
    /// `open.fxiaoke.com`.
    #[serde(default)]
    pub host: Option<String>,
    /// The whole address instead of `host`: `https`, or `http` of this machine for a stand-in. Default: none.
    #[serde(default)]
    pub base_url: Option<String>,
    /// `client_credentials`, or `legacy` for apps that still have a `corpAccessToken`. Default: `client_credentials`.
    #[serde(default)]
    pub auth: Generation,
    /// The app's id, `FSAID_…`.
    pub app_id: String,
    /// The app's secret.
    pub app_secret: SecretRef,
    /// The permanent code, which the tenant gave to the app.
    pub permanent_code: SecretRef,
    /// The employee in whose name is read, by the CRM's own number, such as `"1000"`. Only what this employee may see is
    /// read. For `client_credentials`. Default: none.
    #[serde(default)]
    pub user: Option<String>,
    /// For `legacy`: that employee's open id, `FSUID_…`. Default: found by `mobile`.
    #[serde(default)]
    pub open_user_id: Option<String>,
    /// For `legacy`: that employee's mobile number, by which the open id is found. Default: none.
    #[serde(default)]
    pub mobile: Option<String>,
    /// How far before the newest change a run begins to look again, for changes that were seen late: `30s`, `2m`, `1h`.
    /// Default: `2m`.
    #[serde(default)]
    pub lookback: Lookback,
    /// How often all ids are walked through, which is how deletions are found: a time such as `12h` or `1d`, `every_run`, or
    /// `never`. Costs a call for every 100 records of an object. Default: `1d`.
    #[serde(default)]
    pub reconcile: Reconcile,
    /// Whether it is right that more than a tenth of an object's records are gone at once; otherwise this is taken for a
    /// permission that was lost, and refused. Default: `false`.
    #[serde(default)]
    pub accept_deletes: bool,
    /// How many calls a day the tenant has bought for this; used up, the source rests until midnight in China. Default: as
    /// many as the vendor lets through.
    #[serde(default)]
    pub daily_calls: Option<u64>,
}

/// How the app comes in. The two do not mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Generation {
    /// `/oauth2.0/token`, and headers.
    #[default]
    ClientCredentials,
    /// `/cgi/corpAccessToken/get/V2`, and fields of every body.
    Legacy,
}

/// A length of time: `30s`, `2m`, `1h`, `1d`.
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
        duration(&text).map(Self).ok_or_else(|| format!("`{text}` is no length of time; such are `30s`, `2m`, `1h`"))
    }
}

/// When deletions are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub enum Reconcile {
    Never,
    EveryRun,
    /// If the last time is so long ago.
    After(Duration),
}

impl Default for Reconcile {
    fn default() -> Self {
        Self::After(Duration::from_secs(86_400))
    }
}

impl TryFrom<String> for Reconcile {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "never" => Ok(Self::Never),
            "every_run" => Ok(Self::EveryRun),
            _ => duration(&text).map(Self::After).ok_or_else(|| {
                format!("`{text}` is no length of time; such are `12h` and `1d`, or it is `every_run` or `never`")
            }),
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.trim().split_at_checked(text.trim().len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    // A hundred years are as good as ever, and can be reckoned with.
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds).filter(|&seconds| seconds <= 100 * 366 * 86_400)?;
    Some(Duration::from_secs(seconds))
}

impl Config {
    /// Where requests go.
    ///
    /// # Errors
    /// [`Kind::Config`] if that is none of the vendor's clouds, or is said twice.
    pub fn base(&self) -> Result<String, Error> {
        match (&self.base_url, self.host.as_deref()) {
            (Some(_), Some(_)) => Err(Error::new(Kind::Config, "`host` and `base_url` are both given")
                .hint("`base_url` is for stand-ins; leave it out")),
            (Some(base), None) => Ok(base.clone()),
            (None, host) => {
                let host = host.unwrap_or(HOSTS[0]);
                if !HOSTS.contains(&host) {
                    return Err(Error::new(Kind::Config, format!("there is no cloud `{host}`"))
                        .hint(format!("known: `{}`", HOSTS.join("`, `"))));
                }
                Ok(format!("https://{host}"))
            }
        }
    }

    /// # Errors
    /// [`Kind::Config`] if nobody is named in whose name to read, or not as this generation names people.
    pub fn check(&self) -> Result<(), Error> {
        let named = [
            ("user", Generation::ClientCredentials, self.user.is_some()),
            ("open_user_id", Generation::Legacy, self.open_user_id.is_some()),
            ("mobile", Generation::Legacy, self.mobile.is_some()),
        ];
        let of_the_other = named.iter().find(|(_, generation, given)| *given && *generation != self.auth);
        if let Some((name, ..)) = of_the_other {
            let other = match self.auth {
                Generation::ClientCredentials => "legacy",
                Generation::Legacy => "client_credentials",
            };
            return Err(Error::new(Kind::Config, format!("`{name}` is for `auth = \"{other}\"`"))
                .hint("the two generations name employees differently; see the README"));
        }
        let given: Vec<_> = named.iter().filter(|(.., given)| *given).map(|(name, ..)| *name).collect();
        match (given.as_slice(), self.auth) {
            ([_], _) => Ok(()),
            ([], Generation::ClientCredentials) => Err(Error::new(Kind::Config, "`user` is missing")
                .hint("the number of the employee in whose name to read, such as `user = \"1000\"`")),
            ([], Generation::Legacy) => Err(Error::new(Kind::Config, "`mobile` and `open_user_id` are both missing")
                .hint("one of them says in whose name to read")),
            _ => Err(Error::new(Kind::Config, "`mobile` and `open_user_id` are both given").hint("keep one of them")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(more: serde_json::Value) -> Result<Config, serde_json::Error> {
        let mut all = json!({"app_id": "FSAID_1", "app_secret": {"env": "S"}, "permanent_code": {"env": "C"}});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        serde_json::from_value(all)
    }

    #[test]
    fn defaults_are_as_documented_and_literal_secrets_refused() {
        let config = config(json!({"user": "1000"})).unwrap();
        assert_eq!(config.base().unwrap(), "https://open.fxiaoke.com");
        assert_eq!(config.lookback.0.as_secs(), 120);
        assert_eq!(config.reconcile, Reconcile::After(Duration::from_secs(86_400)));
        assert!(!config.accept_deletes);
        config.check().unwrap();
        assert!(self::config(json!({"app_secret": "literal"})).is_err());
        assert!(self::config(json!({"usr": "1000"})).is_err());
    }

    #[test]
    fn a_host_is_one_of_the_vendors() {
        let error = config(json!({"host": "open.fxiaoke.cn"})).unwrap().base().unwrap_err();
        assert_eq!(error.message, "there is no cloud `open.fxiaoke.cn`");
        assert!(error.hint.unwrap().contains("`open-na.sharecrm.com`"));
        assert!(config(json!({"host": "open-na.sharecrm.com", "base_url": "x"})).unwrap().base().is_err());
    }

    #[test]
    fn somebody_is_named_in_the_way_of_the_generation() {
        let message = |more| config(more).unwrap().check().err().map(|error| error.message);
        assert_eq!(message(json!({})).as_deref(), Some("`user` is missing"));
        assert_eq!(message(json!({"mobile": "1"})).as_deref(), Some("`mobile` is for `auth = \"legacy\"`"));
        assert_eq!(message(json!({"auth": "legacy"})).as_deref(), Some("`mobile` and `open_user_id` are both missing"));
        assert_eq!(message(json!({"auth": "legacy", "mobile": "1"})), None);
        assert!(message(json!({"auth": "legacy", "mobile": "1", "open_user_id": "x"})).is_some());
    }

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration(" 12h "), Some(Duration::from_secs(43_200)));
        for wrong in ["", "s", "2", "2 m", "-1s", "1w", "99999999999d", "分"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(Reconcile::try_from("never".to_owned()), Ok(Reconcile::Never));
        assert!(Reconcile::try_from("daily".to_owned()).unwrap_err().contains("`every_run`"));
    }
}
