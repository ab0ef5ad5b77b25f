//! A whole pipeline over a store that fails: what is there in the end is what would be there had nothing failed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

/// As in the program; with the system's allocator a third of the time goes into it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod faults;
mod model;
mod shelf;
mod world;

/// Waits cost nothing.
fn on_paused_clock<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(future)
}
