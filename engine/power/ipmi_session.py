"""One IPMI 2.0 session over a UDP socket of its own, driven by its caller's thread: pyghmi's protocol, not its
plumbing.

Why a subclass and neither a lock around pyghmi nor a pyghmi thread: the RMCP+ handshake, framing and cryptography of
`pyghmi.ipmi.private.session.Session` are good and keep their data in the object. All that is known to go wrong lives
in what is shared: `initting_sessions` (a second login to one BMC finds the first), `socketpool` (counted down twice
by logout), `keepalive_sessions` (grow), one I/O thread that wakes callers late, and sockets shared by BMCs and told
apart by peer address. A lock or a thread would keep all of that and make 32 callers wait for the slowest BMC. So the
ten methods that touch it are replaced, a session never enters a shared table, no thread is started, and there is
nothing to clean but the socket. `tests/power/test_power_ipmi.py` looks that pyghmi's tables are empty afterwards.

Rules
* The socket is connected: other peers' packets never arrive, and ICMP says at once when nobody listens.
* Everything ends at `deadline` (monotonic). A packet is sent again after 0.5, 0.75, 1.1 ... 4 s; the interval survives
  a new start of the handshake, else a BMC slower than it would never be logged in to. Once the BMC's answer time is known (from packets
  that were sent once, RFC 6298 section 3), the first interval is four times that, at least 0.25 s: a call is some twenty exchanges, and on
  a line that loses a fifth of the packets half a second and more for each lost one is more than a call has.
* At most twelve handshakes a session. A lost RAKP message costs a whole one, because a repeated RAKP 1 that meets a late answer to the
  first looks like a wrong password to the BMC. Its interval is one of its own, since many BMCs are quick but for their cryptography.
* An established session is never logged in again behind the caller's back: pyghmi would repeat the command in flight.
* Malformed packets are dropped and counted.

Traps
* pyghmi calls `onlogon` and `_mark_broken` from deep inside packet handling: they note the failure, the waiting loop
  raises it.
* pyghmi's IPMI 1.5 login mixes bytes and text and cannot work on Python 3: refused as unsupported.
* A BMC that answers suite 3 whatever was offered makes pyghmi read 32 bytes out of 20: the answer's algorithm is
  looked at.
* pyghmi ignores a refused password (0Fh) in RAKP 4 while it may log in again, and does so: each time counts at the BMC.
* Names of pyghmi's privates are relied upon (1.6.19).
"""

from __future__ import annotations

import collections
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pyghmi.ipmi.private import constants
from pyghmi.ipmi.private.session import Session

from . import FailureKind, GaveWay, SessionFailed

__all__ = ["BAD_PACKET", "IpmiSession", "SessionFailed"]

_RETRY_S, _RETRY_MAX_S = 0.5, 4.0
_LEAST_S, _GROWS = 0.25, 1.5
_HANDSHAKES = 12
_LOGOUT_S = 0.5
_SLICE_S = 0.25
"""Seconds for which a call that gives way does not look whether it must."""
BAD_PACKET = (IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error)
_ADMINISTRATOR, _OPERATOR = 4, 3
_SOL = 1

_BAD_CHECK = 0x0F
_BUSY = (0xC0, 0xC3, 0xCE, 0xD2)
# RMCP+ status codes (IPMI 2.0 table 13-15) that say the account is not accepted.
_ACCOUNT = tuple(constants.rmcp_codes[code] for code in (0x9, 0xA, 0xC, 0xD, 0xF))


