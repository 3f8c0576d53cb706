"""The LAN channel of a simulated BMC: its address, and who gives it (IPMI 2.0, 23.1, 23.2 and table 23-4). It outlives the rack's process.

As many real BMCs do, it refuses an address while its own comes by DHCP, and takes each parameter at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

STATIC, DHCP = 1, 2
SOURCE, ADDRESS, MASK, ROUTER = 4, 3, 6, 12
"""Parameters of table 23-4."""
_QUADS = {ADDRESS: "address", MASK: "mask", ROUTER: "router"}


class LanValues(Struct, kw_only=True):
    address: str
    """IPv4, or an IPv6 address that IPMI's parameters do not show."""
    mask: str = "255.255.255.0"
    router: str = "0.0.0.0"
    source: int = STATIC


class Lan:
    """Of one BMC. `file` keeps the changes; None: they end with this object. `moved` is called with a new address."""

    def __init__(self, factory: LanValues, file: Path | None = None, moved: Callable[[str], None] = lambda _address: None) -> None:
        self._file, self._moved = file, moved
        kept = file is not None and file.exists()
        self.now = msgspec.json.decode(file.read_bytes(), type=LanValues) if file is not None and kept else factory

    def parameter(self, number: int) -> bytes | None:
        """Octets of a parameter. None: it is none of these."""
        if number == SOURCE:
            return bytes((self.now.source,))
        name = _QUADS.get(number)
        if name is None:
            return None
        found = ipaddress.ip_address(getattr(self.now, name))
        of_four = ipaddress.ip_address(self.now.address).version == 4
        return found.packed if found.version == 4 and of_four else bytes(4)

    def set(self, number: int, octets: bytes) -> bool | None:
        """True: it is taken. False: it cannot be set now. None: there is no such parameter. Raises OSError."""
        if number == SOURCE:
            if not octets or octets[0] & 0xF not in (STATIC, DHCP):
                return False
            return self._change(source=octets[0] & 0xF)
        name = _QUADS.get(number)
        if name is None:
            return None
        if len(octets) < 4 or self.now.source != STATIC:
            return False
        return self._change(**{name: str(ipaddress.IPv4Address(octets[:4]))})

    def _change(self, **fields: object) -> bool:
        before = self.now.address
        self.now = msgspec.structs.replace(self.now, **fields)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new = self._file.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(self.now))
            new.replace(self._file)
        if self.now.address != before:
            self._moved(self.now.address)
        return True
