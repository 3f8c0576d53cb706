"""`crowbar health`: what Nagios says of each node and role, and where Prometheus listens."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from engine.api.control import Attached, AttachError, Receipt

from .. import lines


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = commands.add_parser("health", help="show what monitoring says of each node and role")
    made.add_argument("--json", action="store_true", help="print one JSON object per line: one for each check, then a summary")
    made.set_defaults(run=_health)


def _health(arguments: argparse.Namespace) -> int:
    try:
        with Attached(arguments.store, timeout_s=5.0) as engine:
            answer = engine.health()
    except AttachError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 1
    body = answer.result if isinstance(answer, Receipt) else None
    shown: dict[str, Any] = (body.get("monitoring") if isinstance(body, dict) else None) or {"state": "off"}
    rows = shown.pop("rows", [])
    if arguments.json:
        for row in rows:
            print(json.dumps({"type": "check", **row}))
        print(json.dumps({"type": "summary", **shown}))
    else:
        for line in lines.checks(shown, rows, time.time()):
            print(line)
    return 0
