//! When a cron line is due, in a zone with daylight saving.
//!
//! croner says which local times match; which instants these are is decided here, because its own search returns times before
//! its start within a fold, and loses what has several hours (`0 2,14 * * *`) in a gap. There are two kinds of lines:
//!
//! - The hour is given (`30 2 * * *`): a day's time. One that does not exist is due at the gap's end, together with all others of
//!   that gap; one that exists twice is due the first time.
//! - The hour is `*` or `*/n` (`*/30 * * * *`): a rhythm. Every instant whose local time matches is due, both times in a fold,
//!   and nothing stands for what a gap leaves out, so the distance between two is the same as on any other day.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::Problem;

/// No zone changes its offset twice within this.
const PROBE: TimeDelta = TimeDelta::hours(6);

/// A cron line in a zone.
#[derive(Debug, Clone)]
pub struct Calendar {
    cron: Cron,
    zone: Tz,
    rhythm: bool,
}

impl Calendar {
    /// Reads five fields: minute, hour, day, month, weekday; or a name such as `@daily`.
    ///
    /// # Errors
    /// If it is no cron line, has seconds or years, or is never due.
    pub fn new(line: &str, zone: Tz) -> Result<Self, Problem> {
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(line)
            .map_err(|e| Problem::new(format!("`{line}` is no cron line of five fields: {e}")))?;
        let rhythm = cron.pattern.hours.from_wildcard;
        if cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false).is_err() {
            return Err(Problem::new(format!("`{line}` is never due: no date is like that")));
        }
        Ok(Self { cron, zone, rhythm })
    }

    /// The first slot after `after`; `None` beyond croner's calendar (the year 5000).
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.rhythm { self.next_of_rhythm(after) } else { self.next_of_day(after) }
    }

    /// The slots after `after`, up to and including `until`.
    pub fn between(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.next(after), |slot| self.next(*slot)).take_while(move |slot| *slot <= until)
    }

    /// From local times to instants is monotone here, so the first that lies after `after` is the next.
    fn next_of_day(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut local = after.with_timezone(&self.zone).naive_local();
        loop {
            local = self.next_local(local)?;
            let instant = match self.zone.from_local_datetime(&local).earliest() {
                Some(instant) => instant.to_utc(),
                None => GapInfo::new(&local, &self.zone)?.end?.to_utc(),
            };
            if instant > after {
                return Some(instant);
            }
        }
    }

    /// Between two changes of the offset local time is the same as elapsed time.
    fn next_of_rhythm(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut from, mut offset) = (after, self.offset(after));
        loop {
            let candidate = (self.next_local(from.naive_utc().checked_add_signed(offset)?)? - offset).and_utc();
            match self.change(from, candidate, offset) {
                None => return Some(candidate),
                // The search leaves out where it starts, and the change itself may be due.
                Some(change) => (from, offset) = (change - TimeDelta::seconds(1), self.offset(change)),
            }
        }
    }

    fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        self.cron.find_next_occurrence(&after.and_utc(), false).ok().map(|local| local.naive_utc())
    }

    fn offset(&self, at: DateTime<Utc>) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()))
    }

    /// The first second after `from`, up to `to`, whose offset is not `offset`.
    fn change(&self, from: DateTime<Utc>, to: DateTime<Utc>, offset: TimeDelta) -> Option<DateTime<Utc>> {
        // Where a search goes on after a change, `from` itself still has the offset before it.
        let mut low = from + TimeDelta::seconds(1);
        if low > to {
            return None;
        }
        if self.offset(low) != offset {
            return Some(low);
        }
        loop {
            let probe = (low + PROBE).min(to);
            if self.offset(probe) != offset {
                let mut high = probe;
                while high - low > TimeDelta::seconds(1) {
                    let middle = low + TimeDelta::seconds((high - low).num_seconds() / 2);
                    if self.offset(middle) == offset { low = middle } else { high = middle }
                }
                return Some(high);
            }
            if probe == to {
                return None;
            }
            low = probe;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(line: &str, zone: &str, from: &str, n: usize) -> Vec<String> {
        let calendar = Calendar::new(line, zone.parse().unwrap()).unwrap();
        calendar
            .between(from.parse().unwrap(), DateTime::<Utc>::MAX_UTC)
            .take(n)
            .map(|slot| slot.format("%m-%dT%H:%M").to_string())
            .collect()
    }

    #[test]
    fn a_time_in_the_gap_is_due_at_its_end_and_only_once() {
        assert_eq!(
            slots("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3),
            ["03-29T01:00", "03-30T00:00", "03-30T00:30"]
        );
        assert_eq!(
            slots("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2),
            ["10-03T15:30", "10-04T15:15"]
        );
    }

    #[test]
    fn a_time_in_the_fold_is_due_the_first_time() {
        assert_eq!(slots("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), ["10-25T00:30", "10-26T01:30"]);
    }

    #[test]
    fn a_day_that_does_not_exist_is_made_up_for_at_its_end() {
        assert_eq!(slots("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 2), ["12-30T10:00", "12-29T22:00"]);
    }

    #[test]
    fn a_rhythm_goes_on_by_elapsed_time() {
        assert_eq!(
            slots("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4),
            ["10-25T00:30", "10-25T01:00", "10-25T01:30", "10-25T02:00"]
        );
        assert_eq!(slots("0 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2), ["03-29T01:00", "03-29T02:00"]);
    }

    #[test]
    fn leap_days_and_2038_are_days_like_others() {
        assert_eq!(slots("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["02-29T00:00"]);
        assert_eq!(slots("14 3 19 1 *", "UTC", "2037-06-01T00:00:00Z", 1), ["01-19T03:14"]);
        assert_eq!(slots("0 4 * * *", "Asia/Kathmandu", "2040-05-01T00:00:00Z", 1), ["05-01T22:15"]);
    }

    #[test]
    fn what_is_no_cron_line_or_never_due_says_so() {
        let problem = |line| Calendar::new(line, Tz::UTC).unwrap_err().to_string();
        assert!(problem("0 0 30 2 *").contains("never due"));
        assert!(problem("* * * * * *").contains("five fields"));
        assert!(problem("daily").contains("no cron line"));
    }
}
