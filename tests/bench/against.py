"""The benchmarks of this tree and of another revision, in turn, on this machine, and their ratios: `python tests/bench/against.py REV [BENCH ...]`.

    make bench-against REV=v0.1.0                      the quick ones
    make bench-against REV=v0.1.0 BENCH='core rack'    these; `all`: every one but those that install systems
    ROUNDS=5 (3)

REV is checked out into a temporary folder. Both trees run this tree's benchmark files, so that the same is measured. A name that REV has in
another module is imported from there. Where REV's engine cannot run a benchmark, that is said, and it is left out. The trees take turns, and each figure is the best of its rounds: a busy machine
disturbs both alike. One line a figure; the exit code is 1 if a benchmark of this tree failed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("core", "loop", "store", "wire")
LONG = ("install", "qemu")
SLOWER = 1.1
"""A figure that is so many times as bad gets a mark."""

Figures = dict[str, dict[str, Any]]


@contextmanager
def revision(name: str) -> Iterator[Path]:
    """A tree of that revision, with the benchmark files of this one."""
    with tempfile.TemporaryDirectory(prefix="bench-against-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", "--format=tar", name], capture_output=True, check=True)
        subprocess.run(["tar", "--extract", "--directory", str(tree)], input=archive.stdout, check=True)
        (tree / "tests" / "bench").mkdir(parents=True, exist_ok=True)
        sources = {
            file.relative_to(tree).with_suffix("").as_posix().replace("/", "."): file.read_text() for file in tree.glob("engine/**/*.py")
        }
        for file in (ROOT / "tests" / "bench").glob("*.py"):
            (tree / "tests" / "bench" / file.name).write_text(moved(file.read_text(), sources))
        yield tree


def moved(text: str, sources: dict[str, str]) -> str:
    """A benchmark whose imports name the modules (`sources`: name -> text) that define what it imports."""

    def named(found: re.Match[str]) -> str:
        module, names = found[1], found[2].split(", ")
        if module in sources or f"{module}.__init__" in sources:
            return found[0]
        homes = {name: [other for other, code in sources.items() if re.search(rf"^(class |def )?{name}\b", code, re.M)] for name in names}
        return "\n".join(f"from {homes[name][0] if homes[name] else module} import {name}" for name in names)

    return re.sub(r"^from (engine[\w.]*) import ([\w, ]+)$", named, text, flags=re.M)


def once(tree: Path, bench: str) -> tuple[Figures, str]:
    """The figures of one run in that tree, and why there are none."""
    words = [sys.executable, str(tree / "tests" / "bench" / f"bench_{bench}.py")]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(words, cwd=tree, env=env, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        return {}, f"exit {done.returncode}: {(done.stderr.strip().splitlines() or lines or ['it said nothing'])[-1][:300]}"
    found = {one["name"]: one for one in json.loads(lines[-1])["figures"]}
    return found, "" if found else lines[0]


def best(runs: list[Figures]) -> Figures:
    """Of each figure the best of all runs."""
    out: Figures = {}
    for figures in runs:
        for name, one in figures.items():
            have = out.get(name)
            if have is None or (one["value"] < have["value"]) == (one["better"] == "less"):
                out[name] = one
    return out


def ratio(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """How many times as bad ours is: 0.5 is twice as good, whether less or more is better."""
    good, bad = (ours["value"], theirs["value"]) if ours["better"] == "less" else (theirs["value"], ours["value"])
    return float(good / bad) if bad else float("inf") if good else 1.0


def lines(bench: str, ours: Figures, theirs: Figures, name: str) -> list[str]:
    out = []
    for what, one in ours.items():
        other = theirs.get(what)
        if other is None:
            out.append(f"{bench}: {what}: {one['value']:,.4g} {one['unit']}; {name} has no such figure")
            continue
        times = ratio(one, other)
        mark = "  <-- worse" if times > SLOWER else ""
        out.append(
            f"{bench}: {what}: {one['value']:,.4g} {one['unit']}, {name} {other['value']:,.4g} {one['unit']}, ratio {times:.2f}{mark}"
        )
    return out


def compare(name: str, benches: list[str], rounds: int) -> int:
    failed = 0
    print(f"this tree against {name}, {rounds} rounds in turn; a ratio below 1 is better now; load {os.getloadavg()[0]:.1f}", flush=True)
    with revision(name) as tree:
        for bench in benches:
            ours: list[Figures] = []
            theirs: list[Figures] = []
            why = other_why = ""
            for _ in range(rounds):
                found, why = once(ROOT, bench)
                other, other_why = once(tree, bench) if not other_why else ({}, other_why)
                ours.append(found)
                theirs.append(other)
                if why:
                    break
            if why:
                failed |= not why.startswith("skipped")
                print(f"{bench}: no figures of this tree: {why}", flush=True)
                continue
            if other_why:
                print(f"{bench}: {name} cannot run it: {other_why}", flush=True)
                continue
            print("\n".join(lines(bench, best(ours), best(theirs), name)), flush=True)
    return int(failed)


def main(words: list[str]) -> int:
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    every = sorted(file.stem.removeprefix("bench_") for file in Path(__file__).parent.glob("bench_*.py"))
    chosen = [bench for bench in every if bench not in LONG] if words[1:] == ["all"] else words[1:] or list(QUICK)
    if unknown := sorted(set(chosen) - set(every)):
        print(f"against.py: there is no benchmark {unknown[0]!r}; there are {', '.join(every)}", file=sys.stderr)
        return 2
    known = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{words[0]}^{{commit}}"], capture_output=True, check=False
    )
    if known.returncode:
        print(f"against.py: git knows no commit {words[0]!r}", file=sys.stderr)
        return 2
    return compare(words[0], chosen, max(int(os.environ.get("ROUNDS", "3")), 1))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
