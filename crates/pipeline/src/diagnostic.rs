//! What is wrong, and where: file, line, column, the line itself with a caret under the place, and the mend.
//!
//! A diagnostic keeps the line as it may be shown: secrets are blanked and control characters replaced when it is made, so
//! that nothing further on can print them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A byte range of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A value with its place. Equal if the values are: a value that only moved is the same.
#[derive(Debug, Clone, Copy)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A line of the file as it may be shown, and where the caret goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The line, secrets blanked, tabs as four spaces.
    pub text: String,
    /// Terminal columns before the caret, in `text`; a Chinese character has two.
    pub caret: usize,
    /// Terminal columns under the caret, at least one.
    pub width: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Lower case, no full stop, names in backticks.
    pub message: String,
    /// The file, as the user gave it.
    pub path: PathBuf,
    pub span: Span,
    /// `None` if the file could not be read.
    pub excerpt: Option<Excerpt>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// One that is about the file as a whole.
    pub fn of_file(path: &Path, message: impl Into<String>) -> Self {
        Self { message: message.into(), path: path.to_owned(), span: Span::default(), excerpt: None, help: None }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line, from 1; 0 if the file could not be read.
    pub fn line(&self) -> usize {
        self.excerpt.as_ref().map_or(0, |excerpt| excerpt.line)
    }

    /// Column in characters, from 1; 0 if the file could not be read.
    pub fn column(&self) -> usize {
        self.excerpt.as_ref().map_or(0, |excerpt| excerpt.column)
    }

    /// The text for a terminal. Colour adds to it and says nothing by itself.
    pub fn render(&self, colour: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let (red, blue) = (|text: &str| paint("1;31", text), |text: &str| paint("1;34", text));
        let mut out = format!("{}: {}", red("error"), paint("1", &showable(&self.message)));
        let number = self.excerpt.as_ref().map_or(String::new(), |excerpt| excerpt.line.to_string());
        let margin = " ".repeat(number.len());
        let path = self.path.display();
        match &self.excerpt {
            None => out.push_str(&format!("\n{margin} {} {path}", blue("-->"))),
            Some(Excerpt { line, column, text, caret, width }) => {
                let bar = blue("|");
                out.push_str(&format!("\n{margin} {} {path}:{line}:{column}", blue("-->")));
                out.push_str(&format!("\n{margin}  {bar}\n {} {bar} {text}", blue(&number)));
                out.push_str(&format!("\n{margin}  {bar} {}{}", " ".repeat(*caret), red(&"^".repeat(*width))));
            }
        }
        for line in self.help.iter().flat_map(|help| help.lines()) {
            let equals = blue("=");
            out.push_str(&format!("\n{margin}  {equals} help: {}", showable(line)));
        }
        out.push('\n');
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostic {}

/// Without characters that would move the cursor, colour the terminal or turn the reading direction: names come from files
/// and vendors.
fn showable(text: &str) -> String {
    text.chars().map(|c| if unshowable(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

pub(crate) fn unshowable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// All of them, in the order of the file, a blank line between two.
pub fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.render(colour)).collect::<Vec<_>>().join("\n")
}

/// Sorts by place and drops what was said twice.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| (a.span.start, a.span.end, &a.message).cmp(&(b.span.start, b.span.end, &b.message)));
    diagnostics.dedup();
}

/// A finding that does not know its file yet: what the readers and checkers collect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
    /// Something is not there; may be a mere consequence of a line that could not be read.
    pub missing: bool,
}

impl Problem {
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, missing: false }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    pub fn missing(mut self) -> Self {
        self.missing = true;
        self
    }
}
