//! A span of time in windows that fit a vendor's cap, for APIs that show only so many records of a query.
//!
//! A window is in whole ticks of the vendor's resolution (a second, a millisecond), both ends included. So windows touch and do
//! not overlap, and all records of one tick lie in one window: a tie is never split, and none is left between two.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::budget::milliseconds;
use crate::{Error, Kind};

/// A window; both ends are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Windows that cover a span in order, each cut in two when it shows more than the vendor's cap.
#[derive(Debug, Clone)]
pub struct Windows {
    /// Those to come, the next one last, in ticks.
    stack: Vec<(i64, i64)>,
    tick: i64,
    /// The longest window the vendor takes, in ticks.
    longest: i64,
}

impl Windows {
    /// From `from` to `to`, both included, in steps of `tick` (a millisecond at least), as one window.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>, tick: Duration) -> Self {
        let tick = milliseconds(tick).max(1);
        let (first, last) = (from.timestamp_millis().div_euclid(tick), to.timestamp_millis().div_euclid(tick));
        let stack = if first <= last { vec![(first, last)] } else { Vec::new() };
        Self { stack, tick, longest: i64::MAX }
    }

    /// No window is longer than `longest`.
    pub fn at_most(mut self, longest: Duration) -> Self {
        self.longest = (milliseconds(longest) / self.tick).max(1);
        self
    }

    /// The window to read next, or again after a [`Windows::split`].
    pub fn current(&mut self) -> Option<Window> {
        let (first, last) = self.stack.pop()?;
        let cut = first.saturating_add(self.longest - 1).min(last);
        if cut < last {
            self.stack.push((cut + 1, last));
        }
        self.stack.push((first, cut));
        Some(Window { from: self.time(first), to: self.time(cut) })
    }

    /// The current window was read whole.
    pub fn done(&mut self) {
        self.stack.pop();
    }

    /// The current window has more than the vendor shows: what was read of it must be dropped, and its first half comes next.
    ///
    /// # Errors
    /// [`Kind::Refused`] if it is one tick long: more records than the cap have the same time, and no window can show them.
    pub fn split(&mut self) -> Result<(), Error> {
        let Some((first, last)) = self.stack.pop() else { return Ok(()) };
        if first == last {
            self.stack.push((first, last));
            return Err(Error::new(Kind::Refused, "more records have the same time than the source shows at once")
                .hint("read this stream by key, or in a bulk export"));
        }
        let middle = first + (last - first) / 2;
        self.stack.push((middle + 1, last));
        self.stack.push((first, middle));
        Ok(())
    }

    fn time(&self, tick: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(tick.saturating_mul(self.tick)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn time(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_window_of_one_tick_that_is_too_full_stops_the_walk() {
        let mut windows = Windows::new(time(5), time(5), SECOND);
        assert_eq!(windows.current(), Some(Window { from: time(5), to: time(5) }));
        assert_eq!(windows.split().unwrap_err().kind, Kind::Refused);
        assert!(windows.current().is_some());
        assert_eq!(Windows::new(time(6), time(5), SECOND).current(), None);
    }

    proptest! {
        #[test]
        fn each_record_is_read_once_and_no_window_is_over_the_cap(
            mut times in prop::collection::vec(-50i64..400, 0..200), cap in 1usize..40, longest in 1u64..300,
        ) {
            times.sort_unstable();
            let ties = times.chunk_by(|a, b| a == b).map(<[i64]>::len).max().unwrap_or(0);
            let mut windows = Windows::new(time(-50), time(400), SECOND).at_most(Duration::from_secs(longest));
            let mut read = Vec::new();
            while let Some(window) = windows.current() {
                prop_assert!((window.to - window.from).num_seconds() < longest as i64);
                let shown: Vec<_> = times.iter().copied().filter(|t| (window.from..=window.to).contains(&time(*t))).collect();
                if shown.len() <= cap {
                    read.extend(shown);
                    windows.done();
                } else if windows.split().is_err() {
                    prop_assert!(ties > cap);
                    return Ok(());
                }
            }
            prop_assert_eq!(read, times);
        }
    }
}
