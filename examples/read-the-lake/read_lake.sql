-- Reads a lake with DuckDB: what each segment brings in, and whom to call before they leave for good.
--
--   pip install duckdb-cli
--   duckdb < read_lake.sql

INSTALL delta;  -- downloaded once, then kept
LOAD delta;

SET VARIABLE lake = 'lake/quickstart';

-- The newest run says which versions of the tables belong together: {"customer.customer": 3, ...}
SET VARIABLE manifest = (
    SELECT manifest FROM delta_scan(getvariable('lake') || '/ops/run') ORDER BY number DESC LIMIT 1
);

-- `layer.table` as of that run.
CREATE TEMP MACRO lake_table(name) AS TABLE
    FROM delta_scan(
        getvariable('lake') || '/' || replace(name, '.', '/'),
        version => CAST(getvariable('manifest')::JSON ->> name AS BIGINT)
    );

-- One row a customer who bought within the window: recency, frequency, monetary value (net spend), and the segment they give.
SELECT
    segment,
    count(*) AS customers,
    sum(monetary) AS revenue,
    round(100 * sum(monetary) / sum(sum(monetary)) OVER (), 1) AS percent
FROM lake_table('mart.rfm')
GROUP BY segment
ORDER BY revenue DESC;

-- Good customers who have not been seen for long, the best first. A masked phone (138****1234) cannot be called.
COPY (
    SELECT customer_id, name, phone, recency_days, frequency, monetary
    FROM lake_table('mart.rfm') AS rfm
    JOIN lake_table('customer.customer') AS customer USING (customer_id)
    WHERE rfm.segment = 'at_risk' AND phone IS NOT NULL AND NOT phone_masked
    ORDER BY monetary DESC, customer_id
) TO 'at_risk.csv' (HEADER);

SELECT count(*) AS at_risk_with_phone FROM 'at_risk.csv';
