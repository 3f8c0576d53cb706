"""A connection to a Redfish service (DMTF DSP0266): TLS to one address, requests one after another, answers as JSON objects.

Why an own client: calls come from worker threads and must end by a deadline, whatever the BMC does. pyghmi's Redfish client and sushy take
the first of several systems or want to be told, read answers of any size, wait as long as a peer sends an octet now and then, and load
vendors' extras and dozens of resources at login; sushy brings requests and a configuration library besides. What is needed of HTTP here is
little, and `http.client` parses it.

Rules
* All ends at `deadline` (monotonic), counted over every octet and not from one to the next.
* What a BMC sends is not trusted: 1 MiB an answer at most, packed or not; objects only (`redfish_body`).
* Nothing secret is sent before the certificate was recognised (`certificates`), and nothing to another address: a redirect is followed to
  a path of this very host, four times, with the same method.
* Plain answers are asked for, since small BMCs pack slowly and some wrongly. One that answers 406 to that is asked for packed ones, and
  one that packs all the same is understood.
* What was sent on a connection that the BMC had closed meanwhile is sent once more on a new one: all that we send may be repeated.
* 503 and 429 are waited for while the time lasts, as long as Retry-After says.

Trap: old BMCs have RSA keys of 1,024 bits, which OpenSSL refuses at its usual security level, before any certificate is looked at.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

from msgspec import Struct

from ..files.key_file import KeyFileError
from ..quirks import PACKED_ONLY
from . import GaveWay, SessionFailed
from .certificates import Certificates
from .redfish_body import LARGEST, BodyWrong, Json, parsed, path_of, unpacked

ROOT = "/redfish/v1/"
HOLDERS = ("Systems", "PowerEquipment", "RackPDUs", "Chassis")
"""What a service is about: machines, the outlets of a PDU, or the slots of a chassis. Its root names one of them."""
_PAUSE_S = 0.25
_SLICE_S = 0.5
"""Seconds for which a call that gives way does not look whether it must."""
_REDIRECTS = (301, 302, 307, 308)
_HOPS = 4


class Answer(Struct, frozen=True, kw_only=True):
    status: int
    headers: http.client.HTTPMessage
    body: dict[str, Json]

    @property
    def etag(self) -> str:
        """For If-Match. Empty: the service sends none."""
        return _tag(self.headers.get("ETag")) or self.own_etag

    @property
    def own_etag(self) -> str:
        """The tag inside the resource, which differs from the header's on some services."""
        return _tag(self.body.get("@odata.etag"))


