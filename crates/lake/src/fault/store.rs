//! An object store that fails on purpose, for tests: the n-th write does not happen, or happens and its answer is lost, or the
//! process ends there, as the store sees it, or stands still until it is woken.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use tokio::sync::watch;

/// What happens at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not done, and fails.
    Error,
    /// It is done, and fails all the same: the reply was lost.
    LostReply,
    /// It is not done: there is no room. Goes on until [`Plan::mend`].
    DiskFull,
    /// It is not done: this may not be written. Goes on until [`Plan::mend`].
    Denied,
    /// The process ends before it: nothing is answered any more until [`Plan::mend`].
    CrashBefore,
    /// The process ends after it.
    CrashAfter,
    /// Half of the object is written, and the process ends. A store that writes objects whole cannot do this; a file system
    /// without syncing can.
    Torn,
}

impl Fault {
    pub const ALL: [Self; 7] =
        [Self::Error, Self::LostReply, Self::DiskFull, Self::Denied, Self::CrashBefore, Self::CrashAfter, Self::Torn];

    fn done(self) -> bool {
        matches!(self, Self::LostReply | Self::CrashAfter)
    }

    fn stays(self) -> bool {
        !matches!(self, Self::Error | Self::LostReply)
    }

    fn ends_process(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter | Self::Torn)
    }

    fn error(self, path: &Path) -> Error {
        let (path, kind) = match self {
            Self::Denied => {
                let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
                return Error::PermissionDenied { path: path.to_string(), source: source.into() };
            }
            Self::DiskFull => (path, std::io::ErrorKind::StorageFull),
            Self::LostReply => (path, std::io::ErrorKind::TimedOut),
            Self::Error => (path, std::io::ErrorKind::Other),
            Self::CrashBefore | Self::CrashAfter | Self::Torn => (path, std::io::ErrorKind::BrokenPipe),
        };
        Error::Generic {
            store: "faulty",
            source: format!("{self:?} at `{path}`: {}", std::io::Error::from(kind)).into(),
        }
    }
}

