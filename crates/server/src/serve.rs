//! All of it put together, for a command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;

use crate::history::Folder;
use crate::{Catalog, Error, Parts, Process, Server, Settings, SystemClock, http, stop};

/// Serves `paths` (pipeline files, folders of them) until the process is asked to stop, and its runs have ended.
///
/// `state` is a folder for the history, one server's own; `program` the binary that has `run`. Whatever is wrong before the
/// first run is an error; after that nothing is.
///
/// # Errors
/// If the settings cannot be followed, another server has the state folder, or the history cannot be read or written.
pub async fn serve(
    settings: Settings,
    paths: Vec<PathBuf>,
    state: &Path,
    catalog: Arc<dyn Catalog>,
    program: PathBuf,
) -> Result<(), Error> {
    let folder = Folder::open(state)?;
    let listener = http::listen(&settings).await?;
    let stop = stop::by_signals().map_err(|e| Error::new("could not listen to signals").source(e))?;
    let parts = Parts { catalog, runner: Arc::new(Process::new(program)), clock: Arc::new(SystemClock) };
    let server = Server::new(settings.clone(), paths, Box::new(folder), parts)?;
    let router = http::router(server.handle(), &settings, Router::new());
    tracing::info!("listening to http://{}", settings.listen);
    let pages = tokio::spawn(async move { axum::serve(listener, router).await });
    let ended = server.run(stop).await;
    pages.abort();
    ended
}
