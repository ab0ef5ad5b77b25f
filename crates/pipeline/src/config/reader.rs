//! Takes typed values out of the tree, each with its place.
//!
//! Types, unknown and missing keys have been reported by the checker; what has the wrong type is passed over here in
//! silence. What a reader reports is what a schema cannot say.

use chrono_tz::Tz;

use super::file::File;
use super::suggest;
use super::tree::{Entry, Node, Table, Value};
use crate::diagnostic::{Problem, Span, Spanned};

/// Collects problems while values are read.
pub struct Reader<'a> {
    pub file: &'a File,
    pub problems: Vec<Problem>,
}

impl Reader<'_> {
    pub fn problem(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(span, message).help(help));
    }

    pub fn text(&self, table: &Table, key: &str) -> Option<Spanned<String>> {
        let node = &table.get(key)?.node;
        // What is empty has been reported; kept, so that it is not missing as well.
        Some(Spanned::new(node.as_text()?.to_owned(), node.span))
    }

    /// A text that has to be there. Its absence has been reported.
    pub fn required(&self, table: &Table, key: &str, span: Span) -> Spanned<String> {
        self.text(table, key).unwrap_or(Spanned::new(String::new(), span))
    }

    pub fn integer(&self, table: &Table, key: &str) -> Option<Spanned<u64>> {
        let node = &table.get(key)?.node;
        match node.value {
            Value::Integer(number) => Some(Spanned::new(u64::try_from(number).ok()?, node.span)),
            _ => None,
        }
    }

    pub fn count(&self, table: &Table, key: &str) -> Option<u32> {
        self.integer(table, key).map(|count| u32::try_from(count.value).unwrap_or(u32::MAX))
    }

    pub fn number(&self, table: &Table, key: &str) -> Option<f64> {
        match table.get(key)?.node.value {
            Value::Float(number) => Some(number),
            Value::Integer(number) => Some(number as f64),
            _ => None,
        }
    }

    pub fn boolean(&self, table: &Table, key: &str) -> Option<bool> {
        match table.get(key)?.node.value {
            Value::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// A list of texts, each once.
    pub fn texts(&mut self, table: &Table, key: &str) -> Option<Vec<Spanned<String>>> {
        let items = table.get(key)?.node.as_array()?;
        let mut found: Vec<Spanned<String>> = Vec::new();
        for item in items {
            let Some(text) = item.as_text() else { continue };
            if found.iter().any(|known| known.value == text) {
                self.problem(item.span, format!("`{text}` is in `{key}` twice"), "remove one of them");
            } else {
                found.push(Spanned::new(text.to_owned(), item.span));
            }
        }
        Some(found)
    }

    pub fn table<'t>(&self, table: &'t Table, key: &str) -> Option<(&'t Entry, &'t Table)> {
        let entry = table.get(key)?;
        Some((entry, entry.node.as_table()?))
    }

    /// The tables of an array of tables.
    pub fn tables<'t>(&self, table: &'t Table, key: &str) -> Vec<(&'t Node, &'t Table)> {
        let items = table.get(key).and_then(|entry| entry.node.as_array()).unwrap_or(&[]);
        items.iter().filter_map(|item| Some((item, item.as_table()?))).collect()
    }

    pub fn timezone(&mut self, table: &Table) -> Option<Spanned<Tz>> {
        let text = self.text(table, "timezone")?;
        match text.value.parse::<Tz>() {
            Ok(zone) => Some(Spanned::new(zone, text.span)),
            Err(_) => {
                let china = ["beijing", "peking", "utc+8", "utc+08:00", "gmt+8", "+08:00", "cst", "china"];
                let wanted = text.value.to_lowercase();
                let near = if china.iter().any(|name| wanted.ends_with(name)) {
                    Some("Asia/Shanghai")
                } else {
                    suggest::nearest(&text.value, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()))
                };
                let help = near.map_or("an IANA name, such as `Asia/Shanghai`".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
                self.problem(text.span, format!("there is no time zone `{text}`"), help);
                None
            }
        }
    }

    pub fn cron(&mut self, table: &Table) -> Option<Spanned<String>> {
        let text = self.text(table, "cron")?;
        if text.value.is_empty() {
            return None;
        }
        if let Err(error) = text.value.parse::<croner::Cron>() {
            self.problem(
                text.span,
                format!("`{text}` is no cron line: {}", detail(&error.to_string())),
                "minute, hour, day, month, weekday: `*/30 * * * *`",
            );
        }
        Some(text)
    }

    /// A date, as a string or as TOML's own.
    pub fn date(&mut self, text: &Spanned<String>, or: &str) -> Option<chrono::NaiveDate> {
        let date = text.value.parse::<chrono::NaiveDate>().ok().filter(|_| text.value.len() == 10);
        if date.is_none() {
            self.problem(text.span, format!("`{text}` is no date"), format!("{or}year, month and day: `2024-06-30`"));
        }
        date
    }
}

/// The last part of croner's message, in our style.
fn detail(message: &str) -> String {
    let part = message.rsplit(": ").next().unwrap_or(message);
    let mut chars = part.trim_end_matches('.').chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}
