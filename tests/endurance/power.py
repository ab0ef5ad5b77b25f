"""Power loss: a run's system calls are traced, and its lake is made again as a disk would hold it had the power gone at some moment:
what was not synced by then is gone, or is an empty file.

Every file of a lake gets its content once, before it gets its name, so that what a file held is what it holds at the end; the few
that are written over are leases and hints.
"""

import random
import re
import shutil
import subprocess
from pathlib import Path

CALLS = "openat,write,pwrite64,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat"
WHOLE = re.compile(r"^\d+\s+(\w+)\((.*)\)\s+=\s+(-?\d+)")
BEGUN = re.compile(r"^(\d+)\s+(\w+)\((.*) <unfinished \.\.\.>$")
ENDED = re.compile(r"^(\d+)\s+<\.\.\. (\w+) resumed>(.*)\)\s+=\s+(-?\d+)")
DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")
NAME = re.compile(r'"([^"]*)"')


def traced(command: list[str], cwd: Path, trace: Path) -> int:
    """Runs a command under strace."""
    strace = ["strace", "-f", "-y", "-s", "0", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", str(trace)]
    with open(trace.with_suffix(".log"), "w", encoding="utf-8") as said:
        return subprocess.call([*strace, *command], cwd=cwd, stdout=said, stderr=subprocess.STDOUT)


def calls(trace: Path) -> list[tuple[str, str]]:
    """The calls that went well, in the order in which they ended: name and arguments."""
    found, waiting = [], {}
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if begun := BEGUN.match(line):
            waiting[begun[1], begun[2]] = begun[3]
        elif ended := ENDED.match(line):
            arguments = waiting.pop((ended[1], ended[2]), "") + ended[3]
            if int(ended[4]) >= 0:
                found.append((ended[2], arguments))
        elif (whole := WHOLE.match(line)) and int(whole[3]) >= 0:
            found.append((whole[1], whole[2]))
    return found


class Disk:
    """Which names and which contents have reached the disk."""

    def __init__(self) -> None:
        # Names since their folder was last synced, and files since they were.
        self.names: set[str] = set()
        self.contents: set[str] = set()
        # All that is there.
        self.there: set[str] = set()

    def take(self, call: str, arguments: str) -> None:
        descriptor = DESCRIPTOR.match(arguments)
        names = NAME.findall(arguments)
        if call == "openat" and "O_CREAT" in arguments:
            if names[0] not in self.there:
                self.add(names[0], False)
        elif call in ("write", "pwrite64") and descriptor:
            self.contents.add(descriptor[1])
        elif call in ("fsync", "fdatasync") and descriptor:
            self.contents.discard(descriptor[1])
            self.names = {name for name in self.names if str(Path(name).parent) != descriptor[1]}
        elif call in ("link", "linkat"):
            self.add(names[1], names[0] in self.contents)
        elif call.startswith("rename"):
            self.add(names[1], names[0] in self.contents)
            self.remove(names[0])
        elif call.startswith("unlink"):
            self.remove(names[0])
        elif call.startswith("mkdir"):
            self.add(names[0], False)

    def add(self, name: str, wet: bool) -> None:
        self.there.add(name)
        self.names.add(name)
        (self.contents.add if wet else self.contents.discard)(name)

    def remove(self, name: str) -> None:
        for names in (self.there, self.names, self.contents):
            names.discard(name)

    def after_power_loss(self, lake: Path, target: Path, names_stay: bool) -> None:
        """Makes the lake as it is found when the power is back. Names that were not synced are there or not."""

        def lost(path: str) -> bool:
            return path in self.names and not names_stay

        shutil.rmtree(target, ignore_errors=True)
        for name in sorted(self.there):
            path = Path(name)
            if not path.is_relative_to(lake) or not path.exists():
                continue
            if lost(name) or any(lost(str(folder)) for folder in path.parents):
                continue
            copy = target / path.relative_to(lake)
            if path.is_dir():
                copy.mkdir(parents=True, exist_ok=True)
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            if name in self.contents:
                copy.write_bytes(b"")
            else:
                shutil.copy(path, copy)


def moments(found: list[tuple[str, str]], lake: Path, count: int, dice: random.Random) -> list[int]:
    """Moments spread over a run, each just before something of the lake got its name."""
    named = [at for at, (call, arguments) in enumerate(found) if call.startswith(("link", "rename")) and str(lake) in arguments]
    return sorted(dice.sample(named, min(count, len(named))))
