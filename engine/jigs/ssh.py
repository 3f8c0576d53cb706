"""Commands on nodes over SSH: one kept connection per node, shared by all threads.

The result of a command is a value: `SshDone`, or `SshFailed` with a kind. The kind says whether the command may have run:

| kind | the command |
|---|---|
| unreachable, refused, authentication, host_key | did not start |
| timeout, dropped | may have run, or may be running: ask the node's `attempt` |

* The host key is pinned: for another key the result is `host_key`, and nothing is sent. Without a pin (`host_key=None`) the result is
  the same, unless the caller says `trust_first=True`. The result has the key that was seen, for a person to compare or for the caller to
  pin.
* argv is data: SSH carries one string, which the node's shell splits again, so `shlex.join` quotes each word.
* Output is bounded. The rest is dropped, with `cut` set, and the command continues.
* If a kept connection turns out dead before the command was sent, it is made again, once: nothing has run. After that, never.
* The next user of the pool closes idle connections, or `close_idle` does.

Traps: paramiko's `start_client(timeout)` returns silently at the time-out. `exec_command` and `recv_exit_status` wait for the reply
without limit, so a timer closes the channel. A channel's `fileno` is ready forever after EOF. A peer that lost power sends no FIN, so
keepalives and TCP_USER_TIMEOUT end the connection. A server that closes in its exec handler can overtake the reply; see
racks/simulated/sshd.py. paramiko logs tracebacks for ordinary ends, without a handler to stderr, which is the console's screen: its
logger is silenced, because the result says everything.
"""

from __future__ import annotations

import logging
import shlex
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

import paramiko
from msgspec import Struct

from .ssh_key import EngineKey, Password, SshKeyError, engine_key, public_line
from .ssh_talk import Talk

CONNECT_S = 10.0
IDLE_S = 60.0
MAX_IDLE = 32
"""Idle connections that are kept. paramiko's thread for each wakes ten times a second, so a thousand of them cost a processor core on
either side. A new connection costs about 8 ms."""
SWEEP_S = 10.0
KEEPALIVE_S = 15
DEAD_PEER_S = 30
STDOUT_BYTES = 1024 * 1024

Kind = Literal["unreachable", "refused", "authentication", "host_key", "timeout", "dropped"]

logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class SshTarget(Struct, frozen=True, kw_only=True, gc=False):
    """Address, user and keys of a node's installed system."""

    address: str
    port: int = 22
    user: str = "root"
    host_key: str | None = None
    """The pinned key, `ssh-ed25519 AAAA...` (a comment may follow). None: not known yet."""


class SshDone(Struct, frozen=True, kw_only=True, gc=False):
    """The command ended by itself."""

    exit: int
    stdout: bytes
    stderr: bytes
    host_key: str
    """The key that the node showed."""
    cut: bool = False
    """True if there was more output than is kept."""


class SshFailed(Struct, frozen=True, kw_only=True, gc=False):
    """The command did not end by itself; the table above says what each kind means."""

    kind: Kind
    message: str
    host_key: str = ""
    """The key that the node showed, if it came that far."""

    @property
    def begun(self) -> bool:
        """True if the command may have run."""
        return self.kind in ("timeout", "dropped")


class _Line:
    """The connection to one node. `lock` is held while it is being made; the pool's lock guards the rest."""

    __slots__ = ("busy", "lock", "peer", "seen", "transport", "used")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.transport: paramiko.Transport | None = None
        self.peer: tuple[str, int, str] = ("", 0, "")
        self.seen = ""
        self.busy = 0
        self.used = 0.0


