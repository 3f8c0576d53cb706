"""Takes over what the engine sees of its own machine and port (`Here`)."""

from __future__ import annotations

from msgspec import structs

from ...events import AdminSeen
from ..world.work import Work
from .own_port import ADMIN


def seen(w: Work, event: AdminSeen) -> None:
    admin = w.nodes.get(ADMIN)
    if admin is not None and admin.here != event.here:
        w.put_node(structs.replace(admin, here=event.here))
