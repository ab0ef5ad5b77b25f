//! Connector for the sample shop: its customers and orders, what is new or changed only.
//!
//! What is here is what only its author can know: where the API is, how it is asked, what a page looks like and where to go
//! on. Retries, limits, decoding, state and commits are the kit's and the program's.

#![forbid(unsafe_code)]

mod config;
mod streams;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tributary_connector::http::{Client, Origins, PageToken, Request, TokenHeader, locate};
use tributary_connector::{
    Capabilities, Configuration, Connector, Context, Error, Factory, Fetch, Fetched, Position, ReadRequest, Reader,
    Registry, Sniffed, Stream, paged,
};

pub use config::Config;

/// Adds this connector to `registry`, as `custom-connector`.
pub fn register(registry: &mut Registry) {
    registry.register(CustomConnector);
}

/// How the connector is made.
pub struct CustomConnector;

impl Factory for CustomConnector {
    type Config = Config;

    fn name(&self) -> &'static str {
        "custom-connector"
    }

    fn summary(&self) -> &'static str {
        "the sample shop"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resumes: true, incremental: true, deletes: true, remote: true }
    }

    fn mapping(&self) -> &'static str {
        include_str!("mapping.toml")
    }

    fn configure(&self, _path: &str) -> Option<Result<Configuration, Error>> {
        None
    }

    fn build(&self, config: Config, context: &Context) -> Result<Box<dyn Connector>, Error> {
        let builder = context.http.client(format!("custom-connector/{}", config.url), Origins::new(&config.url)?);
        let client = builder.api_key(TokenHeader::bearer(), config.api_key)?.build()?;
        Ok(Box::new(Shop { client, timezone: context.timezone }))
    }
}

struct Shop {
    client: Client,
    timezone: chrono_tz::Tz,
}

#[async_trait]
impl Connector for Shop {
    async fn check(&self) -> Result<(), Error> {
        self.client.send(Request::get("/v1/customers").query("limit", 1)).await.map(drop)
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        Ok(streams::all(self.timezone))
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        Ok(None)
    }

    async fn read(&self, request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        let at = request.state.0.get("").map(Position::get).transpose()?;
        let path = format!("/v1/{}", request.stream.name);
        Ok(paged(Pages { client: self.client.clone(), path, at, pages: Some(PageToken::default()) }))
    }
}

/// The place to go on from: the time of the last record that was read. What has just this time is read again.
#[derive(Clone, Serialize, Deserialize)]
struct Since {
    updated_at: String,
}

struct Pages {
    client: Client,
    path: String,
    at: Option<Since>,
    /// `None` when all is read.
    pages: Option<PageToken>,
}

#[async_trait]
impl Fetch for Pages {
    async fn fetch(&mut self) -> Result<Option<Fetched>, Error> {
        let Some(pages) = &mut self.pages else { return Ok(None) };
        let mut request = Request::get(&self.path).query("limit", 200);
        match (pages.token(), &self.at) {
            (Some(token), _) => request = request.query("page_token", token),
            (None, Some(since)) => request = request.query("updated_since", &since.updated_at),
            (None, None) => {}
        }
        let answer = self.client.send(request).await?;
        let found = locate(&answer.bytes, "data", &["next_page_token"])?;
        let next = found.fields[0].as_ref().and_then(|token| token.text());
        let more = pages.advance(next, None)?;
        if !more {
            self.pages = None;
        }
        if let Some(updated_at) = found.last("updated_at")?.as_ref().and_then(|last| last.text()) {
            self.at = Some(Since { updated_at: updated_at.to_owned() });
        }
        let fetched = Fetched::json(found.page, found.records).more(more);
        Ok(Some(match &self.at {
            Some(since) => fetched.position(Position::new(since)?),
            None => fetched,
        }))
    }
}
