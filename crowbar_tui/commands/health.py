"""`crowbar health`: what Nagios says of each node and role, where Prometheus listens, and what BMCs say of machines.

crowbar health                  checks of nodes and roles, and the problems of machines by their BMCs
crowbar health NODE             problems, sensors, and how its BMC is read; --now asks the BMC first
crowbar health NODE --log       the entries of its event log that the engine keeps, also after the log was cleared
crowbar health NODE --history   earlier values of its sensors: lowest, highest, first and last
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.api.control import Attached, AttachError, Reader, Reason, Receipt

from .. import answers, lines
from ..console.formats import age, ago

if TYPE_CHECKING:
    from engine.api.machine_health import Ailment, Reading, SeenEntry, VitalRecord, VitalsShelf

LOOK_S = 90.0
"""Seconds for a look that is made now."""
ENDED = 5
"""Problems that ended, of those that are shown."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = commands.add_parser("health", help="show what monitoring and the BMCs say of nodes")
    made.add_argument("node", nargs="?", default="", metavar="NODE", help="the health of this machine, by its BMC")
    made.add_argument("--log", action="store_true", help="the kept entries of its event log")
    made.add_argument("--history", action="store_true", help="earlier values of its sensors")
    made.add_argument("--now", action="store_true", help="ask the BMC first; the engine must run")
    made.add_argument("--json", action="store_true", help="print one JSON object per line: one for each check, then a summary")
    made.set_defaults(run=_health)


def _health(arguments: argparse.Namespace) -> int:
    if arguments.node:
        return _machine(arguments)
    if arguments.log or arguments.history or arguments.now:
        print("crowbar: name the node: crowbar health NODE", file=sys.stderr)
        return 2
    try:
        with Attached(arguments.store, timeout_s=5.0) as engine:
            answer = engine.health()
    except AttachError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 1
    body = answer.result if isinstance(answer, Receipt) else None
    shown: dict[str, Any] = (body.get("monitoring") if isinstance(body, dict) else None) or {"state": "off"}
    rows = shown.pop("rows", [])
    ailing = _ailing(arguments)
    if arguments.json:
        for row in rows:
            print(json.dumps({"type": "check", **row}))
        for one in ailing:
            print(json.dumps({"type": "machine", **one}))
        print(json.dumps({"type": "summary", **shown, "machines": len({one["node"] for one in ailing})}))
    else:
        for line in lines.checks(shown, rows, time.time()):
            print(line)
        for one in ailing:
            print(f"  {lines.short(one['node'])}: {one['sentence']}")
    return 0


