"""What merging costs in a pipeline: the whole identity stage with its table writes, beside Splink 5 on the same records in the same run; then
with one record in a hundred changed.

python bench/merge.py --zh-gen zh_gen.py --zh-peer splink_zh.py [--zh N:SEED …] [--program PATH]

Records get random keys and are shuffled before anything reads them. A stage's processor time is what the program's process had used when
it said that the stage was done, less what it had when the one before was; its peak is that of the process in that time.
"""

import argparse
import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from linkage import read, shuffled, splink_chinese, write

STAGE = re.compile(r"^(clean|identity|customer|mart): (done|nothing)")
PIPELINE = """
name = "merge"
lake = "{lake}"
[sources.people]
connector   = "files"
path        = "{path}"
stream      = "rows"
timezone    = "Asia/Shanghai"
primary_key = ["key"]
[[map]]
from = "people.rows"
to   = "party"
[map.fields]
name      = "name"
birthday  = "birthday"
address   = "address"
record_id = "key"
[[map.identifiers]]
type  = "phone"
value = "phone"
[[map.identifiers]]
type  = "email"
value = "email"
"""
COLUMNS = ["key", "name", "phone", "email", "birthday", "address"]
TICK = os.sysconf("SC_CLK_TCK")


def used(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak(pid):
    with open(f"/proc/{pid}/status") as file:
        found = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) // 1024
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")
    return found


def run(program, folder, *more):
    """Runs the pipeline; gives processor seconds and peak MB by stage, and the ledger."""
    command = [program, "run", "pipeline.toml", "--json", *more]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stages, before, told = {}, 0.0, []
    for line in process.stderr:
        told.append(line)
        # The one before has begun no work yet: what is read here is what the process had when it wrote the line.
        now, most = used(process.pid), peak(process.pid)
        if stage := STAGE.match(line):
            stages[stage[1]] = (now - before, most)
        before = now
    out = process.stdout.read()
    if process.wait() != 0:
        sys.exit("".join(told))
    return stages, json.loads(out)


def query(program, folder, sql):
    out = subprocess.run([program, "query", "lake", sql, "--json"], cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def evaluated(program, folder, rows):
    with open(os.path.join(folder, "truth.csv"), "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["source", "record_id", "person"])
        out.writerows(["people", row["key"], row["truth"]] for row in rows)
    command = [program, "merge", "evaluate", "pipeline.toml", "--truth", "truth.csv", "--json"]
    found = json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)
    return next(at for at in found["by_threshold"] if at["in_force"])["pairwise"]


def change(rows, chance):
    """One record in a hundred is not as it was: another phone, a letter less, a birthday that was missing."""
    changed = [dict(row) for row in rows]
    for row in chance.sample(changed, len(rows) // 100):
        what = chance.randrange(3)
        if what == 0:
            row["phone"] = f"1{chance.choice('3578')}{chance.randrange(10**9):09d}"
        elif what == 1:
            row["email"] = row["email"][1:]
        else:
            row["birthday"] = f"{chance.randrange(1955, 2008)}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}"
    return changed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zh", action="append", metavar="N:SEED")
    parser.add_argument("--zh-gen", required=True)
    parser.add_argument("--zh-peer")
    parser.add_argument("--program", default="target/release/tributary")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--keep", help="a folder in which the lake stays")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    print(f"seed of keys, order and changes {options.seed}")
    for size, seed in (of.split(":") for of in options.zh or ["1000000:3"]):
        folder = options.keep or tempfile.mkdtemp()
        os.makedirs(folder, exist_ok=True)
        try:
            path = os.path.join(folder, "zh.csv")
            subprocess.run([sys.executable, options.zh_gen, size, path, seed], check=True)
            rows = shuffled(({**row, "truth": row["person"]} for row in read(path)), options.seed)
            people = os.path.join(folder, "people.csv")
            write(people, rows, COLUMNS)
            with open(os.path.join(folder, "pipeline.toml"), "w") as file:
                file.write(PIPELINE.format(lake="lake", path="people.csv"))

            def told(what, stages, ledger):
                cost = ", ".join(f"{name} {cpu:.1f} s {mb} MB" for name, (cpu, mb) in stages.items())
                likely = ledger["identity"]["likely"] or {}
                events = {kind: n for kind, n in ledger["identity"]["events"].items() if not kind.startswith("member")}
                touched = ledger["identity"].get("touched")
                looked = "all records looked at" if touched is None else f"{touched} records had changed"
                print(f"{what}: {cost}; {looked}, {likely.get('edges')} likely edges, events {events}", flush=True)

            print(f"{size} records, seed {seed}")
            first = run(program, folder)
            told("  first run", *first)
            quality = evaluated(program, folder, rows)
            print(f"  F1 {quality['f1']:.4f}, precision {quality['precision']:.4f}, recall {quality['recall']:.4f}", flush=True)
            if options.zh_peer:
                f1, at, cpu, mb = splink_chinese(options.zh_peer, rows, folder)
                print(f"  Splink, one clustering: F1 {f1:.4f} at {at}, {cpu:.1f} s {mb} MB", flush=True)
                print(f"  Splink / ours, whole stage: {cpu / first[0]['identity'][0]:.2f}")
            rows = change(rows, random.Random(options.seed))
            write(people, rows, COLUMNS)
            second = run(program, folder)
            told("  one in a hundred changed", *second)
            print(f"  of the first run: {second[0]['identity'][0] / first[0]['identity'][0]:.2f}")
        finally:
            if not options.keep:
                shutil.rmtree(folder)


if __name__ == "__main__":
    main()
