//! How many requests a credential may make: the arithmetic, without clock, file or network.
//!
//! A vendor counts in several ways at once (100 calls in 20 seconds, 10 at a time, 50,000 credits a day), and a request has to
//! fit them all; it is then debited to all of them, or to none. A time is a number of milliseconds since 1970, so that what
//! is kept can be shared between processes.
//!
//! Not on `governor`: it has one kind of limit, in memory, on a clock that other processes do not share. A day's quota, a cap on
//! requests at once and a count that survives the process would all have been beside it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// One thing that a vendor counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Unique among a credential's limits; said in messages and kept with the count.
    pub name: Cow<'static, str>,
    pub rule: Rule,
    pub counts: Counts,
    /// Only requests of this class; all if there is none.
    pub class: Option<Cow<'static, str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    Requests,
    Cost,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// `budget` in each window that starts at a multiple of `per` since 1970. Only where the vendor says that its windows do;
    /// else [`Rule::Moving`], which holds for any window.
    Fixed { budget: u64, per: Duration },
    /// `budget` in any window of `per`. This is widened by a fiftieth, half a second at most, because requests do not
    /// arrive as evenly as they are sent.
    Moving { budget: u64, per: Duration },
    /// A bucket that holds `capacity` and is filled by `budget` per `per`.
    Bucket { capacity: u64, budget: u64, per: Duration },
    /// So many requests under way at once.
    Concurrent { at_once: u64 },
    /// `budget` a day, which begins when the clocks of `zone` show `reset`.
    Daily { budget: u64, reset: NaiveTime, zone: Tz },
}

impl Limit {
    /// A limit of requests, of whatever class.
    pub fn new(name: impl Into<Cow<'static, str>>, rule: Rule) -> Self {
        Self { name: name.into(), rule, counts: Counts::Requests, class: None }
    }

    /// Counts what requests cost.
    pub fn of_cost(mut self) -> Self {
        self.counts = Counts::Cost;
        self
    }

    /// For requests of one class.
    pub fn of_class(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.class = Some(class.into());
        self
    }
}

/// What a credential has used; kept in a file, so unknown forms are read as nothing used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    used: BTreeMap<String, Used>,
    /// The vendor wants nothing before this.
    #[serde(default)]
    blocked: Option<Block>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Block {
    until: i64,
    quota: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Used {
    Window {
        start: i64,
        used: u64,
    },
    Log(Vec<Entry>),
    /// When the bucket will be full again, in microseconds ("theoretical arrival time" of the generic cell rate algorithm).
    FullAt(i64),
    Leases(Vec<Lease>),
}

/// Requests close to each other, taken for one at the time of the last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Entry {
    first: i64,
    last: i64,
    used: u64,
}

/// A request under way. If its process dies, it is over at `until`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub id: u64,
    pub until: i64,
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub cost: u64,
    pub classes: Vec<Cow<'static, str>>,
    pub lease: Lease,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// Taken from all limits.
    Granted,
    /// Not before this time; `limit` is why, and nothing was taken.
    At { time: i64, limit: String, quota: bool },
    /// When another request of `limit` is done.
    Busy { limit: String },
    /// It costs more than `limit` ever allows.
    Never { limit: String },
}

/// Entries of a moving window at most; closer ones are taken together, which may delay a request by this part of the window.
const GRAINS: i64 = 128;

