//! E-mail addresses as local part and domain.

use super::{DIFFERENT, NEAR};
use crate::text::{Texts, fold32, hash, lower};

/// Above this Jaro–Winkler similarity two local parts are close.
const LEAST_SIMILARITY: f32 = 0.88;

#[derive(Debug, Clone)]
pub(crate) struct Emails {
    local: Texts,
    local_hash: Vec<u32>,
    domain: Vec<u32>,
}

impl Emails {
    pub(crate) fn new() -> Emails {
        Emails { local: Texts::new(), local_hash: vec![], domain: vec![] }
    }

    pub(crate) fn push(&mut self, text: &str) {
        let (local, domain) = text.rsplit_once('@').unwrap_or((text, ""));
        self.local.push(local.chars());
        self.local_hash.push(fold32(hash(0, local.as_bytes())));
        self.domain.push(fold32(hash(0, domain.as_bytes())));
    }

    pub(crate) fn local(&self, value: u32) -> u32 {
        self.local_hash[value as usize]
    }

    pub(crate) fn compare(&self, a: u32, b: u32) -> u8 {
        if self.local(a) == self.local(b) {
            return NEAR;
        }
        let (x, y) = (self.local.get(a), self.local.get(b));
        let shorter = x.units.len().min(y.units.len());
        match x.edits(y, 2) {
            Some(1) if shorter > 2 && self.domain[a as usize] == self.domain[b as usize] => NEAR + 1,
            Some(_) if shorter > 4 => NEAR + 2,
            _ if x.similar(y, LEAST_SIMILARITY) => NEAR + 2,
            _ => DIFFERENT,
        }
    }
}

/// Lower case, without blanks; `None` where there is no text.
pub(crate) fn folded(text: &str, out: &mut String) -> bool {
    out.clear();
    out.extend(text.chars().filter(|c| !c.is_whitespace()).flat_map(lower));
    !out.is_empty()
}
