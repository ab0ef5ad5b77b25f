"""Reads every table of a lake with polars and with DuckDB, and compares each with what `tributary query` says.

    python read_customers.py LAKE BINARY [--extensions FOLDER]

All columns, all rows, equal values. A difference is told by table, column and number of rows and customers, never by values:
a lake holds personal data. `FOLDER` is where DuckDB keeps its extensions.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal

import duckdb
import polars as pl

# What must be there, so that an empty lake does not pass; all other tables of the manifest are compared too.
EXPECTED = ["customer.customer", "mart.rfm", "raw.crm_contacts"]


def plain(value):
    """A value of a reader, or of `tributary query --json`, such that equal values are equal."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return format(value, "f")
        case datetime():
            if value.utcoffset() != timedelta(0):
                raise ValueError("a timestamp is not in UTC")
            return value.isoformat(" ")
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        # A nested value is an object in the answer of a query, which leaves out what is null.
        case dict():
            there = sorted((key, item) for key, item in value.items() if item is not None)
            return "{" + ", ".join(f"{key}: {inner(item)}" for key, item in there) + "}"
        case list():
            return "[" + ", ".join(inner(item) for item in value) + "]"
        case _:
            raise ValueError(f"values of type {type(value).__name__} are not compared yet")


def inner(value):
    value = plain(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def with_polars(folder, version):
    return pl.scan_delta(folder, version=version).collect()


def with_duckdb(connection, folder, version):
    path = folder.replace("'", "''")
    return pl.DataFrame(connection.sql(f"FROM delta_scan('{path}', version => {version})"))


def with_tributary(binary, lake, table):
    layer, name = table.split(".")
    answer = subprocess.run(
        [binary, "query", lake, f'select * from "{layer}"."{name}"', "--json"],
        stdout=subprocess.PIPE, encoding="utf-8", check=True,
    )
    return json.loads(answer.stdout)


def counted(rows):
    """Equal rows and how often they are there. The kind goes along, or True would equal 1 and 1 equal 1.0."""
    return Counter(tuple((type(value), value) for value in map(plain, row)) for row in rows)


def differences(expected, frame):
    """What is wrong with `frame`, a message each; rows may come in any order."""
    if len(expected) != frame.height:
        yield f"{frame.height} rows, not {len(expected)}"
    if not expected:
        return
    # The keys of a JSON object have no order, so that of the columns is not compared.
    columns = sorted(expected[0])
    odd = set(columns) ^ set(frame.columns)
    if odd:
        yield "these columns are not on both sides: " + ", ".join(f"`{column}`" for column in sorted(odd))
        return
    times = {column for column in columns if isinstance(frame.schema[column], pl.Datetime)}

    def said(row, column):
        value = row[column]
        if column in times and value is not None:
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                pass  # Text then, which equals no timestamp.
        return value

    ours = counted([said(row, column) for column in columns] for row in expected)
    theirs = counted(frame.select(columns).iter_rows())
    if ours == theirs:
        return
    customer = columns.index("customer_id") if "customer_id" in columns else None
    wrong = (ours - theirs) + (theirs - ours)
    customers = f" of {len({row[customer] for row in wrong})} customers" if customer is not None else ""
    yield f"{(theirs - ours).total()} rows{customers} differ"
    for at, column in enumerate(columns):
        def values(rows):
            return Counter((row[customer] if customer is not None else None, row[at]) for row in rows.elements())

        unequal = values(theirs) - values(ours)
        if unequal:
            yield f"column `{column}`: {unequal.total()} values differ"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake")
    parser.add_argument("binary")
    parser.add_argument("--extensions")
    arguments = parser.parse_args()

    # Nothing is downloaded: what is not in the folder is an error.
    options = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    if arguments.extensions:
        options["extension_directory"] = arguments.extensions
    connection = duckdb.connect(config=options)
    connection.execute("LOAD delta")
    connection.execute("SET TimeZone = 'UTC'")
    readers = {"polars": with_polars, "duckdb": lambda folder, version: with_duckdb(connection, folder, version)}

    runs = pl.read_delta(f"{arguments.lake}/ops/run").sort("number")
    versions = json.loads(runs["manifest"][-1])
    passed = failed = 0
    for table in sorted({*EXPECTED, *versions}):
        if table not in versions:
            print(f"FAILED {table}: not in the newest manifest")
            failed += 1
            continue
        expected = with_tributary(arguments.binary, arguments.lake, table)
        if table in EXPECTED and not expected:
            print(f"FAILED {table}: no rows")
            failed += 1
        for reader, read in readers.items():
            try:
                frame = read(f"{arguments.lake}/{table.replace('.', '/')}", versions[table])
                found = list(differences(expected, frame))
            # Whatever makes a reader refuse a table is a finding, and the next table is still read.
            except Exception as error:
                found = [f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"]
            for difference in found:
                print(f"FAILED {table} with {reader}: {difference}")
            passed, failed = (passed, failed + 1) if found else (passed + 1, failed)
        print(f"{table} version {versions[table]}: {len(expected)} rows, {len(expected[0]) if expected else 0} columns")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
