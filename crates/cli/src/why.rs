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
            let object: serde_json::Map<_, _> =
                parts.into_iter().map(|(name, _, rows)| (name.to_owned(), rows.json().into())).collect();
            print(&format!("{}\n", serde_json::to_string_pretty(&object).unwrap_or_default()));
            Exit::Done
        }
        Ok(Some(parts)) => {
            let mut text = String::new();
            for (_, title, found) in parts.iter().filter(|(.., found)| !found.rows.is_empty()) {
                let mut grid = Grid::new(found.header.iter().map(String::as_str));
                found.rows.iter().for_each(|row| grid.row(row.iter().map(|cell| cell.clone().unwrap_or_default())));
                text.push_str(&format!("{title}\n{}\n", grid.render("  ")));
            }
            print(&text);
            Exit::Done
        }
        Ok(None) => {
            eprintln!("error: there is no customer `{id}`");
            eprintln!(
                "  hint: `tributary query LAKE \"select customer_id, name from customer.customer limit 10\"` lists some"
            );
            Exit::Input
        }
        Err(e) => tell(&e, None),
    }
}

type Part = (&'static str, &'static str, Found);

/// What a query found, in its columns' order.
#[derive(Default)]
struct Found {
    header: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

impl Found {
    fn json(&self) -> Vec<serde_json::Value> {
        let object = |row: &Vec<Option<String>>| {
            let cells = self.header.iter().cloned().zip(row.iter().cloned().map(serde_json::Value::from));
            serde_json::Value::Object(cells.collect())
        };
        self.rows.iter().map(object).collect()
    }
}

async fn explain(lake: &Lake, asked: &str) -> Result<Option<Vec<Part>>, Error> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let sql = format!("SELECT current_id FROM customer.redirect WHERE customer_id = {}", quoted(asked));
    let redirected = rows(&ask(lake, &sql).await?);
    let current = redirected.rows.first().and_then(|row| row.first().cloned().flatten());
    let id = quoted(current.as_deref().unwrap_or(asked));
    let of_customer = format!("SELECT record_key FROM identity.member WHERE customer_id = {id} AND NOT retired");
    let queries: [(&str, &str, String); 7] = [
        ("customer", "the customer", format!("SELECT * FROM customer.customer WHERE customer_id = {id}")),
        (
            "redirect",
            "redirected",
            format!(
                "SELECT customer_id AS asked, current_id FROM customer.redirect WHERE customer_id = {}",
                quoted(asked)
            ),
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
            format!(
                "SELECT field, record_key, source, rule FROM customer.provenance WHERE customer_id = {id} ORDER BY field"
            ),
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
        if name != "customer" {
            parts.push((name, title, found));
            continue;
        }
        // A customer's fields read better one below the other.
        let Some(row) = found.rows.into_iter().next() else { return Ok(None) };
        let fields = found.header.into_iter().zip(row).filter(|(_, value)| value.is_some());
        let rows = fields.map(|(field, value)| vec![Some(field), value]).collect();
        parts.push((name, title, Found { header: vec!["field".into(), "value".into()], rows }));
    }
    Ok(Some(parts))
}

fn rows(batches: &[RecordBatch]) -> Found {
    use arrow::array::Array;
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default();
    let mut found = Found::default();
    for batch in batches {
        found.header = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        for at in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| {
                let text = ArrayFormatter::try_new(column, &options).map(|formatter| formatter.value(at).to_string());
                if column.is_null(at) { None } else { text.ok() }
            });
            found.rows.push(cells.collect());
        }
    }
    found
}
