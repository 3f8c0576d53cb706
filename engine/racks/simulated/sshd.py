"""The SSH servers of simulated nodes, many in one process.

Each node listens at its own (host, port) with its own host key, accepts only public keys, and gives each command, split as a shell
splits it, to `handler(node, argv, stdin) -> (exit, stdout, stderr)`. There is no shell, no terminal, no forwarding and no file transfer.
Real `ssh` works with it.

Threads: one for all listening sockets, one (paramiko's) per connection, and up to `workers` for running commands; an idle node costs a
socket. A handler may block, because it has its own worker; there are only `workers` of them.

Bounds: `max_connections` in all; LOGIN_S to log in; STDIN_BYTES of input.

Faults: `drop` cuts all connections of a node at once, without goodbye; `refuse` resets new connections; `stop` closes its socket, so
that nothing listens.

Traps: a server that answers inside `check_channel_exec_request` can overtake its own reply to the request, and the client sees "Channel
closed.". So a command begins when the connection's thread has sent its next message, which is that reply. Input ends with EOF, but a
person's `ssh node hostname` on a terminal never sends one: only commands that read their input (`reads_stdin`) wait for it.
"""

from __future__ import annotations

import base64
import errno
import logging
import selectors
import shlex
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

Handler = Callable[[str, list[str], bytes], tuple[int, bytes, bytes]]
"""Node, argv, standard input -> exit code, standard output, standard error. Called in a worker thread."""

LOGIN_S = 30.0
TIDY_S = 2.0
STDIN_BYTES = 64 * 1024 * 1024
STDIN_S = 120.0
SEND_S = 60.0
MAX_COMMAND = 128 * 1024
NOT_EXECUTABLE = 126

log = logging.getLogger(__name__)
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def reads_stdin(argv: list[str]) -> bool:
    """True if this command reads its input: `attempt start`, and a shell or `cat` without a file."""
    if not argv:
        return False
    program = argv[0].rpartition("/")[2]
    return (program == "attempt" and argv[1:2] == ["start"]) or program in ("sh", "tar", "tee") or argv == ["cat"]


def _never() -> bool:
    return False


class _Node:
    __slots__ = ("address", "host_key", "keys", "links", "listener", "lost", "name", "refusing")

    def __init__(self, name: str, address: tuple[str, int], host_key: paramiko.PKey, keys: frozenset[bytes]) -> None:
        self.name = name
        self.address = address
        self.host_key = host_key
        self.keys = keys
        self.listener: socket.socket | None = None
        self.links: set[_Link] = set()
        self.refusing = False
        self.lost: Callable[[], bool] = _never


class _Link(paramiko.Transport):
    """One connection. `queue` holds commands whose request is not replied to yet."""

    def __init__(self, sock: socket.socket, node: _Node) -> None:
        super().__init__(sock)
        self.raw = sock
        self.node = node
        self.opened = time.monotonic()
        self.queue: list[Callable[[], object]] = []

    def end(self) -> None:
        """Close it. paramiko leaves the socket of a connection that ended by itself to the garbage collector."""
        self.close()
        self.raw.close()

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        if threading.current_thread() is self and self.queue:
            queue, self.queue = self.queue, []
            for begin in queue:
                begin()


class _Server(paramiko.ServerInterface):
    def __init__(self, farm: SshFarm, link: _Link) -> None:
        self._farm = farm
        self._link = link

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002
        return AUTH_SUCCESSFUL if key.asbytes() in self._link.node.keys else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if len(command) > MAX_COMMAND:
            return False
        self._link.queue.append(lambda: self._farm.begin(self._link, channel, command))
        return True