impl Usage {
    /// Takes what `ask` wants from all `limits`, or nothing.
    pub(super) fn take(&mut self, limits: &[Limit], ask: &Ask, now: i64) -> Decision {
        let mut verdict = Decision::Granted;
        if let Some(block) = self.blocked.filter(|block| block.until > now) {
            verdict = Decision::At { time: block.until, limit: "the source's own word".to_owned(), quota: block.quota };
        }
        let concerned: Vec<_> = limits
            .iter()
            .filter(|limit| limit.class.as_ref().is_none_or(|class| ask.classes.contains(class)))
            .map(|limit| (limit, if limit.counts == Counts::Cost { ask.cost } else { 1 }))
            .collect();
        for &(limit, cost) in &concerned {
            let used = self.used.entry(limit.name.clone().into_owned()).or_insert_with(|| limit.rule.unused());
            let of_this = limit.rule.refresh(used, now).look(used, cost, now);
            let name = || limit.name.clone().into_owned();
            verdict = match (verdict, of_this) {
                (verdict @ Decision::Never { .. }, _) => verdict,
                (_, Look::Never) => Decision::Never { limit: name() },
                (Decision::At { time, limit, quota }, Look::At(other)) if time >= other => {
                    Decision::At { time, limit, quota }
                }
                (_, Look::At(time)) => {
                    Decision::At { time, limit: name(), quota: matches!(limit.rule, Rule::Daily { .. }) }
                }
                (Decision::Granted, Look::Busy) => Decision::Busy { limit: name() },
                (verdict, Look::Busy | Look::Free) => verdict,
            };
        }
        if verdict == Decision::Granted {
            for (limit, cost) in concerned {
                if let Some(used) = self.used.get_mut(limit.name.as_ref()) {
                    limit.rule.debit(used, cost, ask.lease, now);
                }
            }
        }
        verdict
    }

    /// The request of lease `id` is done.
    pub(super) fn release(&mut self, id: u64) {
        for used in self.used.values_mut() {
            if let Used::Leases(leases) = used {
                leases.retain(|lease| lease.id != id);
            }
        }
    }

    /// The vendor wants nothing before `until`.
    pub(super) fn block(&mut self, until: i64, quota: bool) {
        if self.blocked.is_none_or(|block| block.until < until) {
            self.blocked = Some(Block { until, quota });
        }
    }
}

enum Look {
    Free,
    At(i64),
    Busy,
    Never,
}

impl Rule {
    fn unused(&self) -> Used {
        match self {
            Self::Fixed { .. } | Self::Daily { .. } => Used::Window { start: i64::MIN, used: 0 },
            Self::Moving { .. } => Used::Log(Vec::new()),
            Self::Bucket { .. } => Used::FullAt(i64::MIN),
            Self::Concurrent { .. } => Used::Leases(Vec::new()),
        }
    }

    /// Drops what is over. What lies in the future, because the clock was set back, is taken for just now: this errs to the
    /// side of fewer requests, and not for longer than a window.
    fn refresh(&self, used: &mut Used, now: i64) -> &Self {
        match (self, &mut *used) {
            (Self::Fixed { .. } | Self::Daily { .. }, Used::Window { start, used }) => {
                let current = self.window(now).0;
                if *start < current {
                    *used = 0;
                }
                *start = current;
            }
            (Self::Moving { per, .. }, Used::Log(entries)) => {
                for entry in entries.iter_mut() {
                    entry.last = entry.last.min(now);
                    entry.first = entry.first.min(now);
                }
                entries.retain(|entry| entry.last.saturating_add(widened(*per)) > now);
            }
            (Self::Bucket { capacity, budget, per }, Used::FullAt(at)) => {
                let now = now.saturating_mul(1000);
                *at = (*at).clamp(now, now.saturating_add(to_fill(*capacity, *budget, *per)));
            }
            (Self::Concurrent { .. }, Used::Leases(leases)) => leases.retain(|lease| lease.until > now),
            // The limit was of another kind before.
            _ => {
                *used = self.unused();
                return self.refresh(used, now);
            }
        }
        self
    }

