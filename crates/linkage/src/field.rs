//! The kinds of fields that are compared, the levels on which two values can stand, and the parsed values.
//!
//! A level is four bits, so that the levels of sixteen comparisons are one `u64`, the *agreement pattern*. 0 says that one of
//! the two is missing; 1 to 8 that they are equal, by how frequent the value is (1 the rarest); 9 to 14 that they are near
//! in one of the ways of [`Kind::levels`], the nearest first; 15 that they differ.

pub(crate) mod birthday;
pub(crate) mod code;
pub(crate) mod email;
pub(crate) mod name;
pub(crate) mod phone;
pub(crate) mod place;
pub(crate) mod street;

use serde::{Deserialize, Serialize};

/// So many levels fit four bits.
pub(crate) const LEVELS: usize = 16;
/// So many classes of frequency an equal value may be of.
pub(crate) const CLASSES: usize = 8;
pub(crate) const MISSING: u8 = 0;
pub(crate) const NEAR: u8 = 9;
pub(crate) const DIFFERENT: u8 = 15;
/// So many comparisons fit a pattern.
pub(crate) const MOST_FIELDS: usize = 16;

/// What a field holds, and so how two of its values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Given,
    Family,
    Birthday,
    Phone,
    Email,
    Gender,
    Street,
    Place,
    Code,
}

impl Kind {
    /// The levels between equal and different, the nearest first.
    pub fn levels(self) -> &'static [&'static str] {
        match self {
            Kind::Given => &["same sound", "one edit", "close", "given and family swapped"],
            Kind::Family => &["same sound", "one edit", "close"],
            Kind::Birthday => &["day and month swapped", "one digit", "two parts agree", "same year"],
            Kind::Phone => &["compatible with a mask", "one edit", "two edits"],
            Kind::Email => &["same local part", "one edit", "close"],
            Kind::Gender => &[],
            Kind::Street => &["equal, the place aside", "near", "another number", "same number"],
            Kind::Place => &["same district or postcode", "same or near city", "same province"],
            Kind::Code => &["one edit", "two edits"],
        }
    }

    /// A level in words.
    pub fn level(self, level: u8) -> &'static str {
        match level {
            MISSING => "missing",
            level if level < NEAR => "equal",
            level => self.levels().get(usize::from(level - NEAR)).copied().unwrap_or("different"),
        }
    }

    /// Whether two persons of one household may well share it, whatever its value.
    pub(crate) fn of_household(self) -> bool {
        matches!(self, Kind::Family | Kind::Phone | Kind::Email | Kind::Street | Kind::Place)
    }

    /// Fields of one group fail together: what blocks on one of them says little about the others.
    pub(crate) fn group(self, field: usize) -> usize {
        match self {
            Kind::Given | Kind::Family => 0,
            Kind::Street | Kind::Place => 1,
            _ => field + 2,
        }
    }
}
