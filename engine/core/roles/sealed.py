"""Secrets that operators set and roles give: the world holds the name under which the engine sealed each, and nothing of its content. Pure.

The name follows from the content and the installation's key. So the same secret has the same name, a changed one has another, and the roles
that read it become stale. Its first digits are the fingerprint that people see.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...definitions import Json
from ..world.world import World

PREFIX = "sealed/"
"""Begins each such name. The secrets of a plan have names without `/`."""
GENERATED = "made/"
"""Begins the name of a secret that the engine makes itself, because its attribute says `generate`."""
FINGERPRINT = 8


def handle(name: str) -> dict[str, Json]:
    return {"$secret": name}


def generated(attribute: str) -> dict[str, Json]:
    """The handle of the secret that the engine makes for an attribute."""
    return handle(GENERATED + attribute)


def name_in(value: Json) -> str:
    """The name in a handle of such a secret. Empty: it is anything else."""
    name = value.get("$secret") if isinstance(value, dict) and len(value) == 1 else None
    return name if isinstance(name, str) and name.startswith(PREFIX) else ""


def fingerprint(value: Json) -> str:
    """What people see of a sealed secret: 8 hexadecimal digits. Empty: it is no such secret."""
    return name_in(value).removeprefix(PREFIX)[:FINGERPRINT]


def in_use(world: World) -> Iterator[str]:
    """The names of all such secrets that the world refers to."""
    known = world.catalog.attributes
    for value in world.attributes.values():
        if name := name_in(value.value):
            yield name
    for role, definition in world.catalog.roles.items():
        given = [name for name in definition.gives if name in known and known[name].secret]
        for key in world.bound.get(role) or () if given else ():
            yield from filter(None, (name_in(world.node_roles[key].gave.get(name)) for name in given))
