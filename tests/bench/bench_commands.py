"""What a command costs before it does anything: `python tests/bench/bench_commands.py`

Processor time of whole processes, user and system, the least of ROUNDS, beside an empty Python and `ansible --version`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from limits import figure, run

ROUNDS = 5
LIMIT_S = 300.0
COMMANDS = ("status", "nodes", "plan check", "hardware formats", "engine --help", "--help")


def spent() -> float:
    """Seconds of processor of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def least(words: list[str]) -> float:
    """The least processor time of one run, in seconds. The first run, which may write bytecode, does not count."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    took = []
    for _ in range(ROUNDS + 1):
        begun = spent()
        subprocess.run(
            words, env={**environment, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60
        )
        took.append(spent() - begun)
    return min(took[1:])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        rows = {"python -c pass": [sys.executable, "-c", "pass"]}
        ansible = Path(sys.executable).with_name("ansible")
        if ansible.exists():
            rows["ansible --version"] = [str(ansible), "--version"]
        rows |= {f"crowbar {one}": [sys.executable, "-m", "crowbar_tui.cli", "--store", store, *one.split()] for one in COMMANDS}
        for name, words in rows.items():
            took = least(words)
            print(f"{name:<26}{took * 1000:>7.0f} ms", flush=True)
            figure(name, took * 1000, "ms")


if __name__ == "__main__":
    raise SystemExit(run("commands", main, LIMIT_S))
