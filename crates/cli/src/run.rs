//! `run`: progress while it goes on, the ledger at the end.

use std::path::Path;

use tributary_connector::{Kind, Registry, Retry};
use tributary_pipeline::{Error, Project, RunOptions};

use crate::progress::Progress;
use crate::{Exit, check, print, report, tell};

pub async fn run(path: &Path, registry: &Registry, options: RunOptions, json: bool, colour: bool) -> Exit {
    let project = match Project::open(path, registry).await {
        Ok(project) => project,
        Err(diagnostics) => return check::show(&diagnostics, colour),
    };
    let progress = Progress::new();
    let outcome = tributary_pipeline::run(&project, &options, &progress).await;
    progress.finish();
    let summary = match outcome {
        Ok(summary) => summary,
        Err(Error::Input(diagnostics)) => return check::show(&diagnostics, colour),
        Err(e) => {
            let hint = e.hint();
            tell(&e, hint);
            return match &e {
                Error::Connector(e) if e.kind == Kind::Quota => {
                    if let Retry::After(wait) = e.retry {
                        let back = chrono::Utc::now() + wait;
                        eprintln!("waiting: come back at {}", back.format("%Y-%m-%d %H:%M:%S UTC"));
                    }
                    Exit::Waiting
                }
                _ => Exit::Failed,
            };
        }
    };
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&summary).unwrap_or_default()));
    } else {
        print(&report::render(&summary));
    }
    for warning in &summary.warnings {
        eprintln!("warning: {warning}");
    }
    for error in &summary.errors {
        eprintln!("error: {error}");
    }
    if summary.errors.is_empty() { Exit::Done } else { Exit::Failed }
}
