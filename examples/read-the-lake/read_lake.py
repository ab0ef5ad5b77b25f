"""Reads a lake with polars: what each segment brings in, and whom to call before they leave for good.

pip install polars deltalake
python read_lake.py lake/quickstart
"""

import json
import sys

import polars as pl

lake = sys.argv[1] if len(sys.argv) > 1 else "lake/quickstart"

# The newest run says which versions of the tables belong together.
run = pl.read_delta(f"{lake}/ops/run").sort("number").row(-1, named=True)
versions = json.loads(run["manifest"])  # {"customer.customer": 3, ...}
print(f"run {run['number']} of {run['pipeline']}, ended {run['ended_at']:%Y-%m-%d %H:%M} UTC: {run['status']}")


def table(name: str) -> pl.LazyFrame:
    """`layer.table` as of that run. Lazy: only the columns and rows that are asked for are read."""
    return pl.scan_delta(f"{lake}/{name.replace('.', '/')}", version=versions[name])


# One row a customer who bought within the window: recency, frequency, monetary value (net spend), and the segment they give.
rfm = table("mart.rfm")
segments = (
    rfm.group_by("segment")
    .agg(customers=pl.len(), revenue=pl.col("monetary").sum())
    .with_columns(percent=(100 * pl.col("revenue").cast(pl.Float64) / pl.col("revenue").cast(pl.Float64).sum()).round(1))
    .sort("revenue", descending=True)
    .collect()
)
with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
    print(segments)

# Good customers who have not been seen for long, the best first. A masked phone (138****1234) cannot be called.
at_risk = (
    rfm.filter(pl.col("segment") == "at_risk")
    .join(table("customer.customer"), on="customer_id")
    .filter(pl.col("phone").is_not_null() & ~pl.col("phone_masked"))
    .sort(["monetary", "customer_id"], descending=[True, False])
    .select("customer_id", "name", "phone", "recency_days", "frequency", "monetary")
    .collect()
)
at_risk.write_csv("at_risk.csv")
print(f"{len(at_risk)} customers at risk with a phone: at_risk.csv")
