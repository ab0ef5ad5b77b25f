//! The pipeline file as typed values that know their places.
//!
//! [`parse`] needs nothing but the text. It reports what is wrong in itself: syntax, unknown and missing keys, wrong types,
//! bad names, dates and time zones, secrets written out. What takes knowledge of connectors, model or columns is
//! [`crate::validate`]'s; a pipeline is handed out for it even when something is wrong, so that both report at once.

mod alternatives;
mod check;
mod file;
pub mod fingerprint;
mod jsonschema;
mod keys;
mod map;
mod mart;
mod merge;
mod reader;
mod schema;
pub(crate) mod secret;
mod source;
pub(crate) mod suggest;
mod syntax;
mod text;
pub mod tree;

use std::path::Path;
use std::sync::Arc;

use chrono_tz::Tz;
use tributary_connector::SecretRef;
use tributary_engine::Address;

use crate::diagnostic::{self, Diagnostic, Problem, Span, Spanned};
pub(crate) use check::Checker;
pub use file::File;
pub(crate) use keys::of_source as source_keys;
pub use map::{FieldExpr, Identifier, Map, StreamRef};
pub use mart::{AsOf, Lifecycle, Mart, Rfm, Summary, Unit};
pub use merge::{IdentifierRule, Merge, Rule, Strategy, Strength, Survivorship};
use reader::Reader;
pub use schema::json_schema;
pub use source::{DateOrder, MaxRejected, Source};

/// A pipeline file. Of use for a run only if neither [`parse`] nor [`crate::validate`] has found anything.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: Spanned<String>,
    /// A directory, relative to the working directory, or a URL.
    pub lake: Spanned<String>,
    /// For tests: a lake makes its own.
    pub seed: Option<Spanned<String>>,
    /// For a store that does not keep create-only writes apart.
    pub single_writer: bool,
    pub schedule: Option<Schedule>,
    /// In the order of the file.
    pub sources: Vec<Source>,
    pub maps: Vec<Map>,
    /// `Some` if the file has `[merge]`, even an empty one.
    pub merge: Option<Merge>,
    /// `Some` if the file has `[mart]`, even an empty one.
    pub mart: Option<Mart>,
    pub engine: Engine,
    /// What stored access tokens are encrypted with.
    pub token_key: Option<SecretRef>,
    /// The file itself, for lines and diagnostics.
    pub file: Arc<File>,
}

/// When the pipeline runs by itself.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub cron: Spanned<String>,
    pub timezone: Tz,
}

/// Where and with what the stages run.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    /// Bytes that queries may use.
    pub memory: Option<Spanned<u64>>,
    /// How many parts a plan runs in.
    pub partitions: Option<Spanned<u64>>,
    /// A Ballista scheduler, `df://host:50050`.
    pub cluster: Option<Spanned<String>>,
}

/// What came of a file.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// `None` if the file is no TOML.
    pub pipeline: Option<Pipeline>,
    /// In the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Pipeline {
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name.value == name)
    }

    /// The line of a place, from 1.
    pub fn line(&self, span: Span) -> usize {
        self.file.line(span)
    }

    /// An error at a place of the file, for stages that find one later.
    pub fn diagnostic(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        self.file.diagnostic(span, message)
    }

    /// The place of bytes `range` within a string's value, such as a part of a SQL expression.
    pub fn inside(&self, text: &Spanned<String>, range: std::ops::Range<usize>) -> Span {
        self.file.inside(text.span, range)
    }
}

/// Reads and parses a file.
pub fn load(path: &Path) -> Parsed {
    match std::fs::read(path) {
        Ok(bytes) => parse_bytes(path, &bytes),
        Err(error) => {
            let diagnostic = Diagnostic::of_file(path, format!("could not read `{}`: {error}", path.display()));
            Parsed { pipeline: None, diagnostics: vec![diagnostic] }
        }
    }
}

/// Parses a file's bytes, which should be UTF-8.
pub fn parse_bytes(path: &Path, bytes: &[u8]) -> Parsed {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(path, text),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or("");
            // What follows cannot be shown.
            let text = format!("{good}\u{fffd}");
            let at = Span::new(good.len(), text.len());
            let diagnostic = File::new(path, &text, secret::scan(&text))
                .diagnostic(at, "the file is not UTF-8")
                .help("save it as UTF-8; a file from an older Windows program may be GBK");
            Parsed { pipeline: None, diagnostics: vec![diagnostic] }
        }
    }
}

/// Parses a file's text. `path` is shown as given.
pub fn parse(path: &Path, text: &str) -> Parsed {
    let document = tree::read(text);
    let mut problems = document.problems;
    let Some(root) = document.root else {
        return Parsed { pipeline: None, diagnostics: finish(&File::new(path, text, secret::scan(text)), problems) };
    };

    let mut blanks = hidden(&root);
    if document.broken {
        blanks.extend(secret::scan(text));
    }
    let file = Arc::new(File::new(path, text, blanks));
    let mut found = read(&root, &file);
    if document.broken {
        // A broken line may be why something is missing, and it has been reported.
        let lines: Vec<usize> = problems.iter().map(|problem| file.line(problem.span)).collect();
        found.1.retain(|problem| !problem.missing && !lines.contains(&file.line(problem.span)));
    }
    // What the tree holds in place of a value that could not be read is nobody's mistake.
    found.1.retain(|problem| problems.iter().all(|known| known.span != problem.span));
    problems.extend(found.1);
    Parsed { pipeline: (!document.broken).then_some(found.0), diagnostics: finish(&file, problems) }
}

