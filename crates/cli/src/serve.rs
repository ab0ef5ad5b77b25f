//! `serve`: pipeline files as jobs of the server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tributary_lake::Location;
use tributary_pipeline::{Pipeline, diagnostic, load};
use tributary_server::{Catalog, Job, Problem, Schedule, Settings};

use crate::{Exit, tell};

pub async fn serve(
    paths: Vec<PathBuf>,
    listen: Option<SocketAddr>,
    state: Option<PathBuf>,
    config: Option<&Path>,
    colour: bool,
) -> Exit {
    let settings = match config.map_or_else(|| Ok(Settings::default()), Settings::load) {
        Ok(settings) => Settings { listen: listen.unwrap_or(settings.listen), ..settings },
        Err(e) => {
            tell(&e, None);
            return Exit::Input;
        }
    };
    let Some(state) = state.or_else(of_user) else {
        eprintln!("error: there is no home to keep the server's history in\n  hint: name a folder: `--state FOLDER`");
        return Exit::Input;
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(e) => {
            eprintln!("error: the program does not know where it lies: {e}");
            return Exit::Failed;
        }
    };
    match tributary_server::serve(settings, paths, &state, Arc::new(Files { colour }), program).await {
        Ok(()) => Exit::Done,
        Err(e) => tell(&e, None),
    }
}

/// `$XDG_STATE_HOME/tributary/server`.
fn of_user() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("tributary/server"))
}

/// Reads pipeline files; whether their sources can be reached is found out by the run.
struct Files {
    colour: bool,
}

impl Catalog for Files {
    fn load(&self, file: &Path) -> Result<Job, Problem> {
        let parsed = load(file);
        match parsed.pipeline {
            Some(pipeline) if parsed.diagnostics.is_empty() => job(&pipeline),
            _ => Err(Problem::new(diagnostic::render(&parsed.diagnostics, self.colour))),
        }
    }
}

fn job(pipeline: &Pipeline) -> Result<Job, Problem> {
    let lake = Location::parse(&pipeline.lake.value).map_err(|e| Problem::new(e.to_string()))?;
    // A source's own rhythm is by its own clock.
    let own = pipeline.sources.iter().filter_map(|source| {
        let cron = source.cron.as_ref()?.value.clone();
        Some((source.name.value.clone(), Schedule { cron, timezone: source.timezone }))
    });
    let schedule = pipeline.schedule.as_ref();
    Ok(Job {
        name: pipeline.name.value.clone(),
        lake: lake.url.to_string(),
        sources: pipeline.sources.iter().map(|source| source.name.value.clone()).collect(),
        schedule: schedule.map(|own| Schedule { cron: own.cron.value.clone(), timezone: own.timezone }),
        own: own.collect::<BTreeMap<_, _>>(),
    })
}
