"""The BMC's side of one RMCP+ session: pyghmi's framing and cryptography, with our own handshake.

Why our own handshake: pyghmi's server answers suite 3 whatever the client offers (every SHA-256 client then fails), stays silent to a
wrong user or password, and finds sessions by the client's address. Here suites 3 and 17 work properly, and others are refused with 11h
so that clients fall back. Refused logins get their code, and sessions are found by the id that the BMC assigned.

Source: IPMI 2.0 sections 13.17 to 13.24 (open session, RAKP 1 to 4), 13.28 (keys), 13.31 (AES), table 13-15 (status codes), table 22-20
(suites).

Rules
* A request that equals the last one, sequence number included, is answered again and not carried out again (IPMI 2.0 section 5.1).
* Any fault of a packet is a `Malformed`; pyghmi's exceptions for bad bytes are in `BAD_PACKET`.
"""

from __future__ import annotations

import collections
import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from typing import Any
from uuid import UUID

from msgspec import Struct
from pyghmi.ipmi.private.constants import IPMI_BMC_ADDRESS, payload_types
from pyghmi.ipmi.private.serversession import ServerSession

BAD_PACKET = (IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error)
NO_RESOURCES, NO_SUITE, NO_PRIVILEGE, NO_NAME, BAD_CHECK = 0x01, 0x11, 0x0A, 0x0D, 0x0F
USER, OPERATOR, ADMINISTRATOR = 2, 3, 4

Execute = Callable[[int, int, bytes, int], tuple[int, bytes]]
"""(netfn, command, data, privilege level) -> (completion code, data)"""


class Malformed(ValueError):
    """The packet breaks the format, or belongs to no session."""


class Suite(Struct, frozen=True, kw_only=True):
    """A cipher suite: RAKP and integrity algorithm; confidentiality is AES-CBC-128 in both."""

    id: int
    auth: int
    integrity: int
    hash: Any
    """Constructor in hashlib."""
    code_len: int
    """Bytes of an integrity code."""


SUITES = (
    Suite(id=3, auth=1, integrity=1, hash=hashlib.sha1, code_len=12),
    Suite(id=17, auth=3, integrity=4, hash=hashlib.sha256, code_len=16),
)
SUITE_RECORDS = b"".join(bytes((0xC0, s.id, s.auth, 0x40 | s.integrity, 0x81)) for s in SUITES)
"""As Get Channel Cipher Suites tells them (table 22-18)."""


def suite_of(request: bytes) -> Suite | None:
    """The suite that an Open Session Request (32 bytes, table 13-9) proposes, if it is one of ours."""
    auth, integrity, privacy = request[12] & 0x3F, request[20] & 0x3F, request[28] & 0x3F
    return next((s for s in SUITES if (s.auth, s.integrity, 1) == (auth, integrity, privacy)), None)


