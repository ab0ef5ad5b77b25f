//! Streets: words and numbers apart, since a wrong number is another house and a wrong letter is none. Two are equal if they
//! are in the same place too.

use super::{DIFFERENT, NEAR};
use crate::names::is_han;
use crate::text::{Texts, fold32, hash, lower};

#[derive(Debug, Clone)]
pub(crate) struct Streets {
    words: Texts,
    words_hash: Vec<u32>,
    /// Of its numbers in their order; 0 where there is none.
    numbers: Vec<u32>,
}

const LEAST_SIMILARITY: f32 = 0.9;

impl Streets {
    pub(crate) fn new() -> Streets {
        Streets { words: Texts::new(), words_hash: vec![], numbers: vec![] }
    }

    /// `text` is folded.
    pub(crate) fn push(&mut self, text: &str) {
        let words: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        let numbers: String = text.chars().map(|c| if c.is_ascii_digit() { c } else { ' ' }).collect();
        let numbers = numbers.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = words.trim();
        self.words.push(words.chars());
        self.words_hash.push(if words.is_empty() { 0 } else { fold32(hash(0, words.as_bytes())) });
        self.numbers.push(if numbers.is_empty() { 0 } else { fold32(hash(0, numbers.as_bytes())) });
    }

    pub(crate) fn words(&self, value: u32) -> u32 {
        self.words_hash[value as usize]
    }

    pub(crate) fn numbers(&self, value: u32) -> u32 {
        self.numbers[value as usize]
    }

    pub(crate) fn compare(&self, a: u32, b: u32) -> u8 {
        let (number_a, number_b) = (self.numbers(a), self.numbers(b));
        let same_number = number_a == number_b;
        let same_words = self.words(a) != 0 && self.words(a) == self.words(b);
        if same_words && same_number {
            return NEAR;
        }
        let near = same_words || {
            let (x, y) = (self.words.get(a), self.words.get(b));
            let shorter = x.units.len().min(y.units.len());
            shorter > 0
                && (x.edits(y, (shorter / 4).min(2)).is_some()
                    || x.similar(y, LEAST_SIMILARITY)
                    || half_shared(x.units, y.units))
        };
        match (near, same_number) {
            (true, true) => NEAR + 1,
            (true, false) => NEAR + 2,
            (false, true) if number_a != 0 => NEAR + 3,
            _ => DIFFERENT,
        }
    }
}

const BLANK: u16 = b' ' as u16;

/// Whether half of the words of either, but not a word like `street` alone, stand in the other.
fn half_shared(a: &[u16], b: &[u16]) -> bool {
    fn words(text: &[u16]) -> impl Iterator<Item = &[u16]> {
        text.split(|unit| *unit == BLANK).filter(|word| word.len() > 1)
    }
    if !a.contains(&BLANK) || !b.contains(&BLANK) {
        return false;
    }
    let (of_a, of_b) = (words(a).count(), words(b).count());
    let shared = words(a).filter(|word| words(b).any(|other| other == *word)).count();
    shared >= 2 && 2 * shared >= of_a.max(of_b)
}

/// Lower case, letters and digits, one blank between words.
pub(crate) fn folded(text: &str, out: &mut String) -> bool {
    out.clear();
    let mut last = ' ';
    for c in text.chars().flat_map(lower) {
        if c.is_ascii_alphanumeric() || is_han(c) || (!c.is_ascii() && c.is_alphanumeric()) {
            // A number is a word of its own, but not among hanzi.
            let parts = last != ' ' && last.is_ascii_digit() != c.is_ascii_digit() && !is_han(last) && !is_han(c);
            if parts {
                out.push(' ');
            }
            out.push(c);
            last = c;
        } else if last != ' ' {
            out.push(' ');
            last = ' ';
        }
    }
    out.truncate(out.trim_end().len());
    !out.is_empty()
}
