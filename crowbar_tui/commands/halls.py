"""`crowbar halls [FILE]`: several engines, each with a hall of its own; on a terminal as a list in which `enter` opens one, else as text.

Exit codes: 0 all halls answered; 1 one did not; 2 the file is not usable.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..paths import path

if TYPE_CHECKING:
    from engine.api.halls import Hall, HallSeen

FILE = "halls.yml"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = commands.add_parser("halls", help="watch several engines at once, and open the console of one")
    made.add_argument("file", nargs="?", type=path, default=None, metavar="FILE", help=f"which engines (~/.config/crowbar/{FILE})")
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="look once, and print one JSON object per hall; the last one is the summary")
    form.add_argument("--once", action="store_true", help="look once, and print a line per hall")
    made.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from engine.api.halls import look_at, read_halls

    file = arguments.file or _usual()
    if not file.is_file():
        print(f"crowbar: there is no file {file}: write it as docs/halls.md says, or name another", file=sys.stderr)
        return 2
    halls = read_halls(file)
    if not arguments.json and not arguments.once and sys.stdin.isatty() and sys.stdout.isatty():
        return _shown(halls)
    looks = look_at(halls)
    if arguments.json:
        for hall, seen in zip(halls, looks, strict=True):
            print(json.dumps(_object(hall, seen)))
        silent = sum(seen.summary is None for seen in looks)
        print(json.dumps({"type": "summary", "halls": len(halls), "silent": silent}))
    else:
        for text in _texts(halls, looks):
            print(text)
    return 1 if any(seen.summary is None for seen in looks) else 0


def _usual() -> Path:
    """The user's file (XDG Base Directory Specification)."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(folder) if folder.startswith("/") else Path.home() / ".config") / "crowbar" / FILE


def _object(hall: Hall, seen: HallSeen) -> dict[str, object]:
    from ..console.halls import state_of

    row: dict[str, object] = {"type": "hall", "hall": hall.name, "state": state_of(seen)[0], "at": round(seen.at, 3)}
    if seen.summary is None:
        return row | {"why": seen.why}
    found = seen.summary
    return row | {"nodes": found.nodes, "ready": found.ready, "failed": found.failed, "deployments": found.deployments}


def _texts(halls: tuple[Hall, ...], looks: list[HallSeen]) -> list[str]:
    from ..console.halls import says, state_of

    wide = max(len(hall.name) for hall in halls)
    out = []
    for hall, seen in zip(halls, looks, strict=True):
        many = f"{seen.summary.ready} of {seen.summary.nodes} ready" if seen.summary is not None else ""
        out.append(f"{hall.name.ljust(wide)}  {state_of(seen)[0]:<8}  {many:<16}  {says(hall, seen)}".rstrip())
    return out


def _shown(halls: tuple[Hall, ...]) -> int:
    """The list, again after each console that was opened from it."""
    from ..console.halls import HallList
    from ..console.halls_app import HallsApp

    shown = HallList(halls)
    while command := HallsApp(shown).run():
        code = subprocess.run(command, check=False).returncode
        hall = halls[shown.at]
        shown.note = f"the console of {hall.name} ended with code {code}: {' '.join(command[:4])} ..." if code and hall.ssh else ""
    return 0
