"""A call that passed the gate, and the refusal of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from .. import reasons
from ..attach.desk import Host
from ..core.world.world import World
from ..reasons import Reason
from ..store.store import JournalRow
from .messages import Refused
from .table import Endpoint


class Refusal(Exception):
    """The call is refused: HTTP status and reason."""

    def __init__(self, status: int, reason: Reason, **headers: str) -> None:
        super().__init__(reason.code)
        self.status = status
        self.reason = reason
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def body(self) -> bytes:
        reason = self.reason
        told = Refused(code=reason.code, fields=dict(reason.fields), sentence=reasons.sentence(reason), advice=reasons.advice(reason))
        return msgspec.json.encode(told)


class Backend(Protocol):
    """The engine, as the API sees it. Called in the threads of calls."""

    @property
    def host(self) -> Host:
        """Carries requests out, as for the attach socket."""

    @property
    def world(self) -> World: ...

    def journal(self, after: int, limit: int) -> list[JournalRow]:
        """Raises StoreError."""


class Call(Struct, frozen=True, kw_only=True):
    endpoint: Endpoint
    parts: dict[str, str]
    """The parts of the path that the endpoint names."""
    query: Any
    """A record of the endpoint's `query`, or None."""
    body: Any
    """A record of the endpoint's `body`, or None."""
    who: str
    """The operator whose token or certificate it showed."""
    ends: Callable[[], bool]
    """True once nobody waits for the answer."""


def unknown(what: str, name: str, known: list[str]) -> Refusal:
    return Refusal(404, reasons.unknown_thing(what=what, name=name, nearest=", ".join(known[:8]) or "none"))
