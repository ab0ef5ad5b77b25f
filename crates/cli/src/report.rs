//! The ledger of a run as a person reads it.

use std::collections::BTreeMap;

use tributary_pipeline::Summary;

use crate::grid::{Grid, count};

/// A model is old when there are so many times the records it was trained on.
const OUTGROWN: u64 = 4;

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
    if let Some(touched) = identity.touched {
        text.push_str(&format!("  looked at: {} records that had changed, and what they touch\n", count(touched)));
    }
    text.push_str(&pairs("  certain edges: ", &identity.edges));
    if let Some(likely) = &identity.likely {
        let (edges, compared) = (count(likely.edges), count(likely.compared));
        let of = match identity.touched {
            None => format!("{edges} of {compared} pairs compared"),
            Some(_) => format!("{edges}, for which {compared} pairs were compared now"),
        };
        let cut = count(likely.cut);
        text.push_str(&format!(
            "  likely edges: {of}; {cut} cut, where the others of the two customers speak against it\n"
        ));
    }
    match identity.decided {
        (0, 0) => {}
        (same, apart) => text.push_str(&format!(
            "  decided by stewards: {} pairs are one person, {} are two\n",
            count(same),
            count(apart)
        )),
    }
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

/// What of a merge somebody should look at.
pub fn remarks(summary: &Summary) -> Vec<String> {
    let identity = &summary.identity;
    let mut found: Vec<String> = identity
        .large
        .iter()
        .map(|(records, id)| format!("customer `{id}` has {} records: more than one person?", count(*records)))
        .collect();
    if identity.decided_of_absent > 0 {
        let decisions = count(identity.decided_of_absent);
        found.push(format!("{decisions} decisions of stewards are on records that are not there now; they stay for when these come back"));
    }
    let Some(likely) = &identity.likely else { return found };
    found.extend(likely.generic.iter().map(|(field, records, example)| {
        let records = count(*records);
        format!("a value of `{field}` that {records} records share, `{example}` among them, is taken as missing")
    }));
    found.extend(likely.refused.iter().map(|(what, records, example)| {
        let records = count(*records);
        format!("{records} records, `{example}` among them, are alike in {what} and were not compared by it: too many")
    }));
    if likely.trained_on.saturating_mul(OUTGROWN) < identity.parties {
        found.push(format!(
            "the match model was trained on {} records, and there are {} now: `--retrain` makes a new one",
            count(likely.trained_on),
            count(identity.parties)
        ));
    }
    found
}

fn pairs(start: &str, numbers: &BTreeMap<String, u64>) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let list: Vec<_> = numbers.iter().map(|(name, number)| format!("{name} {}", count(*number))).collect();
    format!("{start}{}\n", list.join(", "))
}
