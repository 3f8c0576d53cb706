"""The management of a device of a rack, for a delegate (jig `device`), because nothing of the engine runs on a device.

A small HTTP server at the device's own address, port 80, which stores its settings as machines store their disks. One exchange per
connection. A request over 8 KiB, or an invalid one, is answered with 400 and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

from ..counters import Counters

PORT = 80
LIMIT = 8 * 1024
_PATIENCE_S = 10.0
Answer = tuple[str, Any]
"""Status line, and the body as JSON. None: no body."""
NOT_FOUND: Answer = ("404 Not Found", None)
DONE: Answer = ("204 No Content", None)


class Managed:
    """One device. `settings` is saved before the answer."""

    counter = "device-refused"
    """What counts invalid requests."""

    def __init__(self, file: Path, counters: Counters, silent: int = 0) -> None:
        """`silent`: so many first requests get no answer."""
        self._silent = silent
        self._file = file
        self._counters = counters
        self.settings: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}

    def answer(self, verb: str, path: str, body: bytes) -> Answer:
        """Raises ValueError for what is no request."""
        raise NotImplementedError

    def save(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self.settings))
        os.replace(fresh, self._file)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, told = await asyncio.wait_for(self._exchange(reader), _PATIENCE_S)
        except (ValueError, TypeError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self._counters.add(self.counter)
            status, told = "400 Bad Request", None
        except ConnectionError:
            writer.close()
            return
        body = b"" if told is None else json.dumps(told).encode()
        with contextlib.suppress(ConnectionError):
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader) -> Answer:
        if self._silent:
            self._silent -= 1
            self._counters.add("device-silent")
            raise ConnectionResetError("it is silent")
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        verb, _, rest = head.partition(" ")
        path = rest.partition(" ")[0]
        found = re.search(r"(?im)^content-length: *(\d{1,6})\r$", head)
        size = int(found[1]) if found else 0
        if size > LIMIT:
            raise ValueError("too large")
        return self.answer(verb, path, await reader.readexactly(size))
