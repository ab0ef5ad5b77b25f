//! Where files are: patterns of paths, and the files found by them.
//!
//! A file's partition is its path below the directory that all local patterns share, or its whole URL, so that it does not
//! depend on the machine. Two patterns that find one file find it once.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use object_store::ObjectStore;
use tributary_connector::{Error, Kind};

/// What tells, without reading, that a file is as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    pub size: u64,
    /// Microseconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// The object's version, where there is one; it counts instead of `mtime`.
    pub etag: Option<String>,
}

impl Stat {
    /// Whether a file with `self` then and `other` now is unchanged.
    pub fn same(&self, other: &Self) -> bool {
        self.size == other.size
            && match (&self.etag, &other.etag) {
                (Some(then), Some(now)) => then == now,
                (None, None) => self.mtime == other.mtime,
                _ => false,
            }
    }
}

/// A file that was found.
#[derive(Debug, Clone)]
pub struct Entry {
    pub partition: Arc<str>,
    pub place: Place,
    pub stat: Stat,
}

/// How to get at a file.
#[derive(Debug, Clone)]
pub enum Place {
    Local(PathBuf),
    Remote(Arc<dyn ObjectStore>, object_store::path::Path),
}

/// What a listing found: files by partition, and what was found but is not read.
#[derive(Debug, Default)]
pub struct Listing {
    pub entries: Vec<Entry>,
    pub refused: Vec<(Arc<str>, Error)>,
}

impl Listing {
    /// Sorted by partition, each once.
    pub fn sorted(mut self) -> Self {
        self.entries.sort_by(|a, b| a.partition.cmp(&b.partition));
        self.entries.dedup_by(|a, b| a.partition == b.partition);
        self.refused.sort_by(|a, b| a.0.cmp(&b.0));
        self.refused.dedup_by(|a, b| a.0 == b.0);
        self
    }
}

/// The configured paths.
#[derive(Debug, Clone)]
pub struct Patterns {
    pub local: Vec<LocalPattern>,
    /// What local partitions are relative to.
    pub local_root: PathBuf,
    pub remote: Vec<RemotePattern>,
}

/// A local path with or without wild cards.
#[derive(Debug, Clone)]
pub struct LocalPattern {
    /// The pattern as configured.
    pub text: String,
    /// The directory above the first wild card.
    pub root: PathBuf,
    pub rest: Rest,
}

/// What stands below a pattern's root.
#[derive(Debug, Clone)]
pub enum Rest {
    /// A file's name.
    Literal(String),
    Glob {
        matcher: GlobMatcher,
        /// Directories below the root that may hold a match; none with `**`.
        depth: Option<usize>,
        /// Whether names with a leading dot are meant.
        hidden: bool,
    },
}

/// A path in an object store.
#[derive(Debug, Clone)]
pub struct RemotePattern {
    pub text: String,
    /// `s3`, `gs` or `az`.
    pub scheme: String,
    pub bucket: String,
    /// The path above the first wild card.
    pub prefix: String,
    pub matcher: GlobMatcher,
}

impl Patterns {
    /// Reads `paths`; relative ones are below `directory`.
    ///
    /// # Errors
    /// [`Kind::Config`] for a pattern that cannot be read, or if there is none.
    pub fn parse(paths: &[String], directory: &Path) -> Result<Self, Error> {
        let (mut local, mut remote) = (Vec::new(), Vec::new());
        for text in paths {
            match text.split_once("://") {
                Some((scheme @ ("s3" | "gs" | "az"), rest)) => remote.push(remote_pattern(text, scheme, rest)?),
                Some((scheme, _)) => {
                    return Err(Error::new(Kind::Config, format!("`{scheme}://` is not known, in path `{text}`"))
                        .hint("known: `s3://`, `gs://`, `az://`, and local paths"));
                }
                None => local.push(local_pattern(text, directory)?),
            }
        }
        if local.is_empty() && remote.is_empty() {
            return Err(Error::new(Kind::Config, "`path` is empty").hint("`path = \"exports/**/*.csv\"`"));
        }
        let local_root =
            local.iter().map(|pattern| pattern.root.clone()).reduce(|a, b| common(&a, &b)).unwrap_or_default();
        Ok(Self { local, local_root, remote })
    }

