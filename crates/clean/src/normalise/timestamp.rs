//! Moments, in UTC.
//!
//! A local time that a zone skips is moved forward by what was skipped, one that it repeats is the earlier: a sale is
//! never lost to a clock change. A value's own offset wins over the zone.

use chrono::{DateTime, Days, FixedOffset, LocalResult, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::IssueKind;
use super::date::{DateOrder, Years, is_weekday, leading};
use super::fold::prepare;
use super::scan::Scan;

pub const VERSION: u32 = 1;

/// The time zone database compiled in; part of the fingerprint.
pub const ZONES: &str = chrono_tz::IANA_TZDB_VERSION;

/// A date in any form of [`date`](super::date()) with or without a time of day (`HH:MM[:SS[.f]]`, 12-hour with AM/PM or
/// 上午/下午, `12时30分`, `24:00:00`, `HHMMSS` after a compact date, a serial's fraction) and an offset (`Z`, `+08:00`,
/// `+0800`, `GMT+8`); or seconds (10 digits) or milliseconds (13) since 1970. A date alone is its first moment in `zone`.
///
/// # Errors
/// As for dates; `Impossible` for a time of day that no clock shows; `Ambiguous` for a zone's abbreviation (`CST`).
pub fn timestamp(text: &str, zone: Tz, order: DateOrder) -> Result<Option<DateTime<Utc>>, IssueKind> {
    let Some(text) = prepare(text) else { return Ok(None) };
    if let Some(moment) = epoch(&text) {
        return moment.map(Some);
    }
    let (written, rest) = leading(&text, order, Years::Short)?;
    let clock = if rest.is_empty() { Clock::default() } else { clock(rest, written.serial)? };
    let time = NaiveTime::from_num_seconds_from_midnight_opt(clock.seconds % DAY, clock.nanos);
    let date = written.date.checked_add_days(Days::new((clock.seconds / DAY).into()));
    let local = date.zip(time).map(|(date, time)| date.and_time(time)).ok_or(IssueKind::Impossible)?;
    let moment = match clock.offset {
        Some(offset) => local.checked_sub_offset(offset).map(|utc| utc.and_utc()),
        None => in_zone(local, zone),
    };
    moment.map(Some).ok_or(IssueKind::OutOfRange)
}

const DAY: u32 = 86_400;

/// 2200-01-01, as dates end there too.
const END: i64 = 7_258_118_400;

fn epoch(text: &str) -> Option<Result<DateTime<Utc>, IssueKind>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.bytes().all(|b| b == b'0') || !matches!(whole.len(), 10 | 13) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    let moment = if whole.len() == 10 {
        DateTime::from_timestamp(number, nanos(fraction))
    } else {
        DateTime::from_timestamp_millis(number)
    };
    Some(moment.filter(|moment| moment.timestamp() < END).ok_or(IssueKind::OutOfRange))
}

fn in_zone(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(moment) => Some(moment.to_utc()),
        LocalResult::Ambiguous(one, other) => Some(one.min(other).to_utc()),
        LocalResult::None => {
            // By the offset that held the day before, the skipped time lands as far behind the gap as it lay in it.
            let before = zone.offset_from_utc_datetime(&local.checked_sub_days(Days::new(1))?).fix();
            Some(local.checked_sub_offset(before)?.and_utc())
        }
    }
}

/// A time of day. Seconds may reach a whole day and one more for `24:00:00` and a leap second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    seconds: u32,
    nanos: u32,
    offset: Option<FixedOffset>,
}

