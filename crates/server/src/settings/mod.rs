//! The settings of the server: a TOML file in which everything has a default.

mod span;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tributary_connector::SecretRef;

use crate::Error;

/// How pipelines are served. Times are texts of a number and a unit: `"90s"`, `"15m"`, `"6h"`, `"1d"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where health, metrics and pages are served. Default: `127.0.0.1:8077`.
    pub listen: SocketAddr,
    /// Allow an address in `listen` that others than this machine can reach. There is no login. Default: `false`.
    pub listen_anywhere: bool,
    /// Names that the server may be asked by (the `Host` of a request), besides `localhost` and bare addresses.
    pub hosts: Vec<String>,
    /// Runs at the same time, over all pipelines. Default: the number of cores.
    pub max_concurrent: usize,
    /// How far starts of one instant are spread, by pipeline: each keeps its own delay. Default: `"0s"`.
    #[serde(deserialize_with = "span::read")]
    pub jitter: Duration,
    /// How often files are looked at for changes. Default: `"5s"`.
    #[serde(deserialize_with = "span::read")]
    pub reload: Duration,
    /// How long runs may take to end when the server is asked to stop; then they are killed, which costs no data. Default: `"30s"`.
    #[serde(deserialize_with = "span::read")]
    pub stop_within: Duration,
    /// Retries within an hour, over all pipelines; past that a failed run waits for its next slot. Default: 60.
    pub retry_budget: usize,
    /// What holds for pipelines that say nothing else.
    pub defaults: PolicyTable,
    /// What differs, by pipeline name.
    pub pipelines: BTreeMap<String, PolicyTable>,
    /// Who is told. Default: only the log.
    pub alerts: Vec<Target>,
}

/// How the slots of a pipeline are treated, as far as that is said.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyTable {
    pub misfire: Option<Misfire>,
    pub overlap: Option<Overlap>,
    pub retries: Option<u32>,
    #[serde(deserialize_with = "span::read_some")]
    pub retry_delay: Option<Duration>,
    #[serde(deserialize_with = "span::read_some")]
    pub late_after: Option<Duration>,
}

/// How the slots of a pipeline are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Default: `run_once`.
    pub misfire: Misfire,
    /// Default: `queue_one`.
    pub overlap: Overlap,
    /// How often a failed run is tried again before its next slot. Default: 0.
    pub retries: u32,
    /// The wait before the first retry; it doubles each time, up to an hour. Default: `"1m"`.
    pub retry_delay: Duration,
    /// A slot that is not begun by then, or a run that takes longer, is late. Default: `"6h"`.
    pub late_after: Duration,
}

/// What becomes of slots that went by while the server was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// One run, for the newest; it stands for the others.
    #[default]
    RunOnce,
    /// None of them is run.
    Skip,
    /// One run for each, up to the newest thousand.
    RunAll,
}

/// What becomes of a slot while the run before is still queued or going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// One run follows; further slots join it.
    #[default]
    QueueOne,
    /// It is left out.
    Skip,
}

/// Someone to be told.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// An address that takes JSON by POST. As such an address is often a secret, it may be a reference to one.
    pub webhook: Option<Address>,
    /// What the webhook is to see as a bearer token.
    pub token: Option<SecretRef>,
    /// A program and its arguments, which gets JSON on its standard input. There is no shell.
    pub command: Option<Vec<String>>,
    /// How long a try may take. Default: `"10s"`.
    #[serde(deserialize_with = "span::read")]
    pub timeout: Duration,
}

/// A webhook's address.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Address {
    Plain(String),
    Secret(SecretRef),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8077)),
            listen_anywhere: false,
            hosts: Vec::new(),
            max_concurrent: std::thread::available_parallelism().map_or(1, usize::from),
            jitter: Duration::ZERO,
            reload: Duration::from_secs(5),
            stop_within: Duration::from_secs(30),
            retry_budget: 60,
            defaults: PolicyTable::default(),
            pipelines: BTreeMap::new(),
            alerts: Vec::new(),
        }
    }
}

impl Default for Target {
    fn default() -> Self {
        Self { webhook: None, token: None, command: None, timeout: Duration::from_secs(10) }
    }
}

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// With the place in the file, if something in it is not understood.
    pub fn load(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(|e| {
            Error::new(format!("could not read the settings in `{}`", file.display()))
                .source(e)
                .hint("name an existing file with `--config`, or leave it out: everything has a default")
        })?;
        Self::parse(&text).map_err(|e| Error::new(format!("`{}` is wrong: {e}", file.display())))
    }

    /// Reads settings.
    ///
    /// # Errors
    /// If something is not understood.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let settings: Self = toml::from_str(text).map_err(|e| Error::new(e.to_string().trim_end().to_owned()))?;
        if settings.max_concurrent == 0 {
            return Err(Error::new("`max_concurrent` is 0, so that nothing would ever run"));
        }
        if settings.reload.is_zero() {
            return Err(Error::new("`reload` is 0: files cannot be looked at all the time"));
        }
        for target in &settings.alerts {
            if target.webhook.is_some() == target.command.is_some() {
                return Err(Error::new("an entry of `alerts` needs either `webhook` or `command`"));
            }
            if target.command.as_ref().is_some_and(Vec::is_empty) {
                return Err(Error::new("the `command` of an entry of `alerts` is empty"));
            }
        }
        Ok(settings)
    }

    /// What holds for one pipeline.
    pub fn policy(&self, pipeline: &str) -> Policy {
        let own = self.pipelines.get(pipeline);
        macro_rules! said {
            ($field:ident) => {
                own.and_then(|own| own.$field).or(self.defaults.$field)
            };
        }
        Policy {
            misfire: said!(misfire).unwrap_or_default(),
            overlap: said!(overlap).unwrap_or_default(),
            retries: said!(retries).unwrap_or(0),
            retry_delay: said!(retry_delay).unwrap_or(Duration::from_secs(60)),
            late_after: said!(late_after).unwrap_or(Duration::from_secs(6 * 3600)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_may_differ_from_the_rest() {
        let settings = Settings::parse(
            "max_concurrent = 3\n[defaults]\nmisfire = \"skip\"\nlate_after = \"90m\"\n[pipelines.orders]\nmisfire = \"run_all\"\nretries = 2\n",
        )
        .unwrap();
        let (orders, other) = (settings.policy("orders"), settings.policy("other"));
        assert_eq!(
            (orders.misfire, orders.retries, orders.late_after),
            (Misfire::RunAll, 2, Duration::from_secs(5400))
        );
        assert_eq!((other.misfire, other.retries, other.overlap), (Misfire::Skip, 0, Overlap::QueueOne));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, why) in [
            ("colour = true", "unknown field `colour`"),
            ("[pipelines.a]\nmisfires = \"skip\"", "unknown field `misfires`"),
            ("jitter = 5", "a time such as"),
            ("jitter = \"5 weeks\"", "a time such as"),
            ("[[alerts]]\ntimeout = \"1s\"", "either `webhook` or `command`"),
            ("max_concurrent = 0", "nothing would ever run"),
        ] {
            let error = Settings::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_of_alerts_are_references() {
        let text = "[[alerts]]\nwebhook = { env = \"HOOK\" }\ntoken = { file = \"/run/secrets/hook\" }\n";
        let target = &Settings::parse(text).unwrap().alerts[0];
        assert!(matches!(target.webhook, Some(Address::Secret(SecretRef::Env(_)))));
        assert!(Settings::parse("[[alerts]]\nwebhook = \"https://a\"\ntoken = \"s3cr3t\"").is_err());
    }
}
