//! `run`: progress while it goes on, the ledger at the end.

use std::path::Path;
use std::sync::Arc;

use tributary_connector::Registry;
use tributary_pipeline::{Error, Project, RunOptions};

use crate::progress::Progress;
use crate::{Exit, check, network, print, report, tell};

/// How a run is shown, and how long it stays.
pub struct Manner {
    /// The ledger as JSON.
    pub json: bool,
    pub colour: bool,
    /// Stay for as long as a source wants to be left alone.
    pub wait: bool,
}

pub async fn run(path: &Path, registry: &Registry, options: RunOptions, manner: Manner) -> Exit {
    let Manner { json, colour, wait } = manner;
    let progress = Arc::new(Progress::new());
    let http = network::of_run(progress.clone(), wait);
    let project = match Project::open(path, registry, &http).await {
        Ok(project) => project,
        Err(diagnostics) => return check::show(&diagnostics, colour),
    };
    if let Some(unknown) = options.sources.iter().find(|name| project.pipeline.source(name).is_none()) {
        let known: Vec<_> = project.pipeline.sources.iter().map(|source| source.name.value.as_str()).collect();
        eprintln!("error: the pipeline has no source `{unknown}`\n  hint: known: {}", known.join(", "));
        return Exit::Input;
    }
    let outcome = tributary_pipeline::run(&project, &options, progress.as_ref()).await;
    progress.finish();
    let summary = match outcome {
        Ok(summary) => summary,
        Err(Error::Input(diagnostics)) => return check::show(&diagnostics, colour),
        Err(e) => {
            let hint = e.hint();
            tell(&e, hint);
            return Exit::Failed;
        }
    };
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&summary).unwrap_or_default()));
    } else {
        print(&report::render(&summary));
    }
    let remarks = if summary.new { report::remarks(&summary) } else { vec![] };
    for warning in summary.warnings.iter().chain(&remarks) {
        eprintln!("warning: {warning}");
    }
    for error in &summary.errors {
        eprintln!("error: {error}");
    }
    if !summary.errors.is_empty() {
        return Exit::Failed;
    }
    match summary.waiting {
        Some(until) => {
            eprintln!("waiting: come back at {}, or run with `--wait`", until.format("%Y-%m-%d %H:%M:%S UTC"));
            Exit::Waiting
        }
        None => Exit::Done,
    }
}
