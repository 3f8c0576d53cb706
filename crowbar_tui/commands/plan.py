"""`crowbar plan check` lists a plan's mistakes, without a rack or a store. `plan diff` shows what its commit would change. `plan save`
writes the present rack as a plan.

Diff and save read the store, with or without a running engine, and change nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from engine.api.control import Diff, PlanError, Reader, advice, plan_file, sentence, site_catalog, to_json, unfit_secrets, version_remarks

from .. import lines
from ..paths import path

WORDS = {
    "new": ("+", "new"),
    "again": ("~", "runs again"),
    "drift": ("!", "differs from the installed system; only a redeploy changes it"),
    "gone": ("-", "no longer in the plan: removed from the engine; its work stays on the node"),
    "left": ("-", "no longer in the plan, and kept"),
}
"""Fate of a node role -> mark and words."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plans = commands.add_parser("plan", help="check, compare, show or save a plan")
    group = plans.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = group.add_parser("check", help="check a plan and list its mistakes")
    check.add_argument("plan", type=path)
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_check)
    diff = group.add_parser("diff", help="compare a plan with the rack, and with a revision; exit code 1 if they differ")
    diff.add_argument("plan", type=path, nargs="?", default=None, help="the plan (default: the current one)")
    diff.add_argument("--revision", type=int, default=0, metavar="N", help="compare the plan with this revision too")
    diff.add_argument("--json", action="store_true")
    diff.set_defaults(run=_diff)
    revisions = group.add_parser("revisions", help="list the committed revisions, with their authors and times")
    revisions.add_argument("--json", action="store_true")
    revisions.set_defaults(run=_revisions)
    show = group.add_parser("show", help="show the plan of a revision; crowbar commit --revision N goes back to it")
    show.add_argument("revision", type=int, nargs="?", default=0, help="number of the revision (default: the current one)")
    show.set_defaults(run=_show)
    save = group.add_parser("save", help="save the rack as a plan: names and addresses pinned by place")
    save.add_argument("file", type=path, nargs="?", default=None, help="the file to write (default: standard output)")
    save.set_defaults(run=_save)


def _check(arguments: argparse.Namespace) -> int:
    try:
        catalog = site_catalog(arguments.store)
        found = plan_file.read_file(arguments.plan, catalog)
    except PlanError as error:
        if arguments.json:
            for mistake in error.mistakes:
                print(json.dumps({"type": "mistake", "text": str(mistake)}))
        else:
            print(error, file=sys.stderr)
        return 2
    wrong = {path: f"{arguments.plan.name}: {path}: {why}" for path, why in unfit_secrets(found).items()}
    if wrong:
        for text in wrong.values():
            if arguments.json:
                print(json.dumps({"type": "mistake", "text": text}))
            else:
                print(text, file=sys.stderr)
        return 2
    versions = version_remarks(arguments.store, found, catalog)
    roles = sum(len(d.roles) for d in found.deployments.values())
    if arguments.json:
        print(json.dumps({"type": "summary", "ok": True, "networks": len(found.networks), "roles": roles, "versions": versions}))
    else:
        print(f"{arguments.plan.name} has no mistakes: {len(found.networks)} networks, {len(found.rules)} rules, {roles} roles wanted")
        for text in versions:
            print(f"  {text}")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    given = plan_file.read_file(arguments.plan, site_catalog(arguments.store)) if arguments.plan is not None else None
    with Reader(arguments.store) as reader:
        plan = given or reader.plan
        if plan is None:
            print("crowbar: no plan was committed on this store: name a plan file", file=sys.stderr)
            return 2
        if arguments.revision and reader.revision(arguments.revision) is None:
            print(f"crowbar: there is no revision {arguments.revision}; list them with crowbar plan revisions", file=sys.stderr)
            return 2
        found = reader.diff(plan, arguments.revision)
    show(found, arguments.json)
    return 0 if found.same and not found.apart else 1


