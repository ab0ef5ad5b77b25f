//! Calendar dates.
//!
//! The order of `07/03/1990` is the source's, told by its mapping and never guessed from one value; a value that
//! contradicts it is refused, because its neighbours were then read wrongly in silence.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::IssueKind;
use super::fold::{is_scientific, prepare};
use super::scan::Scan;
use super::timestamp::clock;

pub const VERSION: u32 = 1;

/// How a date whose year does not come first with four digits is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DateOrder {
    /// Two-digit years come first; `07/03/1990` is read only where one number exceeds 12.
    Ymd,
    Mdy,
    Dmy,
}

/// A date, of which a time of day may follow (and must be well formed) and is dropped; an offset does not move it.
///
/// Also taken: `19900307`, spreadsheet serials from 10000 (1927-05-18) to 60000 in the 1900 system, and two-digit
/// years, as POSIX reads them (69–99 are 19xx).
///
/// # Errors
/// `Impossible` (30 February, or against `order`); `Placeholder` (1900-01-01, 1970-01-01, 0001-01-01, 9999-12-31,
/// zeros); `OutOfRange` (before 1800 or after 2199); `Ambiguous` (parts missing, or order unknown);
/// `ScientificNotation`; `Unparsable`.
pub fn date(text: &str, order: DateOrder) -> Result<Option<NaiveDate>, IssueKind> {
    whole(text, order, Years::Short)
}

/// A date of birth: as [`date`], but neither two-digit years nor serials, which are `Ambiguous`, and not after `today`
/// or more than 120 years before it, which is `OutOfRange`.
pub fn birthday(text: &str, order: DateOrder, today: NaiveDate) -> Result<Option<NaiveDate>, IssueKind> {
    let Some(born) = whole(text, order, Years::Full)? else { return Ok(None) };
    let oldest = today.checked_sub_months(Months::new(120 * 12)).unwrap_or(NaiveDate::MIN);
    if born > today || born < oldest { Err(IssueKind::OutOfRange) } else { Ok(Some(born)) }
}

fn whole(text: &str, order: DateOrder, years: Years) -> Result<Option<NaiveDate>, IssueKind> {
    let Some(text) = prepare(text) else { return Ok(None) };
    let (written, rest) = leading(&text, order, years)?;
    if !rest.is_empty() {
        clock(rest, written.serial)?;
    }
    Ok(Some(written.date))
}

/// Whether a year may be told by two digits, or by a spreadsheet's day number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Years {
    Full,
    Short,
}

pub(super) struct Written {
    pub date: NaiveDate,
    /// A spreadsheet's day number; what follows is a fraction of the day.
    pub serial: bool,
}

#[derive(Clone, Copy)]
enum Field {
    /// A number and how many digits it was written with.
    Number(u32, usize),
    Month(u32),
}

/// Reads the date at the head of a prepared text, and gives back what follows it.
pub(super) fn leading(text: &str, order: DateOrder, years: Years) -> Result<(Written, &str), IssueKind> {
    if is_scientific(text) {
        return Err(IssueKind::ScientificNotation);
    }
    if text.bytes().all(|b| b == b'0') {
        return Err(IssueKind::Placeholder);
    }
    let mut scan = Scan::new(text);
    if text.bytes().take(5).all(|b| b.is_ascii_digit()) && text.len() >= 5 {
        return compact(text, years);
    }
    if ["农历", "阴历", "農曆", "陰曆", "闰"].iter().any(|lunar| text.starts_with(lunar)) {
        return Err(IssueKind::Ambiguous);
    }
    if let Some((word, rest)) = text.split_once([' ', ','])
        && is_weekday(word)
    {
        scan.rest = rest.trim_start();
    }
    let mut fields = [Field::Number(0, 0); 3];
    let mut separators = ['\0'; 2];
    let mut count = 0;
    while count < 3 {
        let Some(field) = field(&mut scan) else { break };
        fields[count] = field;
        count += 1;
        if count < 3 {
            let Some(found) = separator(&mut scan) else { break };
            separators[count - 1] = found;
        }
    }
    if count < 3 {
        // `03-07`, `1990`, `1990-03`, `3月7日`; and not any text with a number at its head.
        let plausible = match fields[..count] {
            [Field::Number(_, digits)] => digits == 4,
            [Field::Number(_, a), Field::Number(_, b)] => a != 3 && b != 3,
            [_, _] => true,
            _ => false,
        };
        let short = scan.is_done() && plausible;
        return Err(if short { IssueKind::Ambiguous } else { IssueKind::Unparsable });
    }
    if scan.rest.trim_start().starts_with(['日', '号', '號']) {
        scan.blanks();
        scan.eat_any(&['日', '号', '號']);
    }
    let named = fields.iter().any(|field| matches!(field, Field::Month(_)));
    if !named && separators[0] != separators[1] && separators != ['年', '月'] {
        return Err(IssueKind::Unparsable);
    }
    let (year, month, day) = arrange(fields, order)?;
    let year = match year {
        (year, 4) => year,
        _ if years == Years::Full => return Err(IssueKind::Ambiguous),
        (year, _) if year >= 69 => 1900 + year,
        (year, _) => 2000 + year,
    };
    let date = build(year, month, day)?;
    Ok((Written { date, serial: false }, scan.rest))
}