fn finish(file: &File, problems: Vec<Problem>) -> Vec<Diagnostic> {
    let mut diagnostics = problems.into_iter().map(|problem| file.diagnose(problem)).collect();
    diagnostic::sort(&mut diagnostics);
    diagnostics
}

/// What is not shown as long as the connectors' schemas are not known: any value of theirs may be a secret.
fn hidden(root: &tree::Table) -> Vec<Span> {
    let mut blanks: Vec<Span> = secret::literals(root).into_iter().map(|(_, span)| span).collect();
    blanks.extend(root.get("seed").map(|entry| entry.node.span));
    root.0.iter().for_each(|entry| secret::urls(&entry.node, &mut blanks));
    // A key that is no key of ours may be a source's that lost its header; one that is merely misspelt may be shown.
    let ours: Vec<&str> = keys::of_pipeline().collect();
    for entry in root.0.iter().filter(|entry| !ours.contains(&entry.key.as_str())) {
        let misspelt = suggest::nearest(&entry.key, ours.iter().copied()).is_some();
        let nested = matches!(entry.node.value, tree::Value::Table(_) | tree::Value::Array(_));
        if !misspelt || nested {
            secret::scalars(&entry.node, &mut blanks);
        }
    }
    let sources = root.get("sources").and_then(|entry| entry.node.as_table());
    for source in sources.iter().flat_map(|sources| &sources.0) {
        for entry in source.node.as_table().iter().flat_map(|source| &source.0) {
            if !source_keys().any(|key| key == entry.key) {
                secret::scalars(&entry.node, &mut blanks);
            }
        }
    }
    blanks
}

fn read(root: &tree::Table, file: &Arc<File>) -> (Pipeline, Vec<Problem>) {
    let top = Span::default();
    let mut checker = Checker::new(&keys::PIPELINE);
    checker.table(root, top, "");
    let mut reader = Reader { file, problems: checker.problems };
    refuse_secrets(root, &mut reader);
    let name = reader.required(root, "name", top);
    if !name.value.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        reader.problem(name.span, format!("`{name}` cannot be a pipeline's name"), "letters, digits, `-` and `_`");
    }
    let sources = reader.table(root, "sources").map_or(&[][..], |(_, sources)| &sources.0);
    let pipeline = Pipeline {
        name,
        lake: reader.required(root, "lake", top),
        seed: reader.text(root, "seed"),
        single_writer: reader.boolean(root, "single_writer").unwrap_or_default(),
        schedule: reader.table(root, "schedule").and_then(|(_, table)| schedule(table, &mut reader)),
        sources: sources.iter().filter_map(|entry| source::read(entry, &mut reader)).collect(),
        maps: reader
            .tables(root, "map")
            .into_iter()
            .filter_map(|(node, table)| map::read(node.span, table, &mut reader))
            .collect(),
        merge: reader.table(root, "merge").map(|(entry, table)| merge::read(entry.node.span, table, &mut reader)),
        mart: reader.table(root, "mart").map(|(entry, table)| mart::read(entry.node.span, table, &mut reader)),
        engine: reader.table(root, "engine").map_or(Engine::default(), |(_, table)| engine(table, &mut reader)),
        token_key: reader
            .table(root, "http")
            .and_then(|(_, table)| serde_json::from_value(table.get("token_key")?.node.to_json()).ok()),
        file: file.clone(),
    };
    (pipeline, reader.problems)
}

/// Refuses literals under secret-looking names, except where names are the model's and values are SQL or rules.
fn refuse_secrets(root: &tree::Table, reader: &mut Reader<'_>) {
    for entry in root.0.iter().filter(|entry| !["map", "merge", "seed"].contains(&entry.key.as_str())) {
        let found = match entry.node.as_table() {
            Some(table) => secret::literals(table),
            None => secret::literals_of(entry),
        };
        reader.problems.extend(found.into_iter().map(|(key, span)| secret::refusal(key, span)));
    }
}

fn schedule(table: &tree::Table, reader: &mut Reader<'_>) -> Option<Schedule> {
    let timezone = reader.timezone(table).map_or(Tz::UTC, |zone| zone.value);
    Some(Schedule { cron: reader.cron(table)?, timezone })
}

fn engine(table: &tree::Table, reader: &mut Reader<'_>) -> Engine {
    let memory = reader.integer(table, "memory").or_else(|| {
        let text = reader.text(table, "memory")?;
        let bytes = bytes(&text.value).filter(|bytes| *bytes > 0);
        if bytes.is_none() {
            reader.problem(
                text.span,
                format!("`{text}` is no amount of memory"),
                "a number and a unit: `512MB`, `2GiB`",
            );
        }
        bytes.map(|bytes| Spanned::new(bytes, text.span))
    });
    let partitions = reader.integer(table, "partitions");
    let cluster = reader.text(table, "cluster");
    if let Some(cluster) = &cluster
        && Address::parse(&cluster.value).is_none()
    {
        reader.problem(cluster.span, "`cluster` is no Ballista scheduler's address", "`df://host:50050`");
    }
    Engine { memory, partitions, cluster }
}

/// `512MB`, `2 GiB`, `1073741824`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1000_u64.pow(2),
        "g" | "gb" => 1000_u64.pow(3),
        "t" | "tb" => 1000_u64.pow(4),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
