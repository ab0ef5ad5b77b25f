//! The client of an organisation: its budget, its token, and the requests that are made.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tributary_connector::http::{
    Client, Clock, Expects, Limit, Origins, Outcome, RefreshGrant, Request, Rule, TokenHeader, header, scan,
};
use tributary_connector::{Context, Error, Kind};

use crate::centre;
use crate::config::{Config, Edition};
use crate::error::{self, Failed, refusal};
use crate::time::Time;

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

/// A page of a list has at most so many records.
pub(crate) const LISTED: u64 = 200;
/// And so many fields.
pub(crate) const LISTED_FIELDS: usize = 50;
/// Records that are asked for by id at once.
pub(crate) const BY_ID: usize = 100;
/// What an export may have in one file, packed; it is in memory as a whole.
const EXPORT_BYTES: u64 = 512 << 20;

/// An organisation, as one credential sees it.
pub(crate) struct Api {
    client: Client,
    pub clock: Arc<dyn Clock>,
}

/// An answer that is as it should be.
pub(crate) struct Reply {
    /// Empty if there is nothing.
    pub bytes: Bytes,
    /// When it was given, by the vendor's clock.
    pub at: Time,
}

impl Reply {
    pub(crate) fn is_none(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The answer as a value, for the small ones.
    pub(crate) fn value(&self) -> Result<Value, Error> {
        if self.is_none() {
            return Ok(Value::Null);
        }
        // The parser's own error might quote the answer.
        serde_json::from_slice(&self.bytes).map_err(|_| Error::new(Kind::Protocol, "an answer cannot be understood"))
    }
}

impl Api {
    /// Gets an access token, finds out where the API is and what the organisation may spend.
    ///
    /// # Errors
    /// [`Kind::Auth`] if the credential is refused; [`Kind::Refused`] if the token is for a host that is not known.
    pub(crate) async fn connect(config: &Config, context: &Context) -> Result<Self, Error> {
        let client_id = config.client_id.resolve().await?;
        let client_secret = config.client_secret.resolve().await?;
        let refresh_token = config.refresh_token.resolve().await?;
        let accounts = centre::accounts_url(config)?;
        // Of all three, because tokens that are kept under one name must be for one organisation and user.
        let identity = [&accounts, client_id.expose(), refresh_token.expose()].join("\n");
        let hash = blake3::derive_key("tributary 2026 name of a Zoho credential", identity.as_bytes());
        let name = format!("zoho-crm/{}", hex::encode(&hash[..16]));

        let settings = &context.http;
        let tokens_at = settings
            .client(format!("{name}/tokens"), Origins::new(&accounts)?)
            .rules(error::token_rules())
            .budget([Limit::new("tokens", Rule::Moving { budget: 10, per: 10 * MINUTE })])
            .build()?;
        let grant = RefreshGrant {
            url: "/oauth/v2/token".to_owned(),
            client_id: client_id.expose().to_owned(),
            client_secret,
            refresh_token,
        };
        let tokens = settings.tokens(&name, tokens_at, grant)?;
        let issued = tokens.get().await?;
        let url = centre::api_url(config, issued.token.extra.get("api_domain").map(String::as_str))?;

        let build = |budget: [Limit; 4]| {
            let client = settings
                .client(&name, Origins::new(&url)?)
                .rules(error::rules())
                .tokens(tokens.clone())
                .authorize(TokenHeader::new(header::AUTHORIZATION, "Zoho-oauthtoken "))
                .budget(budget)
                .build()?;
            Ok::<_, Error>(Self { client, clock: Arc::clone(&settings.clock) })
        };
        if let Some(edition) = config.edition {
            return build(budget(edition, 0));
        }
        // The question itself is not to wait for credits that a small edition would not have.
        let careful = build(limits(5, u64::MAX))?;
        match careful.organisation().await {
            Ok((edition, users)) => build(budget(edition, users)),
            Err(failed) if failed.is_closed() => {
                tracing::warn!("the credential may not ask for the organisation's edition; the smallest is assumed");
                build(budget(Edition::Free, 0))
            }
            Err(failed) => Err(failed.into()),
        }
    }