class SshPool:
    """Kept connections, by node id. Thread-safe; `run` blocks only its caller."""

    def __init__(
        self,
        key: EngineKey | Password,
        *,
        connect_s: float = CONNECT_S,
        idle_s: float = IDLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._connect_s = connect_s
        self._idle_s = idle_s
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()
        self._swept = clock()
        self._closed = False

    def run(
        self,
        node: str,
        target: SshTarget,
        argv: Sequence[str],
        stdin: bytes = b"",
        timeout_s: float = 60.0,
        *,
        trust_first: bool = False,
        stdout_bytes: int = STDOUT_BYTES,
    ) -> SshDone | SshFailed:
        """Runs one command on a node. `timeout_s` covers everything, including the connection."""
        deadline = self._clock() + timeout_s
        with self._lock:
            if self._closed:
                return SshFailed(kind="unreachable", message="the engine is stopping")
            line = self._lines.setdefault(node, _Line())
            line.busy += 1
        try:
            while True:
                got = self._connected(line, target, deadline, trust_first)
                if isinstance(got, SshFailed):
                    return got
                transport, kept = got
                channel = self._channel(transport, deadline)
                if channel is not None:
                    return self._exec(line, transport, channel, argv, stdin, deadline, stdout_bytes)
                self._drop(line, transport)
                if not kept:
                    return SshFailed(kind="unreachable", message="the node opens no session", host_key=line.seen)
        finally:
            with self._lock:
                line.busy -= 1
                line.used = self._clock()
            if self._clock() - self._swept > SWEEP_S or len(self._lines) > 2 * MAX_IDLE:
                self.close_idle()

    def boot_id(self, node: str, target: SshTarget, timeout_s: float = 10.0) -> str:
        """The kernel's boot id of the node. Empty if it cannot be asked."""
        found = self.run(node, target, ["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=timeout_s, stdout_bytes=256)
        if isinstance(found, SshFailed) or found.exit != 0:
            return ""
        return found.stdout.decode("ascii", "replace").strip()

    def close(self, node: str) -> None:
        """Closes the connection to a node, if there is one. Commands under way end as `dropped`."""
        with self._lock:
            line = self._lines.get(node)
            transport = line.transport if line is not None else None
        if line is not None and transport is not None:
            self._drop(line, transport)

    def close_idle(self) -> int:
        """Closes connections that are dead, unused for `idle_s`, or beyond the MAX_IDLE used last. Returns their number."""
        now = self._clock()
        idle: list[paramiko.Transport] = []
        with self._lock:
            self._swept = now
            free = sorted((i for i in self._lines.items() if i[1].busy == 0), key=lambda i: -i[1].used)
            for place, (node, line) in enumerate(free):
                dead = line.transport is None or not line.transport.is_active()
                if dead or place >= MAX_IDLE or now - line.used >= self._idle_s:
                    del self._lines[node]
                    if line.transport is not None:
                        idle.append(line.transport)
        for transport in idle:
            _end(transport)
        return len(idle)

    def close_all(self) -> None:
        """Closes the pool: later commands are refused."""
        with self._lock:
            self._closed = True
            lines = list(self._lines.values())
            self._lines.clear()
        for line in lines:
            if line.transport is not None:
                _end(line.transport)

    @property
    def connections(self) -> int:
        """Number of open connections."""
        with self._lock:
            return sum(1 for line in self._lines.values() if line.transport is not None and line.transport.is_active())

    # -- connecting -----------------------------------------------------------------------------------------------

    def _connected(self, line: _Line, target: SshTarget, deadline: float, trust_first: bool) -> tuple[paramiko.Transport, bool] | SshFailed:
        """The connection, and whether it already existed."""
        if not line.lock.acquire(timeout=max(0.0, deadline - self._clock())):
            return SshFailed(kind="unreachable", message="another command is still connecting to it")
        try:
            peer = (target.address, target.port, target.user)
            transport = line.transport
            if transport is not None and transport.is_active() and line.peer == peer:
                wrong = _judge(line.seen, target.host_key, trust_first)
                if wrong is None:
                    return transport, True
                # It was trusted under another pin.
                self._drop(line, transport)
                return wrong
            if transport is not None:
                self._drop(line, transport)
            made = self._connect(target, min(self._clock() + self._connect_s, deadline), trust_first)
            if isinstance(made, SshFailed):
                return made
            with self._lock:
                if not self._closed:
                    line.transport, line.peer, line.seen = made, peer, public_line(made.get_remote_server_key())
                    return made, False
            _end(made)
            return SshFailed(kind="unreachable", message="the engine is stopping")
        finally:
            line.lock.release()

    def _connect(self, target: SshTarget, deadline: float, trust_first: bool) -> paramiko.Transport | SshFailed:
        try:
            sock = socket.create_connection((target.address, target.port), timeout=max(0.01, deadline - self._clock()))
        except ConnectionRefusedError:
            return SshFailed(kind="refused", message=f"nothing listens on {target.address} port {target.port}")
        except OSError as error:
            return SshFailed(kind="unreachable", message=f"{target.address} port {target.port}: {error.strerror or error}")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_S * 1000)
        transport = paramiko.Transport(sock)
        failed = self._negotiate(transport, target, deadline, trust_first)
        if failed is not None:
            _end(transport)
            return failed
        transport.set_keepalive(KEEPALIVE_S)
        return transport

    def _negotiate(self, transport: paramiko.Transport, target: SshTarget, deadline: float, trust_first: bool) -> SshFailed | None:
        left = max(0.01, deadline - self._clock())
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = left
        seen = ""
        try:
            if target.host_key is not None:
                # Otherwise a node with several keys shows the one it prefers.
                transport.get_security_options().key_types = _types(target.host_key)
            transport.start_client(timeout=left)
            if not transport.initial_kex_done:
                return SshFailed(kind="unreachable", message="no SSH handshake in time")
            seen = public_line(transport.get_remote_server_key())
            wrong = _judge(seen, target.host_key, trust_first)
            if wrong is not None:
                return wrong
            transport.auth_timeout = max(0.01, deadline - self._clock())
            if self._key.log_in(transport, target.user):
                return SshFailed(kind="authentication", message=f"{target.user} needs more than {self._key.what}", host_key=seen)
        except paramiko.AuthenticationException as error:
            if not transport.is_active() and not isinstance(error, paramiko.BadAuthenticationType) and "timeout" in str(error).lower():
                return SshFailed(kind="unreachable", message=f"no answer to {self._key.what} in time", host_key=seen)
            return SshFailed(kind="authentication", message=f"{target.user} may not log in with {self._key.what}", host_key=seen)
        except paramiko.ssh_exception.IncompatiblePeer as error:
            if target.host_key is not None and "host key" in str(error):
                return SshFailed(kind="host_key", message="it has no host key of the pinned type")
            return SshFailed(kind="unreachable", message=str(error))
        except ValueError:
            return SshFailed(kind="host_key", message="the pinned host key is of no known type")
        except (paramiko.SSHException, EOFError, OSError) as error:
            return SshFailed(kind="unreachable", message=f"no SSH handshake: {error or type(error).__name__}", host_key=seen)
        return None

    def _drop(self, line: _Line, transport: paramiko.Transport) -> None:
        with self._lock:
            if line.transport is transport:
                line.transport = None
        _end(transport)

    # -- one command ----------------------------------------------------------------------------------------------

    def _channel(self, transport: paramiko.Transport, deadline: float) -> paramiko.Channel | None:
        try:
            return transport.open_session(timeout=max(0.01, min(self._connect_s, deadline - self._clock())))
        except (paramiko.SSHException, EOFError, OSError):
            return None

    def _exec(
        self,
        line: _Line,
        transport: paramiko.Transport,
        channel: paramiko.Channel,
        argv: Sequence[str],
        stdin: bytes,
        deadline: float,
        stdout_bytes: int,
    ) -> SshDone | SshFailed:
        seen = line.seen
        timer = threading.Timer(max(0.01, deadline - self._clock()), _close, (channel,))
        timer.daemon = True
        timer.start()
        try:
            try:
                channel.exec_command(shlex.join(argv))
            except (paramiko.SSHException, EOFError, OSError):
                if self._clock() >= deadline:
                    return self._late(line, transport, seen)
                if transport.is_active():
                    return SshFailed(kind="refused", message="it refuses to run commands", host_key=seen)
                self._drop(line, transport)
                return SshFailed(kind="dropped", message="the connection ended as the command was sent", host_key=seen)
            finally:
                timer.cancel()
            talk = Talk(channel, stdin, stdout_bytes)
            while not talk.over:
                left = deadline - self._clock()
                if left <= 0:
                    return self._late(line, transport, seen)
                talk.turn(left)
            if channel.exit_status == -1:
                if transport.is_active():
                    return SshFailed(kind="dropped", message="the command ended without an exit code", host_key=seen)
                self._drop(line, transport)
                return SshFailed(kind="dropped", message="the connection ended while the command ran", host_key=seen)
            return SshDone(exit=channel.exit_status, stdout=bytes(talk.stdout), stderr=bytes(talk.stderr), host_key=seen, cut=talk.cut)
        finally:
            _close(channel)

    def _late(self, line: _Line, transport: paramiko.Transport, seen: str) -> SshFailed:
        with self._lock:
            alone = line.busy == 1
        if alone:
            # A node that stopped answering and one with a slow command look the same from here.
            self._drop(line, transport)
        return SshFailed(kind="timeout", message="the command did not end in time", host_key=seen)


def _judge(seen: str, pinned: str | None, trust_first: bool) -> SshFailed | None:
    if pinned is None:
        if trust_first:
            return None
        return SshFailed(kind="host_key", message="its host key is not known here", host_key=seen)
    if seen.split()[:2] == pinned.split()[:2]:
        return None
    return SshFailed(kind="host_key", message="it showed a different host key from the pinned one", host_key=seen)


def _close(channel: paramiko.Channel) -> None:
    with suppress(OSError, EOFError):  # it says goodbye over the connection, which may be gone
        channel.close()


def _end(transport: paramiko.Transport) -> None:
    """Closes it. paramiko leaves the socket of a connection that ended by itself to the garbage collector."""
    transport.close()
    transport.sock.close()


def _types(pinned: str) -> tuple[str, ...]:
    """Signature algorithms of a key (RFC 8332 for RSA)."""
    name = pinned.split(maxsplit=1)[0] if pinned.strip() else ""
    return ("rsa-sha2-512", "rsa-sha2-256") if name == "ssh-rsa" else (name,)


__all__ = ["EngineKey", "SshDone", "SshFailed", "SshKeyError", "SshPool", "SshTarget", "engine_key"]
