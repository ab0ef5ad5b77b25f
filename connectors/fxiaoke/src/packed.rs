//! Ids and times written small: what two ids begin with is written once, times as differences, all of it deflated.
//!
//! What it comes to: 10 to 15 bytes for an id of 24 digits, and about 30 for one of 32, which are random.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use tributary_connector::Error;

use crate::error::protocol;

/// A record that was handed out: its id, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    /// Its `last_modified_time`, in milliseconds since 1970, if it has one.
    pub at: Option<i64>,
    /// It was handed out as deleted.
    pub gone: bool,
}

/// Entries as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// How many there are.
    pub n: usize,
    ids: String,
}

impl Packed {
    pub fn new(entries: &[Entry]) -> Self {
        let (mut plain, mut before, mut at_before) = (Vec::with_capacity(entries.len() * 20), "", 0);
        for entry in entries {
            let pairs = before.bytes().zip(entry.id.bytes());
            let shared = pairs.take_while(|(one, other)| one == other).count();
            number(&mut plain, shared as u64);
            number(&mut plain, (entry.id.len() - shared) as u64);
            plain.extend_from_slice(&entry.id.as_bytes()[shared..]);
            before = &entry.id;
        }
        for entry in entries {
            plain.push(u8::from(entry.gone) << 1 | u8::from(entry.at.is_some()));
            if let Some(at) = entry.at {
                let step = at.wrapping_sub(std::mem::replace(&mut at_before, at));
                number(&mut plain, (step << 1 ^ step >> 63) as u64);
            }
        }
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let _ = deflated.write_all(&plain);
        Self { n: entries.len(), ids: STANDARD_NO_PAD.encode(deflated.finish().unwrap_or_default()) }
    }

    /// # Errors
    /// If it is not what was written.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        self.unpacked().ok_or_else(|| {
            protocol("the ids kept between runs are damaged").hint("reset the stream; it is then read from its start")
        })
    }

    fn unpacked(&self) -> Option<Vec<Entry>> {
        let deflated = STANDARD_NO_PAD.decode(&self.ids).ok()?;
        let mut plain = Vec::new();
        DeflateDecoder::new(deflated.as_slice()).read_to_end(&mut plain).ok()?;
        let (mut rest, mut entries) = (plain.as_slice(), Vec::<Entry>::new());
        for _ in 0..self.n {
            let shared = usize::try_from(take_number(&mut rest)?).ok()?;
            let length = usize::try_from(take_number(&mut rest)?).ok()?;
            let (own, after) = rest.split_at_checked(length)?;
            let before = entries.last().map_or(&b""[..], |entry| entry.id.as_bytes());
            let id = String::from_utf8([before.get(..shared)?, own].concat()).ok()?;
            rest = after;
            entries.push(Entry { id, at: None, gone: false });
        }
        let mut at = 0i64;
        for entry in &mut entries {
            let (&kind, after) = rest.split_first()?;
            rest = after;
            entry.gone = kind & 2 != 0;
            if kind & 1 != 0 {
                let step = take_number(&mut rest)?;
                at = at.wrapping_add((step >> 1) as i64 ^ -((step & 1) as i64));
                entry.at = Some(at);
            }
        }
        rest.is_empty().then_some(entries)
    }
}

/// Seven bits a byte, the lowest first.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mixed(n: u64) -> u64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }

    fn entries(count: u64, id: impl Fn(u64) -> String) -> Vec<Entry> {
        let times = (0..count).map(|n| 1_700_000_000_000 + (mixed(n) % 31_536_000_000) as i64);
        let mut all: Vec<Entry> =
            (0..count).zip(times).map(|(n, at)| Entry { id: id(n), at: Some(at), gone: false }).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    #[test]
    fn what_an_id_costs_is_as_documented() {
        let of_mongo = entries(1024, |n| {
            format!("{:08x}5a5a5a5a5a{:06x}", 0x6500_0000 + n * 9000 + mixed(n) % 9000, mixed(n) % 0xff_ffff)
        });
        let random = entries(1024, |n| format!("{:016x}{:016x}", mixed(n), mixed(n + 1_000_000)));
        let bytes = |all: &[Entry]| serde_json::to_string(&Packed::new(all)).unwrap().len() / all.len();
        let found = (bytes(&of_mongo), bytes(&random));
        assert!((10..=20).contains(&found.0) && (25..=33).contains(&found.1), "{found:?}");
    }

    #[test]
    fn what_is_damaged_is_said_to_be() {
        let mut packed = Packed::new(&entries(5, |n| n.to_string()));
        packed.n = 6;
        assert!(packed.entries().is_err());
        packed.ids = "?".into();
        assert!(packed.entries().is_err());
        assert_eq!(Packed::default().entries().unwrap_or_default(), []);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(all in prop::collection::vec(("\\PC{0,40}", any::<Option<i64>>(), any::<bool>()), 0..50)) {
            let all: Vec<Entry> = all.into_iter().map(|(id, at, gone)| Entry { id, at, gone }).collect();
            prop_assert_eq!(Packed::new(&all).entries().unwrap(), all);
        }

        #[test]
        fn no_bytes_make_it_panic(n in 0usize..5, plain in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
            deflated.write_all(&plain).unwrap();
            let _ = Packed { n, ids: STANDARD_NO_PAD.encode(deflated.finish().unwrap()) }.entries();
        }
    }
}
