"""`crowbar rules try` shows which rules of the plan match a node, what they set, and which rules nearly match.

It reads the store, with or without a running engine, and changes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from engine.api.control import Reader, RulesTried, plan_file, site_catalog, to_json

from .. import lines
from ..paths import path

NEAR, FAR = 10, 3
"""Most printed rules that nearly match; and of the others, if no rule matches."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    rules = commands.add_parser("rules", help="show what the plan's rules choose for nodes, and why")
    group = rules.add_subparsers(dest="verb", required=True, metavar="VERB")
    command = group.add_parser("try", help="show which rules match a node, which nearly do, and what they set")
    command.add_argument("node", nargs="?", default="", help="one node (default: every server)")
    command.add_argument("--plan", type=path, default=None, metavar="FILE", help="the rules of this plan, instead of the current one's")
    command.add_argument("--json", action="store_true", help="print one JSON object per node")
    command.set_defaults(run=_try)


def _try(arguments: argparse.Namespace) -> int:
    given = plan_file.read_file(arguments.plan, site_catalog(arguments.store)) if arguments.plan is not None else None
    with Reader(arguments.store) as reader:
        plan = given or reader.plan
        if plan is None:
            print("crowbar: no plan was committed on this store: give one with --plan FILE", file=sys.stderr)
            return 1
        names = [arguments.node] if arguments.node else [row.name for row in reader.nodes()]
        for name in names:
            found = reader.try_rules(plan, name)
            if found is None:
                print(f"crowbar: there is no server {name}; list them with crowbar nodes", file=sys.stderr)
                return 1
            print(json.dumps({"type": "rules", **to_json(found)}) if arguments.json else "\n".join(told(found, len(plan.rules))))
    if not names and not arguments.json:
        print("no node yet: power on a machine that boots from the network")
    return 0


def told(found: RulesTried, rules: int) -> Iterator[str]:
    """The result in words for people."""
    many = f"of {rules} rule{'' if rules == 1 else 's'}"
    what = f"{many}, {_numbers(found.matched)} match{'es' if len(found.matched) == 1 else ''}" if rules else "the plan has no rules"
    yield f"{lines.short(found.node)}: {what}"
    if not found.discovered:
        yield "  it has not reported its inventory yet, so most facts are not known"
    if found.pinned:
        yield "  an operator chose its name, group and owner (replace), so no rule does"
    for one in found.chosen:
        if not one.rule:
            yield f"  {one.what:<18} {'none':<20} no rule that matches sets it"
            continue
        value = one.value if isinstance(one.value, str) else json.dumps(one.value)
        notes = [f"rule {one.rule}"]
        notes += [f"{_numbers(one.also)} {'sets' if len(one.also) == 1 else 'set'} it too, in vain"] if one.also else []
        notes += [f"now {one.now or 'none'}"] if one.now is not None and one.now != one.value else []
        yield f"  {one.what:<18} {value:<20} {'; '.join(notes)}"
    near = [one for one in found.missed if one.near]
    shown = near[:NEAR] if near or found.matched else list(found.missed[:FAR])
    for miss in shown:
        would = f"would set {', '.join(miss.would)}" if miss.would else "would change nothing: earlier rules decide"
        yield f"  {'near' if miss.near else 'not'}: rule {miss.rule}: {'; '.join(one.words for one in miss.failed)} ({would})"
    if len(near) > len(shown):
        yield f"  {len(near) - len(shown)} more rules fail in one condition; --json lists them"


def _numbers(rules: tuple[int, ...]) -> str:
    if not rules:
        return "none"
    shown = ", ".join(map(str, rules[:10])) + (f" and {len(rules) - 10} more" if len(rules) > 10 else "")
    return f"rule{'s' if len(rules) > 1 else ''} {shown}"
