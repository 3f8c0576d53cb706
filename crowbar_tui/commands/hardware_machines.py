"""`crowbar hardware show|look|diff|check|expect`: what the machines of a store are made of, and how they differ.

crowbar hardware show NODE                 everything that its reports told
crowbar hardware look NODE...              ask their BMCs what they are made of, whether they run or not, and keep that; --all: every node
crowbar hardware diff NODE                 what changed between its last two different looks; --since 2026-11-24, or 3d
crowbar hardware diff NODE OTHER           the facts in which two machines differ
crowbar hardware check                     machines that differ from their family, or from what is expected of it; exit code 1: there is one
crowbar hardware expect NODE               from now on its facts are expected of all machines of its family; --clear ends that
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..paths import path

if TYPE_CHECKING:
    from engine.api.control import Reader
    from engine.api.hardware import HardwareRecord

LOOK_S = 420.0
"""Seconds for a whole walk of a BMC: a large server has a thousand resources."""
AT_A_TIME = 12
"""Looks at BMCs. The engine lets one user have 16 connections; the others are for consoles."""
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    show = verbs.add_parser("show", help="print what a machine is made of")
    show.add_argument("node")
    show.add_argument("--raw", metavar="FILE", type=path, default=None, help="write the reports as they came into this file (tar.gz)")
    look = verbs.add_parser("look", help="ask machines' BMCs what they are made of, also before their first boot")
    look.add_argument("nodes", nargs="*", metavar="NODE")
    look.add_argument("--all", action="store_true", help="every node that has a BMC")
    diff = verbs.add_parser("diff", help="print what changed at a machine, or in what two machines differ")
    diff.add_argument("node")
    diff.add_argument("other", nargs="?", default="")
    diff.add_argument("--since", default="", metavar="WHEN", help="a date (2026-11-24), a time (2026-11-24T08:00) or an age (90m, 3d)")
    check = verbs.add_parser("check", help="list machines that differ from their family, or from what is expected")
    check.add_argument("nodes", nargs="*", metavar="NODE", help="only these (default: all)")
    expect = verbs.add_parser("expect", help="expect what this machine has of all machines of its family")
    expect.add_argument("node")
    expect.add_argument("--clear", action="store_true", help="expect nothing of its family any more")
    for verb, run in ((show, _show), (look, _look), (diff, _diff), (check, _check), (expect, _expect)):
        verb.add_argument("--json", action="store_true", help="print one JSON object per line")
        verb.set_defaults(run=run)


def _show(arguments: argparse.Namespace) -> int:
    from engine.api.control import Reader
    from engine.api.hardware import HardwareShelf, facts

    with Reader(arguments.store) as reader:
        node, record = _record(reader, arguments.store, arguments.node)
    if record is None:
        return 1
    if arguments.raw is not None:
        raw = HardwareShelf(arguments.store).raw(node.id)
        arguments.raw.write_bytes(raw)
        print(f"{arguments.raw}: {len(raw)} bytes, {len(record.reports)} reports", file=sys.stderr)
    if arguments.json:
        from msgspec import to_builtins

        print(json.dumps({"node": node.name, "facts": facts(record.parts), **to_builtins(record)}))
        return 0
    from .. import part_tables

    print(f"{_short(node.name)}, seen {_clock(record.at)} ({record.source}, {len(record.reports)} reports)")
    part_tables.show(record.parts)
    print("\nfacts, as they are compared")
    for name, value in facts(record.parts).items():
        print(f"  {name:<14} {value}")
    refused = [one for one in record.reports if one.refused]
    if refused:
        print("\nreports that could not be read")
        for one in refused:
            print(f"  {one.name}: {one.refused}")
    return 0


def _look(arguments: argparse.Namespace) -> int:
    from engine.api.control import AttachError, Reader

    from .. import answers

    if bool(arguments.nodes) == arguments.all:
        print("crowbar: name the nodes to look at, or give --all", file=sys.stderr)
        return 2
    with Reader(arguments.store) as reader:
        found = [(name, reader.world.node_named(name)) for name in arguments.nodes]
        every = sorted((one for one in reader.world.nodes.values() if one.bmc is not None), key=lambda one: one.name)
    if unknown := [name for name, node in found if node is None]:
        print(f"crowbar: there is no node {unknown[0]}", file=sys.stderr)
        return 2
    wanted = every if arguments.all else [node for _, node in found if node is not None]
    refused = 0
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        looks = [(node, pool.submit(_looked, arguments.store, node.id)) for node in wanted]
        try:
            for node, look in looks:
                refused += not _tell_look(node.name, look.result(), arguments.json)
        except AttachError as error:
            pool.shutdown(cancel_futures=True)
            return answers.no_engine(error)
    if len(wanted) != 1 and not arguments.json:
        print(f"{len(wanted) - refused} of {len(wanted)} machines were looked at")
    return 1 if refused else 0


def _looked(store: Path, node: str) -> Any:
    """What the engine says. Raises AttachError."""
    from engine.api.control import Attached

    with Attached(store, timeout_s=LOOK_S) as engine:
        return engine.bmc(node, inventory=True)


def _tell_look(name: str, answer: Any, as_json: bool) -> bool:
    """False: the BMC told nothing."""
    from engine.api.control import Reason

    from .. import answers

    if isinstance(answer, Reason):
        answers.tell(name, "look", answer, as_json)
        return False
    told = answer.result if isinstance(answer.result, dict) else {}
    if as_json:
        print(json.dumps({"node": name, **told}))
    elif "refused" in told:
        print(f"crowbar: {_short(name)}: {told['refused']}", file=sys.stderr)
    else:
        summary = told.get("hardware") or {}
        print(f"{_short(name)}, by its BMC")
        for fact, value in summary.get("facts", {}).items():
            print(f"  {fact:<14} {value}")
        for line in summary.get("changes", []):
            print(f"  changed: {line}")
        for line in told.get("left_out", []):
            print(f"  left out: {line}")
    return "refused" not in told


def _diff(arguments: argparse.Namespace) -> int:
    from engine.api.control import Reader
    from engine.api.hardware import HardwareShelf, differences, facts, unexpected

    since = _when(arguments.since, time.time())
    if since is None:
        print(f"crowbar: {arguments.since!r} is no time: give 2026-11-24, 2026-11-24T08:00, or an age like 90m, 12h or 3d", file=sys.stderr)
        return 2
    with Reader(arguments.store) as reader:
        node, record = _record(reader, arguments.store, arguments.node)
        other, theirs = _record(reader, arguments.store, arguments.other) if arguments.other and record is not None else (None, None)
    if record is None or (arguments.other and theirs is None):
        return 1
    if theirs is not None and other is not None:
        mine, found = facts(record.parts), unexpected(facts(theirs.parts), facts(record.parts))
        more = [(name, value) for name, value in mine.items() if name not in facts(theirs.parts)]
        rows = [{"fact": one.fact, "here": one.has, "there": one.wanted} for one in found]
        rows += [{"fact": name, "here": value, "there": ""} for name, value in more]
        _print(
            arguments.json,
            rows,
            lambda row: f"{row['fact']}: {row['here'] or 'none'}, and {_short(other.name)} has {row['there'] or 'none'}",
        )
        return 0
    shelf = HardwareShelf(arguments.store)
    before = (
        shelf.before(node.id, since)
        if arguments.since
        else next(filter(None, (shelf.was(node.id, at) for at in shelf.earlier(node.id))), None)
    )
    if before is None:
        print(f"{_short(node.name)}: there is no earlier record to compare with", file=sys.stderr)
        return 0
    changes = differences(before.parts, record.parts)
    if not arguments.json:
        print(f"{_short(node.name)}, from {_clock(before.at)} to {_clock(record.at)}: {len(changes) or 'no'} changes")
    from msgspec import to_builtins

    _print(arguments.json, [{**to_builtins(one), "text": str(one)} for one in changes], lambda row: f"  {row['text']}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from engine.api.control import Reader
    from engine.api.hardware import EXPECTED, HardwareShelf, facts, of_node, outliers, unexpected

    with Reader(arguments.store) as reader:
        world = reader.world
        wanted = {name: world.node_named(name) for name in arguments.nodes}
        if unknown := [name for name, node in wanted.items() if node is None]:
            print(f"crowbar: there is no node {unknown[0]}", file=sys.stderr)
            return 2
        only = {node.id for node in wanted.values() if node is not None}
        known = {node: facts(record.parts) for node, record in HardwareShelf(arguments.store).all() if node in world.nodes}
        families: dict[str, dict[str, dict[str, str]]] = {}
        for node, mine in known.items():
            families.setdefault(world.nodes[node].family, {})[node] = mine
        rows: list[dict[str, Any]] = []
        for family, members in sorted(families.items()):
            odd = outliers(members)
            for node in sorted(members, key=lambda one: world.nodes[one].name):
                if only and node not in only:
                    continue
                whole = of_node(world, world.nodes[node], EXPECTED)
                expected = whole.get(family) if isinstance(whole, dict) else None
                found = [*(unexpected(expected, members[node]) if isinstance(expected, dict) else ()), *odd.get(node, ())]
                rows += [{"node": world.nodes[node].name, "family": family, "fact": one.fact, "text": str(one)} for one in found]
    _print(arguments.json, rows, lambda row: f"{_short(row['node'])}  {row['text']}")
    if not rows and not arguments.json:
        print(f"{len(known)} machines in {len(families)} families: none differs from its family or from what is expected")
    return 1 if rows else 0


def _expect(arguments: argparse.Namespace) -> int:
    from engine.api.control import Reader
    from engine.api.hardware import EXPECTED, facts

    from .. import answers

    with Reader(arguments.store) as reader:
        node, record = _record(reader, arguments.store, arguments.node)
        if record is None and not (arguments.clear and node is not None):
            return 1
        if not node.family:
            print(f"crowbar: {_short(node.name)} does not say what product it is, so it has no family", file=sys.stderr)
            return 1
        now = reader.world.attributes.get(("setting", "system", EXPECTED)) or reader.world.attributes.get(
            ("deployment", "system", EXPECTED)
        )
        value = dict(now.value) if now is not None and isinstance(now.value, dict) else {}
    if arguments.clear:
        value.pop(node.family, None)
    else:
        assert record is not None
        value[node.family] = facts(record.parts)
    return answers.ask_each(
        arguments.store,
        "expect",
        [(node.family, lambda engine: engine.set_attribute("deployment", "system", EXPECTED, value=value))],
        arguments.json,
    )


# -- helpers -----------------------------------------------------------------------------------------------------------


def _record(reader: Reader, store: Path, name: str) -> tuple[Any, HardwareRecord | None]:
    """A node and its record. None, and a message is printed, where there is none."""
    from engine.api.hardware import HardwareShelf

    node = reader.world.node_named(name)
    if node is None:
        known = ", ".join(_short(one.name) for one in reader.nodes()[:8])
        print(f"crowbar: there is no node {name}; known nodes: {known or 'none'}", file=sys.stderr)
        return None, None
    record = HardwareShelf(store).now(node.id)
    if record is None:
        print(
            f"crowbar: nobody has looked at the parts of {_short(node.name)} yet: rediscover it (crowbar node {name} rediscover)",
            file=sys.stderr,
        )
    return node, record


def _print(as_json: bool, rows: list[dict[str, Any]], line: Any) -> None:
    for row in rows:
        print(json.dumps(row) if as_json else line(row))


def _short(name: str) -> str:
    return name.split(".")[0]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _when(text: str, now: float) -> float | None:
    """Wall time. An empty text: 0. None: it is no time."""
    if not text:
        return 0.0
    age = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if age is not None:
        return now - int(age[1]) * _UNITS[age[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        return None
