//! Secrets written out in the file: found, refused, and never shown.
//!
//! Whether a key holds a secret is known from the connector's schema or, before a connector is known, from the key's name.

use super::keys;
use super::tree::{Entry, Node, Table, Value};
use crate::diagnostic::{Problem, Span};

const WORDS: [&str; 12] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "passcode",
    "appsecret",
    "accesskey",
    "privatekey",
];
/// Words that make a secret of a `key` after them.
const KEYS: [&str; 9] = ["api", "access", "private", "secret", "signing", "encryption", "auth", "account", "token"];

/// Whether a value under this name is a secret: `client_secret`, `apiKey`, `access-token`; not `token_url`.
pub fn looks_secret(key: &str) -> bool {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in key.chars() {
        let separates = matches!(c, '_' | '-' | '.' | ' ');
        if separates || (c.is_uppercase() && lower) {
            words.push(String::new());
        }
        if !separates && let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    let Some(last) = words.last() else { return false };
    let singular = last.strip_suffix('s').unwrap_or(last);
    let before = words.len().checked_sub(2).and_then(|at| words.get(at)).map_or("", String::as_str);
    WORDS.contains(&last.as_str()) || WORDS.contains(&singular) || (singular == "key" && KEYS.contains(&before))
}

/// Literals under keys whose names say that they are secret, at any depth: key and place.
pub fn literals(table: &Table) -> Vec<(&str, Span)> {
    table.0.iter().flat_map(literals_of).collect()
}

/// The same for one entry.
pub fn literals_of(entry: &Entry) -> Vec<(&str, Span)> {
    let mut found = Vec::new();
    collect(&entry.key, &entry.node, &mut found);
    found
}

fn collect<'a>(key: &'a str, node: &'a Node, found: &mut Vec<(&'a str, Span)>) {
    match &node.value {
        Value::Table(table) => found.extend(literals(table)),
        Value::Array(items) if looks_secret(key) && items.iter().any(|item| item.as_text().is_some()) => {
            found.push((key, node.span));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(key, item, found)),
        Value::String(_) if looks_secret(key) => found.push((key, node.span)),
        // `max_tokens = 100` is no secret, `password = 123456` is.
        Value::Integer(_) if looks_secret(key) && key.to_lowercase().contains("pass") => found.push((key, node.span)),
        _ => {}
    }
}

/// All literals below a node.
pub fn scalars(node: &Node, found: &mut Vec<Span>) {
    match &node.value {
        Value::Table(table) => table.0.iter().for_each(|entry| scalars(&entry.node, found)),
        Value::Array(items) => items.iter().for_each(|item| scalars(item, found)),
        Value::Boolean(_) => {}
        _ => found.push(node.span),
    }
}

/// Strings with a password in a URL below a node.
pub fn urls(node: &Node, found: &mut Vec<Span>) {
    match &node.value {
        Value::Table(table) => table.0.iter().for_each(|entry| urls(&entry.node, found)),
        Value::Array(items) => items.iter().for_each(|item| urls(item, found)),
        Value::String(text) if has_password(text) => found.push(node.span),
        _ => {}
    }
}

/// `scheme://user:password@host`
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

/// The error for a literal.
pub fn refusal(key: &str, span: Span) -> Problem {
    Problem::new(span, format!("`{key}` is a literal; a secret is a reference")).help(format!("`{}`", reference(key)))
}

/// How a secret is written.
pub fn reference(key: &str) -> String {
    let variable: String =
        key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let bare = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    format!("{key} = {{ env = \"{variable}\" }}")
}

/// Values that may be secret in text that is no TOML, by the look of it; rather too much than too little. Those are the
/// values of secret-looking keys, and those of all keys of a source that are its connector's.
pub fn scan(text: &str) -> Vec<Span> {
    let mut found = values(text);
    found.extend(without_sign(text));
    found
}

