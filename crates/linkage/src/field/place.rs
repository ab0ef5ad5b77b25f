//! Places by level: province, city, district, postcode.

use super::{DIFFERENT, NEAR};
use crate::text::{Texts, fold32, hash};

/// Hashes of province, city, district and postcode; 0 where a level is not told.
pub(crate) type Levels = [u32; 4];

#[derive(Debug, Clone)]
pub(crate) struct Places {
    levels: Vec<Levels>,
    city: Texts,
    postcode: Texts,
}

const LEAST_SIMILARITY: f32 = 0.9;

impl Places {
    pub(crate) fn new() -> Places {
        Places { levels: vec![], city: Texts::new(), postcode: Texts::new() }
    }

    /// Each is folded; empty where it is not told.
    pub(crate) fn push(&mut self, levels: [&str; 4]) {
        let hashed = levels.map(|text| if text.is_empty() { 0 } else { fold32(hash(0, text.as_bytes())) });
        self.levels.push(hashed);
        self.city.push(levels[1].chars());
        self.postcode.push(levels[3].chars());
    }

    pub(crate) fn levels(&self, value: u32) -> &Levels {
        &self.levels[value as usize]
    }

    pub(crate) fn compare(&self, a: u32, b: u32) -> u8 {
        let (x, y) = (self.levels(a), self.levels(b));
        let equal = |level: usize| x[level] != 0 && x[level] == y[level];
        let clash = |level: usize| x[level] != 0 && y[level] != 0 && x[level] != y[level];
        if equal(3) || (equal(2) && !clash(1)) {
            return NEAR;
        }
        let near_city = || {
            let (x, y) = (self.city.get(a), self.city.get(b));
            x.units.len().min(y.units.len()) > 3 && (x.edits(y, 1).is_some() || x.similar(y, LEAST_SIMILARITY))
        };
        let near_code = || {
            let (x, y) = (self.postcode.get(a), self.postcode.get(b));
            x.units.len().min(y.units.len()) > 3 && x.edits(y, 1).is_some()
        };
        if equal(1) || near_city() || near_code() {
            return NEAR + 1;
        }
        if equal(0) { NEAR + 2 } else { DIFFERENT }
    }
}
