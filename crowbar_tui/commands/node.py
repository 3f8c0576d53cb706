"""`crowbar node`, `role` and `commit`: what the console's keys do, as commands to the running engine.

    crowbar node NODE[,NODE...] VERB [VALUE]       crowbar node --group store VERB       crowbar node --all VERB
    crowbar role NODE ROLE VERB
    crowbar commit PLAN

Every node is asked for, also after a refusal; the exit code is 1 if anything was refused. What may cost disks their content wants `--yes`:
without it the command says which disks those are, and does nothing.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from pathlib import Path
from typing import Any

from engine.face import Reader, StoreError, plan_file, shipped

from .. import answers, lines

PLAIN = (
    "allocate", "approve", "available", "ban", "delete", "hold", "redeploy", "reinstall", "release", "reset", "retry", "unavailable",
    "unban",
)  # fmt: skip
WITH_VALUE = {
    "power": "on, off, cycle, soft or status",
    "identify": "seconds (60)",
    "install": "name of a system image (as the plan says)",
    "replace": "the new node",
    "merge": "the node that is the same machine",
    "split": "a UUID, serial or MAC that identifies nothing (all of the node's)",
}
NEEDS_VALUE = ("power", "replace", "merge")
NODE_VERBS = tuple(sorted([*PLAIN, *WITH_VALUE]))
ROLE_VERBS = ("approve", "redeploy", "retry", "skip")
DESTROYS = ("install", "redeploy", "reinstall", "reset")
ONE_ONLY = ("replace", "merge", "split")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    node = commands.add_parser(
        "node", help="do something to nodes: power, allocate, hold, reinstall, ...",
        usage="crowbar node NODE[,NODE...] VERB [VALUE] [--json]",
        description="Verbs: " + ", ".join(f"{v} [{WITH_VALUE[v]}]" if v in WITH_VALUE else v for v in NODE_VERBS),
    )  # fmt: skip
    node.add_argument("words", nargs="+", metavar="NODE VERB")
    node.add_argument("--all", action="store_true", help="every server, in place of names")
    node.add_argument("--group", default="", metavar="NAME", help="every server of a group, in place of names")
    node.add_argument("--force", action="store_true", help="power: although an attempt is running")
    _common(node, _node)
    role = commands.add_parser("role", help="do something to one role of nodes: " + ", ".join(ROLE_VERBS))
    role.add_argument("node", metavar="NODE")
    role.add_argument("role", metavar="ROLE")
    role.add_argument("verb", choices=ROLE_VERBS)
    _common(role, _role)
    commit = commands.add_parser("commit", help="make a plan the wanted state of the running engine")
    commit.add_argument("plan", type=Path, nargs="?", default=None)
    commit.add_argument("--revision", type=int, default=0, metavar="N", help="an earlier revision, in place of a file: go back to it")
    commit.add_argument("--json", action="store_true")
    commit.set_defaults(run=_commit)


def _common(command: argparse.ArgumentParser, run: Any) -> None:
    command.add_argument("--yes", action="store_true", help="although disks may lose what is on them")
    command.add_argument("--json", action="store_true", help="one JSON object per node")
    command.set_defaults(run=run)


def _node(arguments: argparse.Namespace) -> int:
    words = list(arguments.words)
    everywhere = arguments.all or bool(arguments.group)
    names = [] if everywhere else [name for name in words.pop(0).split(",") if name]
    verb, rest = (words[0], words[1:]) if words else ("", [])
    wrong = _misuse(verb, rest, names, everywhere)
    if wrong:
        print(f"crowbar: {wrong}", file=sys.stderr)
        return 2
    if everywhere:
        with Reader(arguments.store) as reader:
            names = [row.name for row in (reader.group(arguments.group) if arguments.group else reader.nodes())]
        if not names:
            print(f"crowbar: no server is {'in group ' + arguments.group if arguments.group else 'known'}", file=sys.stderr)
            return 2
    if verb in DESTROYS and not arguments.yes:
        return _would_destroy(arguments, verb, names)
    value = _value(verb, rest, arguments.force)
    asks = [(name, lambda engine, name=name: engine.operate(verb, name, value=value)) for name in names]
    return answers.ask_each(arguments.store, verb, asks, arguments.json)


def _misuse(verb: str, rest: list[str], names: list[str], everywhere: bool) -> str:
    if not verb:
        return f"say what to do: {', '.join(NODE_VERBS)}"
    if verb not in NODE_VERBS:
        near = difflib.get_close_matches(verb, NODE_VERBS, 1)
        return f"{verb} is no verb for a node" + (f"; did you mean {near[0]}?" if near else f": there are {', '.join(NODE_VERBS)}")
    if not names and not everywhere:
        return "name a node, or use --all or --group"
    if verb in NEEDS_VALUE and not rest:
        return f"{verb} needs a value: {WITH_VALUE[verb]}"
    if len(rest) > (1 if verb in WITH_VALUE else 0):
        return f"too much after {verb}: {' '.join(rest)}"
    if verb in ONE_ONLY and (everywhere or len(names) != 1):
        return f"{verb} is for one node"
    if verb == "identify" and rest and not rest[0].isdecimal():
        return f"identify takes a number of seconds, not {rest[0]}"
    return ""


def _value(verb: str, rest: list[str], force: bool) -> Any:
    if not rest:
        return None
    if verb == "identify":
        return int(rest[0])
    if verb == "power" and force:
        return {"action": rest[0], "force": True}
    return rest[0]


def _would_destroy(arguments: argparse.Namespace, verb: str, names: list[str]) -> int:
    """Say which disks; nothing is done. Exit code 1."""
    try:
        with Reader(arguments.store) as reader:
            for name in names:
                row = reader.node(name)
                if row is None:
                    print(f"crowbar: there is no node {name}", file=sys.stderr)
                    continue
                disks = reader.disks(name)
                if arguments.json:
                    told = [{k: d.get(k) for k in ("name", "serial", "size", "signature")} for d in disks]
                    print(json.dumps({"type": "would-destroy", "node": row.name, "verb": verb, "disks": told}))
                else:
                    _tell_disks(verb, row.name, disks)
    except StoreError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2
    if not arguments.json:
        print(f"nothing was done: add --yes to {verb}", file=sys.stderr)
    return 1


def _tell_disks(verb: str, node: str, disks: list[dict[str, Any]]) -> None:
    if not disks:
        print(f"{lines.short(node)}: its disks are not known yet")
        return
    print(f"{lines.short(node)}: {verb} may destroy what is on")
    for disk in disks:
        size = int(disk.get("size") or 0)
        amount = f"{size / 1e12:.1f} TB" if size >= 1e12 else f"{size / 1e9:.0f} GB"
        print(f"  {disk.get('name', '?'):<10} {disk.get('serial') or 'no serial':<24} {amount:>9}  {disk.get('signature') or 'blank'}")


def _role(arguments: argparse.Namespace) -> int:
    names = [name for name in arguments.node.split(",") if name]
    if arguments.verb == "redeploy" and not arguments.yes and _is_destructive(arguments.role):
        return _would_destroy(arguments, f"redeploy of {arguments.role}", names)
    asks = [(name, lambda engine, name=name: engine.operate(arguments.verb, name, arguments.role)) for name in names]
    return answers.ask_each(arguments.store, arguments.verb, asks, arguments.json)


def _is_destructive(role: str) -> bool:
    found = shipped().roles.get(role)
    return found is None or found.destructive


def _commit(arguments: argparse.Namespace) -> int:
    if (arguments.plan is None) == (not arguments.revision):
        print("crowbar: give a plan file, or --revision N", file=sys.stderr)
        return 2
    if arguments.revision:
        with Reader(arguments.store) as reader:
            text = reader.revision(arguments.revision) or ""
        if not text:
            print(f"crowbar: there is no revision {arguments.revision}; crowbar plan revisions lists them", file=sys.stderr)
            return 1
        name = f"revision-{arguments.revision}.yml"
        return answers.ask_each(arguments.store, "commit", [("", lambda engine: engine.commit(text, name))], arguments.json)
    plan_file.read_file(arguments.plan, shipped())  # its mistakes are told here, with exit code 2
    text = arguments.plan.read_text(encoding="utf-8")
    return answers.ask_each(arguments.store, "commit", [("", lambda engine: engine.commit(text, arguments.plan.name))], arguments.json)
