//! `merge report`: one self-contained HTML page on a merge.

mod chart;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use tributary_connector::Registry;
use tributary_engine::{Error, Options, Session};
use tributary_lake::Lake;
use tributary_linkage::explain::Explanation;
use tributary_linkage::model::probability;
use tributary_merge::report::{self, Cluster, LikelyReport, Pair, Report};

use crate::evaluate::{Opened, open};
use crate::grid::count;
use crate::query::{ask, texts};
use crate::{Exit, print, tell};

/// What is asked.
pub struct Task<'a> {
    pub pipeline: &'a Path,
    pub output: &'a Path,
    /// Show names, phones and the like of the pairs: the page is then as personal as the lake.
    pub values: bool,
    pub json: bool,
    pub colour: bool,
}

pub async fn report(task: Task<'_>, registry: &Registry) -> Exit {
    let Opened { project, lake } = match open(task.pipeline, registry, task.colour).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let made = match made(&lake, &project.rules, task.values).await {
        Ok(made) => made,
        Err(e) => return tell(&e, None),
    };
    if task.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&made.report).unwrap_or_default()));
        return Exit::Done;
    }
    let page = page(&project.pipeline.name.value, &made).into_string();
    if let Err(e) = std::fs::write(task.output, page) {
        eprintln!("error: `{}` could not be written: {e}", task.output.display());
        return Exit::Failed;
    }
    eprintln!("wrote {}", task.output.display());
    if task.values {
        eprintln!("it shows names, phones and the like of the pairs and customers that it names");
    }
    Exit::Done
}

/// A report, and what of its records is looked up in the lake.
struct Made {
    report: Report,
    /// By record: its customer.
    customers: BTreeMap<String, String>,
    /// By record: its values in a few words; empty unless they are asked for.
    values: BTreeMap<String, Vec<(&'static str, String)>>,
}

async fn made(lake: &Lake, rules: &tributary_merge::Rules, values: bool) -> Result<Made, Error> {
    let session = Session::new(lake, &Options::default())?;
    let report = report::run(lake, &session, rules).await?;
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for cluster in report.largest.iter().chain(&report.doubtful) {
        named.extend(cluster.records.iter().map(String::as_str));
        named.extend(cluster.weakest.iter().flat_map(|(a, b, _)| [a.as_str(), b.as_str()]));
    }
    for pair in report.likely.iter().flat_map(|likely| &likely.borderline) {
        named.extend([pair.a.as_str(), pair.b.as_str()]);
    }
    let list: Vec<String> = named.iter().map(|key| format!("'{}'", key.replace('\'', "''"))).collect();
    let list = if list.is_empty() { "''".to_owned() } else { list.join(", ") };
    let sql = format!("SELECT record_key, customer_id FROM identity.member WHERE record_key IN ({list})");
    let pairs = |rows: Vec<Vec<Option<String>>>| {
        rows.into_iter().filter_map(|row| {
            let [key, value] = <[_; 2]>::try_from(row).ok()?;
            Some((key?, value?))
        })
    };
    let customers = pairs(texts(&ask(lake, &sql).await?)).collect();
    let mut shown: BTreeMap<String, Vec<(&'static str, String)>> = BTreeMap::new();
    if values {
        const FIELDS: [(&str, &str); 4] = [
            ("name", "coalesce(name, concat_ws(' ', given_name, family_name))"),
            ("birthday", "CAST(birthday AS VARCHAR)"),
            ("gender", "gender"),
            ("address", "nullif(concat_ws(' ', province, city, district, street, postcode), '')"),
        ];
        let columns: String = FIELDS.iter().map(|(_, sql)| format!(", {sql}")).collect();
        let sql = format!("SELECT record_key{columns} FROM clean.party WHERE record_key IN ({list})");
        for row in texts(&ask(lake, &sql).await?) {
            let mut cells = row.into_iter();
            let Some(Some(key)) = cells.next() else { continue };
            let of_record = FIELDS.iter().zip(cells).filter_map(|((name, _), value)| Some((*name, value?)));
            shown.entry(key).or_default().extend(of_record);
        }
        for kind in ["phone", "email"] {
            let sql = format!(
                "SELECT record_key, value FROM clean.party_identifier WHERE type = '{kind}' AND record_key IN ({list}) \
                 ORDER BY record_key, masked, value"
            );
            for (key, value) in pairs(texts(&ask(lake, &sql).await?)) {
                shown.entry(key).or_default().push((kind, value));
            }
        }
    }
    Ok(Made { report, customers, values: shown })
}

const STYLE: &str = include_str!("page/style.css");

fn page(name: &str, made: &Made) -> Markup {
    let report = &made.report;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Merge of " (name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Merge of " (name) }
                (tiles(report))
                @if let Some(likely) = &report.likely {
                    (threshold(likely))
                    (model(likely))
                    (blocking(likely))
                } @else {
                    p.note { "Only equal identifiers were looked at: likeness is switched off, or there are fewer than 200 records." }
                }
                (identifiers(report))
                (clusters(made))
                @if let Some(likely) = &report.likely { (borderline(likely, made)) }
            }
        }
    }
}

