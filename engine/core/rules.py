"""Rules of the plan: which group, name and attributes a node gets when it is allocated. The first match wins, per thing that a rule sets.

A rule matches facts of the node, which the discovery roles gave. A condition is a value (equal), or a map of `min`,
`max`, `is`, `like` (shell pattern), all of which must hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from msgspec import Struct

from ..definitions import Json
from ..model import Node
from ..plan import Plan, Rule
from .world import View


class Choice(Struct, frozen=True, kw_only=True):
    """What the rules say of one node."""

    matched: bool
    group: str = ""
    name: str = ""
    attributes: dict[str, Json] = {}


def facts(view: View, node: Node) -> dict[str, Json]:
    """What the rules may ask of a node (`plan.FACTS`)."""
    gave: dict[str, Json] = {}
    for key in view.roles_of.get(node.id) or ():
        role = view.node_roles[key]
        definition = view.catalog.roles.get(role.role)
        if definition is not None and "discovery" in definition.flags:
            gave.update(role.gave)
    disks = [d for d in gave.get("disks") or () if isinstance(d, dict)]
    nics = [n for n in gave.get("nics") or () if isinstance(n, dict)]
    return {
        "vendor": gave.get("vendor", ""),
        "product": gave.get("product", ""),
        "family": node.family,
        "firmware": gave.get("firmware", ""),
        "memory": gave.get("memory-mb", 0),
        "cpus": gave.get("cpus", 0),
        "disks.count": len(disks),
        "disks.size": sum(d.get("size", 0) for d in disks),
        "nics.count": len(nics),
        "nics.speed": max((n.get("speed", 0) for n in nics), default=0),
        "kexec": gave.get("kexec", False),
        "arch": node.arch,
        "serial": node.serial,
        "uuid": node.uuid,
        "mac": node.boot_mac,
        "place": node.place.unit if node.place else None,
        "rack": node.place.rack if node.place else "",
    }


def choose(view: View, plan: Plan, node: Node) -> Choice:
    """Group, host name (first label) and attributes by the plan's rules."""
    known = facts(view, node)
    group, name, matched = "", "", False
    attributes: dict[str, Json] = {}
    for rule in plan.rules:
        if not matches(rule, known):
            continue
        matched = True
        group = group or rule.group
        name = name or rule.name
        attributes = {**rule.attributes, **attributes}
    return Choice(matched=matched, group=group, name=_fill(name, node, known), attributes=attributes)


def matches(rule: Rule, known: dict[str, Json]) -> bool:
    return all(_holds(known.get(fact), condition) for fact, condition in rule.match.items())


def _holds(value: Json, condition: Json) -> bool:
    if not isinstance(condition, dict):
        return bool(value == condition)
    if value is None:
        return False
    tests: dict[str, Callable[[Json], bool]] = {
        "min": lambda limit: isinstance(value, int | float) and value >= limit,
        "max": lambda limit: isinstance(value, int | float) and value <= limit,
        "is": lambda other: value == other,
        "like": lambda pattern: fnmatchcase(str(value), str(pattern)),
    }
    return all(tests[name](limit) for name, limit in condition.items())


def _fill(template: str, node: Node, known: dict[str, Json]) -> str:
    """The template with its words filled in, made a DNS label. Where there is no place (no LLDP), the serial stands for it."""
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
