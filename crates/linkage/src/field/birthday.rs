//! Dates of birth, part by part: a date that no calendar has still tells its year.

use super::{DIFFERENT, NEAR};

/// Year, month and day; 0 where a part is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Birthday {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// Reads `1986-09-16`, `19860916`, `1986-09`, `16/09/1986`; parts that are out of range stay as written.
pub(crate) fn parse(text: &str) -> Option<Birthday> {
    let mut groups = [(0u32, 0usize); 3];
    let mut found = 0;
    for part in text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()) {
        *groups.get_mut(found)? = (part.parse().ok()?, part.len());
        found += 1;
        if found == 3 {
            break;
        }
    }
    let small = |n: u32| n.min(255) as u8;
    let birthday = match (found, groups) {
        (1, [(n, 8), ..]) => Birthday { year: (n / 10000) as u16, month: small(n / 100 % 100), day: small(n % 100) },
        (1, [(n, 6), ..]) => Birthday { year: (n / 100) as u16, month: small(n % 100), day: 0 },
        (1, [(n, 4), ..]) => Birthday { year: n as u16, month: 0, day: 0 },
        (2, [(y, 4), (m, _), _]) => Birthday { year: y as u16, month: small(m), day: 0 },
        (3, [(y, 4), (m, _), (d, _)]) => Birthday { year: y as u16, month: small(m), day: small(d) },
        (3, [(d, _), (m, _), (y, 4)]) => Birthday { year: y as u16, month: small(m), day: small(d) },
        _ => return None,
    };
    Some(birthday).filter(|b| *b != Birthday::default())
}

pub(crate) fn compare(a: Birthday, b: Birthday) -> u8 {
    let partial = [a, b].iter().any(|date| date.year == 0 || date.month == 0 || date.day == 0);
    let (year, month, day) = (a.year == b.year, a.month == b.month, a.day == b.day);
    if partial {
        let known = |x: u16, y: u16| x != 0 && y != 0;
        let year_known = known(a.year, b.year);
        let month_known = known(a.month.into(), b.month.into());
        let clash = (year_known && !year) || (month_known && !month) || (known(a.day.into(), b.day.into()) && !day);
        return match (clash, year_known, month_known) {
            (false, true, true) => NEAR + 2,
            (false, true, false) => NEAR + 3,
            _ => DIFFERENT,
        };
    }
    if year && a.month == b.day && a.day == b.month {
        return NEAR;
    }
    if digits_apart(a, b) == 1 {
        return NEAR + 1;
    }
    // A part that stands in the other's place counts: what was swapped may have been mended on the way.
    let crossed = a.month == b.day || a.day == b.month;
    if (year && (month || day || crossed)) || (month && day) {
        return NEAR + 2;
    }
    if year { NEAR + 3 } else { DIFFERENT }
}

fn digits_apart(a: Birthday, b: Birthday) -> u32 {
    let number = |d: Birthday| u32::from(d.year) * 10000 + u32::from(d.month) * 100 + u32::from(d.day);
    let (mut x, mut y, mut apart) = (number(a), number(b), 0);
    while x != y {
        apart += u32::from(x % 10 != y % 10);
        (x, y) = (x / 10, y / 10);
    }
    apart
}