class SshFarm:
    """`client_keys` (`ssh-ed25519 AAAA...` lines) may log in to every node, as any user."""

    def __init__(
        self,
        handler: Handler,
        client_keys: Sequence[str] = (),
        *,
        workers: int = 128,
        max_connections: int = 4096,
        reads_stdin: Callable[[list[str]], bool] = reads_stdin,
    ) -> None:
        self._handler = handler
        self._keys = tuple(client_keys)
        self._max_connections = max_connections
        self._reads_stdin = reads_stdin
        self._nodes: dict[str, _Node] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ, None)
        self._closing = False
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="sshd")
        self._thread = threading.Thread(target=self._accept_all, name="sshd", daemon=True)
        self._thread.start()

    # -- nodes ----------------------------------------------------------------------------------------------------

    def listen(self, node: str, host: str, port: int, host_key: paramiko.PKey, keys: Sequence[str] = ()) -> int:
        """The node's server starts; `keys` may log in besides the farm's. Returns the port (`port` 0: any). A node that already
        listens restarts its server; its connections stay. Raises OSError for an address that cannot be used, ValueError for a
        text that is not a key."""
        blobs = frozenset(_blob(line) for line in (*self._keys, *keys))
        self.stop(node)
        listener = socket.create_server((host, port), backlog=128)
        listener.setblocking(False)
        address: tuple[str, int] = listener.getsockname()[:2]
        with self._lock:
            if self._closing:
                listener.close()
                raise OSError("the farm is closed")
            one = self._nodes.setdefault(node, _Node(node, address, host_key, blobs))
            one.address, one.host_key, one.keys, one.listener, one.refusing = address, host_key, blobs, listener, False
            self._selector.register(listener, selectors.EVENT_READ, one)
        self._wake()
        return address[1]

    def stop(self, node: str) -> None:
        """Nothing listens there any more; connections stay."""
        with self._lock:
            one = self._nodes.get(node)
            if one is None or one.listener is None:
                return
            self._selector.unregister(one.listener)
            one.listener.close()
            one.listener = None

    def refuse(self, node: str, refusing: bool = True) -> None:
        """New connections are reset (or accepted again)."""
        with self._lock:
            if node in self._nodes:
                self._nodes[node].refusing = refusing

    def lossy(self, node: str, lost: Callable[[], bool]) -> None:
        """`lost` is called for each new connection: true resets it. Called in the farm's thread."""
        with self._lock:
            if node in self._nodes:
                self._nodes[node].lost = lost

    def drop(self, node: str) -> int:
        """Cuts all connections of a node now, as by a lost carrier. Returns how many."""
        with self._lock:
            one = self._nodes.get(node)
            links = list(one.links) if one is not None else []
            if one is not None:
                one.links.clear()
        for link in links:
            _reset(link.raw)
            link.end()
        return len(links)

    def remove(self, node: str) -> None:
        """The node is off."""
        self.stop(node)
        self.drop(node)
        with self._lock:
            self._nodes.pop(node, None)

    def connections(self, node: str) -> int:
        """How many connections of a node are up."""
        with self._lock:
            one = self._nodes.get(node)
            return sum(1 for link in one.links if link.is_active()) if one is not None else 0

    def close(self) -> None:
        """Everything ends. Waits for running commands."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            nodes = list(self._nodes)
        for node in nodes:
            self.remove(node)
        self._wake()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    # -- connections ----------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            self._wake_in.send(b"x")

    def _accept_all(self) -> None:
        tidied = time.monotonic()
        while not self._closing:
            for key, _ in self._selector.select(5.0):
                if key.data is None:
                    with suppress(BlockingIOError):
                        self._wake_out.recv(4096)
                    continue
                try:
                    sock, _ = key.fileobj.accept()  # type: ignore[union-attr]
                except OSError as error:
                    # Gone again, or the listener was stopped; else it stays ready, and this would spin.
                    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                        log.warning("no more SSH connections for simulated nodes: %s", error.strerror)
                        time.sleep(0.1)
                    continue
                self._accept(key.data, sock)
            if time.monotonic() - tidied > TIDY_S:
                self._tidy()
                tidied = time.monotonic()

    def _accept(self, node: _Node, sock: socket.socket) -> None:
        with self._lock:
            total = sum(len(one.links) for one in self._nodes.values())
            welcome = node.listener is not None and not node.refusing and total < self._max_connections and not self._closing
        welcome = welcome and not node.lost()
        if not welcome:
            _reset(sock)
            sock.close()
            return
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(sock, node)
        link.add_server_key(node.host_key)
        with self._lock:
            node.links.add(link)
        try:
            # With an event it returns at once, and the connection's own thread does the handshake.
            link.start_server(event=threading.Event(), server=_Server(self, link))
        except (paramiko.SSHException, OSError, RuntimeError) as error:
            log.debug("connection to %s could not be served: %s", node.name, error)
            link.end()

    def _tidy(self) -> None:
        """Forget connections that ended, and end those that do not log in."""
        now = time.monotonic()
        late: list[_Link] = []
        with self._lock:
            for node in self._nodes.values():
                for link in list(node.links):
                    if not link.is_active() or (now - link.opened > LOGIN_S and not link.is_authenticated()):
                        node.links.discard(link)
                        late.append(link)
        for link in late:
            link.end()

    # -- commands -------------------------------------------------------------------------------------------------

    def begin(self, link: _Link, channel: paramiko.Channel, command: bytes) -> None:
        """Called in the connection's thread when the request was replied to."""
        with suppress(RuntimeError):
            # The farm is closing.
            self._pool.submit(self._serve, link.node.name, channel, command)

    def _serve(self, node: str, channel: paramiko.Channel, command: bytes) -> None:
        try:
            code, out, err = self._carry_out(node, channel, command)
            channel.settimeout(SEND_S)
            if out:
                channel.sendall(out)
            if err:
                channel.sendall_stderr(err)
            channel.send_exit_status(code)
            channel.shutdown_write()
        except (OSError, EOFError, paramiko.SSHException) as error:
            log.debug("the client of %s went away: %s", node, error)
        finally:
            channel.close()

    def _carry_out(self, node: str, channel: paramiko.Channel, command: bytes) -> tuple[int, bytes, bytes]:
        try:
            argv = shlex.split(command.decode("utf-8"))
        except ValueError as error:
            return 2, b"", f"sh: {error}\n".encode()
        stdin = bytearray()
        if self._reads_stdin(argv):
            channel.settimeout(STDIN_S)
            while data := channel.recv(65536):
                stdin += data
                if len(stdin) > STDIN_BYTES:
                    return 1, b"", f"more than {STDIN_BYTES} bytes of input\n".encode()
            if not channel.eof_received:
                raise EOFError("the connection ended before its input did")
        try:
            return self._handler(node, argv, bytes(stdin))
        except Exception as error:
            log.exception("the handler of node %s broke", node)
            return NOT_EXECUTABLE, b"", f"the simulated node broke: {type(error).__name__}\n".encode()


def _blob(line: str) -> bytes:
    words = line.split()
    if len(words) < 2:
        raise ValueError(f"{line!r} is no public key")
    return paramiko.PKey.from_type_string(words[0], base64.b64decode(words[1], validate=True)).asbytes()


def _reset(sock: socket.socket) -> None:
    """Close will send RST and forget what was not sent."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
