//! The ledger of a run as a person reads it.

use std::collections::BTreeMap;

use tributary_pipeline::Summary;

use crate::grid::{Grid, count};

/// The whole report.
pub fn render(summary: &Summary) -> String {
    if !summary.new && summary.errors.is_empty() && summary.waiting.is_none() {
        return "nothing new\n".into();
    }
    let mut text = String::new();
    text.push_str("read\n");
    let mut grid = Grid::new(["  stream", ">read", ">written", ">duplicate", ">rejected", ">withdrawn", "files"]);
    for report in &summary.streams {
        let counts = &report.counts;
        grid.row([
            format!("  {}.{}", report.source, report.stream),
            count(counts.read),
            count(counts.written),
            count(counts.duplicate),
            count(counts.rejected),
            count(counts.withdrawn),
            format!("{} new, {} unchanged, {} failed", counts.partitions, counts.unchanged, report.errors.len()),
        ]);
    }
    text.push_str(&grid.render(""));

    if !summary.clean.is_empty() {
        text.push_str("\ncleaned\n");
        let mut grid = Grid::new([
            "  mapping",
            ">rows",
            ">superseded",
            ">deleted",
            ">current",
            ">in",
            ">filtered",
            ">empty",
            ">folded",
            ">out",
        ]);
        for (mapping, counts) in &summary.clean {
            let numbers = [
                counts.rows,
                counts.superseded,
                counts.deleted,
                counts.current,
                counts.input,
                counts.filtered,
                counts.empty,
                counts.folded,
                counts.written,
            ];
            grid.row([format!("  {mapping}")].into_iter().chain(numbers.map(count)));
        }
        text.push_str(&grid.render(""));
        let issues: Vec<_> = summary
            .clean
            .iter()
            .flat_map(|(mapping, counts)| counts.issues.iter().map(move |(issue, number)| (mapping, issue, *number)))
            .collect();
        if !issues.is_empty() {
            text.push_str("\nfields lost\n");
            let mut grid = Grid::new(["  mapping", "field: kind", ">rows"]);
            issues.iter().for_each(|(mapping, issue, number)| {
                grid.row([format!("  {mapping}"), (*issue).clone(), count(*number)])
            });
            text.push_str(&grid.render(""));
        }
    }

    match &summary.stages_of {
        _ if !summary.held.is_empty() => text.push_str("\nmerged\n  nothing: too many records were rejected\n"),
        Some(owner) => text.push_str(&format!("\nmerged\n  by pipeline `{owner}` of this lake, when it runs next\n")),
        None if summary.tables.keys().all(|table| table.layer == "raw" || table.layer == "ops") => {
            text.push_str("\nmerged\n  nothing: no stream is mapped (`[[map]]`)\n");
        }
        None => text.push_str(&merged(summary)),
    }

    if !summary.tables.is_empty() {
        text.push_str("\ntables\n");
        let mut grid = Grid::new(["  table", ">version"]);
        summary.tables.iter().for_each(|(table, version)| grid.row([format!("  {table}"), version.to_string()]));
        text.push_str(&grid.render(""));
    }
    text.push_str("\nthe ledger balances\n");
    text
}

/// What became of the records.
fn merged(summary: &Summary) -> String {
    let mut text = String::new();
    let identity = &summary.identity;
    text.push_str("\nmerged\n");
    text.push_str(&format!(
        "  {} records → {} customers; {} more are known by an identifier on an order only\n",
        count(identity.parties),
        count(identity.customers),
        count(identity.stub_customers),
    ));
    text.push_str(&pairs("  certain edges: ", &identity.edges));
    text.push_str(&pairs("  identifiers shared by too many, which merge nobody: ", &identity.refused));
    if identity.vetoed > 0 {
        text.push_str(&format!("  kept apart in spite of a shared identifier: {}\n", count(identity.vetoed)));
    }
    let events: BTreeMap<String, u64> =
        identity.events.iter().filter(|(kind, _)| !kind.starts_with("member")).map(|(k, n)| (k.clone(), *n)).collect();
    text.push_str(&pairs("  ids: ", &events));
    for (entity, (with, without)) in &summary.customer.attributed {
        text.push_str(&format!("  {entity}: {} with a customer, {} without\n", count(*with), count(*without)));
    }
    text
}

fn pairs(start: &str, numbers: &BTreeMap<String, u64>) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let list: Vec<_> = numbers.iter().map(|(name, number)| format!("{name} {}", count(*number))).collect();
    format!("{start}{}\n", list.join(", "))
}
