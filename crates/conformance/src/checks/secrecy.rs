//! Secrets in what a connector says: errors with their causes and hints, positions, logs of every level.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use tributary_connector::Error;

use super::once;
use crate::clock::locked;
use crate::ledger::Ledger;
use crate::stage::{Ended, Go, Stage, described, run};
use crate::traffic::{Fault, Rule};
use crate::wire::{Delivery, Reply};
use crate::{Credentials, Failure, Passed, Size, Subject};

/// What was logged and said.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Heard {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Heard {
    fn say(&self, text: &str) {
        locked(&self.0).extend_from_slice(text.as_bytes());
    }

    fn error(&self, error: &Error) {
        self.say(&format!("{} {error:?} {error:#?}\n", described(error)));
    }
}

/// No secret, and no access token, is in any error, position or log line, whatever goes wrong; also not one that the vendor repeats.
///
/// # Errors
/// Where one is.
pub fn secrets(subject: &dyn Subject) -> Result<Passed, Failure> {
    once(super::SECRETS, || {
        let heard = Heard::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(heard.clone())
            .finish();
        let mut found = 0;
        tracing::subscriber::with_default(subscriber, || {
            for (situation, fault) in situations() {
                let stage = Stage::new(subject, Size::Small)?;
                found += spoken(&stage, fault, &heard).map_err(|failure| failure.during(situation))?;
                silent(&stage, &heard).map_err(|failure| failure.during(situation))?;
            }
            Ok(())
        })?;
        let lines = locked(&heard.0).iter().filter(|byte| **byte == b'\n').count();
        Ok(Passed::with(format!("{lines} lines, {found} errors")))
    })
}

type Situation = (&'static str, Option<Fault>);

fn situations() -> Vec<Situation> {
    let html = "<html><body>Sign in</body></html>";
    vec![
        ("all is well", None),
        (
            "all is refused",
            Some(Fault::answer("all is refused", Reply::json(401, &serde_json::json!({"message": "no"})))),
        ),
        ("web pages", Some(Fault::answer("web pages", Reply::of(200, "text/html", html)))),
        ("broken JSON", Some(Fault::answer("broken JSON", Reply::of(200, "application/json", "{\"data\":[{")))),
        (
            "redirects",
            Some(Fault::answer("redirects", Reply::empty(302).with("location", "http://127.0.0.1:9/?token=x"))),
        ),
        ("no answer", Some(Fault::delivered("no answer", |_| Delivery::Nothing))),
    ]
}

/// Lets the connector speak: check, discovery and reading with each kind of credentials. Counts errors.
fn spoken(stage: &Stage, fault: Option<Fault>, heard: &Heard) -> Result<usize, Failure> {
    let mut errors = 0;
    let mut told = |error: &Error| {
        errors += 1;
        heard.error(error);
    };
    run(async {
        let streams = stage.connector()?.discover().await;
        if let Some(fault) = fault.clone() {
            stage.traffic.lay(Rule { pattern: "*", from: 1, times: None }, fault);
        }
        heard.say(&format!("{:?} {streams:?}\n", stage.context()));
        for credentials in [Credentials::Good, Credentials::Wrong, Credentials::Missing] {
            let connector = match stage.factory.build(stage.config(credentials), &stage.context()) {
                Ok(connector) => connector,
                Err(error) => {
                    told(&error);
                    continue;
                }
            };
            if let Err(error) = connector.check().await {
                told(&error);
            }
            if let Err(error) = connector.discover().await {
                told(&error);
            }
            let of_declared = |name: &str| streams.as_ref().ok()?.iter().find(|stream| stream.name == name);
            for declared in &stage.declared.streams {
                let Some(stream) = of_declared(declared.name) else { continue };
                let mut ledger = Ledger::default();
                if let Ended::Broken(error) = stage.read(&*connector, declared, stream, &mut ledger, |_| Go::On).await?
                {
                    told(&error);
                }
                heard.say(&ledger.positions());
                ledger.errors.iter().for_each(&mut told);
            }
        }
        Ok(())
    })?;
    Ok(errors)
}

fn silent(stage: &Stage, heard: &Heard) -> Result<(), Failure> {
    let heard = String::from_utf8_lossy(&locked(&heard.0)).into_owned();
    let planted = locked(&stage.world).secrets();
    let sent = stage.traffic.credentials();
    for (number, secret) in planted.iter().chain(&sent).enumerate().filter(|(_, secret)| secret.len() >= 6) {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        if let Some(line) = heard.lines().find(|line| line.contains(secret.as_str()) || line.contains(&encoded)) {
            let what = if number < planted.len() { "a secret of the configuration" } else { "an access token" };
            let told =
                planted.iter().chain(&sent).fold(line.to_owned(), |line, secret| line.replace(secret.as_str(), "…"));
            let line: String = told.chars().take(300).collect();
            return Err(Failure::new("no secret in any output", format!("{what} in `{line}`")));
        }
    }
    Ok(())
}
