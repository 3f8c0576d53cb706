"""`crowbar status, nodes, roles, events, explain`: the state of the rack and its reasons. They read the store, with or without a running
engine."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from engine.api.control import Attached, AttachError, PointerError, Reader, Receipt, to_json, versions

from .. import lines, package_lines
from ..console.lifecycle import open_look_back, terminal
from ..long_task import LongTask
from ..paths import path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    def command(name: str, text: str, run: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text)
        made.add_argument("--json", action="store_true", help="print one JSON object per line")
        made.set_defaults(run=run)
        return made

    command("status", "show the state of the rack and what it waits for", status)
    command("nodes", "show one line per node", _nodes)
    roles = command("roles", "show one line per node role", _roles)
    roles.add_argument("node", nargs="?", default="")
    events = command("events", "show what happened", _events)
    events.add_argument("--follow", action="store_true", help="print new events as they happen")
    whole = "write the whole journal to a file for crowbar look-back (FILE.gz: compressed)"
    events.add_argument("--export", type=path, default=None, metavar="FILE", help=whole)
    events.add_argument("--after", type=int, default=0, metavar="SEQ", help="show only the events after this number")
    back = commands.add_parser("look-back", help="replay a past run in the console, from a store or an exported journal")
    back.add_argument("where", nargs="?", type=path, default=None, metavar="STORE|FILE")
    back.set_defaults(run=_look_back)
    explain = command("explain", "explain why a node or a role is in its state, or where an attribute's value comes from", _explain)
    explain.add_argument("node")
    explain.add_argument("role", nargs="?", default="")
    explain.add_argument("attribute", nargs="?", default="", help="NAME, or NAME#/a/b for one place in its value (JSON pointer)")


def status(arguments: argparse.Namespace) -> int:
    """Prints the state of the rack. Needs `store` and `json` of the arguments."""
    with Reader(arguments.store) as reader:
        summary, running, drift = reader.summary(), reader.running(), reader.drift()
        health = _health(arguments.store) if running else {}
        drops = [one for one in health.get("drops") or [] if isinstance(one, dict)]
        floods, hushed = [one for one in health.get("floods") or [] if isinstance(one, dict)], int(health.get("hushed") or 0)
        api, interface, process = health.get("api") or {}, health.get("interface") or {}, health.get("process") or {}
        monitoring = health.get("monitoring") or {}
        packages = health.get("package_cache") or {}
        later = lines.other_catalogue(health, versions(reader.catalog), [stage.name for stage in reader.catalog.stages])
        if arguments.json:
            told = {
                "leading": health.get("leading") or {},
                "drops": drops,
                "floods": floods,
                "hushed": hushed,
                "interface": interface,
                "process": process,
                "api": api,
                "monitoring": {key: value for key, value in monitoring.items() if key != "rows"},
                "red": [row for row in monitoring.get("rows") or [] if row["red"]],
                "packages": packages,
                "next_start": later,
                "drift": {"words": drift.words, **to_json(drift)},
            }
            print(json.dumps({"type": "status", "running": running, **to_json(summary), **told}))
        else:
            told_of = (
                *lines.leading(health.get("leading") or {}, time.time()),
                *lines.process(interface, process),
                *lines.api(api),
                *lines.monitoring(monitoring),
                *(f"  {line}" for line in package_lines.troubles(packages, time.time())),
                *lines.drops(drops),
                *lines.floods(floods, hushed),
            )
            beside = [f"  drift: {drift.words}; crowbar plan diff shows them"] if drift.words else []
            for line in (lines.summary(summary, running), *beside, *told_of, *(f"  {line}" for line in later)):
                print(line)
    return 0


def _health(store: Path) -> dict[str, Any]:
    """The figures of the running engine. Empty if it does not answer: the rest of the status comes from the store."""
    try:
        with Attached(store, timeout_s=5.0) as engine:
            answer = engine.health()
    except AttachError:
        return {}
    body = answer.result if isinstance(answer, Receipt) else None
    return body if isinstance(body, dict) else {}


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
        print("crowbar: look-back needs a terminal; without one, use crowbar events", file=sys.stderr)
        return 2
    return open_look_back(arguments.where or arguments.store)


def _export(arguments: argparse.Namespace) -> int:
    file = arguments.export
    with Reader(arguments.store) as reader, LongTask(f"export {file.name}", arguments.json) as task:
        head = reader.export(file, time.time(), task.moved)
    body = {"type": "export", "file": str(file), "first": head.first, "last": head.last, "octets": file.stat().st_size}
    many = head.last - head.first + 1
    older = f"; {head.first - 1} older events were deleted earlier" if head.first > 1 else ""
    print(
        json.dumps(body) if arguments.json else f"{many} events in {file}{older}: open it with crowbar look-back {shlex.quote(str(file))}"
    )
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
            having = ", ".join(r.role for r in reader.roles(arguments.node))
            print(f"crowbar: node {node.name} has no role {arguments.role}; it has {having or 'none'}", file=sys.stderr)
            return 2
        if arguments.attribute:
            try:
                explained = reader.attribute(arguments.node, arguments.role, arguments.attribute)
            except PointerError as error:
                print(f"crowbar: {arguments.attribute}: {error}", file=sys.stderr)
                return 2
            if explained is None:
                print(_no_attribute(reader, arguments.role, arguments.attribute), file=sys.stderr)
                return 2
            print(json.dumps({"type": "explain", **to_json(explained)}) if arguments.json else lines.layers(explained))
        elif arguments.role:
            row = reader.role(arguments.node, arguments.role)
            assert row is not None
            network = arguments.role.removeprefix("network-")
            carried = reader.carriers(arguments.node, network) if network != arguments.role else ()
            if arguments.json:
                print(json.dumps({"type": "role", **to_json(row)} | ({"networks": [to_json(one) for one in carried]} if carried else {})))
            else:
                print("\n".join([lines.why_role(row), *lines.carriers(carried)]))
        else:
            roles, facts, carried = reader.roles(arguments.node), reader.facts(arguments.node), reader.carriers(arguments.node)
            if arguments.json:
                known = [to_json(d) for d in reader.disks(arguments.node)]
                told = [{"label": label, "text": text} for label, text in facts]
                still = [to_json(r) for r in roles if r.why or r.findings]
                nets = [to_json(one) for one in carried]
                print(json.dumps({"type": "explain", **to_json(node), "open": still, "facts": told, "disks": known, "networks": nets}))
            else:
                print(lines.why_node(node, roles, time.time(), facts))
                if carried:
                    print("\n".join(["networks:", *lines.carriers(carried)]))
                if disks := reader.disks(arguments.node):
                    print("\n".join(["disks:", *lines.disk_rows(disks)]))
    return 0


def _no_attribute(reader: Reader, role: str, name: str) -> str:
    name = name.partition("#")[0]
    definition = reader.catalog.roles.get(role)
    reads = ", ".join(definition.reads) if definition is not None else ""
    return f"crowbar: there is no attribute {name}; {role} reads {reads or 'none'}"


def _no_such(reader: Reader, name: str) -> int:
    known = ", ".join(n.name for n in reader.nodes()[:8])
    print(f"crowbar: there is no node {name}; known nodes: {known or 'none'}", file=sys.stderr)
    return 2
