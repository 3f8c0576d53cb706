"""`crowbar set` sets an attribute for nodes, for one role of a node, or for a deployment. `crowbar log` prints the log of an attempt.

crowbar set NODE[,NODE...] ATTRIBUTE VALUE        crowbar set NODE/ROLE ATTRIBUTE VALUE        crowbar set DEPLOYMENT ATTRIBUTE VALUE
crowbar set NODE ATTRIBUTE --clear                crowbar set NODE                             (list the values and their sources)
crowbar set NODE ATTRIBUTE#/a/0/b VALUE           (one place in the value, by JSON pointer)
crowbar set NODE ATTRIBUTE --secret-env VARIABLE  or --secret-file FILE, or typed at the prompt  (an attribute that holds a secret)
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal

from engine.api.control import (
    PlanError,
    PointerError,
    Reader,
    VaultError,
    attribute_rows,
    no_image,
    schema_at,
    secret_of,
    site_catalog,
    split_pointer,
    to_json,
    typed,
)

from .. import answers, lines
from ..console import terminal_text
from ..console.formats import ago
from ..console.logs import TAIL, Attempted, LogFile, of_node, tail

Layer = Literal["hint", "deployment", "role", "operator"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("set", help="set an attribute of a node, of one of its roles (NODE/ROLE) or of a deployment")
    command.add_argument("scope", metavar="NODE|NODE/ROLE|DEPLOYMENT")
    command.add_argument("attribute", nargs="?", default="", help="NAME, or NAME#/a/0/b for one place in its value (JSON pointer)")
    command.add_argument("value", nargs="?", default=None, help="text, or a value as in a plan file: 12, true, {level: raid1}")
    secret = command.add_mutually_exclusive_group()
    secret.add_argument("--secret-env", metavar="VARIABLE", default="", help="the value is a secret, in this environment variable")
    secret.add_argument("--secret-file", metavar="FILE", default="", help="the value is a secret, in this file")
    layer = "hint: weaker than the plan; role: of NODE/ROLE, weaker than what the engine computes (default: stronger than all others)"
    command.add_argument("--layer", choices=("hint", "role"), default="", help=layer)
    command.add_argument("--clear", action="store_true", help="remove the value; the value of the next weaker layer applies again")
    command.add_argument("--json", action="store_true", help="print one JSON object per line")
    command.set_defaults(run=_set)
    what = "show the log of a role's last attempt, the system log of a node, or its serial console"
    log = commands.add_parser("log", help=what)
    log.add_argument("node")
    log.add_argument("role", nargs="?", default="", help="a role, or `serial` (default: the role that runs or failed)")
    log.add_argument("--system", action="store_true", help="the system log that the node sends to the admin node (role log-client)")
    log.add_argument("--console", action="store_true", help="its serial console, as the engine recorded it through the BMC")
    log.add_argument("--list", action="store_true", help="list the logs")
    log.add_argument("--follow", action="store_true", help="print new lines as they come")
    log.set_defaults(run=_log)


def _set(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        names = [one for one in arguments.scope.split(",") if one]
        found = _layer(reader, names)
        rows = {} if found is None else {name: attribute_rows(reader.world, name) for name in names}
    if found is None:
        return 2
    if not arguments.attribute:
        return _show(rows, arguments.json)
    if arguments.layer and found == "deployment":
        return _wrong(f"a deployment has no layer {arguments.layer}: name nodes")
    layer: Layer = arguments.layer or found
    name, pointer = split_pointer(arguments.attribute)
    what = _given(arguments, name, pointer)
    if isinstance(what, str):
        return _wrong(what)
    asks = [(one, lambda engine, one=one: engine.set_attribute(layer, one, name, pointer=pointer, **what)) for one in names]
    return answers.ask_each(arguments.store, "set", asks, arguments.json)


def _wrong(why: str) -> int:
    print(f"crowbar: {why}", file=sys.stderr)
    return 2


def _given(arguments: argparse.Namespace, name: str, pointer: str) -> dict[str, Any] | str:
    """What to set: a value or a secret; or why there is none."""
    catalog = site_catalog(arguments.store)
    definition = catalog.attributes.get(name)
    source = {"env": arguments.secret_env} if arguments.secret_env else {"file": arguments.secret_file} if arguments.secret_file else {}
    secret = definition is not None and definition.secret
    if arguments.clear + (arguments.value is not None) + bool(source) > 1:
        return "give a value, or --clear"
    if arguments.clear:
        return {"clear": True}
    if source or (secret and arguments.value is None):
        return _secret(name, source)
    if secret:
        told = "other users of this machine see a command's arguments: use --secret-env or --secret-file, or leave the value out to type it"
        return f"{name} holds a secret; {told}"
    if arguments.value is None:
        return "give a value, or --clear"
    value: Any = arguments.value  # of a name that the catalogue does not know, the engine says what is wrong, or takes a hint
    if definition is not None:
        try:
            value = typed(arguments.value, schema_at(definition.schema, pointer))
        except (PlanError, PointerError) as error:
            return f"{arguments.attribute}: {error.mistakes[0].expected if isinstance(error, PlanError) else error}"
        if why := no_image(catalog, name, value):
            return f"{name}: {why}"
    return {"value": value}


def _secret(name: str, source: dict[str, str]) -> dict[str, Any] | str:
    """The secret from its source, or as typed."""
    if not source:
        if not sys.stdin.isatty():
            return f"{name} holds a secret: use --secret-env VARIABLE or --secret-file FILE"
        text: str | None = getpass.getpass(f"{name} (not shown): ")
    else:
        try:
            text = secret_of(name, source)
        except VaultError as error:
            return str(error)
    if not text:
        where = f"environment variable {source['env']}" if "env" in source else f"file {source['file']}" if source else "what you typed"
        return f"{name}: {where} holds no secret, or cannot be read"
    return {"secret": text}


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
    files = of_node(arguments.store, attempted, [node.uuid, node.serial, *node.macs], node.name, node.id)
    if arguments.list:
        for one in files:
            print(f"{ago(time.time(), one.at):>11}  {one.label:<44} {one.path}")
        return 0
    chosen = _chosen(files, attempted, "console" if arguments.console else "system" if arguments.system else arguments.role)
    if chosen is None and arguments.system:
        who = lines.short(node.name)
        say = f"crowbar: {who} has sent no system log: give it the role log-client (crowbar explain {arguments.node} log-client)"
        print(say, file=sys.stderr)
        return 1
    if chosen is None and arguments.console:
        who = lines.short(node.name)
        say = f"crowbar: the console of {who} was not recorded: crowbar set {arguments.node} console-record always"
        print(f"{say}; the machine must print on its serial port, and its BMC must have serial over LAN", file=sys.stderr)
        return 1
    if chosen is None:
        what = f"no log of {arguments.role}" if arguments.role else "no log"
        print(f"crowbar: {lines.short(node.name)} has {what}; list its logs with crowbar log {arguments.node} --list", file=sys.stderr)
        return 1
    return _print(chosen.path, arguments.follow)


def _chosen(files: list[LogFile], attempted: list[Attempted], role: str) -> LogFile | None:
    if role == "console":
        return next((f for f in files if f.kind in ("console", "serial")), None)
    if role in ("serial", "system"):
        return next((f for f in files if f.kind == role), None)
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
                    if not text and _moved(path, file.fileno()):
                        return _print(path, follow)  # full, and moved aside: a new one has begun
                    if not text:
                        time.sleep(0.5)
            except KeyboardInterrupt:
                return 0
    return 0


def _moved(path: Path, handle: int) -> bool:
    """True if another file has the name by now."""
    with contextlib.suppress(OSError):
        return path.stat().st_ino != os.fstat(handle).st_ino
    return False
