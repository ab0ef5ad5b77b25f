//! The stage of life of every customer: prospect, new, active, loyal, at risk, churned.
//!
//! What is long without a purchase is read off the data: quantiles of the gaps between two purchase days of one customer.
//! Rules are tried in order; the first that fits is the stage, and its words are kept as the reason.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use chrono::NaiveDate;
use tributary_lake::{TableName, TableSpec};
use tributary_model::{Personal, plain};

use crate::{Parameters, Query};

/// Stage, condition, reason. `since` is days since the last purchase, `age` since the first, `orders` their number,
/// `at_risk` and `churned` the gaps' quantiles in days (null if nobody has bought twice).
fn rules(parameters: &Parameters) -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("prospect", "orders IS NULL".into(), "no purchase"),
        ("new", format!("age <= {} AND orders = 1", parameters.new_days), "first purchase not long ago"),
        ("churned", "since > churned".into(), "longer without a purchase than nearly all gaps"),
        ("at_risk", "since > at_risk".into(), "longer without a purchase than most gaps"),
        ("loyal", format!("orders >= {}", parameters.loyal_orders), "buys, and often"),
        ("active", "true".into(), "buys"),
    ]
}

pub fn query(parameters: &Parameters, as_of: NaiveDate, with: &str) -> Query {
    let fields = vec![
        plain("customer_id", DataType::Utf8, Personal::None),
        plain("as_of", DataType::Date32, Personal::None),
        plain("stage", DataType::Utf8, Personal::None),
        plain("reason", DataType::Utf8, Personal::None),
        plain("orders", DataType::Int64, Personal::None),
        plain("first_day", DataType::Date32, Personal::None),
        plain("last_day", DataType::Date32, Personal::None),
    ];
    let rules = rules(parameters);
    let choose = |what: fn(&(&'static str, String, &'static str)) -> &'static str| -> String {
        rules.iter().map(|rule| format!(" WHEN {} THEN '{}'", rule.1, what(rule))).collect()
    };
    let quantile = |share: f64| format!("(SELECT min(gap) FROM ranked WHERE place >= {share})");
    let sql = format!(
        "{with}, day AS (SELECT DISTINCT customer_id, day FROM sale WHERE purchase), \
         gap AS (SELECT CAST(day - lag(day) OVER (PARTITION BY customer_id ORDER BY day) AS BIGINT) AS gap FROM day), \
         ranked AS (SELECT gap, cume_dist() OVER (ORDER BY gap) AS place FROM gap WHERE gap IS NOT NULL), \
         bought AS (SELECT customer_id, count(*) FILTER (WHERE purchase) AS orders, \
         min(day) FILTER (WHERE purchase) AS first_day, max(day) FILTER (WHERE purchase) AS last_day FROM sale \
         GROUP BY customer_id), \
         known AS (SELECT c.customer_id AS customer_id, nullif(b.orders, 0) AS orders, b.first_day AS first_day, \
         b.last_day AS last_day, CAST(DATE '{as_of}' - b.first_day AS BIGINT) AS age, \
         CAST(DATE '{as_of}' - b.last_day AS BIGINT) AS since, {} AS at_risk, {} AS churned \
         FROM customer.customer c LEFT JOIN bought b ON b.customer_id = c.customer_id) \
         SELECT customer_id, DATE '{as_of}' AS as_of, CASE{} END AS stage, CASE{} END AS reason, orders, first_day, last_day \
         FROM known ORDER BY customer_id",
        quantile(parameters.at_risk_quantile),
        quantile(parameters.churned_quantile),
        choose(|rule| rule.0),
        choose(|rule| rule.2)
    );
    let count = "SELECT count(*) FROM customer.customer".to_owned();
    let name = TableName::new("mart", "lifecycle");
    Query { spec: TableSpec { name, schema: Arc::new(Schema::new(fields)) }, sql, count }
}
