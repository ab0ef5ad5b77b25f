//! Finds the few bytes of a JSON text that tell where its parts end, many bytes at a time: eight of them are in a word.

const ONES: u64 = 0x0101_0101_0101_0101;
/// The top bit of each byte, which is what tells that a byte is meant.
const TOPS: u64 = ONES << 7;

/// The first quote, backslash or control character at `at` or after it, and where it is: what a string may not hold as it is.
#[inline]
pub(super) fn stop(bytes: &[u8], mut at: usize) -> Option<(usize, u8)> {
    while let Some(chunk) = bytes.get(at..)?.first_chunk::<16>() {
        let &[low, high] = chunk.as_chunks().0 else { return None };
        let (low, high) = (stops(u64::from_le_bytes(low)), stops(u64::from_le_bytes(high)));
        if low | high != 0 {
            // No branch: which of the two words it is in cannot be foretold.
            let both = if low == 0 { u32::MAX } else { 0 };
            let place = low.trailing_zeros() + (high.trailing_zeros() & both);
            let at = at + place as usize / 8;
            return Some((at, *bytes.get(at)?));
        }
        at += 16;
    }
    stop_near_the_end(bytes, at)
}

#[inline(never)]
fn stop_near_the_end(bytes: &[u8], at: usize) -> Option<(usize, u8)> {
    (at..).zip(bytes.get(at..)?.iter().copied()).find(|(_, byte)| matches!(byte, b'"' | b'\\' | ..b' '))
}

/// Flags of which the lowest is right: where there are quotes, backslashes and control characters. Higher ones may be wrong,
/// as a borrow goes from a byte to the next.
#[inline]
fn stops(word: u64) -> u64 {
    let quotes = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslashes = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * b' ' as u64);
    (quotes | backslashes | control) & !word & TOPS
}

/// Flags of the bytes that are zero.
#[inline]
fn zeros(word: u64) -> u64 {
    !(((word & !TOPS) + !TOPS) | word) & TOPS
}

/// The flags of the eight bytes as bits, the lowest bit for the first byte.
#[inline]
fn bits(flags: u64) -> u64 {
    (flags >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// 64 bytes.
pub(crate) struct Block([u64; 8]);

impl Block {
    pub(crate) const LENGTH: usize = 64;

    /// The block at `at`, as if blanks came after the end.
    #[inline]
    pub(crate) fn new(bytes: &[u8], at: usize) -> Self {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.first_chunk() {
            Some(block) => Self::of(block),
            None => {
                let mut block = [b' '; Self::LENGTH];
                block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                Self::of(&block)
            }
        }
    }

    #[inline]
    fn of(bytes: &[u8; Self::LENGTH]) -> Self {
        let mut words = [0; 8];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Self(words)
    }

    /// Where `byte` is, the lowest bit for the first place.
    #[inline]
    pub(crate) fn places(&self, byte: u8) -> u64 {
        self.zeros(|word| word ^ (ONES * u64::from(byte)))
    }

    /// Where a bracket may be, square or curly: all of them, and a few letters that JSON has in strings only.
    #[inline]
    pub(crate) fn brackets(&self) -> u64 {
        self.zeros(|word| (word | (ONES * 0x26)) ^ (ONES * 0x7f))
    }

    #[inline]
    fn zeros(&self, of: impl Fn(u64) -> u64) -> u64 {
        self.0.iter().rev().fold(0, |found, &word| found << 8 | bits(zeros(of(word))))
    }

    #[inline]
    fn has_backslash(&self) -> bool {
        let found = |word: u64| (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES) & !word;
        self.0.iter().fold(0, |all, &word| all | found(word)) & TOPS != 0
    }
}

/// Which bytes are in strings, block after block.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    open: bool,
    /// Whether a backslash that counts was the last byte of the block before.
    escape: bool,
}

impl Strings {
    /// The bytes of the next block that are in a string; its opening quote is, its closing one is not.
    #[inline]
    pub(crate) fn next(&mut self, block: &Block) -> u64 {
        let mut inside = block.places(b'"');
        if self.escape || block.has_backslash() {
            inside = self.unescaped(inside, block.places(b'\\'));
        }
        for distance in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << distance;
        }
        if self.open {
            inside = !inside;
        }
        self.open = inside >> 63 == 1;
        inside
    }

    /// The quotes before which there is no backslash that counts; one outside of strings does not.
    #[inline(never)]
    fn unescaped(&mut self, quotes: u64, backslashes: u64) -> u64 {
        let (mut open, mut unescaped) = (self.open, 0);
        let mut stops = quotes | backslashes;
        if std::mem::take(&mut self.escape) {
            stops &= !1;
        }
        while stops != 0 {
            let stop = stops & stops.wrapping_neg();
            stops ^= stop;
            if quotes & stop != 0 {
                unescaped |= stop;
                open = !open;
            } else if open {
                self.escape = stop >> 63 == 1;
                stops &= !(stop << 1);
            }
        }
        unescaped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn telling() -> impl Strategy<Value = u8> {
        prop_oneof![prop::sample::select(b"{}[]\"\\,: a\x1f\x20\x21\x00\x7f\x80\xa2\xdc\xff".to_vec()), any::<u8>()]
    }

    proptest! {
        #[test]
        fn the_first_stop_is_found(bytes in prop::collection::vec(telling(), 0..60), at in 0usize..70) {
            let expected = (at..bytes.len()).find(|&at| matches!(bytes[at], b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(stop(&bytes, at), expected.map(|at| (at, bytes[at])));
        }

        #[test]
        fn all_places_of_a_byte_are_found(bytes in prop::collection::vec(telling(), 0..80), byte in telling()) {
            let block = Block::new(&bytes, 0);
            let (places, brackets) = (block.places(byte), block.brackets());
            for at in 0..64 {
                let there = bytes.get(at).copied().unwrap_or(b' ');
                prop_assert_eq!(places >> at & 1 == 1, there == byte);
                prop_assert_eq!(brackets >> at & 1 == 1, b"{}[]yY_\x7f".contains(&there));
            }
            prop_assert_eq!(block.has_backslash(), bytes.iter().take(64).any(|&byte| byte == b'\\'));
        }

        #[test]
        fn strings_are_told_from_what_is_around_them(
            bytes in prop::collection::vec(prop::sample::select(b"\"\"\\{a,]".to_vec()), 0..300),
        ) {
            let (mut open, mut escaped, mut strings) = (false, false, Strings::default());
            for at in (0..bytes.len()).step_by(Block::LENGTH) {
                let inside = strings.next(&Block::new(&bytes, at));
                for (place, &byte) in bytes[at..].iter().take(Block::LENGTH).enumerate() {
                    let counts = !std::mem::take(&mut escaped);
                    let was_open = open;
                    match byte {
                        b'"' if counts => open = !open,
                        b'\\' if counts && open => escaped = true,
                        _ => {}
                    }
                    let expected = if byte == b'"' && counts { open } else { was_open };
                    prop_assert_eq!(inside >> place & 1 == 1, expected, "byte {}", at + place);
                }
            }
        }
    }
}
