//! The time as an argument, so that no test has to wait.
//!
//! Waits between requests (back-off, budgets, `Retry-After`) go by a [`Clock`]. Time-outs of a connection do not: they
//! watch a real socket, and go by the runtime's own timer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

/// What time it is, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> DateTime<Utc>;

    /// Returns when [`Clock::now`] has moved on by at least `duration`.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock for tests: whoever sleeps moves it on at once. It keeps what was slept.
#[derive(Debug)]
pub struct VirtualClock(Mutex<(DateTime<Utc>, Vec<Duration>)>);

impl VirtualClock {
    pub fn new(start: DateTime<Utc>) -> Self {
        Self(Mutex::new((start, Vec::new())))
    }

    /// Moves the clock on without a sleep.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = later(state.0, duration);
    }

    /// What was slept so far, in order.
    pub fn slept(&self) -> Vec<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    async fn sleep(&self, duration: Duration) {
        {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = later(state.0, duration);
            state.1.push(duration);
        }
        // Others get their turn, as they would while one really sleeps.
        tokio::task::yield_now().await;
    }
}

/// `duration` after `time`; the end of time if that is too far.
pub(super) fn later(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(duration)
        .ok()
        .and_then(|delta| time.checked_add_signed(delta))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// From `now` to `until`; nothing if that is over.
pub(super) fn until(now: DateTime<Utc>, until: DateTime<Utc>) -> Duration {
    (until - now).to_std().unwrap_or_default()
}