fn tiles(report: &Report) -> Markup {
    let tile = |number: String, what: &str| html! { div.tile { strong { (number) } span { (what) } } };
    html! {
        div.tiles {
            (tile(count(report.parties), "records of persons"))
            (tile(count(report.customers), "customers"))
            @if report.stubs > 0 { (tile(count(report.stubs), "identifiers on orders")) }
            (tile(count(report.certain.values().sum()), "certain edges"))
            @if let Some(likely) = &report.likely {
                @if let Some(at) = likely.by_threshold.iter().find(|at| at.threshold == likely.threshold) {
                    (tile(count(at.edges), "likely edges"))
                    (tile(format!("{:.2} %", at.right * 100.0), "of these expected to be right"))
                }
                (tile(format!("{:.1} %", likely.coverage * 100.0), "of the true pairs expected to be compared"))
            }
        }
        h2 { "Records per customer" }
        (chart::bars(&report.sizes.iter().map(|(size, n)| (*size, *n)).collect::<Vec<_>>(), "records", "customers"))
    }
}

fn threshold(likely: &LikelyReport) -> Markup {
    let bits = (likely.threshold / (1.0 - likely.threshold)).log2();
    html! {
        h2 { "Pairs by weight of evidence" }
        p {
            "All pairs that were compared and have a match probability of at least "
            (percent(probability(likely.histogram_from)))
            ". The line is the threshold in force, a probability of " (percent(likely.threshold))
            ". Pairs to its right are edges."
        }
        (chart::histogram(&likely.histogram, likely.histogram_from, bits))
        h2 { "What another threshold would do" }
        table {
            thead { tr { th.n { "threshold" } th.n { "likely edges" } th.n { "expected right" } th.n { "customers" } } }
            tbody {
                @for at in &likely.by_threshold {
                    tr.force[at.threshold == likely.threshold] {
                        td.n { (percent(at.threshold)) }
                        td.n { (count(at.edges)) }
                        td.n { (format!("{:.2} %", at.right * 100.0)) }
                        td.n { (count(at.customers)) }
                    }
                }
            }
        }
        p.note { "The row in bold is in force. “Expected right” is the mean of the probabilities: it is as good as the model." }
    }
}

fn model(likely: &LikelyReport) -> Markup {
    html! {
        h2 { "Model" }
        p {
            @match likely.model {
                Some(number) => { "Model " (number) " of the lake, " },
                None => { "A model made for this report, " },
            }
            "trained on " (count(likely.trained_on)) " records without labels. It expects "
            (count(likely.matches.round() as u64)) " pairs of one person among them: two records at random start at "
            (format!("{:+.1}", likely.prior)) " bits. Each comparison adds what the bar shows; at 0 bits two records are as likely one person "
            "as not."
        }
        @if likely.households >= 1.0 {
            p {
                "There are households among the records: about " (count(likely.households.round() as u64))
                " pairs of two persons who share name, address or numbers. What a household may share counts less for that."
            }
        }
        (chart::model(&likely.comparisons))
    }
}

fn blocking(likely: &LikelyReport) -> Markup {
    let most = likely.keys.iter().map(|key| key.found).max().unwrap_or(1).max(1);
    html! {
        h2 { "Blocking" }
        p { "Which pairs are compared at all: those that agree in one of these keys. A pair counts for the first key that holds it." }
        table {
            thead { tr {
                th { "key" } th.n { "pairs compared" } th.n { "found" } th { "" } th.n { "largest block" } th.n { "blocks refused" }
                th.n { "their records" }
            } }
            tbody {
                @for key in &likely.keys {
                    tr {
                        td { (key.name) }
                        td.n { (count(key.compared)) }
                        td.n { (count(key.found)) }
                        td { (chart::bar(key.found as f64 / most as f64)) }
                        td.n { (count(key.largest_block)) }
                        td.n { (count(key.refused_blocks)) }
                        td.n { (count(key.refused_records)) }
                    }
                }
            }
        }
        @if !likely.generic.is_empty() {
            h3 { "Values taken as missing, since strangers share them" }
            table {
                thead { tr { th { "field" } th.n { "records" } th { "one of them" } } }
                tbody { @for (field, records, example) in &likely.generic {
                    tr { td { (field) } td.n { (count(*records)) } td.key { (example) } }
                } }
            }
        }
    }
}