/// Reads all of what follows a date.
pub(super) fn clock(rest: &str, serial: bool) -> Result<Clock, IssueKind> {
    if serial {
        return day_fraction(rest);
    }
    let mut scan = Scan::new(rest);
    // A space or `T` must part the digits of day and hour, unless the date was compact.
    scan.take_while(|c| matches!(c, ' ' | 'T' | 't' | ','));
    if scan.eat("星期") || scan.eat("周") || scan.eat("礼拜") {
        scan.eat_any(&['一', '二', '三', '四', '五', '六', '日', '天']).ok_or(IssueKind::Unparsable)?;
        scan.blanks();
    } else if let Some((word, after)) = scan.rest.split_once(' ')
        && is_weekday(word)
    {
        scan.rest = after;
    }
    if scan.is_done() {
        return Ok(Clock::default());
    }
    let before = half(&mut scan);
    scan.blanks();
    let (hour, minute, second, nanos) = time(&mut scan)?;
    scan.blanks();
    let half = before.or_else(|| half(&mut scan));
    scan.blanks();
    let offset = offset(&mut scan)?;
    scan.blanks();
    if !scan.is_done() {
        // An abbreviation names several zones, or none that we know.
        let letters = scan.rest.len() >= 2 && scan.rest.bytes().all(|b| b.is_ascii_alphabetic());
        return Err(if letters { IssueKind::Ambiguous } else { IssueKind::Unparsable });
    }
    let hour = match (half, hour) {
        (None, Some((hour, true))) => hour,
        // A bare number is an hour only with its half of the day.
        (None, _) => return Err(IssueKind::Unparsable),
        (Some(Half::Morning), Some((hour @ 0..=11, _))) => hour,
        (Some(Half::Morning), Some((12, _))) => 0,
        (Some(Half::Evening), Some((hour @ 1..=11, _))) => hour + 12,
        (Some(Half::Evening), Some((hour @ 12..=23, _))) => hour,
        // 中午11点半 is before noon, 中午1点 after it.
        (Some(Half::Noon), Some((hour @ 10..=14, _))) => hour,
        (Some(Half::Noon), Some((hour @ 1..=2, _))) => hour + 12,
        (Some(Half::Night), Some((hour @ 5..=11, _))) => hour + 12,
        (Some(Half::Night), Some((hour @ 17..=23, _))) => hour,
        (Some(Half::Night), _) => return Err(IssueKind::Ambiguous),
        _ => return Err(IssueKind::Impossible),
    };
    let midnight = hour == 24 && minute == 0 && second == 0 && nanos == 0;
    if minute > 59 || second > 60 || (hour > 23 && !midnight) {
        return Err(IssueKind::Impossible);
    }
    Ok(Clock { seconds: hour * 3600 + minute * 60 + second, nanos, offset })
}

#[derive(Clone, Copy)]
enum Half {
    Morning,
    Noon,
    Evening,
    /// 晚上, which goes past midnight.
    Night,
}

fn half(scan: &mut Scan<'_>) -> Option<Half> {
    if scan.eat_word(&["上午", "早上", "凌晨", "清晨", "早晨", "a.m.", "am"]) {
        Some(Half::Morning)
    } else if scan.eat_word(&["下午", "傍晚", "p.m.", "pm"]) {
        Some(Half::Evening)
    } else if scan.eat("晚上") {
        Some(Half::Night)
    } else if scan.eat("中午") {
        Some(Half::Noon)
    } else {
        None
    }
}

/// Hour, and whether minutes followed it; minute, second and nanoseconds.
type Parts = (Option<(u32, bool)>, u32, u32, u32);

fn time(scan: &mut Scan<'_>) -> Result<Parts, IssueKind> {
    let digits = scan.digits();
    let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| pair.parse().ok()).ok_or(IssueKind::Unparsable);
    match digits.len() {
        4 => return Ok((Some((pair(0)?, true)), pair(2)?, 0, 0)),
        6 => return Ok((Some((pair(0)?, true)), pair(2)?, pair(4)?, fraction(scan))),
        9 => return Ok((Some((pair(0)?, true)), pair(2)?, pair(4)?, nanos(&digits[6..]))),
        1 | 2 => {}
        _ => return Err(IssueKind::Unparsable),
    }
    let hour = digits.parse().map_err(|_| IssueKind::Unparsable)?;
    let colon = scan.eat_any(&[':', '时', '点', '時', '點']);
    let minute = match colon {
        None => return Ok((Some((hour, false)), 0, 0, 0)),
        Some(':') => scan.number(2).ok_or(IssueKind::Unparsable)?,
        Some(_) if scan.eat("半") => 30,
        Some(_) => scan.number(2).unwrap_or(0),
    };
    if scan.eat_any(&[':', '分']).is_none() {
        return Ok((Some((hour, true)), minute, 0, 0));
    }
    let second = match (colon, scan.number(2)) {
        (_, Some(second)) => second,
        (Some(':'), None) => return Err(IssueKind::Unparsable),
        (_, None) => 0,
    };
    scan.eat("秒");
    Ok((Some((hour, true)), minute, second, fraction(scan)))
}