    /// All patterns as configured, for messages.
    pub fn in_words(&self) -> String {
        let texts = self.local.iter().map(|p| &p.text).chain(self.remote.iter().map(|p| &p.text));
        texts.map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
    }
}

fn local_pattern(text: &str, directory: &Path) -> Result<LocalPattern, Error> {
    let path = normal(&directory.join(text));
    let as_written = path.is_file();
    let mut root = PathBuf::new();
    let mut rest: Vec<&str> = Vec::new();
    for component in path.components() {
        let name = component.as_os_str().to_str().unwrap_or_default();
        if rest.is_empty() && (as_written || !name.contains(['*', '?', '[', '{'])) {
            root.push(component);
        } else {
            rest.push(name);
        }
    }
    if rest.is_empty() {
        let name = root.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        root.pop();
        return Ok(LocalPattern { text: text.to_owned(), root, rest: Rest::Literal(name) });
    }
    let depth = (!rest.contains(&"**")).then(|| rest.len() - 1);
    let hidden = rest.iter().any(|name| name.starts_with('.'));
    let rest = Rest::Glob { matcher: glob(text, &rest.join("/"))?, depth, hidden };
    Ok(LocalPattern { text: text.to_owned(), root, rest })
}

fn remote_pattern(text: &str, scheme: &str, rest: &str) -> Result<RemotePattern, Error> {
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || path.is_empty() {
        return Err(Error::new(Kind::Config, format!("path `{text}` names no file in a bucket"))
            .hint(format!("`{scheme}://bucket/prefix/*.csv`")));
    }
    let parts: Vec<&str> = path.split('/').collect();
    let literal = parts.iter().take_while(|part| !part.contains(['*', '?', '[', '{'])).count().min(parts.len() - 1);
    Ok(RemotePattern {
        text: text.to_owned(),
        scheme: scheme.to_owned(),
        bucket: bucket.to_owned(),
        prefix: parts[..literal].join("/"),
        matcher: glob(text, path)?,
    })
}

fn glob(text: &str, pattern: &str) -> Result<GlobMatcher, Error> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|e| Error::new(Kind::Config, format!("path `{text}` is not a pattern of paths")).source(e))
}

/// `path` without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The directory that holds both.
fn common(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(paths: &[&str]) -> Patterns {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        Patterns::parse(&paths, Path::new("/w/d")).unwrap()
    }

    #[test]
    fn the_root_is_what_stands_above_the_first_wild_card() {
        let patterns = parse(&["./exports/pos/**/*.csv"]);
        assert_eq!(patterns.local_root, Path::new("/w/d/exports/pos"));
        let Rest::Glob { matcher, depth: None, .. } = &patterns.local[0].rest else { panic!() };
        assert!(matcher.is_match("a.csv") && matcher.is_match("x/y/a.csv") && !matcher.is_match("x/a.csv2"));

        let patterns = parse(&["../a/x/*.csv", "/w/a/y/z.csv"]);
        assert_eq!(patterns.local_root, Path::new("/w/a"));
        assert!(matches!(&patterns.local[1].rest, Rest::Literal(name) if name == "z.csv"));
    }

    #[test]
    fn a_star_stays_within_a_directory() {
        let Rest::Glob { matcher, depth, .. } = &parse(&["e/*/m-?.{csv,txt}"]).local[0].rest.clone() else { panic!() };
        assert!(matcher.is_match("s/m-1.txt") && !matcher.is_match("s/t/m-1.txt"));
        assert_eq!(*depth, Some(1));
    }

    #[test]
    fn object_stores_are_named_by_url() {
        let remote = &parse(&["s3://b/p/q/*/x.csv"]).remote[0];
        assert_eq!((remote.bucket.as_str(), remote.prefix.as_str()), ("b", "p/q"));
        assert!(remote.matcher.is_match("p/q/2025/x.csv"));
        let error = Patterns::parse(&["ftp://x/y".to_owned()], Path::new("/")).unwrap_err();
        assert_eq!(error.message, "`ftp://` is not known, in path `ftp://x/y`");
        assert!(Patterns::parse(&["s3://b".to_owned()], Path::new("/")).is_err());
    }
}
