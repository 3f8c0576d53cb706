"""A source from which no order leaves. The session refuses orders already; this is the wall behind it, whatever a page does."""

from __future__ import annotations

from typing import Any

from engine.api.views import Look, Reason

from .manner import READ_ONLY
from .snapshot import Said
from .source import Elsewhere


class Watching(Elsewhere):
    """Like `Elsewhere`: it attaches to an engine, or shows a store as it is. It never starts an engine, and asks nothing of a machine."""

    def _order(self, what: Any) -> Said:
        return READ_ONLY

    def join(self, address: str, host_key: str, password: str | None) -> Said | Reason:
        return READ_ONLY

    def disks(self, nodes: list[str]) -> dict[str, Look]:
        return {}
