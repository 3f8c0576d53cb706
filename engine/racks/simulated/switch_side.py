"""The management side of a rack's switches, for a delegate (jig `device`), because nothing of the engine runs on a switch.

A small HTTP server at the switch's own address, port 80, which stores its ports as machines store their disks:

    GET /ports              {"swp3": {"vlan": 12}, ...}: all ports that were ever set
    PUT /ports/NAME         {"vlan": 1 to 4094}; 204

One exchange per connection. A request over 8 KiB, or an invalid one, is answered with 400 and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from pathlib import Path

from ..counters import Counters
from .wiring import Wiring

PORT = 80
_LIMIT = 8 * 1024
_PATIENCE_S = 10.0
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PORTS = 1024


class ManagedSwitch:
    """One switch. `ports` has the settings, saved before the answer."""

    def __init__(self, file: Path, counters: Counters) -> None:
        self._file = file
        self._counters = counters
        self.ports: dict[str, dict[str, int]] = json.loads(file.read_text()) if file.exists() else {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, body = await asyncio.wait_for(self._exchange(reader), _PATIENCE_S)
        except (ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self._counters.add("switch-refused")
            status, body = "400 Bad Request", b""
        with contextlib.suppress(ConnectionError):
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader) -> tuple[str, bytes]:
        """Raises ValueError for what is no request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        verb, _, rest = head.partition(" ")
        path = rest.partition(" ")[0]
        found = re.search(r"(?im)^content-length: *(\d{1,6})\r$", head)
        size = int(found[1]) if found else 0
        if size > _LIMIT:
            raise ValueError("too large")
        body = await reader.readexactly(size)
        if (verb, path) == ("GET", "/ports"):
            return "200 OK", json.dumps(self.ports).encode()
        name = path.removeprefix("/ports/")
        if verb != "PUT" or name == path:
            return "404 Not Found", b""
        self._set(name, json.loads(body))
        return "204 No Content", b""

    def _set(self, name: str, wanted: object) -> None:
        vlan = wanted.get("vlan") if isinstance(wanted, dict) else None
        if not _NAME.fullmatch(name) or type(vlan) is not int or not 1 <= vlan <= 4094:
            raise ValueError("no such port, or no VLAN")
        if name not in self.ports and len(self.ports) >= _PORTS:
            raise ValueError("too many ports")
        self.ports[name] = {"vlan": vlan}
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self.ports))
        os.replace(fresh, self._file)


class SwitchSide:
    """All switches of a rack that have an address."""

    def __init__(self, folder: Path, wiring: Wiring, counters: Counters) -> None:
        self._folder = folder / "switches"
        self._wiring = wiring
        self._counters = counters
        self.switches: dict[str, ManagedSwitch] = {}
        self._servers: list[asyncio.Server] = []

    async def start(self, addresses: dict[str, str]) -> None:
        """Switch -> address. Raises OSError for one that is taken."""
        if addresses:
            self._folder.mkdir(parents=True, exist_ok=True)
        for name, address in addresses.items():
            self._wiring.attach(address)
            self.switches[name] = one = ManagedSwitch(self._folder / f"{name}.json", self._counters)
            host, port = self._wiring.local(address, PORT)
            self._servers.append(await asyncio.start_server(one.serve, host, port, limit=_LIMIT))

    async def close(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()
