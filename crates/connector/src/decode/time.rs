//! Dates and times from text, year first only: `12/27/2018` could be read two ways and is not read at all.
//!
//! A time without an offset is in the column's zone ([`crate::TIMEZONE`]): where clocks are set back the earlier of the
//! two is meant; a time that clocks skip does not exist and does not fit. Digits below a microsecond are dropped. A number of
//! units since 1970 is read only where the column says so ([`crate::EPOCH`]).

use chrono::{NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

const DAY: i64 = 86_400;

/// Days since 1970-01-01. A time of day may follow if it is midnight.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    let (days, rest) = day(text.trim_ascii())?;
    if !rest.is_empty() && time_of_day(rest)? != (0, None) {
        return None;
    }
    i32::try_from(days).ok()
}

/// Microseconds since 1970-01-01 00:00 UTC. A date alone is its midnight.
pub(super) fn timestamp(text: &[u8], zone: &mut Zone) -> Option<i64> {
    let text = text.trim_ascii();
    let (local, fraction, offset) =
        match text.split_first_chunk().and_then(|(clock, rest)| Some((second(clock)?, rest))) {
            Some((local, rest)) => {
                let (fraction, rest) = fraction(rest)?;
                (local, fraction, offset(rest.trim_ascii_start())?)
            }
            None => {
                let (days, rest) = day(text)?;
                let (micros, offset) = if rest.is_empty() { (0, None) } else { time_of_day(rest)? };
                (days * DAY + micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000), offset)
            }
        };
    let utc = match offset {
        Some(offset) => local - offset,
        None => zone.utc(local)?,
    };
    Some(utc * 1_000_000 + fraction)
}

/// The unit of times that are counted from 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch {
    /// Microseconds of a unit.
    unit: i64,
}

impl Epoch {
    pub(super) fn new(name: &str) -> Option<Self> {
        let unit = match name {
            "s" => 1_000_000,
            "ms" => 1_000,
            "us" => 1,
            _ => return None,
        };
        Some(Self { unit })
    }

    /// Microseconds since 1970; `None` if `text` is no plain whole number, or beyond all times.
    pub(super) fn micros(self, text: &[u8]) -> Option<i64> {
        let text = text.trim_ascii();
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        super::value::integer(text)?.checked_mul(self.unit)
    }
}

/// A zone that remembers the last hour's offset, as neighbouring rows have neighbouring times.
pub(super) struct Zone {
    tz: Tz,
    hour: i64,
    offset: i64,
}

impl Zone {
    pub(super) fn new(tz: Tz) -> Self {
        Self { tz, hour: i64::MIN, offset: 0 }
    }

    /// Seconds in UTC of seconds on the zone's clocks.
    pub(super) fn utc(&mut self, local: i64) -> Option<i64> {
        if self.tz == Tz::UTC {
            return Some(local);
        }
        let hour = local.div_euclid(3600);
        if hour == self.hour {
            return Some(local - self.offset);
        }
        let (first, last) = (self.offset_at(hour * 3600), self.offset_at(hour * 3600 + 3599));
        if let (Some((first, true)), Some((last, true))) = (first, last)
            && first == last
        {
            (self.hour, self.offset) = (hour, first);
            return Some(local - first);
        }
        self.offset_at(local).map(|(offset, _)| local - offset)
    }

    /// The day that the zone's clocks show, in days since 1970-01-01.
    pub(super) fn date(&self, micros: i64) -> Option<i32> {
        let utc = chrono::DateTime::from_timestamp_micros(micros)?.naive_utc();
        let offset = self.tz.offset_from_utc_datetime(&utc).fix().local_minus_utc();
        i32::try_from((micros.div_euclid(1_000_000) + i64::from(offset)).div_euclid(DAY)).ok()
    }

    /// The offset in force, the earlier one if there are two, and whether it is the only one.
    fn offset_at(&self, local: i64) -> Option<(i64, bool)> {
        let naive: NaiveDateTime = chrono::DateTime::from_timestamp(local, 0)?.naive_utc();
        let found = self.tz.offset_from_local_datetime(&naive);
        let offset = i64::from(found.earliest()?.fix().local_minus_utc());
        Some((offset, found.single().is_some()))
    }
}

