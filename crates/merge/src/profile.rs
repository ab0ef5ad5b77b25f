//! What a merge looks at in a record, as `clean` has it and as the index keeps it.

use arrow::array::{Array, BinaryViewArray};
use tributary_engine::{Error, Result};
use tributary_linkage::{Builder, Party};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::people::STAGE;
use crate::rules::Rules;

/// Columns of `clean.party` that are compared, besides the name.
pub(crate) const COLUMNS: &[&str] =
    &["family_name", "given_name", "gender", "birthday", "province", "city", "district", "street", "postcode"];

/// An identifier of a record. Times are micros.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identifier<'a> {
    pub kind: &'a str,
    pub scope: &'a str,
    pub masked: bool,
    /// Whether it is one no more.
    pub ended: bool,
    pub value: &'a str,
    pub from: Option<i64>,
    pub to: Option<i64>,
}

/// A record as it is merged. Of a stub there is an identifier and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile<'a> {
    pub source: &'a str,
    pub name: Option<&'a str>,
    pub masked: bool,
    /// As [`COLUMNS`].
    pub columns: [Option<&'a str>; COLUMNS.len()],
    /// Sorted: what says more comes before what says less.
    pub identifiers: Vec<Identifier<'a>>,
}

/// A type of identifier in its scope, as a comparison is called.
pub(crate) fn named(kind: &str, scope: &str) -> String {
    if scope.is_empty() { kind.to_owned() } else { format!("{kind}:{scope}") }
}

/// The hash by which equal values of an identifier are found.
pub(crate) fn held(seed: u64, kind: &str, scope: &str, value: &str) -> u128 {
    // No part has a byte of this value, as all are UTF-8.
    let whole = [kind.as_bytes(), scope.as_bytes(), value.as_bytes()].join(&0xff);
    xxh3_128_with_seed(&whole, seed)
}

impl<'a> Identifier<'a> {
    fn pack(&self, bytes: &mut Vec<u8>) {
        let flags = [self.masked, self.ended, self.from.is_some(), self.to.is_some()];
        bytes.push(flags.iter().zip(0..).fold(0, |bits, (flag, at)| bits | u8::from(*flag) << at));
        [self.kind, self.scope, self.value].into_iter().for_each(|part| text(bytes, Some(part)));
        for time in [self.from, self.to].into_iter().flatten() {
            bytes.extend(time.to_le_bytes());
        }
    }

    fn unpack(rest: &mut Reader<'a>) -> Option<Self> {
        let flags = rest.byte()?;
        let flag = |at: u8| flags >> at & 1 == 1;
        let (kind, scope, value) = (rest.text()??, rest.text()??, rest.text()??);
        let from = if flag(2) { Some(rest.time()?) } else { None };
        let to = if flag(3) { Some(rest.time()?) } else { None };
        Some(Self { kind, scope, masked: flag(0), ended: flag(1), value, from, to })
    }

    /// Whether rules make it tie records, or keep them apart.
    pub fn counts(&self, rules: &Rules) -> bool {
        !self.masked && rules.identifiers.iter().any(|rule| rule.kind == self.kind && (rule.strong || rule.unique))
    }
}

