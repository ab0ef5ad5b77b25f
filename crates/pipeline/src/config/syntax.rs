//! Syntax errors in words that say what to do; the parser's own say what it expected.

use crate::diagnostic::{Problem, Span};

/// The problem for an error of the TOML parser; `None` if it only follows from another.
pub fn problem(text: &str, at: Span, message: &str) -> Option<Problem> {
    if is_duplicate(message) {
        return duplicate(text, at);
    }
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let rest = text.get(at.start..).unwrap_or("");
    let end_of_line = rest.is_empty() || rest.starts_with(['\r', '\n']);
    Some(if what.contains("must be quoted") {
        let value = Problem::new(at, if at.start == at.end { "a value is missing" } else { "this is no value" });
        value.help("text goes in quotes: `key = \"text\"`")
    } else if what == "missing escaped value" {
        Problem::new(at, "there is no such escape after `\\`")
            .help("in `\"…\"` a backslash is written `\\\\`; in `'…'` it is an ordinary character")
    } else if what.contains("multi-line") && rest.is_empty() {
        let quotes = if what.contains("literal") { "'''" } else { "\"\"\"" };
        let open = text.rfind(quotes).map_or(at, |open| Span::new(open, open + quotes.len()));
        Problem::new(open, "the string is not closed").help(format!("close it with `{quotes}`"))
    } else if what.ends_with("string") && end_of_line {
        Problem::new(at, "the string is not closed").help(format!("close it with {expected}"))
    } else if expected.is_empty() || expected == "nothing" {
        Problem::new(at, what)
    } else {
        Problem::new(at, format!("{what}: expected {expected}"))
    })
}

pub fn is_duplicate(message: &str) -> bool {
    message == "duplicate key"
}

/// A key, or a table's header, that was there before.
fn duplicate(text: &str, at: Span) -> Option<Problem> {
    let key = text.get(at.start..at.end).unwrap_or("");
    let lines: Vec<&str> = text.lines().collect();
    let line = text.get(..at.start).map_or(0, |before| before.matches('\n').count());
    let is_header = |number: &usize| lines.get(*number).is_some_and(|line| line.trim_start().starts_with('['));
    let header = |number: usize| lines.get(number).and_then(|line| line.split(']').next()).unwrap_or("").trim();
    let first = if is_header(&line) {
        (0..line).rev().find(|number| is_header(number) && header(*number) == header(line))
    } else {
        let table = (0..line).rev().find(is_header);
        // The parser goes on with the table that was there before, so that all its keys seem to be there twice.
        if table.is_some_and(|table| {
            (0..table).any(|number| is_header(&number) && header(number) == header(table))
                && !header(table).starts_with("[[")
        }) {
            return None;
        }
        let has_key = |number: &usize| {
            let line = lines.get(*number).copied().unwrap_or("");
            line.split_once('=').is_some_and(|(before, _)| before.trim() == key)
        };
        (table.map_or(0, |table| table + 1)..line).rev().find(has_key)
    };
    let other = first.map_or(String::new(), |first| format!("; the other is on line {}", first + 1));
    Some(
        Problem::new(at, format!("key `{key}` is there twice"))
            .help(format!("remove one of them, or rename it{other}")),
    )
}
