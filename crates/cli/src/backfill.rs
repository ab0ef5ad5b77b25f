//! `backfill`: what a window of time holds at the source, read again.

use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use tributary_connector::Registry;
use tributary_pipeline::{Error, Project, backfill};

use crate::grid::{Grid, count};
use crate::progress::Progress;
use crate::run::Manner;
use crate::{Exit, check, network, print, tell};

pub async fn backfill(
    path: &Path,
    registry: &Registry,
    name: &str,
    window: (&str, &str),
    Manner { json, colour, wait }: Manner,
) -> Exit {
    let progress = Arc::new(Progress::new());
    let http = network::of_run(progress.clone(), wait);
    let project = match Project::open(path, registry, &http).await {
        Ok(project) => project,
        Err(diagnostics) => return check::show(&diagnostics, colour),
    };
    let source = name.split_once('.').map_or(name, |(source, _)| source);
    let window = match backfill::window(&project, source, window, Utc::now()) {
        Ok(window) => window,
        Err(e) => {
            tell(&e, Some(e.hint()));
            return Exit::Input;
        }
    };
    let outcome = backfill::backfill(&project, registry, name, window, progress.as_ref()).await;
    progress.finish();
    let done = match outcome {
        Ok(done) => done,
        Err(Error::Input(diagnostics)) => return check::show(&diagnostics, colour),
        Err(e) => {
            let hint = e.hint();
            return tell(&e, hint);
        }
    };
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&done).unwrap_or_default()));
    } else {
        let mut grid = Grid::new(["read again", ">read", ">written", ">duplicate", ">rejected"]);
        for stream in &done.streams {
            let counts = &stream.counts;
            let counts = [counts.read, counts.written, counts.duplicate, counts.rejected].map(count);
            grid.row([format!("{}.{}", stream.source, stream.stream)].into_iter().chain(counts));
        }
        print(&grid.render(""));
        eprintln!("run the pipeline: it derives the tables from what there is now");
    }
    for warning in &done.warnings {
        eprintln!("warning: {warning}");
    }
    for error in &done.errors {
        eprintln!("error: {error}");
    }
    match done.waiting {
        _ if !done.errors.is_empty() => Exit::Failed,
        Some(until) => {
            let until = until.format("%Y-%m-%d %H:%M:%S UTC");
            eprintln!("waiting: ask for the same window again at {until}, or with `--wait`");
            Exit::Waiting
        }
        None => Exit::Done,
    }
}
