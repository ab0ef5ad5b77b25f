//! Finds and reads files in object stores.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;
use tributary_connector::{Error, Kind, SecretRef};

use crate::config::Storage;
use crate::place::{Entry, Listing, Place, RemotePattern, Stat};

/// The store that `pattern` is in.
///
/// # Errors
/// [`Kind::Config`] or [`Kind::Auth`] if the settings or secrets do not make one.
pub async fn store(pattern: &RemotePattern, storage: &Storage) -> Result<Arc<dyn ObjectStore>, Error> {
    let failed = |e| {
        Error::new(Kind::Config, format!("the object store of `{}` is not set up", pattern.text)).source(Clean::of(&e))
    };
    Ok(match pattern.scheme.as_str() {
        "gs" => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(&pattern.bucket);
            if let Some(key) = secret(&storage.service_account_key).await? {
                builder = builder.with_service_account_key(key);
            }
            if let Some(endpoint) = &storage.endpoint {
                builder = builder.with_base_url(endpoint);
            }
            builder = builder.with_skip_signature(storage.anonymous);
            if storage.allow_http {
                builder = builder.with_client_options(object_store::ClientOptions::new().with_allow_http(true));
            }
            Arc::new(builder.build().map_err(failed)?)
        }
        "az" => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(&pattern.bucket);
            if let Some(account) = &storage.account {
                builder = builder.with_account(account);
            }
            if let Some(key) = secret(&storage.account_key).await? {
                builder = builder.with_access_key(key);
            }
            if let Some(endpoint) = &storage.endpoint {
                builder = builder.with_endpoint(endpoint.clone());
            }
            builder = builder.with_skip_signature(storage.anonymous).with_allow_http(storage.allow_http);
            Arc::new(builder.build().map_err(failed)?)
        }
        _ => {
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(&pattern.bucket);
            if let Some(key) = secret(&storage.access_key_id).await? {
                builder = builder.with_access_key_id(key);
            }
            if let Some(key) = secret(&storage.secret_access_key).await? {
                builder = builder.with_secret_access_key(key);
            }
            if let Some(token) = secret(&storage.session_token).await? {
                builder = builder.with_token(token);
            }
            if let Some(region) = &storage.region {
                builder = builder.with_region(region);
            }
            if let Some(endpoint) = &storage.endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            builder = builder.with_skip_signature(storage.anonymous).with_allow_http(storage.allow_http);
            Arc::new(builder.build().map_err(failed)?)
        }
    })
}

async fn secret(reference: &Option<SecretRef>) -> Result<Option<String>, Error> {
    match reference {
        Some(reference) => Ok(Some(reference.resolve().await?.expose().to_owned())),
        None => Ok(None),
    }
}

/// Finds what `pattern` matches in `store`.
///
/// # Errors
/// If the store cannot be listed.
pub async fn list(pattern: &RemotePattern, store: &Arc<dyn ObjectStore>, listing: &mut Listing) -> Result<(), Error> {
    let prefix = Path::parse(&pattern.prefix)
        .map_err(|e| Error::new(Kind::Config, format!("path `{}` cannot be in a bucket", pattern.text)).source(e))?;
    let mut objects = store.list((!pattern.prefix.is_empty()).then_some(&prefix));
    while let Some(meta) = objects.try_next().await.map_err(|e| failed(&pattern.text, &e))? {
        let path = meta.location.as_ref();
        if pattern.matcher.is_match(path) && !path.ends_with('/') {
            listing.entries.push(Entry {
                partition: format!("{}://{}/{path}", pattern.scheme, pattern.bucket).into(),
                stat: stat_of(&meta),
                place: Place::Remote(Arc::clone(store), meta.location),
            });
        }
    }
    Ok(())
}

/// How the object is now.
///
/// # Errors
/// If it is gone or the store does not answer.
pub fn stat(runtime: &Handle, store: &Arc<dyn ObjectStore>, path: &Path) -> io::Result<Stat> {
    runtime.block_on(store.head(path)).map(|meta| stat_of(&meta)).map_err(io_error)
}

/// The object's bytes, in order.
///
/// # Errors
/// If it is gone or the store does not answer.
pub fn read(runtime: &Handle, store: &Arc<dyn ObjectStore>, path: &Path) -> io::Result<(Stat, Box<dyn Read + Send>)> {
    let result = runtime.block_on(store.get(path)).map_err(io_error)?;
    let stat = stat_of(&result.meta);
    Ok((stat, Box::new(Reading { runtime: runtime.clone(), stream: result.into_stream(), chunk: Bytes::new() })))
}

fn stat_of(meta: &ObjectMeta) -> Stat {
    Stat { size: meta.size, mtime: meta.last_modified.timestamp_micros(), etag: meta.e_tag.clone() }
}

