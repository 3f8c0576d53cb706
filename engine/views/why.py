"""A reason, ready to read. Pure."""

from __future__ import annotations

from msgspec import Struct

from ..definitions import Json
from ..reasons import Reason, advice, sentence


class Why(Struct, frozen=True, kw_only=True):
    """A reason, ready to read: code and fields for programs, sentence and advice for people."""

    code: str
    fields: dict[str, Json]
    sentence: str
    advice: str = ""


def why(reason: Reason) -> Why:
    return Why(code=reason.code, fields=dict(reason.fields), sentence=sentence(reason), advice=advice(reason))
