//! The client: one per credential. It lets requests out within their budget, with the credential, and hands back whole
//! answers that are what they should be; everything between is settled here.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, RETRY_AFTER};

use super::auth::{Authorize, TokenHeader};
use super::budget::Limit;
use super::classify::{Rules, Seen, Verdict};
use super::clock::{Clock, SystemClock, later, until};
use super::exchange::{self, Exchange, Raw};
use super::limits::Limits;
use super::meter::Meter;
use super::origin::Origins;
use super::request::{Answer, Outcome, Request};
use super::retry::{Policy, retry_after};
use super::state::Folder;
use super::token::ApiKey;
use super::tokens::{Issued, Tokens};
use crate::{Error, Kind, Retry, SecretRef};

/// Sends requests with one credential. Cheap to clone; clones share connections, budget and token.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    exchange: Exchange,
    rules: Rules,
    policy: Policy,
    meter: Meter,
    tokens: Option<Tokens>,
    clock: Arc<dyn Clock>,
}

/// What a client is made of.
pub struct Builder {
    credential: String,
    origins: Origins,
    rules: Rules,
    limits: Limits,
    policy: Policy,
    budget: Vec<Limit>,
    kept: Kept,
    tokens: Option<Tokens>,
    authorize: Option<Arc<dyn Authorize>>,
    clock: Arc<dyn Clock>,
}

/// Where the budget is counted.
enum Kept {
    ByUser,
    In(Folder),
    InMemory,
}

