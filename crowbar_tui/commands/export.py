"""`crowbar export` writes the nodes for other programs: one JSON object per node, an Ansible inventory, or a CSV table.

It reads the store, with or without a running engine. Secrets are never in it.
"""

from __future__ import annotations

import argparse
import json
import sys

from engine.api.control import Reader, to_json

from .. import inventories
from ..paths import path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("export", help="write the nodes as JSON, as an Ansible inventory or as a CSV table")
    command.add_argument("--store", type=path, default=argparse.SUPPRESS, metavar="DIR", help="as before the command")
    form = command.add_mutually_exclusive_group(required=True)
    form.add_argument("--json", action="store_const", dest="form", const="json", help="one JSON object per node")
    form.add_argument(
        "--ansible", action="store_const", dest="form", const="ansible", help="a static inventory (JSON), with groups and variables"
    )
    form.add_argument("--csv", action="store_const", dest="form", const="csv", help="a table for spreadsheets (RFC 4180)")
    command.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        nodes = reader.exported()
    if arguments.form == "json":
        for node in nodes:
            print(json.dumps({"type": "node", **to_json(node)}))
    elif arguments.form == "ansible":
        print(inventories.ansible(nodes), end="")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(inventories.table(nodes).encode())  # the printed text may not have its carriage returns
        sys.stdout.buffer.flush()
    return 0
