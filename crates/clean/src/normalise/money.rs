//! Sums of money and quantities, as scaled integers; a float never comes in between.
//!
//! Which sign is the decimal one:
//! - both `.` and `,` stand there: the later one, once; the earlier parts groups (`1,149.00`, `1.149,00`);
//! - only `.`: once it is the decimal sign (`1.149` is one and a bit, in every locale), more often it parts groups;
//! - only `,`: once with exactly three digits after it and one to three before, not a lone `0`, it parts groups
//!   (`1,149`); once with one or two after it, it is the decimal sign (`8,50`), as after a lone `0`; once with more it
//!   is `Ambiguous`; more often it parts groups;
//! - a blank or an apostrophe parts groups (`1 149,00`, `1'149.00`).
//!
//! The last group has three digits and the others two or three (`1,00,000`).

use super::IssueKind;
use super::fold::{is_scientific, prepare};

pub const VERSION: u32 = 1;

/// Decimal places of [`money`].
pub const MONEY_SCALE: u32 = 4;
/// Decimal places of [`quantity`].
pub const QUANTITY_SCALE: u32 = 3;
/// Digits before the decimal sign that both columns have room for.
const INTEGER_DIGITS: u32 = 15;

/// Currency signs and names, longest first where one begins another; any case.
#[rustfmt::skip]
const CURRENCIES: [&str; 38] = [
    "人民币", "RMB", "CNY", "CNH", "USD", "EUR", "GBP", "JPY", "HKD", "TWD", "MOP", "AUD", "CAD", "SGD",
    "KRW", "CHF", "THB", "MYR", "INR", "VND", "US$", "HK$", "NT$", "AU$", "CA$", "A$", "C$", "S$", "R$", "$",
    "¥", "€", "£", "₩", "₹", "₽", "฿", "₫",
];

/// Names of the unit after the number.
const UNITS: [&str; 6] = ["元整", "元", "圆", "圓", "円", "块"];

/// Measure words after a count.
const MEASURES: [&str; 24] = [
    "件", "个", "個", "只", "双", "套", "盒", "瓶", "条", "支", "台", "张", "本", "包", "袋", "箱", "罐", "份", "杯",
    "款", "pcs", "pc", "units", "unit",
];

/// A sum, scaled by 10⁴ ([`MONEY_SCALE`]): `'¥1,149.00'` is `11_490_000`. A currency's sign or code, `元`, `万` and `亿`,
/// an accountant's brackets and a trailing minus are understood; which currency it is, the mapping knows.
///
/// # Errors
/// `OutOfRange` (more than 15 digits before the decimal sign); `TooPrecise` (non-zero digits beyond the scale);
/// `ScientificNotation`; `Ambiguous` (`1,2345`); `Unparsable`.
pub fn money(text: &str) -> Result<Option<i128>, IssueKind> {
    if let Some(plain) = plain(text, MONEY_SCALE) {
        return Ok(Some(plain));
    }
    let Some(text) = prepare(text) else { return Ok(None) };
    number(&text, MONEY_SCALE, &CURRENCIES, &UNITS)
}

/// A quantity, scaled by 10³ ([`QUANTITY_SCALE`]): `'-1.0'` is `-1_000`. As [`money`], but with a measure word (`2件`)
/// instead of a currency.
///
/// # Errors
/// As [`money`].
pub fn quantity(text: &str) -> Result<Option<i128>, IssueKind> {
    if let Some(plain) = plain(text, QUANTITY_SCALE) {
        return Ok(Some(plain));
    }
    let Some(text) = prepare(text) else { return Ok(None) };
    number(&text, QUANTITY_SCALE, &[], &MEASURES)
}

/// `-12.50` and the like without a detour; `None` for everything else.
fn plain(text: &str, scale: u32) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let bytes = digits.as_bytes();
    if bytes.len() > 15 || !bytes.first()?.is_ascii_digit() {
        return None;
    }
    let mut value: i64 = 0;
    let mut places: Option<u32> = None;
    for b in bytes {
        match (b, &mut places) {
            (b'0'..=b'9', places) => {
                value = value * 10 + i64::from(b - b'0');
                if let Some(places) = places {
                    *places += 1;
                }
            }
            (b'.', None) => places = Some(0),
            _ => return None,
        }
    }
    let places = places.unwrap_or(0);
    let value = i128::from(value) * 10_i128.pow(scale.checked_sub(places)?);
    Some(if negative { -value } else { value })
}

