"""The parts of a machine as tables for people: one for each kind of part, with the columns that a part of it fills."""

from __future__ import annotations

import shutil
import sys
from typing import Any

from msgspec import Struct, structs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.api.hardware import Parts

NARROW = 100
"""Columns where standard output is no terminal."""
_FIRST = ("name", "nic", "part", "id", "place", "present", "health", "vendor", "model", "size", "state")
_HEADS = ("system", "board", "chassis", "tpm")
_TITLES = {"temperature": "temp", "media_errors": "errors", "reallocated": "realloc", "port_description": "described"}
_TITLES |= {"system_description": "software", "capabilities": "enabled", "virtualization": "virtual", "architecture": "arch"}
_WHOLE = ("serial", "place", "name", "nic", "mac", "wwn")
"""Columns whose values are copied or compared letter by letter: they stay on one line, and others are folded for them."""
_FOLDED = 14
"""Columns narrower than this are not folded."""
_BINARY = ("dimms", "memory", "controllers", "cards")
"""Kinds whose sizes are powers of two."""


def show(parts: Parts) -> None:
    """Prints them to standard output. Fields that no part fills are left out."""
    width = shutil.get_terminal_size((NARROW, 24)).columns
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False, color_system=None)
    for line in _lines(parts):
        console.print(Text(line))
    for field in structs.fields(parts):
        value = getattr(parts, field.name)
        if isinstance(value, tuple) and value and field.name != "odd":
            table = _table(field.name, value)
            # Rich leaves out columns on the right where all are too wide; the terminal folds the line instead.
            console.width = max(width, sum((column.min_width or 0) + 2 for column in table.columns))
            console.print(table)
    for one in parts.odd:
        console.print(Text(f"odd: {one}"))
    if parts == Parts():
        console.print(Text("  nothing"))


def _lines(parts: Parts) -> list[str]:
    out = []
    for field in structs.fields(parts):
        value = getattr(parts, field.name)
        if field.name in _HEADS and value is not None:
            told = [f"{one.name} {text}" for one in structs.fields(value) if (text := _text("", one.name, getattr(value, one.name)))]
            out.append(f"  {field.name}: {', '.join(told)}")
        elif not isinstance(value, tuple) and value not in (None, 0, "") and field.name not in _HEADS:
            out.append(f"  {field.name}: {_text('memory', 'size' if field.name == 'memory' else field.name, value)}")
    return out


def _table(kind: str, pieces: tuple[Struct, ...]) -> Table:
    names = [field.name for field in structs.fields(pieces[0])]
    used = [name for name in names if any(_text(kind, name, getattr(one, name)) for one in pieces)]
    if "present" in used and all(getattr(one, "present", True) for one in pieces):
        used.remove("present")
    columns = sorted(used, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), names.index(name)))
    table = Table(title=f"{kind} ({len(pieces)})", title_justify="left", title_style="", box=None, pad_edge=False, padding=(0, 1))
    for name in columns:
        title = _TITLES.get(name, name)
        longest = max((len(_text(kind, name, getattr(one, name))) for one in pieces), default=0)
        table.add_column(title, overflow="fold", min_width=max(len(title), longest if name in _WHOLE else min(longest, _FOLDED)))
    for one in pieces:
        table.add_row(*(Text(_text(kind, name, getattr(one, name))) for name in columns))
    return table


def _text(kind: str, name: str, value: Any) -> str:
    if value is None or value == "" or value == ():
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in ("size", "cache", "memory"):
        return size(value, kind in _BINARY) if value else ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, Struct):
        return ", ".join(f"{key} {_text('', key, item)}" for key, item in structs.asdict(value).items() if _text("", key, item))
    optional = name in ("wear", "hours", "reallocated", "pending", "media_errors", "temperature", "value", "progress", "channel", "output")
    return "" if value == 0 and not optional else f"{value:g}" if isinstance(value, float) else str(value)


def size(octets: int, binary: bool) -> str:
    """`32 GiB` where it is binary, else `4.0 TB`."""
    step, letters = (1024, "KMGTPE") if binary else (1000, "kMGTPE")
    value, unit = float(octets), ""
    for letter in letters:
        if value < step:
            break
        value, unit = value / step, letter
    tail = ("iB" if binary else "B") if unit else "B"
    return f"{value:.1f}".removesuffix(".0") + f" {unit}{tail}"
