"""Services of an installed system besides SSH, as far as others see them from the network: a port that accepts connections, NRPE, or what a
barclamp's `rehearsal.py` serves (`http_side`).

A role's behaviour puts them into `System.listens`, so they survive a reboot. NRPE speaks packets of version 4 over TLS, as NRPE 4.1 does:
version, type, CRC-32 over the packet with a zero in its place, result, alignment, length, then a buffer, 1,036 bytes together. It answers
the commands of the configuration that `monitor-client` wrote. A process of a simulated system runs, unless somebody killed it (`pkill`).
"""

from __future__ import annotations

import asyncio
import datetime
import re
import ssl
import struct
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .http_side import Server, serving
from .machine import Machine
from .nonvolatile import System
from .wiring import Wiring

NRPE_FILE = "/etc/nagios/crowbar-nrpe.cfg"
ANSWER_S = 10.0
_HEAD = struct.Struct("!hhIhhi")
_PACKET = 1036
_QUERY, _ANSWER = 1, 2
_COMMAND = re.compile(r"command\[([^\]]{1,200})\]=(\S+)(.*)")
_PROCESS = re.compile(r"-C (\S+)")


class Daemons:
    """The listening sockets of one boot of a system. All methods run in the rack's loop."""

    def __init__(self, machine: Machine, system: System, wiring: Wiring, servers: Mapping[str, Server]) -> None:
        """`servers`: what may listen besides `tcp` and `nrpe`, by name."""
        self._machine, self._system, self._wiring, self._servers = machine, system, wiring, servers
        self._open: dict[str, asyncio.Server] = {}

    async def follow(self) -> None:
        """Opens and closes ports, so that they are those of `System.listens`. A port that cannot be opened is counted."""
        serves, killed = self._system.serves, self._system.killed
        wanted = {port: kind for port, kind in self._system.listens.items() if serves.get(port, "") not in killed}
        for port in [one for one in self._open if one not in wanted]:
            self._open.pop(port).close()
        for port, kind in wanted.items():
            if port in self._open or not self._system.address:
                continue
            try:
                self._open[port] = await self._listen(int(port), kind)
            except OSError:
                self._machine.counters.add("daemon-port-in-use")

    async def _listen(self, port: int, kind: str) -> asyncio.Server:
        host, port = self._wiring.local(self._system.address, port)
        if kind == "nrpe":
            return await asyncio.start_server(self._nrpe, host, port, ssl=_tls())
        server = self._servers.get(kind)
        return await asyncio.start_server(_accept if server is None else serving(self._machine, server), host, port)

    def close(self) -> None:
        for server in self._open.values():
            server.close()
        self._open.clear()

    async def _nrpe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError, struct.error):
            packet = await asyncio.wait_for(reader.readexactly(_PACKET), ANSWER_S)
            version, kind, _, _, _, length = _HEAD.unpack_from(packet)
            if kind == _QUERY:
                command = packet[_HEAD.size :].split(b"\0", 1)[0].decode("ascii", "replace")
                code, text = check(self._system, command)
                writer.write(answer(version, length, code, text))
                await writer.drain()
        writer.close()


async def _accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def check(system: System, command: str) -> tuple[int, str]:
    """Exit code and output of a command of NRPE on that system."""
    known = {found[1]: found for found in map(_COMMAND.fullmatch, str(system.files.get(NRPE_FILE, "")).splitlines()) if found}
    if command not in known:
        return 3, f"NRPE: Command '{command[:100]}' not defined"
    _, plugin, words = known[command].groups()
    process = _PROCESS.search(words) if plugin.endswith("check_procs") else None
    if process is None:
        return 0, f"{plugin.rpartition('/')[2]} OK (rehearsal)"
    if process[1] in system.killed:
        return 2, f"PROCS CRITICAL: 0 processes with command name '{process[1]}'"
    return 0, f"PROCS OK: 1 process with command name '{process[1]}'"


def answer(version: int, length: int, code: int, text: str) -> bytes:
    """An answer packet of the same version and length."""
    buffer = text.encode()[:900].ljust(_PACKET - _HEAD.size, b"\0")
    head = _HEAD.pack(version, _ANSWER, 0, code, 0, length)
    return _HEAD.pack(version, _ANSWER, zlib.crc32(head + buffer), code, 0, length) + buffer


@cache
def _tls() -> ssl.SSLContext:
    """With a certificate of its own, like a node's: it only encrypts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nrpe")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # load_cert_chain reads files only
        file = Path(folder) / "pem"
        file.touch(0o600)
        file.write_bytes(plain + made.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(file)
    return context
