"""`crowbar hardware certificates`: the certificates of wiped disks. It reads the store, with or without a running engine."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path

from engine.api.control import Reader, WipeCertificate, to_json

from ..paths import path

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = verbs.add_parser("certificates", help="the certificates of wiped disks")
    made.add_argument("--machine", default="", metavar="NODE", help="only disks of this machine, by its name or serial number")
    made.add_argument("--disk", default="", metavar="SERIAL", help="only the disk with this serial number or WWN")
    made.add_argument("--save", type=path, default=None, metavar="DIR", help="write each into a file of its own, too")
    made.add_argument("--json", action="store_true", help="print one JSON object per line")
    made.set_defaults(run=_certificates)


def _certificates(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        found = [one for one in reader.certificates() if _meant(one, arguments.machine, arguments.disk)]
    for one in found:
        print(json.dumps({"type": "certificate", **to_json(one)}) if arguments.json else in_words(one))
    if arguments.save is not None:
        try:
            _save(arguments.save, found)
        except OSError as error:
            print(f"crowbar: the certificates cannot be written: {error}", file=sys.stderr)
            return 1
    if not found and not arguments.json:
        print("no disk was wiped, or the journal no longer has it", file=sys.stderr)
    return 0 if found else 1


def _meant(one: WipeCertificate, machine: str, disk: str) -> bool:
    named = not machine or machine in (one.machine, one.machine.split(".")[0], one.machine_serial)
    return named and (not disk or disk in (one.serial, one.wwn))


def in_words(one: WipeCertificate) -> str:
    """Two lines."""
    samples = one.samples
    kinds = ((samples.zeros, "zeros"), (samples.ones, "ones"), (samples.changed, "changed"))
    held = ", ".join(f"{count} {word}" for count, word in kinds if count)
    return (
        f"{one.at}  {one.machine} ({one.machine_serial})  disk {one.serial} {one.wwn}  {one.model}  {one.size} bytes\n"
        f"    {one.result} by {one.method} in {one.seconds} s, approved by {one.who}; {samples.read} samples read: {held}. {one.reason}"
    )


def file_name(one: WipeCertificate) -> str:
    """`S123-2026-11-30T20-10-55Z.json`, without characters that a file system or a shell reads."""
    return f"{_ODD.sub('_', one.serial)[:100]}-{_ODD.sub('-', one.at)[:40]}.json"


def _save(folder: Path, found: list[WipeCertificate]) -> None:
    """A file is complete or missing: it is renamed into place."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in found:
        there = folder / file_name(one)
        new = there.with_suffix(".new")
        new.write_text(json.dumps(to_json(one), indent=2) + "\n", encoding="utf-8")
        os.replace(new, there)
