//! The purchase summary that buy-till-you-die models (BG/NBD, Pareto/NBD, gamma-gamma) are estimated from.
//!
//! Purchases of one day are one. Frequency counts purchase days after the first, recency is the time from the first to the
//! last, T from the first to the cut; value is the mean spend of a purchase day after the first. Times in days and weeks.
//! After Fader & Hardie, "Counting Your Customers the Easy Way" (2005).

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use chrono::NaiveDate;
use tributary_lake::{TableName, TableSpec};
use tributary_model::{Personal, plain};

use crate::{Parameters, Query};

pub fn query(parameters: &Parameters, as_of: NaiveDate, with: &str) -> Query {
    let cut = parameters.cut.unwrap_or(as_of);
    let number = |name: &str| plain(name, DataType::Int64, Personal::None);
    let weeks = |name: &str| plain(name, DataType::Decimal128(9, 2), Personal::None);
    let fields = vec![
        plain("customer_id", DataType::Utf8, Personal::None),
        plain("cut", DataType::Date32, Personal::None),
        plain("first_day", DataType::Date32, Personal::None),
        plain("last_day", DataType::Date32, Personal::None),
        number("frequency"),
        number("recency_days"),
        number("t_days"),
        weeks("recency_weeks"),
        weeks("t_weeks"),
        plain("mean_value", DataType::Decimal128(19, 4), Personal::None),
    ];
    let in_weeks = |days: &str| format!("CAST(round(({days}) / 7.0, 2) AS DECIMAL(9, 2))");
    let sql = format!(
        "{with}, day AS (SELECT customer_id, day, sum(amount) AS amount FROM sale \
         WHERE purchase AND day <= DATE '{cut}' GROUP BY customer_id, day), \
         first AS (SELECT customer_id, min(day) AS first_day, max(day) AS last_day, count(*) - 1 AS frequency FROM day \
         GROUP BY customer_id), \
         repeat AS (SELECT d.customer_id AS customer_id, CAST(avg(d.amount) AS DECIMAL(19, 4)) AS mean_value FROM day d \
         JOIN first f ON f.customer_id = d.customer_id WHERE d.day > f.first_day GROUP BY d.customer_id), \
         counted AS (SELECT f.customer_id AS customer_id, first_day, last_day, frequency, \
         CAST(last_day - first_day AS BIGINT) AS recency_days, CAST(DATE '{cut}' - first_day AS BIGINT) AS t_days, mean_value \
         FROM first f LEFT JOIN repeat r ON r.customer_id = f.customer_id) \
         SELECT customer_id, DATE '{cut}' AS cut, first_day, last_day, frequency, recency_days, t_days, \
         {} AS recency_weeks, {} AS t_weeks, mean_value FROM counted ORDER BY customer_id",
        in_weeks("recency_days"),
        in_weeks("t_days")
    );
    let count = format!("{with} SELECT count(DISTINCT customer_id) FROM sale WHERE purchase AND day <= DATE '{cut}'");
    let name = TableName::new("mart", "purchase_summary");
    Query { spec: TableSpec { name, schema: Arc::new(Schema::new(fields)) }, sql, count }
}
