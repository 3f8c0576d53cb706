"""Reads the key `checks` of a role: what proves that the role is healthy. docs/barclamps.md explains the kinds.

The values become words of command lines, which Nagios and NRPE give to a shell when they hold a character that a shell knows. So each has a
pattern that leaves such characters out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from ..checks import CHECK_KINDS, Check
from ..definitions import Json
from .element import Element, Fields
from .mistakes import listed, nearest

MOST = 16
"""Checks of one role."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
URL_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
PROCESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+:-]*")
PROGRAM = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)+")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")


def read_checks(keys: Fields, reads: Collection[str]) -> tuple[Check, ...]:
    """The checks of a role that wants the attributes `reads`. Notes each mistake at its place."""
    out: dict[str, Check] = {}
    places = keys.each("checks", "a list of checks")
    if len(places) > MOST:
        keys["checks"].fail(f"expected at most {MOST} checks, not {len(places)}")
    for place in places[:MOST]:
        check = _check(place, reads)
        if check is not None and check.name in out:
            place.fail(f"the role already has a check {check.name!r}: give this one another name")
        elif check is not None:
            out[check.name] = check
    return tuple(out.values())


def _when(element: Element, reads: Collection[str]) -> dict[str, Json]:
    """Attribute -> the value that it must have."""
    out = {}
    for name, place in element.entries("a map from attributes to values").items():
        if name not in reads:
            place.fail(f"the role does not want the attribute {name!r}, so the check cannot depend on it", nearest(name, reads))
        out[name] = place.json()
    return out


def _check(element: Element, reads: Collection[str]) -> Check | None:
    every = dict.fromkeys(key for kind in CHECK_KINDS.values() for key in (*kind.needs, *kind.may))
    keys = element.fields(("name", "kind", "when", *every), ("kind",))
    if "kind" not in keys:
        return None
    kind = CHECK_KINDS.get(keys["kind"].known("kind of check", CHECK_KINDS))
    if kind is None:
        return None
    known = ("name", "kind", "when", *kind.needs, *kind.may)
    for key in [one for one in keys if one not in known]:
        keys[key].fail(f"a check of kind {kind.name} has no key {key!r}; it has {listed(known)}")
    for key in [one for one in kind.needs if one not in keys]:
        element.fail(f"a check of kind {kind.name} needs the key {key!r}")
    name = keys["name"].name("a check's name", NAME, 40) if "name" in keys else kind.name
    when = _when(keys["when"], reads) if "when" in keys else {}
    return Check(name=name, kind=kind.name, when=when, **{key: _value(key, keys[key]) for key in (*kind.needs, *kind.may) if key in keys})


def _value(key: str, element: Element) -> Any:
    match key:
        case "port":
            return element.integer(1, 65535)
        case "status":
            return element.integer(100, 599)
        case "free":
            return element.integer(2, 90)
        case "tls":
            return element.truth()
        case "path":
            return element.name("the path of a URL: letters, digits and . _ ~ / -", URL_PATH, 200)
        case "lookup":
            return element.name("a host name", HOST, 253)
        case "process":
            return element.name("a process's name of at most 15 characters", PROCESS, 15)
        case "program":
            return element.name("a program's absolute path: letters, digits and . _ + / -", PROGRAM, 200)
        case _:
            raise ValueError(f"{key} is a key of checks, and nothing reads it")