    /// What the organisation pays for, and for how many users.
    pub(crate) async fn organisation(&self) -> Result<(Edition, u64), Failed> {
        let reply = self.ask(Request::get("/crm/v8/org"), "read the organisation").await?;
        let license = |name| format!("org.0.license_details.{name}");
        let paths = ["paid_type", "trial_type", "users_license_purchased"].map(license);
        let found = scan(&reply.bytes, &paths.each_ref().map(String::as_str))?;
        let value = |at: usize| found.get(at).and_then(Option::as_ref);
        let edition = |at: usize| match value(at)?.text()?.to_ascii_lowercase().as_str() {
            "standard" => Some(Edition::Standard),
            "professional" => Some(Edition::Professional),
            "enterprise" | "one" | "crmplus" | "zohoone" => Some(Edition::Enterprise),
            "ultimate" => Some(Edition::Ultimate),
            _ => None,
        };
        let users = value(2).and_then(|value| value.as_u64()).unwrap_or(0);
        Ok((edition(0).or_else(|| edition(1)).unwrap_or(Edition::Free), users))
    }

    /// Sends a request; `what` it is to do, in words, for the message if it is refused.
    pub(crate) async fn ask(&self, request: Request, what: &str) -> Result<Reply, Failed> {
        let answer = self.client.send(request).await?;
        let date = answer.headers.get(header::DATE).and_then(|date| date.to_str().ok()).and_then(Time::of_http);
        let at = date.unwrap_or_else(|| Time::of(self.clock.now()));
        if answer.outcome != Outcome::Ok {
            return Ok(Reply { bytes: Bytes::new(), at });
        }
        let speaks = answer.status.as_u16() >= 400 || answer.bytes.first() == Some(&b'{');
        if speaks && let Some(refused) = refusal(answer.status.as_u16(), &answer.bytes, what)? {
            return Err(Failed::Refused(refused));
        }
        Ok(Reply { bytes: answer.bytes, at })
    }

    pub(crate) async fn modules(&self) -> Result<Reply, Failed> {
        self.ask(Request::get("/crm/v8/settings/modules"), "list the modules").await
    }

    pub(crate) async fn fields(&self, module: &str) -> Result<Reply, Failed> {
        let request = Request::get("/crm/v8/settings/fields").query("module", module);
        self.ask(request, &format!("list the fields of `{module}`")).await
    }

    pub(crate) async fn users(&self, page: u64) -> Result<Reply, Failed> {
        let request =
            Request::get("/crm/v8/users").query("type", "AllUsers").query("page", page).query("per_page", LISTED);
        self.ask(request, "list the users").await
    }

    pub(crate) async fn count(&self, module: &str) -> Result<(Option<u64>, Time), Failed> {
        let reply =
            self.ask(Request::get(format!("/crm/v8/{module}/actions/count")), &format!("count `{module}`")).await?;
        let count = match reply.is_none() {
            true => None,
            false => scan(&reply.bytes, &["count"])?.pop().flatten().and_then(|count| count.as_u64()),
        };
        Ok((count, reply.at))
    }

    /// A query of at most `limit` records.
    pub(crate) async fn query(&self, module: &str, text: &str, limit: u64) -> Result<Reply, Failed> {
        let cost = match limit {
            0..=200 => 1,
            201..=1_000 => 2,
            _ => 3,
        };
        let request = Request::post("/crm/v8/coql").json(&json!({ "select_query": text })).idempotent();
        self.ask(request.class("heavy").cost(cost), &format!("query `{module}`")).await
    }