/// The day at the start of `text`, in days since 1970-01-01, and what follows it.
fn day(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (year, month, day, rest) = if digits == 8 {
        (number(&text[..4])?, number(&text[4..6])?, number(&text[6..8])?, &text[8..])
    } else if digits == 4 {
        let (year, rest) = (number(&text[..4])?, &text[4..]);
        if let Some(rest) = rest.strip_prefix("年".as_bytes()) {
            let (month, rest) = one_or_two(rest)?;
            let (day, rest) = one_or_two(rest.strip_prefix("月".as_bytes())?)?;
            (year, month, day, rest.strip_prefix("日".as_bytes())?)
        } else {
            let (separator, rest) = rest.split_first()?;
            if !matches!(separator, b'-' | b'/' | b'.') {
                return None;
            }
            let (month, rest) = one_or_two(rest)?;
            let (day, rest) = one_or_two(rest.strip_prefix(std::slice::from_ref(separator))?)?;
            (year, month, day, rest)
        }
    } else {
        return None;
    };
    if year == 0 {
        return None;
    }
    Some((days(year, month, day)?, rest))
}

/// Days since 1970-01-01 of a day in a year of four digits; after Howard Hinnant's `days_from_civil`, in which a year begins
/// with March.
fn days(year: u32, month: u32, day: u32) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > last {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day = (153 * month + 2) / 5 + day - 1;
    Some(i64::from(year * 365 + year / 4 - year / 100 + year / 400 + day) - 719_468)
}

/// The second that `2025-03-01T08:00:00`, as most programs write it, is on the clock, counted from 1970; `None` for any other
/// way of writing, which may well be a time.
fn second(clock: &[u8; 19]) -> Option<i64> {
    let &[y, e, a, r, b'-', m, o, b'-', d, f, b'T' | b' ', h, i, b':', n, u, b':', s, c] = clock else { return None };
    // A number beyond all limits if these are no digits.
    let number = |high: u8, low: u8| two(&[high, low]).map_or(100, |(number, _)| number);
    let (century, year, month, day) = (number(y, e), number(a, r), number(m, o), number(d, f));
    let (hour, minute, second) = (number(h, i), number(n, u), number(s, c));
    if century > 99 || year > 99 || century + year == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(century * 100 + year, month, day)?;
    Some(days * DAY + i64::from(hour * 3600 + minute * 60 + second))
}

/// Microseconds since midnight and the offset from UTC in seconds, from all of `text`.
fn time_of_day(text: &[u8]) -> Option<(i64, Option<i64>)> {
    let text = text.strip_prefix(b"T").or_else(|| text.strip_prefix(b" ")).unwrap_or(text).trim_ascii_start();
    let (hour, rest) = one_or_two(text)?;
    let (minute, mut rest) = two(rest.strip_prefix(b":")?)?;
    let (mut second, mut micros) = (0, 0);
    if let Some(after) = rest.strip_prefix(b":") {
        (second, rest) = two(after)?;
        (micros, rest) = fraction(rest)?;
    }
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    if minute > 59 || second > 59 || seconds > DAY || (seconds == DAY && micros > 0) {
        return None;
    }
    Some((seconds * 1_000_000 + micros, offset(rest.trim_ascii_start())?))
}

/// Microseconds, if a fraction of a second is at the start of `text`, and what follows it.
#[inline]
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after) = text.strip_prefix(b".") else { return Some((0, text)) };
    let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + after.get(place).filter(|_| place < digits).map_or(0, |b| i64::from(b - b'0'));
    }
    Some((micros, &after[digits..]))
}

fn offset(text: &[u8]) -> Option<Option<i64>> {
    let (sign, rest) = match text {
        [] => return Some(None),
        b"Z" | b"z" => return Some(Some(0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = two(rest)?;
    let minutes = match rest.strip_prefix(b":").unwrap_or(rest) {
        [] => 0,
        rest => match two(rest)? {
            (minutes @ 0..=59, []) => minutes,
            _ => return None,
        },
    };
    (hours <= 18).then(|| Some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60)))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, b| b.is_ascii_digit().then(|| value * 10 + u32::from(b - b'0')))
}

#[inline]
fn two(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&[high, low], rest) = text.split_first_chunk()?;
    let (high, low) = (high.wrapping_sub(b'0'), low.wrapping_sub(b'0'));
    (high <= 9 && low <= 9).then(|| (u32::from(high * 10 + low), rest))
}

