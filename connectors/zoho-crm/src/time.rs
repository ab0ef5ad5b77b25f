//! Times of the vendor: whole seconds, written with whatever offset the user has, compared as instants.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Seconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Time(pub i64);

impl Time {
    /// As records and answers have it: ISO 8601 with an offset.
    pub(crate) fn read(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text.trim()).ok().map(|time| Self(time.timestamp()))
    }

    /// As HTTP dates an answer.
    pub(crate) fn of_http(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc2822(text.trim()).ok().map(|time| Self(time.timestamp()))
    }

    pub(crate) fn of(time: DateTime<Utc>) -> Self {
        Self(time.timestamp())
    }

    /// The first second that is not before `time`.
    pub(crate) fn not_before(time: DateTime<Utc>) -> Self {
        Self(time.timestamp() + i64::from(time.timestamp_subsec_nanos() > 0))
    }

    pub(crate) fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::<Utc>::from_timestamp(self.0, 0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Secs, false))
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for Time {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).ok_or("no ISO 8601 time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_several_offsets_are_one_instant() {
        let time = Time::read("2024-07-25T15:26:49+05:30").unwrap();
        assert_eq!(Time::read("2024-07-25T17:56:49+08:00"), Some(time));
        assert_eq!(Time::of_http("Thu, 25 Jul 2024 09:56:49 GMT"), Some(time));
        assert_eq!(time.to_string(), "2024-07-25T09:56:49+00:00");
        assert_eq!(Time::read(&time.to_string()), Some(time));
        assert_eq!(time.before(Duration::from_secs(49)).to_string(), "2024-07-25T09:56:00+00:00");
        assert_eq!(Time::read("2024-07-25"), None);
        let half_past = DateTime::from_timestamp(1, 500_000_000).unwrap();
        assert_eq!((Time::of(half_past), Time::not_before(half_past)), (Time(1), Time(2)));
    }
}