class BmcSession(ServerSession):  # type: ignore[misc]
    """One client's session. `transmit` takes a finished packet. Not thread-safe: the farm's loop owns it."""

    def __new__(cls, *_args: object, **_named: object) -> BmcSession:
        made: BmcSession = object.__new__(cls)
        return made

    def __init__(self, suite: Suite, request: bytes, guid: UUID, transmit: Callable[[bytes], None], execute: Execute, now: float) -> None:
        """Answers the Open Session Request (payload of 32 bytes)."""
        self.suite, self.uuid, self.transmit, self.execute = suite, guid, transmit, execute
        self.used = now
        self.stage = "opened"
        self.closed = False
        self.handled = 0
        self.last: tuple[object, int, bytes] | None = None
        self.currhashlib, self.currhashlen = suite.hash, suite.code_len
        self.rqaddr = IPMI_BMC_ADDRESS
        self.servermode = True
        self.ipmiversion, self.authtype = 2.0, 6
        self.sequencenumber = self.sessionid = 0
        self.integrityalgo: int | str = 0
        self.confalgo: int | str = 0
        self.broken = False
        self.k1: bytes | None = None
        self.lastpayload = self.rqlun = self.remseqnumber = self.sol_handler = None
        self.pendingpayloads: collections.deque[Any] = collections.deque()
        self.level = USER
        self.clientsessionid = bytes(request[4:8])
        self.managedsessionid = os.urandom(4)
        (self.localsid,) = struct.unpack("<I", self.managedsessionid)
        chosen = (0, suite.auth), (1, suite.integrity), (2, 1)
        records = b"".join(bytes((kind, 0, 0, 8, algorithm, 0, 0, 0)) for kind, algorithm in chosen)
        self._send(
            "rmcpplusopenresponse",
            bytes((request[0], 0, ADMINISTRATOR, 0)) + self.clientsessionid + self.managedsessionid + records,
        )

    def rakp1(self, data: bytes, password: Callable[[bytes], bytes | None], locked: bool) -> bool:
        """Answers RAKP 1; false if the name or level was refused. The session is over then. `password`: of a user; None: there is no
        such user."""
        if len(data) < 28 or len(data) < 28 + data[27] or data[27] > 16 or self.stage == "established":
            raise Malformed("RAKP 1")
        self.client_random, self.role = bytes(data[8:24]), data[24]
        self.username = bytes(data[28 : 28 + data[27]])
        self.ceiling = self.role & 0xF
        secret = None if locked else password(self.username)
        if secret is None:
            return self._refuse("rakp2", data[0], NO_NAME)
        if not USER <= self.ceiling <= ADMINISTRATOR:
            return self._refuse("rakp2", data[0], NO_PRIVILEGE)
        self.secret = secret
        self.random = os.urandom(16)
        who = bytes((self.role, len(self.username))) + self.username
        code = self._hmac(
            self.secret,
            self.clientsessionid + self.managedsessionid + self.client_random + self.random + self.uuid.bytes + who,
        )
        self.stage = "rakp"
        self._send("rakp2", bytes((data[0], 0, 0, 0)) + self.clientsessionid + self.random + self.uuid.bytes + code)
        return True

    def rakp3(self, data: bytes) -> bool:
        """Answers RAKP 3; false if the password was wrong or the client gave up. The session is over then."""
        if len(data) < 8 or self.stage != "rakp":
            raise Malformed("RAKP 3")
        if data[1]:
            return False
        who = bytes((self.role, len(self.username))) + self.username
        expected = self._hmac(self.secret, self.random + self.clientsessionid + who)
        if not hmac.compare_digest(expected, bytes(data[8:])):
            return self._refuse("rakp4", data[0], BAD_CHECK)
        sik = self._hmac(self.secret, self.client_random + self.random + who)
        check = self._hmac(sik, self.client_random + self.managedsessionid + self.uuid.bytes)
        self._send("rakp4", bytes((data[0], 0, 0, 0)) + self.clientsessionid + check[: self.suite.code_len])
        self.k1 = self._hmac(sik, b"\x01" * 20)
        self.aeskey = self._hmac(sik, b"\x02" * 20)[:16]
        self.integrityalgo, self.confalgo = "on", "aes"
        self.sequencenumber = 1
        (self.sessionid,) = struct.unpack("<I", self.clientsessionid)
        self.ipmicallback = self._request
        self.stage = "established"
        return True

    def packet(self, data: bytearray) -> None:
        """An encrypted IPMI message (payload type 0, whole packet)."""
        if self.stage != "established":
            raise Malformed("not logged in")
        before = self.handled
        self._handle_ipmi2_packet(data)
        if self.handled == before:
            raise Malformed("integrity or sequence number")

    def _request(self, request: dict[str, Any]) -> None:
        self.handled += 1
        netfn, command, data = request["netfn"], request["command"], bytes(request["data"])
        key = (self.seqlun, netfn, command, data)
        if self.last is None or self.last[0] != key:
            self.last = (key, *self._carry_out(netfn, command, data))
        self.send_ipmi_response(code=self.last[1], data=self.last[2])

    def _carry_out(self, netfn: int, command: int, data: bytes) -> tuple[int, bytes]:
        if (netfn, command) == (6, 0x3B):
            level = data[0] & 0xF if data else 0
            if level > self.ceiling:
                return 0x81, b""
            self.level = level or self.level
            return 0, bytes((self.level,))
        if (netfn, command) == (6, 0x3C):
            self.closed = True
            return 0, b""
        return self.execute(netfn, command, data, self.level)

    def _refuse(self, kind: str, tag: int, status: int) -> bool:
        self._send(kind, bytes((tag, status, 0, 0)) + self.clientsessionid)
        return False

    def _send(self, kind: str, payload: bytes) -> None:
        self.send_payload(bytearray(payload), payload_types[kind], retry=False)

    def _hmac(self, key: bytes, data: bytes) -> bytes:
        return hmac.new(key, data, self.suite.hash).digest()

    def _xmit_packet(self, *_args: Any, **_named: Any) -> None:
        if self.sequencenumber:
            self.sequencenumber += 1
        self.transmit(bytes(self.netpacket))
