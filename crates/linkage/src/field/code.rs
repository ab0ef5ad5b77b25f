//! Identifiers of other kinds: equal, a typo apart, or different.

use super::{DIFFERENT, NEAR};
use crate::text::{Texts, fold32, hash};

#[derive(Debug, Clone)]
pub(crate) struct Codes {
    texts: Texts,
    halves: Vec<[u32; 2]>,
}

impl Codes {
    pub(crate) fn new() -> Codes {
        Codes { texts: Texts::new(), halves: vec![] }
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.texts.push(text.chars());
        let middle = text.char_indices().nth(text.chars().count().div_ceil(2)).map_or(text.len(), |(at, _)| at);
        let half = |part: &str| if text.len() < 6 { 0 } else { fold32(hash(2, part.as_bytes())) };
        self.halves.push([half(&text[..middle]), half(&text[middle..])]);
    }

    pub(crate) fn half(&self, value: u32, which: usize) -> u32 {
        self.halves[value as usize][which]
    }

    pub(crate) fn compare(&self, a: u32, b: u32) -> u8 {
        let (x, y) = (self.texts.get(a), self.texts.get(b));
        let shorter = x.units.len().min(y.units.len());
        match x.edits(y, 2) {
            Some(1) if shorter > 4 => NEAR,
            Some(2) if shorter > 6 => NEAR + 1,
            _ => DIFFERENT,
        }
    }
}