fn identifiers(report: &Report) -> Markup {
    html! {
        h2 { "Identifiers" }
        @if report.certain.is_empty() { p { "No two records share a strong identifier." } } @else {
            table {
                thead { tr { th { "type" } th.n { "certain edges" } th.n { "values shared by too many" } } }
                tbody { @for (kind, edges) in &report.certain {
                    @let refused: u64 = report.refused.iter()
                        .filter(|(of, _)| of.split(':').next() == Some(kind.as_str())).map(|(_, n)| n).sum();
                    tr { td { (kind) } td.n { (count(*edges)) } td.n { (count(refused)) } }
                } }
            }
            p { (count(report.vetoed)) " pairs are kept apart in spite of a shared identifier." }
        }
    }
}

fn clusters(made: &Made) -> Markup {
    let table = |clusters: &[Cluster]| {
        html! {
            table {
                thead { tr { th { "customer" } th.n { "records" } th { "weakest tie" } th { "some of its records" } } }
                tbody { @for cluster in clusters {
                    tr {
                        td.key { (cluster.records.first().and_then(|key| made.customers.get(key)).map_or("", String::as_str)) }
                        td.n { (count(cluster.size)) }
                        td {
                            @match &cluster.weakest {
                                Some((a, b, bits)) => {
                                    span.key { (a) } " – " span.key { (b) } br;
                                    (format!("{bits:+.1} bits, {}", percent(probability(f64::from(*bits)))))
                                },
                                None => "identifiers only",
                            }
                        }
                        td { @for key in &cluster.records { div { span.key { (key) } " " (words(made, key)) } } }
                    }
                } }
            }
        }
    };
    html! {
        @if !made.report.largest.is_empty() { h2 { "Largest customers" } (table(&made.report.largest)) }
        @if !made.report.doubtful.is_empty() {
            h2 { "Most doubtful customers" }
            p { "Those that hang by the weakest tie. " code { "tributary merge decide" } " says what evidence cannot." }
            (table(&made.report.doubtful))
        }
    }
}

/// A record's values, in a line.
fn words(made: &Made, key: &str) -> String {
    let values = made.values.get(key).into_iter().flatten();
    values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" · ")
}

fn borderline(likely: &LikelyReport, made: &Made) -> Markup {
    let value = |key: &str, field: &str| -> String {
        let of = made.values.get(key).into_iter().flatten().filter(|(name, _)| *name == field);
        of.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ")
    };
    let pair = |pair: &Pair| {
        let Explanation { bits, probability, .. } = &pair.explanation;
        html! {
            section.pair {
                h3 {
                    span.key { (pair.a) } " and " span.key { (pair.b) } ": " (percent(*probability))
                    (if pair.one_customer { ", one customer" } else { ", two customers" })
                }
                @if !made.values.is_empty() {
                    table.values { tbody { @for field in ["name", "birthday", "gender", "phone", "email", "address"] {
                        @let (a, b) = (value(&pair.a, field), value(&pair.b, field));
                        @if !a.is_empty() || !b.is_empty() { tr { th { (field) } td { (a) } td { (b) } } }
                    } } }
                }
                (chart::waterfall(&pair.explanation))
                p.note { "In all " (format!("{bits:+.2}")) " bits. " code { "tributary why LAKE " (pair.a) " " (pair.b) } }
            }
        }
    };
    html! {
        @if !likely.borderline.is_empty() {
            h2 { "Borderline pairs" }
            p { "Those nearest to the threshold: what each comparison adds, from the odds of two records at random to the sum." }
            @for of in &likely.borderline { (pair(of)) }
        }
    }
}

fn percent(p: f64) -> String {
    let share = p * 100.0;
    let digits = if (0.1..=99.9).contains(&share) { 1 } else { 2 };
    let text = format!("{share:.digits$}");
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
