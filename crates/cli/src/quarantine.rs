//! `quarantine`: rejected records by reason, one by one, and decoded again.

use std::path::Path;

use chrono::{DateTime, Utc};
use tributary_connector::Registry;
use tributary_pipeline::quarantine::{self, Reason, Replayed};
use tributary_pipeline::{Error, Project};

use crate::grid::{Grid, count};
use crate::{Exit, check, network, print, tell};

/// What of the records is shown.
pub struct What {
    pub all: bool,
    pub bytes: bool,
    pub json: bool,
}

/// How a replay is done and shown.
pub struct How {
    pub dry_run: bool,
    pub json: bool,
    pub colour: bool,
}

fn failed(e: &Error) -> Exit {
    let exit = tell(e, e.hint());
    if matches!(e, Error::NoStream { .. }) { Exit::Input } else { exit }
}

fn json_of(value: &impl serde::Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default())
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

pub async fn list(lake: &str, source: Option<&str>, stream: Option<&str>, json: bool) -> Exit {
    let wanted = |of: &str, name: &str| {
        source.is_none_or(|source| source == of) && stream.is_none_or(|stream| stream == format!("{of}.{name}"))
    };
    match quarantine::list(lake, stream.or(source).unwrap_or_default(), wanted).await {
        Ok(reasons) if json => print(&json_of(&reasons)),
        Ok(reasons) if reasons.is_empty() => print("no record was rejected\n"),
        Ok(reasons) => print(&render(&reasons)),
        Err(e) => return failed(&e),
    }
    Exit::Done
}

fn render(reasons: &[Reason]) -> String {
    let names = ["stream", "reason", ">records", ">open", ">replayed", ">withdrawn", ">undone", "first", "last"];
    let mut grid = Grid::new(names);
    let numbers = |reason: &Reason| [reason.records, reason.open, reason.replayed, reason.withdrawn, reason.undone];
    let mut sums = [0; 5];
    for reason in reasons {
        sums.iter_mut().zip(numbers(reason)).for_each(|(sum, number)| *sum += number);
        let what = [format!("{}.{}", reason.source, reason.stream), reason.reason.clone()];
        let when = [day(reason.first), day(reason.last)];
        grid.row(what.into_iter().chain(numbers(reason).map(count)).chain(when));
    }
    grid.row(["all".into(), String::new()].into_iter().chain(sums.map(count)));
    grid.render("")
}

pub async fn show(lake: &str, stream: &str, limit: usize, what: What) -> Exit {
    let shown = match quarantine::show(lake, stream, limit, what.all, what.bytes).await {
        Ok(shown) => shown,
        Err(e) => return failed(&e),
    };
    if what.json {
        print(&json_of(&shown));
        return Exit::Done;
    }
    if shown.is_empty() {
        print("no rejected record is open\n");
        return Exit::Done;
    }
    let names = ["id", "state", "from", ">line", "reason", "read at"].into_iter();
    let mut grid = Grid::new(names.chain(what.bytes.then_some("bytes")));
    for record in shown {
        let cells = [
            record.id,
            record.state.as_str().into(),
            record.scope.unwrap_or_default(),
            record.line.map_or(String::new(), |line| line.to_string()),
            record.reason,
            day(record.read_at),
        ];
        grid.row(cells.into_iter().chain(record.bytes));
    }
    print(&grid.render(""));
    Exit::Done
}

pub async fn replay(path: &Path, stream: Option<&str>, registry: &Registry, how: How) -> Exit {
    let project = match Project::open(path, registry, &network::settings()).await {
        Ok(project) => project,
        Err(diagnostics) => return check::show(&diagnostics, how.colour),
    };
    let done = match quarantine::replay(&project, stream, how.dry_run).await {
        Ok(done) => done,
        Err(Error::Input(diagnostics)) => return check::show(&diagnostics, how.colour),
        Err(e) => return failed(&e),
    };
    if how.json {
        print(&json_of(&done));
    } else if done.streams.is_empty() {
        print("nothing to do: no rejected record is open\n");
    } else {
        print(&replayed(&done, how.dry_run));
        if !how.dry_run && done.streams.iter().any(|stream| stream.replayed > 0) {
            eprintln!("run the pipeline: it makes its tables of them");
        }
    }
    done.errors.iter().for_each(|error| eprintln!("error: {error}"));
    if done.errors.is_empty() { Exit::Done } else { Exit::Failed }
}

fn replayed(done: &Replayed, dry_run: bool) -> String {
    let sound = if dry_run { ">would be rows" } else { ">rows now" };
    let mut grid = Grid::new(["stream", ">rejected", sound, ">still rejected", "why"]);
    for stream in &done.streams {
        let name = format!("{}.{}", stream.source, stream.stream);
        let still = stream.open - stream.replayed;
        let why: Vec<_> = stream.rejected.iter().map(|(why, number)| format!("{} × {why}", count(*number))).collect();
        grid.row([name, count(stream.open), count(stream.replayed), count(still), why.join("; ")]);
    }
    grid.render("")
}
