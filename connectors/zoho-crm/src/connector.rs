//! The connector: what can be asked of it, and its registration's factory.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tributary_connector::http::Origins;
use tributary_connector::{
    Capabilities, Configuration, Connector, Context, Error, Factory, Kind, ReadRequest, Reader, Sniffed, Stream,
};

use crate::api::Api;
use crate::config::Config;
use crate::read::{self, Manner};
use crate::{centre, streams, users};

/// An organisation of Zoho CRM.
pub struct ZohoCrm {
    config: Config,
    context: Context,
    /// Made when it is first needed: it takes secrets and the network.
    api: OnceCell<Arc<Api>>,
    page: u64,
}

impl ZohoCrm {
    /// # Errors
    /// [`Kind::Config`] if it is not said where the organisation is, or addresses are none.
    pub fn new(config: Config, context: &Context) -> Result<Self, Error> {
        Origins::new(&centre::accounts_url(&config)?)?;
        config.api_url.as_deref().map(Origins::new).transpose()?;
        Ok(Self { config, context: context.clone(), api: OnceCell::new(), page: u64::MAX })
    }

    /// The same with pages of at most so many records. For tests: small pages put their edges everywhere.
    pub fn with_page_records(self, page: u64) -> Self {
        Self { page, ..self }
    }

    async fn api(&self) -> Result<&Arc<Api>, Error> {
        self.api.get_or_try_init(async || Api::connect(&self.config, &self.context).await.map(Arc::new)).await
    }
}

#[async_trait]
impl Connector for ZohoCrm {
    async fn check(&self) -> Result<(), Error> {
        let api = self.api().await?;
        let names = streams::names(api).await?;
        for wanted in self.context.streams.iter().flatten() {
            if !names.contains(wanted) {
                let known: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                return Err(Error::new(Kind::Config, format!("there is no module `{wanted}`, or it may not be seen"))
                    .hint(format!("there are: {}", known.join(", "))));
            }
            match wanted == users::STREAM {
                true => drop(api.users(1).await?),
                false => drop(api.fields(wanted).await?),
            }
        }
        Ok(())
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        streams::discover(self.api().await?, &self.context).await
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        Ok(None)
    }

    async fn read(&self, request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        read::start(Arc::clone(self.api().await?), Manner::of(&self.config, self.page), request)
    }
}

/// Makes [`ZohoCrm`].
pub struct ZohoCrmFactory;

impl Factory for ZohoCrmFactory {
    type Config = Config;

    fn name(&self) -> &'static str {
        "zoho-crm"
    }

    fn summary(&self) -> &'static str {
        "Zoho CRM: contacts, leads, deals, cases and any other module"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resumes: true, incremental: true, deletes: true, remote: true, windows: true }
    }

    fn mapping(&self) -> &'static str {
        include_str!("../mapping.toml")
    }

    fn configure(&self, _path: &str) -> Option<Result<Configuration, Error>> {
        None
    }

    fn build(&self, config: Config, context: &Context) -> Result<Box<dyn Connector>, Error> {
        Ok(Box::new(ZohoCrm::new(config, context)?))
    }
}
