//! Recency, frequency, monetary value.
//!
//! R is the days since the last purchase, F the purchases and M the net spend within the window. Each is scored 1 to 5 by
//! the share of customers that are worse (percent rank, cut at fifths), so that equal values get equal scores. The segment
//! is the first of [`SEGMENTS`] that fits R and the mean of F and M.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use chrono::NaiveDate;
use tributary_lake::{TableName, TableSpec};
use tributary_model::{Personal, plain};

use crate::{Parameters, Query};

/// A named field of the R × FM grid; bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub name: &'static str,
    pub recency: (u8, u8),
    /// Mean of the F and M scores, rounded up.
    pub value: (u8, u8),
}

/// In order: the first that fits is it. The last fits all.
pub const SEGMENTS: &[Segment] = &[
    Segment { name: "champion", recency: (4, 5), value: (4, 5) },
    Segment { name: "loyal", recency: (3, 5), value: (3, 5) },
    Segment { name: "new", recency: (4, 5), value: (1, 1) },
    Segment { name: "potential", recency: (3, 5), value: (1, 2) },
    Segment { name: "at_risk", recency: (1, 2), value: (4, 5) },
    Segment { name: "need_attention", recency: (2, 2), value: (2, 3) },
    Segment { name: "hibernating", recency: (1, 2), value: (2, 3) },
    Segment { name: "lost", recency: (1, 5), value: (1, 5) },
];

pub fn query(parameters: &Parameters, as_of: NaiveDate, with: &str) -> Query {
    let number = |name: &str| plain(name, DataType::Int64, Personal::None);
    let fields = vec![
        plain("customer_id", DataType::Utf8, Personal::None),
        plain("as_of", DataType::Date32, Personal::None),
        number("recency_days"),
        number("frequency"),
        plain("monetary", DataType::Decimal128(19, 4), Personal::None),
        number("r"),
        number("f"),
        number("m"),
        plain("segment", DataType::Utf8, Personal::None),
    ];
    let window = format!("WHERE day > DATE '{as_of}' - INTERVAL '{} days'", parameters.rfm_window_days);
    let score =
        |order: &str| format!("CAST(least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY {order}))) AS BIGINT)");
    let cases: String = SEGMENTS
        .iter()
        .map(|segment| {
            let ((r0, r1), (v0, v1)) = (segment.recency, segment.value);
            format!(" WHEN r BETWEEN {r0} AND {r1} AND (f + m + 1) / 2 BETWEEN {v0} AND {v1} THEN '{}'", segment.name)
        })
        .collect();
    let sql = format!(
        "{with}, base AS (SELECT customer_id, \
         CAST(DATE '{as_of}' - max(day) FILTER (WHERE purchase) AS BIGINT) AS recency_days, \
         count(*) FILTER (WHERE purchase) AS frequency, sum(amount) AS monetary FROM sale {window} GROUP BY customer_id), \
         scored AS (SELECT *, {} AS r, {} AS f, {} AS m FROM base WHERE frequency > 0) \
         SELECT customer_id, DATE '{as_of}' AS as_of, recency_days, frequency, CAST(monetary AS DECIMAL(19, 4)) AS monetary, \
         r, f, m, CASE{cases} END AS segment FROM scored ORDER BY customer_id",
        score("recency_days DESC"),
        score("frequency"),
        score("monetary")
    );
    let count = format!("{with} SELECT count(DISTINCT customer_id) FROM sale {window} AND purchase");
    Query { spec: TableSpec { name: TableName::new("mart", "rfm"), schema: Arc::new(Schema::new(fields)) }, sql, count }
}
