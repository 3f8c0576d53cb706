"""`crowbar status, nodes, roles, events, explain`: what is, and why. They read the store beside a running engine, or after it."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from engine.face import Reader, to_json

from .. import lines
from ..console.lifecycle import open_look_back, terminal


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    def command(name: str, text: str, run: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text)
        made.add_argument("--json", action="store_true", help="one JSON object per line")
        made.set_defaults(run=run)
        return made

    command("status", "how the rack is, and what it waits for", _status)
    command("nodes", "one line per node", _nodes)
    roles = command("roles", "one line per node role", _roles)
    roles.add_argument("node", nargs="?", default="")
    events = command("events", "what happened", _events)
    events.add_argument("--follow", action="store_true", help="go on as it happens")
    whole = "write the whole journal to a file for crowbar look-back (FILE.gz: packed)"
    events.add_argument("--export", type=Path, default=None, metavar="FILE", help=whole)
    events.add_argument("--after", type=int, default=0, metavar="SEQ", help="only what came after this number")
    back = commands.add_parser("look-back", help="a past run in the console, moment by moment: of a store, or of an exported journal")
    back.add_argument("where", nargs="?", type=Path, default=None, metavar="STORE|FILE")
    back.set_defaults(run=_look_back)
    explain = command("explain", "why a node or a role is as it is; where an attribute's value comes from", _explain)
    explain.add_argument("node")
    explain.add_argument("role", nargs="?", default="")
    explain.add_argument("attribute", nargs="?", default="")


def _status(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        summary = reader.summary()
        if arguments.json:
            print(json.dumps({"type": "status", "running": reader.running(), **to_json(summary)}))
        else:
            print(lines.summary(summary, reader.running()))
    return 0


def _nodes(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        rows = reader.nodes()
    if arguments.json:
        for row in rows:
            print(json.dumps({"type": "node", "node": row.name, **to_json(row)}))
    else:
        print(lines.nodes(rows, time.time()))
    return 0


def _roles(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        if arguments.node and reader.node(arguments.node) is None:
            return _no_such(reader, arguments.node)
        rows = reader.roles(arguments.node)
    if arguments.json:
        for row in rows:
            print(json.dumps({"type": "role", **to_json(row)}))
    else:
        print(lines.roles(rows))
    return 0


def _look_back(arguments: argparse.Namespace) -> int:
    if not terminal():
        print("crowbar: look-back needs a terminal; crowbar events prints what happened", file=sys.stderr)
        return 2
    return open_look_back(arguments.where or arguments.store)


def _export(arguments: argparse.Namespace) -> int:
    path = arguments.export.expanduser()
    with Reader(arguments.store) as reader:
        head = reader.export(path, time.time())
    body = {"type": "export", "file": str(path), "first": head.first, "last": head.last, "octets": path.stat().st_size}
    many = head.last - head.first + 1
    older = f"; {head.first - 1} older ones were pruned" if head.first > 1 else ""
    print(json.dumps(body) if arguments.json else f"{many} events in {path}{older}: crowbar look-back {shlex.quote(str(path))} opens it")
    return 0


def _events(arguments: argparse.Namespace) -> int:
    if arguments.export is not None:
        return _export(arguments)
    with Reader(arguments.store) as reader:
        for told in reader.story(after=arguments.after, follow=arguments.follow):
            print(json.dumps(told) if arguments.json else lines.told(told), flush=arguments.follow)
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        node = reader.node(arguments.node)
        if node is None:
            return _no_such(reader, arguments.node)
        if arguments.role and reader.role(arguments.node, arguments.role) is None:
            known = ", ".join(r.role for r in reader.roles(arguments.node))
            print(f"crowbar: node {node.name} has no role {arguments.role}; it has {known or 'none'}", file=sys.stderr)
            return 2
        if arguments.attribute:
            layers = reader.attribute(arguments.node, arguments.role, arguments.attribute)
            if layers is None:
                print(f"crowbar: there is no attribute {arguments.attribute}", file=sys.stderr)
                return 2
            body: dict[str, Any] = {"node": node.name, "role": arguments.role, "attribute": arguments.attribute, "layers": layers}
            print(json.dumps({"type": "explain", **body}) if arguments.json else lines.layers(body))
        elif arguments.role:
            row = reader.role(arguments.node, arguments.role)
            assert row is not None
            print(json.dumps({"type": "role", **to_json(row)}) if arguments.json else lines.why_role(row))
        else:
            roles = reader.roles(arguments.node)
            if arguments.json:
                print(json.dumps({"type": "explain", **to_json(node), "open": [to_json(r) for r in roles if r.why]}))
            else:
                print(lines.why_node(node, roles, time.time()))
    return 0


def _no_such(reader: Reader, name: str) -> int:
    known = ", ".join(n.name for n in reader.nodes()[:8])
    print(f"crowbar: there is no node {name}; known are {known or 'none'}", file=sys.stderr)
    return 2