/// What is to fail, and what has been written. Shared by all handles of a store.
#[derive(Debug, Default)]
pub struct Plan {
    writes: AtomicU64,
    planted: Mutex<Option<(u64, Fault)>>,
    /// What fails from now on.
    standing: Mutex<Option<Fault>>,
    met: AtomicBool,
    log: Mutex<Vec<String>>,
    /// The write at which the process falls asleep.
    falls_asleep: Mutex<Option<u64>>,
    asleep: watch::Sender<bool>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plan {
    /// The `nth` write from now on, from 1, meets `fault`.
    pub fn plant(&self, nth: u64, fault: Fault) {
        self.met.store(false, Ordering::SeqCst);
        *locked(&self.planted) = Some((self.writes.load(Ordering::SeqCst) + nth, fault));
    }

    /// Whether what was planted has happened.
    pub fn met(&self) -> bool {
        self.met.load(Ordering::SeqCst)
    }

    /// All is well from now on.
    pub fn mend(&self) {
        *locked(&self.planted) = None;
        *locked(&self.standing) = None;
    }

    /// At the `nth` write from now on, from 1, the process stands still, as if it were stopped: nothing goes through any handle of this
    /// store until [`Plan::wake`]; then that write is done, and all goes on.
    pub fn fall_asleep(&self, nth: u64) {
        *locked(&self.falls_asleep) = Some(self.writes.load(Ordering::SeqCst) + nth);
    }

    /// Waits until it has fallen asleep.
    pub async fn sleeps(&self) {
        // The sender is ours, so that it cannot be gone.
        let _ = self.asleep.subscribe().wait_for(|asleep| *asleep).await;
    }

    pub fn wake(&self) {
        *locked(&self.falls_asleep) = None;
        self.asleep.send_replace(false);
    }

    async fn awake(&self) {
        let _ = self.asleep.subscribe().wait_for(|asleep| !*asleep).await;
    }

    /// How many writes there were.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// The writes, in order: what was done, and to which object.
    pub fn log(&self) -> Vec<String> {
        locked(&self.log).clone()
    }

    /// Fails if the process has ended, as the store sees it.
    async fn read(&self, path: &Path) -> Result<()> {
        self.awake().await;
        match *locked(&self.standing) {
            Some(fault) if fault.ends_process() => Err(fault.error(path)),
            _ => Ok(()),
        }
    }

    /// A write begins: `Err` if it is not to be done, `Ok(Some)` if it is to be done and then to fail.
    async fn write(&self, what: &str, path: &Path) -> std::result::Result<Option<Fault>, Fault> {
        self.awake().await;
        if let Some(fault) = *locked(&self.standing) {
            return Err(fault);
        }
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        locked(&self.log).push(format!("{what} {path}"));
        if *locked(&self.falls_asleep) == Some(number) {
            self.asleep.send_replace(true);
            self.awake().await;
        }
        let fault = match *locked(&self.planted) {
            Some((nth, fault)) if nth == number => fault,
            _ => return Ok(None),
        };
        self.met.store(true, Ordering::SeqCst);
        if fault.stays() {
            *locked(&self.standing) = Some(fault);
        }
        if fault.done() { Ok(Some(fault)) } else { Err(fault) }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    plan: Arc<Plan>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>, plan: Arc<Plan>) -> Self {
        Self { inner, plan }
    }

    fn end<T>(done: Result<T>, fault: Option<Fault>, path: &Path) -> Result<T> {
        match fault {
            Some(fault) => done.and_then(|_| Err(fault.error(path))),
            None => done,
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let what = if opts.mode == PutMode::Create { "create" } else { "put" };
        match self.plan.write(what, location).await {
            Ok(fault) => Self::end(self.inner.put_opts(location, payload, opts).await, fault, location),
            Err(Fault::Torn) => {
                let bytes: Bytes = payload.into();
                let half = bytes.slice(..bytes.len() / 2);
                self.inner.put_opts(location, half.into(), opts).await?;
                Err(Fault::Torn.error(location))
            }
            Err(fault) => Err(fault.error(location)),
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let fault = self.plan.write("upload", location).await.map_err(|fault| fault.error(location))?;
        let upload = Self::end(self.inner.put_multipart_opts(location, opts).await, fault, location)?;
        Ok(Box::new(FaultyUpload { upload, plan: self.plan.clone(), location: location.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.plan.read(location).await?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.plan.read(location).await?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, plan) = (self.inner.clone(), self.plan.clone());
        locations
            .then(move |location| {
                let (inner, plan) = (inner.clone(), plan.clone());
                async move {
                    let location = location?;
                    let fault = plan.write("delete", &location).await.map_err(|fault| fault.error(&location))?;
                    let one = futures::stream::iter([Ok(location.clone())]).boxed();
                    let done = inner.delete_stream(one).next().await.unwrap_or_else(|| Ok(location.clone()));
                    Self::end(done, fault, &location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, plan, prefix) = (self.inner.clone(), self.plan.clone(), prefix.cloned());
        let listed = async move {
            plan.read(prefix.as_ref().unwrap_or(&Path::default())).await?;
            Ok::<_, Error>(inner.list(prefix.as_ref()))
        };
        futures::stream::once(listed).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.plan.read(prefix.unwrap_or(&Path::default())).await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.plan.write("copy", to).await.map_err(|fault| fault.error(to))?;
        Self::end(self.inner.copy_opts(from, to, options).await, fault, to)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let fault = self.plan.write("rename", to).await.map_err(|fault| fault.error(to))?;
        Self::end(self.inner.rename_opts(from, to, options).await, fault, to)
    }
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    plan: Arc<Plan>,
    location: Path,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (location, plan, part) = (self.location.clone(), self.plan.clone(), self.upload.put_part(data));
        Box::pin(async move {
            let fault = plan.write("part", &location).await.map_err(|fault| fault.error(&location))?;
            Faulty::end(part.await, fault, &location)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.plan.write("complete", &self.location).await.map_err(|fault| fault.error(&self.location))?;
        Faulty::end(self.upload.complete().await, fault, &self.location)
    }

    async fn abort(&mut self) -> Result<()> {
        self.plan.read(&self.location).await?;
        self.upload.abort().await
    }
}
