"""This machine's network interfaces, for a person who chooses the one that serves the rack: link, speed, addresses, default router, and
the switch port at the other end, from LLDP.

Only reads: sysfs, `ip -j`, and one raw socket that listens for LLDP (IEEE 802.1AB) on all interfaces. Sends nothing.

Traps: a NIC passes frames to 01:80:c2:00:00:0e on only if the socket joins that group on it (packet(7), PACKET_ADD_MEMBERSHIP). Switches
speak every 30 s, so a neighbour may still come. The speed of a link that is down reads as -1 or not at all.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from ..wire.lldp import ETHERTYPE, NEAREST_BRIDGE, LldpNeighbour, Malformed, decode_frame

PROGRAM_S = 5.0
_SOL_PACKET, _ADD_MEMBERSHIP, _MULTICAST = 263, 1, 0
"""From packet(7); Python has no names for them."""
NEIGHBOURS = 256


class Neighbour(Struct, frozen=True, kw_only=True):
    switch: str
    port: str
    at: float
    """Monotonic seconds of the last frame."""


class Port(Struct, frozen=True, kw_only=True):
    name: str
    mac: str
    up: bool
    carrier: bool
    speed: int
    """Mbit/s; 0: unknown."""
    addresses: tuple[str, ...]
    """IPv4, `ADDRESS/PREFIX`."""
    router: str
    """The default router that is reached through it. Empty: none."""
    virtual: bool
    """True for a bridge, a tunnel or the like, which has no hardware of its own."""
    neighbour: Neighbour | None = None


class InterfaceWatch:
    """Listens from `start` to `stop`. One thread may call `ports` at any time."""

    def __init__(self, net: Path = Path("/sys/class/net"), program: Callable[..., object] | None = None) -> None:
        self._net = net
        self._ask = program or _json
        self._heard: dict[str, Neighbour] = {}
        self._wire: socket.socket | None = None
        self._over = threading.Event()
        self.deaf = ""
        """Why LLDP cannot be received. Empty: it can, or nobody tried."""

    def start(self) -> None:
        if self._wire is not None:
            return
        try:
            self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
        except PermissionError:
            self.deaf = "it needs the privilege CAP_NET_RAW"
            return
        except (OSError, AttributeError) as error:
            self.deaf = f"this system has no packet sockets ({error})"
            return
        self._over.clear()
        threading.Thread(target=self._listen, args=(self._wire,), name="interface-watch", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def ports(self) -> list[Port]:
        """Interfaces that could serve a rack, hardware first; not loopback."""
        addresses, routers = _addresses(self._ask), _routers(self._ask)
        out = []
        for folder in sorted(self._net.iterdir()) if self._net.is_dir() else ():
            if _line(folder / "type") != "1" or folder.name == "lo":  # ARPHRD_ETHER
                continue
            flags = _line(folder / "flags")
            speed = _line(folder / "speed")
            out.append(
                Port(
                    name=folder.name,
                    mac=_line(folder / "address"),
                    up=bool(int(flags, 16) & 1) if flags.startswith("0x") else False,
                    carrier=_line(folder / "carrier") == "1",
                    speed=int(speed) if speed.isdecimal() else 0,
                    addresses=addresses.get(folder.name, ()),
                    router=routers.get(folder.name, ""),
                    virtual=not (folder / "device").exists(),
                    neighbour=self._heard.get(folder.name),
                )
            )
            self._join(folder)
        return sorted(out, key=lambda p: (not p.carrier, not p.addresses, p.virtual, p.name))

    # -- LLDP --------------------------------------------------------------------------------------------------------

    def _join(self, folder: Path) -> None:
        wire, index = self._wire, _line(folder / "ifindex")
        if wire is not None and index.isdecimal():
            group = struct.pack("iHH8s", int(index), _MULTICAST, len(NEAREST_BRIDGE), NEAREST_BRIDGE)
            with contextlib.suppress(OSError):  # the interface went away, or the socket is closed
                wire.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, group)

    def _listen(self, wire: socket.socket) -> None:
        ready = select.poll()  # `select` refuses descriptors above 1023
        ready.register(wire, select.POLLIN)
        with wire:
            while not self._over.is_set():
                try:
                    if not ready.poll(500):
                        continue
                    frame, source = wire.recvfrom(2048)
                except OSError:
                    return
                self.take(str(source[0]), int(source[2]), frame)
        self._wire = None

    def take(self, interface: str, kind: int, frame: bytes) -> None:
        """Handles a received frame. Ignores the machine's own frames (PACKET_OUTGOING, 4)."""
        if kind == 4 or (interface not in self._heard and len(self._heard) >= NEIGHBOURS):
            return
        try:
            found = decode_frame(frame)
        except Malformed:
            return
        if not found.ttl_s:
            self._heard.pop(interface, None)
            return
        self._heard[interface] = Neighbour(switch=_switch(found), port=found.port_id, at=time.monotonic())


def _switch(found: LldpNeighbour) -> str:
    return found.system_name.split(".")[0] or found.chassis_id


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _json(*argv: str) -> object:
    """The program's output. None: the program is missing, failed, or took too long."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PROGRAM_S, check=False, stdin=subprocess.DEVNULL)
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None


def addresses() -> dict[str, tuple[str, ...]]:
    """Interface -> its IPv4 addresses, `ADDRESS/PREFIX`. Empty: `ip` is missing or failed."""
    return _addresses(_json)


def _addresses(ask: Callable[..., object]) -> dict[str, tuple[str, ...]]:
    out: dict[str, tuple[str, ...]] = {}
    found = ask("ip", "-j", "-4", "address", "show")
    for link in found if isinstance(found, list) else ():
        with contextlib.suppress(KeyError, TypeError):
            some = [f"{one['local']}/{one['prefixlen']}" for one in link.get("addr_info", ()) if one.get("family") == "inet"]
            out[str(link["ifname"])] = tuple(some)
    return out


def _routers(ask: Callable[..., object]) -> dict[str, str]:
    out: dict[str, str] = {}
    found = ask("ip", "-j", "-4", "route", "show", "default")
    for route in found if isinstance(found, list) else ():
        with contextlib.suppress(KeyError, TypeError):
            out.setdefault(str(route["dev"]), str(route["gateway"]))
    return out
