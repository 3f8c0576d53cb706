"""`crowbar node`, `role`, `redeploy` and `commit`: the console's commands, sent to the running engine.

    crowbar node NODE[,NODE...] VERB [VALUE]       crowbar node --group store VERB       crowbar node --all VERB
    crowbar node import FILE                       (`machines` explains it)
    crowbar node join ADDRESS[:PORT]               (`join` explains it)
    crowbar node place NODE RACK UNIT [--by label]
    crowbar role NODE ROLE VERB
    crowbar redeploy [--deployment NAME]
    crowbar commit PLAN

The command goes to every node, even after a refusal. The exit code is 1 if anything was refused. A command that may destroy data needs
`--yes`. Without it the command lists the disks and does nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from engine.api.control import (
    Attached,
    AttachError,
    Disk,
    NodePreview,
    Plan,
    PlanError,
    Reader,
    Receipt,
    StoreError,
    commit_plan,
    deployed,
    plan_file,
    site_catalog,
    to_json,
    version_remarks,
)
from engine.api.views import verbs

from .. import answers, lines
from ..paths import path
from . import join, machines


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    node = commands.add_parser(
        "node",
        help="act on nodes: power, allocate, hold, reinstall, ...",
        usage="crowbar node NODE[,NODE...] VERB [VALUE] [--json]\n"
        "       crowbar node import FILE [--plan FILE] [--write FILE] [--yes] [--json]\n"
        "       crowbar node place NODE RACK UNIT [--by label] [--json]\n"
        "       crowbar node join ADDRESS[:PORT] [--user USER] [--name NAME] [--key FILE | --password-stdin] "
        "[--host-key FINGERPRINT] [--json]",
        description="Verbs: " + ", ".join(f"{v.name} [{v.takes.what}]" if v.takes else v.name for _, v in sorted(verbs.OF_NODES.items())),
    )
    node.add_argument("words", nargs="+", metavar="NODE VERB")
    node.add_argument("--all", action="store_true", help="every server, instead of names")
    node.add_argument("--group", default="", metavar="NAME", help="every server of a group, instead of names")
    node.add_argument("--force", action="store_true", help="for power: also while an attempt runs on the node")
    node.add_argument("--by", choices=("person", "label"), default="person", help="for place: who says it (default: person)")
    machines.options(node)
    join.options(node)
    _common(node, _node)
    role = commands.add_parser("role", help="act on one role of nodes: " + ", ".join(sorted(verbs.OF_ROLES)))
    role.add_argument("node", metavar="NODE")
    role.add_argument("role", metavar="ROLE")
    role.add_argument("verb", choices=sorted(verbs.OF_ROLES))
    _common(role, _role)
    redeploy = commands.add_parser("redeploy", help="rebuild the whole rack by its plan: everything runs again but the discovery")
    redeploy.add_argument("--deployment", default="", metavar="NAME", help="only the nodes with roles in this deployment, or below it")
    _common(redeploy, _redeploy)
    commit = commands.add_parser("commit", help="make a plan the goal of the running engine")
    commit.add_argument("plan", type=path, nargs="?", default=None)
    commit.add_argument("--revision", type=int, default=0, metavar="N", help="go back to an earlier revision, instead of a file")
    moved = "commit only if revision N is in force, so that nobody's newer commit is lost (0: no plan yet)"
    commit.add_argument("--if-revision", type=int, default=None, metavar="N", help=moved)
    commit.add_argument("--json", action="store_true")
    commit.set_defaults(run=_commit)


def _common(command: argparse.ArgumentParser, run: Any) -> None:
    command.add_argument("--yes", action="store_true", help="confirm that disks may lose their data")
    command.add_argument("--json", action="store_true", help="print one JSON object per node")
    command.set_defaults(run=run)


def _node(arguments: argparse.Namespace) -> int:
    words = list(arguments.words)
    if words[0] == "import" and len(words) == 2 and verbs.find(words[1]) is None:
        return machines.add_machines(arguments, path(words[1]))
    if arguments.plan is not None or arguments.write is not None:
        print("crowbar: --plan and --write go with crowbar node import FILE", file=sys.stderr)
        return 2
    if words[0] == "place" and verbs.find("place") is None:
        return _place(arguments, words[1:])
    if words[0] == "join" and len(words) == 2 and verbs.find(words[1]) is None:
        return join.adopt(arguments, words[1])
    if join.given(arguments):
        print("crowbar: --user, --name, --key, --password-stdin and --host-key go with crowbar node join ADDRESS", file=sys.stderr)
        return 2
    everywhere = arguments.all or bool(arguments.group)
    names = [] if everywhere else [name for name in words.pop(0).split(",") if name]
    verb = verbs.find(words[0]) if words else None
    wrong = _no_verb(words) if verb is None else _misuse(verb, words[1:], names, everywhere)
    if verb is None or wrong:
        print(f"crowbar: {wrong}", file=sys.stderr)
        return 2
    if everywhere:
        with Reader(arguments.store) as reader:
            names = [row.name for row in (reader.group(arguments.group) if arguments.group else reader.nodes())]
        if not names:
            print(f"crowbar: no server is {'in group ' + arguments.group if arguments.group else 'known'}", file=sys.stderr)
            return 2
    if verb.destroys and not arguments.yes:
        return _would_destroy(arguments, verb.name, names)
    value = _value(verb, words[1:], arguments.force)
    asks = [(name, lambda engine, name=name: engine.operate(verb.name, name, value=value)) for name in names]
    return answers.ask_each(arguments.store, verb.name, asks, arguments.json)


def _place(arguments: argparse.Namespace, words: list[str]) -> int:
    """Sets where a node stands, by a person or a label."""
    if len(words) != 3 or not words[2].isdecimal():
        print("crowbar: expected crowbar node place NODE RACK UNIT [--by label]", file=sys.stderr)
        return 2
    name, value = words[0], {"rack": words[1], "unit": int(words[2]), "by": arguments.by}
    asks = [(name, lambda engine: engine.set_attribute("operator", name, "location", value=value))]
    return answers.ask_each(arguments.store, "place", asks, arguments.json)


def _no_verb(words: list[str]) -> str:
    every = ", ".join(sorted(verbs.OF_NODES))
    if not words or not words[0]:
        return f"a verb is missing: {every}"
    near = verbs.nearest(words[0])
    return f"{words[0]} is not a verb for nodes" + (f"; did you mean {near}?" if near else f"; the verbs are {every}")


def _misuse(verb: verbs.Verb, rest: list[str], names: list[str], everywhere: bool) -> str:
    takes = verb.takes
    if not names and not everywhere:
        return "name a node, or use --all or --group"
    if takes is not None and takes.required and not rest:
        return f"{verb.name} needs a value: {takes.what}"
    if len(rest) > (1 if takes is not None else 0):
        return f"too many words after {verb.name}: {' '.join(rest)}"
    if verb.one and (everywhere or len(names) != 1):
        return f"{verb.name} takes only one node"
    if takes is not None and takes.kind == "seconds" and rest and not rest[0].isdecimal():
        return f"{verb.name} takes a number of seconds, not {rest[0]}"
    return ""


def _value(verb: verbs.Verb, rest: list[str], force: bool) -> Any:
    if not rest or verb.takes is None:
        return None
    if verb.takes.kind == "seconds":
        return int(rest[0])
    if verb.takes.kind == "choice" and force:
        return {"action": rest[0], "force": True}
    return rest[0]


def _would_destroy(arguments: argparse.Namespace, verb: str, names: list[str], role: str = "") -> int:
    """Lists the disks as they are now. Changes nothing. Exit code 1."""
    what = f"{verb} of {role}" if role else verb
    try:
        with Reader(arguments.store) as reader:
            looks = _looks(arguments.store, names) if reader.running() else {}
            for name in names:
                row = reader.node(name)
                shown = reader.preview(verb, name, role, looks.get(row.id)) if row is not None else None
                if row is None or shown is None:
                    print(f"crowbar: there is no node {name}", file=sys.stderr)
                    continue
                lost, kept = (shown.disks, shown.kept) if shown.destroys else _chosen(reader.disks(name))
                if arguments.json:
                    print(json.dumps(_as_json(row.name, what, shown, lost, kept)))
                else:
                    _tell_disks(what, row.name, shown, lost, kept)
    except StoreError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2
    if not arguments.json:
        print(f"nothing was changed: to {what}, add --yes", file=sys.stderr)
    return 1


def _looks(store: Path, names: list[str]) -> dict[str, Any]:
    """Node id -> the node's disks as it reports them now. Empty if the engine does not answer; then the store's view is shown."""
    try:
        with Attached(store) as engine:
            answer = engine.disks(names)
    except AttachError as error:
        print(f"crowbar: cannot ask the nodes for their disks: {error}", file=sys.stderr)
        return {}
    found = answer.result if isinstance(answer, Receipt) else None
    return found if isinstance(found, dict) else {}


def _chosen(disks: list[Disk]) -> tuple[tuple[Disk, ...], tuple[Disk, ...]]:
    """For a node without bound roles: the disks that an install would take, and the other disks."""
    return tuple(d for d in disks if d.chosen), tuple(d for d in disks if not d.chosen)


def _as_json(node: str, what: str, shown: NodePreview, lost: tuple[Disk, ...], kept: tuple[Disk, ...]) -> dict[str, Any]:
    keys = ("name", "serial", "wwn", "size", "signature", "use", "state")
    return {
        "type": "would-destroy",
        "node": node,
        "verb": what,
        "disks": [{key: getattr(d, key) for key in keys} for d in lost],
        "kept": [{key: getattr(d, key) for key in (*keys, "why")} for d in kept],
        "as_of": shown.as_of,
        "asked": shown.asked,
        "not_asked": to_json(shown.unseen) if shown.unseen is not None else None,
    }


def _tell_disks(what: str, node: str, shown: NodePreview, lost: tuple[Disk, ...], kept: tuple[Disk, ...]) -> None:
    if not lost and not kept:
        print(f"{lines.short(node)}: the engine does not know its disks yet")
        return
    danger = "may destroy the data on these disks" if lost else "destroys no disk"
    print(f"{lines.short(node)}: {what} {danger} ({lines.disks_seen(shown, time.time())})")
    if lost:
        print("\n".join(lines.disk_rows(lost)))
    if kept:
        print("not touched")
        print("\n".join(lines.disk_rows(kept)))


def _role(arguments: argparse.Namespace) -> int:
    names = [name for name in arguments.node.split(",") if name]
    if verbs.OF_ROLES[arguments.verb].destroys and not arguments.yes and _is_destructive(arguments.store, arguments.role):
        return _would_destroy(arguments, arguments.verb, names, arguments.role)
    asks = [(name, lambda engine, name=name: engine.operate(arguments.verb, name, arguments.role)) for name in names]
    return answers.ask_each(arguments.store, arguments.verb, asks, arguments.json)


def _redeploy(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        world = reader.world
        if arguments.deployment and arguments.deployment not in world.deployments:
            known = ", ".join(sorted(world.deployments)) or "none"
            print(f"crowbar: there is no deployment {arguments.deployment}; known: {known}", file=sys.stderr)
            return 2
        names = deployed(world, arguments.deployment)
    if not names:
        print(f"crowbar: no allocated server has a role in {arguments.deployment or 'the plan'}", file=sys.stderr)
        return 2
    if not arguments.yes:
        return _would_destroy(arguments, "redeploy", names)
    asks = [(name, lambda engine, name=name: engine.operate("redeploy", name)) for name in names]
    return answers.ask_each(arguments.store, "redeploy", asks, arguments.json)


def _is_destructive(store: Path, role: str) -> bool:
    found = site_catalog(store).roles.get(role)
    return found is None or found.destructive


def _commit(arguments: argparse.Namespace) -> int:
    if (arguments.plan is None) == (not arguments.revision):
        print("crowbar: give a plan file, or --revision N", file=sys.stderr)
        return 2
    if arguments.revision:
        with Reader(arguments.store) as reader:
            text = reader.revision(arguments.revision) or ""
        if not text:
            print(f"crowbar: there is no revision {arguments.revision}; list them with crowbar plan revisions", file=sys.stderr)
            return 1
        name = f"revision-{arguments.revision}.yml"
        with contextlib.suppress(PlanError):  # the engine prints its mistakes
            _tell_versions(arguments.store, plan_file.read(text, name, site_catalog(arguments.store)))
        return answers.ask_each(
            arguments.store, "commit", [("", lambda engine: commit_plan(engine, text, name, arguments.if_revision))], arguments.json
        )
    plan = plan_file.read_file(arguments.plan, site_catalog(arguments.store))  # the reader prints its mistakes, with exit code 2
    _tell_versions(arguments.store, plan)
    text = arguments.plan.read_text(encoding="utf-8")
    return answers.ask_each(
        arguments.store,
        "commit",
        [("", lambda engine: commit_plan(engine, text, arguments.plan.name, arguments.if_revision))],
        arguments.json,
    )


def _tell_versions(store: Path, plan: Plan) -> None:
    """What is here in another version than the plan was saved with. The commit goes on."""
    for line in version_remarks(store, plan, site_catalog(store)):
        print(f"crowbar: {line}", file=sys.stderr)
