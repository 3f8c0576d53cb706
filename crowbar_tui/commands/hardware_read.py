"""`crowbar hardware read FILE...` and `crowbar hardware formats`: reports of tools, recorded in files, as records of parts.

The readers are imported when a verb runs: all other commands load this module too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.api.hardware import Parts

Read = tuple[str, str, "Parts | None", str]
"""(file, format, what it says, why it was refused)"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    read = verbs.add_parser(
        "read",
        help="read recorded outputs of tools, and print the parts that they tell of",
        description="Recognises the format of each file. Exit code 0: all were read; 1: one was refused.",
    )
    read.add_argument("files", nargs="+", metavar="FILE", help="the output of a tool (-: standard input)")
    read.add_argument("--format", default="", metavar="FORMAT", help="what it is, unrecognised: a name of `hardware formats`")
    read.add_argument("--join", action="store_true", help="all files are of one machine: print one record, and what contradicts")
    read.add_argument("--json", action="store_true", help="print one JSON object per file")
    read.set_defaults(run=_read)
    formats = verbs.add_parser("formats", help="list the formats of reports, and the commands that make them")
    formats.add_argument("--json", action="store_true", help="print one JSON object per format")
    formats.set_defaults(run=_formats)


def _read(arguments: argparse.Namespace) -> int:
    from engine.api.hardware import FORMATS, join

    if arguments.format and arguments.format not in FORMATS:
        print(f"crowbar: there is no format {arguments.format}: `crowbar hardware formats` lists them", file=sys.stderr)
        return 2
    found = list(_each(arguments.files, arguments.format))
    show = _as_json if arguments.json else _as_text
    if arguments.join:
        good = [(format, parts) for _, format, parts, _ in found if parts is not None]
        whole: list[Read] = [("", "joined", join(good), "")] if good else []
        show([*(one for one in found if one[2] is None), *whole])
    else:
        show(found)
    return 1 if any(parts is None for _, _, parts, _ in found) else 0


def _each(files: list[str], format: str) -> Iterator[Read]:
    from engine.api.hardware import Refused, read_octets

    for file in files:
        try:
            name, parts = read_octets(_octets(file), format)
            yield file, name, parts, ""
        except Refused as refused:
            yield file, format, None, str(refused)
        except OSError as error:
            yield file, format, None, f"the file cannot be read: {error.strerror or error}"


def _octets(file: str) -> bytes:
    """At most one more than a report may have, so that a larger one is refused and not cut."""
    from engine.api.hardware import MOST_CHARACTERS

    most = 4 * MOST_CHARACTERS + 1
    if file == "-":
        return sys.stdin.buffer.read(most)
    with open(file, "rb") as stream:
        return stream.read(most)


def _as_json(found: list[Read]) -> None:
    from msgspec import to_builtins

    for file, format, parts, refused in found:
        head = {"file": file} if file else {}
        if parts is None:
            print(json.dumps({**head, "refused": refused}))
        else:
            print(json.dumps({**head, "format": format, "parts": to_builtins(parts)}))


def _as_text(found: list[Read]) -> None:
    from .. import part_tables

    for at, (file, format, parts, refused) in enumerate(found):
        if at:
            print()
        if parts is None:
            print(f"{file}: refused: {refused}")
        else:
            print(f"{file} ({format})" if file else f"all files ({format})")
            part_tables.show(parts)


def _formats(arguments: argparse.Namespace) -> int:
    from engine.api.hardware import FORMATS

    if arguments.json:
        for name, one in FORMATS.items():
            print(json.dumps({"format": name, "about": one.about, "command": one.command}))
        return 0
    wide, about = max(map(len, FORMATS)), max(len(one.about) for one in FORMATS.values())
    for name, one in FORMATS.items():
        print(f"{name.ljust(wide)}  {one.about.ljust(about)}  {one.command}".rstrip())
    return 0
