//! The suite that every connector must pass.

#![forbid(unsafe_code)]

mod failure;
mod secrets;
mod subject;
pub mod wire;

pub use failure::{Details, Failure, Passed};
pub use secrets::SecretFiles;
pub use subject::{Budget, Change, Credentials, Declared, DeclaredStream, Deletes, Size, Subject, Unsupported, World};
