//! Addresses that are written from the house to the country, parted by commas or lines.
//!
//! Read from the end: country, postcode with state or city, city; the rest is street. Known shapes are those of the
//! USA, Canada, Australia, the United Kingdom and, with the postcode before the city, the continent.

use super::{Address, squeezed};

/// Countries as customers write them. Two-letter codes are not here, most of them are also states.
#[rustfmt::skip]
const COUNTRIES: [(&str, &str); 58] = [
    ("united states of america", "US"), ("united states", "US"), ("u.s.a", "US"), ("usa", "US"), ("us", "US"), ("canada", "CA"),
    ("united kingdom", "GB"), ("great britain", "GB"), ("england", "GB"), ("scotland", "GB"), ("wales", "GB"),
    ("northern ireland", "GB"), ("uk", "GB"), ("gb", "GB"), ("ireland", "IE"), ("australia", "AU"), ("new zealand", "NZ"),
    ("germany", "DE"), ("deutschland", "DE"), ("france", "FR"), ("italy", "IT"), ("italia", "IT"), ("spain", "ES"),
    ("españa", "ES"), ("portugal", "PT"), ("netherlands", "NL"), ("the netherlands", "NL"), ("nederland", "NL"),
    ("belgium", "BE"), ("belgique", "BE"), ("belgië", "BE"), ("austria", "AT"), ("österreich", "AT"), ("switzerland", "CH"),
    ("schweiz", "CH"), ("suisse", "CH"), ("sweden", "SE"), ("sverige", "SE"), ("norway", "NO"), ("norge", "NO"),
    ("denmark", "DK"), ("danmark", "DK"), ("finland", "FI"), ("suomi", "FI"), ("poland", "PL"), ("polska", "PL"),
    ("czech republic", "CZ"), ("czechia", "CZ"), ("japan", "JP"), ("south korea", "KR"), ("singapore", "SG"),
    ("malaysia", "MY"), ("mexico", "MX"), ("brazil", "BR"), ("china", "CN"), ("p.r. china", "CN"), ("pr china", "CN"),
    ("hong kong", "HK"),
];

#[rustfmt::skip]
const STATES: [(&str, &str, &str); 75] = [
    ("US", "AL", "alabama"), ("US", "AK", "alaska"), ("US", "AZ", "arizona"), ("US", "AR", "arkansas"), ("US", "CA", "california"),
    ("US", "CO", "colorado"), ("US", "CT", "connecticut"), ("US", "DE", "delaware"), ("US", "DC", "district of columbia"),
    ("US", "FL", "florida"), ("US", "GA", "georgia"), ("US", "HI", "hawaii"), ("US", "ID", "idaho"), ("US", "IL", "illinois"),
    ("US", "IN", "indiana"), ("US", "IA", "iowa"), ("US", "KS", "kansas"), ("US", "KY", "kentucky"), ("US", "LA", "louisiana"),
    ("US", "ME", "maine"), ("US", "MD", "maryland"), ("US", "MA", "massachusetts"), ("US", "MI", "michigan"),
    ("US", "MN", "minnesota"), ("US", "MS", "mississippi"), ("US", "MO", "missouri"), ("US", "MT", "montana"),
    ("US", "NE", "nebraska"), ("US", "NV", "nevada"), ("US", "NH", "new hampshire"), ("US", "NJ", "new jersey"),
    ("US", "NM", "new mexico"), ("US", "NY", "new york"), ("US", "NC", "north carolina"), ("US", "ND", "north dakota"),
    ("US", "OH", "ohio"), ("US", "OK", "oklahoma"), ("US", "OR", "oregon"), ("US", "PA", "pennsylvania"), ("US", "PR", "puerto rico"),
    ("US", "RI", "rhode island"), ("US", "SC", "south carolina"), ("US", "SD", "south dakota"), ("US", "TN", "tennessee"),
    ("US", "TX", "texas"), ("US", "UT", "utah"), ("US", "VT", "vermont"), ("US", "VA", "virginia"), ("US", "WA", "washington"),
    ("US", "WV", "west virginia"), ("US", "WI", "wisconsin"), ("US", "WY", "wyoming"), ("US", "GU", "guam"),
    ("CA", "AB", "alberta"), ("CA", "BC", "british columbia"), ("CA", "MB", "manitoba"), ("CA", "NB", "new brunswick"),
    ("CA", "NL", "newfoundland and labrador"), ("CA", "NS", "nova scotia"), ("CA", "NT", "northwest territories"),
    ("CA", "NU", "nunavut"), ("CA", "ON", "ontario"), ("CA", "PE", "prince edward island"), ("CA", "QC", "quebec"),
    ("CA", "QC", "québec"), ("CA", "SK", "saskatchewan"), ("CA", "YT", "yukon"), ("AU", "NSW", "new south wales"),
    ("AU", "VIC", "victoria"), ("AU", "QLD", "queensland"), ("AU", "WA", "western australia"), ("AU", "SA", "south australia"),
    ("AU", "TAS", "tasmania"), ("AU", "ACT", "australian capital territory"), ("AU", "NT", "northern territory"),
];

