//! What the marts are told: the day they are of, windows and thresholds.

use chrono::NaiveDate;
use serde_json::json;

use super::fingerprint;
use super::reader::Reader;
use super::tree::Table;
use crate::diagnostic::{Span, Spanned};

/// `[mart]`, with the defaults of what it does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Mart {
    pub as_of: AsOf,
    pub rfm: Rfm,
    pub summary: Option<Summary>,
    pub lifecycle: Lifecycle,
    /// The header.
    pub span: Span,
}

/// The day the tables are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AsOf {
    #[default]
    RunDate,
    /// The day of the newest event.
    MaxEvent,
    Date(NaiveDate),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfm {
    pub window_days: u32,
}

/// The purchase summary that value and churn are estimated from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Purchases up to this date count; later ones test the estimate.
    pub cut: NaiveDate,
    pub unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    #[default]
    Day,
    Week,
    Month,
}

/// Stages from new to churned; quantiles are of the gaps between orders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lifecycle {
    pub new_days: u32,
    pub loyal_orders: u32,
    pub at_risk_quantile: f64,
    pub churned_quantile: f64,
}

impl Default for Rfm {
    fn default() -> Self {
        Self { window_days: 365 }
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { new_days: 30, loyal_orders: 3, at_risk_quantile: 0.8, churned_quantile: 0.95 }
    }
}

impl Default for Mart {
    fn default() -> Self {
        let (rfm, lifecycle) = (Rfm::default(), Lifecycle::default());
        Self { as_of: AsOf::default(), rfm, summary: None, lifecycle, span: Span::default() }
    }
}

impl Unit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

impl Mart {
    /// What the marts are told, in canonical form. `run_date` stays a word: the day itself is the stage's to add.
    pub fn fingerprint(&self) -> String {
        let as_of = match self.as_of {
            AsOf::RunDate => "run_date".to_owned(),
            AsOf::MaxEvent => "max_event".to_owned(),
            AsOf::Date(date) => date.to_string(),
        };
        fingerprint::canonical(&json!({
            "as_of": as_of,
            "rfm": { "window_days": self.rfm.window_days },
            "summary": self.summary.map(|summary| json!({ "cut": summary.cut.to_string(), "unit": summary.unit.as_str() })),
            "lifecycle": {
                "new_days": self.lifecycle.new_days,
                "loyal_orders": self.lifecycle.loyal_orders,
                "at_risk_quantile": self.lifecycle.at_risk_quantile,
                "churned_quantile": self.lifecycle.churned_quantile,
            },
        }))
    }
}

pub(super) fn read(span: Span, table: &Table, reader: &mut Reader<'_>) -> Mart {
    let mut mart = Mart { span, ..Mart::default() };
    if let Some(text) = reader.text(table, "as_of") {
        mart.as_of = as_of(&text, reader);
    }
    if let Some((_, rfm)) = reader.table(table, "rfm") {
        mart.rfm.window_days = reader.count(rfm, "window_days").unwrap_or(mart.rfm.window_days);
    }
    if let Some((_, summary)) = reader.table(table, "summary") {
        mart.summary = self::summary(summary, reader);
    }
    if let Some((entry, table)) = reader.table(table, "lifecycle") {
        mart.lifecycle = lifecycle(entry.node.span, table, reader);
    }
    mart
}

fn as_of(text: &Spanned<String>, reader: &mut Reader<'_>) -> AsOf {
    match text.value.as_str() {
        "run_date" => AsOf::RunDate,
        "max_event" => AsOf::MaxEvent,
        _ => reader.date(text, "`run_date`, `max_event`, or ").map_or(AsOf::default(), AsOf::Date),
    }
}

fn summary(table: &Table, reader: &mut Reader<'_>) -> Option<Summary> {
    let cut = reader.text(table, "cut").filter(|text| !text.value.is_empty())?;
    let cut = reader.date(&cut, "")?;
    let unit = match reader.text(table, "unit").as_ref().map(|text| text.value.as_str()) {
        Some("week") => Unit::Week,
        Some("month") => Unit::Month,
        _ => Unit::Day,
    };
    Some(Summary { cut, unit })
}

fn lifecycle(span: Span, table: &Table, reader: &mut Reader<'_>) -> Lifecycle {
    let usual = Lifecycle::default();
    let found = Lifecycle {
        new_days: reader.count(table, "new_days").unwrap_or(usual.new_days),
        loyal_orders: reader.count(table, "loyal_orders").unwrap_or(usual.loyal_orders),
        at_risk_quantile: reader.number(table, "at_risk_quantile").unwrap_or(usual.at_risk_quantile),
        churned_quantile: reader.number(table, "churned_quantile").unwrap_or(usual.churned_quantile),
    };
    if found.at_risk_quantile >= found.churned_quantile {
        let at = table.get("at_risk_quantile").or(table.get("churned_quantile")).map_or(span, |entry| entry.node.span);
        let message = format!(
            "`at_risk_quantile` ({}) must be below `churned_quantile` ({})",
            found.at_risk_quantile, found.churned_quantile
        );
        reader.problem(at, message, "a customer is at risk before being lost");
    }
    found
}
