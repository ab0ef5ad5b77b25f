//! `undo`: what was taken back, and what comes next.

use tributary_pipeline::undo;

use crate::grid::{Grid, count};
use crate::{Exit, print, tell};

pub async fn undo(lake: &str, run: &str, reread: bool, json: bool) -> Exit {
    let done = match undo::undo(lake, run, reread).await {
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
    if done.streams.is_empty() {
        print("nothing to do: what this run had read was taken back before\n");
        return Exit::Done;
    }
    let mut grid = Grid::new(["taken back", ">batches", ">rows", "the next run"]);
    for stream in &done.streams {
        let next = if stream.reread { "reads it again, and what came after" } else { "does not read it again" };
        let name = format!("{}.{}", stream.source, stream.stream);
        grid.row([name, count(stream.batches), count(stream.rows), next.into()]);
    }
    print(&grid.render(""));
    eprintln!("run the pipeline: it derives the tables from what is left");
    Exit::Done
}
