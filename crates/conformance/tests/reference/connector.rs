//! A connector for the shop, on the kit: undated records, then changes by time and id, then deletions.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use async_trait::async_trait;
use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tributary_connector::http::{
    Client, Limit, Origins, RefreshGrant, Request, Rule, Token, TokenHeader, TokenSource, locate, scan,
};
use tributary_connector::{
    Capabilities, Configuration, Connector, Context, Cursor, Deletes, Error, Factory, Fetch, Fetched, Kind, Position,
    ReadRequest, Reader, SecretRef, Sniffed, Stream, paged,
};

use super::api::earlier;

pub const LOOKBACK: Duration = Duration::from_secs(120);

pub struct ShopFactory;

/// A shop.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the shop's API is.
    base_url: String,
    /// Who we are at the shop.
    client_id: String,
    /// The shop's word for us.
    client_secret: SecretRef,
    /// What access tokens are got with.
    refresh_token: SecretRef,
}

struct Shop(Client);

struct Grant(Config);

#[async_trait]
impl TokenSource for Grant {
    async fn fetch(&self, client: &Client, last: Option<&Token>) -> Result<Token, Error> {
        let (client_secret, refresh_token) =
            (self.0.client_secret.resolve().await?, self.0.refresh_token.resolve().await?);
        let grant = RefreshGrant {
            url: "/oauth/token".into(),
            client_id: self.0.client_id.clone(),
            client_secret,
            refresh_token,
        };
        grant.fetch(client, last).await
    }
}

impl Factory for ShopFactory {
    type Config = Config;

    fn name(&self) -> &'static str {
        "shop"
    }

    fn summary(&self) -> &'static str {
        "customers and orders of a made-up shop"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resumes: true, incremental: true, deletes: true, remote: true, windows: true }
    }

    fn mapping(&self) -> &'static str {
        ""
    }

    fn configure(&self, _path: &str) -> Option<Result<Configuration, Error>> {
        None
    }

    fn build(&self, config: Config, context: &Context) -> Result<Box<dyn Connector>, Error> {
        let (origins, credential) = (Origins::new(&config.base_url)?, format!("shop/{}", config.client_id));
        let token_client =
            context.http.client(format!("{credential}/tokens"), origins.clone()).rules(RefreshGrant::rules());
        let tokens = context.http.tokens(credential.clone(), token_client.build()?, Grant(config))?;
        let calls = Limit::new("calls", Rule::Moving { budget: 60, per: Duration::from_secs(10) });
        let client = context.http.client(credential, origins).tokens(tokens).authorize(TokenHeader::bearer());
        Ok(Box::new(Shop(client.budget([calls]).build()?)))
    }
}

#[async_trait]
impl Connector for Shop {
    async fn check(&self) -> Result<(), Error> {
        self.0.send(Request::get("/v1/me")).await.map(drop)
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        let field = |name: &str, kind| Field::new(name, kind, true);
        let address: Fields = vec![field("city", DataType::Utf8), field("zip", DataType::Utf8)].into();
        let schema = Arc::new(Schema::new(vec![
            field("id", DataType::Int64),
            field("name", DataType::Utf8),
            field("balance", DataType::Decimal128(19, 4)),
            field("points", DataType::Int64),
            field("vip", DataType::Boolean),
            field("born", DataType::Date32),
            field("address", DataType::Struct(address)),
            field("tags", DataType::List(Arc::new(field("item", DataType::Utf8)))),
            field("updated_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ]));
        let stream = |name: &str, deletes| Stream {
            name: name.into(),
            schema: Arc::clone(&schema),
            primary_key: vec!["id".into()],
            cursor: Cursor::Column("updated_at".into()),
            deletes,
            version: Some("updated_at".into()),
        };
        Ok(vec![stream("customers", Deletes::Feed), stream("orders", Deletes::Never)])
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        Ok(None)
    }

    async fn read(&self, request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        let at: Place = request.state.0.values().next().map_or(Ok(Place::default()), Position::get)?;
        let late = TimeDelta::from_std(LOOKBACK).unwrap_or_default();
        let from = at.changed.as_deref().and_then(|from| earlier(from, late));
        let deletes = request.stream.deletes == Deletes::Feed;
        let (client, name) = (self.0.clone(), request.stream.name);
        let (mut step, mut from, mut to) = (Step::Undated, from, None);
        if let Some(window) = request.window {
            (step, to) = (Step::Changed, Some(window.to.to_rfc3339()));
            from = at.changed.clone().or(Some(window.from.to_rfc3339()));
        }
        let deletes = deletes && to.is_none();
        Ok(paged(Pages { client, name, deletes, at, step: Some(step), from, to, after: None, begins: true }))
    }
}

/// Up to where changes and deletions were read; both are read again from that second on.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Place {
    changed: Option<String>,
    deleted: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Undated,
    Changed,
    Deleted,
}

struct Pages {
    client: Client,
    name: String,
    deletes: bool,
    at: Place,
    step: Option<Step>,
    from: Option<String>,
    to: Option<String>,
    after: Option<String>,
    begins: bool,
}

#[async_trait]
impl Fetch for Pages {
    async fn fetch(&mut self) -> Result<Option<Fetched>, Error> {
        let Some(step) = self.step else { return Ok(None) };
        let deleted = if step == Step::Deleted { "/deleted" } else { "" };
        let mut request = Request::get(format!("/v1/{}{deleted}", self.name));
        if let (Some(from), true) = (&self.from, step != Step::Undated) {
            request = request.query("from", from);
        }
        if let Some(to) = &self.to {
            request = request.query("to", to);
        }
        if let Some(after) = &self.after {
            request = request.query("after", after);
        }
        if step == Step::Undated {
            request = request.query("undated", true);
        }
        let bytes = self.client.send(request).await?.bytes;
        let found = locate(&bytes, "data", &["has_more"])?;
        let (Some(page), Some(more)) = (found.page, found.fields[0].as_ref().and_then(|more| more.as_bool())) else {
            return Err(Error::new(Kind::Protocol, "the answer is no page"));
        };
        let last = |name: &str| format!("data.{}.{name}", found.records.saturating_sub(1));
        let last = scan(&bytes, &[&last("id"), &last("updated_at")])?;
        let text = |at: usize| last[at].as_ref().and_then(|value| value.text()).map(str::to_owned);
        self.after = text(0).filter(|_| more);
        match step {
            Step::Changed if text(1).is_some() => self.at.changed = text(1).max(self.at.changed.take()),
            Step::Deleted if text(1).is_some() => self.at.deleted = text(1),
            _ => {}
        }
        let begins = std::mem::replace(&mut self.begins, !more);
        if more {
            self.from = if step == Step::Undated { self.from.take() } else { text(1) };
        } else {
            (self.step, self.from) = match step {
                Step::Undated => (Some(Step::Changed), self.from.take()),
                Step::Changed => (self.deletes.then_some(Step::Deleted), self.at.deleted.clone()),
                Step::Deleted => (None, None),
            };
        }
        let fetched = Fetched::json(Some(page), found.records).more(more).begins(begins);
        let fetched = fetched.position(Position::new(&self.at)?);
        Ok(Some(if step == Step::Deleted { fetched.deleted() } else { fetched }))
    }
}
