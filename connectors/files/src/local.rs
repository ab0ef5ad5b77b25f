//! Finds local files. A link that leads outside the pattern's root is refused, and so is a name that is not UTF-8.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tributary_connector::{Error, Kind};

use crate::place::{Entry, Listing, LocalPattern, Patterns, Place, Rest, Stat};

/// Directories within directories that are followed; a guard against what cannot be meant.
const MAX_DEPTH: usize = 64;

/// Finds what the local patterns match.
///
/// # Errors
/// [`Kind::NotFound`] if a pattern's root is not there or cannot be read.
pub fn list(patterns: &Patterns, listing: &mut Listing) -> Result<(), Error> {
    for pattern in &patterns.local {
        match &pattern.rest {
            Rest::Literal(name) => {
                let path = pattern.root.join(name);
                match fs::metadata(&path) {
                    Ok(meta) if meta.is_dir() => {
                        return Err(Error::new(Kind::Config, format!("path `{}` is a directory", pattern.text))
                            .hint(format!("`{}/**/*.csv`", pattern.text.trim_end_matches('/'))));
                    }
                    Ok(meta) => found(patterns, path, &meta, listing),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                    Err(e) => return Err(unreadable(&path, e)),
                }
            }
            Rest::Glob { depth, .. } => {
                let root = fs::canonicalize(&pattern.root).map_err(|e| unreadable(&pattern.root, e))?;
                let mut walk = Walk { patterns, pattern, seen: HashSet::from([root.clone()]), root, listing };
                let entries = fs::read_dir(&pattern.root).map_err(|e| unreadable(&pattern.root, e))?;
                walk.directory(entries, depth.unwrap_or(MAX_DEPTH));
            }
        }
    }
    Ok(())
}

/// How the file at `path` is now.
///
/// # Errors
/// If it is gone or cannot be looked at.
pub fn stat(path: &Path) -> std::io::Result<Stat> {
    fs::metadata(path).map(|meta| stat_of(&meta))
}

pub fn stat_of(meta: &Metadata) -> Stat {
    let mtime = meta.modified().map_or(0, |time| match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(_) => {
            UNIX_EPOCH.duration_since(time).map_or(0, |before| -i64::try_from(before.as_micros()).unwrap_or(i64::MAX))
        }
    });
    Stat { size: meta.len(), mtime, etag: None }
}

fn unreadable(path: &Path, e: std::io::Error) -> Error {
    Error::new(Kind::NotFound, format!("`{}` cannot be read", path.display())).source(e)
}

fn partition(patterns: &Patterns, path: &Path) -> Arc<str> {
    // Forward slashes on every system; what is not UTF-8 has been refused.
    let relative = path.strip_prefix(&patterns.local_root).unwrap_or(path);
    relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/").into()
}

fn found(patterns: &Patterns, path: PathBuf, meta: &Metadata, listing: &mut Listing) {
    if meta.is_file() {
        listing.entries.push(Entry {
            partition: partition(patterns, &path),
            stat: stat_of(meta),
            place: Place::Local(path),
        });
    }
}

struct Walk<'a> {
    patterns: &'a Patterns,
    pattern: &'a LocalPattern,
    /// The pattern's root without links.
    root: PathBuf,
    /// Directories without links, so that a ring of links ends.
    seen: HashSet<PathBuf>,
    listing: &'a mut Listing,
}

impl Walk<'_> {
    fn directory(&mut self, entries: fs::ReadDir, depth: usize) {
        for entry in entries {
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            if let Err(e) = self.entry(&path, depth) {
                self.listing.refused.push((partition(self.patterns, &path), e));
            }
        }
    }

    fn entry(&mut self, path: &Path, depth: usize) -> Result<(), Error> {
        let Rest::Glob { matcher, hidden, .. } = &self.pattern.rest else { return Ok(()) };
        let relative = path.strip_prefix(&self.pattern.root).unwrap_or(path);
        let name = relative.file_name().unwrap_or_default().to_string_lossy();
        // Excel's lock files and files that are being written by careful programs look like this.
        if !hidden && (name.starts_with('.') || name.starts_with("~$")) {
            return Ok(());
        }
        let Ok(is_link) = fs::symlink_metadata(path).map(|meta| meta.is_symlink()) else { return Ok(()) };
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(unreadable(path, e)),
        };
        let wanted = if meta.is_dir() { depth > 0 } else { matcher.is_match(relative) };
        if !wanted {
            return Ok(());
        }
        if path.to_str().is_none() {
            return Err(Error::new(Kind::Config, "a file's name is not UTF-8").hint("rename it"));
        }
        if is_link && !fs::canonicalize(path).is_ok_and(|target| target.starts_with(&self.root)) {
            return Err(Error::new(
                Kind::Refused,
                format!("`{}` is a link that leads outside `{}`", relative.display(), self.pattern.text),
            )
            .hint("copy the file, or name its directory in `path`"));
        }
        if meta.is_dir() {
            if fs::canonicalize(path).is_ok_and(|directory| self.seen.insert(directory)) {
                let entries = fs::read_dir(path).map_err(|e| unreadable(path, e))?;
                self.directory(entries, depth - 1);
            }
            return Ok(());
        }
        found(self.patterns, path.to_owned(), &meta, self.listing);
        Ok(())
    }
}