class _Wire(io.RawIOBase):
    """Reads what the peer sends, until the deadline."""

    def __init__(self, sock: ssl.SSLSocket, deadline: float, gives_way: Callable[[], bool]) -> None:
        self._sock, self._deadline, self._gives_way = sock, deadline, gives_way

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            left = _left(self._deadline)
            self._sock.settimeout(min(left, _SLICE_S))
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                if self._gives_way():
                    raise GaveWay from None
                if left <= _SLICE_S:
                    raise

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The interface of a socket for `http.client`."""
        return io.BufferedReader(self)


class Line:
    """A connection to a Redfish service, opened at the first request."""

    def __init__(
        self, address: str, port: int, *, deadline: float, greet_s: float, sleep: Callable[[float], None], certificates: Certificates | None
    ) -> None:
        """`certificates`: None trusts any service, for calls without a secret."""
        self.deadline = deadline
        self.answered = False
        """True if it has answered at least once."""
        self.largest = LARGEST
        """Bytes of an answer, packed or unpacked; a longer one is refused."""
        self.gives_way: Callable[[], bool] = lambda: False
        """True ends the call at once, even while an answer is due (`GaveWay`)."""
        self.yields = False
        """True for a call that gives way: it does not wait for a busy service either."""
        self._where = (address, port)
        self._greet_s = greet_s
        self._sleep = sleep
        self._certificates = certificates
        self._codings = "identity"
        self._sock: ssl.SSLSocket | None = None

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def path(self, said: Json, base: str = ROOT) -> str:
        """A path on this host that may be requested. Raises `SessionFailed` for anything else."""
        path = path_of(said, *self._where, base)
        if path is None:
            raise SessionFailed("unsupported", "it names a resource by something that is no path of its own")
        return path

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: Json = None, *, patient: Callable[[Answer], bool] = lambda _: True
    ) -> Answer:
        """One request and its answer, whatever the status. A busy service is asked again while `patient` is true."""
        hops, path = 0, path.partition("#")[0]
        while True:
            answer = self._once(method, path, headers, body)
            if answer.status == 406 and self._codings == "identity":
                self._codings = ", ".join(PACKED_ONLY.value)
                continue
            if answer.status in _REDIRECTS and hops < _HOPS:
                to = path_of(answer.headers.get("Location"), *self._where, path)
                if to is None:
                    return answer
                hops, path = hops + 1, to.partition("#")[0]
                continue
            if answer.status not in (429, 503) or not patient(answer):
                return answer
            pause = _asked_pause_s(answer)
            if time.monotonic() + pause >= self.deadline or self.yields:
                said = f"it is busy (HTTP {answer.status}) and asks to be left alone for {pause:g} s"
                raise SessionFailed("refused", said, passing=True)
            self._sleep(pause)

    def _once(self, method: str, path: str, headers: dict[str, str], body: Json) -> Answer:
        if self.gives_way():
            raise GaveWay
        octets = _request(method, path, self._where, self._codings, headers, body)
        for last in (False, True):
            fresh = self._sock is None
            sock = self._sock or self._connect()
            try:
                return self._exchange(sock, octets, method)
            except GaveWay:
                self.close()  # the answer may still come, and would be taken for that of the next request
                raise
            except TimeoutError:
                self.close()
                raise SessionFailed("timeout" if self.answered else "unreachable", "no answer in time") from None
            except (OSError, http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
                self.close()
                if fresh or last:
                    raise SessionFailed("timeout", f"it broke off the connection ({type(error).__name__})", passing=True) from None
            except (http.client.HTTPException, ValueError, RecursionError) as error:
                self.close()
                why = str(error) if isinstance(error, BodyWrong) else type(error).__name__
                raise SessionFailed("unsupported", f"its answer is not HTTP with JSON ({why})") from None
        raise AssertionError("unreachable")

    def _connect(self) -> ssl.SSLSocket:
        until = min(self.deadline, time.monotonic() + self._greet_s)
        plain: socket.socket | None = None
        try:
            plain = socket.create_connection(self._where, timeout=_left(until))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(_left(until))
            sock = _tls().wrap_socket(plain)
        except ssl.SSLError as error:
            _close(plain)
            raise SessionFailed("unsupported", f"it speaks no TLS that we know ({error.reason or 'handshake failed'})") from None
        except TimeoutError:
            _close(plain)
            raise SessionFailed("timeout" if self.answered else "unreachable", "no answer in time", passing=self.answered) from None
        except OSError as error:
            _close(plain)
            said = f"port {self._where[1]}: {error.strerror or type(error).__name__}"
            raise SessionFailed("unreachable", said, passing=self.answered) from None
        self._recognise(sock)
        self._sock = sock
        return sock

    def _recognise(self, sock: ssl.SSLSocket) -> None:
        if self._certificates is None:
            return
        try:
            good = self._certificates.accepts(*self._where, sock.getpeercert(binary_form=True) or b"")
        except OSError as error:
            sock.close()
            raise SessionFailed("refused", f"its certificate cannot be kept: {error.strerror}") from None
        except KeyFileError as error:
            sock.close()
            raise SessionFailed("refused", f"its certificate cannot be compared: {error}") from None
        if not good:
            sock.close()
            where, file = "{}:{}".format(*self._where), self._certificates.file
            raise SessionFailed("refused", f"it has another certificate than before; if that is right, delete the line {where} of {file}")

    def _exchange(self, sock: ssl.SSLSocket, octets: bytes, method: str) -> Answer:
        sock.settimeout(_left(self.deadline))
        sock.sendall(octets)
        response = http.client.HTTPResponse(_Wire(sock, self.deadline, self.gives_way), method=method)  # type: ignore[arg-type]
        response.begin()
        self.answered = True
        body = response.read(self.largest + 1)
        if len(body) > self.largest:
            raise BodyWrong("longer than we read")
        if response.length and len(body) < self.largest:
            raise http.client.IncompleteRead(body, response.length)
        if response.will_close or _left_over(response):
            self.close()
        return Answer(status=response.status, headers=response.headers, body=_object(body, response, self.largest))


@cache
def _tls() -> ssl.SSLContext:
    """What all connections have in common. The certificate is looked at afterwards (`_recognise`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    return context


def service_root(line: Line) -> dict[str, Json]:
    """The one resource that is open to everybody (DSP0266 6.5). Raises `SessionFailed`."""
    answer = line.ask("GET", ROOT, {})
    has_something = any(isinstance(answer.body.get(name), dict) for name in HOLDERS)
    if answer.status != 200 or not isinstance(answer.body.get("RedfishVersion"), str) or not has_something:
        what = "a redirect" if 300 <= answer.status < 400 else f"HTTP {answer.status}"
        raise SessionFailed("unsupported", f"no Redfish service is there, or one without systems ({what})")
    return answer.body


def _request(method: str, path: str, where: tuple[str, int], codings: str, headers: dict[str, str], body: Json) -> bytes:
    host = f"[{where[0]}]" if ":" in where[0] else where[0]
    lines = {
        "Host": host if where[1] == 443 else f"{host}:{where[1]}",
        "Accept": "application/json",
        "Accept-Encoding": codings,
        "OData-Version": "4.0",
        "User-Agent": "crowbar",
        **headers,
    }
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    if body is not None:
        lines.setdefault("Content-Type", "application/json")
    if body is not None or method in ("POST", "PATCH"):
        lines["Content-Length"] = str(len(content))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + content


def _object(body: bytes, response: http.client.HTTPResponse, most: int) -> dict[str, Json]:
    """Raises BodyWrong, RecursionError."""
    try:
        return parsed(unpacked(body, response.headers.get("Content-Encoding", ""), most), response.status)
    except BodyWrong:
        if 200 <= response.status < 300:
            raise
        return {}


def _left_over(response: http.client.HTTPResponse) -> bool:
    """True if a body follows an answer that may not have one (RFC 9110 6.4.1). It would be read as the next answer."""
    announced = response.headers.get("Content-Length", "0").strip() != "0" or "Transfer-Encoding" in response.headers
    return response.status in (204, 304) and announced


def _asked_pause_s(answer: Answer) -> float:
    """Retry-After: seconds, or a date (RFC 9110 10.2.3) by the BMC's own clock, which may be wrong."""
    said = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", said):
        return max(_PAUSE_S, float(said))
    try:
        pause = (parsedate_to_datetime(said) - parsedate_to_datetime(answer.headers.get("Date", ""))).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return 1.0
    return max(_PAUSE_S, pause)


def _tag(found: Json) -> str:
    return found if isinstance(found, str) and re.fullmatch(r"[ -~]{1,200}", found) else ""


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()
