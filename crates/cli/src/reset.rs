//! `reset`: which streams are read from the start, and what becomes of what was read before.

use std::path::Path;

use tributary_pipeline::{config, reset};

use crate::grid::{Grid, count};
use crate::{Exit, check, print, tell};

/// How a reset is done and shown.
pub struct Manner {
    pub forget: bool,
    pub dry_run: bool,
    pub json: bool,
    pub colour: bool,
}

pub async fn reset(lake: &str, name: &str, manner: Manner) -> Exit {
    let Manner { forget, dry_run, json, colour } = manner;
    let lake = match lake_of(lake) {
        Ok(lake) => lake,
        Err(diagnostics) => return check::show(&diagnostics, colour),
    };
    let done = match reset::reset(&lake, name, forget, dry_run).await {
        Ok(done) => done,
        Err(e) => {
            let hint = e.hint();
            return tell(&e, hint);
        }
    };
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&done).unwrap_or_default()));
        return Exit::Done;
    }
    let then = if forget { "count no more" } else { "count until a newer version is read" };
    let mut grid = Grid::new([if dry_run { "would be reset" } else { "reset" }, ">rows so far", "these"]);
    for stream in &done.streams {
        let then = if stream.before { "has been reset already" } else { then };
        grid.row([format!("{}.{}", stream.source, stream.stream), count(stream.rows), then.into()]);
    }
    print(&grid.render(""));
    match dry_run {
        true => eprintln!("nothing is changed; without `--dry-run` the next run of the pipeline reads all of it"),
        false => eprintln!("run the pipeline: it reads all of it from the start"),
    }
    Exit::Done
}

/// The lake that is meant: it may be named by the file of a pipeline.
fn lake_of(name: &str) -> Result<String, Vec<tributary_pipeline::Diagnostic>> {
    let path = Path::new(name);
    if !path.is_file() {
        return Ok(name.to_owned());
    }
    let parsed = config::load(path);
    match parsed.pipeline {
        Some(pipeline) if parsed.diagnostics.is_empty() => Ok(pipeline.lake.value),
        _ => Err(parsed.diagnostics),
    }
}
