//! A mapping's answer beside the raw values it was made from.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use tributary_clean::normalise::IssueKind;
use tributary_clean::{Expr, Mapping};
use tributary_pipeline::Sample;

use crate::columns::texts;
use crate::sheet::{Sheet, clip};

/// One mapping. `lost` gathers the kinds of issues that are shown.
pub fn render(
    mapping: &Mapping,
    sample: &Sample,
    answer: &RecordBatch,
    width: usize,
    lost: &mut Vec<String>,
) -> Result<String, ArrowError> {
    let fates = Fates::of(mapping, sample, answer)?;
    let (records, rows) = (fates.taken.len(), sample.rows.num_rows());
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut text = format!("\n{}: {} from {}\n", mapping.id, plural(records, "record"), plural(rows, "row"));
    for (why, rows) in &fates.others {
        text.push_str(&format!(
            "  {} {}: {why}\n",
            if rows.len() == 1 { "row" } else { "rows" },
            clip(&rows.join(", "), 60)
        ));
    }
    if records == 0 {
        return Ok(text);
    }
    let mut sheet = Sheet::new(["field", "from"], fates.taken.iter().map(|(_, label)| label.clone()));
    let pick = |name: &str| -> Result<Vec<Option<String>>, ArrowError> {
        let all = answer.column_by_name(name).map(texts).transpose()?.unwrap_or_default();
        Ok(fates.taken.iter().map(|(row, _)| all.get(*row).cloned().flatten()).collect())
    };
    let mut add =
        |label: &str, from: &str, raw: Vec<Option<String>>, value: Vec<Option<String>>, issue: Vec<Option<String>>| {
            lost.extend(issue.iter().flatten().cloned());
            let made: Vec<String> = raw
                .iter()
                .zip(value)
                .zip(issue)
                .map(|((raw, value), issue)| match (raw, value, issue) {
                    (_, _, Some(issue)) => format!("✗ {issue}"),
                    (_, Some(value), None) => value,
                    (Some(raw), None, None) if !raw.trim().is_empty() => "(empty)".into(),
                    (_, None, None) => String::new(),
                })
                .collect();
            let raw: Vec<String> = raw.into_iter().map(Option::unwrap_or_default).collect();
            let same = raw.iter().zip(&made).all(|(raw, made)| alike(raw, made));
            sheet.line([label, from], raw);
            if !same {
                sheet.line(["", "  →"], made);
            }
        };
    for (name, expr) in &mapping.fields {
        let (raw, issue) = (pick(&format!("raw_{name}"))?, pick(&format!("x_{name}"))?);
        // A one-line address is taken apart: its parts are below.
        let value = if name == "address" { raw.clone() } else { pick(name)? };
        add(name, &source_of(expr), raw, value, issue);
    }
    for (at, identifier) in mapping.identifiers.iter().enumerate() {
        let masked = pick(&format!("i{at}_masked"))?;
        let value = pick(&format!("i{at}_value"))?.into_iter().zip(masked);
        let value = value.map(|(value, masked)| match masked.as_deref() {
            Some("true") => value.map(|value| format!("{value} (masked)")),
            _ => value,
        });
        let scope = match &identifier.scope {
            Expr::Constant(scope) if scope.is_empty() => String::new(),
            scope => format!(" in {}", source_of(scope).trim_matches('\'')),
        };
        let label = format!("{}{scope}", identifier.kind);
        let (raw, issue) = (pick(&format!("raw_i{at}"))?, pick(&format!("i{at}_issue"))?);
        add(&label, &source_of(&identifier.value), raw, value.collect(), issue);
    }
    for field in mapping.entity.fields.iter().filter(|field| mapping.maps(field.name).is_none()) {
        let values = pick(field.name)?;
        let told = |value: &Option<String>| value.as_deref().is_some_and(|value| field.mapped() || value == "true");
        if values.iter().any(told) {
            let from = match field.name {
                "currency" => "(the source's)",
                "name" => "(its parts)",
                "family_name" | "given_name" | "name_masked" => "(name)",
                _ => "(address)",
            };
            sheet.line([field.name, from], values.into_iter().map(Option::unwrap_or_default));
        }
    }
    text.push_str(&sheet.render("  ", width));
    Ok(text)
}

