//! Keys of records and ids of customers as numbers that sort as their texts do: a merge holds some of each for every record.

use tributary_engine::{Error, Result};

/// The letters of a key (see `tributary_lake::key_of`), in their order.
const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
const LENGTH: usize = 14;
/// Bits of half of the letters.
const HALF: usize = 6 * LENGTH / 2;
/// By letter its place among [`LETTERS`]; 64 for what is none.
const PLACES: [u8; 256] = {
    let mut places = [64; 256];
    let mut at = 0;
    while at < LETTERS.len() {
        places[LETTERS[at] as usize] = at as u8;
        at += 1;
    }
    places
};
/// A record of a stream without a key: the key of its scope, a hyphen, and its place in the scope.
const DIGITS: usize = 10;
/// Bits for a place and for "none".
const PLACE: u32 = 35;
/// What comes before the key in a customer's id.
const CUSTOMER: &str = "c_";

/// A record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct RecordKey(u128);

/// A customer's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct CustomerId(u128);

/// The text of either.
pub(crate) struct Text {
    bytes: [u8; LENGTH + 1 + DIGITS],
    len: usize,
}

impl Text {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Text {
    fn new(first: &[u8], second: &[u8]) -> Self {
        let mut text = Self { bytes: [0; LENGTH + 1 + DIGITS], len: first.len() + second.len() };
        text.bytes[..first.len()].copy_from_slice(first);
        text.bytes[first.len()..text.len].copy_from_slice(second);
        text
    }
}

fn bits(letters: &[u8]) -> Option<u128> {
    if letters.len() != LENGTH {
        return None;
    }
    let mut wrong = 0;
    let mut half = |letters: &[u8]| {
        letters.iter().fold(0u64, |bits, letter| {
            let place = PLACES[usize::from(*letter)];
            wrong |= place & 64;
            bits << 6 | u64::from(place & 63)
        })
    };
    let (first, second) = letters.split_at(LENGTH / 2);
    let bits = u128::from(half(first)) << HALF | u128::from(half(second));
    (wrong == 0).then_some(bits)
}

fn letters(bits: u128) -> [u8; LENGTH] {
    let mut letters = [0; LENGTH];
    for (half, mut bits) in letters.chunks_mut(LENGTH / 2).zip([(bits >> HALF) as u64, bits as u64]) {
        for letter in half.iter_mut().rev() {
            *letter = LETTERS[(bits & 63) as usize];
            bits >>= 6;
        }
    }
    letters
}

fn none_of_ours(what: &str, text: &str) -> Error {
    let why = format!("{what} of {} bytes is none of ours", text.len());
    Error::Ledger { stage: crate::people::STAGE.into(), why }
}

impl RecordKey {
    /// How many of its bits tell keys apart.
    pub const BITS: u32 = 6 * LENGTH as u32 + PLACE;

    pub fn bits(self) -> u128 {
        self.0
    }

    /// # Errors
    /// [`Error::Ledger`] if the text is no key of ours.
    pub fn new(text: &str) -> Result<Self> {
        let parsed = || {
            let (key, place) = text.as_bytes().split_at_checked(LENGTH)?;
            let place = match place {
                [] => 0,
                [b'-', digits @ ..] if digits.len() == DIGITS && digits.iter().all(u8::is_ascii_digit) => {
                    1 + digits.iter().fold(0, |number, digit| number * 10 + u128::from(digit - b'0'))
                }
                _ => return None,
            };
            Some(bits(key)? << PLACE | place)
        };
        parsed().map(Self).ok_or_else(|| none_of_ours("a record's key", text))
    }

    pub fn text(self) -> Text {
        let place = self.0 & ((1 << PLACE) - 1);
        let key = letters(self.0 >> PLACE);
        if place == 0 {
            return Text::new(&[], &key);
        }
        Text::new(&key, format!("-{:0DIGITS$}", place - 1).as_bytes())
    }

    /// 64 bits of it, for what is chosen by chance.
    pub fn hash(self) -> u64 {
        let [high, low] = [(self.0 >> 64) as u64, self.0 as u64];
        high.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ low
    }
}

impl CustomerId {
    /// How many of its bits tell ids apart.
    pub const BITS: u32 = 6 * LENGTH as u32;

    pub fn bits(self) -> u128 {
        self.0
    }

    /// The id of these [`Self::bits`].
    pub fn of_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// # Errors
    /// [`Error::Ledger`] if the text is no id of ours.
    pub fn new(text: &str) -> Result<Self> {
        let parsed = text.strip_prefix(CUSTOMER).and_then(|key| bits(key.as_bytes()));
        parsed.map(Self).ok_or_else(|| none_of_ours("a customer's id", text))
    }

    /// 64 bits of it.
    pub fn hash(self) -> u64 {
        self.0 as u64 ^ (self.0 >> 64) as u64
    }

    /// The id made of a key.
    pub fn of(key: &str) -> Self {
        Self(bits(key.as_bytes()).unwrap_or_default())
    }

    pub fn text(self) -> Text {
        Text::new(CUSTOMER.as_bytes(), &letters(self.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]
    use super::*;
    use tributary_lake::key_of;

    #[test]
    fn keys_sort_as_their_texts_and_give_them_back() {
        let mut texts: Vec<String> = (0..200).map(|n: u32| key_of(&[7; 32], [n.to_string().as_str()])).collect();
        let places = [0u64, 17, 9_999_999_999].map(|place| format!("{}-{place:010}", texts[3]));
        texts.extend(places);
        texts.sort();
        let keys: Vec<RecordKey> = texts.iter().map(|text| RecordKey::new(text).unwrap()).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().zip(&texts).all(|(key, text)| key.text().as_ref() == text));
        for text in texts.iter().filter(|text| text.len() == LENGTH) {
            let id = format!("c_{text}");
            assert_eq!(CustomerId::of(text), CustomerId::new(&id).unwrap());
            assert_eq!(CustomerId::of(text).text().as_ref(), id);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in
            ["", "0123456789ABC", "0123456789ABC!", "0123456789ABCD-1", "0123456789ABCD-00000000x1", "汉字汉字汉"]
        {
            assert!(RecordKey::new(text).is_err(), "{text}");
            assert!(CustomerId::new(text).is_err(), "{text}");
        }
    }
}
