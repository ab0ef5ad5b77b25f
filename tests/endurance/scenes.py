"""What a program goes through in the field, done to it: kills, a long sleep, a crowd, a full disk, the loss of power.

    tests/endurance/run [--program target/release/tributary] [--kills 300] [--sleepers 5] [--processes 32] [--batches 20] [--disks 40]
        [--power-cuts 40]

Every lake that comes of it must hold the tables of one that was left in peace.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop"))
import power  # noqa: E402
import same_tables  # noqa: E402

SAMPLE = ROOT / "pipelines/sample/retailer"

class Failed(Exception):
    pass


class Shop:
    """A copy of the sample retailer's data, and pipelines over it. The data comes in two waves."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder = program, folder

    def pipeline(self, name: str, lake: Path) -> Path:
        text = (ROOT / "pipelines/quickstart.toml").read_text(encoding="utf-8")
        data = self.folder / f"{name}-data"
        text = text.replace('lake = "lake/quickstart"', f'lake = "{lake}"\nseed = "test"')
        text = text.replace("pipelines/sample/retailer", str(data))
        path = self.folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def wave(self, name: str, number: int) -> None:
        data = self.folder / f"{name}-data"
        if number == 1:
            shutil.rmtree(data, ignore_errors=True)
        for file in sorted(SAMPLE.rglob("*.*")):
            if number == 1 and any(month in file.name for month in ("-04.", "-05.", "-06.")):
                continue
            target = data / file.relative_to(SAMPLE)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)

    def start(self, pipeline: Path, *more: str, **options: object) -> subprocess.Popen:
        out = open(pipeline.with_suffix(".log"), "w+", encoding="utf-8")
        return subprocess.Popen(
            [self.program, "run", pipeline, *more], stdout=out, stderr=subprocess.STDOUT, cwd=self.folder, **options
        )

    def run(self, pipeline: Path) -> None:
        if self.start(pipeline).wait() != 0:
            raise Failed(f"a run failed: {pipeline.with_suffix('.log').read_text(encoding='utf-8')}")

    def same(self, reference: Path, lake: Path) -> None:
        same_tables.compare(str(self.program), str(reference), str(lake))


def kills(shop: Shop, reference: Path, count: int, dice: random.Random) -> str:
    """Runs are killed at any moment and started again; a lake that is done is compared, and another begun."""
    began = time.monotonic()
    done = lakes = 0
    # As long as an unhurried run takes, at first.
    longest = 5.0
    while done < count:
        lake = shop.folder / f"killed-{lakes}"
        for wave in (1, 2):
            shop.wave("killed", wave)
            pipeline = shop.pipeline("killed", lake)
            while True:
                start = time.monotonic()
                child = shop.start(pipeline)
                try:
                    code = child.wait(dice.uniform(0, longest) if done < count else None)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
                    done += 1
                    continue
                if code != 0:
                    raise Failed(f"after {done} kills: {pipeline.with_suffix('.log').read_text(encoding='utf-8')}")
                if wave == 1 or lakes == 0:
                    longest = max(0.2, (time.monotonic() - start) * 1.1)
                break
        shop.same(reference, lake)
        shutil.rmtree(lake)
        lakes += 1
    return f"{done} kills over {lakes} lakes in {time.monotonic() - began:.0f} s: each as if nothing had happened"


def sleepers(shop: Shop, reference: Path, count: int, dice: random.Random) -> str:
    """A run is stopped past its lease, another does the work, and the first one wakes up."""
    began = time.monotonic()
    woken = finished = 0
    slept = []
    for number in range(count):
        lake = shop.folder / f"slept-{number}"
        name = f"slept-{number}"
        shop.wave(name, 1)
        shop.run(shop.pipeline(name, lake))
        shop.wave(name, 2)
        zombie = shop.start(shop.pipeline(name, lake))
        while zombie.poll() is None and not holds(lake, zombie.pid):
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.5))
        if zombie.poll() is not None or not holds(lake, zombie.pid):
            zombie.wait()
            finished += 1
            continue
        os.kill(zombie.pid, signal.SIGSTOP)
        slept.append((name, lake, zombie))
    others = []
    for name, lake, _ in slept:
        data = shop.folder / f"{name}-data"
        other = shop.pipeline(f"{name}-other", lake)
        other.write_text(other.read_text(encoding="utf-8").replace(f"{name}-other-data", data.name), encoding="utf-8")
        others.append(shop.start(other))
    for (name, lake, zombie), other in zip(slept, others):
        if other.wait() != 0:
            raise Failed(f"the second runner failed: {(shop.folder / f'{name}-other.log').read_text(encoding='utf-8')}")
        before = versions(lake)
        os.kill(zombie.pid, signal.SIGCONT)
        code = zombie.wait()
        woken += code != 0
        if versions(lake) != before:
            raise Failed(f"{name}: the zombie has committed: {before} and then {versions(lake)}")
        shop.same(reference, lake)
    return (
        f"{len(slept)} runs stopped past their lease, while another did the work, in {time.monotonic() - began:.0f} s: {woken} saw when "
        f"they woke up that they had lost it, none committed anything ({finished} were done before they could be stopped)"
    )


