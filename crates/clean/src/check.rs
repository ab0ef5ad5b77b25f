//! Checks expressions against a stream's columns without reading a row.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tributary_engine::datafusion::common::DFSchema;
use tributary_engine::datafusion::error::DataFusionError;
use tributary_engine::datafusion::prelude::{SessionConfig, SessionContext};

use crate::functions;

/// Knows the columns of streams and type-checks expressions over them.
pub struct Checker {
    context: SessionContext,
    streams: BTreeMap<(String, String), SchemaRef>,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    /// Lower case, without a full stop.
    pub message: String,
    /// Names that could have been meant.
    pub suggestions: Vec<String>,
}

impl Checker {
    pub fn new(streams: BTreeMap<(String, String), SchemaRef>) -> Self {
        let config = SessionConfig::new().set_bool("datafusion.sql_parser.enable_ident_normalization", false);
        let context = SessionContext::new_with_config(config);
        for function in functions::functions() {
            context.register_udf(function);
        }
        Self { context, streams }
    }

    /// The columns a mapping may use: the stream's own.
    pub fn columns(&self, source: &str, stream: &str) -> Option<Vec<String>> {
        let schema = self.streams.get(&(source.to_owned(), stream.to_owned()))?;
        Some(schema.fields().iter().map(|field| field.name().clone()).collect())
    }

    /// Type-checks `sql` over the stream's columns, and over `each` and `each_no` if the mapping takes a list apart.
    /// `Ok(None)`: the stream's columns are not known yet.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(
        &self,
        source: &str,
        stream: &str,
        each: Option<&str>,
        sql: &str,
    ) -> Result<Option<DataType>, ExpressionError> {
        let Some(schema) = self.streams.get(&(source.to_owned(), stream.to_owned())) else { return Ok(None) };
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("_extra", DataType::Utf8, true));
        fields.push(Field::new("_read_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true));
        if let Some(each) = each {
            match self.type_of(each, &fields)? {
                DataType::List(element) => {
                    fields.push(element.as_ref().clone().with_name("each"));
                    fields.push(Field::new("each_no", DataType::Int64, true));
                }
                other => {
                    let message = format!("`each` must be a list, and this is {other}");
                    return Err(ExpressionError { message, suggestions: Vec::new() });
                }
            }
        }
        self.type_of(sql, &fields).map(Some)
    }

    fn type_of(&self, sql: &str, fields: &[Field]) -> Result<DataType, ExpressionError> {
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let explain = |e: DataFusionError| explain(&e, fields);
        let schema = DFSchema::try_from(schema).map_err(explain)?;
        let expr = self.context.state().create_logical_expr(sql, &schema).map_err(explain)?;
        let expr = self.context.create_physical_expr(expr, &schema).map_err(explain)?;
        expr.data_type(schema.as_arrow()).map_err(explain)
    }
}

fn explain(error: &DataFusionError, fields: &[Field]) -> ExpressionError {
    let text = error.strip_backtrace();
    let known: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    if let Some(name) = missing_column(&text) {
        let suggestions = known.iter().filter(|known| close(&name, known)).map(|known| (*known).to_owned()).collect();
        return ExpressionError { message: format!("there is no column `{name}`"), suggestions };
    }
    // What the engine says, without its class names in front and its advice behind.
    let text = text.lines().next().unwrap_or_default();
    let message = text.rsplit_once("error: ").map_or(text, |(_, rest)| rest);
    ExpressionError { message: message.trim().trim_end_matches('.').to_owned(), suggestions: Vec::new() }
}

fn missing_column(text: &str) -> Option<String> {
    let rest = text.split_once("No field named ")?.1;
    let name = rest.split(['\n', ' ']).next()?.trim_end_matches(['.', ',']);
    Some(name.trim_matches('"').to_owned())
}

/// Near enough to be what was meant: equal but for case, or two edits apart.
fn close(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    a == b || (a.chars().count() > 2 && distance(&a, &b) <= 2)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker() -> Checker {
        let line = Field::new(
            "item",
            DataType::Struct(
                vec![Field::new("sku", DataType::Utf8, true), Field::new("num", DataType::Utf8, true)].into(),
            ),
            true,
        );
        let schema = Schema::new(vec![
            Field::new("Mobile", DataType::Utf8, true),
            Field::new("姓名(必填)", DataType::Utf8, true),
            Field::new("lines", DataType::List(Arc::new(line)), true),
        ]);
        Checker::new([(("shop".to_owned(), "orders".to_owned()), Arc::new(schema))].into())
    }

    #[test]
    fn a_name_is_taken_as_it_is_written() {
        assert_eq!(checker().check("shop", "orders", None, "upper(Mobile)"), Ok(Some(DataType::Utf8)));
        let error = checker().check("shop", "orders", None, "mobile").unwrap_err();
        assert_eq!(error.message, "there is no column `mobile`");
        assert_eq!(error.suggestions, ["Mobile"]);
    }

    #[test]
    fn an_element_of_a_list_has_a_name() {
        assert_eq!(checker().check("shop", "orders", Some("lines"), "each.sku"), Ok(Some(DataType::Utf8)));
        assert_eq!(checker().check("shop", "orders", Some("lines"), "each_no + 1"), Ok(Some(DataType::Int64)));
        assert!(checker().check("shop", "orders", Some("lines"), "each.price").is_err());
        assert!(checker().check("shop", "orders", Some("Mobile"), "each").is_err());
    }

    #[test]
    fn a_wrong_type_is_an_error() {
        assert!(checker().check("shop", "orders", None, "Mobile + lines").is_err());
        assert!(checker().check("shop", "orders", None, "no_such_function(Mobile)").is_err());
        assert!(checker().check("shop", "orders", None, "Mobile = ").is_err());
    }
}