/// Whether nothing is to be seen of a change: a number may have more zeros at its end.
fn alike(raw: &str, made: &str) -> bool {
    let number =
        |text: &str| text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    let short = |text: &str| match number(text) {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => clip(text, usize::MAX),
    };
    short(raw) == short(made)
}

/// What the kinds of issues mean.
pub fn reasons(lost: &[String]) -> String {
    let shown = IssueKind::ALL.into_iter().filter(|kind| lost.iter().any(|lost| lost == kind.as_str()));
    let lines: String = shown.map(|kind| format!("  ✗ {}: {}\n", kind.as_str(), kind.description())).collect();
    if lines.is_empty() { lines } else { format!("\nfields lost\n{lines}") }
}

fn source_of(expr: &Expr) -> String {
    match expr {
        Expr::Sql(sql) => sql.split_whitespace().collect::<Vec<_>>().join(" "),
        Expr::Column(name) => name.clone(),
        Expr::Constant(text) => format!("'{text}'"),
    }
}

/// What becomes of the sample's rows.
struct Fates {
    /// Rows of the answer that become records, and the number of the sample's row (and element) they are from.
    taken: Vec<(usize, String)>,
    /// Why others do not, with their numbers.
    others: Vec<(&'static str, Vec<String>)>,
}

impl Fates {
    fn of(mapping: &Mapping, sample: &Sample, answer: &RecordBatch) -> Result<Self, ArrowError> {
        let places = integers(sample.rows.column_by_name("_row"))?;
        let places: BTreeMap<i64, usize> = places.into_iter().zip(1..).collect();
        let named = |name: &str| integers(answer.column_by_name(name));
        let (rows, elements, ranks) = (named("_row")?, named("element_no")?, named("rank")?);
        let keep = answer.column_by_name("keep").and_then(|keep| keep.as_boolean_opt());
        let keys = answer.column_by_name("record_key");
        let mut fates = Self { taken: Vec::new(), others: Vec::new() };
        let mut seen: Vec<usize> = Vec::new();
        for at in 0..answer.num_rows() {
            let Some(place) = rows.get(at).and_then(|row| places.get(row)) else { continue };
            seen.push(*place);
            let label = match elements.get(at) {
                Some(0) | None => place.to_string(),
                Some(element) => format!("{place}.{element}"),
            };
            if !keep.is_some_and(|keep| keep.is_valid(at) && keep.value(at)) {
                fates.add("left out by `where`", label);
            } else if keys.is_none_or(|keys| keys.is_null(at)) {
                fates.add("without a key", label);
            } else if ranks.get(at) != Some(&1) {
                fates.add("folded into the newest row of their key", label);
            } else {
                fates.taken.push((at, label));
            }
        }
        let why = if mapping.each.is_some() { "nothing in `each`" } else { "an older version of a record" };
        places.values().filter(|place| !seen.contains(place)).for_each(|place| fates.add(why, place.to_string()));
        Ok(fates)
    }

    fn add(&mut self, why: &'static str, label: String) {
        match self.others.iter_mut().find(|(known, _)| *known == why) {
            Some((_, labels)) => labels.push(label),
            None => self.others.push((why, vec![label])),
        }
    }
}

fn integers(column: Option<&ArrayRef>) -> Result<Vec<i64>, ArrowError> {
    let Some(column) = column else { return Ok(Vec::new()) };
    let column = arrow::compute::cast(column, &DataType::Int64)?;
    Ok(column.as_primitive::<Int64Type>().values().to_vec())
}
