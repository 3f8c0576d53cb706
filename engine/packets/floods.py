"""Who sent so much that some of it was dropped: for each source and kind a count, and the last sender with its address and switch port.

Only in memory, without journal rows, because any stranger can cause them. A source that was silent longest is forgotten first.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from .. import reasons
from ..definitions import Json
from .names import shown

SOURCES = 64


class Flood(Struct, kw_only=True):
    what: str
    """`DHCP packets`, `TFTP requests`, `HTTP requests`, `connections` or `package requests`."""
    source: str
    """A relay's address, an interface, or the sender's address."""
    who: str
    """MAC of the last sender, or its address."""
    port: str
    """Its switch port, as its relay said. Empty: unknown."""
    at: float
    """Wall time of the last dropped one."""
    count: int = 0


class Floods:
    """Thread-safe."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, str], Flood] = OrderedDict()

    def note(self, what: str, source: str, who: bytes, port: str) -> None:
        key = (what, source)
        with self._lock:
            before = self._found.pop(key, None)
            count = before.count + 1 if before is not None else 1
            port = port or (before.port if before is not None else "")
            self._found[key] = Flood(what=what, source=source, who=shown(who), port=port, at=self._wall(), count=count)
            if len(self._found) > SOURCES:
                self._found.popitem(last=False)

    def as_json(self) -> list[Json]:
        """The highest count first, each with its sentence and advice."""
        with self._lock:
            found = sorted(self._found.values(), key=lambda one: -one.count)
        return [_as_json(one) for one in found]


def _as_json(one: Flood) -> Json:
    where = f", switch port {one.port}" if one.port else ""
    reason = reasons.flood(what=one.what, source=one.source, who=one.who, where=where, count=one.count)
    fields: dict[str, Json] = {name: getattr(one, name) for name in one.__struct_fields__}
    return fields | {"code": reason.code, "sentence": reasons.sentence(reason), "advice": reasons.advice(reason)}