fn field(scan: &mut Scan<'_>) -> Option<Field> {
    if let Some(number) = scan.peek().filter(char::is_ascii_digit).and_then(|_| {
        let digits = scan.digits();
        (digits.len() <= 4).then_some(digits)
    }) {
        let field = Field::Number(number.parse().ok()?, number.len());
        scan.eat_word(&["st", "nd", "rd", "th"]);
        return Some(field);
    }
    let word = scan.take_while(|c| c.is_ascii_alphabetic());
    month(word).map(Field::Month)
}

/// Takes what stands between two parts of a date and names it: its one sign, or a blank.
fn separator(scan: &mut Scan<'_>) -> Option<char> {
    let blank = scan.rest.starts_with(' ');
    scan.blanks();
    let found = scan.eat_any(&['-', '/', '.', '年', '月', ',', '日', '号']);
    scan.blanks();
    match found {
        Some(found) => Some(found),
        None if blank => Some(' '),
        // `07Mar1990`
        None if scan.peek().is_some_and(|c| c.is_ascii_alphanumeric()) => Some(' '),
        None => None,
    }
}

type Year = (u32, usize);

/// Which field is what: year with its digits, month, day.
fn arrange(fields: [Field; 3], order: DateOrder) -> Result<(Year, u32, u32), IssueKind> {
    use Field::{Month, Number};
    match fields {
        [Number(year, 4), Number(month, 1 | 2), Number(day, 1 | 2)]
        | [Number(year, 4), Month(month), Number(day, 1 | 2)] => Ok(((year, 4), month, day)),
        [Month(month), Number(day, 1 | 2), Number(year, digits @ (2 | 4))]
        | [Number(day, 1 | 2), Month(month), Number(year, digits @ (2 | 4))] => Ok(((year, digits), month, day)),
        [Number(a, 1 | 2), Number(b, 1 | 2), Number(c, digits @ (2 | 4))] => match order {
            DateOrder::Mdy => Ok(((c, digits), a, b)),
            DateOrder::Dmy => Ok(((c, digits), b, a)),
            DateOrder::Ymd if digits == 2 => Ok(((a, 2), b, c)),
            DateOrder::Ymd if a > 12 && b <= 12 => Ok(((c, 4), b, a)),
            DateOrder::Ymd if b > 12 && a <= 12 => Ok(((c, 4), a, b)),
            DateOrder::Ymd => Err(IssueKind::Ambiguous),
        },
        // `90/3/7`: only the year has surely two digits.
        [Number(a, 2), Number(b, 1 | 2), Number(c, 1)] if order == DateOrder::Ymd => Ok(((a, 2), b, c)),
        _ => Err(IssueKind::Unparsable),
    }
}