fn fraction(scan: &mut Scan<'_>) -> u32 {
    let after = scan.rest.strip_prefix(['.', ',']).filter(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    match after {
        Some(after) => {
            scan.rest = after;
            nanos(scan.digits())
        }
        None => 0,
    }
}

/// The first nine digits after the point; the rest is cut off.
fn nanos(digits: &str) -> u32 {
    (0..9).fold(0, |nanos, at| nanos * 10 + digits.as_bytes().get(at).map_or(0, |b| u32::from(b - b'0')))
}

fn offset(scan: &mut Scan<'_>) -> Result<Option<FixedOffset>, IssueKind> {
    let utc = scan.eat_word(&["utc", "gmt"]) || scan.eat_any(&['Z', 'z']).is_some();
    let sign = match scan.eat_any(&['+', '-', '−']) {
        Some('+') => 1,
        Some(_) => -1,
        None => return Ok(utc.then(|| Utc.fix())),
    };
    let digits = scan.digits();
    let (hours, minutes) = match digits.len() {
        1 | 2 if scan.eat(":") => (digits, scan.digits()),
        1 | 2 => (digits, "0"),
        4 => digits.split_at(2),
        _ => return Err(IssueKind::Unparsable),
    };
    let number = |part: &str| part.parse::<i32>().map_err(|_| IssueKind::Unparsable);
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    // JavaScript and java.time add the zone's name.
    scan.blanks();
    if scan.rest.starts_with(['(', '[']) && scan.rest.ends_with([')', ']']) {
        scan.rest = "";
    }
    if hours > 15 || minutes > 59 {
        return Err(IssueKind::Impossible);
    }
    Ok(FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60)))
}

