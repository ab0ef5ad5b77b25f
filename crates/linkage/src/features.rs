//! Records as rows of small numbers: each distinct value once, parsed for comparison.

mod build;

pub use build::{Builder, Party};

use crate::field::birthday::Birthday;
use crate::field::code::Codes;
use crate::field::email::Emails;
use crate::field::name::{self, Names};
use crate::field::phone::Packed;
use crate::field::place::Places;
use crate::field::street::Streets;
use crate::field::{DIFFERENT, Kind, MISSING, NEAR};

/// The places of the fields that every record has; identifiers follow.
pub(crate) const GIVEN: usize = 0;
pub(crate) const FAMILY: usize = 1;
pub(crate) const BIRTHDAY: usize = 2;
pub(crate) const PHONE: usize = 3;
pub(crate) const EMAIL: usize = 4;
pub(crate) const GENDER: usize = 5;
pub(crate) const STREET: usize = 6;
pub(crate) const PLACE: usize = 7;
pub(crate) const CODES: usize = 8;

/// One thing that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// `given_name`, `phone`, …, or the name of an identifier.
    pub name: String,
    pub kind: Kind,
}

/// The distinct values of each field, parsed. Value 0 is none.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    pub names: Names,
    pub birthdays: Vec<Birthday>,
    pub phones: Vec<Packed>,
    pub emails: Emails,
    pub streets: Streets,
    pub places: Places,
    pub codes: Vec<Codes>,
    /// By field, the hash of each value. Given and family names are of one list.
    pub hashes: Vec<Vec<u64>>,
}

/// Values that are as good as missing: those that strangers share, by field and value. A field without any has no list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excluded(pub Vec<Vec<bool>>);

impl Excluded {
    pub(crate) fn has(&self, field: usize, value: u32) -> bool {
        self.0.get(field).and_then(|values| values.get(value as usize)).is_some_and(|excluded| *excluded)
    }
}

/// Records, numbered in the order in which they were pushed.
#[derive(Debug, Clone)]
pub struct Features {
    pub(crate) fields: Vec<Field>,
    /// Row by row, a value per field.
    pub(crate) rows: Vec<u32>,
    pub(crate) keys: Vec<u64>,
    pub(crate) sources: Vec<u32>,
    pub(crate) values: Values,
    /// By field and value, how many records have it.
    pub(crate) counts: Vec<Vec<u32>>,
}

impl Features {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn row(&self, record: u32) -> &[u32] {
        let width = self.fields.len();
        &self.rows[record as usize * width..][..width]
    }

    /// A record's value of a field; 0 if it is missing or excluded.
    pub(crate) fn value(&self, excluded: &Excluded, record: u32, field: usize) -> u32 {
        let value = self.row(record)[field];
        if excluded.has(field, value) { 0 } else { value }
    }

    /// The values of a field; those of family names are those of given names.
    pub(crate) fn list(field: usize) -> usize {
        if field == FAMILY { GIVEN } else { field }
    }

    pub(crate) fn hashes(&self, field: usize) -> &[u64] {
        &self.values.hashes[Features::list(field)]
    }

    /// The levels of two records, one per field. An equal value gets the class that `class` gives it.
    pub(crate) fn levels(&self, a: u32, b: u32, excluded: &Excluded, class: impl Fn(usize, u32) -> u8, out: &mut [u8]) {
        let (x, y) = (self.row(a), self.row(b));
        let values = &self.values;
        for (field, level) in out.iter_mut().enumerate().take(x.len()) {
            let (v, w) = (x[field], y[field]);
            *level = if v == 0 || w == 0 || excluded.has(field, v) || excluded.has(field, w) {
                MISSING
            } else if v == w && !self.hidden(field, v) {
                class(field, v)
            } else {
                match field {
                    GIVEN | FAMILY if v == w => name::CLOSE,
                    GIVEN | FAMILY => values.names.compare(v, w),
                    BIRTHDAY => {
                        crate::field::birthday::compare(values.birthdays[v as usize], values.birthdays[w as usize])
                    }
                    PHONE => crate::field::phone::compare(values.phones[v as usize], values.phones[w as usize]),
                    EMAIL => values.emails.compare(v, w),
                    GENDER => DIFFERENT,
                    STREET => values.streets.compare(v, w),
                    PLACE => values.places.compare(v, w),
                    _ => values.codes[field - CODES].compare(v, w),
                }
            };
        }
        // Given for family name, and family for given: one way may have a typo.
        let crossed = (x[GIVEN] == y[FAMILY] && x[GIVEN] != 0, x[FAMILY] == y[GIVEN] && x[FAMILY] != 0);
        if (crossed.0 || crossed.1) && out[GIVEN] >= NEAR && out[FAMILY] >= NEAR {
            let both = (crossed.0 || values.names.compare(x[GIVEN], y[FAMILY]) < DIFFERENT)
                && (crossed.1 || values.names.compare(x[FAMILY], y[GIVEN]) < DIFFERENT);
            if both {
                (out[GIVEN], out[FAMILY]) = (name::SWAPPED, MISSING);
            }
        }
        // Many an address is made of its owner's name: of two namesakes' that they are alike says nothing more.
        let alike = |level: u8| level != MISSING && level < DIFFERENT;
        if alike(out[GIVEN])
            && (alike(out[FAMILY]) || out[FAMILY] == MISSING)
            && (NEAR + 1..DIFFERENT).contains(&out[EMAIL])
        {
            out[EMAIL] = MISSING;
        }
        // Equal streets are in one place: that they agree there too is no further evidence.
        if (1..NEAR).contains(&out[STREET]) {
            out[PLACE] = MISSING;
        }
    }

    /// Whether equal values may hide different ones.
    pub(crate) fn hidden(&self, field: usize, value: u32) -> bool {
        match field {
            GIVEN | FAMILY => self.values.names.masked(value),
            PHONE => crate::field::phone::masked(self.values.phones[value as usize]),
            _ => false,
        }
    }
}

/// Levels as one number.
pub(crate) fn packed(levels: &[u8]) -> u64 {
    levels.iter().enumerate().fold(0, |pattern, (field, level)| pattern | u64::from(*level) << (4 * field))
}

pub(crate) fn level_of(pattern: u64, field: usize) -> u8 {
    (pattern >> (4 * field) & 15) as u8
}