def holds(lake: Path, process: int) -> bool:
    """Whether a process holds the lease of a lake."""
    leases = sorted((lake / "_tributary/lease/run").glob("*.json"))
    try:
        newest = json.loads(leases[-1].read_text(encoding="utf-8"))
    except (IndexError, OSError, ValueError):
        return False
    return newest["process"] == process and not newest["released"]


def versions(lake: Path) -> dict[str, int]:
    """The newest version of every table."""
    logs = lake.glob("*/*/_delta_log")
    return {str(log.parent.relative_to(lake)): sum(1 for _ in log.glob("*.json")) for log in logs}


def two_at_once(shop: Shop, reference: Path) -> str:
    lake = shop.folder / "twice"
    shop.wave("twice", 2)
    first, second = shop.pipeline("twice", lake), shop.folder / "second.toml"
    second.write_text(first.read_text(encoding="utf-8"), encoding="utf-8")
    for child in [shop.start(first), shop.start(second)]:
        if child.wait() != 0:
            raise Failed("one of two runs at once failed: " + first.with_suffix(".log").read_text(encoding="utf-8"))
    shop.same(reference, lake)
    return "two processes running one pipeline at once: one does the work, the other finds it done"


def crowd(shop: Shop, processes: int, batches: int) -> str:
    """So many processes, each of which runs its own pipeline so often; all append to `ops.run`."""
    began = time.monotonic()
    lake = shop.folder / "crowd"
    waiting = []
    for process in range(processes):
        folder = shop.folder / f"crowd-{process}"
        folder.mkdir()
        (shop.folder / f"crowd-{process}.toml").write_text(
            f'name = "p{process}"\nlake = "{lake}"\n[sources.s{process}]\nconnector = "files"\npath = "{folder}/*.csv"\n'
            'stream = "rows"\ntimezone = "UTC"\nprimary_key = ["id"]\n',
            encoding="utf-8",
        )
    program = (
        "import subprocess, sys\n"
        "tributary, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])\n"
        "for batch in range(batches):\n"
        "    with open(f'{name}/{batch:03}.csv', 'w') as file: file.write('id\\n' + ''.join(f'{batch}-{row}\\n' for row in range(5)))\n"
        "    with open(f'{name}.log', 'w') as log:\n"
        "        code = subprocess.call([tributary, 'run', f'{name}.toml'], stdout=log, stderr=log)\n"
        "    if code != 0: sys.exit(f'{name}, batch {batch}: ' + open(f'{name}.log').read())\n"
    )
    for process in range(processes):
        command = [sys.executable, "-c", program, str(shop.program), f"crowd-{process}", str(batches)]
        waiting.append(subprocess.Popen(command, cwd=shop.folder))
    if any([child.wait() != 0 for child in waiting]):
        raise Failed("one of the crowd gave up")
    for process in range(processes):
        sql = f'select count(*) as n, count(distinct id) as ids from raw."s{process}_rows"'
        found = same_tables.ask(str(shop.program), "query", str(lake), sql)
        if found != [{"n": 5 * batches, "ids": 5 * batches}]:
            raise Failed(f"process {process} wrote {5 * batches} rows, and there are {found}")
    runs = same_tables.ask(str(shop.program), "query", str(lake), "select count(*) as n from ops.run")
    if runs != [{"n": processes * batches}]:
        raise Failed(f"{processes * batches} runs were done, and `ops.run` has {runs}")
    return f"{processes} processes with {batches} runs each on one lake in {time.monotonic() - began:.0f} s: all is there once, nobody gave up"