impl Client {
    /// `credential` names what a vendor counts by, such as `zoho-crm/<client id>`, and holds no secret. Who gives the same name
    /// and folder shares one budget.
    pub fn builder(credential: impl Into<String>, origins: Origins) -> Builder {
        Builder {
            credential: credential.into(),
            origins,
            rules: Rules::new(),
            limits: Limits::default(),
            policy: Policy::default(),
            budget: Vec::new(),
            kept: Kept::ByUser,
            tokens: None,
            authorize: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sends a request until there is an answer to give back, or a reason to stop.
    ///
    /// # Errors
    /// - [`Kind::RateLimited`] and [`Kind::Quota`] with [`Retry::After`]: the wait is longer than the run should stay;
    /// - [`Kind::Auth`]: no access token, or a new one was refused as well;
    /// - [`Kind::Refused`]: another origin, a private address, a page beyond its limits;
    /// - [`Kind::Transport`]: the source could not be reached, or broke off, as often as it was tried;
    /// - what the vendor's rules say.
    pub async fn send(&self, request: Request) -> Result<Answer, Error> {
        let outgoing = request.outgoing(&self.0.exchange.origins)?;
        let asked = outgoing.shown();
        let mut trial = Trial { started: self.0.clock.now(), attempt: 1, failures: 0, refreshed: false };
        loop {
            let token = match &self.0.tokens {
                Some(tokens) => Some(tokens.get().await?),
                None => None,
            };
            let pass = self.0.meter.pass(&request).await?;
            let exchanged = self.0.exchange.run(outgoing.clone(), token.as_ref().map(|issued| &issued.token)).await;
            drop(pass);
            match exchanged {
                Ok(raw) => {
                    exchange::log(&asked, &raw, trial.attempt);
                    if let Some(answer) = self.settle(&request, &asked, raw, token.as_deref(), &mut trial).await? {
                        return Ok(answer);
                    }
                }
                Err(broken) => {
                    tracing::debug!(request = asked, attempt = trial.attempt, "{}", broken.error.message);
                    self.try_again(&mut trial, broken.error, None, request.idempotent || !broken.sent).await?;
                }
            }
            trial.attempt += 1;
        }
    }

    /// The answer, or nothing if the request is to be sent again.
    async fn settle(
        &self,
        request: &Request,
        asked: &str,
        raw: Raw,
        token: Option<&Issued>,
        trial: &mut Trial,
    ) -> Result<Option<Answer>, Error> {
        let seen = Seen {
            status: raw.status,
            headers: &raw.headers,
            body: &raw.bytes,
            expects: request.expects,
            conditional: request.is_conditional(),
        };
        let judged = match self.0.rules.judge(&seen) {
            Ok(judged) => judged,
            Err(error) => {
                let error = Error { message: format!("`{asked}`: {}", error.message), ..error };
                self.try_again(trial, error, None, request.idempotent).await?;
                return Ok(None);
            }
        };
        let status = raw.status.as_u16();
        let code = judged.code.map(|code| format!(" `{code}`")).unwrap_or_default();
        let answered = format!("`{asked}` answered {status}{code}");
        let outcome = match judged.verdict {
            Verdict::Ok => Outcome::Ok,
            Verdict::Empty => Outcome::Empty,
            Verdict::NotModified => Outcome::NotModified,
            Verdict::RefreshToken => {
                self.refresh(token, trial, Error::new(Kind::Auth, answered)).await?;
                return Ok(None);
            }
            Verdict::RateLimited => {
                let advice = self.advice(&raw);
                if let Some(wait) = advice {
                    self.0.meter.block(wait, false).await?;
                }
                // Turned away at the door: the request was not carried out, so it may be sent again whatever it does.
                self.try_again(trial, Error::new(Kind::RateLimited, answered), advice, true).await?;
                return Ok(None);
            }
            Verdict::Quota { until: reset } => {
                let now = self.0.clock.now();
                let wait = self.advice(&raw).unwrap_or_else(|| until(now, reset.instant(now)));
                self.0.meter.block(wait, true).await?;
                self.try_again(trial, Error::new(Kind::Quota, answered), Some(wait), true).await?;
                return Ok(None);
            }
            Verdict::Retry => {
                let error = Error::new(Kind::Transport, answered);
                self.try_again(trial, error, self.advice(&raw), request.idempotent).await?;
                return Ok(None);
            }
            Verdict::Fatal { kind, hint } => return Err(Error::new(kind, answered).hint(hint)),
        };
        Ok(Some(Answer { status: raw.status, headers: raw.headers, bytes: raw.bytes, outcome, url: raw.url }))
    }

    async fn refresh(&self, token: Option<&Issued>, trial: &mut Trial, error: Error) -> Result<(), Error> {
        match (&self.0.tokens, token) {
            (Some(tokens), Some(token)) if !trial.refreshed => {
                trial.refreshed = true;
                tokens.replace(token).await?;
                Ok(())
            }
            (Some(_), _) => Err(error.hint("a new access token was refused as well: authorise the source again")),
            (None, _) => Err(error.hint("the credential is refused: it may be wrong, or revoked")),
        }
    }

    /// Waits before the next attempt, or gives `error` back if there is to be none. A wait that the server asked for costs no
    /// attempt.
    async fn try_again(
        &self,
        trial: &mut Trial,
        error: Error,
        advice: Option<Duration>,
        may_repeat: bool,
    ) -> Result<(), Error> {
        let policy = &self.0.policy;
        if error.retry == Retry::Never {
            return Err(error);
        }
        if !may_repeat {
            return Err(error
                .retry(Retry::Never)
                .hint("the source may have carried the request out; look before it is repeated"));
        }
        let wait = match advice {
            Some(wait) => wait,
            None => {
                trial.failures += 1;
                policy.back_off(trial.failures, fastrand::f64())
            }
        };
        let parked = matches!(error.kind, Kind::RateLimited | Kind::Quota);
        let over = later(self.0.clock.now(), wait) > later(trial.started, policy.total);
        if advice.is_some_and(|wait| wait > policy.park_after) || (over && advice.is_some()) {
            return Err(error.retry(Retry::After(wait)));
        }
        if trial.failures >= policy.attempts || over {
            let message = format!("{} ({} attempts)", error.message, trial.attempt);
            let retry = if parked { Retry::After(policy.park_after) } else { Retry::BackOff };
            return Err(Error { message, ..error }.retry(retry));
        }
        tracing::debug!(attempt = trial.attempt, wait_ms = wait.as_millis() as u64, "{}; trying again", error.message);
        self.0.clock.sleep(wait).await;
        Ok(())
    }

    fn advice(&self, raw: &Raw) -> Option<Duration> {
        let text = |name| raw.headers.get(name).and_then(|value| value.to_str().ok());
        retry_after(text(RETRY_AFTER)?, text(DATE), self.0.clock.now())
    }

    /// Where requests may go: for checking a next link ([`super::next_url`]).
    pub fn origins(&self) -> &Origins {
        &self.0.exchange.origins
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }
}

/// How a request has fared so far.
struct Trial {
    started: DateTime<Utc>,
    /// The number of the sending under way, from 1.
    attempt: u32,
    /// Those that count against the policy.
    failures: u32,
    refreshed: bool,
}

impl Builder {
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub fn retry(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What the vendor counts.
    pub fn budget(mut self, budget: impl IntoIterator<Item = Limit>) -> Self {
        self.budget.extend(budget);
        self
    }

    /// Shares the budget with other processes through this folder, instead of the user's own ([`Folder::of_user`]).
    pub fn folder(mut self, folder: Folder) -> Self {
        self.kept = Kept::In(folder);
        self
    }

    /// Shares the budget with nobody but clones.
    pub fn in_memory(mut self) -> Self {
        self.kept = Kept::InMemory;
        self
    }

    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// How a request carries the credential.
    pub fn authorize(mut self, hook: impl Authorize + 'static) -> Self {
        self.authorize = Some(Arc::new(hook));
        self
    }

    /// For an API key: it is fetched when it is first needed, sent in `header`, and fetched once more if it is refused.
    ///
    /// # Errors
    /// [`Kind::Config`] if TLS cannot be set up.
    pub fn api_key(self, header: TokenHeader, key: SecretRef) -> Result<Self, Error> {
        let alone = Client::builder(self.credential.clone(), self.origins.clone()).clock(Arc::clone(&self.clock));
        let tokens = Tokens::in_memory(self.credential.clone(), alone.in_memory().build()?, ApiKey(key));
        Ok(self.tokens(tokens).authorize(header))
    }

    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// # Errors
    /// [`Kind::Config`] if there is no folder for the budget, or TLS cannot be set up.
    pub fn build(self) -> Result<Client, Error> {
        let folder = match self.kept {
            Kept::ByUser => Some(Folder::of_user()?),
            Kept::In(folder) => Some(folder),
            Kept::InMemory => None,
        };
        let file = folder.map(|folder| folder.file("budget", &self.credential));
        // A request whose process died is over when no living one could still be under way.
        let lease = self.limits.page.saturating_add(Duration::from_secs(60));
        let meter = Meter::new(self.budget, file, Arc::clone(&self.clock), lease, self.policy.park_after);
        let exchange = Exchange::new(self.origins, self.limits, self.authorize, Arc::clone(&self.clock))?;
        Ok(Client(Arc::new(Inner {
            exchange,
            rules: self.rules,
            policy: self.policy,
            meter,
            tokens: self.tokens,
            clock: self.clock,
        })))
    }
}
