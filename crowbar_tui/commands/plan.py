"""`crowbar plan check`: is this plan right? Needs no rack and no store."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.face import PlanError, plan_file, shipped


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = commands.add_parser("plan", help="check a plan").add_subparsers(dest="verb", required=True, metavar="VERB")
    check = group.add_parser("check", help="say whether a plan is right, and where it is not")
    check.add_argument("plan", type=Path)
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    try:
        found = plan_file.read_file(arguments.plan, shipped())
    except PlanError as error:
        if arguments.json:
            for mistake in error.mistakes:
                print(json.dumps({"type": "mistake", "text": str(mistake)}))
        else:
            print(error, file=sys.stderr)
        return 2
    roles = sum(len(d.roles) for d in found.deployments.values())
    if arguments.json:
        print(json.dumps({"type": "summary", "ok": True, "networks": len(found.networks), "roles": roles}))
    else:
        print(f"{arguments.plan.name} is right: {len(found.networks)} networks, {len(found.rules)} rules, {roles} roles wanted")
    return 0
