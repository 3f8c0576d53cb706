"""The calls of distributions' installers: answers files, and the tools with which an installer becomes an agent.

An answers file goes to anyone who shows the nonce of an open boot in the path, as often as they ask (installers fetch some files twice),
until that boot's hello. Then the nonce is worthless. The file holds no secret. The other files for an installer (`/boot/tool/NAME`) are
the scripts of `images/node`, which are the same for every node.

`Fetched(what="answers")` tells the engine that the installer is running.
"""

from __future__ import annotations

import re

from aiohttp import web

from .. import reasons
from ..events import Fetched
from ..reasons import Reason
from .backend import Texts
from .http_gate import Call, Gate, Refusal

_NONCE = re.compile(r"[0-9a-f]{32,64}")


class InstallCalls:
    def __init__(self, gate: Gate, texts: Texts) -> None:
        self._gate = gate
        self._texts = texts
        gate.handlers |= {"answers": self.answers, "tool": self.tool}

    async def answers(self, call: Call) -> web.StreamResponse:
        nonce, file = call.segments["nonce"], call.segments["file"]
        found = None
        if _NONCE.fullmatch(nonce):
            found = self._texts.install_answers(self._gate.keys.check_nonce(nonce), nonce, file)
        if found is None:
            raise Refusal(403, "no_answers", reasons.sentence(reasons.unknown_nonce()))
        if isinstance(found, Reason):
            raise Refusal(409, found.code, reasons.sentence(found))
        try:
            self._gate.tell(Fetched(address=self._gate.address(call), what="answers"))
        except Refusal:
            # The engine can do without this signal: the hello comes soon.
            self._gate.counters["fetched_lost"] += 1
        return web.Response(text=found, content_type="text/plain", headers={"Cache-Control": "no-store"})

    async def tool(self, call: Call) -> web.StreamResponse:
        found = self._texts.tool(call.segments["file"])
        if found is None:
            raise Refusal(404, "no_tool", "there is no such tool")
        return web.Response(body=found, content_type="text/x-shellscript", headers={"Cache-Control": "no-store"})
