//! What a tenant may call: so often in a moving window per interface, and so often on a day of Shanghai.
//!
//! Neither refusal says when to come back. Windows and days are those of the tenant's own clock: while it stands still, none
//! ends. Token calls have a limit of their own and are not counted here; refused calls are not counted either.

use std::collections::{HashMap, VecDeque};

use super::Tenant;
use super::refusal::Refusal;
use crate::clock::DAY;

/// The calls so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Quota {
    /// Interface, then the milliseconds of its latest calls.
    recent: HashMap<String, VecDeque<i64>>,
    /// A day, counted from 1970, and its calls.
    of_day: (i64, u64),
}

impl Tenant {
    /// Counts a call of an interface, or refuses it.
    pub(super) fn spend(&mut self, interface: &str) -> Result<(), Refusal> {
        let (now, limits) = (self.clock.milliseconds(), &self.options.limits);
        if limits.calls_per_day == 0 {
            return Err(Refusal::nothing_bought());
        }
        let day = (now.div_euclid(1_000) + 8 * 3_600).div_euclid(DAY);
        let quota = &mut self.quota;
        if quota.of_day.0 != day {
            quota.of_day = (day, 0);
        }
        if quota.of_day.1 >= limits.calls_per_day {
            return Err(Refusal::day_is_over());
        }
        let recent = quota.recent.entry(interface.to_owned()).or_default();
        while recent.front().is_some_and(|&at| at <= now - limits.window_seconds * 1_000) {
            recent.pop_front();
        }
        if recent.len() >= limits.calls_per_window {
            return Err(Refusal::too_fast());
        }
        recent.push_back(now);
        quota.of_day.1 += 1;
        Ok(())
    }
}
