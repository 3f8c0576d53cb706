"""`crowbar doctor`: is this admin node fit to serve a rack, and what to do if not. Exit code 1 if anything is bad."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from engine.face import Check, Reader, RealProbes, StoreError, examine, plan_file, shipped, to_json

MARKS = {"ok": "  ok  ", "warn": " warn ", "bad": " BAD  "}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("doctor", help="is this admin node fit: privilege, ports, interface, DHCP, clock, disk, images")
    command.add_argument("--plan", type=Path, default=None, metavar="FILE", help="whose interface and address (else the committed plan's)")
    command.add_argument("--interface", default="", metavar="IF")
    command.add_argument("--json", action="store_true", help="one JSON object per check; the last is the summary")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    interface, address = _where(arguments)
    checks = examine(RealProbes(arguments.store), arguments.interface or interface, address)
    return tell(checks, arguments.json)


def _where(arguments: argparse.Namespace) -> tuple[str, str]:
    """Interface and address by the plan given, or the one in force."""
    if arguments.plan is not None:
        admin = plan_file.read_file(arguments.plan, shipped()).site.admin
        return admin.interface, admin.address
    try:
        with Reader(arguments.store) as reader:
            return (reader.plan.site.admin.interface, reader.plan.site.admin.address) if reader.plan is not None else ("", "")
    except StoreError as error:
        # No store yet is ordinary before the first run; a broken one is told by the check of the store.
        print(f"crowbar: no plan is known ({error})", file=sys.stderr)
        return "", ""


def tell(checks: Sequence[Check], as_json: bool) -> int:
    count = {grade: sum(check.grade == grade for check in checks) for grade in MARKS}
    if as_json:
        for check in checks:
            print(json.dumps({"type": "check", **to_json(check)}))
        print(json.dumps({"type": "summary", **count, "fit": not count["bad"]}))
        return 1 if count["bad"] else 0
    width = max(len(check.name) for check in checks)
    for check in checks:
        head = f"{MARKS[check.grade]}{check.name:<{width}}  "
        print(textwrap.fill(head + check.text, 100, subsequent_indent=" " * len(head), break_on_hyphens=False))
        if check.advice and check.grade != "ok":
            print(f"{'':>{len(head)}}try: {check.advice}")
    verdict = "fit to serve a rack" if not count["bad"] else "not fit to serve a rack yet"
    print(f"\n{count['ok']} ok, {count['warn']} to look at, {count['bad']} bad: {verdict}")
    return 1 if count["bad"] else 0
