"""One place inside a value, by a JSON pointer (RFC 6901): `/volumes/0/level`. Pure.

After the name of an attribute it is written `NAME#/a/b`. In a part, `~1` is `/` and `~0` is `~`. In a list a part is a number from 0, or
`-` for the place after the last item. The empty pointer is the whole value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ...definitions import Json

LONGEST, DEEPEST = 1024, 32
"""Most characters, and most parts."""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_NOT_ESCAPED = re.compile(r"~(?![01])")


class PointerError(ValueError):
    """There is no such place. The text says why."""


def split(name: str) -> tuple[str, str]:
    """`NAME#/a/b` -> the name of the attribute, and the pointer. Without `#` the pointer is empty."""
    attribute, _, pointer = name.partition("#")
    return attribute, pointer


@lru_cache(1024)
def parts(pointer: str) -> tuple[str, ...]:
    """Its parts, unescaped. Raises PointerError."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise PointerError("a pointer begins with /")
    if len(pointer) > LONGEST or pointer.count("/") > DEEPEST:
        raise PointerError(f"a pointer has at most {LONGEST} characters and {DEEPEST} parts")
    if _NOT_ESCAPED.search(pointer):
        raise PointerError("a ~ in a pointer is written ~0, and a / in a part ~1")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))


def at(value: Json, pointer: str) -> Json:
    """What stands there. None: nothing does."""
    for part in parts(pointer):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list | tuple) and _NUMBER.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def put(value: Json, pointer: str, new: Json) -> Json:
    """The value with `new` at that place. Maps that are missing on the way are made. Raises PointerError."""
    return _put(value, parts(pointer), new, "")


def _put(value: Json, left: tuple[str, ...], new: Json, path: str) -> Json:
    if not left:
        return new
    part, rest = left[0], left[1:]
    if value is None or isinstance(value, dict):
        inside = value or {}
        return {**inside, part: _put(inside.get(part), rest, new, f"{path}/{part}")}
    items, number = _list(value, path), _index(value, part, path, after=True)
    inner = _put(items[number] if number < len(items) else None, rest, new, f"{path}/{part}")
    return [*items[:number], inner, *items[number + 1 :]]


def without(value: Json, pointer: str) -> Json:
    """The value without that place. In a list the later items move up. Raises PointerError, also if nothing is there."""
    if not pointer:
        raise PointerError("the empty pointer is the whole value")
    return _without(value, parts(pointer), "")


def _without(value: Json, left: tuple[str, ...], path: str) -> Json:
    part, rest = left[0], left[1:]
    if isinstance(value, dict):
        if part not in value:
            raise PointerError(f"nothing is at {path}/{part}")
        if rest:
            return {**value, part: _without(value[part], rest, f"{path}/{part}")}
        return {key: one for key, one in value.items() if key != part}
    items, number = _list(value, path), _index(value, part, path)
    return [*items[:number], *([_without(items[number], rest, f"{path}/{part}")] if rest else []), *items[number + 1 :]]


def _list(value: Json, path: str) -> list[Json]:
    if not isinstance(value, list | tuple):
        raise PointerError(f"{path or 'the value'} is neither a map nor a list")
    return list(value)


def _index(value: Json, part: str, path: str, after: bool = False) -> int:
    many = len(_list(value, path))
    if part == "-" and after:
        return many
    number = int(part) if _NUMBER.fullmatch(part) else -1
    if not 0 <= number < many + after:
        raise PointerError(f"{path or 'the value'} is a list of {many} items, and has no item {part}")
    return number


def outside(schema: Mapping[str, Any], pointer: str) -> tuple[str, list[str]]:
    """Why no value of that JSON Schema has such a place, and the keys that exist there. Empty: one can have it, as far as the schema
    says so in plain keys."""
    here: Any = schema
    path = ""
    for part in parts(pointer):
        if not isinstance(here, Mapping) or not _plain(here):
            return "", []
        kinds = here.get("type", ["object", "array"])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not {"object", "array"} & set(kinds):
            return f"{path or 'the value'} is neither a map nor a list", []
        known, more = here.get("properties", {}), here.get("additionalProperties", True)
        number = bool(_NUMBER.fullmatch(part))
        if "object" not in kinds and not number:
            return f"{path or 'the value'} is a list, whose places are numbers from 0, not {part}", []
        if "array" not in kinds and part not in known and more is False and "patternProperties" not in here:
            return f"{path or 'the value'} has no key {part}", sorted(known)
        here = here.get("items", {}) if number and "array" in kinds else known.get(part, more)
        path += f"/{part}"
    return "", []


def schema_at(schema: Mapping[str, Any], pointer: str) -> dict[str, Json]:
    """The schema of that place. Empty: plain keys do not say it, so anything may stand there."""
    here: Any = schema
    for part in parts(pointer):
        if not isinstance(here, Mapping) or not _plain(here):
            return {}
        items = here.get("items", {}) if _NUMBER.fullmatch(part) or part == "-" else None
        here = here.get("properties", {}).get(part, here.get("additionalProperties", items) if items is None else items)
    return dict(here) if isinstance(here, Mapping) else {}


def _plain(schema: Mapping[str, Any]) -> bool:
    """True if its own keys say what it allows: no reference and no combination that would have to be followed."""
    return not {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "prefixItems"} & schema.keys()