    /// A page of a list.
    pub(crate) async fn list(
        &self,
        module: &str,
        parameters: &[(&str, &str)],
        since: Option<Time>,
    ) -> Result<Reply, Failed> {
        let mut request = Request::get(format!("/crm/v8/{module}"));
        for (name, value) in parameters {
            request = request.query(*name, value);
        }
        self.ask(since_time(request, since)?, &format!("list `{module}`")).await
    }

    /// One record with all that it has.
    pub(crate) async fn record(&self, module: &str, id: u64) -> Result<Reply, Failed> {
        self.ask(Request::get(format!("/crm/v8/{module}/{id}")), &format!("read a record of `{module}`")).await
    }

    /// A page, by number and size, of what was deleted.
    pub(crate) async fn deleted(
        &self,
        module: &str,
        (page, size): (u64, u64),
        since: Option<Time>,
    ) -> Result<Reply, Failed> {
        let request = Request::get(format!("/crm/v8/{module}/deleted"))
            .query("type", "all")
            .query("page", page)
            .query("per_page", size)
            .cost(2);
        self.ask(since_time(request, since)?, &format!("list what was deleted of `{module}`")).await
    }

    /// Makes an export. To make it twice costs credits and does no harm.
    pub(crate) async fn make_export(&self, module: &str, query: &Value) -> Result<Reply, Failed> {
        let request = Request::post("/crm/bulk/v8/read").json(&json!({ "query": query })).idempotent();
        self.ask(request.class("heavy").cost(50), &format!("make an export of `{module}`")).await
    }

    pub(crate) async fn look_at_export(&self, module: &str, job: u64) -> Result<Reply, Failed> {
        self.ask(Request::get(format!("/crm/bulk/v8/read/{job}")), &format!("look at an export of `{module}`")).await
    }

    pub(crate) async fn fetch_export(&self, module: &str, job: u64) -> Result<Reply, Failed> {
        let request = Request::get(format!("/crm/bulk/v8/read/{job}/result"))
            .expects(Expects::Anything)
            .class("download")
            .up_to(EXPORT_BYTES);
        self.ask(request, &format!("fetch an export of `{module}`")).await
    }
}

/// The vendor wants ISO 8601 in this header, not a date of HTTP.
fn since_time(request: Request, since: Option<Time>) -> Result<Request, Error> {
    let Some(since) = since else { return Ok(request) };
    let value = header::HeaderValue::from_str(&since.to_string())
        .map_err(|e| Error::new(Kind::Protocol, "a time is no header value").source(e))?;
    Ok(request.header(header::IF_MODIFIED_SINCE, value))
}

/// What an organisation may do: <https://www.zoho.com/crm/developer/docs/api/v8/api-limits.html>. Credits grow with the users
/// it pays for; where their number is not known, none are counted.
fn budget(edition: Edition, users: u64) -> [Limit; 4] {
    const CREDITS: u64 = 50_000;
    let more = |per_user: u64, most: u64| CREDITS.saturating_add(per_user.saturating_mul(users)).min(most);
    let (at_once, credits) = match edition {
        Edition::Free => (5, 5_000),
        Edition::Standard => (10, more(250, 100_000)),
        Edition::Professional => (15, more(500, 3_000_000)),
        Edition::Enterprise => (20, more(1_000, 5_000_000)),
        Edition::Ultimate => (25, more(2_000, u64::MAX)),
    };
    limits(at_once, credits)
}

fn limits(at_once: u64, credits: u64) -> [Limit; 4] {
    [
        Limit::new("requests at once", Rule::Concurrent { at_once }),
        Limit::new("queries and exports at once", Rule::Concurrent { at_once: at_once.min(10) }).of_class("heavy"),
        Limit::new("downloads of a minute", Rule::Moving { budget: 10, per: MINUTE }).of_class("download"),
        Limit::new("credits of 24 hours", Rule::Moving { budget: credits, per: 24 * 60 * MINUTE }).of_cost(),
    ]
}
