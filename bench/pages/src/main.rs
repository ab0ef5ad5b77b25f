//! Tributary with a connector for the pages that `bench/pages.py` serves: `{"data": [...], "info": {"more_records": …}}`.

#![forbid(unsafe_code)]

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tributary_connector::http::{Client, Origins, PageNumber, Request, locate};
use tributary_connector::{
    Capabilities, Columns, Configuration, Connector, Context, Deletes, Error, Factory, Fetch, Fetched, Position,
    ReadRequest, Reader, Sniffed, Stream, paged,
};

fn main() -> std::process::ExitCode {
    let mut registry = tributary::connectors();
    registry.register(Pages);
    tributary::main(registry)
}

struct Pages;

/// Where the pages are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The URL of all pages.
    url: String,
}

impl Factory for Pages {
    type Config = Config;

    fn name(&self) -> &'static str {
        "pages"
    }

    fn summary(&self) -> &'static str {
        "numbered pages of JSON"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resumes: true, remote: true, ..Capabilities::default() }
    }

    fn mapping(&self) -> &'static str {
        ""
    }

    fn configure(&self, _path: &str) -> Option<Result<Configuration, Error>> {
        None
    }

    fn build(&self, config: Config, context: &Context) -> Result<Box<dyn Connector>, Error> {
        let client = context.http.client("pages", Origins::new(&config.url)?).build()?;
        Ok(Box::new(Source { client, timezone: context.timezone }))
    }
}

struct Source {
    client: Client,
    timezone: chrono_tz::Tz,
}

#[async_trait]
impl Connector for Source {
    async fn check(&self) -> Result<(), Error> {
        self.client.send(Request::get("/").query("page", 1)).await.map(drop)
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        let columns = Columns::new(self.timezone)
            .id("id")
            .text("Last_Name")
            .text("First_Name")
            .text("Email")
            .text("Mobile")
            .text("Mailing_City")
            .object("Account_Name", |account| account.text("name").id("id"))
            .time("Modified_Time")
            .time("Created_Time")
            .money("Amount")
            .list("Tag", |tag| tag.label("name").id("id"))
            .text("Description");
        Ok(vec![columns.stream("contacts", "id", "Modified_Time", Deletes::Never)])
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        Ok(None)
    }

    async fn read(&self, request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        let first = request.state.0.get("").map(Position::get).transpose()?.unwrap_or(1);
        Ok(paged(Walk { client: self.client.clone(), pages: Some(PageNumber::new(first, 200)) }))
    }
}

struct Walk {
    client: Client,
    pages: Option<PageNumber>,
}

#[async_trait]
impl Fetch for Walk {
    async fn fetch(&mut self) -> Result<Option<Fetched>, Error> {
        let Some(pages) = &mut self.pages else { return Ok(None) };
        let answer = self.client.send(Request::get("/").query("page", pages.page())).await?;
        let found = locate(&answer.bytes, "data", &["info.more_records"])?;
        let more = found.fields[0].as_ref().and_then(|more| more.as_bool()).unwrap_or(false);
        let more = pages.advance(found.records, Some(more))?;
        let position = Position::new(&pages.page())?;
        if !more {
            self.pages = None;
        }
        Ok(Some(Fetched::json(found.page, found.records).more(more).position(position)))
    }
}
