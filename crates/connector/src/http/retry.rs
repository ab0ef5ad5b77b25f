//! When to try again: how often, how long between, and what a server's `Retry-After` means.
//!
//! Waits grow exponentially and are drawn from zero up to that ("full jitter",
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), so that clients that failed together do not
//! come back together. A server that says how long to wait is obeyed in full, and that costs no attempt.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::clock::until;

/// No server is believed that wants to be left alone for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How failures are met.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How often a request is sent at most, waits that the server asked for aside.
    pub attempts: u32,
    /// The longest possible wait after the first failure; doubles with each further one.
    pub base: Duration,
    /// What the doubling ends at.
    pub cap: Duration,
    /// From the first sending; no wait goes beyond it.
    pub total: Duration,
    /// A wait that is longer ends the request with an error that says how long, so that the run can be parked.
    pub park_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            total: Duration::from_secs(600),
            park_after: Duration::from_secs(60),
        }
    }
}

impl Policy {
    /// The wait after `failures` (from 1), with `random` from 0 to 1.
    pub fn back_off(&self, failures: u32, random: f64) -> Duration {
        let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap).mul_f64(random.clamp(0.0, 1.0))
    }
}

/// What a `Retry-After` header asks for (RFC 9110, 10.2.3): seconds, or a date, which is compared with the answer's own `Date`
/// where there is one, because clocks differ. `None` for what is neither, and for a time that is over.
pub fn retry_after(value: &str, date: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = if value.starts_with(|c: char| c.is_ascii_digit()) {
        let seconds = value.parse::<f64>().ok()?;
        Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64()))
    } else {
        until(date.and_then(http_date).unwrap_or(now), http_date(value)?)
    };
    (!wait.is_zero()).then_some(wait.min(LONGEST_WAIT))
}

/// A date of HTTP in any of its three forms (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some(date.to_utc());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|date| date.and_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(value: &str) -> Option<u64> {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        retry_after(value, None, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_in_any_form() {
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked(" 1.5 "), Some(1));
        assert_eq!(asked("Sun, 01 Mar 2026 12:01:00 GMT"), Some(60));
        assert_eq!(asked("Sunday, 01-Mar-26 12:01:00 GMT"), Some(60));
        assert_eq!(asked("Sun Mar  1 12:01:00 2026"), Some(60));
    }

    #[test]
    fn retry_after_that_makes_no_sense_is_none() {
        for nonsense in ["", "0", "-5", "soon", "1e", "NaN", "inf", "Sun, 01 Mar 2026 11:59:00 GMT", "2026-03-01"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn retry_after_beyond_a_day_is_a_day() {
        for huge in ["1000000000000", "99999999999999999999999999", "1e300", "Fri, 01 Mar 2126 12:00:00 GMT"] {
            assert_eq!(asked(huge), Some(86_400), "{huge}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_servers_own() {
        let now = "2026-03-01T12:59:00Z".parse().unwrap();
        let wait = retry_after("Sun, 01 Mar 2026 12:01:00 GMT", Some("Sun, 01 Mar 2026 12:00:00 GMT"), now);
        assert_eq!(wait, Some(Duration::from_secs(60)));
    }

    proptest! {
        #[test]
        fn waits_stay_between_nothing_and_the_doubled_base(failures in 0u32..100, random in 0.0f64..1.0) {
            let policy = Policy::default();
            let wait = policy.back_off(failures, random);
            prop_assert!(wait <= policy.cap);
            prop_assert!(wait.as_secs_f64() <= 0.5 * 2f64.powi(failures.max(1) as i32 - 1) + 1e-6);
        }

        #[test]
        fn no_header_makes_it_panic(value in "\\PC*") {
            let _ = asked(&value);
        }
    }
}
