//! Exact values from text: numbers and booleans. What does not fit is `None`; nothing is rounded and nothing is guessed.

/// Powers of ten.
const TENS: [i128; 39] = {
    let mut tens = [1; 39];
    let mut power = 1;
    while power < tens.len() {
        tens[power] = tens[power - 1] * 10;
        power += 1;
    }
    tens
};

/// `text` as an integer of `10^-scale`, with at most `precision` digits.
///
/// Accepts a sign, blanks around, a decimal point and commas between groups of three digits (`1,149.00`). Refuses
/// exponents, other groupings (`1,14` may be a decimal comma) and decimals beyond `scale`, unless these are zeros.
pub(super) fn decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let text = text.trim_ascii();
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = match digits.iter().position(|&b| b == b'.') {
        Some(dot) => (&digits[..dot], &digits[dot + 1..]),
        None => (digits, &digits[..0]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (kept, surplus) = fraction.split_at(fraction.len().min(scale));
    if surplus.iter().any(|&b| b != b'0') {
        return None;
    }
    let value = if whole.len() + scale <= 18 && !whole.contains(&b',') {
        let mut value = 0u64;
        for part in [whole, kept] {
            for &b in part {
                value = value * 10 + digit(b)?;
            }
        }
        i128::from(value) * TENS.get(scale - kept.len())?
    } else {
        if !well_grouped(whole) {
            return None;
        }
        let mut value = 0i128;
        for &b in whole.iter().filter(|&&b| b != b',').chain(kept) {
            value = value.checked_mul(10)?.checked_add(i128::from(digit(b)?))?;
        }
        value.checked_mul(*TENS.get(scale - kept.len())?)?
    };
    if TENS.get(usize::from(precision)).is_some_and(|&limit| value >= limit) {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// `text` as an integer, by the rules of [`decimal`]: `1,149` and `1.0` are, `1.5` and `1e3` are not.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    if (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0, |value, &b| value * 10 + i64::from(b - b'0')));
    }
    i64::try_from(decimal(text, 38, 0)?).ok()
}

/// `true`, `yes`, `y`, `t`, `1`, `是` and their opposites, in any case.
pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    const YES: [&str; 6] = ["true", "1", "yes", "y", "t", "是"];
    const NO: [&str; 6] = ["false", "0", "no", "n", "f", "否"];
    let text = text.trim_ascii();
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    if YES.iter().any(|word| is(word)) {
        Some(true)
    } else if NO.iter().any(|word| is(word)) {
        Some(false)
    } else {
        None
    }
}

/// A finite floating-point number.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

/// Whether commas, if any, stand between groups of three digits.
fn well_grouped(whole: &[u8]) -> bool {
    if !whole.contains(&b',') {
        return true;
    }
    let mut groups = whole.split(|&b| b == b',');
    groups.next().is_some_and(|first| (1..=3).contains(&first.len())) && groups.all(|group| group.len() == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_exactly_or_not_at_all() {
        let money = |text: &str| decimal(text.as_bytes(), 19, 4);
        assert_eq!(money("1,149.00"), Some(11_490_000));
        assert_eq!(money(" -7.5 "), Some(-75_000));
        assert_eq!(money("+.25"), Some(2_500));
        assert_eq!(money("1.10000000"), Some(11_000));
        assert_eq!(money("999999999999999.9999"), Some(9_999_999_999_999_999_999));
        for refused in
            ["1000000000000000", "1.23456", "1e3", "1,14", "12,34,567.00", ",123", "", "-", ".", "8 元", "1 2", "NaN"]
        {
            assert_eq!(money(refused), None, "{refused}");
        }
        assert_eq!(decimal(b"99999999999999999999999999999999999999", 38, 0), Some(10i128.pow(38) - 1));
        assert_eq!(decimal(b"100000000000000000000000000000000000000", 38, 0), None);
        assert_eq!(decimal(b"1,000,000,000,000,000,000,000.5", 38, 10), Some(10i128.pow(31) + 5 * 10i128.pow(9)));
    }

    #[test]
    fn whole_numbers_do_not_pass_through_floats() {
        assert_eq!(integer(b"813951242628553689"), Some(813_951_242_628_553_689));
        assert_eq!(integer(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer(b"9223372036854775808"), None);
        assert_eq!(integer(b"007"), Some(7));
        assert_eq!(integer(b" 1,149 "), Some(1149));
        assert_eq!(integer(b"2.0"), Some(2));
        assert_eq!(integer(b"1.38E+10"), None);
    }

    #[test]
    fn yes_and_no_are_read_in_both_tongues() {
        assert_eq!(boolean("是".as_bytes()), Some(true));
        assert_eq!(boolean(b"FALSE"), Some(false));
        assert_eq!(boolean(b"2"), None);
        assert_eq!(float(b"1e400"), None);
        assert_eq!(float(b" 2.5 "), Some(2.5));
    }
}
