"""`crowbar timeline`: the life of each machine from its first packet to now, as lines, as JSON lines, or as an SVG file.

With `--path`: the roles that the bring-up waited for.

It reads the journal of a store, with or without a running engine, or an exported journal.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from engine.api.control import StoreError, held
from engine.api.views import (
    Chart,
    ChartView,
    CriticalPath,
    JournalFile,
    MachineLife,
    Node,
    NodeRole,
    Span,
    Store,
    critical_path,
    short,
    spent,
    timeline_svg,
)

from ..console.formats import age
from ..console.glyphs import ASCII, ascii_only
from ..console.styled import plain
from ..console.timeline_lines import axis, legend, life_line
from ..paths import path

KINDS = ("server", "joined", "admin")
WIDEST = 400


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("timeline", help="show the life of each machine, from its first packet to now")
    command.add_argument("where", nargs="?", type=path, default=None, metavar="STORE|FILE", help="another store, or an exported journal")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object per machine and line")
    form.add_argument("--svg", type=path, default=None, metavar="FILE", help="write a picture")
    command.add_argument("--path", action="store_true", help="show the roles that the bring-up waited for, and the sum of all roles")
    command.set_defaults(run=_timeline)


def _timeline(arguments: argparse.Namespace) -> int:
    where = arguments.where or arguments.store
    if arguments.path:
        return _path(where, arguments)
    view = read(where)
    now = view.engine(time.time()) if not where.is_file() and held(where) else view.now
    lives = [life for life in view.lives(now) if life.kind in KINDS]
    lives.sort(key=lambda life: (KINDS.index(life.kind), life.begins, life.name))
    if arguments.json:
        for life in lives:
            print(json.dumps(told(life, view)))
    elif arguments.svg is not None:
        begins = _begins(lives, view)
        title = f"{view.wall(begins) and time.strftime('%Y-%m-%d %H:%M', time.localtime(view.wall(begins)))}: {len(lives)} machines"
        try:
            write(arguments.svg, timeline_svg(title, lives, view.commits, begins, now, view.wall))
        except OSError as error:
            print(f"crowbar: {arguments.svg}: the picture cannot be written: {error.strerror}", file=sys.stderr)
            return 2
        print(f"{len(lives)} machines in {arguments.svg}")
    else:
        print("\n".join(drawn(lives, view, now, min(shutil.get_terminal_size((80, 24)).columns, WIDEST))))
    return 0


def _path(where: Path, arguments: argparse.Namespace) -> int:
    if arguments.svg is not None:
        print("crowbar: --path makes no picture: leave out --svg", file=sys.stderr)
        return 2
    nodes, roles = records(where)
    found = critical_path(roles.values(), {key: short(one.name) for key, one in nodes.items()})
    if arguments.json:
        for one in found.steps:
            print(json.dumps({"type": "step", **{key: _rounded(value) for key, value in one._asdict().items()}}))
        sums = {"seconds": found.seconds, "busy": found.busy, "roles": found.roles, "total": found.total}
        print(json.dumps({"type": "path", "steps": len(found.steps), **{key: _rounded(value) for key, value in sums.items()}}))
    else:
        print("\n".join(path_lines(found)))
    return 0


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def path_lines(found: CriticalPath) -> list[str]:
    """A line for each step, and the sums."""
    if not found.steps:
        return ["no role has run yet"]
    room = max(len(one.node) for one in found.steps), max(len(one.role) for one in found.steps)
    out = [f"{'node':<{room[0]}}  {'role':<{room[1]}}  {'after':>7}  {'waited':>7}  {'took':>7}"]
    for one in found.steps:
        after = one.begins - found.steps[0].begins
        out.append(f"{one.node:<{room[0]}}  {one.role:<{room[1]}}  {after:>7.1f}  {one.waited:>7.1f}  {one.seconds:>7.1f}")
    times = f", {found.total / found.seconds:.1f} times as much" if found.seconds else ""
    out.append(
        f"critical path: {found.seconds:.1f} s, {found.busy:.1f} s of it in {len(found.steps)} roles and the rest between them; "
        f"all {found.roles} roles together: {found.total:.1f} s{times}"
    )
    return out


def records(where: Path) -> tuple[dict[str, Node], dict[tuple[str, str], NodeRole]]:
    """Nodes and node roles of a store or of an exported journal, as they are now. Raises StoreError."""
    with JournalFile(where) if where.is_file() else Store.read(where) as journal:
        base, seq = journal.base()
        tables: dict[str, dict[Any, Any]] = {name: dict(base[name]) for name in ("nodes", "node_roles")}
        while rows := journal.journal(seq, 1000):
            for table, key, record in (change for row in rows for change in row.changes()):
                if table not in tables:
                    continue
                if record is None:
                    tables[table].pop(key, None)
                else:
                    tables[table][key] = record
            seq = rows[-1].seq
    return tables["nodes"], tables["node_roles"]


def read(where: Path) -> ChartView:
    """The whole timeline of a store or of an exported journal. Raises StoreError."""
    journal = JournalFile(where) if where.is_file() else Store.read(where)
    try:
        base, seq = journal.base()
        rows = journal.journal(seq, 1000)
        chart = Chart(base, rows[0].now if rows else 0.0, seq)
        while rows:
            if rows[0].seq != chart.seq + 1:
                raise StoreError("the engine deleted older events meanwhile: try again")
            for row in rows:
                chart.take(row)
            rows = journal.journal(chart.seq, 1000)
        return chart.view()
    finally:
        journal.close()


def told(life: MachineLife, view: ChartView) -> dict[str, object]:
    """A life as JSON. Times are wall times in seconds; where a clock was set, the length of a segment is `seconds`."""
    return {
        "type": "life",
        "node": life.name,
        "kind": life.kind,
        "begins": round(view.wall(life.begins), 3),
        "older": life.older,
        "segments": [
            {"stage": s.stage, "condition": s.condition, "at": round(view.wall(s.begins), 3), "seconds": round(s.ends - s.begins, 3)}
            for s in life.segments
        ],
        "marks": [{"at": round(view.wall(mark.at), 3), "kind": mark.kind, "text": mark.text} for mark in life.marks],
        "spent": {stage: round(seconds, 3) for stage, seconds in spent(life).items()},
    }


def _begins(lives: list[MachineLife], view: ChartView) -> float:
    return min((life.begins for life in lives if life.kind == "server"), default=view.begins)


def drawn(lives: list[MachineLife], view: ChartView, now: float, columns: int) -> list[str]:
    """The picture in so many columns."""
    if not lives:
        return ["no machine was seen yet"]
    room = max(len(short(life.name)) for life in lives) + 2
    begins = _begins(lives, view)
    span = Span(begins, max(now, begins + 1.0), max(columns - room - 8, 20))
    out = [" " * room + plain(axis(span, view.wall, view.commits)).rstrip()]
    for life in lives:
        seconds = sum(many for stage, many in spent(life).items() if stage != "ready")
        out.append(f"{short(life.name):<{room}}{plain(life_line(life, span))}{age(seconds):>7}")
    out += ["", " " * room + plain(legend(columns))]
    return [one.translate(ASCII) for one in out] if ascii_only() else out


def write(file: Path, text: str) -> None:
    """Writes the file as a whole, or not at all. Raises OSError."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise
