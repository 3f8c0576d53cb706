"""The socket on which other processes give commands to a running engine: the command line, a second console.

    STORE/engine.sock   Unix stream socket, JSON lines (`protocol`)

Rules
* The caller is the user of the peer's process, from the kernel (SO_PEERCRED), never from what the peer writes. That name is the *who* in
  the journal.
* The file system decides who may connect. The socket has mode 0600. It has mode 0660 and the group of the store's directory if that
  group may enter the directory (`chmod 0710 STORE; chgrp operators STORE`). Root and the engine's own user always may.
* Everything is bounded: clients, clients of one user, the length of a line, and the time to finish a line and to read an answer. A
  client beyond a limit gets the reason, if it still reads, and is dropped. A silent client costs only a sleeping thread.
* A request that the engine does not understand is refused with a reason, and the connection continues. Only a line that is too long ends
  it, because nobody knows where it ends.

Why a thread per client: an answer may take half a minute (a BMC that shuts a system down), and must not delay the next client. There are
few clients.

Traps: the path of a socket holds 107 bytes, and stores may be in deep folders, so both sides go through /proc/self/fd. The mode is set
before the socket has a name (Linux keeps it in `bind`), so that at no moment anyone else can connect. A socket file of a killed engine
is unused: this engine holds the store's lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import select
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from .. import reasons
from ..definitions import Json
from .desk import Host, carry_out, refusal
from .place import SOCKET, AttachError, short_path
from .protocol import LINE, VERSION, AnyRequest, AskHealth, Reply, Wait

log = logging.getLogger(__name__)

CLIENTS = 32
CLIENTS_OF_ONE = 16
PATIENCE_S = 10.0
"""Seconds within which a client must finish a line, and read an answer."""

_decode = msgspec.json.Decoder(AnyRequest).decode
_encode = msgspec.json.Encoder().encode


@dataclass
class Peer:
    """A client. `pid` as this process sees it; 0: it lies in another namespace."""

    uid: int
    pid: int
    user: str
    since: float
    """Wall time."""
    watches: bool = False
    """True once it waited for news: it is a console, not a single command."""


class AttachService:
    """Serves the socket of one engine. `start` raises AttachError. `stop` drops all clients."""

    def __init__(self, directory: Path, host: Host, user_of: Callable[[int], str] | None = None) -> None:
        self._directory = directory
        self._host = host
        self._user_of = user_of or user_name
        self._clients: dict[socket.socket, Peer] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._inode = 0
        self.dropped: dict[str, int] = {}
        """Cause -> number of clients that were dropped for it."""

    def start(self) -> None:
        path = self._directory / SOCKET
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            os.fchmod(listener.fileno(), 0o600)
            with short_path(self._directory) as short:
                listener.bind(short)
            folder = path.parent.stat()
            if folder.st_mode & stat.S_IXGRP:
                os.chown(path, -1, folder.st_gid)
                path.chmod(0o660)
            self._inode = path.stat().st_ino
            listener.listen(CLIENTS)
        except OSError as error:
            listener.close()
            raise AttachError(f"cannot create the socket {path} ({error.strerror}): check the owner of the store's directory") from error
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="attach", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        path = self._directory / SOCKET
        with contextlib.suppress(OSError):
            if path.stat().st_ino == self._inode:  # not the socket of an engine that started later
                path.unlink()

    @property
    def clients(self) -> int:
        return len(self._clients)

    def consoles(self) -> list[dict[str, Json]]:
        """The consoles of other processes, the oldest first: `who`, `pid`, `since` (wall time), and `where`, the terminal (empty: not
        known)."""
        with self._lock:
            peers = [peer for peer in self._clients.values() if peer.watches]
        peers.sort(key=lambda peer: peer.since)
        return [{"who": p.user, "pid": p.pid, "since": p.since, "where": terminal_of(p.pid)} for p in peers]

    # -- clients ---------------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = listener.accept()
            except OSError as error:
                if self._stopping.is_set() or listener.fileno() < 0:
                    return
                log.warning("attach: accept: %s", error)
                self._stopping.wait(0.2)  # no free descriptors: some will be closed
                continue
            try:
                self._admit(client)
            except OSError as error:
                self._count("gone")
                log.debug("attach: %s", error)
                client.close()

    def _admit(self, client: socket.socket) -> None:
        client.settimeout(PATIENCE_S)
        pid, uid, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        peer = Peer(uid, pid, self._user_of(uid), time.time())
        with self._lock:
            of_one = sum(one.uid == uid for one in self._clients.values())
            full = len(self._clients) >= CLIENTS or of_one >= CLIENTS_OF_ONE
            if not full:
                self._clients[client] = peer
        if full:
            self._count("too_many")
            limit = CLIENTS_OF_ONE if of_one >= CLIENTS_OF_ONE else CLIENTS
            client.settimeout(0)  # it gets an answer if it can read one at once
            with contextlib.suppress(OSError):
                client.send(_line(refusal(0, reasons.too_many(what="the number of attached clients,", count=limit, limit=limit))))
            client.close()
            return
        threading.Thread(target=self._serve, args=(client, peer), name=f"attach-{uid}", daemon=True).start()

    def _serve(self, client: socket.socket, peer: Peer) -> None:
        who = peer.user
        try:
            self._converse(client, peer)
        except TimeoutError:
            self._count("slow")
        except OSError:
            self._count("gone")
        except Exception:
            self._count("defect")
            log.exception("attach: a client of %s", who)
        finally:
            with self._lock:
                self._clients.pop(client, None)
            client.close()

    def _converse(self, client: socket.socket, peer: Peer) -> None:
        pending = b""
        begun = 0.0
        while not self._stopping.is_set():
            if pending:
                client.settimeout(max(0.01, begun + PATIENCE_S - time.monotonic()))
                if time.monotonic() > begun + PATIENCE_S:
                    raise TimeoutError
            else:
                client.settimeout(None)  # between requests a client may be silent for any time
            received = client.recv(65536)
            if not received:
                return
            begun = begun if pending else time.monotonic()
            pending += received
            while b"\n" in pending:
                line, _, pending = pending.partition(b"\n")
                begun = time.monotonic()
                if len(line) > LINE:
                    break
                if line.strip():
                    _send(client, self._answer(line, peer))
            if len(pending) > LINE or (b"\n" in pending):
                self._count("too_long")
                _send(client, refusal(0, reasons.too_many(what="the length of a line in bytes,", count=len(pending), limit=LINE)))
                return

    def _count(self, why: str) -> None:
        with self._lock:
            self.dropped[why] = self.dropped.get(why, 0) + 1

    # -- requests --------------------------------------------------------------------------------------------------

    def _answer(self, line: bytes, peer: Peer) -> Reply:
        who = peer.user
        try:
            request = _decode(line)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            number, spoken = _envelope(line)
            if spoken != VERSION:
                return refusal(number, reasons.other_version(theirs=spoken, ours=VERSION))
            return refusal(number, reasons.bad_request(message=str(error)[:200]))
        if request.crowbar != VERSION:
            return refusal(request.id, reasons.other_version(theirs=request.crowbar, ours=VERSION))
        peer.watches = peer.watches or isinstance(request, Wait)
        try:
            answer = carry_out(self._host, request, who)
            if isinstance(request, AskHealth):
                return replace(answer, result=answer.result | {"attached": self.clients, "dropped": dict(self.dropped)})
            return answer
        except Exception as error:  # the host's own defect must not look as if the engine were gone
            log.exception("attach: %s by %s", type(request).__name__, who)
            return refusal(request.id, reasons.engine_error(event=type(request).__name__, error=str(error)[:200]))


def user_name(uid: int, uid_map: Path = Path("/proc/self/uid_map")) -> str:
    """The user's name. In a user namespace (a rehearsal without root) the kernel reports the id inside; the name belongs to the id
    outside (user_namespaces(7))."""
    try:
        for line in uid_map.read_text(encoding="ascii").splitlines():
            inside, outside, count = map(int, line.split())
            if inside <= uid < inside + count:
                uid = outside + uid - inside
                break
    except (OSError, ValueError) as error:
        log.debug("attach: %s: %s", uid_map, error)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


def terminal_of(pid: int) -> str:
    """The terminal of a process, like `pts/3` or `tty1` (proc(5), field 7 of stat). Empty: none, or not known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        number = int(fields[4])
    except (OSError, ValueError, IndexError):
        return ""
    major, minor = os.major(number), os.minor(number)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    if major == 4:
        return f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}"
    return ""


def _envelope(line: bytes) -> tuple[int, int]:
    """Number and version of a request that the engine does not understand, if it has them."""
    try:
        whole = msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return 0, VERSION
    if not isinstance(whole, dict):
        return 0, VERSION
    number, spoken = whole.get("id", 0), whole.get("crowbar", VERSION)
    return (number if isinstance(number, int) else 0), (spoken if isinstance(spoken, int) else VERSION)


def _line(reply: Reply) -> bytes:
    return _encode(reply) + b"\n"


def _send(client: socket.socket, reply: Reply) -> None:
    """Sends everything within PATIENCE_S in total (a plain `sendall` allows that for each piece). Raises TimeoutError and OSError."""
    data = memoryview(_line(reply))
    end = time.monotonic() + PATIENCE_S
    client.settimeout(0)
    ready = select.poll()  # `select` refuses descriptors above 1023, which a thousand agents use up
    ready.register(client, select.POLLOUT)
    while data:
        left = end - time.monotonic()
        if left <= 0 or not ready.poll(left * 1000):
            raise TimeoutError
        try:
            data = data[client.send(data) :]
        except BlockingIOError:
            continue
