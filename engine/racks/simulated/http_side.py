"""Small HTTP services of an installed system in a rack, which a barclamp's `rehearsal.py` gives it.

    SERVERS = {"swift-object": objects}
    async def objects(machine: Machine, verb: str, path: str, body: bytes) -> Answer: ...

A role starts one with `machine.listen(port, "swift-object", process)`. It then answers whenever the system runs, also after a reboot,
until somebody kills the process. One exchange per connection. A request over 256 KiB, or an invalid one, is answered with 400.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

from .machine import Machine

LIMIT = 256 * 1024
"""Most octets of a body, in both directions."""
PATIENCE_S = 30.0
SILENT = 0
"""Status of an exchange in which nothing answered."""
Answer = tuple[int, bytes]
"""Status and body."""
Server = Callable[[Machine, str, str, bytes], Awaitable[Answer]]
"""Machine, verb, path, body of the request -> answer."""
Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_LENGTH = re.compile(r"(?im)^content-length: *(\d{1,7})\r$")


def serving(machine: Machine, server: Server) -> Connected:
    """What `asyncio.start_server` calls for each connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            try:
                verb, path, body = await asyncio.wait_for(_request(reader), PATIENCE_S)
                status, said = await server(machine, verb, path, body)
            except (ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                status, said = 400, b""
            writer.write(_head(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", said) + said)
            await writer.drain()
        writer.close()

    return connected


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    verb, path, _ = head.split(" ", 2)
    return verb, path, await reader.readexactly(_size(head))


def _size(head: str) -> int:
    found = _LENGTH.search(head)
    size = int(found[1]) if found else 0
    if size > LIMIT:
        raise ValueError("too large")
    return size


def _head(first: str, body: bytes) -> bytes:
    return f"{first}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()


async def ask(machine: Machine, verb: str, address: str, port: int, path: str, body: bytes = b"") -> Answer:
    """What another machine's service answers this one. Status SILENT: nothing answers, or no HTTP."""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(*machine.remote(address, port))
            writer.write(_head(f"{verb} {path} HTTP/1.1", body) + body)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            return int(head.split(" ", 2)[1]), await reader.readexactly(_size(head))
    except (OSError, ValueError, IndexError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return SILENT, b""
    finally:
        if writer is not None:
            writer.close()
