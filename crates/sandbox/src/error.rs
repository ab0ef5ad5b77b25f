//! What can go wrong while writing, reading or serving the made-up retailer: the thing, the cause, and where there are lines the line.
//!
//! No error carries a value of a record. There is no retry class: nothing here calls anybody.

use std::path::PathBuf;

/// Why the retailer could not be written or served, or its truth not be read.
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
    /// A stand-in could not be served.
    #[error("could not listen on port `{port}` of 127.0.0.1; hint: port `0` takes any that is free")]
    Serve {
        /// The port asked for.
        port: u16,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A scenario could not be read.
    #[error("could not read the scenario: {reason}")]
    Scenario {
        /// Where and why.
        reason: String,
    },
}
