//! The ledger can fail: what is lost, on the way or in the lake, stops the run, and nothing is guessed.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Folder, LAYERS, MAY_DIFFER, files};

const PEOPLE: usize = 40;

#[test]
#[cfg_attr(not(debug_assertions), ignore = "faults are planted in debug builds only")]
fn a_row_dropped_in_any_stage_fails_the_run_and_the_next_one_makes_up_for_it() {
    let folder = Folder::with_retailer(PEOPLE);
    let undisturbed = folder.quickstart("undisturbed");
    let expected = folder.tributary(&["run", &undisturbed, "--json"]).code(0).json();
    folder.assert_ledger("undisturbed", &expected);
    let picture = folder.picture("undisturbed");
    for stage in LAYERS {
        let lake = format!("without-one-in-{stage}");
        let pipeline = folder.quickstart(&lake);
        let fault = format!("drop:{stage}");
        let failed = folder.tributary_with(&["run", &pipeline], &[("TRIBUTARY_FAULT", &fault)]).code(1);
        assert_eq!(failed.out, "");
        let failed = failed.says(&["error: the ledger of ", " does not balance: ", "nothing of it is committed"]);
        let named = failed.err.split_once("the ledger of ").unwrap().1;
        assert!(named.starts_with(stage), "{failed}");
        // The stage's tables are there and empty: version 0 is the table made.
        let versions = folder.versions(&lake);
        let own: Vec<_> = versions.iter().filter(|(table, _)| table.starts_with(&format!("{stage}."))).collect();
        assert!(!own.is_empty() && own.iter().all(|(_, version)| **version == 0), "{versions:?}");
        let status = &folder.query(&lake, "select status from ops.run")[0]["status"];
        assert_eq!(status, "failed", "{stage}");
        assert!(folder.tables(&lake).is_empty(), "a run that failed gives readers nothing");

        let found = folder.tributary(&["run", &pipeline, "--json"]).code(0).json();
        folder.assert_ledger(&lake, &found);
        folder.picture(&lake).assert_equals(&picture, MAY_DIFFER);
    }
}

/// Copies what a run may have changed, so that it can be held against what is there later.
fn everything(lake: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![lake.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                waiting.push(entry);
            } else {
                let bytes = fs::read(&entry).unwrap();
                found.push((entry, bytes));
            }
        }
    }
    // A run takes its lease and is recorded, whatever comes of it.
    let aside = ["_tributary/lease", "_tributary/commit", "_tributary/state/ops", "ops"];
    found.retain(|(path, _)| aside.iter().all(|aside| !path.starts_with(lake.join(aside))));
    found.sort();
    found
}

#[test]
fn a_state_object_that_is_gone_or_another_stops_the_run() {
    let folder = Folder::with_retailer(PEOPLE);
    let pipeline = folder.quickstart("lake");
    folder.tributary(&["run", &pipeline]).code(0);
    let before = folder.picture("lake");
    let state = files(&folder.path("lake/_tributary/state/tills/tickets@1"));
    assert!(state.len() >= 20, "{state:?}");
    // The newest, and one within the chain that leads back to the last snapshot.
    for object in [&state[state.len() - 1], &state[state.len() - 2]] {
        let bytes = fs::read(object).unwrap();
        let name = object.file_name().unwrap().to_str().unwrap();

        fs::remove_file(object).unwrap();
        let there = everything(&folder.path("lake"));
        for command in ["run", "plan"] {
            let said = folder.tributary(&[command, &pipeline]).code(1);
            said.says(&[name, "is damaged: the state object is missing", "nothing is guessed here"]);
        }
        assert_eq!(everything(&folder.path("lake")), there, "the run has changed something");

        fs::write(object, [&bytes[..], b" "].concat()).unwrap();
        let said = folder.tributary(&["run", &pipeline]).code(1);
        said.says(&[name, "is damaged: its content is not what was written"]);

        fs::write(object, bytes).unwrap();
        assert_eq!(folder.tributary(&["run", &pipeline]).code(0).out, "nothing new\n");
    }
    folder.picture("lake").assert_equals(&before, &[]);
}

#[test]
fn ids_that_are_gone_stop_the_run() {
    let folder = Folder::with_retailer(PEOPLE);
    let pipeline = folder.quickstart("lake");
    folder.tributary(&["run", &pipeline]).code(0);
    let before = folder.picture("lake");
    let aside = folder.path("aside");
    for gone in ["identity", "identity/member", "identity/event", "identity/edge"] {
        let path = folder.path("lake").join(gone);
        fs::rename(&path, &aside).unwrap();
        let there = everything(&folder.path("lake"));
        let said = folder.tributary(&["run", &pipeline]).code(1);
        said.says(&["`identity.", "is damaged: ids live there and nowhere else", "restore it from a backup"]);
        assert_eq!(everything(&folder.path("lake")), there, "the run has changed something");
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(folder.tributary(&["run", &pipeline]).code(0).out, "nothing new\n");
    folder.picture("lake").assert_equals(&before, &[]);
}