/// Digits only: `19900307` (and a time after it), a serial, or one of the forms that say too little.
fn compact(text: &str, years: Years) -> Result<(Written, &str), IssueKind> {
    let mut scan = Scan::new(text);
    let digits = scan.digits();
    let number = |from: usize, to: usize| digits[from..to].parse::<u32>().map_err(|_| IssueKind::Unparsable);
    match digits.len() {
        5 if scan.is_done() || scan.rest.starts_with('.') => {
            if years == Years::Full {
                return Err(IssueKind::Ambiguous);
            }
            let serial = number(0, 5)?;
            let date =
                NaiveDate::from_ymd_opt(1899, 12, 30).and_then(|day| day.checked_add_days(Days::new(serial.into())));
            match date {
                Some(date) if (10_000..=60_000).contains(&serial) => Ok((Written { date, serial: true }, scan.rest)),
                _ => Err(IssueKind::OutOfRange),
            }
        }
        6 => Err(IssueKind::Ambiguous),
        8 | 12 | 14 | 17 => {
            let date = build(number(0, 4)?, number(4, 6)?, number(6, 8)?)?;
            Ok((Written { date, serial: false }, &text[8..]))
        }
        // Seconds or milliseconds since 1970: a moment, whose day depends on the zone.
        10 | 13 => Err(IssueKind::Ambiguous),
        _ => Err(IssueKind::Unparsable),
    }
}

fn build(year: u32, month: u32, day: u32) -> Result<NaiveDate, IssueKind> {
    match (year, month, day) {
        (0, 0, 0) | (1, 1, 1) | (1900, 1, 1) | (1970, 1, 1) | (9999, 12, 31) | (1899, 12, 30 | 31) => {
            return Err(IssueKind::Placeholder);
        }
        _ => {}
    }
    let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
    let date = date.ok_or(IssueKind::Impossible)?;
    if (1800..2200).contains(&date.year()) { Ok(date) } else { Err(IssueKind::OutOfRange) }
}

/// An English month's name or its first three letters or more.
fn month(word: &str) -> Option<u32> {
    #[rustfmt::skip]
    const MONTHS: [&str; 12] = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
        "november", "december",
    ];
    let at = MONTHS.iter().position(|name| abbreviates(word, name))?;
    u32::try_from(at + 1).ok()
}

pub(super) fn is_weekday(word: &str) -> bool {
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        .iter()
        .any(|name| abbreviates(word.trim_end_matches([',', '.']), name))
}