    fn look(&self, used: &Used, cost: u64, now: i64) -> Look {
        match (self, used) {
            (Self::Fixed { budget, .. } | Self::Daily { budget, .. }, Used::Window { used, .. }) => {
                if cost > *budget {
                    Look::Never
                } else if used.saturating_add(cost) <= *budget {
                    Look::Free
                } else {
                    Look::At(self.window(now).1)
                }
            }
            (Self::Moving { budget, per }, Used::Log(entries)) => {
                if cost > *budget {
                    return Look::Never;
                }
                let total: u64 = entries.iter().map(|entry| entry.used).sum();
                let mut too_much = total.saturating_add(cost).saturating_sub(*budget);
                if too_much == 0 {
                    return Look::Free;
                }
                for entry in entries {
                    too_much = too_much.saturating_sub(entry.used);
                    if too_much == 0 {
                        return Look::At(entry.last.saturating_add(widened(*per)));
                    }
                }
                Look::Never
            }
            (Self::Bucket { capacity, budget, per }, Used::FullAt(at)) => {
                if cost > *capacity {
                    return Look::Never;
                }
                let free_at =
                    at.saturating_add(to_fill(cost, *budget, *per)).saturating_sub(to_fill(*capacity, *budget, *per));
                if free_at <= now.saturating_mul(1000) {
                    Look::Free
                } else {
                    Look::At((free_at + 999).div_euclid(1000))
                }
            }
            (Self::Concurrent { at_once }, Used::Leases(leases)) => match at_once {
                0 => Look::Never,
                _ if (leases.len() as u64) < *at_once => Look::Free,
                _ => Look::Busy,
            },
            _ => Look::Free,
        }
    }

    fn debit(&self, used: &mut Used, cost: u64, lease: Lease, now: i64) {
        match (self, used) {
            (_, Used::Window { used, .. }) => *used = used.saturating_add(cost),
            (Self::Moving { per, .. }, Used::Log(entries)) => match entries.last_mut() {
                Some(entry) if now - entry.first < widened(*per) / GRAINS => {
                    entry.last = now;
                    entry.used = entry.used.saturating_add(cost);
                }
                _ => entries.push(Entry { first: now, last: now, used: cost }),
            },
            (Self::Bucket { budget, per, .. }, Used::FullAt(at)) => {
                *at = at.saturating_add(to_fill(cost, *budget, *per));
            }
            (_, Used::Leases(leases)) => leases.push(lease),
            _ => {}
        }
    }

    /// Start and end of the window that `now` is in.
    fn window(&self, now: i64) -> (i64, i64) {
        match self {
            Self::Fixed { per, .. } => {
                let per = milliseconds(*per).max(1);
                let start = now.div_euclid(per) * per;
                (start, start.saturating_add(per))
            }
            Self::Daily { reset, zone, .. } => {
                let now = DateTime::from_timestamp_millis(now).unwrap_or_default();
                let end = next_reset(now, *reset, *zone);
                // Found from well before it, because a day may have 23 hours or 25.
                let mut start = next_reset(now - TimeDelta::hours(49), *reset, *zone);
                loop {
                    let next = next_reset(start, *reset, *zone);
                    if next > now || next <= start {
                        break;
                    }
                    start = next;
                }
                (start.timestamp_millis(), end.timestamp_millis())
            }
            _ => (now, now),
        }
    }
}

/// The next time after `now` that the clocks of `zone` show `time`; where they skip it, the first after the gap.
pub(super) fn next_reset(now: DateTime<Utc>, time: NaiveTime, zone: Tz) -> DateTime<Utc> {
    let today = now.with_timezone(&zone).date_naive();
    (0..3)
        .filter_map(|days| shown_at(today.checked_add_days(Days::new(days))?, time, zone))
        .find(|reset| *reset > now)
        .unwrap_or(now)
}

