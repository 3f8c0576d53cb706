"""Run as a process of its own: `python given_up.py STORE [NAME]`. Gives up its rights, starts programs, and prints what became of it as JSON:
its own `status` (proc(5)), that of a child, that of a child which CAP_NET_RAW was lent to, and that of a child afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from msgspec import to_builtins

from engine.process.capabilities import NET_RAW, lent
from engine.process.rights import RightsError, give_up


def fields(text: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def child() -> dict[str, str]:
    return fields(subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout)


def main(store: str, name: str = "") -> None:
    try:
        told = give_up(Path(store), Path(store + ".keys"), name)
    except RightsError as error:
        print(json.dumps({"error": str(error)}))
        return
    out = {"rights": to_builtins(told), "own": fields(Path("/proc/self/status").read_text()), "child": child()}
    out["core"] = next(line for line in Path("/proc/self/limits").read_text().splitlines() if "core" in line).split()[4:6]
    out["memory_of"] = os.stat("/proc/self/fd").st_uid  # root: no other process of the user may look into this one
    with lent(NET_RAW):
        out["lent"] = child()
        beside: list[dict[str, str]] = []
        other = threading.Thread(target=lambda: beside.append(child()))
        other.start()
        other.join()
    out["after"] = child()
    print(json.dumps(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
