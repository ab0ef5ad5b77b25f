//! `merge evaluate`: how good a merge is, given the truth about some records.

use std::collections::HashMap;
use std::path::Path;

use tributary_connector::Registry;
use tributary_engine::{Options, Session};
use tributary_lake::Lake;
use tributary_merge::Rules;
use tributary_merge::evaluate::{self, Evaluated};
use tributary_pipeline::{Project, parse};

use crate::grid::{Grid, count};
use crate::query::{ask, texts};
use crate::{Exit, check, lakes, network, print, tell};

/// A pipeline and its lake, as of the last run.
pub struct Opened {
    pub project: Project,
    pub lake: Lake,
}

pub async fn open(path: &Path, registry: &Registry, colour: bool) -> Result<Opened, Exit> {
    let project = Project::open(path, registry, &network::settings())
        .await
        .map_err(|diagnostics| check::show(&diagnostics, colour))?;
    let lake = lakes::open(&project.pipeline.lake.value).await.map_err(|e| {
        let hint = e.hint();
        tell(&e, hint)
    })?;
    Ok(Opened { project, lake })
}

pub async fn evaluate(path: &Path, truth: &Path, registry: &Registry, json: bool, colour: bool) -> Exit {
    let Opened { project, lake } = match open(path, registry, colour).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let labels = match labels(&lake, &project, truth).await {
        Ok(labels) => labels,
        Err(exit) => return exit,
    };
    match measure(&lake, &project.rules, &labels).await {
        Ok(evaluated) => {
            print(&render(&evaluated, json));
            Exit::Done
        }
        Err(e) => tell(&e, None),
    }
}

pub async fn measure(
    lake: &Lake,
    rules: &Rules,
    labels: &[(String, String)],
) -> Result<Evaluated, tributary_engine::Error> {
    let session = Session::new(lake, &Options::default())?;
    evaluate::run(lake, &session, rules, labels).await
}

/// The truth of a file, by keys of records.
async fn labels(lake: &Lake, project: &Project, path: &Path) -> Result<Vec<(String, String)>, Exit> {
    let file = path.display();
    let refused = |what: String| {
        eprintln!("error: {file}: {what}");
        eprintln!(
            "  hint: a CSV file with a column `person` and either `record_key`, or `source` and `record_id`: records of one person \
             have the same word under `person`"
        );
        Exit::Input
    };
    let mut reader = csv::Reader::from_path(path).map_err(|e| refused(e.to_string()))?;
    let header = reader.headers().map_err(|e| refused(e.to_string()))?.clone();
    let column = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    let (person, key) = (column("person"), column("record_key"));
    let Some(person) = person else { return Err(refused("it has no column `person`".into())) };
    let by_number = match (key, column("source"), column("record_id")) {
        (Some(_), ..) => None,
        (None, Some(source), Some(id)) => Some((source, id, numbers(lake, project).await?)),
        _ => return Err(refused("it does not say which records are meant".into())),
    };
    let mut labels = vec![];
    for row in reader.records() {
        let row = row.map_err(|e| refused(e.to_string()))?;
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let record = match (&by_number, key) {
            (Some((source, id, numbers)), _) => {
                numbers.get(&(cell(*source).to_owned(), cell(*id).to_owned())).cloned().unwrap_or_default()
            }
            (None, key) => cell(key.unwrap_or_default()).to_owned(),
        };
        labels.push((record, cell(person).to_owned()));
    }
    Ok(labels)
}

/// The key of each party, by its source and number there.
async fn numbers(lake: &Lake, project: &Project) -> Result<HashMap<(String, String), String>, Exit> {
    let sql = "SELECT source, record_id, record_key FROM clean.party WHERE record_id IS NOT NULL";
    let rows = ask(lake, sql).await.map_err(|e| tell(&e, None))?;
    let shown = |source: String| {
        let of = project.pipeline.sources.iter().find(|of| of.in_lake() == source);
        of.map_or(source, |of| of.name.value.clone())
    };
    let number = |row: Vec<Option<String>>| {
        let [source, id, key] = <[_; 3]>::try_from(row).ok()?;
        Some(((shown(source?), id?), key?))
    };
    Ok(texts(&rows).into_iter().filter_map(number).collect())
}

pub fn render(evaluated: &Evaluated, json: bool) -> String {
    if json {
        return format!("{}\n", serde_json::to_string_pretty(evaluated).unwrap_or_default());
    }
    let mut grid = Grid::new([
        ">threshold",
        "",
        ">clusters",
        ">pairs: precision",
        ">recall",
        ">F1",
        ">B-cubed: precision",
        ">recall",
        ">F1",
    ]);
    for at in &evaluated.by_threshold {
        let (pairs, cubed) = (at.quality.pairwise, at.quality.b_cubed);
        let threshold = if at.threshold < 1.0 { at.threshold.to_string() } else { "certain only".into() };
        let mark = if at.in_force { "in force" } else { "" };
        let numbers = [pairs.precision, pairs.recall, pairs.f1, cubed.precision, cubed.recall, cubed.f1];
        let numbers = numbers.map(|number| format!("{number:.4}"));
        grid.row([threshold, mark.to_owned(), count(at.clusters)].into_iter().chain(numbers));
    }
    let mut text = grid.render("");
    text.push_str(&format!(
        "{} records of which the truth is known, {} of which it is not\n",
        count(evaluated.known),
        count(evaluated.unknown)
    ));
    if evaluated.absent > 0 {
        text.push_str(&format!("{} records of the truth are not in the lake\n", count(evaluated.absent)));
    }
    text
}

/// A pipeline of a text, ready to be run.
pub async fn of_text(path: &Path, text: &str, registry: &Registry, colour: bool) -> Result<Project, Exit> {
    let ready = Project::ready(parse(path, text), registry, &network::settings()).await;
    ready.map_err(|diagnostics| check::show(&diagnostics, colour))
}