fn shown_at(date: NaiveDate, time: NaiveTime, zone: Tz) -> Option<DateTime<Utc>> {
    // Gaps are of an hour as a rule, and of a day where a zone changed sides of the date line.
    (0..=96).find_map(|quarters| {
        let local = date.and_time(time).checked_add_signed(TimeDelta::minutes(15 * quarters))?;
        Some(zone.from_local_datetime(&local).earliest()?.to_utc())
    })
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn widened(per: Duration) -> i64 {
    let per = milliseconds(per);
    per.saturating_add((per / 50).clamp(1, 500))
}

/// Microseconds until `amount` has come in.
fn to_fill(amount: u64, budget: u64, per: Duration) -> i64 {
    let micros = u128::from(amount).saturating_mul(per.as_micros()).div_ceil(u128::from(budget.max(1)));
    i64::try_from(micros).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ask(cost: u64, classes: &[&'static str]) -> Ask {
        let classes = classes.iter().map(|class| Cow::Borrowed(*class)).collect();
        Ask { cost, classes, lease: Lease { id: fastrand::u64(..), until: i64::MAX } }
    }

    fn at(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp_millis()
    }

    #[test]
    fn a_request_is_debited_to_all_its_limits_or_to_none() {
        let limits = [
            Limit::new("calls", Rule::Fixed { budget: 10, per: 20 * SECOND }),
            Limit::new("credits", Rule::Fixed { budget: 5, per: 60 * SECOND }).of_cost(),
            Limit::new("heavy", Rule::Concurrent { at_once: 1 }).of_class("coql"),
        ];
        let mut usage = Usage::default();
        assert_eq!(usage.take(&limits, &ask(3, &["coql"]), 1000), Decision::Granted);
        let before = usage.clone();
        assert_eq!(usage.take(&limits, &ask(1, &["coql"]), 1000), Decision::Busy { limit: "heavy".into() });
        let wait = Decision::At { time: 60_000, limit: "credits".into(), quota: false };
        assert_eq!(usage.take(&limits, &ask(3, &[]), 1000), wait);
        assert_eq!(usage.take(&limits, &ask(6, &[]), 1000), Decision::Never { limit: "credits".into() });
        assert_eq!(usage, before);
        assert_eq!(usage.take(&limits, &ask(2, &[]), 1000), Decision::Granted);
    }

    #[test]
    fn a_request_that_is_done_or_whose_process_died_frees_its_place() {
        let limits = [Limit::new("at once", Rule::Concurrent { at_once: 2 })];
        let mut usage = Usage::default();
        let (mut first, mut second) = (ask(1, &[]), ask(1, &[]));
        (first.lease.until, second.lease.until) = (5000, 9000);
        assert_eq!(usage.take(&limits, &first, 0), Decision::Granted);
        assert_eq!(usage.take(&limits, &second, 0), Decision::Granted);
        assert_eq!(usage.take(&limits, &ask(1, &[]), 4999), Decision::Busy { limit: "at once".into() });
        assert_eq!(usage.take(&limits, &ask(1, &[]), 5000), Decision::Granted);
        usage.release(second.lease.id);
        assert_eq!(usage.take(&limits, &ask(1, &[]), 5000), Decision::Granted);
    }

    #[test]
    fn a_day_begins_when_the_clocks_of_its_zone_say_so() {
        let rule = Rule::Daily { budget: 1, reset: NaiveTime::MIN, zone: chrono_tz::Asia::Shanghai };
        let limits = [Limit::new("day", rule)];
        let mut usage = Usage::default();
        assert_eq!(usage.take(&limits, &ask(1, &[]), at("2026-03-01T15:59:00Z")), Decision::Granted);
        let reset = Decision::At { time: at("2026-03-01T16:00:00Z"), limit: "day".into(), quota: true };
        assert_eq!(usage.take(&limits, &ask(1, &[]), at("2026-03-01T15:59:59Z")), reset);
        assert_eq!(usage.take(&limits, &ask(1, &[]), at("2026-03-01T16:00:00Z")), Decision::Granted);
        for later in ["2026-03-01T16:00:01Z", "2026-03-01T16:30:00Z", "2026-03-02T15:59:59Z"] {
            assert!(matches!(usage.take(&limits, &ask(1, &[]), at(later)), Decision::At { .. }), "{later}");
        }
        assert_eq!(usage.take(&limits, &ask(1, &[]), at("2026-03-02T16:30:00Z")), Decision::Granted);
    }

    #[test]
    fn a_reset_that_the_clocks_skip_is_after_the_gap() {
        let half_past_two = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
        let next = |now: &str| next_reset(now.parse().unwrap(), half_past_two, chrono_tz::Europe::Berlin).to_rfc3339();
        assert_eq!(next("2026-03-28T12:00:00Z"), "2026-03-29T01:00:00+00:00");
        assert_eq!(next("2026-03-29T01:00:00Z"), "2026-03-30T00:30:00+00:00");
        assert_eq!(next("2026-10-24T12:00:00Z"), "2026-10-25T00:30:00+00:00");
    }

    #[test]
    fn a_clock_set_back_blocks_for_a_window_at_most() {
        let limits = [
            Limit::new("moving", Rule::Moving { budget: 1, per: SECOND }),
            Limit::new("fixed", Rule::Fixed { budget: 1, per: SECOND }),
            Limit::new("bucket", Rule::Bucket { capacity: 1, budget: 1, per: SECOND }),
        ];
        let mut usage = Usage::default();
        assert_eq!(usage.take(&limits, &ask(1, &[]), 1_000_000), Decision::Granted);
        assert!(matches!(usage.take(&limits, &ask(1, &[]), 5000), Decision::At { time: ..=6100, .. }));
    }

    #[test]
    fn a_block_holds_for_all_and_does_not_get_shorter() {
        let mut usage = Usage::default();
        usage.block(9000, true);
        usage.block(5000, false);
        assert!(matches!(usage.take(&[], &ask(1, &[]), 8999), Decision::At { time: 9000, quota: true, .. }));
        assert_eq!(usage.take(&[], &ask(1, &[]), 9000), Decision::Granted);
    }

    /// Asks as soon as it may, from `starts`; gives the times at which requests were granted.
    fn greedy(limits: &[Limit], costs: &[u64], gaps: &[i64]) -> Vec<(i64, u64)> {
        let (mut usage, mut now, mut granted) = (Usage::default(), 1_000_000, Vec::new());
        for (cost, gap) in costs.iter().zip(gaps.iter().cycle()) {
            now += gap;
            loop {
                match usage.take(limits, &ask(*cost, &[]), now) {
                    Decision::Granted => break,
                    Decision::At { time, .. } => {
                        assert!(time > now, "a wait moves on");
                        now = time;
                    }
                    other => panic!("{other:?}"),
                }
            }
            granted.push((now, *cost));
        }
        granted
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_its_budget_and_nearly_all_of_it_is_used(
            costs in prop::collection::vec(1u64..5, 50..400), gaps in prop::collection::vec(0i64..40, 1..20),
            budget in 5u64..200, per in 100i64..20_000,
        ) {
            let limits = [Limit::new("m", Rule::Moving { budget, per: Duration::from_millis(per as u64) }).of_cost()];
            let granted = greedy(&limits, &costs, &gaps);
            for (index, (end, _)) in granted.iter().enumerate() {
                let used: u64 = granted[..=index].iter().filter(|(time, _)| *time > end - per).map(|(_, cost)| cost).sum();
                prop_assert!(used <= budget, "{used} of {budget}");
            }
            // What no rule would let be faster: the requests' own pace, or the budget with its biggest request to spare.
            let took = granted[granted.len() - 1].0 - 1_000_000;
            let own: i64 = costs.iter().zip(gaps.iter().cycle()).map(|(_, gap)| gap).sum();
            let windows = costs.iter().sum::<u64>().div_ceil(budget - 4) as i64;
            prop_assert!(took <= own + windows * (per * 103 / 100 + 2), "{took}");
        }

        #[test]
        fn a_bucket_gives_its_capacity_and_what_flows_in(
            costs in prop::collection::vec(1u64..10, 20..200), gaps in prop::collection::vec(0i64..300, 1..20),
            capacity in 10u64..100, budget in 1u64..50,
        ) {
            let limits = [Limit::new("b", Rule::Bucket { capacity, budget, per: SECOND }).of_cost()];
            let granted = greedy(&limits, &costs, &gaps);
            for from in 0..granted.len() {
                let mut used = 0;
                for (time, cost) in &granted[from..] {
                    used += cost;
                    let flowed = (time - granted[from].0) as f64 / 1000.0 * budget as f64;
                    prop_assert!(used as f64 <= capacity as f64 + flowed + 1.0);
                }
            }
        }
    }
}
