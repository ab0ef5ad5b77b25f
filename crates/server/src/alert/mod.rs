//! Telling people: when a condition begins to hold and when it is over, once each.

mod command;
mod webhook;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::Error;
use crate::history::Condition;
use crate::settings::Target;

/// What people are told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// What has happened.
    pub kind: Kind,
    /// What it is about; a recovery is from this.
    pub condition: Condition,
    /// The pipeline's name, or the file's path if that is broken.
    pub subject: String,
    pub at: DateTime<Utc>,
    /// In words; chat programs show a field of this name.
    pub text: String,
}

/// What has happened to a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Began,
    Recovered,
}

impl Alert {
    /// `detail` says more about a condition that begins to hold.
    pub fn new(at: DateTime<Utc>, condition: Condition, subject: &str, holds: bool, detail: Option<&str>) -> Self {
        let mut text = match (condition, holds) {
            (Condition::Failing, true) => format!("pipeline `{subject}` has failed"),
            (Condition::Failing, false) => format!("pipeline `{subject}` succeeds again"),
            (Condition::Late, true) => format!("pipeline `{subject}` is late"),
            (Condition::Late, false) => format!("pipeline `{subject}` is in time again"),
            (Condition::Broken, true) => format!("`{subject}` cannot be read as a pipeline"),
            (Condition::Broken, false) => format!("`{subject}` is mended or gone"),
        };
        if let Some(detail) = detail.filter(|_| holds) {
            text.push_str(": ");
            text.push_str(detail);
        }
        let kind = if holds { Kind::Began } else { Kind::Recovered };
        Self { kind, condition, subject: subject.to_owned(), at, text }
    }
}

/// Those who are told.
#[derive(Clone)]
pub struct Alerter {
    targets: Vec<Target>,
    /// There if a target is a webhook.
    http: Option<reqwest::Client>,
}

impl Alerter {
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(targets: Vec<Target>) -> Result<Self, Error> {
        let has_webhooks = targets.iter().any(|target| target.webhook.is_some());
        let http = has_webhooks.then(webhook::client).transpose();
        let http = http.map_err(|e| Error::new("could not set up TLS for webhooks").source(e))?;
        Ok(Self { targets, http })
    }

    /// Tells everyone, each at most twice, and returns how many could not be told.
    pub async fn tell(&self, alert: &Alert) -> usize {
        let Ok(body) = serde_json::to_string(alert) else { return self.targets.len() };
        let mut untold = 0;
        for target in &self.targets {
            let mut told = self.try_to_tell(target, &body).await;
            if told.is_err() {
                told = self.try_to_tell(target, &body).await;
            }
            if let Err(e) = told {
                tracing::error!(subject = alert.subject, "could not tell {}: {e}", name(target));
                untold += 1;
            }
        }
        untold
    }

    async fn try_to_tell(&self, target: &Target, body: &str) -> Result<(), String> {
        let work = async {
            match (&target.webhook, &self.http, &target.command) {
                (Some(address), Some(http), _) => webhook::post(http, address, target.token.as_ref(), body).await,
                (_, _, Some(argv)) => command::run(argv, body).await,
                _ => Ok(()),
            }
        };
        let limit = target.timeout;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
    }
}

/// As the log shows it: an address may hold a secret, arguments too.
fn name(target: &Target) -> String {
    match (&target.webhook, &target.command) {
        (Some(_), _) => "the webhook".to_owned(),
        (None, Some(argv)) => format!("by `{}`", argv.first().map_or("", String::as_str)),
        (None, None) => "nobody".to_owned(),
    }
}
