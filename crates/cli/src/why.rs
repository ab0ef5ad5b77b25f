//! `why`: which records made a customer, why they are one, and which record gave each field.

use arrow::array::RecordBatch;
use tributary_engine::Error;
use tributary_lake::Lake;

use crate::grid::Grid;
use crate::query::ask;
use crate::{Exit, lakes, print, tell};

pub async fn why(lake: &str, id: &str, json: bool) -> Exit {
    let lake = match lakes::open(lake).await {
        Ok(lake) => lake,
        Err(e) => {
            let hint = e.hint();
            return tell(&e, hint);
        }
    };
    match explain(&lake, id).await {
        Ok(Some(parts)) if json => {
            let object: serde_json::Map<_, _> = parts.into_iter().map(|(name, _, rows)| (name.to_owned(), rows.into())).collect();
            print(&format!("{}\n", serde_json::to_string_pretty(&object).unwrap_or_default()));
            Exit::Done
        }
        Ok(Some(parts)) => {
            let mut text = String::new();
            for (_, title, rows) in parts {
                if let Some(first) = rows.first().and_then(|row| row.as_object()) {
                    text.push_str(&format!("{title}\n"));
                    let mut grid = Grid::new(first.keys().map(String::as_str));
                    for row in &rows {
                        let cells = row.as_object().into_iter().flat_map(|row| row.values());
                        grid.row(cells.map(|cell| cell.as_str().map_or_else(|| if cell.is_null() { String::new() } else { cell.to_string() }, str::to_owned)));
                    }
                    text.push_str(&grid.render("  "));
                    text.push('\n');
                }
            }
            print(&text);
            Exit::Done
        }
        Ok(None) => {
            eprintln!("error: there is no customer `{id}`");
            eprintln!("  hint: `tributary query LAKE \"select customer_id, name from customer.customer limit 10\"` lists some");
            Exit::Input
        }
        Err(e) => tell(&e, None),
    }
}

type Part = (&'static str, &'static str, Vec<serde_json::Value>);

async fn explain(lake: &Lake, asked: &str) -> Result<Option<Vec<Part>>, Error> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let sql = format!("SELECT current_id FROM customer.redirect WHERE customer_id = {}", quoted(asked));
    let redirected = rows(&ask(lake, &sql).await?);
    let current = redirected.first().and_then(|row| row["current_id"].as_str()).unwrap_or(asked);
    let id = quoted(current);
    let of_customer = format!("SELECT record_key FROM identity.member WHERE customer_id = {id} AND NOT retired");
    let queries: [(&str, &str, String); 7] = [
        ("customer", "the customer", format!("SELECT * FROM customer.customer WHERE customer_id = {id}")),
        (
            "redirect",
            "redirected",
            format!("SELECT customer_id AS asked, current_id FROM customer.redirect WHERE customer_id = {}", quoted(asked)),
        ),
        (
            "records",
            "records",
            format!(
                "SELECT m.record_key, m.source, p.stream, p.record_id, p.name, p.birthday, p.source_ts, m.stub \
                 FROM identity.member m LEFT JOIN clean.party p ON p.record_key = m.record_key \
                 WHERE m.customer_id = {id} AND NOT m.retired ORDER BY m.source, m.record_key"
            ),
        ),
        (
            "identifiers",
            "their identifiers",
            format!(
                "SELECT record_key, type, scope, value, masked FROM clean.party_identifier \
                 WHERE record_key IN ({of_customer}) ORDER BY type, value, record_key"
            ),
        ),
        (
            "edges",
            "why they are one, and who is kept apart",
            format!(
                "SELECT a, b, kind, type, scope, reason FROM identity.edge WHERE a IN ({of_customer}) OR b IN ({of_customer}) \
                 ORDER BY kind, a, b"
            ),
        ),
        (
            "fields",
            "which record gave each field",
            format!("SELECT field, record_key, source, rule FROM customer.provenance WHERE customer_id = {id} ORDER BY field"),
        ),
        (
            "events",
            "what happened to the id",
            format!(
                "SELECT number, kind, customer_id, other_id, run_id FROM identity.event \
                 WHERE (customer_id = {id} OR other_id = {id}) AND kind NOT LIKE 'member%' ORDER BY ordinal"
            ),
        ),
    ];
    let mut parts = Vec::new();
    for (name, title, sql) in queries {
        let found = rows(&ask(lake, &sql).await?);
        if name == "customer" && found.is_empty() {
            return Ok(None);
        }
        // A customer's fields read better one below the other.
        if name == "customer" {
            let fields = found.first().and_then(|row| row.as_object()).into_iter().flatten();
            let fields = fields.filter(|(_, value)| !value.is_null()).map(|(field, value)| serde_json::json!({ "field": field, "value": value }));
            parts.push((name, title, fields.collect()));
        } else {
            parts.push((name, title, found));
        }
    }
    Ok(Some(parts))
}

fn rows(batches: &[RecordBatch]) -> Vec<serde_json::Value> {
    use arrow::array::Array;
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        for at in 0..batch.num_rows() {
            let mut object = serde_json::Map::new();
            for (field, column) in schema.fields().iter().zip(batch.columns()) {
                let text = ArrayFormatter::try_new(column, &options).map(|formatter| formatter.value(at).to_string());
                let value = if column.is_null(at) { serde_json::Value::Null } else { text.unwrap_or_default().into() };
                object.insert(field.name().clone(), value);
            }
            rows.push(serde_json::Value::Object(object));
        }
    }
    rows
}
