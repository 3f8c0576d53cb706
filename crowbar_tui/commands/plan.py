"""`crowbar plan check`: is this plan right (needs no rack and no store)? `plan diff`: what would committing it do? `plan save`: a plan
from what is.

Diff and save read the store, beside a running engine or without one, and change nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from engine.face import Diff, PlanError, Reader, advice, plan_file, sentence, shipped, to_json, unfit_secrets

from .. import lines

WORDS = {
    "new": ("+", "new"),
    "again": ("~", "runs again"),
    "drift": ("!", "differs from what is installed: only a redeploy acts on it"),
    "gone": ("-", "no longer asked for: unbound, what it did stays on the node"),
    "left": ("-", "no longer asked for, stays"),
}
"""What becomes of a node role -> mark and words."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plans = commands.add_parser("plan", help="check a plan, compare it with what is, save one")
    group = plans.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = group.add_parser("check", help="say whether a plan is right, and where it is not")
    check.add_argument("plan", type=Path)
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_check)
    diff = group.add_parser("diff", help="what committing a plan would do; exit code 1 if it would do anything")
    diff.add_argument("plan", type=Path)
    diff.add_argument("--json", action="store_true")
    diff.set_defaults(run=_diff)
    revisions = group.add_parser("revisions", help="what was committed, by whom and when")
    revisions.add_argument("--json", action="store_true")
    revisions.set_defaults(run=_revisions)
    show = group.add_parser("show", help="the plan of a revision; crowbar commit --revision N goes back to it")
    show.add_argument("revision", type=int, nargs="?", default=0, help="its number; the one in force, if not given")
    show.set_defaults(run=_show)
    save = group.add_parser("save", help="a plan of what the rack has become: names and addresses pinned by place")
    save.add_argument("file", type=Path, nargs="?", default=None, help="where to; standard output if not given")
    save.set_defaults(run=_save)


def _check(arguments: argparse.Namespace) -> int:
    try:
        found = plan_file.read_file(arguments.plan, shipped())
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
    roles = sum(len(d.roles) for d in found.deployments.values())
    if arguments.json:
        print(json.dumps({"type": "summary", "ok": True, "networks": len(found.networks), "roles": roles}))
    else:
        print(f"{arguments.plan.name} is right: {len(found.networks)} networks, {len(found.rules)} rules, {roles} roles wanted")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    plan = plan_file.read_file(arguments.plan, shipped())
    with Reader(arguments.store) as reader:
        found = reader.diff(plan)
    if arguments.json:
        body = to_json(found)
        for change in body.pop("roles"):
            print(json.dumps({"type": "role", **change}))
        print(json.dumps({"type": "summary", **body}))
    else:
        print(told(found))
    return 0 if found.same else 1


def told(found: Diff) -> str:
    """A diff for people."""
    if found.same:
        return f"no difference: it is revision {found.revision}, which is in force"
    if found.refused is not None:
        return f"it would be refused: {sentence(found.refused)}\n  try: {advice(found.refused)}"
    out = [f"it would be revision {found.revision}"]
    out += [f"  {line}" for line in found.plan]
    for change in found.roles:
        mark, note = WORDS[change.what]
        notes = [f"{note}: {change.why}" if change.why else note]
        if change.destructive and change.what == "new":
            notes.append("wipes disks, " + ("approved" if change.approved else "waits for an approval"))
        out.append(f"  {mark} {lines.short(change.node):<14} {change.role:<18} {', '.join(notes)}")
    out.append(f"{len(found.nodes)} nodes touched, {len(found.roles)} roles, {len(found.destroys)} of them destructive")
    return "\n".join(out)


def _revisions(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        found = sorted(reader.world.revisions.values(), key=lambda r: r.number)
    for r in found:
        if arguments.json:
            print(json.dumps({"type": "revision", "revision": r.number, "who": r.who, "at": r.at, "in_force": r is found[-1]}))
        else:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(r.at))
            print(f"{r.number:>5}  {r.who:<16} {when}{'  in force' if r is found[-1] else ''}")
    if not found and not arguments.json:
        print("no plan is committed yet")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        text = reader.revision(arguments.revision)
    if text is None:
        print("crowbar: there is no such revision; crowbar plan revisions lists them", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


def _save(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        plan = reader.saved_plan()
    if plan is None:
        print("crowbar: no plan was committed on this store, so there is nothing to save", file=sys.stderr)
        return 1
    text = plan_file.write(plan)
    if arguments.file is None:
        print(text, end="")
        return 0
    try:
        arguments.file.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"crowbar: {arguments.file} cannot be written ({error.strerror}): choose another file", file=sys.stderr)
        return 2
    print(f"{arguments.file}: {len(plan.rules)} rules, {len(plan.networks)} networks")
    return 0
