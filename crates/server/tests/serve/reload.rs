//! Files that are edited, broken, mended, added and removed while they are served.

use tributary_server::Error;

use crate::support::{Script, World, minutes};

fn world() -> World {
    World::new("2026-03-09T09:30:00", |_, _| Script::takes(minutes(1)))
}

#[tokio::test(start_paused = true)]
async fn a_broken_edit_keeps_the_old_pipeline_and_says_so_until_it_is_mended() {
    let world = world();
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:30:00").await;
    std::fs::write(world.file("a"), "name = \"a\"\ncron = ").unwrap();
    world.reach("2026-03-09T11:30:00").await;
    let status = served.handle.status();
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 11:00"]);
    assert_eq!(status.problems.len(), 1);
    assert_eq!(status.process.reload_errors, 1);
    world.write("a", "cron = \"15 * * * *\"");
    world.reach("2026-03-09T12:30:00").await;
    let status = served.handle.status();
    served.crash().await;
    assert_eq!(status.problems.len(), 0);
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 11:00", "09 12:15"]);
}

#[tokio::test(start_paused = true)]
async fn a_cron_line_that_is_none_and_a_name_that_is_taken_are_problems_of_their_files() {
    let world = world();
    world.write("a", "cron = \"0 * * * *\"");
    std::fs::write(world.file("b"), "name = \"a\"\ncron = \"30 * * * *\"").unwrap();
    world.write("c", "cron = \"0 0 30 2 *\"");
    world.write("d", "sources = [\"x\"]\nown = { y = \"0 * * * *\" }");
    let served = world.serve();
    world.reach("2026-03-09T11:45:00").await;
    let status = served.handle.status();
    served.crash().await;
    let problems: Vec<String> = status.problems.into_values().collect();
    assert_eq!(problems[0], format!("`a` is already the name of the pipeline in `{}`", world.file("a").display()));
    assert_eq!(problems[1], "`0 0 30 2 *` is never due: no date is like that");
    assert_eq!(problems[2], "there is no source `y` to have a schedule of its own");
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 11:00"]);
}

#[tokio::test(start_paused = true)]
async fn files_come_and_go() {
    let world = world();
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:30:00").await;
    world.write("b", "cron = \"0 * * * *\"");
    world.reach("2026-03-09T11:30:00").await;
    std::fs::remove_file(world.file("a")).unwrap();
    world.reach("2026-03-09T12:30:00").await;
    assert_eq!(served.handle.status().jobs.len(), 1);
    served.crash().await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 11:00"]);
    assert_eq!(world.runner.times("b"), ["09 11:00", "09 12:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_was_broken_over_a_restart_catches_up_once_it_is_mended() {
    let world = world();
    world.write("a", "cron = \"0 * * * *\"");
    let served = world.serve();
    world.reach("2026-03-09T10:30:00").await;
    served.crash().await;
    std::fs::write(world.file("a"), "nonsense").unwrap();
    let served = world.serve();
    world.reach("2026-03-09T12:30:00").await;
    assert_eq!(served.handle.ready(), Ok(()));
    world.write("a", "cron = \"0 * * * *\"");
    world.reach("2026-03-09T13:30:00").await;
    assert_eq!(served.handle.status().jobs[0].counts.missed, 1);
    served.crash().await;
    assert_eq!(world.runner.times("a"), ["09 10:00", "09 12:30", "09 13:00"]);
}

#[test]
fn nothing_to_serve_is_an_error() {
    let why = |roots: Vec<std::path::PathBuf>| -> Error {
        let world = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        world.block_on(async {
            let world = self::world();
            tributary_server::Server::new(world.settings.clone(), roots, Box::new(world.disk.clone()), world.parts())
                .err()
                .unwrap()
        })
    };
    assert_eq!(why(Vec::new()).to_string(), "there is nothing to serve");
    assert_eq!(why(vec!["/no/such/folder".into()]).to_string(), "could not find `/no/such/folder`");
}
