//! The connector: what can be asked of it, and its registration's factory.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tributary_connector::{
    Capabilities, Configuration, Connector, Context, Cursor, Deletes, Error, Factory, Kind, ReadRequest, Reader,
    Sniffed, Stream,
};

use crate::config::{Config, Format, OnChange};
use crate::load::Settings;
use crate::place::{Listing, Patterns, Place};
use crate::reader::FilesReader;
use crate::{discover, local, remote, sniff};

/// A source of files.
#[derive(Debug, Clone)]
pub struct Files {
    config: Arc<Config>,
    settings: Arc<Settings>,
    timezone: String,
    directory: PathBuf,
}

impl Files {
    /// # Errors
    /// [`Kind::Config`] for values that cannot be.
    pub fn new(config: Config, context: &Context) -> Result<Self, Error> {
        let settings = Arc::new(Settings::new(&config)?);
        let directory = std::env::current_dir()
            .map_err(|e| Error::new(Kind::Config, "the working directory is not to be found").source(e))?;
        Patterns::parse(config.path.as_slice(), &directory)?;
        Ok(Self { config: Arc::new(config), settings, timezone: context.timezone.name().to_owned(), directory })
    }

    /// The same with pages of about `bytes`. For tests: small pages put their edges everywhere.
    pub fn with_page_bytes(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).page_bytes = bytes.max(1);
        self
    }

    async fn list(&self) -> Result<Listing, Error> {
        let patterns = Patterns::parse(self.config.path.as_slice(), &self.directory)?;
        let mut listing = Listing::default();
        for pattern in &patterns.remote {
            let store = remote::store(pattern, &self.config.storage).await?;
            remote::list(pattern, &store, &mut listing).await?;
        }
        blocking(move || {
            local::list(&patterns, &mut listing)?;
            Ok(listing.sorted())
        })
        .await
    }

    /// Like [`Self::list`], where no file at all is an error.
    async fn list_some(&self) -> Result<Listing, Error> {
        let mut listing = self.list().await?;
        if listing.entries.is_empty() {
            if !listing.refused.is_empty() {
                return Err(listing.refused.remove(0).1);
            }
            let paths = Patterns::parse(self.config.path.as_slice(), &self.directory)?.in_words();
            return Err(Error::new(Kind::NotFound, format!("no file matches {paths}"))
                .hint(format!("paths are taken from the working directory, `{}`", self.directory.display())));
        }
        Ok(listing)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        Error::new(Kind::Protocol, "looking at files broke off; this is a fault of the connector").source(e)
    })?
}

#[async_trait]
impl Connector for Files {
    async fn check(&self) -> Result<(), Error> {
        self.list_some().await.map(|_| ())
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        let listing = self.list_some().await?;
        let (this, runtime) = (self.clone(), Handle::current());
        let schema =
            blocking(move || discover::schema(listing.entries, &this.config, &this.settings, &this.timezone, &runtime))
                .await?;
        Ok(vec![Stream {
            name: self.config.stream.clone(),
            schema,
            primary_key: self.config.primary_key.clone(),
            cursor: Cursor::Contents,
            deletes: match self.config.on_change {
                OnChange::Replace => Deletes::Scope,
                OnChange::Add => Deletes::Never,
            },
            version: self.config.version.clone(),
        }])
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        let first = self.list_some().await?.entries.into_iter().next();
        let settings = Arc::clone(&self.settings);
        match first.map(|entry| entry.place) {
            Some(Place::Local(path)) => blocking(move || sniff::described(&path, &settings).map(Some)).await,
            _ => Ok(None),
        }
    }

    async fn read(&self, request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        let listing = self.list().await?;
        Ok(Box::new(FilesReader::start(Arc::clone(&self.settings), listing, &request.state)?))
    }
}

/// Makes [`Files`].
pub struct FilesFactory;

impl Factory for FilesFactory {
    type Config = Config;

    fn name(&self) -> &'static str {
        "files"
    }

    fn summary(&self) -> &'static str {
        "CSV, JSON Lines, Parquet and XLSX files, local or in S3, Google Cloud Storage and Azure"
    }

    fn mapping(&self) -> &'static str {
        ""
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resumes: true, incremental: true, deletes: true, remote: false, windows: false }
    }

    fn configure(&self, path: &str) -> Option<Result<Configuration, Error>> {
        match Format::of(path) {
            Ok(_) => {
                Some(Ok([("path".to_owned(), path.into()), ("stream".to_owned(), "rows".into())].into_iter().collect()))
            }
            Err(e) if path.to_lowercase().ends_with(".xls") => Some(Err(e)),
            Err(_) => None,
        }
    }

    fn build(&self, config: Config, context: &Context) -> Result<Box<dyn Connector>, Error> {
        Ok(Box::new(Files::new(config, context)?))
    }
}