/// `.5` of a serial is noon; rounded to the second, which is what a spreadsheet's double holds.
fn day_fraction(rest: &str) -> Result<Clock, IssueKind> {
    let digits = rest.strip_prefix('.').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let part = u64::from(nanos(digits.ok_or(IssueKind::Unparsable)?));
    let seconds = (part * u64::from(DAY) + 500_000_000) / 1_000_000_000;
    Ok(Clock { seconds: u32::try_from(seconds).unwrap_or(DAY), ..Clock::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use DateOrder::*;
    use IssueKind::*;
    use chrono_tz::{America::New_York, Asia::Shanghai, Pacific::Apia};

    fn utc(text: &str, zone: Tz, order: DateOrder) -> Result<String, IssueKind> {
        timestamp(text, zone, order)
            .map(|moment| moment.map_or("-".into(), |moment| moment.format("%FT%T%.fZ").to_string()))
    }

    #[test]
    fn local_forms_are_read_in_the_zone() {
        for (text, expected) in [
            ("2025-01-15 10:30:00", "2025-01-15T02:30:00Z"),
            ("2025-01-15 10:30", "2025-01-15T02:30:00Z"),
            ("2025-01-15T10:30:00", "2025-01-15T02:30:00Z"),
            ("2025/1/15 9:05", "2025-01-15T01:05:00Z"),
            ("2025-01-15 10:30:00.123", "2025-01-15T02:30:00.123Z"),
            ("2025-01-15 10:30:00,5", "2025-01-15T02:30:00.500Z"),
            ("2025年1月15日 10时30分15秒", "2025-01-15T02:30:15Z"),
            ("2025年1月15日10:30", "2025-01-15T02:30:00Z"),
            ("2025年1月15日 10点半", "2025-01-15T02:30:00Z"),
            ("2025-01-15 上午10:30", "2025-01-15T02:30:00Z"),
            ("2025-01-15 下午 3:05:06", "2025-01-15T07:05:06Z"),
            ("2025-01-15 下午15:05", "2025-01-15T07:05:00Z"),
            ("2025-01-15 晚上8:05", "2025-01-15T12:05:00Z"),
            ("2025-01-15 中午12:05", "2025-01-15T04:05:00Z"),
            ("2025-01-15 星期三 10:30", "2025-01-15T02:30:00Z"),
            ("2025/1/15 3:05:06 PM", "2025-01-15T07:05:06Z"),
            ("2025/1/15 12:05 AM", "2025-01-14T16:05:00Z"),
            ("2025/1/15 12:05 p.m.", "2025-01-15T04:05:00Z"),
            ("2025/1/15 3PM", "2025-01-15T07:00:00Z"),
            ("Jan 15, 2025, 3:05 PM", "2025-01-15T07:05:00Z"),
            ("Wed, 15 Jan 2025 10:30:00", "2025-01-15T02:30:00Z"),
            ("20250115103000", "2025-01-15T02:30:00Z"),
            ("202501151030", "2025-01-15T02:30:00Z"),
            ("20250115103000123", "2025-01-15T02:30:00.123Z"),
            ("20250115T103000", "2025-01-15T02:30:00Z"),
            ("20250115 10:30:00", "2025-01-15T02:30:00Z"),
            ("2025-01-15 24:00:00", "2025-01-15T16:00:00Z"),
            ("2025-01-15", "2025-01-14T16:00:00Z"),
            ("20250115", "2025-01-14T16:00:00Z"),
            ("2025-01-15 00:00:00", "2025-01-14T16:00:00Z"),
            ("45658", "2024-12-31T16:00:00Z"),
            ("45658.5", "2025-01-01T04:00:00Z"),
            ("45658.520833333336", "2025-01-01T04:30:00Z"),
            ("45658.99999999999", "2025-01-01T16:00:00Z"),
            ("２０２５－０１－１５　１０：３０", "2025-01-15T02:30:00Z"),
        ] {
            assert_eq!(utc(text, Shanghai, Ymd).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(utc("12/27/18 3:05 PM", New_York, Mdy).as_deref(), Ok("2018-12-27T20:05:00Z"));
        assert_eq!(utc("12/27/2018 15:05:09", New_York, Mdy).as_deref(), Ok("2018-12-27T20:05:09Z"));
    }

    #[test]
    fn an_offset_or_an_epoch_needs_no_zone() {
        for (text, expected) in [
            ("2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z"),
            ("2025-01-15T10:30:00.000Z", "2025-01-15T10:30:00Z"),
            ("2025-01-15T10:30:00+08:00", "2025-01-15T02:30:00Z"),
            ("2025-01-15T10:30:00+0800", "2025-01-15T02:30:00Z"),
            ("2025-01-15 10:30:00 +08", "2025-01-15T02:30:00Z"),
            ("2025-01-15 10:30:00-05:00", "2025-01-15T15:30:00Z"),
            ("2025-01-15 10:30:00 UTC", "2025-01-15T10:30:00Z"),
            ("2025-01-15 10:30:00 GMT+8", "2025-01-15T02:30:00Z"),
            ("Wed Jan 15 2025 10:30:00 GMT+0800 (中国标准时间)", "2025-01-15T02:30:00Z"),
            ("2025-01-15T10:30:00+08:00[Asia/Shanghai]", "2025-01-15T02:30:00Z"),
            ("20250115T103000Z", "2025-01-15T10:30:00Z"),
            ("1736937000", "2025-01-15T10:30:00Z"),
            ("1736937000000", "2025-01-15T10:30:00Z"),
            ("1736937000123", "2025-01-15T10:30:00.123Z"),
            ("1736937000.5", "2025-01-15T10:30:00.500Z"),
            ("1736937000000.0", "2025-01-15T10:30:00Z"),
        ] {
            assert_eq!(utc(text, New_York, Ymd).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn clock_changes_lose_nothing() {
        for (text, zone, expected) in [
            // Spring forward at 02:00: 02:30 becomes 03:30 EDT.
            ("2025-03-09 02:30", New_York, "2025-03-09T07:30:00Z"),
            ("2025-03-09 01:59", New_York, "2025-03-09T06:59:00Z"),
            ("2025-03-09 03:00", New_York, "2025-03-09T07:00:00Z"),
            // Fall back: 01:30 happens twice, the first is EDT.
            ("2025-11-02 01:30", New_York, "2025-11-02T05:30:00Z"),
            // China had summer time from 1986 to 1991.
            ("1988-07-01 12:00", Shanghai, "1988-07-01T03:00:00Z"),
            // Samoa skipped a whole day.
            ("2011-12-30 12:00", Apia, "2011-12-30T22:00:00Z"),
        ] {
            assert_eq!(utc(text, zone, Ymd).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused_by_kind() {
        for (text, kind) in [
            ("2025-02-30 10:00", Impossible),
            ("2025-01-15 25:00", Impossible),
            ("2025-01-15 24:00:01", Impossible),
            ("2025-01-15 10:61", Impossible),
            ("2025-01-15 13:00 AM", Impossible),
            ("2025-01-15 10:30 CST", Ambiguous),
            ("2025-01-15 10", Unparsable),
            ("2025-01-15 10:", Unparsable),
            ("2025-01-15 10:30:00 x", Unparsable),
            ("10:30", Unparsable),
            ("1970-01-01 08:00:00", Placeholder),
            ("0000-00-00 00:00:00", Placeholder),
            ("0000000000", Placeholder),
            ("9999999999999", OutOfRange),
            ("2025-01-15 晚上12:00", Ambiguous),
            ("1.73694E+12", ScientificNotation),
            ("03-07", Ambiguous),
            ("0", Placeholder),
        ] {
            assert_eq!(timestamp(text, Shanghai, Ymd), Err(kind), "{text}");
        }
        assert_eq!(timestamp(" - ", Shanghai, Ymd), Ok(None));
    }
}
