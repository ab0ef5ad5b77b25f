//! What was written: rows and bytes of each file, and how often each kind of noise was applied.
//!
//! The counts are kept where the noise is drawn; they are for reports and for choosing what to test. A test that wants to
//! know whether the noise is really in the files counts it there, against the truth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What [`write()`](crate::write()) wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Persons in the world.
    pub people: u64,
    /// Each file by its path below the folder, with `/`.
    pub files: BTreeMap<String, FileCount>,
    /// How often each kind of noise was applied.
    pub noise: NoiseCounts,
}

impl Summary {
    pub(crate) fn file(&mut self, path: &str, count: FileCount) {
        self.noise.resent_rows += count.resent;
        self.files.insert(path.to_owned(), count);
    }
}

/// One file that was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCount {
    /// Rows of data, re-sent ones included; titles, header and total row are none.
    pub rows: u64,
    /// Rows that repeat an earlier one of the same file.
    pub resent: u64,
    /// The file's size.
    pub bytes: u64,
}

/// How often each kind of noise was applied. Unless another unit is named, the unit is a party record (a store member or a
/// CRM contact, re-sent rows not counted again).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoiseCounts {
    /// Party records there are: what the rates are rates of.
    pub party_records: u64,
    /// A character changed to one of the same sound or shape, or two swapped.
    pub name_typos: u64,
    /// `张**`.
    pub names_masked: u64,
    /// No phone.
    pub phones_missing: u64,
    /// `138****1234`.
    pub phones_masked: u64,
    /// One digit wrong; never by accident somebody's phone.
    pub phones_wrong_digit: u64,
    /// Store records, one each of as many people, that show a till's phone.
    pub phones_of_tills: u64,
    /// Old records that show a phone which by now is another person's.
    pub phones_recycled: u64,
    /// No e-mail.
    pub emails_missing: u64,
    /// No birthday.
    pub birthdays_missing: u64,
    /// Day and month swapped, the result being another valid date.
    pub birthdays_swapped: u64,
    /// People who hold two member cards.
    pub second_cards: u64,
    /// Names followed by 先生 or 女士.
    pub name_suffixes: u64,
    /// Chinese names written in pinyin.
    pub names_in_pinyin: u64,
    /// Rows of all files that repeat an earlier one.
    pub resent_rows: u64,
}
