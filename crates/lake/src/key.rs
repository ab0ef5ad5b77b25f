//! Keys of records: keyed hashes under the lake's seed, so that a phone number never is a key in a log.

/// How many bytes of a hash a key keeps: 96 bits, so that among a billion keys a pair is alike once in 10^11 lakes.
const BYTES: usize = 12;
const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// The key of `parts` under `secret`: 16 characters that sort as their bytes do.
pub fn key_of<'a>(secret: &[u8; 32], parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    for part in parts {
        // The length goes first: ("ab", "c") is not ("a", "bc").
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    encode(hasher.finalize().as_bytes())
}

fn encode(hash: &[u8; 32]) -> String {
    let mut text = String::with_capacity(16);
    for group in hash[..BYTES].chunks_exact(3) {
        let bits = group.iter().fold(0u32, |bits, byte| (bits << 8) | u32::from(*byte));
        for shift in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
    text
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
        assert_eq!(key_of(&a, ["x"]).len(), 16);
    }
}
