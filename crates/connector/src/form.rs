//! How the bytes of one record are read without what stood around it: kept beside the bytes of a rejected record, so that it can
//! be decoded by itself when the cause is mended.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::CsvDialect;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// A row of delimited text without its line end.
    Csv(Arc<CsvDialect>),
    /// A JSON value.
    Json,
    /// The columns' values as text in a JSON object, of a record that was decoded before it was rejected.
    Values,
}

impl Form {
    pub fn to_json(&self) -> Value {
        match self {
            Self::Csv(dialect) => json!({ "csv": {
                "delimiter": char::from(dialect.delimiter).to_string(),
                "quote": char::from(dialect.quote).to_string(),
                "encoding": dialect.encoding.name(),
                "header": dialect.header,
            } }),
            Self::Json => json!("json"),
            Self::Values => json!("values"),
        }
    }

    /// `None` if it is none that this program writes.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some("json") => return Some(Self::Json),
            Some("values") => return Some(Self::Values),
            _ => {}
        }
        let csv = value.get("csv")?;
        let byte = |name: &str| csv.get(name)?.as_str()?.bytes().next();
        let header = csv.get("header")?.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
        Some(Self::Csv(Arc::new(CsvDialect {
            delimiter: byte("delimiter")?,
            quote: byte("quote")?,
            encoding: encoding_rs::Encoding::for_label(csv.get("encoding")?.as_str()?.as_bytes())?,
            header: header.collect::<Option<_>>()?,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_written() {
        let header = vec!["会员号".to_owned(), "a \"b\"".to_owned()];
        let dialect = CsvDialect { delimiter: b'\t', quote: b'\'', encoding: encoding_rs::GB18030, header };
        for form in [Form::Csv(Arc::new(dialect)), Form::Json, Form::Values] {
            assert_eq!(Form::from_json(&form.to_json()), Some(form));
        }
        assert_eq!(Form::from_json(&json!({ "csv": { "delimiter": "," } })), None);
    }
}
