//! Keys of records: keyed hashes under the lake's seed, so that a phone number never is a key in a log.

/// Characters of a key, six bits each: 84 bits of a hash, so that a billion keys have a pair alike once in 10^7 lakes.
const LENGTH: u32 = 14;
const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// The key of `parts` under `secret`: 14 characters that sort as their bits do.
pub fn key_of<'a>(secret: &[u8; 32], parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut key = String::with_capacity(LENGTH as usize);
    Keys::new(*secret, []).write(parts, &mut key);
    key
}

/// Makes keys whose first parts are the same.
#[derive(Debug, Clone)]
pub struct Keys {
    secret: [u8; 32],
    /// What is hashed: the first parts, and after them those of the last key.
    input: Vec<u8>,
    start: usize,
}

impl Keys {
    pub fn new<'a>(secret: [u8; 32], first: impl IntoIterator<Item = &'a str>) -> Self {
        let mut keys = Self { secret, input: Vec::new(), start: 0 };
        first.into_iter().for_each(|part| keys.part(part));
        keys.start = keys.input.len();
        keys
    }

    fn part(&mut self, part: &str) {
        // The length goes first: ("ab", "c") is not ("a", "bc").
        self.input.extend_from_slice(&(part.len() as u64).to_le_bytes());
        self.input.extend_from_slice(part.as_bytes());
    }

    /// Puts the key of the first parts and `rest` into `key`, in place of what was there.
    pub fn write<'a>(&mut self, rest: impl IntoIterator<Item = &'a str>, key: &mut String) {
        self.input.truncate(self.start);
        rest.into_iter().for_each(|part| self.part(part));
        let hash = blake3::keyed_hash(&self.secret, &self.input);
        let bits = hash.as_bytes()[..16].iter().fold(0u128, |bits, byte| (bits << 8) | u128::from(*byte));
        key.clear();
        key.extend((1..=LENGTH).map(|place| char::from(ALPHABET[(bits >> (128 - 6 * place) & 63) as usize])));
    }
}

/// A key as a number, for sets of many; not the bits it was made of.
pub fn key_number(key: &str) -> u128 {
    key.bytes().fold(0, |number, byte| (number << 8) | u128::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_depends_on_the_secret_and_on_where_parts_end() {
        let (a, b) = ([1; 32], [2; 32]);
        assert_eq!(key_of(&a, ["ab", "c"]), key_of(&a, ["ab", "c"]));
        assert_ne!(key_of(&a, ["ab", "c"]), key_of(&a, ["a", "bc"]));
        assert_ne!(key_of(&a, ["ab", "c"]), key_of(&b, ["ab", "c"]));
        assert_eq!(key_of(&a, ["x"]).len(), 14);
        let mut keys = Keys::new(a, ["x", "y"]);
        let mut key = "before".to_owned();
        for rest in ["1", "2"] {
            keys.write([rest], &mut key);
            assert_eq!(key, key_of(&a, ["x", "y", rest]));
        }
        assert_ne!(key_number(&key_of(&a, ["x"])), key_number(&key_of(&a, ["y"])));
    }
}
