"""`crowbar deployment` edits single deployments of the plan. An edit waits and changes nothing; `commit` makes it the plan.

crowbar deployment edit NAME --set ATTRIBUTE=VALUE --role ROLE=SELECTOR        crowbar deployment edit NAME --file FILE
crowbar deployment preview NAME        crowbar deployment commit NAME        crowbar deployment recall NAME

What is shown is read from the store, with or without a running engine. Edits need the engine: it checks them like a plan file.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from engine.api.control import DeploymentDef, PlanError, ProposalView, Reader, site_catalog, to_json, typed, write_deployment
from engine.api.views import Catalog

from .. import answers, lines
from ..console.formats import ago
from ..paths import path
from .plan import show as show_diff

MAX = 1_000_000
"""Largest text of a deployment, in bytes."""
_Group = argparse._SubParsersAction


class BadUse(Exception):
    """The command cannot be carried out as it was given."""


class Start(NamedTuple):
    """What an edit begins with."""

    definition: DeploymentDef
    base: int
    over: float


def add(commands: _Group[argparse.ArgumentParser]) -> None:
    top = commands.add_parser("deployment", help="edit single deployments: an edit waits until it is committed")
    group = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _command(group, "list", _list, "list the deployments, and the edits that wait")
    show = _command(group, "show", _show, "show a deployment as it stands in the plan", "name")
    show.add_argument("--proposed", action="store_true", help="show the edit that waits instead")
    new = _command(group, "new", _new, "propose a new deployment", "name")
    new.add_argument("--parent", default="system", help="the deployment above it (default: system)")
    _changes(_command(group, "edit", _edit, "propose changes; without an option, $EDITOR opens the deployment", "name"))
    for verb, run, text in (
        ("preview", _preview, "show what a commit of these edits would change; exit code 1 if anything"),
        ("commit", _commit, "commit the edits of these deployments together, as one revision"),
    ):
        command = _command(group, verb, run, text)
        command.add_argument("names", nargs="*", metavar="NAME")
        command.add_argument("--all", action="store_true", help="all edits that wait")
    _command(group, "recall", _recall, "drop the edit that waits", "name")
    _command(group, "delete", _delete, "propose to delete the deployment", "name")
    back = _command(group, "back", _back, "propose the deployment as it was in an earlier revision", "name")
    back.add_argument("--revision", type=int, required=True, metavar="N", help="crowbar plan revisions lists them")
    _command(group, "take-up", _take_up, "propose the edit again on the present plan, after another revision has changed it", "name")


def _command(group: _Group[argparse.ArgumentParser], verb: str, run: object, text: str, *names: str) -> argparse.ArgumentParser:
    command = group.add_parser(verb, help=text)
    for name in names:
        command.add_argument(name)
    command.add_argument("--json", action="store_true", help="print one JSON object per line")
    command.set_defaults(run=lambda arguments: _guarded(run, arguments))
    return command


def _changes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--file", default="", metavar="FILE", help="its whole text, as under its name in a plan (-: standard input)")
    command.add_argument("--set", action="append", default=[], metavar="ATTRIBUTE=VALUE", help="set an attribute; the value as in a plan")
    command.add_argument("--unset", action="append", default=[], metavar="ATTRIBUTE", help="remove an attribute")
    where = "bind a role; SELECTOR: all, admin, group:NAME, node:NAME, or several with commas"
    command.add_argument("--role", action="append", default=[], metavar="ROLE=SELECTOR", help=where)
    command.add_argument("--drop-role", action="append", default=[], metavar="ROLE", help="bind a role no longer")
    command.add_argument("--parent", default="", help="put it below another deployment")


def _guarded(run: object, arguments: argparse.Namespace) -> int:
    assert callable(run)
    try:
        return int(run(arguments))
    except BadUse as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2


# -- what is shown -------------------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        found = reader.deployments()
    for one in found:
        edit = one.edit
        if arguments.json:
            print(json.dumps({"type": "deployment", **to_json(one)}))
            continue
        runs = f", committed: {one.runs}" if edit is not None and one.runs != "empty" else ""
        words = f"  {told(edit, time.time())}{runs}" if edit is not None else ""
        print(f"{'  ' * one.depth + one.name:<26} {one.state:<10} {one.done:>4}/{one.roles:<4}{words}".rstrip())
        if edit is not None and edit.why is not None:
            print(f"    {edit.why.sentence}\n      try: {edit.why.advice}")
    return 0


def told(edit: ProposalView, now: float) -> str:
    """The edit in words."""
    return f"{edit.what} by {edit.who}, {ago(now, edit.at)}, on revision {edit.base}"


def _show(arguments: argparse.Namespace) -> int:
    name = arguments.name
    with Reader(arguments.store) as reader:
        edit = next((one for one in reader.edits() if one.deployment == name), None)
        found = reader.edited(name) if arguments.proposed else reader.definition(name)
        known = [one.name for one in reader.deployments()]
    if arguments.proposed and edit is None:
        print(f"crowbar: no edit of {name} waits; crowbar deployment list shows those that do", file=sys.stderr)
        return 1
    if found is None and not (arguments.proposed and edit is not None):
        print(f"crowbar: the plan has no deployment {name}; known: {', '.join(known) or 'none'}", file=sys.stderr)
        return 1
    if arguments.json:
        body = {"definition": to_json(found) if found is not None else None, "edit": to_json(edit) if edit is not None else None}
        print(json.dumps({"type": "deployment", "name": name, "proposed": arguments.proposed, **body}))
    elif found is None and edit is not None:
        print(f"{edit.who} proposed to delete {name}")
    elif found is not None:
        print(write_deployment(found), end="")
    return 0


def _preview(arguments: argparse.Namespace) -> int:
    names = list(_waiting(arguments))
    if not names:
        return _nothing(arguments.json)
    with Reader(arguments.store) as reader:
        found = reader.diff_edits(names)
    show_diff(found, arguments.json, "the edit of " + ", ".join(names))
    return 0 if found.same else 1


def _waiting(arguments: argparse.Namespace) -> dict[str, float]:
    """The chosen deployments -> `Proposal.at` of their edits."""
    if bool(arguments.names) == arguments.all:
        raise BadUse("name one or more deployments, or give --all")
    with Reader(arguments.store) as reader:
        edits = {one.deployment: one.at for one in reader.edits()}
    missing = [name for name in arguments.names if name not in edits]
    if missing:
        raise BadUse(f"no edit of {missing[0]} waits; edits wait of: {', '.join(edits) or 'none'}")
    return edits if arguments.all else {name: edits[name] for name in arguments.names}


def _nothing(as_json: bool) -> int:
    if not as_json:
        print("no edit waits")
    return 0


# -- what is asked of the engine -----------------------------------------------------------------------------------


def _commit(arguments: argparse.Namespace) -> int:
    seen = _waiting(arguments)
    if not seen:
        return _nothing(arguments.json)
    ask = ("", lambda engine: engine.commit_proposals(list(seen), seen))
    return answers.ask_each(arguments.store, "commit", [ask], arguments.json)


def _recall(arguments: argparse.Namespace) -> int:
    return answers.ask_each(arguments.store, "recall", [("", lambda engine: engine.recall(arguments.name))], arguments.json)


def _delete(arguments: argparse.Namespace) -> int:
    return answers.ask_each(arguments.store, "delete", [("", lambda engine: engine.propose(arguments.name))], arguments.json)


def _back(arguments: argparse.Namespace) -> int:
    if arguments.revision < 1:
        raise BadUse("revisions begin with 1; list them with crowbar plan revisions")
    ask = ("", lambda engine: engine.propose(arguments.name, revision=arguments.revision))
    return answers.ask_each(arguments.store, "back", [ask], arguments.json)


def _take_up(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        edit = reader.world.proposals.get(arguments.name)
        wanted = reader.edited(arguments.name)
    if edit is None:
        raise BadUse(f"no edit of {arguments.name} waits")
    text = write_deployment(wanted) if wanted is not None else None
    ask = ("", lambda engine: engine.propose(arguments.name, text, over=edit.at))
    return answers.ask_each(arguments.store, "take-up", [ask], arguments.json)


def _new(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        known = {one.name for one in reader.deployments() if reader.definition(one.name) is not None or reader.edited(one.name) is not None}
    if arguments.name in known:
        raise BadUse(f"there is a deployment {arguments.name} already; change it with crowbar deployment edit {arguments.name}")
    text = write_deployment(DeploymentDef(name=arguments.name, parent=arguments.parent))
    ask = ("", lambda engine: engine.propose(arguments.name, text, over=0.0))
    return answers.ask_each(arguments.store, "new", [ask], arguments.json)


def _edit(arguments: argparse.Namespace) -> int:
    name = arguments.name
    simple = bool(arguments.set or arguments.unset or arguments.role or arguments.drop_role or arguments.parent)
    if simple and arguments.file:
        raise BadUse("give either --file, or what to change")
    with Reader(arguments.store) as reader:
        start = _start(reader, name)
    filename, draft = f"deployment {name}", None
    if arguments.file:
        text, filename = _text(arguments.file), "standard input" if arguments.file == "-" else Path(arguments.file).name
    elif simple:
        text = write_deployment(_changed(start.definition, arguments, site_catalog(arguments.store)))
    elif sys.stdin.isatty() and sys.stdout.isatty():
        draft = _in_editor(write_deployment(start.definition), name)
        text = _text(str(draft))
    else:
        raise BadUse("say what to change (--set, --role, ...), or give the whole deployment with --file FILE")
    ask = ("", lambda engine: engine.propose(name, text, name=filename, base=start.base, over=start.over))
    code = answers.ask_each(arguments.store, "edit", [ask], arguments.json)
    if draft is not None and code:
        print(f"your text is kept: correct it, then crowbar deployment edit {name} --file {draft}", file=sys.stderr)
    elif draft is not None:
        draft.unlink(missing_ok=True)
    return code


def _start(reader: Reader, name: str) -> Start:
    """The edit that waits, or the plan's definition. A waiting deletion begins with the plan's."""
    waits = reader.world.proposals.get(name)
    found = reader.edited(name) or reader.definition(name)
    if found is None:
        known = ", ".join(one.name for one in reader.deployments())
        raise BadUse(f"there is no deployment {name}; known: {known or 'none'}; to make one: crowbar deployment new {name}")
    return Start(found, waits.base if waits is not None else max(reader.world.revisions, default=0), waits.at if waits is not None else 0.0)


def _changed(found: DeploymentDef, arguments: argparse.Namespace, catalog: Catalog) -> DeploymentDef:
    attributes, roles = dict(found.attributes), dict(found.roles)
    for one in arguments.unset:
        if attributes.pop(one, None) is None:
            raise BadUse(f"{found.name} does not set {one}; it sets: {', '.join(sorted(attributes)) or 'nothing'}")
    for one in arguments.set:
        name, text = _pair(one, "--set", "ATTRIBUTE=VALUE")
        definition = catalog.attributes.get(name)
        try:
            attributes[name] = typed(text, definition.schema if definition is not None else {})
        except PlanError as error:
            raise BadUse(f"{name}: {error.mistakes[0].expected}") from None
    for one in arguments.drop_role:
        if roles.pop(one, None) is None:
            raise BadUse(f"{found.name} does not bind {one}; it binds: {', '.join(sorted(roles)) or 'nothing'}")
    for one in arguments.role:
        role, text = _pair(one, "--role", "ROLE=SELECTOR")
        roles[role] = tuple(part.strip() for part in text.split(","))
    return replace(found, attributes=attributes, roles=roles, parent=arguments.parent or found.parent)


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadUse(f"{option} takes {form}, not {lines.short(text)}")
    return name, value


# -- texts ---------------------------------------------------------------------------------------------------------


def _text(name: str) -> str:
    """The text of a file, or of standard input."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX + 1)
        else:
            with path(name).open("rb") as file:
                data = file.read(MAX + 1)
        if len(data) > MAX:
            raise BadUse(f"{name} is too large for a deployment: at most {MAX} bytes")
        return data.decode("utf-8")
    except OSError as error:
        raise BadUse(f"cannot read {name} ({error.strerror}): choose another file") from None
    except UnicodeDecodeError:
        raise BadUse(f"{name} is not UTF-8 text") from None


def _in_editor(text: str, name: str) -> Path:
    """The user's editor on the text. The file that it leaves."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    number, made = tempfile.mkstemp(prefix="crowbar-", suffix=".yml")
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
    draft = Path(made)
    try:
        code = subprocess.run([*command, made], check=False).returncode
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BadUse(f"cannot start the editor {command[0]} ({error.strerror}): set $EDITOR, or use --file FILE") from None
    if code:
        draft.unlink(missing_ok=True)
        raise BadUse(f"the editor ended with {code}: nothing of {name} was changed")
    return draft
