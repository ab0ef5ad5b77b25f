//! `check`, `plan`, `connectors` and `schema`: what can be said without running anything.

use std::path::Path;

use tributary_connector::Registry;
use tributary_pipeline::{Diagnostic, Error, Project, RunOptions, diagnostic};

use crate::{Exit, network, print, tell};

/// Shows everything that is wrong with a pipeline file.
pub fn show(diagnostics: &[Diagnostic], colour: bool) -> Exit {
    eprint!("{}", diagnostic::render(diagnostics, colour));
    let count = diagnostics.len();
    eprintln!("{count} error{}; nothing was read or written", if count == 1 { "" } else { "s" });
    Exit::Input
}

pub async fn check(path: &Path, registry: &Registry, json: bool, colour: bool) -> Exit {
    let project = Project::open(path, registry, &network::settings()).await;
    if json {
        let diagnostics = project.as_ref().err().cloned().unwrap_or_default();
        print(&format!("{}\n", serde_json::to_string_pretty(&diagnostics).unwrap_or_default()));
        return if project.is_ok() { Exit::Done } else { Exit::Input };
    }
    let project = match project {
        Ok(project) => project,
        Err(diagnostics) => return show(&diagnostics, colour),
    };
    let mut failed = false;
    for source in &project.sources {
        match source.connector.check().await {
            Ok(()) => {
                let streams: Vec<_> = source
                    .streams
                    .iter()
                    .map(|stream| format!("`{}` ({} columns)", stream.name, stream.schema.fields().len()))
                    .collect();
                eprintln!("source `{}`: {}", source.name, streams.join(", "));
            }
            Err(e) => {
                failed = true;
                let hint = e.hint.clone();
                tell(&e, hint);
            }
        }
    }
    for unchecked in &project.unchecked {
        eprintln!("unchecked: {unchecked} (nobody has seen the stream yet)");
    }
    for left_out in &project.left_out {
        eprintln!("left out of the connector's own mapping: {left_out}: the source has no such column");
    }
    if failed {
        return Exit::Failed;
    }
    eprintln!("`{}` is right: {} sources, {} mappings", path.display(), project.sources.len(), project.mappings.len());
    Exit::Done
}

pub async fn plan(path: &Path, registry: &Registry, json: bool, colour: bool) -> Exit {
    let project = match Project::open(path, registry, &network::settings()).await {
        Ok(project) => project,
        Err(diagnostics) => return show(&diagnostics, colour),
    };
    let plan = match tributary_pipeline::plan(&project, &RunOptions::default()).await {
        Ok(plan) => plan,
        Err(Error::Input(diagnostics)) => return show(&diagnostics, colour),
        Err(e) => {
            let hint = e.hint();
            return tell(&e, hint);
        }
    };
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&plan).unwrap_or_default()));
        return Exit::Done;
    }
    let mut text = String::new();
    for step in &plan.steps {
        let what = if step.what.contains('.') { step.what.clone() } else { format!("{} ({})", step.stage, step.what) };
        let what = if step.stage == "raw" {
            format!("raw.{} ", step.what.replace('.', "_")).trim_end().to_owned()
        } else {
            what
        };
        let why = if step.reasons.is_empty() { "nothing to do".to_owned() } else { step.reasons.join("; ") };
        text.push_str(&format!("{what}: {why}\n"));
    }
    if let Some(owner) = &plan.stages_of {
        text.push_str(&format!("identity, customer and mart: pipeline `{owner}` of this lake makes them\n"));
    }
    for unchecked in &plan.unchecked {
        text.push_str(&format!("unchecked: {unchecked} (nobody has seen the stream yet)\n"));
    }
    print(&text);
    Exit::Done
}

pub fn connectors(registry: &Registry, name: Option<&str>, json: bool) -> Exit {
    let Some(name) = name else {
        if json {
            let names: Vec<_> = registry.names().collect();
            print(&format!("{}\n", serde_json::json!(names)));
        } else {
            registry.iter().for_each(|connector| print(&format!("{}: {}\n", connector.name(), connector.summary())));
        }
        return Exit::Done;
    };
    let connector = match registry.get(name) {
        Ok(connector) => connector,
        Err(e) => {
            let hint = e.hint.clone();
            tell(&e, hint);
            return Exit::Input;
        }
    };
    let schema = connector.schema();
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&schema).unwrap_or_default()));
        return Exit::Done;
    }
    let mut text = format!("{}: {}\n\n", connector.name(), connector.summary());
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let must = if required.contains(&key.as_str()) { " (required)" } else { "" };
        text.push_str(&format!("{key}{must}\n"));
        for line in property["description"].as_str().unwrap_or_default().lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    print(&text);
    Exit::Done
}

pub fn schema(registry: &Registry) -> Exit {
    let schema = tributary_pipeline::json_schema(registry);
    print(&format!("{}\n", serde_json::to_string_pretty(&schema).unwrap_or_default()));
    Exit::Done
}
