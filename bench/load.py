"""How fast a till export gets into `raw`, beside DuckDB writing the same file to Parquet in the same run.

    bench/run load [--rows 3000000] [--rounds 5] [--input FILE]

DuckDB sniffs its own types (amounts become doubles), uses two threads and is timed around its COPY alone; Tributary is
timed as a whole process: decimals, content hash, the way of rejected rows, fsync, commit, ledger. Both write zstd.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

SURNAMES = "王李张刘陈杨黄赵周吴徐孙朱马胡郭林何高梁"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰文斌宇浩轩梓涵"
COLUMNS = (
    "order_no,line_no,store_id,cashier,sold_at,sku,product_name,qty,unit_price,amount,pay_method,"
    "member_no,member_name,member_phone"
)
DUCKDB = """
import duckdb, sys, time
connection = duckdb.connect(config={"threads": 2})
start = time.perf_counter()
connection.execute(f"COPY (SELECT * FROM read_csv('{sys.argv[1]}')) TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd)")
print(time.perf_counter() - start)
"""


def make(path: Path, rows: int) -> None:
    """Till lines, three to a ticket, of rows / 8 members."""
    dice = random.Random(20)
    first = datetime(2025, 1, 1)
    moments = [str(first + timedelta(seconds=dice.randrange(365 * 86400))) for _ in range(200_000)]
    with path.open("w", encoding="utf-8") as out:
        out.write(COLUMNS + "\n")
        for row in range(rows):
            member = dice.randrange(max(rows // 8, 1))
            name = SURNAMES[member % 20] + GIVEN[member // 20 % 32] + GIVEN[member // 640 % 32]
            sku, cents, quantity = dice.randrange(100_000, 140_000), dice.randrange(990, 99_990), dice.randrange(1, 5)
            out.write(
                f"P{row // 3:010d},{row % 3 + 1},S{dice.randrange(1, 400):04d},C{dice.randrange(1, 9)},"
                f"{dice.choice(moments)},{sku},运动鞋 Model {sku % 997},{quantity},{cents / 100:.2f},"
                f"{cents * quantity / 100:.2f},{dice.choice(('wechat', 'alipay', 'card', 'cash'))},"
                f"M{member:09d},{name},1{3 + member % 7}{member:09d}\n"
            )


def run(command: list[str], directory: Path) -> tuple[float, float, float, str]:
    """Wall seconds, processor seconds, peak resident MiB, and what was printed."""
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=directory, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        printed = out.read()
    if child.returncode != 0:
        sys.exit(f"{command} failed with {child.returncode}:\n{printed}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed


def size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=3_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--input", type=Path, help="a file of these columns instead of one made here")
    arguments.add_argument("--program", type=Path, default=Path("target/release/tributary"))
    options = arguments.parse_args()
    program = options.program.resolve()

    with tempfile.TemporaryDirectory(dir=".") as name:
        scratch = Path(name).resolve()
        tills = options.input.resolve() if options.input else scratch / "tills.csv"
        if not options.input:
            make(tills, options.rows)
        with tills.open("rb") as file:
            rows = sum(1 for _ in file) - 1

        variants = {"Tributary, no key": "", "Tributary, key": 'primary_key = ["order_no", "line_no"]\n'}
        for at, key in enumerate(variants.values()):
            (scratch / f"{at}.toml").write_text(
                f'name = "tills"\nlake = "lake{at}"\n\n[sources.tills]\nconnector = "files"\nstream = "lines"\n'
                f'path = "{tills}"\ntimezone = "Asia/Shanghai"\n{key}'
                'columns = { unit_price = "decimal(19,4)", amount = "decimal(19,4)" }\n',
                encoding="utf-8",
            )

        figures: dict[str, list[tuple[float, float, float, int]]] = {}
        for _ in range(options.rounds):
            out = scratch / "duckdb.parquet"
            _, processor, peak, printed = run([sys.executable, "-c", DUCKDB, str(tills), str(out)], scratch)
            figures.setdefault("DuckDB", []).append((float(printed.split()[-1]), processor, peak, size(out)))
            out.unlink()
            for at, variant in enumerate(variants):
                wall, processor, peak, _ = run([str(program), "run", f"{at}.toml"], scratch)
                lake = scratch / f"lake{at}"
                counted = subprocess.check_output(
                    [program, "query", lake, "SELECT count(*) AS n FROM raw.tills_lines", "--json"], text=True
                )
                if json.loads(counted) not in ([{"n": rows}], {"n": rows}):
                    sys.exit(f"{rows} rows went in, and the lake has {counted}")
                figures.setdefault(variant, []).append((wall, processor, peak, size(lake / "raw" / "tills_lines")))
                shutil.rmtree(lake)

        megabytes = tills.stat().st_size / 1e6
        print(f"{rows:,} rows, {megabytes:.0f} MB; medians of {options.rounds} rounds; {os.cpu_count()} cores\n")
        print("| | wall s | ratio | slowest ratio | processor s | peak MiB | MB written | ratio |")
        print("|---|---|---|---|---|---|---|---|")
        base = figures["DuckDB"]
        for name, rounds in figures.items():
            wall, processor, peak, written = (statistics.median(column) for column in zip(*rounds))
            ratios = [mine[0] / peer[0] for mine, peer in zip(rounds, base)]
            print(
                f"| {name} | {wall:.2f} | {statistics.median(ratios):.2f} | {max(ratios):.2f} | {processor:.2f} "
                f"| {max(row[2] for row in rounds):.0f} | {written / 1e6:.1f} "
                f"| {written / statistics.median(row[3] for row in base):.3f} |"
            )


if __name__ == "__main__":
    main()
