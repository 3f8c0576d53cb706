"""Simulated BMCs that speak Redfish: many of them, each with a TLS socket, on one asyncio loop in one thread.

`redfish_tree` has their answers. They have the interface of `bmc.BmcFarm` and its moods, so that a rack can have machines of both kinds.
A machine reaches its own BMC over the bus as always (`RedfishBmc.commands`, IPMI), like a real machine.

Rules
* No request stops the farm: bad ones are counted and answered, if at all, with 400.
* Bounded: 16 connections per BMC, the others wait in the kernel's queue; 16 KiB of head, 64 KiB of body (a file of firmware: 16 MiB);
  60 s without a request.
* A dead BMC accepts the connection and sends nothing, not even TLS. Lost packets cost a TCP connection only time: 0.2 s each.
* Any thread may change a mood at any time; it holds from the next request. Only the farm's thread calls a chassis.

All BMCs of a farm share one certificate, self-made as in a factory. It is kept, because a client that pinned it must find it again
(`certificate`).
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import ipaddress
import json
import logging
import os
import secrets
import socket
import ssl
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..simulated.packet_loss import Copies, lossless
from .accounts import Accounts
from .commands import Commands
from .ipmi import OBEDIENT, Chassis, Counters, Mood
from .label import About
from .lan import Lan
from .redfish_health import health
from .redfish_insides import PUSH, Inside, Insides
from .redfish_moods import ODDITIES, Odd, Tasks
from .redfish_reply import ROOT, Reply, Request
from .redfish_tree import RESET, SYSTEM, Tree

log = logging.getLogger(__name__)
HEAD, BODY, IMAGE = 16 * 1024, 64 * 1024, 16 << 20
_CONNECTIONS, _IDLE_S, _CLOSE_S, _RESEND_S = 16, 60.0, 2.0, 0.2
_REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


class Malformed(Exception):
    """No HTTP request, or one that is too long"""


class RedfishBmc:
    """One BMC at (host, port). Made by `RedfishFarm.add`."""

    def __init__(self, listener: socket.socket, tree: Tree, commands: Commands, mood: Mood) -> None:
        name = listener.getsockname()
        self.host: str = name[0]
        self.port: int = name[1]
        self.listener = listener
        self.tree = tree
        self.commands = commands
        self.mood = mood
        self.copies: Copies = lossless
        self._odd: tuple[str, Odd] = ("", Odd(tree))
        self.broken = 0
        """Requests in which the chassis raised."""
        self.connections: set[asyncio.Task[None]] = set()
        self.task: asyncio.Task[None] | None = None

    def odd(self) -> Odd:
        """What is odd about it, by its mood."""
        name = self.mood.odd
        if self._odd[0] != name:
            self._odd = (name, ODDITIES[name].make(self.tree) if name else Odd(self.tree))
        return self._odd[1]


class RedfishFarm:
    """`with RedfishFarm(pem) as farm: bmc = farm.add("127.0.0.1", 0, chassis)`. Thread safe."""

    def __init__(self, pem: Path) -> None:
        """`pem`: file of key and certificate, see `certificate`. Raises OSError, ssl.SSLError."""
        self.counters = Counters()
        self.bmcs: set[RedfishBmc] = set()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> RedfishFarm:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def broken(self) -> int:
        """Requests and commands in which a chassis raised."""
        return sum(bmc.broken + bmc.commands.broken for bmc in list(self.bmcs))

    def add(
        self,
        host: str,
        port: int,
        chassis: Chassis,
        *,
        mood: Mood = OBEDIENT,
        about: About | None = None,
        mac: bytes = b"",
        users: Path | None = None,
        insides: Insides | None = None,
        lan: Lan | None = None,
    ) -> RedfishBmc:
        """A BMC at this numeric address; port 0 takes a free one (`bmc.port`). Raises OSError if it is in use.

        Without a given GUID and MAC, both follow from address and port, so that they stay the same after a restart."""
        listener = _listener(host, port)
        seed = hashlib.sha256(repr(listener.getsockname()[:2]).encode()).digest()
        about = about or About(guid=uuid.UUID(bytes=seed[:16], version=4))
        accounts = Accounts(chassis, users)
        commands = Commands(chassis, about, host, mac or b"\x02" + seed[16:21], accounts, lan)
        inside = Inside(insides) if insides is not None else None
        tree = Tree(chassis, about, lambda: commands.system_name.decode("ascii", "replace"), accounts, inside)
        tree.more = health(commands)
        bmc = RedfishBmc(listener, tree, commands, mood)
        self.bmcs.add(bmc)
        self._loop.call_soon_threadsafe(self._begin, bmc)
        return bmc

    def remove(self, bmc: RedfishBmc) -> None:
        """Closes its sockets; its sessions are gone."""
        asyncio.run_coroutine_threadsafe(self._end(bmc), self._loop).result()

    def move(self, bmc: RedfishBmc, host: str, port: int) -> None:
        """It is reached there from now on, and no longer where it was; its sessions are gone. Raises OSError if that is in use."""
        asyncio.run_coroutine_threadsafe(self._move(bmc, _listener(host, port)), self._loop).result()

    async def _move(self, bmc: RedfishBmc, listener: socket.socket) -> None:
        await self._end(bmc)
        bmc.tree.sessions.clear()
        bmc.listener = listener
        bmc.host, bmc.port = listener.getsockname()[:2]
        self.bmcs.add(bmc)
        self._begin(bmc)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop.run_forever, name="redfish-farm", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and closes all sockets. A second call does nothing."""
        if self._thread is not None:
            for bmc in list(self.bmcs):
                self.remove(bmc)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None
        if not self._loop.is_closed():
            self._loop.close()

    def _begin(self, bmc: RedfishBmc) -> None:
        bmc.task = self._loop.create_task(self._accept(bmc))

    async def _end(self, bmc: RedfishBmc) -> None:
        self.bmcs.discard(bmc)
        tasks = [*bmc.connections, *([bmc.task] if bmc.task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        bmc.listener.close()

    # -- connections -----------------------------------------------------------------------------------------------

    async def _accept(self, bmc: RedfishBmc) -> None:
        room = asyncio.Semaphore(_CONNECTIONS)
        while True:
            await room.acquire()
            try:
                sock, _ = await self._loop.sock_accept(bmc.listener)
            except OSError as error:  # no descriptor left, or the peer is gone already
                self.counters.dropped += 1
                log.warning("a connection to %s:%d could not be taken: %s", bmc.host, bmc.port, error)
                await asyncio.sleep(_RESEND_S)
                room.release()
                continue
            task = self._loop.create_task(self._connection(bmc, sock))
            bmc.connections.add(task)
            task.add_done_callback(bmc.connections.discard)
            task.add_done_callback(lambda _: room.release())

    async def _connection(self, bmc: RedfishBmc, sock: socket.socket) -> None:
        writer: asyncio.StreamWriter | None = None
        try:
            if bmc.mood.kind == "dead":
                await self._silence(sock)
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = asyncio.StreamReader(limit=HEAD, loop=self._loop)
            protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, sock, ssl=self._context, ssl_handshake_timeout=_IDLE_S
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
            while await self._turn(bmc, reader, writer):
                pass
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), _CLOSE_S)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # it went away, spoke no TLS, or has said nothing for a minute
        except (Malformed, asyncio.LimitOverrunError, ValueError, UnicodeDecodeError) as error:
            self.counters.malformed += 1
            log.debug("request at %s:%d dropped: %s", bmc.host, bmc.port, error)
        except Exception:
            self.counters.failed += 1
            log.exception("the simulated BMC at %s:%d could not handle a request", bmc.host, bmc.port)
        finally:
            if writer is not None:
                with suppress(AttributeError):  # CPython 3.11: of a TLS transport that is closed already
                    writer.transport.abort()
            else:
                sock.close()

    async def _silence(self, sock: socket.socket) -> None:
        """Writes until the peer closes."""
        sock.setblocking(False)
        while await self._loop.sock_recv(sock, 4096):
            pass

    async def _turn(self, bmc: RedfishBmc, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. False: the connection is over."""
        request = await asyncio.wait_for(_read(reader), _IDLE_S)
        if request is None:
            return False
        self.counters.packets += 1
        while 0.0 not in bmc.copies():  # noqa: ASYNC110 - chance, and no event
            await asyncio.sleep(_RESEND_S)
        mood = bmc.mood
        if mood.kind == "slow":
            await asyncio.sleep(mood.delay_s)
        if mood.kind == "dead":
            while await reader.read(4096):
                pass
            return False
        keep = request.headers.get("connection", "").lower() != "close"
        reply = self._answer(bmc, request)
        if not reply.status:
            return False
        writer.write(_octets(reply, request.method, keep))
        await writer.drain()
        return keep

    def _answer(self, bmc: RedfishBmc, request: Request) -> Reply:
        tree = bmc.tree
        tree.lying, tree.locked = bmc.mood.kind == "lies", bmc.mood.kind == "locked"
        logins, refused = tree.logins, tree.refused
        if tree.inside is not None and tree.inside.deaf:  # it starts again
            tree.inside.deaf -= request.path.rstrip("/") == ROOT  # how each call to a BMC begins
            tree.sessions.clear()
            tree.inside.woke()
            return Reply(status=0)
        try:
            odd = bmc.odd()
            reply = odd.before(request)
            if reply is None:
                reply = _tree_s(odd, request, tree)
            return odd.after(request, reply)
        except Exception:
            bmc.broken += 1
            log.exception("the simulated machine failed in %s %s", request.method, request.path)
            return Reply(status=500)
        finally:
            self.counters.logins += tree.logins - logins
            self.counters.refused += tree.refused - refused


def _listener(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_CONNECTIONS)
    listener.setblocking(False)
    return listener


def _tree_s(odd: Odd, request: Request, tree: Tree) -> Reply:
    """The tree's answer, or the answer to a change that is delayed."""

    def ask() -> Reply:
        return tree.answer(request, time.monotonic(), secrets.token_hex(16))

    if isinstance(odd, Tasks) and (request.path == RESET or (request.method, request.path) == ("PATCH", SYSTEM)):
        return odd.hold(ask)
    return ask()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request. None: the peer has no more. Raises Malformed and the errors of asyncio."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head[:-4].decode("ascii").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Malformed("request line")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed("header")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > (IMAGE if words[1] == PUSH else BODY) or "transfer-encoding" in headers:
        raise Malformed("body")
    return Request(method=words[0], path=words[1], headers=headers, body=await reader.readexactly(int(length)))


def _octets(reply: Reply, method: str, keep: bool) -> bytes:
    if isinstance(reply.body, str):
        content, kind = reply.body.encode(), "application/xml"
    elif isinstance(reply.body, bytes):
        content, kind = reply.body, "application/json"
    else:
        content, kind = b"" if reply.body is None else json.dumps(reply.body).encode(), "application/json"
    lines = {"OData-Version": "4.0", "Cache-Control": "no-cache", **reply.headers}
    if reply.status != 204:
        lines["Content-Length"] = str(len(content))
    if content and "content-type" not in lines:
        lines["Content-Type"] = kind
    if not keep:
        lines["Connection"] = "close"
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    start = f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Other')}\r\n{head}\r\n".encode("ascii")
    return start if method == "HEAD" else start + content


def certificate(folder: Path) -> Path:
    """The file `bmc.pem` in that folder with key and certificate, mode 0600. Creates a missing one. Raises OSError."""
    file = folder / "bmc.pem"
    if file.exists():
        return file
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "BMC")])
    begins = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins.replace(year=2060))
        .sign(key, hashes.SHA256())
    )
    own = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    new = folder / "bmc.pem.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(own + made.public_bytes(serialization.Encoding.PEM))
    os.replace(new, file)
    return file
