//! `why` for two records: what ties them together or keeps them apart, and what each comparison of them weighs.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use serde::Serialize;
use tributary_engine::{Error, Options, Session};
use tributary_lake::Lake;
use tributary_linkage::explain::Explanation;
use tributary_merge::likely::{Compared, compare};

use crate::grid::Grid;
use crate::query::{ask, texts};
use crate::{Exit, lakes, print, tell};

/// A line of `identity.edge`.
#[derive(Debug, Clone, Serialize)]
struct Edge {
    a: String,
    b: String,
    kind: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<String>,
}

#[derive(Debug, Serialize)]
struct Pair {
    /// Keys of the records, and the customers they belong to.
    records: [String; 2],
    customers: [String; 2],
    one_customer: bool,
    /// What is known of this very pair.
    edges: Vec<Edge>,
    /// Where no edge of their own ties them: the fewest edges that do, from the first record to the second.
    by_way_of: Vec<Edge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    likeness: Option<Likeness>,
}

#[derive(Debug, Serialize)]
struct Likeness {
    model: i64,
    threshold: f64,
    #[serde(flatten)]
    explanation: Explanation,
}

pub async fn why(lake: &str, a: &str, b: &str, json: bool) -> Exit {
    let lake = match lakes::open(lake).await {
        Ok(lake) => lake,
        Err(e) => {
            let hint = e.hint();
            return tell(&e, hint);
        }
    };
    match look(&lake, a, b).await {
        Ok(Ok(pair)) if json => {
            print(&format!("{}\n", serde_json::to_string_pretty(&pair).unwrap_or_default()));
            Exit::Done
        }
        Ok(Ok(pair)) => {
            print(&render(&pair));
            Exit::Done
        }
        Ok(Err(unknown)) => {
            eprintln!("error: `{unknown}` is no record and no customer of this lake");
            eprintln!("  hint: `tributary why LAKE CUSTOMER` shows the keys of a customer's records");
            Exit::Input
        }
        Err(e) => tell(&e, None),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn look(lake: &Lake, a: &str, b: &str) -> Result<Result<Pair, String>, Error> {
    let (mut records, mut customers) = (vec![], vec![]);
    for asked in [a, b] {
        let sql = format!(
            "SELECT record_key, customer_id FROM identity.member WHERE NOT retired AND (record_key = {0} OR customer_id = {0}) \
             ORDER BY since, record_key LIMIT 1",
            quoted(asked)
        );
        let found = texts(&ask(lake, &sql).await?).pop().and_then(|row| <[_; 2]>::try_from(row).ok());
        let Some([Some(record), Some(customer)]) = found else { return Ok(Err(asked.to_owned())) };
        records.push(record);
        customers.push(customer);
    }
    let (Ok(records), Ok(customers)) = (<[String; 2]>::try_from(records), <[String; 2]>::try_from(customers)) else {
        return Ok(Err(a.to_owned()));
    };
    let both = records.each_ref().map(|record| quoted(record)).join(", ");
    let columns = "SELECT a, b, kind, type, reason, CAST(round(bits, 2) AS VARCHAR) FROM identity.edge";
    let edges = edges(lake, &format!("{columns} WHERE a IN ({both}) AND b IN ({both}) ORDER BY kind, type")).await?;
    let one_customer = customers[0] == customers[1];
    let ties = |edge: &Edge| matches!(edge.kind.as_str(), "certain" | "likely" | "decided");
    let by_way_of = match one_customer && records[0] != records[1] && !edges.iter().any(ties) {
        true => {
            let of_customer = format!(
                "SELECT record_key FROM identity.member WHERE customer_id = {} AND NOT retired",
                quoted(&customers[0])
            );
            let sql = format!(
                "{columns} WHERE kind IN ('certain', 'likely', 'decided') AND a IN ({of_customer}) AND b IN ({of_customer}) \
                 ORDER BY kind, a, b"
            );
            path(&self::edges(lake, &sql).await?, &records[0], &records[1])
        }
        false => vec![],
    };
    let session = Session::new(lake, &Options::default())?;
    let likeness = compare(&session, &records[0], &records[1]).await?;
    let likeness =
        likeness.map(|Compared { explanation, model, threshold }| Likeness { model, threshold, explanation });
    Ok(Ok(Pair { records, customers, one_customer, edges, by_way_of, likeness }))
}

async fn edges(lake: &Lake, sql: &str) -> Result<Vec<Edge>, Error> {
    let rows = texts(&ask(lake, sql).await?);
    let edge = |row: Vec<Option<String>>| {
        let [a, b, kind, of, reason, bits] = <[_; 6]>::try_from(row).ok()?;
        Some(Edge { a: a?, b: b?, kind: kind?, of, reason, bits })
    };
    Ok(rows.into_iter().filter_map(edge).collect())
}

/// The fewest edges that lead from one record to another.
fn path(edges: &[Edge], from: &str, to: &str) -> Vec<Edge> {
    let mut of: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        of.entry(&edge.a).or_default().push(edge);
        of.entry(&edge.b).or_default().push(edge);
    }
    let mut came_by: BTreeMap<&str, (&str, &Edge)> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front().filter(|_| !came_by.contains_key(to)) {
        for edge in of.get(at).into_iter().flatten() {
            let next = if edge.a == at { edge.b.as_str() } else { edge.a.as_str() };
            if next != from && !came_by.contains_key(next) {
                came_by.insert(next, (at, edge));
                queue.push_back(next);
            }
        }
    }
    let (mut found, mut at) = (vec![], to);
    while let Some((before, edge)) = came_by.get(at) {
        found.push((*edge).clone());
        at = before;
    }
    found.reverse();
    found
}

fn render(pair: &Pair) -> String {
    let mut text = String::new();
    let [a, b] = &pair.records;
    let _ = match pair.one_customer {
        true => writeln!(text, "records {a} and {b} are one customer: {}", pair.customers[0]),
        false => {
            writeln!(text, "records {a} and {b} are two customers: {} and {}", pair.customers[0], pair.customers[1])
        }
    };
    for (title, edges) in
        [("what is known of the two", &pair.edges), ("they are one by way of others", &pair.by_way_of)]
    {
        if edges.is_empty() {
            continue;
        }
        let mut grid = Grid::new(["a", "b", "kind", "type", ">bits", "reason"]);
        for edge in edges {
            let Edge { a, b, kind, of, reason, bits } = edge.clone();
            grid.row([a, b, kind, of.unwrap_or_default(), bits.unwrap_or_default(), reason.unwrap_or_default()]);
        }
        let _ = write!(text, "\n{title}\n{}", grid.render("  "));
    }
    match &pair.likeness {
        None => text.push_str(
            "\nthey are not compared by likeness: one of them is no person's record, or there is no match model\n",
        ),
        Some(likeness) => text.push_str(&weights(likeness)),
    }
    text
}

fn weights(likeness: &Likeness) -> String {
    let Likeness { model, threshold, explanation } = likeness;
    let mut grid = Grid::new(["what is compared", "how it stands", ">one person", ">two persons", ">bits"]);
    let share = |p: f64| if p < 0.0001 { format!("{p:.1e}") } else { format!("{p:.4}") };
    let bits = |bits: f64| format!("{bits:+.2}");
    grid.row(["two records at random".into(), String::new(), String::new(), String::new(), bits(explanation.prior)]);
    for evidence in explanation.evidence.iter().filter(|evidence| evidence.level != "missing") {
        let level = match evidence.frequency {
            Some(records) => format!("{}, as {records:.0} records have it", evidence.level),
            None => evidence.level.clone(),
        };
        grid.row([
            evidence.name.clone(),
            level,
            share(evidence.m),
            share(evidence.u),
            bits(evidence.bits + evidence.frequency_bits),
        ]);
    }
    if explanation.household < -0.005 {
        let what = ["a household may share some of it".into(), String::new(), String::new(), String::new()];
        grid.row(what.into_iter().chain([bits(explanation.household)]));
    }
    grid.row(["all".into(), String::new(), String::new(), String::new(), bits(explanation.bits)]);
    let missing: Vec<_> = explanation
        .evidence
        .iter()
        .filter(|evidence| evidence.level == "missing")
        .map(|evidence| evidence.name.as_str())
        .collect();
    let mut text = format!("\nwhat likeness says, by model {model}\n{}", grid.render("  "));
    if !missing.is_empty() {
        let _ = writeln!(text, "  missing in one of them: {}", missing.join(", "));
    }
    let _ = writeln!(text, "  one person with probability {:.4}; an edge from {threshold} on", explanation.probability);
    match explanation.keys.is_empty() {
        true => text.push_str("  they share no blocking key, so that they are not compared in a run\n"),
        false => _ = writeln!(text, "  compared because they share: {}", explanation.keys.join("; ")),
    }
    text
}