/// A stream of bytes, read by a thread that may block.
struct Reading {
    runtime: Handle,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    chunk: Bytes,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                Some(chunk) => self.chunk = chunk.map_err(io_error)?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

fn io_error(e: object_store::Error) -> io::Error {
    let kind = match e {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, Clean::of(&e))
}

fn failed(pattern: &str, e: &object_store::Error) -> Error {
    let kind = match e {
        object_store::Error::NotFound { .. } => Kind::NotFound,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => Kind::Auth,
        _ => Kind::Transport,
    };
    Error::new(kind, format!("`{pattern}` cannot be listed")).source(Clean::of(e))
}

/// What a store said, without the queries of its URLs: some sign there.
#[derive(Debug)]
struct Clean(String);

impl Clean {
    fn of(e: &object_store::Error) -> Self {
        let text = e.to_string();
        let mut clean = String::with_capacity(text.len());
        let mut in_query = false;
        for c in text.chars() {
            if in_query && (c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '>' | '<')) {
                in_query = false;
            }
            if !in_query {
                clean.push(c);
            }
            in_query |= c == '?';
        }
        Self(clean)
    }
}

impl std::fmt::Display for Clean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Clean {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use object_store::memory::InMemory;
    use tributary_connector::{Data, Event, Position, Reader, State};

    use super::*;
    use crate::load::Settings;
    use crate::place::Patterns;
    use crate::reader::FilesReader;

    /// Reads what is new under `s3://b/p/**/*`, and says what happened.
    async fn run(store: &Arc<dyn ObjectStore>, state: &mut BTreeMap<Arc<str>, Position>) -> Vec<String> {
        let patterns = Patterns::parse(&["s3://b/p/**/*".to_owned()], std::path::Path::new("/")).unwrap();
        let mut listing = Listing::default();
        list(&patterns.remote[0], store, &mut listing).await.unwrap();
        let mut reader =
            FilesReader::start(Arc::new(Settings::default()), listing.sorted(), &State(state.clone())).unwrap();
        let mut said = Vec::new();
        while let Some(event) = reader.next().await.unwrap() {
            said.push(match event {
                Event::Page(page) => match page.data {
                    Data::Csv(csv) => format!("{} {}", page.scope, String::from_utf8_lossy(&csv.bytes)),
                    _ => page.scope.to_string(),
                },
                Event::Withdraw(withdrawal) => format!("withdraw {}", withdrawal.scope),
                Event::Unchanged { partition } => format!("unchanged {partition}"),
                Event::Discard { error, .. } => error.message,
                Event::Forget { partition } => format!("forget {partition}"),
                Event::Checkpoint(positions) => {
                    let paths: Vec<_> = positions.iter().map(|(path, _)| path.to_string()).collect();
                    state.extend(positions.into_iter().map(|(path, position)| (path, position.unwrap())));
                    format!("checkpoint {}", paths.join(" "))
                }
            });
        }
        said
    }

    #[tokio::test]
    async fn objects_are_taken_once_per_content() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let put =
            async |path: &str, text: &'static str| store.put(&path.into(), text.into()).await.map(|_| ()).unwrap();
        put("p/a.csv", "id\n1\n").await;
        put("p/x/b.csv", "id\n1\n").await;
        put("p/x/c.xlsx", "no workbook").await;
        put("q/d.csv", "id\n9\n").await;
        let mut state = BTreeMap::new();
        assert_eq!(
            run(&store, &mut state).await,
            [
                "s3://b/p/a.csv#1 1\n",
                "checkpoint s3://b/p/a.csv",
                "checkpoint s3://b/p/x/b.csv",
                "`s3://b/p/x/c.xlsx` is not an XLSX file",
            ]
        );
        put("p/a.csv", "id\n1\n2\n").await;
        store.delete(&"p/x/c.xlsx".into()).await.unwrap();
        assert_eq!(
            run(&store, &mut state).await,
            ["unchanged s3://b/p/x/b.csv", "s3://b/p/a.csv#2 1\n2\n", "checkpoint s3://b/p/a.csv",]
        );
        put("p/x/b.csv", "id\n3\n").await;
        assert_eq!(
            run(&store, &mut state).await,
            [
                "unchanged s3://b/p/a.csv",
                "s3://b/p/x/b.csv#1 3\n",
                "withdraw s3://b/p/a.csv#1",
                "checkpoint s3://b/p/x/b.csv",
            ]
        );
    }

    #[test]
    fn what_a_url_signs_is_not_repeated() {
        let source = "error sending request for url (https://a.blob/x?sv=1&sig=SECRET): timed out".into();
        let error = object_store::Error::Generic { store: "Azure", source };
        let text = Clean::of(&error).to_string();
        assert!(!text.contains("SECRET") && text.contains("timed out"), "{text}");
    }
}
