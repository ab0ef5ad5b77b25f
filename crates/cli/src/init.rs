//! `init`
use std::path::{Path, PathBuf};
use crate::Exit;
pub fn init(_files: &[PathBuf], _output: &Path) -> Exit { Exit::Failed }
