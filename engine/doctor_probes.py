"""Asks the real machine what the doctor wants to know. Each probe is bounded in time, and changes nothing.

Programs are called with a list of arguments and a time limit; a missing one is an answer. The foreign DHCP server is looked for with one
raw DHCPDISCOVER, so that no address of our own is needed and no service of ours is disturbed: whoever offers is told nothing more, and
takes its offer back after a while.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import secrets
import select
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Literal

from .core.doctor import Clock, Interface, Privilege
from .definitions import Json
from .images import image_states
from .store import file as store_file
from .store.store import Store, StoreError
from .wire.dhcp import DhcpKind, DhcpRequest, Malformed, decode_reply, encode_request
from .wire.frame import udp_frame

LISTEN_S = 3.0
"""A server that probes an address by ping before it offers takes a second (RFC 2131 section 2.2)."""
PROGRAM_S = 5.0
_BIND, _RAW = 10, 13
"""Bits of CAP_NET_BIND_SERVICE and CAP_NET_RAW (capabilities(7))."""


class RealProbes:
    """`doctor.Probes` of this machine."""

    def __init__(self, store: Path, listen_s: float = LISTEN_S, net: Path = Path("/sys/class/net")) -> None:
        self._store = store
        self._listen_s = listen_s
        self._net = net

    def privilege(self) -> Privilege:
        bits = 0
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("CapEff:"):
                bits = int(line.split()[1], 16)
        low = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        anybody = low.exists() and int(low.read_text(encoding="ascii")) <= 67
        return Privilege(low_ports=anybody or bool(bits >> _BIND & 1), raw=bool(bits >> _RAW & 1))

    def engine_runs(self) -> bool:
        return store_file.held(self._store)

    def port(self, protocol: Literal["udp", "tcp"], address: str, port: int) -> str:
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as probe:
            if protocol == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT are nobody's
            try:
                probe.bind((address, port))
            except OSError as error:
                words = {errno.EADDRINUSE: "in use", errno.EACCES: "privilege", errno.EADDRNOTAVAIL: "no such address"}
                return words.get(error.errno or 0, error.strerror or str(error))
        return ""

    def interfaces(self) -> list[str]:
        return sorted(p.name for p in self._net.iterdir()) if self._net.is_dir() else []

    def interface(self, name: str) -> Interface | None:
        if name not in self.interfaces():
            return None
        folder = self._net / name
        try:
            up = bool(int(_read(folder / "flags") or "0", 16) & 1)  # IFF_UP
        except ValueError:
            up = False
        return Interface(up=up, carrier=_read(folder / "carrier") == "1", addresses=_addresses(name))

    def dhcp_servers(self, interface: str) -> list[str] | str:
        packet = getattr(socket, "AF_PACKET", None)
        if packet is None:
            return "this system has no packet sockets"
        try:
            wire = socket.socket(packet, socket.SOCK_RAW, socket.htons(0x0800))
        except PermissionError:
            return "it needs privilege (CAP_NET_RAW)"
        with wire:
            try:
                wire.bind((interface, 0x0800))
                return self._listen(wire)
            except OSError as error:
                return f"{interface}: {error.strerror or error}"

    def _listen(self, wire: socket.socket) -> list[str]:
        mac: bytes = wire.getsockname()[4]
        if len(mac) != 6 or mac == bytes(6):
            mac = b"\x52\x54\x00" + secrets.token_bytes(3)  # loopback has none; locally administered
        xid = secrets.randbits(32)
        ask = DhcpRequest(
            kind=DhcpKind.DISCOVER, xid=xid, mac=mac.hex(":"), broadcast=True, vendor_class="PXEClient:Arch:00000:UNDI:002001", arch=0
        )
        payload = encode_request(ask)
        everybody = b"\xff" * 6
        wire.send(
            udp_frame(to_mac=everybody, from_mac=mac, source=("0.0.0.0", 68), destination=("255.255.255.255", 67), payload=payload)
        )
        found: dict[str, None] = {}
        end = time.monotonic() + self._listen_s
        while (left := end - time.monotonic()) > 0:
            if not select.select([wire], [], [], left)[0]:
                break
            server = _offer(wire.recv(2048), xid)
            if server:
                found[server] = None
        return list(found)

    def clock(self) -> Clock:
        year = datetime.datetime.now(datetime.UTC).year
        tracking = _program("chronyc", "-c", "tracking")
        if tracking is not None:
            fields = tracking.strip().split(",")
            leap = fields[-1] if len(fields) > 10 else ""
            return Clock(year=year, synchronized=bool(leap) and leap != "Not synchronised", source="chronyc")
        said = _program("timedatectl", "show", "--property=NTPSynchronized", "--value")
        if said is not None and said.strip() in ("yes", "no"):
            return Clock(year=year, synchronized=said.strip() == "yes", source="timedatectl")
        return Clock(year=year, synchronized=None, source="neither chronyc nor timedatectl answers")

    def space(self) -> tuple[int, int] | str:
        folder = self._store.absolute()
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        try:
            usage = shutil.disk_usage(folder)
        except OSError as error:
            return f"{folder}: {error.strerror or error}"
        return usage.free, usage.total

    def images(self) -> list[dict[str, Json]]:
        return image_states(self._store)

    def tool(self, name: str) -> bool:
        # What daemons need is often in sbin, which is not in everybody's path.
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        return shutil.which(name, path=path) is not None

    def store(self) -> list[str]:
        if not (self._store / store_file.FILE).exists():
            return []
        try:
            with Store.read(self._store) as reader:
                return reader.verify()
        except StoreError as error:
            return [str(error)]


def _read(path: Path) -> str:
    """One line; empty where there is none (a link that is down has no carrier to read)."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _program(*argv: str) -> str | None:
    """What it printed; None: it is not there, failed, or took too long."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PROGRAM_S, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _addresses(interface: str) -> tuple[str, ...] | None:
    said = _program("ip", "-j", "-4", "address", "show", "dev", interface)
    if said is None:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return tuple(one["local"] for link in json.loads(said) for one in link.get("addr_info", ()) if one.get("family") == "inet")
    return None


def _offer(frame: bytes, xid: int) -> str:
    """The server that offers in this frame; empty: it is something else."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return ""
    start = 14 + (frame[14] & 0xF) * 4
    if frame[start : start + 4] != b"\x00\x43\x00\x44":  # from port 67 to port 68
        return ""
    try:
        reply = decode_reply(frame[start + 8 :])
    except Malformed:
        return ""
    return (reply.server_id or socket.inet_ntoa(frame[26:30])) if reply.kind is DhcpKind.OFFER and reply.to.xid == xid else ""