def _ailing(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """What is wrong with machines, by their BMCs."""
    from engine.api.machine_health import sentence

    with Reader(arguments.store) as reader:
        nodes = sorted((node for node in reader.world.nodes.values() if node.ailments), key=lambda node: node.name)
        return [
            {"node": node.name, "code": one.reason.code, "sentence": sentence(one.reason), "since": one.since}
            for node in nodes
            for one in node.ailments
        ]


def _machine(arguments: argparse.Namespace) -> int:
    from engine.api.machine_health import VitalsShelf

    with Reader(arguments.store) as reader:
        node = reader.world.node_named(arguments.node)
        known = ", ".join(lines.short(one.name) for one in reader.nodes()[:8])
    if node is None:
        print(f"crowbar: there is no node {arguments.node}; known nodes: {known or 'none'}", file=sys.stderr)
        return 2
    if arguments.now:
        try:
            with Attached(arguments.store, timeout_s=LOOK_S) as engine:
                answer = engine.machine_health(node.id)
        except AttachError as error:
            return answers.no_engine(error)
        if isinstance(answer, Reason):
            return answers.tell(node.name, "health", answer, arguments.json)
    shelf = VitalsShelf(arguments.store)
    record = shelf.of(node.id)
    if record is None:
        told = f"crowbar: nobody has looked at the health of {lines.short(node.name)} yet: the engine looks at each machine"
        print(f"{told} whose BMC it may use (crowbar doctor bmc {arguments.node})", file=sys.stderr)
        return 1
    if arguments.log:
        _log(shelf.events(node.id), arguments.json)
    elif arguments.history:
        _history(shelf.readings(node.id), arguments.json)
    else:
        _show(node.name, record, shelf, node.id, arguments.json)
    return 0


def _show(name: str, record: VitalRecord, shelf: VitalsShelf, node: str, as_json: bool) -> None:
    from engine.api.machine_health import present, sentence

    now = time.time()
    here = present(record.memory)
    if as_json:
        from msgspec import to_builtins

        told = [{"sentence": sentence(one.reason), **to_builtins(one)} for one in here]
        print(json.dumps({"node": name, "problems": told, "events": len(shelf.events(node)), **to_builtins(record)}))
        return
    by = {"redfish": "Redfish", "ipmi": "IPMI"}.get(record.protocol, "its BMC")
    seen = f"seen {ago(now, record.at)} by {by} in {record.took_s:.1f} s" if record.at else "never seen"
    print(f"{lines.short(name)}, {seen}; the next look comes {age(record.next_s)} after the last one")
    if record.failed:
        print(f"  the last look failed, {ago(now, record.tried)}: {record.failed}")
    for one in here:
        print(f"  PROBLEM  {_ailment(one, now)}")
    if not here:
        print("  no problem")
    for one in [one for one in record.memory.ailments if one.ended][:ENDED]:
        print(f"  ended    {sentence(one.reason)} ({age(one.ended - one.since)}, until {_clock(one.ended)})")
    for text in record.signs.left_out:
        print(f"  unread   {text}")
    width = max((len(one.name) for one in record.signs.sensors), default=0)
    for sensor in sorted(record.signs.sensors, key=lambda one: (one.health != "failed", not one.health, one.kind, one.name)):
        value = "" if sensor.value is None else f"{sensor.value:g} {sensor.units}".strip()
        grade = {"failed": "CRITICAL", "warning": "warning"}.get(sensor.health, "ok")
        print(f"  {grade:<8} {sensor.name:<{width}}  {value:<12} {sensor.kind:<14} {', '.join(sensor.states)}".rstrip())
    for place in record.signs.places:
        full = "" if place.full is None else f", {place.full:.0%} full"
        more = "; it is longer than one look reads" if place.behind else ""
        print(f"  event log {place.log}: {place.entries} entries{full}{more}; crowbar health {lines.short(name)} --log")


def _ailment(one: Ailment, now: float) -> str:
    from engine.api.machine_health import advice, sentence

    often = f", {one.times} times" if one.times > 1 else ""
    return f"{sentence(one.reason)} (since {ago(now, one.since)}{often}); {advice(one.reason)}"


def _log(events: list[SeenEntry], as_json: bool) -> None:
    from msgspec import to_builtins

    for one in events:
        if as_json:
            print(json.dumps(to_builtins(one)))
            continue
        entry = one.entry
        at = _clock(one.when) if one.when else "no time"
        grade = {"failed": "CRITICAL", "warning": "warning"}.get(entry.health, "")
        way = {True: "", False: "ended", None: ""}[entry.asserted]
        print(f"{at:<16}  {entry.id:<6} {grade:<8} {entry.sensor:<20} {entry.text} {way}".rstrip())


def _history(readings: list[Reading], as_json: bool) -> None:
    from msgspec import to_builtins

    if as_json:
        for one in readings:
            print(json.dumps(to_builtins(one)))
        return
    names = sorted({name for one in readings for name in one.values})
    width = max(map(len, names), default=0)
    if readings:
        print(f"{len(readings)} looks from {_clock(readings[0].at)} to {_clock(readings[-1].at)}")
        print(f"  {'sensor':<{width}}  {'lowest':>9} {'highest':>9} {'first':>9} {'last':>9}")
    for name in names:
        values = [one.values[name] for one in readings if name in one.values]
        print(f"  {name:<{width}}  {min(values):>9g} {max(values):>9g} {values[0]:>9g} {values[-1]:>9g}")


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
