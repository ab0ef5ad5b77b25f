//! Fakes: other characters of the same kinds, the same for the same value.

/// For people's names and places in Chinese.
const HANZI: [char; 16] =
    ['甲', '乙', '丙', '丁', '戊', '己', '庚', '辛', '壬', '癸', '子', '丑', '寅', '卯', '辰', '巳'];

/// A fake of the shape of `value`: digits for digits, letters for letters of their case, hanzi for hanzi, all else as it is. Who does
/// not have `key` cannot try values out.
pub(super) fn of(value: &str, key: &[u8; 32]) -> String {
    let mut random = blake3::Hasher::new_keyed(key).update(value.as_bytes()).finalize_xof();
    let mut draw = |most: u32| {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        u32::from_le_bytes(bytes) % most
    };
    let mut pick = |first: char, count: u32| char::from_u32(u32::from(first) + draw(count)).unwrap_or(first);
    let mut fake = String::with_capacity(value.len());
    for (place, character) in value.chars().enumerate() {
        fake.push(match character {
            // A number that begins with a digit other than zero goes on to be one.
            '1'..='9' if place == 0 => pick('1', 9),
            '0'..='9' => pick('0', 10),
            'a'..='z' => pick('a', 26),
            'A'..='Z' => pick('A', 26),
            other if other.is_alphabetic() => HANZI[pick('\0', 16) as usize],
            other => other,
        });
    }
    fake
}

/// As [`of`], for a number of JSON: other digits, none of them zero, and all else as it is.
pub(super) fn of_number(value: &str, key: &[u8; 32]) -> String {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let mut fake = of(&digits, key).replace('0', "1").into_bytes().into_iter();
    value.chars().map(|c| if c.is_ascii_digit() { fake.next().map_or(c, char::from) } else { c }).collect()
}

/// As [`of`], for a mobile number or an e-mail address: its fake is one that nobody has.
pub(super) fn of_pattern(value: &str, key: &[u8; 32]) -> String {
    match value.split_once('@') {
        Some((name, _)) => format!("{}@example.com", of(name, key)),
        // No carrier has 10… to 12….
        None if value.len() == 11 => format!("10{}", &of(value, key)[2..]),
        None => of(value, key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_has_the_shape_and_not_the_value() {
        let (key, other) = ([7; 32], [8; 32]);
        let fake = of("Zhang 三丰 138-0571", &key);
        let shape = |text: &str| -> String {
            let kind = |c: char| {
                if c.is_ascii_digit() {
                    '9'
                } else if c.is_alphabetic() {
                    'x'
                } else {
                    c
                }
            };
            text.chars().map(kind).collect()
        };
        assert_eq!(shape(&fake), "xxxxx xx 999-9999");
        assert_eq!(fake, of("Zhang 三丰 138-0571", &key));
        assert_ne!(fake, of("Zhang 三丰 138-0571", &other));
        assert!(of_pattern("13805710571", &key).starts_with("10"));
        assert!(of_pattern("san@corp.cn", &key).ends_with("@example.com"));
    }
}