fn abbreviates(word: &str, name: &str) -> bool {
    word.len() >= 3 && name.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use DateOrder::*;
    use IssueKind::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn written_forms_of_one_day() {
        let expected = day(1990, 3, 7);
        for text in [
            "1990-03-07",
            "1990-3-7",
            "1990/3/7",
            "1990/03/07",
            "1990.3.7",
            "1990.03.07",
            "19900307",
            "1990年3月7日",
            "1990年03月07号",
            "1990 年 3 月 7 日",
            "１９９０－０３－０７",
            "1990-03-07T00:00:00",
            "1990-03-07 00:00:00",
            "1990-03-07T00:00:00.000Z",
            "1990-03-07 12:30",
            "1990/3/7 0:00",
            "Mar 7, 1990",
            "March 7, 1990",
            "mar 7 1990",
            "7 Mar 1990",
            "7th March 1990",
            "07-Mar-1990",
            "07Mar1990",
            "1990-Mar-07",
            "Wed, 07 Mar 1990",
            "Wednesday, March 7, 1990",
            "'1990-03-07",
            " 1990-03-07 ",
            "19900307 103000",
            "19900307103000",
            "1990年3月7",
            "1990年3月7日 星期三",
            "1990-03-07 00:00:00.0",
            "1990-03-07T16:00:00+08:00",
            "Mar. 7, 1990",
        ] {
            assert_eq!(date(text, Ymd), Ok(Some(expected)), "{text}");
            assert_eq!(birthday(text, Mdy, day(2026, 11, 22)), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn slashes_follow_the_order_they_were_given() {
        for (text, order, expected) in [
            ("07/03/1990", Dmy, Ok(day(1990, 3, 7))),
            ("07/03/1990", Mdy, Ok(day(1990, 7, 3))),
            ("07/03/1990", Ymd, Err(Ambiguous)),
            ("27/03/1990", Ymd, Ok(day(1990, 3, 27))),
            ("03/27/1990", Ymd, Ok(day(1990, 3, 27))),
            ("12/27/2018", Mdy, Ok(day(2018, 12, 27))),
            ("27/12/2018", Mdy, Err(Impossible)),
            ("7.3.1990", Dmy, Ok(day(1990, 3, 7))),
            ("07-03-90", Dmy, Ok(day(1990, 3, 7))),
            ("12/27/18", Mdy, Ok(day(2018, 12, 27))),
            ("90-03-07", Ymd, Ok(day(1990, 3, 7))),
            ("90/3/7", Ymd, Ok(day(1990, 3, 7))),
            ("26-11-22", Ymd, Ok(day(2026, 11, 22))),
            ("7-Mar-68", Ymd, Ok(day(2068, 3, 7))),
        ] {
            assert_eq!(date(text, order), expected.map(Some), "{text} {order:?}");
        }
    }

    #[test]
    fn serials_are_days_of_the_1900_system() {
        assert_eq!(date("45658", Ymd), Ok(Some(day(2025, 1, 1))));
        assert_eq!(date("45658.0", Ymd), Ok(Some(day(2025, 1, 1))));
        assert_eq!(date("33000", Ymd), Ok(Some(day(1990, 5, 7))));
        assert_eq!(date("10000", Ymd), Ok(Some(day(1927, 5, 18))));
        assert_eq!(date("99999", Ymd), Err(OutOfRange));
        assert_eq!(birthday("33000", Ymd, day(2026, 11, 22)), Err(Ambiguous));
    }

    #[test]
    fn what_is_no_date_is_refused_by_kind() {
        for (text, kind) in [
            ("1990-02-30", Impossible),
            ("1990-13-01", Impossible),
            ("1990-00-00", Impossible),
            ("19901301", Impossible),
            ("1900-02-29", Impossible),
            ("1900-01-01", Placeholder),
            ("1970-01-01", Placeholder),
            ("1970-01-01 00:00:00", Placeholder),
            ("0001-01-01", Placeholder),
            ("0", Placeholder),
            ("00000000", Placeholder),
            ("0000-00-00", Placeholder),
            ("0000-00-00 00:00:00", Placeholder),
            ("9999-12-31", Placeholder),
            ("19000101", Placeholder),
            ("1700-05-05", OutOfRange),
            ("2562-05-05", OutOfRange),
            ("03-07", Ambiguous),
            ("3月7日", Ambiguous),
            ("1990", Ambiguous),
            ("1990-03", Ambiguous),
            ("1990年3月", Ambiguous),
            ("Mar 1990", Ambiguous),
            ("199003", Ambiguous),
            ("农历三月初七", Ambiguous),
            ("1704067200", Ambiguous),
            ("4.5E+4", ScientificNotation),
            ("1990-03/07", Unparsable),
            ("1990-03-07x", Unparsable),
            ("1990-03-07 25:00", Impossible),
            ("1990-03-071", Unparsable),
            ("yesterday", Unparsable),
            ("张三", Unparsable),
            ("1/2/3", Unparsable),
            ("123-45-6789", Unparsable),
            ("12:30", Unparsable),
            ("7", Unparsable),
        ] {
            assert_eq!(date(text, Ymd), Err(kind), "{text}");
        }
        for text in ["", "-", "NULL", "无"] {
            assert_eq!(date(text, Ymd), Ok(None), "{text}");
        }
    }

    #[test]
    fn birthdays_must_be_believable() {
        let today = day(2026, 11, 22);
        for (text, expected) in [
            ("2026-11-22", Ok(Some(today))),
            ("2026-11-23", Err(OutOfRange)),
            ("1906-11-22", Ok(Some(day(1906, 11, 22)))),
            ("1906-11-21", Err(OutOfRange)),
            ("90-03-07", Err(Ambiguous)),
            ("07/03/90", Err(Ambiguous)),
            ("7-Mar-90", Err(Ambiguous)),
            ("1990-02-30", Err(Impossible)),
            ("1900-01-01", Err(Placeholder)),
            ("", Ok(None)),
        ] {
            assert_eq!(birthday(text, Ymd, today), expected, "{text}");
        }
    }
}
