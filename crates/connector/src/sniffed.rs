//! What a file looks like before it is read: for `tributary init` and `tributary preview`.

use crate::Configuration;

/// The look of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sniffed {
    /// Its path as a person knows it.
    pub path: String,
    /// Such as `csv`.
    pub format: String,
    /// Of text, by its label.
    pub encoding: Option<String>,
    /// Between the fields of delimited text.
    pub delimiter: Option<char>,
    /// What stands above the header, a line or row each.
    pub title_rows: Vec<String>,
    /// The cells of a last row that sums up and is no record.
    pub total_row: Option<Vec<String>>,
    /// What the source's configuration had better say, so that it need not be found out for every file.
    pub config: Configuration,
}
