//! The connector: what can be asked of it, and its registration's factory.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use encoding_rs::Encoding;
use tokio::runtime::Handle;
use tributary_connector::{
    Capabilities, Configuration, Connector, Context, CsvDialect, Cursor, Deletes, Error, Factory, Kind, ReadRequest,
    Reader, Sniffed, Stream,
};

use crate::config::{Config, Format, OnChange};
use crate::load::Settings;
use crate::place::{Listing, Patterns, Place};
use crate::reader::FilesReader;
use crate::{discover, encoding, layout, local, remote, sniff};

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

    fn dialect(&self, row: &[u8], then: CsvDialect) -> CsvDialect {
        let csv = &self.settings.csv;
        let fits = |of: &'static Encoding| of.decode_without_bom_handling_and_without_replacement(row).is_some();
        // A row that its file's encoding has is of that one, whatever others are: a byte order mark may have said so.
        let declared = self.settings.encoding.filter(|of| !fits(then.encoding) && encoding::is_cut_as_it_is(of));
        CsvDialect {
            delimiter: csv.delimiter.unwrap_or(then.delimiter),
            quote: csv.quote,
            encoding: declared.unwrap_or(then.encoding),
            header: csv.header.as_ref().map_or(then.header, |names| layout::names(names)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_declared_now_unless_its_file_said_otherwise() {
        let config =
            serde_json::json!({ "path": "a.csv", "encoding": "gb18030", "quote": "'", "header": ["编号", "名"] });
        let context = Context::new("a", chrono_tz::UTC);
        let files = Files::new(serde_json::from_value(config).unwrap(), &context).unwrap();
        let header = vec!["id".to_owned(), "name".to_owned()];
        let then = CsvDialect { delimiter: b';', quote: b'"', encoding: encoding_rs::UTF_8, header };
        let read = |row: &[u8]| files.dialect(row, then.clone());
        let now = read("1;张伟".as_bytes());
        assert_eq!((now.encoding, now.delimiter, now.quote), (encoding_rs::UTF_8, b';', b'\''), "UTF-8 by its mark");
        assert_eq!(now.header, ["编号", "名"]);
        assert_eq!(read(b"1;\xd5\xc5\xce\xb0").encoding, encoding_rs::GB18030);
    }
}
