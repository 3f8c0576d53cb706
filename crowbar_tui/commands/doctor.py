"""`crowbar doctor`: checks whether this admin node can serve a rack, and says what to do if not. Exit code 1 if any check is bad.

`crowbar doctor bmc NODE` checks whether the BMC of a node is good enough for what the plan asks. The engine asks the BMC; it must run.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence

from engine.api.control import (
    Attached,
    AttachError,
    Check,
    Reader,
    RealProbes,
    Reason,
    StoreError,
    bmc_checks,
    bmc_said,
    bmc_wanted,
    examine,
    plan_file,
    site_catalog,
    to_json,
)

from .. import answers
from ..paths import path

BMC_S = 480.0
"""Seconds for all that a BMC is asked: old ones take a minute for their sensors, and DMTF's validator may take five."""
VERDICTS = ("this admin node can serve a rack", "this admin node cannot serve a rack yet")
BMC_VERDICTS = ("this BMC is good enough for the plan", "this BMC is not good enough for the plan")
MARKS = {"ok": "  ok  ", "warn": " warn ", "bad": " BAD  "}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("doctor", help="check this admin node: privileges, ports, interface, DHCP, clock, disk, images")
    command.add_argument("subject", nargs="?", choices=("bmc",), default=None, help="bmc: check the BMC of NODE instead of this admin node")
    command.add_argument("node", nargs="?", default=None, metavar="NODE")
    command.add_argument(
        "--plan", type=path, default=None, metavar="FILE", help="check the interface and address of this plan (default: the committed plan)"
    )
    command.add_argument("--interface", default="", metavar="IF")
    command.add_argument("--quick", action="store_true", help="with bmc: leave out DMTF's interop validator")
    command.add_argument("--json", action="store_true", help="print one JSON object per check; the last one is the summary")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.subject:
        return _bmc(arguments)
    interface, address = _where(arguments)
    checks = examine(RealProbes(arguments.store), arguments.interface or interface, address)
    return tell(checks, arguments.json)


def _bmc(arguments: argparse.Namespace) -> int:
    if not arguments.node:
        print("crowbar: name the node: crowbar doctor bmc NODE", file=sys.stderr)
        return 2
    with Reader(arguments.store) as reader:
        world, node = reader.world, reader.world.node_named(arguments.node)
    if node is None:
        print(f"crowbar: there is no node {arguments.node}", file=sys.stderr)
        return 2
    try:
        with Attached(arguments.store, timeout_s=BMC_S) as engine:
            answer = engine.bmc(node.id, interop=not arguments.quick)
    except AttachError as error:
        return answers.no_engine(error)
    if isinstance(answer, Reason):
        return answers.tell(node.name, "doctor", answer, arguments.json)
    return tell(bmc_checks(world, node, bmc_said(answer.result), bmc_wanted(world, node)), arguments.json, BMC_VERDICTS)


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


def tell(checks: Sequence[Check], as_json: bool, verdicts: tuple[str, str] = VERDICTS) -> int:
    """Prints them. `verdicts`: what it means if none is bad, and if one is. Returns the exit code."""
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
    print(f"\n{count['ok']} ok, {count['warn']} to look at, {count['bad']} bad: {verdicts[1] if count['bad'] else verdicts[0]}")
    return 1 if count["bad"] else 0