class IpmiSession(Session):  # type: ignore[misc]
    """`with IpmiSession(...) as session: session.command(0, 1)`. Errors: `SessionFailed` from every method."""

    def __new__(cls, *_args: object, **_named: object) -> IpmiSession:
        made: IpmiSession = object.__new__(cls)
        return made

    def __init__(
        self,
        address: str,
        port: int,
        user: str,
        password: str,
        kg: str | None,
        *,
        deadline: float,
        greet_s: float,
        gives_way: Callable[[], bool] | None = None,
    ) -> None:
        """Logs in. `address` is numeric. `gives_way`: True ends the call, even while an answer is due. Raises `SessionFailed`; the socket
        is closed then."""
        self.deadline = deadline
        self.gives_way = gives_way
        self.greeted_by = min(deadline, time.monotonic() + greet_s)
        self.answered = False
        self.malformed = 0
        self.failure: SessionFailed | None = None
        self.patience = self.first_s = self.rakp_s = _RETRY_S
        self.sent_once: float | None = None
        self.mean_s: float | None = None
        self.expiration: float | None = None
        self.handshakes = 0
        self._fields_of_pyghmi(address, port, user, password, kg)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            try:
                self.socket.connect((address, port))
            except OSError as error:
                raise SessionFailed("unreachable", _words(error)) from error
            self.sockaddr = self.peer = self.socket.getpeername()
            self.login()
            self._await(lambda: not self.logging)
            self._raise_privilege()
        except BaseException:
            self.socket.close()
            raise

    def _fields_of_pyghmi(self, address: str, port: int, user: str, password: str, kg: str | None) -> None:
        self.bmc, self.port = address, port
        self.userid, self.password = user.encode(), password.encode()
        self.kgo = kg
        self.kg = self.password if kg is None else kg.encode()
        self.privlevel, self.autopriv = _ADMINISTRATOR, True
        self.nameonly = 16
        self.maxtimeout = 30
        self.logged = 0
        self.logging = self.broken = self.servermode = self.cleaningup = False
        self.nowait = self.incommand = self.awaitingresponse = self.autokeepalive = False
        self.lastresponse: Any = None
        self.lastpayload = self.last_payload_type = None
        self.onlogpayload = self.onlogpayloadtype = self.logoutexpiry = self._customkeepalives = None
        self.hasretried = 0
        self.attemptedhash = 256
        self.evq: collections.deque[Any] = collections.deque()
        self.pktqueue: collections.deque[Any] = collections.deque()
        self.pendingpayloads: collections.deque[Any] = collections.deque()
        self.request_entry: list[Any] = []
        self.logonwaiters: list[Any] = []
        self.atomicop = threading.RLock()

    def __enter__(self) -> IpmiSession:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.logout()

    # What the adapter uses

    def command(self, netfn: int, command: int, data: Sequence[int] = ()) -> bytes:
        """One command; its data. A completion code other than 0 is `SessionFailed` (C1h, C2h: unsupported)."""
        response = self.raw_command(netfn, command, data=data)
        if response["code"]:
            unknown = response["code"] in (0xC1, 0xC2)
            raise SessionFailed("unsupported" if unknown else "refused", _of_code(response, netfn, command))
        return bytes(response["data"])

    def raw_command(self, netfn: int, command: int, data: Sequence[int] = (), rslun: int = 0, **_unused: Any) -> Any:
        """As pyghmi's, without callbacks: `{"code", "data", "netfn", "command"}` and `error` if the code is not 0.
        Node busy (C0h, C3h), no answer to give (CEh) and a BMC that is starting (D2h) are asked again until the deadline."""
        while True:
            if not self.logged:
                raise self.failure or SessionFailed("timeout", "the session was lost")
            self.lastresponse = None
            self.ipmicallback = self._generic_callback
            self._send_ipmi_net_payload(netfn, command, data, retry=True, rslun=rslun)
            self._await(lambda: self.lastresponse is not None)
            self.patience = max(self.first_s, self.patience / 2)  # else a few lost packets early make each later one cost seconds
            response: dict[str, Any] = self.lastresponse
            self.lastresponse = None
            if response["code"] not in _BUSY:
                return response
            if time.monotonic() + self.patience > self.deadline:
                raise SessionFailed("refused", "busy till the end")
            time.sleep(self.patience / 4)

    def hear(self, wait_s: float) -> None:
        """Takes one packet that comes by itself (serial over LAN), or returns after so many seconds."""
        self.socket.settimeout(max(0.001, wait_s))
        try:
            packet = bytearray(self.socket.recv(3000))
        except TimeoutError:
            return
        except OSError as error:
            raise SessionFailed("timeout", _words(error)) from error
        if packet[:1] == b"\x06" and packet[2:4] == b"\xff\x07":
            self._take(packet)
        if self.failure is not None:
            raise self.failure

    def tell(self, payload: bytearray) -> None:
        """Sends a packet of serial over LAN, once."""
        asked, expires = self.sent_once, self.expiration
        self.send_payload(payload, payload_type=_SOL, retry=False)
        self.sent_once, self.expiration = asked, expires  # it is no question: an answer to one may still be due

    def logout(self, *_unused: Any) -> dict[str, bool]:
        """Close Session, waiting half a second for the answer; then the socket, in any case."""
        self.gives_way = None
        try:
            if self.logged:
                self.deadline = time.monotonic() + _LOGOUT_S
                self.patience = _LOGOUT_S / 2
                self.failure = self.lastpayload = None
                self.pendingpayloads.clear()
                self.raw_command(6, 0x3C, data=struct.pack("<I", self.sessionid))
        except (SessionFailed, OSError):
            pass  # the BMC ends an idle session by itself after 60 s (IPMI 2.0 section 6.12.15)
        finally:
            self.logged = 0
            self.socket.close()
        return {"success": True}

    # What replaces pyghmi's plumbing

    def login(self) -> None:
        self.logontries = 1
        self._begin()

    def _relog(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.handshakes += 1
        if self.handshakes > _HANDSHAKES:
            self._note("timeout", "the login was begun and never finished")
            return
        self._initsession()
        self.sockaddr = self.peer
        self._get_channel_auth_cap()

    def _get_session_challenge(self) -> None:
        self._note("unsupported", "it speaks IPMI 1.5 only")

    def _got_rmcp_response(self, data: bytearray) -> None:
        if self.sessioncontext != "OPENSESSION":
            return  # of a handshake that was given up: it would go on in the framing of IPMI 1.5, with which each login begins
        if data[:2] == bytes((self.rmcptag, 0)) and self.attemptedhash == 256 and data[16] == 1:
            self.attemptedhash = 1
            self._open_rmcpplus_request()
        else:
            super()._got_rmcp_response(data)

    def _got_rakp4(self, data: bytearray) -> None:
        if data[1] == _BAD_CHECK:
            self.logontries = 0
        super()._got_rakp4(data)

    def _req_priv_level(self) -> None:
        self.logged = 1
        self.logging = False

    def _raise_privilege(self) -> None:
        code = 0
        for level in (self.privlevel, _OPERATOR):
            response = self.raw_command(6, 0x3B, data=[level])
            code = response["code"]
            if not code:
                self.privlevel = level
                return
        self.logout()
        raise SessionFailed("refused", f"the account may not act as operator (code {code:02X}h)")

    def onlogon(self, parameter: dict[str, str]) -> None:
        if "error" in parameter:
            self._mark_broken(parameter["error"])

    def _mark_broken(self, error: str | None = None) -> None:
        text = error or "the session was lost"
        account = text.startswith(("Incorrect password", "Invalid RAKP4", *_ACCOUNT))
        self._note("authentication" if account else "refused", text[:1].lower() + text[1:])

    def _note(self, kind: FailureKind, message: str) -> None:
        self.failure = self.failure or SessionFailed(kind, message)
        self.logging, self.logged, self.lastpayload = False, 0, None

    def _cmdwait(self) -> None:
        """Calls are made by one thread, one after another."""

    def _xmit_packet(self, retry: bool = True, **_unused: Any) -> None:
        if self.sequencenumber:
            self.sequencenumber += 1
        try:
            self.socket.send(self.netpacket)
        except OSError as error:
            self._note("unreachable", _words(error))
        self.sent_once = time.monotonic()
        wait = self.patience
        if self._in_rakp:
            wait = self.rakp_s if self.mean_s is not None else max(self.rakp_s, self.patience)
        self.expiration = self.sent_once + wait if retry else None

    def _await(self, done: Callable[[], bool]) -> None:
        while True:
            if self.failure is not None:
                raise self.failure
            if done():
                return
            now = time.monotonic()
            end = self.deadline if self.answered else self.greeted_by
            if now >= end:
                raise SessionFailed("timeout" if self.answered else "unreachable", "no answer in time")
            if self.gives_way is not None and self.gives_way():
                raise GaveWay
            if self.expiration is not None and now >= self.expiration:
                self._timedout()
                continue
            wait = min(end, self.expiration or end) - now
            self.socket.settimeout(max(0.001, wait if self.gives_way is None else min(wait, _SLICE_S)))
            try:
                packet = bytearray(self.socket.recv(3000))
            except TimeoutError:
                continue
            except OSError as error:
                raise SessionFailed("timeout" if self.answered else "unreachable", _words(error)) from error
            if packet[:1] == b"\x06" and packet[2:4] == b"\xff\x07":
                self.answered = True
                self._answered()
                self._take(packet)

    def _answered(self) -> None:
        """Learn how long this BMC takes, from the first answer to a packet that was sent once."""
        if self.sent_once is None:
            return
        took, self.sent_once = time.monotonic() - self.sent_once, None
        if self._in_rakp:
            self.rakp_s = min(_RETRY_MAX_S, max(_LEAST_S, 4 * took))
            return
        self.mean_s = took if self.mean_s is None else self.mean_s + (took - self.mean_s) / 8
        self.patience = self.first_s = min(_RETRY_MAX_S, max(_LEAST_S, 4 * self.mean_s))

    @property
    def _in_rakp(self) -> bool:
        return self.logging and self.sessioncontext in ("EXPECTINGRAKP2", "EXPECTINGRAKP4")

    def _take(self, packet: bytearray) -> None:
        try:
            self._handle_ipmi_packet(packet, sockaddr=self.sockaddr, qent=(packet, self.sockaddr, self.socket))
        except BAD_PACKET:
            self.malformed += 1

    def _timedout(self) -> None:
        self.expiration = None
        if not self.lastpayload:
            return
        if self._in_rakp:
            self.rakp_s = min(_RETRY_MAX_S, self.rakp_s * _GROWS)
            if self.mean_s is None:
                self.patience = min(_RETRY_MAX_S, self.patience * _GROWS)
            self._relog()
            return
        self.patience = min(_RETRY_MAX_S, self.patience * _GROWS)
        if self.sessioncontext == "OPENSESSION":
            self._open_rmcpplus_request()
        else:
            self.hasretried = 1
            self.send_payload()
        self.sent_once = None


def _of_code(response: dict[str, Any], netfn: int, command: int) -> str:
    said = str(response.get("error", "error")).lower()
    return f"{said} (command {netfn:02X}h/{command:02X}h, code {response['code']:02X}h)"


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