/// Countries with a postcode of so many digits before the city.
#[rustfmt::skip]
const CONTINENTAL: [(&str, usize); 16] = [
    ("DE", 5), ("FR", 5), ("IT", 5), ("ES", 5), ("FI", 5), ("SE", 5), ("CZ", 5), ("MX", 5), ("MY", 5), ("AT", 4), ("CH", 4),
    ("BE", 4), ("DK", 4), ("NO", 4), ("NL", 4), ("PT", 4),
];

pub(super) fn parse(text: &str, region: &str) -> Address {
    let mut address = Address::default();
    let mut parts: Vec<&str> = text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > 1
        && let Some(country) = parts.last().and_then(|last| country(last))
    {
        address.country = Some(country.to_owned());
        parts.pop();
    }
    let known = address.country.clone();
    let land = known.as_deref().unwrap_or(region);
    read_tail(&mut parts, &mut address, land);
    let placed = address.postcode.is_some() || address.province.is_some();
    if address.city.is_none() && parts.len() > 1 && (placed || address.country.is_some()) {
        address.city = parts.pop().map(squeezed);
    }
    let street = parts.iter().map(|part| squeezed(part)).collect::<Vec<_>>().join(", ");
    address.street = (!street.is_empty()).then_some(street);
    address
}

fn country(part: &str) -> Option<&'static str> {
    let part = part.trim_end_matches('.').to_lowercase();
    COUNTRIES.iter().find(|(name, _)| *name == part).map(|(_, code)| *code)
}

/// The postcode at the end, and the state or city beside it.
fn read_tail(parts: &mut Vec<&str>, address: &mut Address, land: &str) {
    let Some(last) = parts.last().copied() else { return };
    let is = |code: &str| land.eq_ignore_ascii_case(code);
    let (mut rest, mut found) = (last, None);
    if let Some((before, code)) = british(last) {
        (rest, found) = (before, Some((code, Some("GB"))));
    } else if let Some((before, code)) = canadian(last) {
        (rest, found) = (before, Some((code, Some("CA"))));
    } else if let Some((before, code)) = zip(last).filter(|_| is("US")) {
        (rest, found) = (before, Some((code, None)));
    } else if let Some((before, code)) = digits_at_end(last, 4).filter(|_| is("AU") || is("NZ")) {
        (rest, found) = (before, Some((code, None)));
    } else if let Some((before, code)) = digits_at_end(last, 6).filter(|_| is("CN") || is("SG")) {
        (rest, found) = (before, Some((code, None)));
    } else if let Some(digits) = CONTINENTAL.iter().find(|(code, _)| is(code)).map(|(_, digits)| *digits)
        && let Some((code, city)) = continental(last, digits)
    {
        address.postcode = Some(code);
        address.city = (!city.is_empty()).then(|| squeezed(city));
        parts.pop();
        return;
    }
    let (code, certain) = match found {
        Some((code, certain)) => (Some(code), certain),
        None => (None, None),
    };
    let states = certain.unwrap_or(land);
    let state = state_at_end(rest, states);
    // Without a postcode a state stands alone: its code after a city, or its name after street and city, because New
    // York and Washington are cities too.
    let alone = |(before, code): &(&str, &str)| {
        before.trim().is_empty() && parts.len() >= if rest.len() == code.len() { 2 } else { 3 }
    };
    if code.is_none() && !state.as_ref().is_some_and(alone) {
        return;
    }
    parts.pop();
    address.postcode = code;
    if let Some((before, code)) = state {
        rest = before;
        address.province = Some(code.to_owned());
    }
    let rest = rest.trim_end_matches([' ', ',']);
    if rest.is_empty() {
        // `Springfield, IL, 62704`
        if address.province.is_none()
            && let Some((before, code)) = parts.last().and_then(|part| state_at_end(part, states))
        {
            parts.pop();
            address.province = Some(code.to_owned());
            let before = before.trim();
            if !before.is_empty() {
                parts.push(before);
            }
        }
    } else if parts.is_empty() {
        // One line without commas: where the street ends, nobody can tell.
        parts.push(rest);
    } else {
        address.city = Some(squeezed(rest));
    }
    // A state or province beside its own postcode tells the country as surely as the British pattern.
    let placed = address.province.is_some() && address.postcode.is_some();
    if address.country.is_none() && (certain == Some("GB") || placed) {
        address.country = Some(states.to_ascii_uppercase());
    }
}

