"""Rules of the plan: group, name and attributes that a node gets when it is allocated. For each thing that a rule sets, the first match
wins.

A rule matches facts of the node, which the discovery roles reported. A condition is a value (equal), or a map of `min`, `max`, `is`,
`like` (shell pattern), all of which must hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

from msgspec import Struct

from ...definitions import Json
from ...model import Node
from ...plan import Plan, Rule
from ..hardware.inventory import Inventory
from ..world.view import View


class Choice(Struct, frozen=True, kw_only=True):
    """The result of the rules for one node."""

    matched: bool
    group: str = ""
    name: str = ""
    attributes: dict[str, Json] = {}
    roles: dict[str, dict[str, Json]] = {}
    """Role -> attributes that only this role of the node sees."""


class Condition(Struct, frozen=True, kw_only=True):
    """One test of one fact."""

    fact: str
    test: str
    """`is`, `min`, `max` or `like`."""
    wanted: Json

    def holds(self, value: Json) -> bool:
        return value is not None and _TESTS[self.test](value, self.wanted)


_TESTS: dict[str, Callable[[Json, Json], bool]] = {
    "min": lambda value, limit: isinstance(value, int | float) and isinstance(limit, int | float) and value >= limit,
    "max": lambda value, limit: isinstance(value, int | float) and isinstance(limit, int | float) and value <= limit,
    "is": lambda value, other: bool(value == other),
    "like": lambda value, pattern: fnmatchcase(str(value), str(pattern)),
}


OF_RECORD = frozenset({"family", "arch", "serial", "uuid", "mac", "place", "rack"})
"""Facts that stand in the node's record. Its discovery roles reported all others."""


def facts(view: View, node: Node) -> dict[str, Json]:
    """The facts that rules may match (`plan.FACTS`)."""
    return {**_reported(view, node), **_of_record(node)}


def _of_record(node: Node) -> dict[str, Json]:
    return {
        "family": node.family,
        "arch": node.arch,
        "serial": node.serial,
        "uuid": node.uuid,
        "mac": node.boot_mac,
        "place": node.place.unit if node.place else None,
        "rack": node.place.rack if node.place else "",
    }


def _reported(view: View, node: Node) -> dict[str, Json]:
    gave: dict[str, Json] = {}
    for key in view.roles_of.get(node.id) or ():
        role = view.node_roles[key]
        definition = view.catalog.roles.get(role.role)
        if definition is not None and "discovery" in definition.flags:
            gave.update(role.gave)
    told = Inventory(gave)
    return {
        "vendor": told.vendor,
        "product": told.product,
        "firmware": told.firmware,
        "memory": told.memory_mb,
        "cpus": told.cpus,
        "disks.count": len(told.entries),
        "disks.size": sum(disk.size for disk in told.entries),
        "nics.count": len(told.ethernet),
        "nics.speed": max((nic.speed for nic in told.ethernet), default=0),
        "kexec": told.kexec,
    }


def choose(view: View, plan: Plan, node: Node) -> Choice:
    """Group, host name (first label), and attributes of the node and of its roles, by the plan's rules."""
    known = _of_record(node) if all(OF_RECORD.issuperset(rule.match) for rule in plan.rules) else facts(view, node)
    group, name, matched = "", "", False
    attributes: dict[str, Json] = {}
    roles: dict[str, dict[str, Json]] = {}
    for rule in plan.rules:
        if not matches(rule, known):
            continue
        matched = True
        group = group or rule.group
        name = name or rule.name
        attributes = {**rule.attributes, **attributes}
        for role, settings in rule.roles.items():
            roles[role] = {**settings.attributes, **roles.get(role, {})}
    return Choice(matched=matched, group=group, name=_fill(name, node, known), attributes=attributes, roles=roles)


def matches(rule: Rule, known: dict[str, Json]) -> bool:
    return all(_holds(known.get(fact), condition) for fact, condition in rule.match.items())


def failed(rule: Rule, known: dict[str, Json]) -> tuple[Condition, ...]:
    """The conditions of a rule that do not hold. Empty: it matches."""
    return tuple(one for one in conditions(rule) if not one.holds(known.get(one.fact)))


def conditions(rule: Rule) -> Iterator[Condition]:
    """What a rule asks for, one test each: `{memory: {min: 1, max: 2}}` has two."""
    for fact, wanted in rule.match.items():
        for test, limit in wanted.items() if isinstance(wanted, dict) else (("is", wanted),):
            yield Condition(fact=fact, test=test, wanted=limit)


def _holds(value: Json, condition: Json) -> bool:
    if not isinstance(condition, dict):
        return bool(value == condition)
    return value is not None and all(_TESTS[name](value, limit) for name, limit in condition.items())


def _fill(template: str, node: Node, known: dict[str, Json]) -> str:
    """The template with its fields filled in, as a DNS label. Without a place (no LLDP), the serial replaces it."""
    if not template:
        return ""
    serial = node.serial or node.boot_mac.replace(":", "")
    words = {
        "place": str(known["place"]) if known["place"] is not None else serial,
        "serial": serial,
        "mac": node.boot_mac.replace(":", "-"),
        "number": node.id.removeprefix("n"),
        "rack": str(known["rack"]),
    }
    text = re.sub(r"\{(\w+)\}", lambda m: words.get(m.group(1), m.group(0)), template)
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:63]
