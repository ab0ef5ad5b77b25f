//! The text of a pipeline file: lines, columns, and which places must not be shown.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use unicode_width::UnicodeWidthChar;

use super::text;
use crate::diagnostic::{Diagnostic, Excerpt, Problem, Span, unshowable};

const TAB: &str = "    ";

/// A pipeline file. Its debug form does not show the text, which may hold what was meant to be secret.
#[derive(Clone)]
pub struct File {
    path: PathBuf,
    text: String,
    /// Where each line starts.
    lines: Vec<usize>,
    /// Literals that are not shown, in order; quotes are outside.
    blanks: Vec<Span>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl File {
    /// `blanks` are spans of values, quotes included.
    pub(crate) fn new(path: &Path, text: &str, blanks: impl IntoIterator<Item = Span>) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut file = Self { path: path.to_owned(), text: text.to_owned(), lines, blanks: Vec::new() };
        file.blank(blanks);
        file
    }

    /// The same file with other places hidden.
    pub(crate) fn with_blanks(&self, blanks: impl IntoIterator<Item = Span>) -> Self {
        let mut file = Self { blanks: Vec::new(), ..self.clone() };
        file.blank(blanks);
        file
    }

    fn blank(&mut self, blanks: impl IntoIterator<Item = Span>) {
        let within_quotes = |span: Span| {
            let token = self.slice(span);
            let quotes = text::delimiter(token);
            // What is not closed has no quotes: the last character would show.
            let inner = token.len() - if token.ends_with(quotes) { 2 * quotes.len() } else { 0 };
            if inner == token.len() { span } else { Span::new(span.start + quotes.len(), span.end - quotes.len()) }
        };
        let mut blanks: Vec<_> = blanks.into_iter().map(|span| within_quotes(self.clamp(span))).collect();
        blanks.retain(|span| span.start < span.end);
        blanks.sort();
        self.blanks = blanks;
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of a place, empty if it is none of this file.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    fn clamp(&self, span: Span) -> Span {
        let floor = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        Span::new(start, floor(span.end).max(start))
    }

    /// The line of a place, from 1.
    pub fn line(&self, span: Span) -> usize {
        self.lines.partition_point(|start| *start <= span.start).max(1)
    }

    /// A line's bytes without its end and without a byte order mark.
    fn line_range(&self, line: usize) -> Range<usize> {
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let body = self.text.get(start..end).unwrap_or("");
        let mark = if start == 0 && body.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        start + mark..start + body.trim_end_matches('\r').len().max(mark)
    }

    /// The place of bytes `range` of a string's value, given the place of the whole string in the file.
    pub fn inside(&self, string: Span, range: Range<usize>) -> Span {
        let token = self.slice(string);
        let start = string.start + text::raw_offset(token, range.start);
        let end = string.start + text::raw_offset(token, range.end);
        Span::new(start, end.max(start))
    }

    /// A diagnostic at a place of this file.
    pub fn diagnostic(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        let excerpt = Some(self.excerpt(span));
        Diagnostic { message: message.into(), path: self.path.clone(), span, excerpt, help: None }
    }

    pub(crate) fn diagnose(&self, problem: Problem) -> Diagnostic {
        Diagnostic { help: problem.help, ..self.diagnostic(problem.span, problem.message) }
    }

    fn excerpt(&self, span: Span) -> Excerpt {
        let span = self.clamp(span);
        let line = self.line(span);
        let range = self.line_range(line);
        let start = span.start.clamp(range.start, range.end);
        let end = span.end.clamp(start, range.end);
        let (mut text, mut width) = (String::new(), 0);
        let (mut caret, mut caret_end) = (None, None);
        let mut blanked = None;
        for (at, c) in self.text.get(range.clone()).unwrap_or("").char_indices() {
            let at = range.start + at;
            let blank = self.blanks.iter().find(|blank| (blank.start..blank.end).contains(&at));
            if at >= start && caret.is_none() {
                // Inside a blank the caret stands under its one sign.
                caret = Some(if blank.is_some() && blank == blanked { width - 1 } else { width });
            }
            if at >= end && caret_end.is_none() {
                caret_end = Some(width);
            }
            if let Some(blank) = blank {
                if blanked != Some(blank) {
                    text.push('…');
                    width += 1;
                }
                blanked = Some(blank);
                continue;
            }
            blanked = None;
            match c {
                '\t' => {
                    text.push_str(TAB);
                    width += TAB.len();
                }
                c if unshowable(c) => {
                    text.push('\u{fffd}');
                    width += 1;
                }
                c => {
                    text.push(c);
                    width += c.width().unwrap_or(0);
                }
            }
        }
        let caret = caret.unwrap_or(width);
        let caret_width = caret_end.unwrap_or(width).saturating_sub(caret).max(1);
        let column = 1 + self.text.get(range.start..start).map_or(0, |before| before.chars().count());
        Excerpt { line, column, text, caret, width: caret_width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, of: &str) -> String {
        let start = text.find(of).unwrap();
        File::new(Path::new("p.toml"), text, []).diagnostic(Span::new(start, start + of.len()), "here").render(false)
    }

    #[test]
    fn the_caret_stands_under_wide_characters() {
        insta::assert_snapshot!(show("name = { column = \"姓名(必填)\", x = 1 }", "姓名(必填)"), @r#"
        error: here
          --> p.toml:1:20
           |
         1 | name = { column = "姓名(必填)", x = 1 }
           |                    ^^^^^^^^^^
        "#);
        insta::assert_snapshot!(show("'姓名' = 1 # 备注", "= 1"), @r"
        error: here
          --> p.toml:1:6
           |
         1 | '姓名' = 1 # 备注
           |        ^^^
        ");
    }

    #[test]
    fn tabs_line_ends_and_marks_do_not_move_the_caret() {
        insta::assert_snapshot!(show("a = 1\r\n\tb = 2\r\nc = 3", "b"), @r"
        error: here
          --> p.toml:2:2
           |
         2 |     b = 2
           |     ^
        ");
        insta::assert_snapshot!(show("\u{feff}a = 1", "a"), @r"
        error: here
          --> p.toml:1:1
           |
         1 | a = 1
           | ^
        ");
    }

    #[test]
    fn a_place_over_several_lines_shows_its_first() {
        insta::assert_snapshot!(show("a = \"\"\"\nx\"\"\"", "\"\"\"\nx\"\"\""), @r#"
        error: here
          --> p.toml:1:5
           |
         1 | a = """
           |     ^^^
        "#);
    }

    #[test]
    fn a_place_at_the_end_of_the_file_is_shown() {
        let file = File::new(Path::new("p.toml"), "a = 1\n", []);
        insta::assert_snapshot!(file.diagnostic(Span::new(6, 6), "here"), @r"
        error: here
          --> p.toml:2:1
           |
         2 | 
           | ^
        ");
    }

    #[test]
    fn what_is_hidden_is_not_shown_and_the_caret_still_fits() {
        let text = "a = { p = \"hunter2\", 键 = 1, b = '' }";
        let at = |of: &str| {
            let start = text.find(of).unwrap();
            Span::new(start, start + of.len())
        };
        let file = File::new(Path::new("p.toml"), text, [at("\"hunter2\""), at("''")]);
        insta::assert_snapshot!(file.diagnostic(at("键"), "here"), @r#"
        error: here
          --> p.toml:1:22
           |
         1 | a = { p = "…", 键 = 1, b = '' }
           |                ^^
        "#);
        insta::assert_snapshot!(file.diagnostic(at("\"hunter2\""), "here"), @r#"
        error: here
          --> p.toml:1:11
           |
         1 | a = { p = "…", 键 = 1, b = '' }
           |           ^^^
        "#);
        insta::assert_snapshot!(file.diagnostic(at("nter"), "here"), @r#"
        error: here
          --> p.toml:1:14
           |
         1 | a = { p = "…", 键 = 1, b = '' }
           |            ^
        "#);
        assert!(!format!("{file:?}").contains("hunter2"));
    }

    #[test]
    fn signs_that_would_act_on_the_terminal_are_replaced() {
        let shown = show("a = '\u{1b}[2J\u{202e}x'", "a");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    }
}
