//! One time for connector and world: who sleeps moves both on at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tributary_connector::http::Clock;

use crate::World;

/// A world that several hold.
pub(crate) type Shared = Arc<Mutex<Box<dyn World>>>;

pub(crate) fn locked<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The world's time. Finer than the world's own, which may count in whole seconds.
pub(crate) struct WorldClock {
    world: Shared,
    time: Mutex<DateTime<Utc>>,
}

impl WorldClock {
    pub fn new(world: Shared) -> Self {
        let start = locked(&world).now();
        Self { world, time: Mutex::new(start) }
    }

    /// Time goes on, here and in the world.
    pub fn advance(&self, by: Duration) {
        let now = self.now();
        let to = TimeDelta::from_std(by).ok().and_then(|by| now.checked_add_signed(by)).unwrap_or(now);
        *locked(&self.time) = to;
        locked(&self.world).advance(to);
    }
}

#[async_trait]
impl Clock for WorldClock {
    fn now(&self) -> DateTime<Utc> {
        let of_world = locked(&self.world).now();
        let mut time = locked(&self.time);
        *time = of_world.max(*time);
        *time
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        // A moment of real time, so that what is under way comes on meanwhile.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