/// Lines that are no `key = value`: what follows the first word if that looks secret (`password: hunter2`), and all of it
/// among sources, where it may be the middle of a long secret.
fn without_sign(text: &str) -> impl Iterator<Item = Span> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let body = line.trim();
        let sound = body.split_once('=').is_some_and(|(key, value)| {
            let signs = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '\t');
            let key = key.trim().trim_matches(['"', '\'']);
            !key.is_empty() && key.chars().all(signs) && !value.trim().is_empty() && !value.starts_with('=')
        });
        if sound || body.starts_with(['[', '#']) {
            return None;
        }
        let from = start + line.len() - line.trim_start().len();
        let word = body.find([' ', '\t', ':', '"', '\'', '=']).unwrap_or(body.len());
        if in_sources(text.get(..start).unwrap_or("")) && !keys::of_source().any(|ours| Some(ours) == body.get(..word))
        {
            return Some(Span::new(from, from + body.len()));
        }
        looks_secret(body.get(..word)?).then(|| Span::new(from + word, from + body.len()))
    })
}

fn values(text: &str) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    for (at, _) in text.match_indices('=') {
        if found.last().is_some_and(|span| at < span.end) {
            continue;
        }
        let before = text.get(..at).unwrap_or("");
        let start = before.rfind(['\n', '{', ',', '=']).map_or(0, |at| at + 1);
        let key = before.get(start..).unwrap_or("").trim().trim_matches(['"', '\'']);
        let after = text.get(at + 1..).unwrap_or("");
        let value = after.trim_start_matches([' ', '\t']);
        let last = key.rsplit('.').next().unwrap_or(key).trim();
        let theirs = || in_sources(before) && !keys::of_source().any(|ours| ours == last);
        if value.starts_with('{') || !(looks_secret(key) || theirs()) {
            continue;
        }
        let from = at + 1 + after.len() - value.len();
        let long = ["\"\"\"", "'''"].into_iter().find(|quotes| value.starts_with(quotes));
        let length = if let Some(quotes) = long {
            value.get(3..).and_then(|rest| rest.find(quotes)).map_or(value.len(), |end| end + 6)
        } else {
            value.find('\n').unwrap_or(value.len())
        };
        let value = value.get(..length).unwrap_or(value);
        found.push(Span::new(from, from + value.trim_end().len()));
    }
    found
}

/// Whether text that ends here is about sources: under such a header, or after such a key.
fn in_sources(before: &str) -> bool {
    let header = |line: &str| line.trim_start().starts_with('[');
    let mut since = before.lines().rev().take_while(|line| !header(line));
    let under = || before.lines().rev().find(|line| header(line));
    under().is_some_and(|line| line.contains("sources")) || since.any(|line| line.trim_start().starts_with("sources"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known() {
        for key in [
            "password",
            "client_secret",
            "refresh_token",
            "api_key",
            "apiKey",
            "access-key",
            "secret_access_key",
            "appSecret",
            "tokens",
            "credentials",
            "PRIVATE_KEY",
            "db.password",
        ] {
            assert!(looks_secret(key), "{key}");
        }
        for key in ["token_url", "primary_key", "key", "access_key_id", "client_id", "keys", "secretary", "姓名", ""]
        {
            assert!(!looks_secret(key), "{key}");
        }
    }

    #[test]
    fn passwords_in_urls_are_found() {
        assert!(has_password("postgres://me:hunter2@host/db"));
        assert!(!has_password("https://host:8080/a@b:c"));
    }

    #[test]
    fn secrets_in_text_that_is_no_toml_are_found() {
        let shown =
            |text: &str| scan(text).iter().map(|span| text[span.start..span.end].to_owned()).collect::<Vec<_>>();
        assert_eq!(shown("password = \"hunter2\nx = 1"), ["\"hunter2"]);
        assert_eq!(shown("a = { token = hun=ter2 }\n"), ["hun=ter2 }"]);
        assert_eq!(shown("token = \"\"\"\nhunter2\n\"\"\"\nx = 1"), ["\"\"\"\nhunter2\n\"\"\""]);
        assert_eq!(shown("token = \"\"\"\nhunter2\n"), ["\"\"\"\nhunter2"]);
        assert_eq!(shown("token = { env = \"T\" }"), [""; 0]);
        assert_eq!(shown("x = 1\n[sources.a]\nconnector = \"files\"\nclient_id = \"me\n[mart]\nx = 1"), ["\"me"]);
        assert_eq!(shown("x = 1\nsources = { a = { dsn = \"me\nx = 1"), ["\"me", "1"]);
    }
}
