"""The management side of a rack's switches (`managed`):

GET /ports              {"swp3": {"vlan": 12}, ...}: all ports that were ever set
PUT /ports/NAME         {"vlan": 1 to 4094}, or {"untagged": 0 to 4094, "tagged": [1 to 4094, ...], "lag": "", "description": ""}; 204
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from ..counters import Counters
from .managed import DONE, LIMIT, NOT_FOUND, PORT, Answer, Managed
from .wiring import Wiring

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,63}")
_TEXT = 80
"""Most characters of a group's name and of a description."""
_PORTS = 1024


class ManagedSwitch(Managed):
    """One switch."""

    counter = "switch-refused"

    @property
    def ports(self) -> dict[str, dict[str, Any]]:
        return self.settings

    def answer(self, verb: str, path: str, body: bytes) -> Answer:
        if (verb, path) == ("GET", "/ports"):
            return "200 OK", self.ports
        name = path.removeprefix("/ports/")
        if verb != "PUT" or name == path:
            return NOT_FOUND
        self._set(name, json.loads(body))
        return DONE

    def _set(self, name: str, wanted: object) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError("no such port")
        if name not in self.ports and len(self.ports) >= _PORTS:
            raise ValueError("too many ports")
        self.ports[name] = _settings(wanted)
        self.save()


def _settings(wanted: object) -> dict[str, Any]:
    """Raises ValueError for what no port can be."""
    if not isinstance(wanted, dict):
        raise ValueError("no settings")
    if set(wanted) == {"vlan"}:
        return {"vlan": _vlan(wanted["vlan"], 1)}
    tagged = wanted.get("tagged", [])
    texts = {key: wanted.get(key, "") for key in ("lag", "description")}
    if set(wanted) - {"untagged", "tagged", *texts} or not isinstance(tagged, list):
        raise ValueError("unknown settings")
    if not all(isinstance(text, str) and len(text) <= _TEXT for text in texts.values()):
        raise ValueError("no text")
    return {"untagged": _vlan(wanted.get("untagged", 0), 0), "tagged": sorted({_vlan(one, 1) for one in tagged}), **texts}


def _vlan(value: object, least: int) -> int:
    if type(value) is not int or not least <= value <= 4094:
        raise ValueError("no VLAN")
    return value


class SwitchSide:
    """All switches of a rack that have an address."""

    def __init__(self, folder: Path, wiring: Wiring, counters: Counters, silent: int = 0) -> None:
        self._folder = folder / "switches"
        self._wiring = wiring
        self._counters = counters
        self._silent = silent
        self.switches: dict[str, ManagedSwitch] = {}
        self._servers: list[asyncio.Server] = []

    async def start(self, addresses: dict[str, str]) -> None:
        """Switch -> address. Raises OSError for one that is taken."""
        if addresses:
            self._folder.mkdir(parents=True, exist_ok=True)
        for name, address in addresses.items():
            self._wiring.attach(address)
            self.switches[name] = one = ManagedSwitch(self._folder / f"{name}.json", self._counters, self._silent)
            host, port = self._wiring.local(address, PORT)
            self._servers.append(await asyncio.start_server(one.serve, host, port, limit=LIMIT))

    def carried(self, switch: str, port: str) -> frozenset[int] | None:
        """The tagged VLANs of a port of a managed switch. None: nobody manages that switch, and it passes everything."""
        managed = self.switches.get(switch.split(".")[0])
        return None if managed is None else frozenset(managed.ports.get(port, {}).get("tagged", ()))

    async def close(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()
