//! Short texts as UTF-16 units in one arena, and how far apart two of them are.

/// Texts one after the other; a value's number is its place.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    units: Vec<u16>,
    ends: Vec<u32>,
    letters: Vec<u32>,
}

/// A text with a set of its letters, 32 of them told apart: what lacks many of another's letters is far from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub units: &'a [u16],
    letters: u32,
}

impl Text<'_> {
    /// How many letters of this one the other lacks, at least.
    fn lacked_by(self, other: Text) -> usize {
        (self.letters & !other.letters).count_ones() as usize
    }

    /// See [`edits`].
    pub(crate) fn edits(self, other: Text, most: usize) -> Option<usize> {
        if self.lacked_by(other).max(other.lacked_by(self)) > most {
            return None;
        }
        edits(self.units, other.units, most)
    }

    /// Whether the Jaro–Winkler similarity is at least `least`.
    pub(crate) fn similar(self, other: Text, least: f32) -> bool {
        let (a, b) = (self.units.len(), other.units.len());
        if a == 0 || b == 0 {
            return false;
        }
        let most = (a - self.lacked_by(other)).min(b - other.lacked_by(self)) as f32;
        let jaro = (most / a as f32 + most / b as f32 + 1.0) / 3.0;
        jaro + 0.4 * (1.0 - jaro) >= least && similarity(self.units, other.units) >= least
    }
}

/// Longer texts are cut: the cost of a comparison grows with the square.
const MOST_UNITS: usize = 60;

impl Texts {
    pub(crate) fn new() -> Texts {
        Texts { units: vec![], ends: vec![0], letters: vec![] }
    }

    pub(crate) fn push(&mut self, chars: impl Iterator<Item = char>) {
        let mut buffer = [0; 2];
        let start = self.units.len();
        for c in chars {
            if self.units.len() >= start + MOST_UNITS {
                break;
            }
            self.units.extend_from_slice(c.encode_utf16(&mut buffer));
        }
        self.letters.push(self.units[start..].iter().fold(0, |set, unit| set | 1 << (unit & 31)));
        self.ends.push(self.units.len() as u32);
    }

    pub(crate) fn get(&self, number: u32) -> Text<'_> {
        let at = number as usize;
        let units = &self.units[self.ends[at] as usize..self.ends[at + 1] as usize];
        Text { units, letters: self.letters[at] }
    }
}

/// The number of insertions, deletions, substitutions and swaps of neighbours between two texts (optimal string alignment),
/// or `None` where it is more than `most` (at most 3).
pub(crate) fn edits<T: PartialEq>(a: &[T], b: &[T], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let prefix = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - suffix], &b[..b.len() - suffix]);
    if a.is_empty() || b.is_empty() {
        return Some(a.len().max(b.len()));
    }
    if a.len() > 64 || b.len() > 64 {
        return None;
    }
    // Three rows of the table, of which only a band round the diagonal can stay within `most`.
    let far = most + 1;
    let (mut before, mut last, mut row) = ([far; 65], [far; 65], [far; 65]);
    for (j, cell) in last.iter_mut().enumerate().take(b.len() + 1) {
        *cell = j.min(far);
    }
    for i in 1..=a.len() {
        let (low, high) = (i.saturating_sub(most).max(1), (i + most).min(b.len()));
        row[low - 1] = if low == 1 { i.min(far) } else { far };
        let mut best = row[low - 1];
        for j in low..=high {
            let mut cost = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            if j < i + most {
                cost = cost.min(last[j] + 1);
            }
            cost = cost.min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            row[j] = cost.min(far);
            best = best.min(row[j]);
        }
        if high < b.len() {
            row[high + 1] = far;
        }
        if best > most {
            return None;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    Some(last[b.len()]).filter(|cost| *cost <= most)
}

/// Jaro–Winkler similarity, 0 to 1, with Winkler's prefix of at most four and weight .1.
pub(crate) fn similarity(a: &[u16], b: &[u16]) -> f32 {
    let (a, b) = (&a[..a.len().min(64)], &b[..b.len().min(64)]);
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let window = (a.len().max(b.len()) / 2).saturating_sub(1);
    let (mut in_a, mut in_b) = (0u64, 0u64);
    for (i, x) in a.iter().enumerate() {
        let (low, high) = (i.saturating_sub(window), (i + window + 1).min(b.len()));
        for (j, y) in b.iter().enumerate().take(high).skip(low) {
            if x == y && in_b >> j & 1 == 0 {
                in_a |= 1 << i;
                in_b |= 1 << j;
                break;
            }
        }
    }
    let common = in_a.count_ones() as f32;
    if common == 0.0 {
        return 0.0;
    }
    let (mut rest_a, mut rest_b, mut out_of_order) = (in_a, in_b, 0u32);
    while rest_a != 0 {
        let (i, j) = (rest_a.trailing_zeros() as usize, rest_b.trailing_zeros() as usize);
        out_of_order += u32::from(a[i] != b[j]);
        rest_a &= rest_a - 1;
        rest_b &= rest_b - 1;
    }
    let jaro =
        (common / a.len() as f32 + common / b.len() as f32 + (common - (out_of_order / 2) as f32) / common) / 3.0;
    let prefix = a.iter().zip(b).take(4).take_while(|(x, y)| x == y).count() as f32;
    jaro + prefix * 0.1 * (1.0 - jaro)
}

/// A character in lower case, looked up only where it may have one.
pub(crate) fn lower(c: char) -> impl Iterator<Item = char> {
    let plain = c.is_ascii() || ('\u{3000}'..='\u{d7ff}').contains(&c);
    let (one, more) = if plain { (Some(c.to_ascii_lowercase()), None) } else { (None, Some(c.to_lowercase())) };
    one.into_iter().chain(more.into_iter().flatten())
}

/// A hash of the same bytes under one seed is the same on every machine.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

/// A bijection of 64 bits that spreads them (splitmix64's finaliser).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Hash bits that never are 0, which stands for a missing value.
pub(crate) fn fold32(x: u64) -> u32 {
    ((x >> 32) as u32 ^ x as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    proptest! {
        #[test]
        fn sets_of_letters_only_save_work(a in "[a-f]{1,9}", b in "[a-f]{1,9}", most in 1usize..=3, least in 0.7f32..1.0) {
            let mut texts = Texts::new();
            texts.push(a.chars());
            texts.push(b.chars());
            let (x, y) = (texts.get(0), texts.get(1));
            prop_assert_eq!(x.edits(y, most), edits(x.units, y.units, most));
            prop_assert_eq!(x.similar(y, least), similarity(x.units, y.units) >= least);
        }

        #[test]
        fn edits_are_those_of_strsim(a in "[abc]{0,8}", b in "[abc]{0,8}", most in 1usize..=3) {
            let whole = strsim::osa_distance(&a, &b);
            prop_assert_eq!(edits(&units(&a), &units(&b), most), Some(whole).filter(|cost| *cost <= most));
        }

        #[test]
        fn similarity_is_that_of_strsim(a in "[abcd]{1,9}", b in "[abcd]{1,9}") {
            let other = strsim::jaro(&a, &b);
            let prefix = a.chars().zip(b.chars()).take(4).take_while(|(x, y)| x == y).count() as f64;
            let winkler = other + prefix * 0.1 * (1.0 - other);
            prop_assert!((f64::from(similarity(&units(&a), &units(&b))) - winkler).abs() < 1e-5);
        }
    }
}
