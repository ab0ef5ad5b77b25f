//! A local file system whose writes survive power loss.
//!
//! `object_store`'s local store never syncs; a commit file may then be empty after a crash and still count as a commit.
//! Here a small object is written aside, synced and only then linked into place, and a large one is synced before its
//! writer learns that it is complete. Directories are synced too. Reading is passed through.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

/// See the module. Paths are absolute, from the root of the file system.
#[derive(Debug, Clone)]
pub struct Durable {
    inner: Arc<LocalFileSystem>,
    /// Where objects are written before they get their name; on the same file system as the lake.
    staging: PathBuf,
}

impl Durable {
    pub fn new(staging: PathBuf) -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()), staging }
    }
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Durable({})", self.inner)
    }
}

fn failed(path: &FsPath) -> impl FnOnce(std::io::Error) -> object_store::Error {
    let path = path.display().to_string();
    move |source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists { path, source: source.into() },
        std::io::ErrorKind::NotFound => object_store::Error::NotFound { path, source: source.into() },
        std::io::ErrorKind::PermissionDenied => object_store::Error::PermissionDenied { path, source: source.into() },
        _ => object_store::Error::Generic { store: "local", source: source.into() },
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| object_store::Error::Generic { store: "local", source: e.into() })?
}

/// Makes a directory and syncs every directory that got a new entry.
fn make_dir(dir: &FsPath) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dir(parent)?;
        match std::fs::create_dir(dir) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        sync_dir(parent)?;
    }
    Ok(())
}

fn sync_dir(dir: &FsPath) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

fn put(staging: &FsPath, target: &FsPath, payload: &PutPayload, create: bool) -> Result<()> {
    let parent = target.parent().unwrap_or(FsPath::new("/"));
    make_dir(parent).map_err(failed(parent))?;
    make_dir(staging).map_err(failed(staging))?;
    let aside = staging.join(uuid::Uuid::new_v4().to_string());
    let placed = (|| {
        let mut file = File::create_new(&aside)?;
        for part in payload {
            file.write_all(part)?;
        }
        file.sync_all()?;
        if create { std::fs::hard_link(&aside, target) } else { std::fs::rename(&aside, target) }
    })();
    // After a rename there is nothing left to remove.
    let _ = std::fs::remove_file(&aside);
    placed.map_err(failed(target))?;
    sync_dir(parent).map_err(failed(parent))
}

#[async_trait]
impl ObjectStore for Durable {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.inner.put_opts(location, payload, opts).await,
        };
        let target = self.inner.path_to_filesystem(location)?;
        let staging = self.staging.clone();
        blocking(move || put(&staging, &target, &payload, create)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let target = self.inner.path_to_filesystem(location)?;
        let parent = target.parent().map(FsPath::to_path_buf).unwrap_or_default();
        blocking(move || make_dir(&parent).map_err(failed(&parent))).await?;
        let target = self.inner.path_to_filesystem(location)?;
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(SyncedUpload { upload, target }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct SyncedUpload {
    upload: Box<dyn MultipartUpload>,
    target: PathBuf,
}

#[async_trait]
impl MultipartUpload for SyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.upload.complete().await?;
        let target = self.target.clone();
        blocking(move || {
            File::open(&target).and_then(|file| file.sync_all()).map_err(failed(&target))?;
            target.parent().map_or(Ok(()), |parent| sync_dir(parent).map_err(failed(parent)))
        })
        .await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
