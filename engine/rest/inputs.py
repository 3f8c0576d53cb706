"""The query and the body of a call: octets -> typed, bounded records. Unknown fields are refused. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from .. import reasons
from ..definitions import Json
from .calls import Refusal
from .table import Endpoint

DEPTH = 32
"""Deepest nesting of a value."""
FIELDS = 16


def query(endpoint: Endpoint, text: str) -> Any:
    """The record of the endpoint's query, or None if it takes none. Raises Refusal."""
    if endpoint.query is None:
        if text:
            raise _bad("this path takes no query")
        return None
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=FIELDS, errors="strict")
    except ValueError:
        raise _bad("the query is not `name=value&name=value`") from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise _bad("the query has a name twice")
    try:
        return msgspec.convert(dict(pairs), endpoint.query, strict=False)
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None


def body(endpoint: Endpoint, data: bytes) -> Any:
    """The record of the endpoint's body, or None if it takes none. Raises Refusal."""
    if endpoint.body is None:
        return None
    try:
        found: Struct = msgspec.json.decode(data or b"{}", type=endpoint.body)
        msgspec.json.encode(found)  # text that cannot be encoded (lone surrogates) would raise later, when it is stored
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeError, OverflowError) as error:
        raise _bad(str(error)) from None
    if _deeper(getattr(found, "value", None), DEPTH):
        raise _bad(f"its value is nested more than {DEPTH} deep")
    return found


def _deeper(value: Json, most: int) -> bool:
    """True if the value is nested more than `most` deep."""
    level = [value]
    for _ in range(most + 1):
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())]
        if not level:
            return False
    return True


def _bad(message: str) -> Refusal:
    # msgspec quotes parts of the value in few cases, so the length is bounded.
    return Refusal(422, reasons.bad_call(message=message[:200]))
