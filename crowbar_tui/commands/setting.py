"""`crowbar set` sets an attribute for nodes, for one role of a node, or for a deployment. `crowbar log` prints the log of an attempt.

crowbar set NODE[,NODE...] ATTRIBUTE VALUE        crowbar set NODE/ROLE ATTRIBUTE VALUE        crowbar set DEPLOYMENT ATTRIBUTE VALUE
crowbar set NODE ATTRIBUTE --clear                crowbar set NODE                             (list the values and their sources)
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Literal

from engine.api.control import PlanError, Reader, attribute_rows, no_image, site_catalog, to_json, typed

from .. import answers, lines
from ..console import terminal_text
from ..console.formats import ago
from ..console.logs import TAIL, Attempted, LogFile, of_node, tail


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("set", help="set an attribute of a node, of one of its roles (NODE/ROLE) or of a deployment")
    command.add_argument("scope", metavar="NODE|NODE/ROLE|DEPLOYMENT")
    command.add_argument("attribute", nargs="?", default="")
    command.add_argument("value", nargs="?", default=None, help="text, or a value as in a plan file: 12, true, {level: raid1}")
    command.add_argument("--clear", action="store_true", help="remove the value; the value of the next weaker layer applies again")
    command.add_argument("--json", action="store_true", help="print one JSON object per line")
    command.set_defaults(run=_set)
    log = commands.add_parser("log", help="show the log of a role's last attempt, or the serial console of a rehearsal machine")
    log.add_argument("node")
    log.add_argument("role", nargs="?", default="", help="a role, or `serial` (default: the role that runs or failed)")
    log.add_argument("--list", action="store_true", help="list the logs")
    log.add_argument("--follow", action="store_true", help="print new lines as they come")
    log.set_defaults(run=_log)


def _set(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        names = [one for one in arguments.scope.split(",") if one]
        layer = _layer(reader, names)
        rows = {} if layer is None else {name: attribute_rows(reader.world, name) for name in names}
    if layer is None:
        return 2
    if not arguments.attribute:
        return _show(rows, arguments.json)
    if arguments.clear == (arguments.value is not None):
        print("crowbar: give a value, or --clear", file=sys.stderr)
        return 2
    value = None
    catalog = site_catalog(arguments.store)
    definition = catalog.attributes.get(arguments.attribute)
    if definition is not None and not arguments.clear:
        try:
            value = typed(arguments.value, definition.schema)
        except PlanError as error:
            print(f"crowbar: {arguments.attribute}: {error.mistakes[0].expected}", file=sys.stderr)
            return 2
        if why := no_image(catalog, arguments.attribute, value):
            print(f"crowbar: {arguments.attribute}: {why}", file=sys.stderr)
            return 2
    asks = [
        (name, lambda engine, name=name: engine.set_attribute(layer, name, arguments.attribute, value, arguments.clear)) for name in names
    ]
    return answers.ask_each(arguments.store, "set", asks, arguments.json)


def _layer(reader: Reader, names: list[str]) -> Literal["deployment", "operator"] | None:
    """Looks the names up, nodes before deployments. None: a name is unknown, and the message is printed."""
    found: set[Literal["deployment", "operator"]] = set()
    for name in names:
        node = reader.world.node_named(name.partition("/")[0])
        if node is None and name not in reader.world.deployments:
            known = ", ".join([*(lines.short(row.name) for row in reader.nodes()[:8]), *sorted(reader.world.deployments)])
            print(f"crowbar: there is no node or deployment {name}; known: {known or 'none'}", file=sys.stderr)
            return None
        found.add("deployment" if node is None else "operator")
    if len(found) > 1:
        print("crowbar: name either nodes or deployments, not both", file=sys.stderr)
        return None
    return found.pop() if found else None


def _show(rows: dict[str, list[Any]], as_json: bool) -> int:
    for name, some in rows.items():
        if as_json:
            for one in some:
                print(json.dumps({"type": "attribute", "scope": name, **to_json(one)}))
            continue
        width = max((len(one.name) for one in some), default=10)
        for one in some:
            value = "(secret)" if one.secret else json.dumps(one.value)
            print(f"{one.name:<{width}}  {one.layer or 'nobody':<10}  {lines.short(one.by):<14}  {value}")
    return 0


def _log(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        node = reader.world.node_named(arguments.node)
        if node is None:
            known = ", ".join(n.name for n in reader.nodes()[:8])
            print(f"crowbar: there is no node {arguments.node}; known nodes: {known or 'none'}", file=sys.stderr)
            return 2
        mine = [reader.world.node_roles[key] for key in reader.world.roles_of.get(node.id, ())]
        attempted = [Attempted(r.role, r.attempt, r.state.value) for r in mine]
    files = of_node(arguments.store, attempted, [node.uuid, node.serial, *node.macs])
    if arguments.list:
        for one in files:
            print(f"{ago(time.time(), one.at):>11}  {one.label:<44} {one.path}")
        return 0
    chosen = _chosen(files, attempted, arguments.role)
    if chosen is None:
        what = f"no log of {arguments.role}" if arguments.role else "no log"
        print(f"crowbar: {lines.short(node.name)} has {what}; list its logs with crowbar log {arguments.node} --list", file=sys.stderr)
        return 1
    return _print(chosen.path, arguments.follow)


def _chosen(files: list[LogFile], attempted: list[Attempted], role: str) -> LogFile | None:
    if role == "serial":
        return next((f for f in files if f.kind == "serial"), None)
    if role:
        return next((f for f in files if f.role == role), None)
    wanted = [a.role for a in attempted if a.state in ("transition", "error")]
    return next((f for r in wanted for f in files if f.role == r), files[0] if files else None)


def _print(path: Path, follow: bool) -> int:
    found = tail(path)
    print(*found.lines, sep="\n", flush=True)
    if follow:
        with path.open("r", encoding="utf-8", errors="replace") as file:
            file.seek(found.size)
            begun = ""
            try:
                while True:
                    text = file.read(TAIL)
                    whole, end, begun = (begun + text).rpartition("\n")
                    if len(begun) > TAIL:
                        whole, end, begun = begun, "\n", ""
                    if end:
                        print(*terminal_text.lines(whole), sep="\n", flush=True)
                    if not text:
                        time.sleep(0.5)
            except KeyboardInterrupt:
                return 0
    return 0
