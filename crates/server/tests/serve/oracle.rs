//! The slots of a cron line, found by walking through all minutes: another way to them than the crate's.

use std::cell::Cell;

use chrono::{DateTime, Datelike, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// One field of a cron line: `*`, `*/n`, and lists of numbers and ranges. Bit n is set if n is a value.
fn values(field: &str, least: u32, most: u32) -> u64 {
    let part = |part: &str| -> u64 {
        let (range, step) = part.split_once('/').map_or((part, 1), |(range, step)| (range, step.parse().unwrap()));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        (from..=to).step_by(step).map(|value| 1 << value).sum()
    };
    field.split(',').map(part).fold(0, |all, part| all | part)
}

struct Line {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day and weekday are both given: either will do.
    either: bool,
    rhythm: bool,
    /// The day that was last looked at, and whether it matches.
    day: Cell<(i64, bool)>,
}

impl Line {
    fn new(line: &str) -> Self {
        let fields: Vec<&str> = line.split(' ').collect();
        Self {
            minutes: values(fields[0], 0, 59),
            hours: values(fields[1], 0, 23),
            days: values(fields[2], 1, 31),
            months: values(fields[3], 1, 12),
            weekdays: values(fields[4], 0, 6),
            either: fields[2] != "*" && fields[4] != "*",
            rhythm: fields[1].starts_with('*'),
            day: Cell::new((i64::MIN, false)),
        }
    }

    /// `local` are minutes of local time since 1970.
    fn matches(&self, local: i64) -> bool {
        let (minute, hour, day) = (local % 60, local / 60 % 24, local / 1440);
        if self.minutes >> minute & 1 == 0 || self.hours >> hour & 1 == 0 {
            return false;
        }
        if self.day.get().0 != day {
            self.day.set((day, self.matches_day(day)));
        }
        self.day.get().1
    }

    fn matches_day(&self, day: i64) -> bool {
        let date = (DateTime::UNIX_EPOCH + TimeDelta::days(day)).date_naive();
        let weekday = self.weekdays >> date.weekday().num_days_from_sunday() & 1 == 1;
        let day = self.days >> date.day() & 1 == 1;
        self.months >> date.month() & 1 == 1 && if self.either { day || weekday } else { day && weekday }
    }
}

/// The slots of several lines in one zone, after `from`, up to `to`. In these years clocks change at full quarters of an hour.
pub fn slots(lines: &[&str], zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Vec<DateTime<Utc>>> {
    let lines: Vec<Line> = lines.iter().map(|line| Line::new(line)).collect();
    let mut slots = vec![Vec::new(); lines.len()];
    let offset = |minute: i64| {
        let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()) / 60
    };
    let (from, to) = (from.timestamp() / 60, to.timestamp() / 60);
    let mut ahead = offset(from);
    // Local time has been here before when it is not later than the latest.
    let mut latest = from + ahead;
    for now in from + 1..=to {
        if now % 15 == 0 {
            ahead = offset(now);
        }
        let local = now + ahead;
        for (line, slots) in lines.iter().zip(&mut slots) {
            let due =
                if line.rhythm { line.matches(local) } else { (latest + 1..=local).any(|local| line.matches(local)) };
            if due {
                slots.push(DateTime::UNIX_EPOCH + TimeDelta::minutes(now));
            }
        }
        latest = latest.max(local);
    }
    slots
}
