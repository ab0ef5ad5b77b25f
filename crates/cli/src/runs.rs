//! `runs`: the history of a lake, from `ops.run`.

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;
use tributary_engine::Error;
use tributary_lake::{Lake, TableName};

use crate::grid::{Grid, count};
use crate::{Exit, lakes, print, query, tell};

/// A run as it is listed.
#[derive(Debug, Serialize)]
struct Run {
    number: i64,
    run_id: String,
    pipeline: String,
    started_at: String,
    seconds: f64,
    status: String,
    read: u64,
    written: u64,
    duplicate: u64,
    rejected: u64,
    /// What could not be taken, in words.
    errors: Vec<String>,
}

pub async fn runs(lake: &str, limit: usize, json: bool) -> Exit {
    let found = match lakes::open(lake).await {
        Ok(lake) => list(&lake, limit).await,
        Err(e) => {
            let hint = e.hint();
            return tell(&e, hint);
        }
    };
    match found {
        Ok(runs) if json => print(&format!("{}\n", serde_json::to_string_pretty(&runs).unwrap_or_default())),
        Ok(runs) => print(&render(&runs)),
        Err(e) => return tell(&e, None),
    }
    Exit::Done
}

async fn list(lake: &Lake, limit: usize) -> Result<Vec<Run>, Error> {
    if lake.latest_version(&TableName::new("ops", "run")).await?.is_none() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT number, run_id, pipeline, started_at, ended_at, status, summary FROM ops.run ORDER BY number DESC LIMIT {limit}"
    );
    let mut runs = Vec::new();
    for batch in query::ask(lake, &sql).await? {
        let number = batch.column(0).as_primitive::<Int64Type>();
        let times = [3, 4].map(|at| batch.column(at).as_primitive::<TimestampMicrosecondType>());
        let texts = [1, 2, 5, 6].map(|at| batch.column(at).as_string::<i32>());
        for row in 0..batch.num_rows() {
            let [run_id, pipeline, status, summary] = texts.map(|column| column.value(row).to_owned());
            let [started, ended] = times.map(|column| column.value(row));
            let summary: Value = serde_json::from_str(&summary).unwrap_or_default();
            let started_at = DateTime::<Utc>::from_timestamp_micros(started);
            runs.push(Run {
                number: number.value(row),
                run_id,
                pipeline,
                started_at: started_at.map_or(String::new(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true)),
                seconds: (ended - started) as f64 / 1e6,
                status,
                read: sum(&summary, "read"),
                written: sum(&summary, "written"),
                duplicate: sum(&summary, "duplicate"),
                rejected: sum(&summary, "rejected"),
                errors: texts_of(&summary, "errors"),
            });
        }
    }
    Ok(runs)
}

/// A count over all streams of a run.
fn sum(summary: &Value, name: &str) -> u64 {
    let streams = summary.get("streams").and_then(Value::as_array).into_iter().flatten();
    streams.filter_map(|stream| stream.get("counts")?.get(name)?.as_u64()).sum()
}

fn texts_of(summary: &Value, name: &str) -> Vec<String> {
    let texts = summary.get(name).and_then(Value::as_array).into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn render(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "no runs yet\n".into();
    }
    let names = ["run", "started", ">seconds", "pipeline", "status", ">read", ">written", ">duplicate", ">rejected"];
    let mut grid = Grid::new(names);
    for run in runs {
        let counts = [run.read, run.written, run.duplicate, run.rejected].map(count);
        let first = [
            run.run_id.clone(),
            run.started_at.clone(),
            format!("{:.1}", run.seconds),
            run.pipeline.clone(),
            run.status.clone(),
        ];
        grid.row(first.into_iter().chain(counts));
    }
    let mut text = grid.render("");
    for run in runs.iter().filter(|run| !run.errors.is_empty()) {
        text.push_str(&format!("\n{}\n", run.run_id));
        run.errors.iter().for_each(|error| text.push_str(&format!("  {error}\n")));
    }
    text
}
