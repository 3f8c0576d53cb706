"""The serial console of a machine by SSH to its BMC, where its Redfish service says so (DSP0268, ComputerSystem.SerialConsole).

Newer services name port and entry command at the system. Older ones only say at the manager that there is a serial console by SSH; then
`quirks.SSH_CONSOLES` knows the maker's command. Nothing is typed into the console itself: it only listens.

The BMC's host key is remembered like its certificate (`certificates`): another one gets no password.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from types import TracebackType

import paramiko
from msgspec import Struct

from ..quirks import SSH_CONSOLES
from . import SessionFailed
from .certificates import Certificates
from .redfish_body import Json, member, rows
from .redfish_session import RedfishSession

PORT = 22
MOST_ENTRY = 200
_ALIVE_S, _END_S = 30, 5.0
_NEW_KEY = "it shows another SSH host key than before (delete its line in known_bmcs if that is expected)"


class ConsoleWay(Struct, frozen=True, kw_only=True):
    port: int
    enter: str = ""
    """Typed at the BMC's prompt. Empty: the port is the console."""
    leave: bytes = b""


def console_way(session: RedfishSession, system: dict[str, Json]) -> ConsoleWay:
    """How the BMC gives the console. Raises SessionFailed: it does not."""
    told = member(member(system, "SerialConsole"), "SSH")
    if told.get("ServiceEnabled") is True:
        port, enter = told.get("Port"), told.get("ConsoleEntryCommand")
        command = enter if isinstance(enter, str) and enter.isprintable() and len(enter) <= MOST_ENTRY else ""
        if command or told.get("SharedWithManagerCLI") is not True:
            return ConsoleWay(port=_port(port), enter=command)
    maker = str(system.get("Manufacturer") or "").lower()
    row = next((one for one in SSH_CONSOLES if maker.startswith(one.makers)), None)
    for link in rows(member(system, "Links").get("ManagedBy"))[:2] if row is not None else ():
        manager = session.get(link).body
        console = member(manager, "SerialConsole")
        if console.get("ServiceEnabled") is not True or "SSH" not in (console.get("ConnectTypesSupported") or ()):
            continue
        protocol: dict[str, Json] = {}
        with suppress(SessionFailed):
            protocol = member(session.get(manager.get("NetworkProtocol")).body, "SSH")
        if protocol.get("ProtocolEnabled") is not False and row is not None:
            return ConsoleWay(port=_port(protocol.get("Port")), enter=row.enter, leave=row.leave)
    raise SessionFailed("unsupported", "its Redfish service names no serial console by SSH")


def _port(said: Json) -> int:
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 < said < 65536 else PORT


class SshConsole:
    """One login. `with` opens it. One thread at a time. `read` raises SessionFailed, after which the console is over."""

    def __init__(
        self, address: str, port: int, account: tuple[str, str], way: ConsoleWay, certificates: Certificates, within_s: float
    ) -> None:
        """Raises SessionFailed: nobody answers, another host key, or the account is wrong."""
        self._way = way
        try:
            sock = socket.create_connection((address, port), within_s)
        except OSError as error:
            raise SessionFailed("unreachable", f"its SSH console does not answer: {error.strerror or error}") from None
        self._transport = paramiko.Transport(sock)
        self._transport.banner_timeout = self._transport.auth_timeout = self._transport.channel_timeout = within_s
        try:
            self._transport.start_client(timeout=within_s)
            if not certificates.accepts(address, port, self._transport.get_remote_server_key().asbytes()):
                raise SessionFailed("refused", _NEW_KEY)
            self._transport.auth_password(*account)
            self._transport.set_keepalive(_ALIVE_S)
            self._channel = self._transport.open_session(timeout=within_s)
            self._channel.get_pty("vt100", 132, 50)
            self._channel.invoke_shell()
            if way.enter:
                self._channel.sendall(way.enter.encode("ascii", "ignore") + b"\r")
        except SessionFailed:
            self._end()
            raise
        except paramiko.AuthenticationException:
            self._end()
            raise SessionFailed("authentication", "its SSH console refuses the account") from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            self._end()
            raise SessionFailed("refused", f"its SSH console cannot be used: {error or type(error).__name__}"[:200]) from None

    def __enter__(self) -> SshConsole:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read(self, wait_s: float) -> bytes:
        """What the machine has printed; empty if it prints nothing for so long."""
        self._channel.settimeout(max(0.01, wait_s))
        try:
            found = self._channel.recv(65536)
        except TimeoutError:
            return b""
        except (paramiko.SSHException, OSError) as error:
            raise SessionFailed("refused", f"the serial console broke off: {error}"[:200]) from None
        if not found:
            raise SessionFailed("refused", "the BMC ended the serial console")
        return found

    def close(self) -> None:
        """Gives the console back, and logs out."""
        with suppress(paramiko.SSHException, OSError, EOFError):
            self._channel.settimeout(1.0)
            if self._way.leave:
                self._channel.sendall(self._way.leave)
                until = time.monotonic() + 0.5
                while time.monotonic() < until and self._channel.recv(65536):
                    pass
        self._end()

    def _end(self) -> None:
        self._transport.close()
        self._transport.join(_END_S)
