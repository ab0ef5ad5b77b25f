"""What a small change of a large `clean` table costs, beside making the table anew from raw in the same run.

    bench/run upsert [--rows 10000000] [--program target/release/tributary]

Members of a made-up retailer, one CSV file; then a mapping is changed (all is made anew), then a file with one member in a
hundred comes, then one with a hundred members. Whole processes are timed, reading the new file included. The lake has another
pipeline for what comes after `clean`, so that nothing else is measured.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from load import GIVEN, SURNAMES, run

OWNER = """
name = "stages"
lake = "lake"
[sources.few]
connector = "files"
path = "few.csv"
stream = "rows"
timezone = "Asia/Shanghai"
primary_key = ["id"]
[[map]]
from = "few.rows"
to = "party"
[map.fields]
record_id = "id"
[merge]
"""
MEMBERS = """
name = "members"
lake = "lake"
[sources.club]
connector = "files"
path = "members-*.csv"
stream = "members"
timezone = "Asia/Shanghai"
primary_key = ["id"]
[[map]]
from = "club.members"
to = "party"
[map.fields]
record_id = "id"
name = "name"
birthday = "birthday"
status = {status}
joined_at = "joined"
source_ts = "changed"
[[map.identifiers]]
type = "member_no"
value = "id"
[[map.identifiers]]
type = "phone"
value = "phone"
"""


def make(path: Path, members: Iterable[int], day: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.write("id,name,phone,birthday,status,joined,changed\n")
        for member in members:
            name = SURNAMES[member % 20] + GIVEN[member // 20 % 32] + GIVEN[member // 640 % 32]
            out.write(
                f"M{member:09d},{name},1{3 + member % 7}{member:09d},{1950 + member % 60}-{1 + member % 12:02d}-"
                f"{1 + member % 28:02d},active,2024-{1 + member % 12:02d}-01 10:00:00,2026-05-{day:02d} 08:00:00\n"
            )


def files(table: Path) -> dict[str, int]:
    """The data files of the table's newest version, and their bytes; as the log says."""
    there: dict[str, int] = {}
    for commit in sorted((table / "_delta_log").glob("*.json")):
        for line in commit.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            if "add" in action:
                there[action["add"]["path"]] = action["add"]["size"]
            elif "remove" in action:
                there.pop(action["remove"]["path"], None)
    return there


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--keep", type=Path, help="a folder for the lake, which stays there")
    arguments.add_argument("--program", type=Path, default=Path("target/release/tributary"))
    options = arguments.parse_args()
    program = str(options.program.resolve())
    dice = random.Random(5)
    with tempfile.TemporaryDirectory(dir=".") as name:
        scratch = (options.keep or Path(name)).resolve()
        scratch.mkdir(parents=True, exist_ok=True)

        def measured(what: str, file: str) -> tuple[str, float, float, float, float, float]:
            tables = [scratch / "lake/clean" / table for table in ("party", "party_identifier")]
            before = {table: files(table) for table in tables}
            wall, processor, peak, printed = run([program, "run", file], scratch)
            after = {table: files(table) for table in tables}
            sizes = [
                (sum(size for path, size in after[table].items() if path not in before[table]), sum(after[table].values()))
                for table in tables
            ]
            row = (what, wall, processor, peak, *(100 * new / all_ for new, all_ in sizes))
            print(what, *(f"{value:.1f}" for value in row[1:]), file=sys.stderr)
            return row

        (scratch / "few.csv").write_text("id\n1\n", encoding="utf-8")
        (scratch / "stages.toml").write_text(OWNER, encoding="utf-8")
        run([program, "run", "stages.toml"], scratch)
        make(scratch / "members-1.csv", range(options.rows), 1)
        (scratch / "members.toml").write_text(MEMBERS.replace("{status}", '"status"'), encoding="utf-8")
        rows = [measured("read and make", "members.toml")]
        (scratch / "members.toml").write_text(MEMBERS.replace("{status}", '"upper(status)"'), encoding="utf-8")
        rows.append(measured("make anew from raw", "members.toml"))
        make(scratch / "members-2.csv", dice.sample(range(options.rows), options.rows // 100), 2)
        rows.append(measured("1 % of the keys changed", "members.toml"))
        make(scratch / "members-3.csv", dice.sample(range(options.rows), 100), 3)
        rows.append(measured("100 keys changed", "members.toml"))
        counted = subprocess.check_output(
            [program, "query", "lake", "SELECT sum(n) AS records, count(*) AS keys, sum(newest) AS changed FROM (SELECT record_key, count(*) AS n, "
             "count(*) FILTER (WHERE source_ts > '2026-05-01T12:00:00Z') AS newest FROM clean.party WHERE source = 'club' "
             "GROUP BY record_key)",
             "--json"],
            cwd=scratch, text=True,
        )
        print(f"\n{options.rows:,} members; at the end {counted.strip()}\n")
    anew = rows[1]
    print("| | wall s | to making anew | processor s | peak MiB | party rewritten % | party_identifier rewritten % |")
    print("|---|---|---|---|---|---|---|")
    for what, wall, processor, peak, party, identifier in rows:
        print(f"| {what} | {wall:.1f} | {wall / anew[1]:.2f} | {processor:.1f} | {peak:.0f} | {party:.1f} | {identifier:.1f} |")


if __name__ == "__main__":
    main()
