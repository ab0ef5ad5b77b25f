"""Whether two lakes hold the same rows: same_tables.py TRIBUTARY LAKE LAKE."""

import json
import subprocess
import sys

# A run's name, when it read, and the lake's sequence of commits, in which a killed run leaves out numbers.
MAY_DIFFER = {"run_id", "_read_at", "_commit", "commit"}


def ask(tributary, *arguments):
    return json.loads(subprocess.run([tributary, *arguments, "--json"], check=True, capture_output=True).stdout)


def rows(tributary, lake, table):
    layer, name = table.split(".")
    found = ask(tributary, "query", lake, f'select * from {layer}."{name}"')
    kept = ({column: value for column, value in row.items() if column not in MAY_DIFFER} for row in found)
    return sorted(json.dumps(row, sort_keys=True) for row in kept)


def compare(tributary, left, right):
    """How many tables and rows there are; ends the program if they differ."""
    tables = {lake: [table["table"] for table in ask(tributary, "tables", lake)] for lake in (left, right)}
    if tables[left] != tables[right]:
        sys.exit(f"other tables: {tables[left]} and {tables[right]}")
    total = 0
    for table in tables[left]:
        here, there = rows(tributary, left, table), rows(tributary, right, table)
        if here != there:
            at = next((pair for pair in zip(here, there) if pair[0] != pair[1]), (len(here), len(there)))
            sys.exit(f"{table} differs: {at}")
        total += len(here)
    if not total:
        sys.exit("no rows were compared")
    return len(tables[left]), total


def main():
    tributary, left, right = sys.argv[1:]
    tables, total = compare(tributary, left, right)
    print(f"{right}: {tables} tables, {total} rows, as in {left.rsplit('/', 1)[-1]}")


if __name__ == "__main__":
    main()
