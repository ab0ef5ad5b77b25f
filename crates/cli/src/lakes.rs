//! `tables`: what is in a lake.

use tributary_lake::{Lake, Location};

use crate::grid::{Grid, count};
use crate::{Exit, print, tell};

/// Opens a lake that must exist.
pub async fn open(text: &str) -> Result<Lake, tributary_lake::Error> {
    Lake::open(Location::parse(text)?).await
}

pub async fn tables(lake: &str, json: bool) -> Exit {
    match list(lake).await {
        Ok(rows) if json => {
            let rows: Vec<_> = rows
                .into_iter()
                .map(|(table, version, rows, files, bytes)| {
                    serde_json::json!({ "table": table, "version": version, "rows": rows, "files": files, "bytes": bytes })
                })
                .collect();
            print(&format!("{}\n", serde_json::to_string_pretty(&rows).unwrap_or_default()));
            Exit::Done
        }
        Ok(rows) => {
            let mut grid = Grid::new(["table", ">version", ">rows", ">files", ">bytes"]);
            for (table, version, rows, files, bytes) in rows {
                grid.row([table, version.to_string(), count(rows), count(files), count(bytes)]);
            }
            print(&grid.render(""));
            Exit::Done
        }
        Err(e) => {
            let hint = e.hint();
            tell(&e, hint)
        }
    }
}

type Row = (String, u64, u64, u64, u64);

async fn list(lake: &str) -> Result<Vec<Row>, tributary_lake::Error> {
    let lake = open(lake).await?;
    let manifest = lake.manifest().await?;
    let mut rows = Vec::new();
    for (name, version) in manifest.tables {
        let files = lake.table_at(&name, version).await?.files()?;
        rows.push((
            name.to_string(),
            version,
            files.iter().map(|file| file.rows).sum(),
            files.len() as u64,
            files.iter().map(|file| file.size).sum(),
        ));
    }
    Ok(rows)
}
