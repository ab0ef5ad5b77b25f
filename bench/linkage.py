"""Matching persons: quality and cost beside Splink 5 with its documented models, on the same records in the same run.

python bench/linkage.py --data DIR [--zh N:SEED …] [--zh-gen zh_gen.py --zh-peer splink_zh.py] [--program PATH]

DIR holds `febrl/dataset1.csv` … `dataset4b.csv` and `fake_1000/fake_1000.csv`. Records get random keys and are shuffled before
anything reads them. Ours runs with default settings, so its figure is that of its own threshold; Splink's is that of
its best. CPU is user and system time: ours from features to clusters, training included; Splink's of the whole process.
"""

import argparse
import collections
import csv
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile

THRESHOLDS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)
PLACE = re.compile(r"^(.{2,4}?市)(.{2,4}?[区县])?(.*)$")


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows)]
        return [dict(zip(header, (value.strip() for value in row))) for row in rows]


def shuffled(rows, seed):
    rows = list(rows)
    chance = random.Random(seed)
    chance.shuffle(rows)
    for row in rows:
        row["key"] = f"{chance.getrandbits(64):016x}"
    return rows


def write(path, rows, columns):
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(columns)
        out.writerows([row[column] for column in columns] for row in rows)


def febrl(row):
    return {
        "given_name": row["given_name"], "family_name": row["surname"], "birthday": row["date_of_birth"],
        "province": row["state"], "city": row["suburb"], "postcode": row["postcode"],
        "street": " ".join(filter(None, (row["street_number"], row["address_1"], row["address_2"]))),
        "id:soc_sec_id": row["soc_sec_id"],
    }


def fake(row):
    return {
        "given_name": row["first_name"], "family_name": row["surname"], "birthday": row["dob"], "city": row["city"],
        "email": row["email"],
    }


def chinese(row):
    place = PLACE.match(row["address"])
    city, district, street = place.groups() if place else ("", "", "")
    return {
        "name": row["name"], "phone": row["phone"], "email": row["email"], "birthday": row["birthday"],
        "city": city, "district": district or "", "street": street,
    }


def f1(label, truth):
    """Pairwise F1 of clusters; both are one label per record."""
    pairs = lambda labels: sum(n * (n - 1) // 2 for n in collections.Counter(labels).values())
    right, found, real = pairs(zip(label, truth)), pairs(label), pairs(truth)
    return 2 * right / (found + real) if found + real else 1.0


def ours(program, rows, mapping, scratch, between=False):
    mapped = [{"key": row["key"], "source": row["source"], "truth": row["truth"], **mapping(row)} for row in rows]
    path = os.path.join(scratch, "mapped.csv")
    write(path, mapped, list(mapped[0]))
    out = subprocess.run([program, path] + ["between"] * between, check=True, capture_output=True, text=True).stdout
    found = json.loads(out)
    return found["quality"]["pairwise"]["f1"], found["cpu"]["all"], found["peak_mb"]


def splink_model(kind):
    import splink.comparison_library as cl
    from splink import block_on

    if kind == "fake":
        return dict(
            columns=["first_name", "surname", "dob", "city", "email"],
            blocking=[block_on("first_name"), block_on("surname"), block_on("dob"), block_on("email")],
            comparisons=[
                cl.NameComparison("first_name"), cl.NameComparison("surname"),
                cl.DateOfBirthComparison("dob", input_is_string=True),
                cl.ExactMatch("city").configure(term_frequency_adjustments=True), cl.EmailComparison("email"),
            ],
            certain=[block_on("first_name", "surname"), block_on("email")], recall=0.7,
            rounds=[block_on("first_name", "surname"), block_on("dob")],
        )
    columns = ["given_name", "surname", "street_number", "address_1", "state", "postcode", "date_of_birth", "soc_sec_id"]
    birthday = cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d")
    rounds = [block_on("date_of_birth"), block_on("postcode")]
    certain = [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")]
    frequent = dict(term_frequency_adjustments=True)
    number = cl.ExactMatch("street_number").configure(**frequent)
    swapped = "l.given_name = r.surname and l.surname = r.given_name"
    if kind == "febrl4":
        names = [cl.NameComparison(name).configure(**frequent) for name in ("given_name", "surname")]
        postcode = cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(**frequent)
        blocking = [block_on("given_name", "surname"), swapped, block_on("date_of_birth"), block_on("soc_sec_id"),
                    block_on("state", "address_1"), block_on("street_number", "address_1"), block_on("postcode")]
        comparisons = names + [birthday, cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]), number, postcode]
        return dict(columns=columns, blocking=blocking, comparisons=comparisons, certain=certain, recall=0.8, rounds=rounds)
    names = [cl.NameComparison("given_name"), cl.NameComparison("surname")]
    blocking = [block_on(name) for name in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")]
    comparisons = names + [birthday, cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]), number,
                           cl.ExactMatch("postcode").configure(**frequent)]
    return dict(columns=columns, blocking=blocking, comparisons=comparisons,
                certain=certain + [swapped + " and l.date_of_birth = r.date_of_birth"], recall=0.9, rounds=rounds)


