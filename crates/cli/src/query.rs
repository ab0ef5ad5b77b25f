//! `query`: SQL over a lake's newest manifest.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tributary_engine::datafusion::sql::parser::DFParser;
use tributary_engine::datafusion::sql::resolve::resolve_table_references;
use tributary_engine::{Error, Options, Session};
use tributary_lake::{Lake, TableName};

use crate::grid::Grid;
use crate::{Exit, lakes, print, tell};

pub async fn query(lake: &str, sql: &str, json: bool, csv: bool) -> Exit {
    let lake = match lakes::open(lake).await {
        Ok(lake) => lake,
        Err(e) => {
            let hint = e.hint();
            return tell(&e, hint);
        }
    };
    match ask(&lake, sql).await {
        Ok(batches) => {
            let text = match (json, csv) {
                (true, _) => to_json(&batches),
                (_, true) => to_csv(&batches),
                _ => to_grid(&batches),
            };
            match text {
                Ok(text) => print(&text),
                Err(e) => return tell(&e, None),
            }
            Exit::Done
        }
        Err(e @ Error::Query { .. }) => {
            tell(
                &e,
                Some(
                    "`tributary tables LAKE` lists the tables; names with capitals or signs go in double quotes".into(),
                ),
            );
            Exit::Input
        }
        Err(e) => tell(&e, None),
    }
}

/// Runs a query over the tables of the newest manifest; `ops.run` and tables of no manifest yet are as they are now.
pub async fn ask(lake: &Lake, sql: &str) -> Result<Vec<RecordBatch>, Error> {
    let session = Session::new(lake, &Options { fold_case: true, ..Options::default() })?;
    register(lake, &session, sql).await?;
    session.collect("answer the query", sql).await
}

async fn register(lake: &Lake, session: &Session, sql: &str) -> Result<(), Error> {
    let manifest = lake.manifest().await?;
    let statements = DFParser::parse_sql(sql).map_err(Error::query("read the query"))?;
    for statement in &statements {
        let (tables, _) = resolve_table_references(statement, true).map_err(Error::query("read the query"))?;
        for table in tables {
            let Some(layer) = table.schema() else { continue };
            let name = TableName::new(layer, table.table());
            match manifest.tables.get(&name) {
                Some(version) => session.register(&lake.table_at(&name, *version).await?)?,
                None => {
                    session.load(&name).await?;
                }
            }
        }
    }
    Ok(())
}

/// All rows as texts.
pub fn texts(batches: &[RecordBatch]) -> Vec<Vec<Option<String>>> {
    let mut rows = vec![];
    // What cannot be shown is as good as absent.
    let _ = cells(batches, |row| rows.push(row));
    rows
}

fn cells(batches: &[RecordBatch], mut row: impl FnMut(Vec<Option<String>>)) -> Result<(), arrow::error::ArrowError> {
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%Z"));
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for at in 0..batch.num_rows() {
            let values = columns.iter().zip(batch.columns());
            row(values.map(|(text, column)| column.is_valid(at).then(|| text.value(at).to_string())).collect());
        }
    }
    Ok(())
}

fn to_grid(batches: &[RecordBatch]) -> Result<String, arrow::error::ArrowError> {
    let Some(first) = batches.first() else { return Ok("no rows\n".into()) };
    let names: Vec<String> = first
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{}{}", if field.data_type().is_numeric() { ">" } else { "" }, field.name()))
        .collect();
    let mut grid = Grid::new(names.iter().map(String::as_str));
    let mut rows = 0;
    cells(batches, |cells| {
        rows += 1;
        grid.row(cells.into_iter().map(Option::unwrap_or_default));
    })?;
    let all = if rows == 1 { "1 row\n".to_owned() } else { format!("{rows} rows\n") };
    Ok(grid.render("") + &all)
}

fn to_json(batches: &[RecordBatch]) -> Result<String, arrow::error::ArrowError> {
    let mut rows = Vec::new();
    for batch in batches {
        for at in 0..batch.num_rows() {
            rows.push(format!("  {}", to_json_line(batch, at)?));
        }
    }
    Ok(if rows.is_empty() { "[]\n".into() } else { format!("[\n{}\n]\n", rows.join(",\n")) })
}

/// A row as a JSON object.
pub fn to_json_line(batch: &RecordBatch, row: usize) -> Result<String, arrow::error::ArrowError> {
    // By hand, so that columns keep the order of the query.
    let mut cells = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = serde_json::Value::from(field.name().as_str());
        cells.push(format!("{name}: {}", to_value(column, row)?));
    }
    Ok(format!("{{{}}}", cells.join(", ")))
}

/// A cell as JSON. Decimals stay text: a JSON number is read as a float nearly everywhere.
fn to_value(column: &ArrayRef, row: usize) -> Result<serde_json::Value, arrow::error::ArrowError> {
    if column.is_null(row) {
        return Ok(serde_json::Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let members =
                fields.iter().zip(columns).map(|(field, column)| Ok((field.name().clone(), to_value(column, row)?)));
            serde_json::Value::Object(members.collect::<Result<_, arrow::error::ArrowError>>()?)
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|item| to_value(&items, item)).collect::<Result<Vec<_>, _>>()?.into()
        }
        kind => {
            let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%Z"));
            let text = ArrayFormatter::try_new(column, &options)?.value(row).to_string();
            match kind {
                kind if kind.is_integer() => text.parse::<i64>().map_or(text.into(), Into::into),
                DataType::Boolean => (text == "true").into(),
                DataType::Float64 => text.parse::<f64>().map_or(text.into(), Into::into),
                _ => text.into(),
            }
        }
    })
}

fn to_csv(batches: &[RecordBatch]) -> Result<String, arrow::error::ArrowError> {
    let Some(first) = batches.first() else { return Ok(BOM.into()) };
    let csv = Csv::new(&first.schema());
    let mut text = csv.header();
    for batch in batches {
        text.push_str(&csv.rows(batch)?);
    }
    Ok(text)
}

/// So that Excel opens it in Chinese.
const BOM: &str = "\u{feff}";

/// Rows as CSV.
pub struct Csv {
    header: String,
    numbers: Vec<bool>,
}

impl Csv {
    pub fn new(schema: &Schema) -> Self {
        let header: Vec<_> = schema.fields().iter().map(|field| escape(field.name())).collect();
        let numbers = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
        Self { header: format!("{BOM}{}\r\n", header.join(",")), numbers }
    }

    pub fn header(&self) -> String {
        self.header.clone()
    }

    pub fn rows(&self, batch: &RecordBatch) -> Result<String, arrow::error::ArrowError> {
        let mut text = String::new();
        cells(std::slice::from_ref(batch), |cells| {
            let line: Vec<_> = cells
                .into_iter()
                .zip(&self.numbers)
                .map(|(cell, number)| match cell {
                    None => String::new(),
                    Some(cell) if *number => cell,
                    Some(cell) => escape(&cell),
                })
                .collect();
            text.push_str(&format!("{}\r\n", line.join(",")));
        })?;
        Ok(text)
    }
}

/// Quotes where needed; text that a spreadsheet would run as a formula gets an apostrophe in front.
fn escape(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_made_text() {
        assert_eq!(escape("=1+1"), "'=1+1");
        assert_eq!(escape("+8613800138000"), "'+8613800138000");
        assert_eq!(escape("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
