"""Checks the places in values that barclamps name by JSON pointers, and the places that a role's inputs get in its attributes.json.

Rules
* A pointer leads to a place that the attribute's schema allows. A secret is one text, so nothing points into it.
* An attribute with `from` is taken from one that a discovery role gives, and no role gives it itself.
* Of the inputs of one role, none lies inside another.
"""

from __future__ import annotations

from ..core.roles.pointer import outside
from .barclamp_file import Pending, Tables
from .mistakes import nearest, shown


def check_places(tables: Tables) -> None:
    for element, name, pointer in tables.places:
        attribute = tables.attributes.get(name)
        if attribute is None:
            continue
        if attribute.secret and pointer:
            element.fail(f"attribute {name!r} is a secret, which is one text")
            continue
        why, known = outside(attribute.schema, pointer)
        if why:
            element.fail(f"attribute {name!r} has no place {shown(pointer)}: {why}", nearest(pointer.rpartition("/")[2], known))
    _sources(tables)
    for one in tables.pending.values():
        _inputs(one, tables)


def _sources(tables: Tables) -> None:
    for element, name in tables.sources:
        attribute = tables.attributes[name]
        source = tables.attributes.get(attribute.source)
        if source is None:
            element.unknown("attribute", attribute.source, tables.attributes)
            continue
        giver = tables.pending.get(source.role)
        if giver is None or "discovery" not in giver.role.flags:
            given = sorted(one.name for one in tables.attributes.values() if _discovered(tables, one.role))
            element.fail(f"no discovery role gives attribute {shown(attribute.source)}", nearest(attribute.source, given))
            continue
        if source.secret:
            element.fail(f"attribute {attribute.source!r} is a secret")
        elif attribute.role:
            element.fail(f"role {attribute.role!r} gives attribute {name!r} itself")
        elif (why := outside(source.schema, attribute.pointer)[0]) != "":
            element.fail(f"attribute {attribute.source!r} has no place {shown(attribute.pointer)}: {why}")


def _discovered(tables: Tables, role: str) -> bool:
    return role in tables.pending and "discovery" in tables.pending[role].role.flags


def _inputs(one: Pending, tables: Tables) -> None:
    """Refuses an input of the role that would lie inside another in its attributes.json."""
    taken: dict[str, str] = {}
    role = one.role
    found = [("wants", i, want.key, want.at or _path(tables, want.name) + want.pointer) for i, want in enumerate(role.wants) if want.name]
    found += [("collects", i, collect.key, collect.into) for i, collect in enumerate(role.collects) if collect.into]
    for key, i, name, path in found:
        parts = path.split("/")
        above = (taken.get("/".join(parts[:length])) for length in range(1, len(parts) + 1))
        other = next(filter(None, above), None) or next((who for there, who in taken.items() if there.startswith(f"{path}/")), None)
        if other is not None:
            one.element.at((key, i)).fail(f"{name!r} and {other!r} would overlap in attributes.json, at {path!r}: give one of them `at`")
        taken[path] = name


def _path(tables: Tables, name: str) -> str:
    attribute = tables.attributes.get(name)
    return attribute.path if attribute is not None else name
