//! What can go wrong while writing or reading the made-up retailer: the file, the cause, and for a truth file the line.
//!
//! No error carries a value of a record. There is no retry class: nothing here talks to anybody.

use std::path::PathBuf;

/// Why the retailer could not be written, or its truth not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration asks for something that cannot be made.
    #[error("cannot use `{field}`: {reason}")]
    Config {
        /// The field of [`Config`](crate::Config).
        field: &'static str,
        /// What is allowed instead.
        reason: &'static str,
    },
    /// A file, or the folder that it lies in, could not be written.
    #[error("could not write `{}`", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The survey's workbook could not be made.
    #[error("could not write the workbook `{}`", .path.display())]
    Workbook {
        /// The file.
        path: PathBuf,
        /// What the writer of XLSX files said.
        source: rust_xlsxwriter::XlsxError,
    },
    /// A row holds a character that the file's encoding lacks; a mistake of this crate.
    #[error("could not encode a row of `{}` as GB18030", .path.display())]
    Encode {
        /// The file.
        path: PathBuf,
    },
    /// A truth file could not be read.
    #[error("could not read `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A truth file is not one that this version of the crate wrote.
    #[error("could not read line `{line}` of `{}`: {reason}; hint: write the folder again with this version", .path.display())]
    Truth {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}
