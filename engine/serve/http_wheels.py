"""Wheels that the admin node built from source, for nodes: `/wheels/KEY/FILE`.

KEY is a SHA-256 of what was built, which nobody can list. A node learns it, and the SHA-256 of the manifest, over SSH; the manifest has
that of each wheel. So what comes this way proves itself, and a standing is enough to ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from .http_gate import Call, Gate, Refusal
from .http_guard import peer_of
from .http_images import send
from .image_file import ImageFile
from .standing import Standing

_KEY = re.compile(r"[0-9a-f]{64}")

WheelShelf = Callable[[str, str], tuple[Path, int, str] | None]
"""Key and file name -> path, size and SHA-256. None: there is no such file."""


def no_wheels(key: str, name: str) -> None:  # noqa: ARG001
    """Where nothing is built."""
    return


class WheelCalls:
    def __init__(self, gate: Gate, shelf: WheelShelf) -> None:
        self._shelf = shelf
        self._standings, self._senders = gate.backend.standings, gate.senders
        gate.handlers |= {"wheels": self.wheels}

    async def wheels(self, call: Call) -> web.StreamResponse:
        if self._standings.of_address(peer_of(call.request.transport)) is Standing.STRANGER:
            raise Refusal(403, "no_node", "wheels are for the machines of this rack: this address is no node's, and has no lease")
        key, name = call.segments["key"], call.segments["path"]
        found = self._shelf(key, name) if _KEY.fullmatch(key) and "/" not in name else None
        if found is None:
            raise Refusal(404, "no_wheel", "there is no such file of a build")
        path, size, sha256 = found
        try:
            response, _ = await send(call.request, ImageFile(path=str(path), size=size, sha256=sha256, kind="installer"), self._senders)
        except (OSError, ValueError) as error:  # it was removed just now
            raise Refusal(503, "wheels_busy", "ask again") from error
        return response
