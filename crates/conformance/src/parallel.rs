//! Checks side by side: they wait more than they work.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock::locked;

/// `work` on each of `items`, some at a time, with the results in their order.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::default();
    let one_by_one = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return };
            let result = work(item);
            locked(&results).push((number, result));
        }
    };
    // The check of memory finds its test by the thread's name.
    let name = std::thread::current().name().unwrap_or("main").to_owned();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    std::thread::scope(|scope| {
        for _ in 1..workers {
            // Where no thread can be had, this one does it all.
            drop(std::thread::Builder::new().name(name.clone()).spawn_scoped(scope, one_by_one));
        }
        one_by_one();
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
