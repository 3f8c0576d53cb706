"""`crowbar walk`: what the cabling crew has to move, in the order of the racks' units; as text to print, as CSV or as JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter

from engine.api.control import CableStep, Reader, to_json

from ..paths import path
from ..spreadsheet import spreadsheet

HEAD = ("rack", "unit", "node", "nic", "link", "task", "now", "target", "holds", "why")
ORDERS = {
    "move": "move the cable from {now} to {target}",
    "plug in": "plug a cable into {target}",
    "trace": "trace the cable by hand: it should end in {target}",
    "unplug": "unplug the cable from {now}, or add it to the plan",
    "check module": "check the optical module and its fibre",
    "move box": "move the machine from {now} to {target}",
    "find": "find the machine: its cable {ends}",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("walk", help="list the cables that a person has to move, in the order of the racks' units")
    command.add_argument("--store", type=path, default=argparse.SUPPRESS, metavar="DIR", help="as before the command")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object per cable; the last one is the summary")
    form.add_argument("--csv", action="store_true", help="a table for spreadsheets (RFC 4180)")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        steps, own = reader.walk(), reader.summary().here
    here = own.words if own is not None else ""
    if arguments.csv:
        rows = [[str(getattr(step, name) or "") for name in HEAD] for step in steps]
        sys.stdout.flush()
        sys.stdout.buffer.write(spreadsheet([HEAD, *rows]).encode())  # the printed text may not have its carriage returns
        sys.stdout.buffer.flush()
    elif arguments.json:
        for step in steps:
            print(json.dumps({"type": "step", **to_json(step)}))
        print(json.dumps({"type": "summary", "steps": len(steps), "here": here, **Counter(step.task for step in steps)}))
    else:
        print(draw(steps, here))
    return 0


def draw(steps: tuple[CableStep, ...], here: str = "") -> str:
    """The list with a box to tick for each cable, a paragraph for each machine. `here`: where this machine is plugged in."""
    own = [f" you are here: {here}"] if here else []
    if not steps:
        return "\n".join([*own, "nothing to move: every cable that was heard is where the plan wants it"])
    out: list[str] = []
    machine = None
    for step in steps:
        if machine != (step.rack, step.unit, step.node):
            machine = (step.rack, step.unit, step.node)
            out += ["", f" {f'{step.rack} unit {step.unit}' if step.rack else 'place not known'}  {step.node}"]
        names = " ".join(name for name in (step.link, step.nic) if name)
        out.append(f"  [ ] {names:<14}  {_order(step)}")
        out += [f"{'':>22}{step.target} holds {step.holds} now"] if step.holds else []
        out += [f"{'':>22}{step.why}"] if step.why and (step.task != "move" or step.own) else []
    machines = len({(step.rack, step.unit, step.node) for step in steps})
    cables = sum(step.task != "move box" for step in steps)
    return "\n".join([*own, *([""] if own else []), *out[1:], "", f" {_count(cables, 'cable')}, {_count(machines, 'machine')}"])


def _order(step: CableStep) -> str:
    if step.task == "move box" and not step.target:
        return f"take the machine out of {step.now}"
    ends = f"ends in {step.now}" if step.now else "was not heard"
    return ORDERS[step.task].format(now=step.now, target=step.target or "the plan's port", ends=ends)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
