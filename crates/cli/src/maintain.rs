//! `maintain`: what was done for which table.

use std::time::Duration;

use tributary_pipeline::upkeep;

use crate::grid::{Grid, count};
use crate::{Exit, print, tell};

pub async fn maintain(lake: &str, keep_hours: u64, json: bool) -> Exit {
    let done = match upkeep::maintain(lake, Some(Duration::from_secs(keep_hours * 60 * 60))).await {
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
    if done.tables.is_empty() {
        print("nothing to do: no small files to put together, and nothing old enough to delete\n");
    } else {
        let mut grid = Grid::new(["table", ">files put together", ">into", ">rows", ">files deleted", ">bytes freed"]);
        for (table, done) in &done.tables {
            let counts = [done.files_before, done.files_after, done.rows, done.deleted, done.freed];
            grid.row(std::iter::once(table.to_string()).chain(counts.map(count)));
        }
        print(&grid.render(""));
    }
    if done.objects > 0 {
        print(&format!("{} objects of past runs deleted\n", count(done.objects)));
    }
    Exit::Done
}
