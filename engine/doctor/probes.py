"""Asks the real machine for the doctor's data. Each probe has a time limit and changes nothing.

Programs are called with a list of arguments and a time limit; a missing program is an answer too. Probes on the network (a foreign DHCP
server, another machine with our address) run in a separate process that has scapy (`packets.probe_process`).
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Literal

from ..definitions import Json
from ..files.clamps.site import site_catalog, stages_changed
from ..files.mistakes import CatalogError
from ..images.shelf import image_states
from ..packets.decoding import environment
from ..process.capabilities import NET_RAW, lent
from ..store import file as store_file
from ..store.place import there
from ..store.store import Store, StoreError
from .admin_packages import missing
from .checks import Clock, Interface, Privilege

LISTEN_S = 3.0
"""A server that probes an address by ping before it offers takes a second (RFC 2131 section 2.2)."""
ARP_S = 2.0
START_S = 30.0
"""Seconds until the probe process has loaded its modules on a slow machine."""
PROGRAM_S = 5.0
_BIND, _RAW = 10, 13
"""Bits of CAP_NET_BIND_SERVICE and CAP_NET_RAW (capabilities(7))."""


class RealProbes:
    """`doctor.checks.Probes` for this machine."""

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
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not count
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
        return _on_the_wire("dhcp", interface, self._listen_s)

    def address_holders(self, interface: str, address: str) -> list[str] | str:
        return _on_the_wire("arp", interface, min(self._listen_s, ARP_S), address)

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
        # Daemons need programs in sbin, which is not on everybody's PATH.
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        return shutil.which(name, path=path) is not None

    def packages(self) -> list[tuple[str, str, str]]:
        try:
            return missing(site_catalog(self._store))
        except (CatalogError, StoreError):  # the check of the stages tells it
            return []

    def stages(self) -> tuple[list[str], list[str]]:
        try:
            return [], stages_changed(self._store)
        except CatalogError as error:
            return [str(one) for one in error.mistakes], []
        except StoreError as error:
            return [str(error)], []

    def store(self) -> list[str]:
        if not there(self._store):
            return []
        try:
            with Store.read(self._store) as reader:
                return reader.examine()
        except StoreError as error:
            return [str(error)]


def _read(path: Path) -> str:
    """One line of a file. Empty if there is none (a link that is down has no carrier to read)."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _program(*argv: str) -> str | None:
    """The program's output. None: the program is missing, failed, or took too long."""
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


def _on_the_wire(what: str, interface: str, seconds: float, *more: str) -> list[str] | str:
    """The findings of the probe process, or why it failed."""
    argv = [sys.executable, "-m", "engine.packets.probe_process", what, interface, f"{seconds:g}", *more]
    try:
        with lent(NET_RAW):  # the console of an engine that gave up root
            done = subprocess.run(
                argv, capture_output=True, timeout=seconds + START_S, check=False, stdin=subprocess.DEVNULL, env=environment()
            )
        body = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"the probe gave no answer within {seconds + START_S:g} s"
    except (OSError, ValueError) as error:
        return f"the probe failed ({type(error).__name__})"
    if not isinstance(body, dict) or not isinstance(body.get("found", []), list):
        return "the probe printed something unexpected"
    return str(body["trouble"]) if "trouble" in body else [str(one)[:64] for one in body.get("found", ())]