def show(found: Diff, as_json: bool, what: str = "this plan") -> None:
    """Prints what a commit would change. `what`: what would be committed."""
    if as_json:
        body = to_json(found)
        for change in body.pop("roles"):
            print(json.dumps({"type": "role", **change}))
        print(json.dumps({"type": "summary", **body}))
    else:
        print(told(found, what))


def told(found: Diff, what: str = "this plan") -> str:
    """The difference, in words for people."""
    other = [f"  {line}" for line in _apart(found)]
    if found.same:
        head = f"no difference: {what} is the current revision {found.revision}"
        return "\n".join([head, *other, *(f"  {line}" for line in (*lines.drift(found.drift), *found.versions))])
    if found.refused is not None:
        told = [f"the engine would refuse {what}: {sentence(found.refused)}", f"  try: {advice(found.refused)}"]
        return "\n".join([*told, *other, *(f"  {line}" for line in found.versions)])
    again = f"{what} is revision {found.revision}, and its commit would change the rack"
    out = [f"{what} would become revision {found.revision}" if found.plan else again]
    beside = lines.drift(found.drift, left=False)  # the roles below tell those
    out += [f"  {line}" for line in (*found.plan, *beside, *found.drops, *found.versions)]
    out += other
    for one in found.chosen:
        out.append(f"  ~ {lines.short(one.node):<14} {one.words}")
        out += [f"      {cost.words}" for cost in one.costs]
    for change in found.roles:
        mark, note = WORDS[change.what]
        notes = [f"{note}: {change.why}" if change.why else note]
        if change.back:
            notes.append(f"after a step back to stage {change.stage}, which you approve and which reboots the node")
        if change.destructive and change.what == "new":
            notes.append("wipes disks, " + ("approved" if change.approved else "waits for an approval"))
        out.append(f"  {mark} {lines.short(change.node):<14} {change.role:<18} {', '.join(notes)}")
        if change.takes or change.leaves:
            out.append(f"      takes {', '.join(change.takes) or 'no disk'}")
            out += [f"      not {one.disk.name}: {sentence(one.reason)}" for one in change.leaves]
    out.append(f"{len(found.nodes)} nodes and {len(found.roles)} roles change; {len(found.destroys)} of the roles destroy data")
    return "\n".join(out)


def _apart(found: Diff) -> list[str]:
    """The comparison with an earlier revision, if one was asked for."""
    if not found.against:
        return []
    if not found.apart:
        return [f"compared with revision {found.against}: the same plan"]
    return [f"compared with revision {found.against}:", *(f"  {line}" for line in found.apart)]


def _revisions(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        found = reader.revisions()[::-1]
    for r in found:
        if arguments.json:
            print(
                json.dumps(
                    {"type": "revision", "revision": r.number, "who": r.who, "at": r.at, "in_force": r.current}
                    | {"changes": [to_json(one) for one in r.changes], "back": r.back}
                )
            )
        else:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(r.at))
            print(f"{r.number:>5}  {r.who:<16} {when}{'  current' if r.current else ''}{'  ' if r.words else ''}{r.words}")
    if not found and not arguments.json:
        print("no plan is committed yet")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        text = reader.revision(arguments.revision)
    if text is None:
        print("crowbar: there is no such revision; list them with crowbar plan revisions", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


def _save(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        plan, missing = reader.saved_plan(), reader.left_out()
    if plan is None:
        print("crowbar: there is nothing to save: no plan was committed on this store", file=sys.stderr)
        return 1
    for one in missing:
        print(f"crowbar: not in the saved plan: {one}", file=sys.stderr)
    text = plan_file.write(plan)
    if arguments.file is None:
        print(text, end="")
        return 0
    try:
        arguments.file.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"crowbar: cannot write {arguments.file} ({error.strerror}): choose another file", file=sys.stderr)
        return 2
    print(f"{arguments.file}: {len(plan.rules)} rules, {len(plan.networks)} networks")
    return 0
