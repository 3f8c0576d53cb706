"""`crowbar doctor`: checks whether this admin node can serve a rack, and says what to do if not. Exit code 1 if any check is bad."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence

from engine.api.control import Check, Reader, RealProbes, StoreError, examine, plan_file, site_catalog, to_json

from ..paths import path

MARKS = {"ok": "  ok  ", "warn": " warn ", "bad": " BAD  "}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("doctor", help="check this admin node: privileges, ports, interface, DHCP, clock, disk, images")
    command.add_argument(
        "--plan", type=path, default=None, metavar="FILE", help="check the interface and address of this plan (default: the committed plan)"
    )
    command.add_argument("--interface", default="", metavar="IF")
    command.add_argument("--json", action="store_true", help="print one JSON object per check; the last one is the summary")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    interface, address = _where(arguments)
    checks = examine(RealProbes(arguments.store), arguments.interface or interface, address)
    return tell(checks, arguments.json)


def _where(arguments: argparse.Namespace) -> tuple[str, str]:
    """The interface and address from the given plan, or from the committed one."""
    if arguments.plan is not None:
        admin = plan_file.read_file(arguments.plan, site_catalog(arguments.store)).site.admin
        return admin.interface, admin.address
    try:
        with Reader(arguments.store) as reader:
            return (reader.plan.site.admin.interface, reader.plan.site.admin.address) if reader.plan is not None else ("", "")
    except StoreError as error:
        # Before the first run there is no store. The check of the store reports a damaged one.
        print(f"crowbar: there is no plan to check against ({error})", file=sys.stderr)
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
    verdict = "this admin node can serve a rack" if not count["bad"] else "this admin node cannot serve a rack yet"
    print(f"\n{count['ok']} ok, {count['warn']} to look at, {count['bad']} bad: {verdict}")
    return 1 if count["bad"] else 0
