//! `query`: SQL over a lake's newest manifest.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
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
            tell(&e, Some("`tributary tables LAKE` lists the tables; names with capitals or signs go in double quotes".into()));
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
    let Some(first) = batches.first() else { return Ok("[]\n".into()) };
    let schema = first.schema();
    let mut rows = Vec::new();
    cells(batches, |cells| {
        let object: serde_json::Map<String, serde_json::Value> = schema
            .fields()
            .iter()
            .zip(cells)
            .map(|(field, cell)| {
                // Decimals stay text: a JSON number is read as a float nearly everywhere.
                let value = match (cell, field.data_type()) {
                    (None, _) => serde_json::Value::Null,
                    (Some(text), kind) if kind.is_integer() => text.parse::<i64>().map_or(text.into(), Into::into),
                    (Some(text), DataType::Boolean) => (text == "true").into(),
                    (Some(text), DataType::Float64) => text.parse::<f64>().map_or(text.into(), Into::into),
                    (Some(text), _) => text.into(),
                };
                (field.name().clone(), value)
            })
            .collect();
        rows.push(serde_json::Value::Object(object));
    })?;
    Ok(format!("{}\n", serde_json::to_string_pretty(&rows).unwrap_or_default()))
}

fn to_csv(batches: &[RecordBatch]) -> Result<String, arrow::error::ArrowError> {
    let mut text = String::from('\u{feff}');
    let Some(first) = batches.first() else { return Ok(text) };
    let schema = first.schema();
    let header: Vec<_> = schema.fields().iter().map(|field| escape(field.name())).collect();
    text.push_str(&format!("{}\r\n", header.join(",")));
    let numbers: Vec<bool> = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
    cells(batches, |cells| {
        let line: Vec<_> = cells
            .into_iter()
            .zip(&numbers)
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