class Disk:
    """A disk that is full after so many bytes or files; without the right to mount one, a limit to the size of a file."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.path = path
        command = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(path)]
        self.mounted = subprocess.call(command, stderr=subprocess.DEVNULL) == 0

    def limit(self, size: str, files: str) -> None:
        subprocess.check_call(["mount", "-o", f"remount,size={size},nr_inodes={files}", str(self.path)])

    def close(self) -> None:
        if self.mounted:
            subprocess.check_call(["umount", "-l", str(self.path)])


def full_disk(shop: Shop, reference: Path, count: int) -> str:
    """Runs on disks that are full after so much, and again once there is room."""
    began = time.monotonic()
    every = [path for path in reference.rglob("*")]
    whole = sum(path.stat().st_blocks * 512 for path in every if path.is_file())
    failed = 0
    disk = Disk(shop.folder / "disk")
    words: dict[str, int] = {}
    try:
        for number in range(count):
            lake = disk.path / "lake"
            share = (number // 2 + 1) / (count / 2 + 1)
            options = {}
            if not disk.mounted:
                size = int(200 + share * 20_000)

                def little(size: int = size) -> None:
                    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

                options = {"preexec_fn": little}
            elif number % 2:
                disk.limit(f"{max(int(whole * share), 8192)}", "100000")
            else:
                disk.limit("256m", str(max(int(len(every) * share), 4)))
            shop.wave("full", 2)
            pipeline = shop.pipeline("full", lake)
            if disk.mounted:
                code = shop.start(pipeline).wait()
            else:
                log = open(pipeline.with_suffix(".log"), "w+", encoding="utf-8")
                out = subprocess.Popen([shop.program, "run", pipeline], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=shop.folder, **options)
                log.write(out.communicate()[0].decode())
                log.close()
                code = out.returncode
            said = pipeline.with_suffix(".log").read_text(encoding="utf-8")
            if code != 0:
                failed += 1
                known = [word for word in ("No space left", "File too large") if word in said]
                if not known:
                    raise Failed(f"a full disk is not named:\n{said}")
                last = [line.strip() for line in said.splitlines() if line.startswith("error")]
                words[last[0].split("`")[0][:60] if last else ""] = words.get(last[0].split("`")[0][:60] if last else "", 0) + 1
            if disk.mounted:
                disk.limit("256m", "100000")
            shop.run(pipeline)
            shop.same(reference, lake)
            shutil.rmtree(lake)
    finally:
        disk.close()
    what = "disks" if disk.mounted else "limits to the size of a file (no disk could be mounted)"
    told = "; ".join(f"{count} × {word}" for word, count in sorted(words.items()))
    return f"{count} {what}, full after more and more of a run, in {time.monotonic() - began:.0f} s: {failed} runs failed and said why ({told}), all were completed with room again"


def power_cuts(shop: Shop, reference: Path, count: int, dice: random.Random) -> str:
    """Runs on lakes as they are found after the loss of power in the middle of a run."""
    if count == 0:
        return "no power cuts"
    if shutil.which("strace") is None:
        raise Failed("strace is not there, and the power cuts need it; `--power-cuts 0` leaves them out")
    began = time.monotonic()
    whole, lake = shop.folder / "whole", shop.folder / "cut"
    shop.wave("cut", 2)
    pipeline = shop.pipeline("cut", whole)
    trace = shop.folder / "calls.txt"
    if power.traced([str(shop.program), "run", str(pipeline)], shop.folder, trace) != 0:
        raise Failed(f"the run under strace failed: {trace.with_suffix('.log').read_text(encoding='utf-8')}")
    found = power.calls(trace)
    disk, done, empty = power.Disk(), 0, 0
    pipeline = shop.pipeline("cut", lake)
    for number, moment in enumerate(power.moments(found, whole, count, dice)):
        for call in found[done:moment]:
            disk.take(*call)
        done = moment
        disk.after_power_loss(whole, lake, names_stay=number % 2 == 1)
        empty += sum(1 for path in lake.rglob("*") if path.is_file() and path.stat().st_size == 0)
        shop.run(pipeline)
        shop.same(reference, lake)
    for call in found[done:]:
        disk.take(*call)
    wet = [name for name in disk.names | disk.contents if name.startswith(str(whole)) and "/staging" not in name]
    if wet:
        raise Failed(f"a run that ended has not synced {wet[:5]}")
    shutil.rmtree(lake, ignore_errors=True)
    return f"power was lost at {count} moments of a run in {time.monotonic() - began:.0f} s, which left {empty} empty files: each run after it made the same lake"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--program", type=Path, default=Path("target/debug/tributary"))
    arguments.add_argument("--kills", type=int, default=300)
    arguments.add_argument("--sleepers", type=int, default=5)
    arguments.add_argument("--processes", type=int, default=32)
    arguments.add_argument("--batches", type=int, default=20)
    arguments.add_argument("--disks", type=int, default=40)
    arguments.add_argument("--power-cuts", type=int, default=40)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    program = options.program.resolve()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        shop = Shop(program, Path(name))
        os.environ["XDG_STATE_HOME"] = str(shop.folder / "state")
        reference = shop.folder / "reference"
        for wave in (1, 2):
            shop.wave("reference", wave)
            shop.run(shop.pipeline("reference", reference))
        at_once = shop.folder / "at-once"
        shop.wave("at-once", 2)
        shop.run(shop.pipeline("at-once", at_once))
        scenes = [
            lambda: kills(shop, reference, options.kills, dice),
            lambda: sleepers(shop, reference, options.sleepers, dice),
            lambda: two_at_once(shop, at_once),
            lambda: crowd(shop, options.processes, options.batches),
            lambda: full_disk(shop, at_once, options.disks),
            lambda: power_cuts(shop, at_once, options.power_cuts, dice),
        ]
        for scene in scenes:
            try:
                print(f"endurance: {scene()}", flush=True)
            except Failed as failed:
                sys.exit(f"endurance: {failed}")


if __name__ == "__main__":
    main()
