//! The sales that all marts start from.

use chrono::NaiveDate;

/// `WITH sale AS (customer_id, day, amount, purchase)` up to `as_of`. `purchase`: a sale, and no refund or return.
pub fn with_sales(as_of: NaiveDate, refunds: bool) -> String {
    let refund = if refunds {
        " UNION ALL SELECT a.customer_id, CAST(r.refunded_at AS DATE) AS day, -r.amount AS amount, false AS purchase \
         FROM clean.refund r JOIN clean.\"order\" o ON o.source = r.source AND o.order_no = r.order_no \
         JOIN customer.attribution a ON a.entity = 'order' AND a.record_key = o.record_key \
         WHERE r.amount IS NOT NULL AND r.refunded_at IS NOT NULL"
    } else {
        ""
    };
    format!(
        "WITH line AS (SELECT source, order_no, sum(amount) AS amount FROM clean.order_line GROUP BY source, order_no), \
         every AS (SELECT customer_id, day, amount, amount >= 0 AS purchase FROM (SELECT a.customer_id AS customer_id, \
         o.business_date AS day, CAST(coalesce(o.amount, l.amount, 0) AS DECIMAL(19, 4)) AS amount FROM clean.\"order\" o \
         JOIN customer.attribution a ON a.entity = 'order' AND a.record_key = o.record_key \
         LEFT JOIN line l ON l.source = o.source AND l.order_no = o.order_no WHERE o.business_date IS NOT NULL){refund}), \
         sale AS (SELECT * FROM every WHERE day <= DATE '{as_of}')"
    )
}