impl<'a> Profile<'a> {
    /// The hashes of the identifiers that count.
    pub fn held(&self, rules: &Rules, seed: u64) -> Vec<u128> {
        let of = self.identifiers.iter().filter(|identifier| identifier.counts(rules));
        let mut found: Vec<u128> = of.map(|of| held(seed, of.kind, of.scope, of.value)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Hands the record to be compared: with its first phone and e-mail, and its first identifier of each of `codes`.
    pub fn push(&self, builder: &mut Builder, codes: &[String], key: u64, source: u32) {
        let (mut phone, mut email, mut found) = (None, None, vec![]);
        for identifier in &self.identifiers {
            let value = identifier.value;
            match identifier.kind {
                "phone" => _ = phone.get_or_insert(value),
                "email" => _ = email.get_or_insert(value),
                kind if codes.is_empty() => _ = kind,
                kind => {
                    let name = named(kind, identifier.scope);
                    found.extend(codes.iter().position(|code| *code == name).map(|code| (code, value)));
                }
            }
        }
        let [family, given, gender, birthday, province, city, district, street, postcode] = self.columns;
        builder.push(&Party {
            key,
            source,
            name: self.name,
            name_masked: self.masked,
            family,
            given,
            gender,
            birthday,
            phone,
            email,
            province,
            city,
            district,
            street,
            postcode,
            identifiers: &found,
        });
    }

    /// As bytes, for the index.
    pub fn pack(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        let flags = u8::from(self.masked);
        bytes.push(flags);
        text(bytes, Some(self.source));
        text(bytes, self.name);
        self.columns.iter().for_each(|column| text(bytes, *column));
        self.identifiers.iter().for_each(|of| of.pack(bytes));
    }

    pub fn packed(&self) -> Vec<u8> {
        let mut bytes = vec![];
        self.pack(&mut bytes);
        bytes
    }

    /// # Errors
    /// [`Error::Ledger`] if the bytes are none of ours.
    pub fn unpack(bytes: &'a [u8]) -> Result<Self> {
        let mut rest = Reader(bytes);
        let mut read = || {
            let mut profile =
                Self { masked: rest.byte()? & 1 == 1, source: rest.text()??, name: rest.text()?, ..Self::default() };
            for column in &mut profile.columns {
                *column = rest.text()?;
            }
            while !rest.0.is_empty() {
                profile.identifiers.push(Identifier::unpack(&mut rest)?);
            }
            Some(profile)
        };
        read().ok_or_else(|| {
            let why = "a record of `match.record` cannot be read; delete the folder `match` of the lake, and it is made again";
            Error::Ledger { stage: STAGE.into(), why: why.into() }
        })
    }
}

/// A length more by one, seven bits a byte, and that many bytes; of none, a zero.
fn text(bytes: &mut Vec<u8>, text: Option<&str>) {
    let mut length = text.map_or(0, |text| text.len() + 1);
    while length >= 128 {
        bytes.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(text.unwrap_or_default().as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn text(&mut self) -> Option<Option<&'a str>> {
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = self.byte()?;
            length |= usize::from(byte & 127).checked_shl(shift)?;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
        let Some(length) = length.checked_sub(1) else { return Some(None) };
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(std::str::from_utf8(text).ok()?))
    }

    fn time(&mut self) -> Option<i64> {
        let (time, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(i64::from_le_bytes(*time))
    }
}

/// The identifiers of a record as they come by, in whatever order.
#[derive(Debug, Default)]
pub(crate) struct Gathered(Vec<u8>);

impl Gathered {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn take(&mut self, identifier: &Identifier) {
        identifier.pack(&mut self.0);
    }

    /// What was taken, sorted.
    pub fn sorted(&self) -> Vec<Identifier<'_>> {
        let mut rest = Reader(&self.0);
        let mut found: Vec<_> = std::iter::from_fn(|| Identifier::unpack(&mut rest)).collect();
        found.sort_unstable();
        found
    }
}

/// Numbers of a row of bytes.
pub(crate) fn numbers<const N: usize>(column: &BinaryViewArray, row: usize) -> impl Iterator<Item = [u8; N]> + '_ {
    let bytes = if column.is_valid(row) { column.value(row) } else { &[] };
    bytes.as_chunks::<N>().0.iter().copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]
    use super::*;

    fn profile(long: &str) -> Profile<'_> {
        let phone = Identifier { kind: "phone", value: "+8613912345678", ..Identifier::default() };
        let mut columns = <[Option<&str>; COLUMNS.len()]>::default();
        columns[3] = Some("1990-02-03");
        columns[7] = Some(long);
        let ended = Identifier { ended: true, from: Some(-5), to: Some(1 << 50), ..phone };
        Profile { source: "crm", name: Some(""), masked: true, columns, identifiers: vec![phone, ended] }
    }

    #[test]
    fn what_was_packed_is_read_back() {
        let mut bytes = vec![];
        for profile in [Profile::default(), profile(&"长".repeat(100))] {
            profile.pack(&mut bytes);
            assert_eq!(Profile::unpack(&bytes).unwrap(), profile);
        }
    }

    #[test]
    fn bytes_that_are_cut_off_are_an_error() {
        let mut bytes = vec![];
        let whole = profile("street");
        whole.pack(&mut bytes);
        for length in 0..bytes.len() {
            assert!(
                Profile::unpack(&bytes[..length]).is_ok_and(|read| read != whole)
                    || Profile::unpack(&bytes[..length]).is_err()
            );
        }
        assert!(Profile::unpack(&[0, 255, 255, 255]).is_err());
    }

    #[test]
    fn parts_of_an_identifier_do_not_run_together() {
        assert_ne!(held(1, "ab", "c", "d"), held(1, "a", "bc", "d"));
        assert_ne!(held(1, "a", "b", "c"), held(2, "a", "b", "c"));
    }
}