fn number(text: &str, scale: u32, before: &[&str], after: &[&str]) -> Result<Option<i128>, IssueKind> {
    let mut rest = text;
    let mut negative = false;
    let mut signed = false;
    let mut sign = |minus: bool| {
        negative |= minus;
        if std::mem::replace(&mut signed, true) { Err(IssueKind::Unparsable) } else { Ok(()) }
    };
    if let Some(inner) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        sign(true)?;
        rest = inner.trim();
    }
    let mut currency = false;
    loop {
        if let Some(next) = rest.strip_prefix(['-', '−', '–']) {
            // An accountant's zero: `¥ -`
            if next.trim().is_empty() && currency {
                return Ok(None);
            }
            sign(true)?;
            rest = next;
        } else if let Some(next) = rest.strip_prefix('+') {
            sign(false)?;
            rest = next;
        } else if let Some(next) = before.iter().filter(|_| !currency).find_map(|name| strip(rest, name)) {
            currency = true;
            rest = next;
        } else if let Some(next) = rest.strip_prefix(' ') {
            rest = next;
        } else {
            break;
        }
    }
    let mut shift = 0;
    let mut unit = false;
    loop {
        if let Some(next) = rest.strip_suffix(['-', '−']) {
            if next.is_empty() {
                return Err(IssueKind::Unparsable);
            }
            sign(true)?;
            rest = next;
        } else if let Some(next) = after.iter().filter(|_| !unit).find_map(|name| strip_end(rest, name)) {
            unit = true;
            rest = next;
        } else if let Some(next) = before.iter().filter(|_| !currency).find_map(|name| strip_end(rest, name)) {
            currency = true;
            rest = next;
        } else if let Some(next) = rest.strip_suffix(['万', '萬']).filter(|_| shift == 0) {
            shift = 4;
            rest = next;
        } else if let Some(next) = rest.strip_suffix(['亿', '億']).filter(|_| shift == 0) {
            shift = 8;
            rest = next;
        } else if let Some(next) = rest.strip_suffix(' ') {
            rest = next;
        } else {
            break;
        }
    }
    if is_scientific(rest) {
        return Err(IssueKind::ScientificNotation);
    }
    let (whole, fraction) = divide(rest)?;
    let value = scaled(whole, fraction, shift, scale)?;
    Ok(Some(if negative { -value } else { value }))
}

fn strip<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.get(..name.len())?;
    head.eq_ignore_ascii_case(name).then(|| &text[name.len()..])
}

fn strip_end<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(name.len())?;
    text.get(at..)?.eq_ignore_ascii_case(name).then(|| &text[..at])
}

/// The digits before (groups still parted) and after the decimal sign.
fn divide(body: &str) -> Result<(&str, &str), IssueKind> {
    let dots = body.bytes().filter(|b| *b == b'.').count();
    let commas = body.bytes().filter(|b| *b == b',').count();
    let decimal = match (body.rfind('.'), body.rfind(',')) {
        (Some(dot), Some(comma)) if dot > comma && dots == 1 => Some(dot),
        (Some(dot), Some(comma)) if comma > dot && commas == 1 => Some(comma),
        (Some(_), Some(_)) => return Err(IssueKind::Unparsable),
        (Some(dot), None) if dots == 1 => Some(dot),
        (None, Some(comma)) if commas == 1 => {
            let lead = &body[..comma];
            match body.len() - comma - 1 {
                3 if lead != "0" && (1..=3).contains(&lead.len()) => None,
                // `1 149,500`: blanks part the groups, so the comma cannot.
                1 | 2 => Some(comma),
                _ if lead == "0" || lead.contains([' ', '\'', '’']) => Some(comma),
                _ => return Err(IssueKind::Ambiguous),
            }
        }
        _ => None,
    };
    let (whole, fraction) = match decimal {
        Some(at) => (&body[..at], &body[at + 1..]),
        None => (body, ""),
    };
    let empty = whole.is_empty() && fraction.is_empty();
    if empty || !fraction.bytes().all(|b| b.is_ascii_digit()) || !is_grouped(whole) {
        return Err(IssueKind::Unparsable);
    }
    Ok((whole, fraction))
}

/// Digits, or digits in groups parted by one and the same sign.
fn is_grouped(whole: &str) -> bool {
    let Some(sign) = whole.chars().find(|c| !c.is_ascii_digit()) else { return true };
    if !matches!(sign, ',' | '.' | ' ' | '\'' | '’') {
        return false;
    }
    let mut groups = whole.split(sign).peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let sizes = if std::mem::replace(&mut first, false) {
            1..=3
        } else if groups.peek().is_none() {
            3..=3
        } else {
            2..=3
        };
        if !sizes.contains(&group.len()) || !group.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
    }
    true
}

