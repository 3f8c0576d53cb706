"""The SANs of a rack: their data and their targets (`managed`), for a delegate on the admin node by HTTP, and for machines of the rack.

    GET /luns                 {SERIAL: BYTES, ...}
    PUT, DELETE /luns/SERIAL  a number of bytes
    GET /targets              {TARGET: {"initiator", "user", "units": {NUMBER: SERIAL}}, ...}: without secrets
    PUT, DELETE /targets/TARGET, and /targets/TARGET/NUMBER

A target exposes only data that is there.
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

_SERIAL = re.compile(r"[0-9a-f]{32}")
_TARGET = re.compile(r"iqn\.[a-z0-9.:-]{1,200}")
_TEXT = 200
_MOST = 4096


class ManagedSan(Managed):
    """One SAN."""

    counter = "san-refused"

    @property
    def luns(self) -> dict[str, int]:
        """Serial number -> bytes."""
        return self.settings.setdefault("luns", {})  # type: ignore[no-any-return]

    @property
    def targets(self) -> dict[str, dict[str, Any]]:
        return self.settings.setdefault("targets", {})  # type: ignore[no-any-return]

    def answer(self, verb: str, path: str, body: bytes) -> Answer:
        what, name, number = (*path.strip("/").split("/"), "", "")[:3]
        if verb == "GET" and what in ("luns", "targets") and not name:
            return "200 OK", self.luns if what == "luns" else {one: _open(told) for one, told in self.targets.items()}
        if verb == "PUT" and what in ("luns", "targets"):
            self._put(what, name, number, json.loads(body))
        elif verb != "DELETE" or not self.drop(what, name, number):
            return NOT_FOUND
        self.save()
        return DONE

    def _put(self, what: str, name: str, number: str, told: Any) -> None:
        if what == "luns":
            self.make(name, told)
        elif number:
            if name not in self.targets or told not in self.luns:
                raise ValueError("no such target, or no such data")
            self.targets[name]["units"][str(int(number))] = told
        else:
            self.expose(name, told)

    def make(self, serial: str, size: Any) -> None:
        if not _SERIAL.fullmatch(serial) or type(size) is not int or size <= 0 or len(self.luns) >= _MOST:
            raise ValueError("no data")
        self.luns[serial] = size

    def expose(self, name: str, told: Any) -> None:
        texts = [told.get(key) for key in ("initiator", "user", "secret")] if isinstance(told, dict) else [None]
        units = told.get("units") if isinstance(told, dict) else None
        if not _TARGET.fullmatch(name) or not all(isinstance(one, str) and 0 < len(one) <= _TEXT for one in texts):
            raise ValueError("no target")
        if not isinstance(units, dict) or not all(serial in self.luns for serial in units.values()) or len(self.targets) >= _MOST:
            raise ValueError("no data to expose")
        kept = {str(int(number)): serial for number, serial in units.items()}
        self.targets[name] = dict(zip(("initiator", "user", "secret"), texts, strict=True)) | {"units": kept}

    def drop(self, what: str, name: str, number: str = "") -> bool:
        """True if it was there. Data that a target exposes stays."""
        if what == "luns":
            if any(name in one["units"].values() for one in self.targets.values()):
                raise ValueError("it is exposed")
            return self.luns.pop(name, None) is not None
        if what == "targets" and number:
            return name in self.targets and self.targets[name]["units"].pop(number, None) is not None
        return what == "targets" and self.targets.pop(name, None) is not None


def _open(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != "secret"}


class SanSide:
    """All SANs of a rack. Those without an address are carried by machines."""

    def __init__(self, folder: Path, wiring: Wiring, counters: Counters, silent: int = 0) -> None:
        self._folder = folder / "sans"
        self._wiring = wiring
        self._counters = counters
        self._silent = silent
        self.sans: dict[str, ManagedSan] = {}
        self._servers: list[asyncio.Server] = []

    async def start(self, sans: dict[str, str]) -> None:
        """SAN -> address, or empty. Raises OSError for one that is taken."""
        if sans:
            self._folder.mkdir(parents=True, exist_ok=True)
        for name, address in sans.items():
            self.sans[name] = one = ManagedSan(self._folder / f"{name}.json", self._counters, self._silent)
            if address:
                self._wiring.attach(address)
                host, port = self._wiring.local(address, PORT)
                self._servers.append(await asyncio.start_server(one.serve, host, port, limit=LIMIT))

    def log_in(self, target: str, initiator: str, user: str, secret: str) -> dict[str, tuple[str, int]] | None:
        """Number -> serial number and bytes, as the initiator sees them. None: the target does not let it in."""
        for san in self.sans.values():
            told = san.targets.get(target)
            if told is not None and (told["initiator"], told["user"], told["secret"]) == (initiator, user, secret):
                return {number: (serial, san.luns[serial]) for number, serial in told["units"].items()}
        return None

    async def close(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()