fn one_or_two(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || text.get(digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((number(&text[..digits])?, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str, tz: Tz) -> Option<String> {
        let micros = timestamp(text.as_bytes(), &mut Zone::new(tz))?;
        Some(chrono::DateTime::from_timestamp_micros(micros)?.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn common_ways_of_writing_a_day_are_read() {
        for text in ["2025-03-01", "2025/3/1", "2025.03.01", "20250301", "2025年3月1日", " 2025-03-01 00:00:00 "] {
            assert_eq!(date(text.as_bytes()), Some(20148), "{text}");
        }
        for text in [
            "03/01/2025",
            "2025-02-30",
            "0000-00-00",
            "2025-03-01 10:00",
            "2025-3",
            "2025-03-011",
            "45658",
            "2025/03-01",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn all_days_are_counted_and_no_others() {
        for year in (1..=9999).filter(|year| year % 100 < 5 || *year > 1960 && *year < 2060) {
            for (month, day) in (0..=13).flat_map(|month| (0..=32).map(move |day| (month, day))) {
                let expected = chrono::NaiveDate::from_ymd_opt(year as i32, month, day);
                let expected = expected.map(|day| i64::from(day.to_epoch_days()));
                assert_eq!(days(year, month, day), expected, "{year}-{month}-{day}");
            }
        }
    }

    #[test]
    fn the_common_way_of_writing_a_time_means_what_the_others_mean() {
        for (common, other) in [
            ("2025-03-01T08:09:10+08:00", "20250301 08:09:10+08:00"),
            ("2025-03-01 08:09:10", "2025/3/1 8:09:10"),
            ("1969-12-31T23:59:59.5Z", "1969年12月31日 23:59:59.500 Z"),
            ("0001-01-01T00:00:00Z", "0001.1.1"),
            ("2024-02-29T23:59:59-0330", "2024/2/29 23:59:59-03:30"),
        ] {
            let micros = micros(common, Tz::UTC);
            assert!(micros.is_some(), "{common}");
            assert_eq!(micros, super::tests::micros(other, Tz::UTC), "{common}");
        }
        for text in [
            "2025-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-01-01T00:00:60Z",
            "2025-01-01T00:60:00Z",
            "2025-01-01T24:00:01Z",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:000",
            "2025-01-01T00:00:00+8",
            "2025-01-01T00:0a:00",
            "20a5-01-01T00:00:00",
            "2025-01-01T00:00:00ZZ",
        ] {
            assert_eq!(micros(text, Tz::UTC), None, "{text}");
        }
    }

    #[test]
    fn a_time_without_an_offset_is_in_the_columns_zone() {
        let shanghai = Tz::Asia__Shanghai;
        assert_eq!(micros("2025-01-01 08:00:00", shanghai).as_deref(), Some("2025-01-01T00:00:00Z"));
        assert_eq!(micros("2025/1/1 8:00", shanghai).as_deref(), Some("2025-01-01T00:00:00Z"));
        assert_eq!(
            micros("2025-01-01T08:00:00.1234567+08:00", Tz::UTC).as_deref(),
            Some("2025-01-01T00:00:00.123456Z")
        );
        assert_eq!(micros("2025-01-01T00:00:00Z", shanghai).as_deref(), Some("2025-01-01T00:00:00Z"));
        assert_eq!(micros("2025-01-01 24:00", Tz::UTC).as_deref(), Some("2025-01-02T00:00:00Z"));
        assert_eq!(micros("1969-12-31 23:59:59.5", Tz::UTC).as_deref(), Some("1969-12-31T23:59:59.500Z"));
        for text in
            ["2025-01-01 8", "2025-01-01 08:60", "2025-01-01 08:00 PM", "2025-01-01 24:00:01", "2025-01-01 08:00:00."]
        {
            assert_eq!(micros(text, shanghai), None, "{text}");
        }
    }

    #[test]
    fn clocks_set_back_mean_the_earlier_time_and_skipped_times_do_not_exist() {
        let new_york = Tz::America__New_York;
        assert_eq!(micros("2025-11-02 01:30:00", new_york).as_deref(), Some("2025-11-02T05:30:00Z"));
        assert_eq!(micros("2025-03-09 02:30:00", new_york), None);
        let mut zone = Zone::new(new_york);
        let near: Vec<_> = ["2025-03-09 01:59:59", "2025-03-09 02:00:00", "2025-03-09 03:00:00", "2025-03-09 03:30:00"]
            .iter()
            .map(|text| timestamp(text.as_bytes(), &mut zone).map(|micros| micros / 1_000_000 % DAY / 60))
            .collect();
        assert_eq!(near, [Some(6 * 60 + 59), None, Some(7 * 60), Some(7 * 60 + 30)]);
    }
}
