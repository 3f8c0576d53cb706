"""The calls of distributions' installers: files of answers, and the tools by which an installer becomes an agent.

A file of answers is given to who shows the nonce of an open boot in its path, as often as it asks (installers fetch some files twice),
until that boot's hello; then the nonce is worthless. It holds no secret. What an installer fetches besides (`/boot/tool/NAME`) are the
scripts of `images/node`, which are the same for everybody.

`Fetched(what="answers")` tells the engine that the installer is at work.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from aiohttp import web

from .. import reasons
from ..events import Fetched
from ..reasons import Reason
from .http_gate import Call, Gate, Refusal

_NONCE = re.compile(r"[0-9a-f]{32,64}")

Answers = Callable[[str, str, str], str | Reason | None]
"""SHA-256 (hex) of a nonce, the nonce, file name -> the file, why it cannot be made, or None: no open boot carries that nonce, or its
installer has no such file."""
Tool = Callable[[str], bytes | None]


class InstallCalls:
    def __init__(self, gate: Gate, answers: Answers, tool: Tool) -> None:
        self._gate = gate
        self._answers = answers
        self._tool = tool
        gate.handlers |= {"answers": self.answers, "tool": self.tool}

    async def answers(self, call: Call) -> web.StreamResponse:
        nonce, file = call.segments["nonce"], call.segments["file"]
        found = None
        if _NONCE.fullmatch(nonce):
            found = self._answers(hashlib.sha256(nonce.encode()).hexdigest(), nonce, file)
        if found is None:
            raise Refusal(403, "no_answers", reasons.sentence(reasons.unknown_nonce()))
        if isinstance(found, Reason):
            raise Refusal(409, found.code, reasons.sentence(found))
        try:
            self._gate.tell(Fetched(address=self._gate.address(call), what="answers"))
        except Refusal:
            # The engine does without the signal: the hello comes soon.
            self._gate.counters["fetched_lost"] += 1
        return web.Response(text=found, content_type="text/plain", headers={"Cache-Control": "no-store"})

    async def tool(self, call: Call) -> web.StreamResponse:
        found = self._tool(call.segments["file"])
        if found is None:
            raise Refusal(404, "no_tool", "there is no such tool")
        return web.Response(body=found, content_type="text/x-shellscript", headers={"Cache-Control": "no-store"})