/// `IL` or `Illinois` at the end, as a word of its own.
fn state_at_end<'a>(text: &'a str, land: &str) -> Option<(&'a str, &'static str)> {
    STATES.iter().filter(|(of, _, _)| land.eq_ignore_ascii_case(of)).find_map(|(_, code, name)| {
        [code, name].into_iter().find_map(|word| {
            let at = text.len().checked_sub(word.len())?;
            let (before, end) = (text.get(..at)?, text.get(at..)?);
            let whole = before.is_empty() || before.ends_with([' ', ',']);
            (whole && end.eq_ignore_ascii_case(word)).then_some((before, *code))
        })
    })
}

/// Digits as the last word.
fn digits_at_end(text: &str, count: usize) -> Option<(&str, String)> {
    let at = text.len().checked_sub(count)?;
    let (before, code) = (text.get(..at)?, text.get(at..)?);
    let whole = before.is_empty() || before.ends_with(' ');
    (whole && code.bytes().all(|b| b.is_ascii_digit())).then(|| (before.trim_end(), code.to_owned()))
}

/// `62704` or `62704-1234`.
fn zip(text: &str) -> Option<(&str, String)> {
    if let Some((head, plus_four)) = text.rsplit_once('-')
        && plus_four.len() == 4
        && plus_four.bytes().all(|b| b.is_ascii_digit())
    {
        let (before, code) = digits_at_end(head, 5)?;
        return Some((before, format!("{code}-{plus_four}")));
    }
    digits_at_end(text, 5)
}

/// `K1A 0B1`, with or without the blank.
fn canadian(text: &str) -> Option<(&str, String)> {
    let (before, code) = last_word_or_two(text, |code| {
        code.len() == 6
            && code
                .bytes()
                .enumerate()
                .all(|(i, b)| if i % 2 == 0 { b.is_ascii_alphabetic() } else { b.is_ascii_digit() })
    })?;
    Some((before, format!("{} {}", &code[..3], &code[3..])))
}

/// `SW1A 1AA`, with or without the blank: area, district, sector, unit.
fn british(text: &str) -> Option<(&str, String)> {
    let (before, code) = last_word_or_two(text, |code| {
        let Some((outward, inward)) = code.len().checked_sub(3).and_then(|at| code.split_at_checked(at)) else {
            return false;
        };
        let letters = outward.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (inward, district) = (inward.as_bytes(), &outward.as_bytes()[letters..]);
        matches!(letters, 1 | 2)
            && matches!(district, [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9' | b'A'..=b'Z'])
            && matches!(inward, [b'0'..=b'9', a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic())
    })?;
    let (outward, inward) = code.split_at(code.len() - 3);
    Some((before, format!("{outward} {inward}")))
}

/// The last word, or the last two joined, in upper case, if `is_code` takes it. ASCII only.
fn last_word_or_two(text: &str, is_code: impl Fn(&str) -> bool) -> Option<(&str, String)> {
    let one = text.rfind(' ').map_or(0, |at| at + 1);
    let two = text[..one].trim_end().rfind(' ').map_or(0, |at| at + 1);
    [two, one].into_iter().find_map(|at| {
        let code: String = text[at..].chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
        (code.is_ascii() && is_code(&code)).then(|| (text[..at].trim_end(), code))
    })
}

/// `80331 München`, `D-80331 München`, `1012 AB Amsterdam`, `1000-001 Lisboa`.
fn continental(text: &str, count: usize) -> Option<(String, &str)> {
    let text = match text.split_once('-') {
        Some((country, rest))
            if (1..=2).contains(&country.len()) && country.bytes().all(|b| b.is_ascii_uppercase()) =>
        {
            rest
        }
        _ => text,
    };
    let (code, mut city) = text.split_once(' ').unwrap_or((text, ""));
    let mut code = code.to_owned();
    // Sweden and the Czech Republic write 123 45.
    if count == 5 && code.len() == 3 && city.len() >= 2 && city.as_bytes()[..2].iter().all(u8::is_ascii_digit) {
        let (end, rest) = city.split_at(2);
        code.push_str(end);
        city = rest;
    }
    let (digits, suffix) = code.split_at_checked(count)?;
    let portuguese = suffix.len() == 4 && suffix.starts_with('-') && suffix[1..].bytes().all(|b| b.is_ascii_digit());
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !(suffix.is_empty() || portuguese) {
        return None;
    }
    if let Some((letters, rest)) = city.split_once(' ')
        && letters.len() == 2
        && count == 4
        && letters.bytes().all(|b| b.is_ascii_uppercase())
    {
        code = format!("{code} {letters}");
        city = rest;
    }
    Some((code, city.trim()))
}
