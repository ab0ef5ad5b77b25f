//! `preview`
use std::path::Path;
use tributary_connector::Registry;
use crate::Exit;
pub async fn preview(_p: &Path, _s: &str, _rows: usize, _r: &Registry, _c: bool) -> Exit { Exit::Failed }
