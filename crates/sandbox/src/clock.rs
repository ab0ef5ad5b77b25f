//! A stand-in's own time: it stands still unless told to go on, or runs at a chosen speed; and how times are written, ISO 8601
//! with the offset of whoever asks.

use std::time::Instant;

use chrono::{DateTime, FixedOffset, NaiveDateTime};

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// A clock that tests can set.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Milliseconds since 1970, at `since`.
    base: i64,
    since: Instant,
    speed: f64,
}

impl Clock {
    /// A clock that shows `base`, in seconds since 1970, and then so many seconds for each that passes; 0 stands still.
    pub(crate) fn new(base: i64, speed: f64) -> Self {
        Self { base: base * 1_000, since: Instant::now(), speed }
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.milliseconds().div_euclid(1_000)
    }

    /// Milliseconds since 1970.
    pub fn milliseconds(&self) -> i64 {
        self.base + (self.since.elapsed().as_secs_f64() * 1_000.0 * self.speed) as i64
    }

    /// Sets it, forwards or backwards.
    pub fn set(&mut self, seconds: i64) {
        self.set_milliseconds(seconds * 1_000);
    }

    /// The same, in milliseconds since 1970.
    pub fn set_milliseconds(&mut self, milliseconds: i64) {
        (self.base, self.since) = (milliseconds, Instant::now());
    }

    /// Lets time pass.
    pub fn pass(&mut self, seconds: i64) {
        (self.base, self.since) = (self.milliseconds() + seconds * 1_000, Instant::now());
    }
}

/// `2026-07-01T08:00:00+08:00`.
pub(crate) fn written(seconds: i64, offset_minutes: i32) -> String {
    let zone = FixedOffset::east_opt(offset_minutes * 60);
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    match zone {
        Some(zone) => time.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        None => time.format("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
    }
}

/// `Wed, 01 Jul 2026 00:00:00 GMT`, as HTTP dates itself.
pub(crate) fn http_date(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads what [`written`] writes, with any offset.
pub(crate) fn read(text: &str) -> Option<i64> {
    // A `+` that nobody encoded arrives as a blank.
    let time = DateTime::parse_from_rfc3339(&text.trim().replace(' ', "+")).ok()?;
    Some(time.timestamp())
}

/// A time of the made-up world, which lives by Shanghai's clocks.
pub(crate) fn of_shanghai(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp() - 8 * 3_600
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_the_offset_and_read_with_any() {
        let noon = read("2026-07-01T12:00:00+08:00").unwrap();
        assert_eq!(written(noon, 480), "2026-07-01T12:00:00+08:00");
        assert_eq!(written(noon, 330), "2026-07-01T09:30:00+05:30");
        assert_eq!(read("2026-07-01T04:00:00Z"), Some(noon));
        assert_eq!(read("2026-07-01"), None);
        assert_eq!(http_date(noon), "Wed, 01 Jul 2026 04:00:00 GMT");
    }
}
