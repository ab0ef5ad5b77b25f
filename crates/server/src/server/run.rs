//! One run, from its start to its end, whatever it does.

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Event;
use crate::runner::{Exit, Outcome, Running};

/// What all runs are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    GoOn,
    End,
    Kill,
}

/// Waits for the end of a run. It always has one: what panics has been killed.
pub async fn attend(job: String, run: u64, running: Box<dyn Running>, order: watch::Receiver<Order>) -> Event {
    let since = Instant::now();
    let mut task = JoinSet::new();
    task.spawn(wait(running, order));
    let outcome = match task.join_next().await {
        Some(Ok(outcome)) => outcome,
        _ => Outcome { exit: Exit::Killed, waiting_until: None, message: Some("lost sight of the run".to_owned()) },
    };
    Event::Ended { job, run, outcome, took: since.elapsed() }
}

async fn wait(mut running: Box<dyn Running>, mut order: watch::Receiver<Order>) -> Outcome {
    loop {
        let given = *order.borrow_and_update();
        match given {
            Order::GoOn => {}
            Order::End => running.terminate(),
            Order::Kill => running.kill(),
        }
        tokio::select! {
            outcome = running.wait() => return outcome,
            changed = order.changed() => if changed.is_err() {
                return running.wait().await;
            }
        }
    }
}