def peer(kind, path):
    """In a process of its own: Splink's F1 at its best threshold, as JSON."""
    import duckdb
    from splink import DuckDBAPI, Linker, SettingsCreator

    model = splink_model(kind)
    rows = read(path)
    link = kind == "febrl4"
    base = duckdb.connect()
    api = DuckDBAPI(connection=base)
    fields = ", ".join(f"nullif(trim({name}), '') as {name}" for name in model["columns"])
    text = f"select key, {fields} from read_csv('{path}', all_varchar = true, header = true)"
    parts = [f"{text} where source = '{at}'" for at in "01"] if link else [text]
    tables = [api.register(base.sql(part).to_arrow_table()) for part in parts]
    settings = SettingsCreator(
        unique_id_column_name="key", link_type="link_only" if link else "dedupe_only",
        blocking_rules_to_generate_predictions=model["blocking"], comparisons=model["comparisons"],
    )
    linker = Linker(tables if link else tables[0], settings)
    linker.training.estimate_probability_two_random_records_match(model["certain"], recall=model["recall"])
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
    for rule in model["rounds"]:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    predicted = linker.inference.predict(threshold_match_probability=0.001)
    truth = {row["key"]: row["truth"] for row in rows}
    best = (0.0, 0.0)
    for threshold in THRESHOLDS:
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            predicted, threshold_match_probability=threshold)
        label = {row["key"]: row["cluster_id"] for row in clusters.as_record_list()}
        keys = list(truth)
        best = max(best, (f1([label.get(key, key) for key in keys], [truth[key] for key in keys]), threshold))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(dict(f1=best[0], threshold=best[1], cpu=usage.ru_utime + usage.ru_stime, mb=usage.ru_maxrss // 1024)))


def splink(kind, rows, scratch):
    path = os.path.join(scratch, "peer.csv")
    write(path, rows, list(rows[0]))
    out = subprocess.run([sys.executable, __file__, "--peer", kind, path], check=True, capture_output=True, text=True)
    found = json.loads(out.stdout.splitlines()[-1])
    return found["f1"], found["threshold"], found["cpu"], found["mb"]


def splink_chinese(script, rows, scratch):
    """The peer's own script, with one clustering instead of three."""
    path, once = os.path.join(scratch, "peer.csv"), os.path.join(scratch, "peer.py")
    columns = ["record_id", "source", "name", "phone", "email", "birthday", "address", "person"]
    write(path, [{**row, "record_id": row["key"]} for row in rows], columns)
    with open(script, encoding="utf-8") as file, open(once, "w", encoding="utf-8") as out:
        text, changed = re.subn(r"for th in \([^)]*\)", "for th in (0.5,)", file.read())
        if changed != 1:
            sys.exit(f"{script}: no loop over thresholds")
        out.write(text)
    out = subprocess.run([sys.executable, once, path], check=True, capture_output=True, text=True).stdout
    value = lambda name: float(re.search(name + r"[ =]([\d.]+)", out)[1])
    return value("F1"), 0.5, value("cpu"), int(value("rssMB"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--zh", action="append", default=[], metavar="N:SEED")
    parser.add_argument("--zh-gen")
    parser.add_argument("--zh-peer")
    parser.add_argument("--program", default="target/release/linkage")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(*options.peer)
    print(f"seed of keys and order {options.seed}")
    print(f"{'set':<12}{'records':>9} | {'F1':>7}{'CPU s':>8}{'MB':>6} | {'Splink F1':>9}{'at':>7}{'CPU s':>8}{'MB':>6} | {'more F1':>8}")

    def line(name, rows, one, other):
        print(f"{name:<12}{len(rows):>9} | {one[0]:>7.4f}{one[1]:>8.1f}{one[2]:>6} | "
              f"{other[0]:>9.4f}{other[1]:>7}{other[2]:>8.1f}{other[3]:>6} | {one[0] - other[0]:>+8.4f}", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        if options.data:
            for name, files in [(f"febrl{n}", [f"dataset{n}"]) for n in (1, 2, 3)] + [("febrl4", ["dataset4a", "dataset4b"])]:
                rows = [{**row, "source": str(at), "truth": row["rec_id"].split("-")[1]}
                        for at, file in enumerate(files) for row in read(f"{options.data}/febrl/{file}.csv")]
                rows = shuffled(rows, options.seed)
                for row in rows:
                    del row["rec_id"]
                one = ours(options.program, rows, febrl, scratch, between=name == "febrl4")
                line(name, rows, one, splink("febrl4" if name == "febrl4" else "febrl", rows, scratch))
            rows = [{**row, "source": "0", "truth": row.pop("cluster")} for row in read(f"{options.data}/fake_1000/fake_1000.csv")]
            rows = shuffled(rows, options.seed)
            for row in rows:
                del row["unique_id"]
            line("fake_1000", rows, ours(options.program, rows, fake, scratch), splink("fake", rows, scratch))
        for size, seed in (of.split(":") for of in options.zh):
            path = os.path.join(scratch, "zh.csv")
            subprocess.run([sys.executable, options.zh_gen, size, path, seed], check=True)
            rows = shuffled(({**row, "truth": row["person"]} for row in read(path)), options.seed)
            one = ours(options.program, rows, chinese, scratch)
            line(f"zh seed {seed}", rows, one, splink_chinese(options.zh_peer, rows, scratch))


if __name__ == "__main__":
    main()
