//! Connector for the sample shop: its customers and orders, what is new or changed only.
//!
//! What is here only its author can know. Retries, limits, decoding, state and commits are the kit's and the program's.

#![forbid(unsafe_code)]

mod config;
mod streams;

use async_trait::async_trait;
use tributary_connector::http::{Client, Origins, PageToken, Request, TokenHeader, locate};
use tributary_connector::{
    Capabilities, Configuration, Connector, Context, Error, Factory, Fetch, Fetched, Kind, Position, ReadRequest,
    Reader, Registry, Sniffed, Stream, paged,
};

pub use config::Config;

/// Adds this connector to `registry`, as `custom-connector`.
pub fn register(registry: &mut Registry) {
    registry.register(CustomConnector);
}

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
        Capabilities { resumes: true, incremental: true, deletes: true, remote: true, windows: false }
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
        let since = request.state.0.get("").map(Position::get).transpose()?;
        let path = format!("/v1/{}", request.stream.name);
        Ok(paged(Pages { client: self.client.clone(), path, since, pages: Some(PageToken::default()) }))
    }
}

struct Pages {
    client: Client,
    path: String,
    /// The time of the last record that was read. What has just this time is read again.
    since: Option<String>,
    /// `None` when all is read.
    pages: Option<PageToken>,
}

#[async_trait]
impl Fetch for Pages {
    async fn fetch(&mut self) -> Result<Option<Fetched>, Error> {
        let Some(pages) = &mut self.pages else { return Ok(None) };
        let request = Request::get(&self.path).query("limit", 200);
        let request = match (pages.token(), &self.since) {
            (Some(token), _) => request.query("page_token", token),
            (None, Some(since)) => request.query("updated_since", since),
            (None, None) => request,
        };
        let answer = self.client.send(request).await?;
        let found = locate(&answer.bytes, "data", &["next_page_token"])?;
        // Whatever an answer without `data` says, it is not that there are no records.
        found.page.as_ref().ok_or_else(|| Error::new(Kind::Protocol, "there is no `data` in the answer"))?;
        let more = pages.advance(found.fields[0].as_ref().and_then(|token| token.text()), None)?;
        self.pages = self.pages.take().filter(|_| more);
        if let Some(updated_at) = found.last("updated_at")?.as_ref().and_then(|last| last.text()) {
            self.since = Some(updated_at.to_owned());
        }
        let fetched = Fetched::json(found.page, found.records).more(more);
        Ok(Some(Fetched { position: self.since.as_ref().map(Position::new).transpose()?, ..fetched }))
    }
}