fn scaled(whole: &str, fraction: &str, shift: u32, scale: u32) -> Result<i128, IssueKind> {
    let fraction = fraction.trim_end_matches('0');
    let missing = (scale + shift) as usize;
    let missing = missing.checked_sub(fraction.len()).and_then(|missing| u32::try_from(missing).ok());
    let missing = missing.ok_or(IssueKind::TooPrecise)?;
    let limit = 10_i128.pow(INTEGER_DIGITS);
    let mut value: i128 = 0;
    for b in whole.bytes().filter(u8::is_ascii_digit) {
        value = value * 10 + i128::from(b - b'0');
        if value >= limit {
            return Err(IssueKind::OutOfRange);
        }
    }
    for b in fraction.bytes() {
        value = value * 10 + i128::from(b - b'0');
    }
    // At most 15 + 4 + 8 digits: far from the end of i128.
    value *= 10_i128.pow(missing);
    if value >= limit * 10_i128.pow(scale) { Err(IssueKind::OutOfRange) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IssueKind::*;

    #[test]
    fn sums_in_many_hands() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("8", 80_000),
            ("8.00", 80_000),
            ("-7.5", -75_000),
            ("+7.5", 75_000),
            ("0.0001", 1),
            (".5", 5_000),
            ("5.", 50_000),
            ("1,149.00", 11_490_000),
            ("¥1,149.00", 11_490_000),
            ("￥1,149.00", 11_490_000),
            ("￥ 1,149.00 ", 11_490_000),
            ("$8.00", 80_000),
            ("-$7.00", -70_000),
            ("$-7.00", -70_000),
            ("($33.62)", -336_200),
            ("$1,149.00 ", 11_490_000),
            ("($1,149.00)", -11_490_000),
            ("33.62-", -336_200),
            ("1.149,00", 11_490_000),
            ("1.149.000,5", 11_490_005_000),
            ("1.149.000", 11_490_000_000),
            ("1,149", 11_490_000),
            ("1,149,000", 11_490_000_000),
            ("1,00,000.50", 1_000_005_000),
            ("8,50", 85_000),
            ("8,5 €", 85_000),
            ("0,500", 5_000),
            ("1 149,00", 11_490_000),
            ("1\u{202f}149,00 €", 11_490_000),
            ("1\u{a0}149\u{a0}000", 11_490_000_000),
            ("1 149,500", 11_495_000),
            ("1'149.00", 11_490_000),
            ("CHF 1’149.00", 11_490_000),
            ("12.5元", 125_000),
            ("100元整", 1_000_000),
            ("1.2万", 120_000_000),
            ("1.2万元", 120_000_000),
            ("1.00001亿", 1_000_010_000_000),
            ("1.23456789亿", 1_234_567_890_000),
            ("1,149.00 CNY", 11_490_000),
            ("RMB1149", 11_490_000),
            ("HK$1,149.0000", 11_490_000),
            ("1149.123400000", 11_491_234),
            ("12.50000", 125_000),
            ("１２．５", 125_000),
            ("'12.5", 125_000),
            ("−12.5", -125_000),
            ("999999999999999", 9_999_999_999_999_990_000),
            ("000000000000000000012", 120_000),
        ] {
            assert_eq!(money(text), Ok(Some(expected)), "{text}");
        }
        for text in ["", "-", "NULL", "¥ -", "无"] {
            assert_eq!(money(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn no_sum_is_guessed() {
        for (text, kind) in [
            ("1000000000000000", OutOfRange),
            ("1,000,000,000,000,000", OutOfRange),
            ("999999999999万", OutOfRange),
            ("0.00001", TooPrecise),
            ("12.300000000000001", TooPrecise),
            ("1.5E+3", ScientificNotation),
            ("¥1.38E+10", ScientificNotation),
            ("1,2345", Ambiguous),
            ("1234,567", Ambiguous),
            ("1,23,4", Unparsable),
            ("1.2.3", Unparsable),
            ("1,149.00.5", Unparsable),
            ("--5", Unparsable),
            ("(-5)", Unparsable),
            ("5 5", Unparsable),
            ("12%", Unparsable),
            ("12.5kg", Unparsable),
            ("$", Unparsable),
            ("元", Unparsable),
            (".", Unparsable),
            ("免费", Unparsable),
            ("12元5角", Unparsable),
            ("NaN1", Unparsable),
            ("¥¥5", Unparsable),
        ] {
            assert_eq!(money(text), Err(kind), "{text}");
        }
    }

    #[test]
    fn quantities_have_three_places_and_no_currency() {
        for (text, expected) in [
            ("1", 1_000),
            ("1.0", 1_000),
            ("-1.0", -1_000),
            ("2件", 2_000),
            ("3 pcs", 3_000),
            ("0.125", 125),
            ("1,000", 1_000_000),
            ("1.2万", 12_000_000),
            ("1.0000", 1_000),
        ] {
            assert_eq!(quantity(text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(quantity("0.1255"), Err(TooPrecise));
        assert_eq!(quantity("¥5"), Err(Unparsable));
        assert_eq!(quantity("1E3"), Err(ScientificNotation));
        assert_eq!(quantity(""), Ok(None));
    }
}
