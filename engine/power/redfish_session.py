"""One conversation with a Redfish service (DMTF DSP0266): a TLS connection, a login, resources as JSON, a logout.

Why an own client: calls come from worker threads and must end by a deadline, whatever the BMC does. pyghmi's Redfish client and sushy take
the first of several systems or want to be told, read answers of any size, wait as long as a peer sends an octet now and then, and load
vendors' extras and dozens of resources at login; sushy brings requests and a configuration library besides. What is needed of HTTP here is
little, and `http.client` parses it.

Rules
* All ends at `deadline` (monotonic), counted over every octet and not from one to the next.
* What a BMC sends is not trusted: 1 MiB an answer at most, objects only, paths on this very host, no redirect followed, and its words reach
  a message only as 160 printable characters without the password.
* Nothing secret is sent before the certificate was recognised (`certificates`).
* A session where the service says that it has them (DSP0266 13.3.4), else the account with each request (HTTP Basic). A session is ended,
  since BMCs have few.
* What was sent on a connection that the BMC had closed meanwhile is sent once more on a new one: all that we send may be repeated.
* 503 with Retry-After is waited for while the time lasts.

Trap: old BMCs have RSA keys of 1,024 bits, which OpenSSL refuses at its usual security level, before any certificate is looked at.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from . import FailureKind, SessionFailed
from .certificates import Certificates

ROOT = "/redfish/v1/"
LARGEST = 1 << 20
_PATH = re.compile(r"/(?!/)[!-~]{0,500}")
_WORDS = 160
_LOGOUT_S = 2.0
_PAUSE_S = 0.25
_UNKNOWN = (404, 405, 410, 501)

Json = Any


class Answer(Struct, frozen=True, kw_only=True):
    status: int
    headers: http.client.HTTPMessage
    body: dict[str, Json]

    @property
    def etag(self) -> str:
        """For If-Match; empty: the service does not say."""
        found = self.headers.get("ETag") or self.body.get("@odata.etag")
        return found if isinstance(found, str) and re.fullmatch(r"[ -~]{1,200}", found) else ""


class _Wire(io.RawIOBase):
    """What the peer sends, until the deadline."""

    def __init__(self, sock: ssl.SSLSocket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """As `http.client` asks a socket."""
        return io.BufferedReader(self)


class Line:
    """A connection to a Redfish service, opened when something is asked."""

    def __init__(
        self, address: str, port: int, *, deadline: float, greet_s: float, sleep: Callable[[float], None], certificates: Certificates | None
    ) -> None:
        """`certificates`: None trusts whoever answers, for calls without a secret."""
        self.deadline = deadline
        self.heard = False
        """Whether it ever answered."""
        self._where = (address, port)
        self._greet_s = greet_s
        self._sleep = sleep
        self._certificates = certificates
        self._sock: ssl.SSLSocket | None = None

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def ask(self, method: str, path: str, headers: dict[str, str], body: Json = None) -> Answer:
        """One request and its answer, whatever the status; a service that is busy is asked again."""
        while True:
            answer = self._once(method, path, headers, body)
            if answer.status != 503:
                return answer
            said = answer.headers.get("Retry-After", "")
            pause = max(_PAUSE_S, float(said)) if re.fullmatch(r"\d{1,6}", said) else 1.0
            if time.monotonic() + pause >= self.deadline:
                raise SessionFailed("refused", f"it is busy (HTTP 503) and asks to be left alone for {pause:g} s")
            self._sleep(pause)

    def _once(self, method: str, path: str, headers: dict[str, str], body: Json) -> Answer:
        octets = _request(method, path, self._where, headers, body)
        for last in (False, True):
            fresh = self._sock is None
            sock = self._sock or self._connect()
            try:
                return self._exchange(sock, octets, method)
            except TimeoutError:
                self.close()
                raise SessionFailed("timeout" if self.heard else "unreachable", "no answer in time") from None
            except (OSError, http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
                self.close()
                if fresh or last:
                    raise SessionFailed("timeout", f"it broke off the connection ({type(error).__name__})") from None
            except (http.client.HTTPException, ValueError, RecursionError) as error:
                self.close()
                raise SessionFailed("unsupported", f"its answer is not HTTP with JSON ({type(error).__name__})") from None
        raise AssertionError("unreachable")

    def _connect(self) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=1")
        until = min(self.deadline, time.monotonic() + self._greet_s)
        plain: socket.socket | None = None
        try:
            plain = socket.create_connection(self._where, timeout=_left(until))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(_left(until))
            sock = context.wrap_socket(plain)
        except ssl.SSLError as error:
            _close(plain)
            raise SessionFailed("unsupported", f"it speaks no TLS that we know ({error.reason or 'handshake failed'})") from None
        except TimeoutError:
            _close(plain)
            raise SessionFailed("timeout" if self.heard else "unreachable", "no answer in time") from None
        except OSError as error:
            _close(plain)
            raise SessionFailed("unreachable", f"port {self._where[1]}: {error.strerror or type(error).__name__}") from None
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
        if not good:
            sock.close()
            where, file = "{}:{}".format(*self._where), self._certificates.file
            raise SessionFailed("refused", f"it has another certificate than before; if that is right, delete the line {where} of {file}")

    def _exchange(self, sock: ssl.SSLSocket, octets: bytes, method: str) -> Answer:
        sock.settimeout(_left(self.deadline))
        sock.sendall(octets)
        response = http.client.HTTPResponse(_Wire(sock, self.deadline), method=method)  # type: ignore[arg-type]  # asks for makefile alone
        response.begin()
        self.heard = True
        body = response.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise ValueError("too long")
        if response.length and len(body) < LARGEST:
            raise http.client.IncompleteRead(body, response.length)
        if response.will_close:
            self.close()
        return Answer(status=response.status, headers=response.headers, body=_object(body, response.status))


class RedfishSession:
    """`with RedfishSession(line, user, password) as session: session.get("/redfish/v1/Systems/1")`. Every method raises `SessionFailed`."""

    def __init__(self, line: Line, user: str, password: str) -> None:
        """Logs in; the line is closed if that fails."""
        self._line = line
        self._password = password
        self._headers: dict[str, str] = {}
        self._own = ""
        """Path of the session, to end it."""
        try:
            self.root = service_root(line)
            self._log_in(user, password)
        except BaseException:
            line.close()
            raise

    @property
    def deadline(self) -> float:
        return self._line.deadline

    def __enter__(self) -> RedfishSession:
        return self

    def __exit__(self, *_exception: object) -> None:
        line = self._line
        try:
            if self._own:
                line.deadline = time.monotonic() + _LOGOUT_S
                with suppress(SessionFailed):  # it forgets a session that is idle
                    line.ask("DELETE", self._own, self._headers)
        finally:
            line.close()

    def get(self, path: Json) -> Answer:
        """The resource; `path` as a BMC named it, or `{"@odata.id": path}`."""
        return self._good("GET", path_of(path), None, {})

    def post(self, path: Json, body: Json) -> Answer:
        return self._good("POST", path_of(path), body, {})

    def patch(self, path: str, body: Json, etag: str) -> Answer:
        """Changes a resource. Where the service wants an ETag it is sent; one that is out of date is asked for again, and sent as a
        strong one, which some services insist on though they give weak ones (RFC 9110 8.8.3)."""
        headers = {"If-Match": etag} if etag else {}
        answer = self._line.ask("PATCH", path_of(path), self._headers | headers, body)
        if answer.status in (412, 428):
            fresh = self.get(path).etag.removeprefix("W/")
            answer = self._line.ask("PATCH", path_of(path), self._headers | ({"If-Match": fresh} if fresh else {}), body)
        return self._judged(answer, path)

    def _good(self, method: str, path: str, body: Json, headers: dict[str, str]) -> Answer:
        return self._judged(self._line.ask(method, path, self._headers | headers, body), path)

    def _judged(self, answer: Answer, path: str) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        raise self._refusal(answer, path)

    def _log_in(self, user: str, password: str) -> None:
        links = self.root.get("Links")
        sessions = links.get("Sessions") if isinstance(links, dict) else None
        if isinstance(sessions, dict):
            path = path_of(sessions)
            answer = self._line.ask("POST", path, {}, {"UserName": user, "Password": password})
            if answer.status in (400, 401):
                raise SessionFailed("authentication", f"login refused{self._words(answer)}")
            if answer.status not in _UNKNOWN:
                self._judged(answer, path)
                token, own = answer.headers.get("X-Auth-Token", ""), answer.headers.get("Location", answer.body.get("@odata.id", ""))
                if not re.fullmatch(r"[!-~]{1,1000}", token):
                    raise SessionFailed("unsupported", "it took the login and gave no token")
                self._headers = {"X-Auth-Token": token}
                with suppress(ValueError, SessionFailed):  # then it ends by itself, as those do that are idle
                    self._own = path_of(urlsplit(str(own)).path)
                return
        account = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {account}"}
        tried = self._line.ask("GET", path_of(self.root["Systems"]), self._headers)
        if tried.status == 401:
            raise SessionFailed("authentication", f"login refused{self._words(tried)}")

    def _refusal(self, answer: Answer, path: str) -> SessionFailed:
        status, words = answer.status, self._words(answer)
        kind: FailureKind = "refused"
        if status in _UNKNOWN:
            kind, said = "unsupported", f"it does not know {path} (HTTP {status})"
        elif 300 <= status < 400:
            said = f"it answers with a redirect (HTTP {status}), and those are not followed"
        elif status == 401:
            said = "it has forgotten the session (HTTP 401)"
        elif status == 403:
            said = "the account may not do that, or its password must be changed first (HTTP 403)"
        elif status >= 500:
            said = f"it failed (HTTP {status})"
        else:
            said = f"it would not (HTTP {status})"
        return SessionFailed(kind, f"{said}{words}")

    def _words(self, answer: Answer) -> str:
        """What the service says about it (DSP0266 8.6), fit to be shown."""
        error = answer.body.get("error")
        if not isinstance(error, dict):
            return ""
        more = error.get("@Message.ExtendedInfo")
        first = more[0] if isinstance(more, list) and more and isinstance(more[0], dict) else {}
        text = first.get("Message") or first.get("MessageId") or error.get("message")
        if not isinstance(text, str):
            return ""
        text = "".join(c if c.isprintable() else " " for c in text[: 4 * _WORDS])
        if self._password:
            text = text.replace(self._password, "***")
        return f": {text[:_WORDS].strip()}" if text.strip() else ""


def service_root(line: Line) -> dict[str, Json]:
    """The one resource that is open to everybody (DSP0266 6.5). Raises `SessionFailed`."""
    answer = line.ask("GET", ROOT, {})
    if answer.status != 200 or not isinstance(answer.body.get("RedfishVersion"), str) or not isinstance(answer.body.get("Systems"), dict):
        what = "a redirect" if 300 <= answer.status < 400 else f"HTTP {answer.status}"
        raise SessionFailed("unsupported", f"no Redfish service is there, or one without systems ({what})")
    return answer.body


def path_of(said: Json) -> str:
    """A path on this host that may be asked for. Raises `SessionFailed` for anything else."""
    path = said.get("@odata.id") if isinstance(said, dict) else said
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise SessionFailed("unsupported", "it names a resource by something that is no path of its own")
    return path


def _request(method: str, path: str, where: tuple[str, int], headers: dict[str, str], body: Json) -> bytes:
    host = f"[{where[0]}]" if ":" in where[0] else where[0]
    lines = {
        "Host": host if where[1] == 443 else f"{host}:{where[1]}",
        "Accept": "application/json", "Accept-Encoding": "identity", "OData-Version": "4.0", "User-Agent": "crowbar", **headers,
    }  # fmt: skip
    content = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        lines["Content-Type"] = "application/json"
    if body is not None or method in ("POST", "PATCH"):
        lines["Content-Length"] = str(len(content))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + content


def _object(body: bytes, status: int) -> dict[str, Json]:
    """Raises ValueError, RecursionError. What is no JSON counts as nothing where the status says enough."""
    try:
        found = json.loads(body, parse_constant=_no_number) if body.strip() else {}
    except ValueError:
        if 200 <= status < 300:
            raise
        found = {}
    if not isinstance(found, dict):
        if 200 <= status < 300:
            raise ValueError("no object")
        return {}
    return found


def _no_number(word: str) -> None:
    raise ValueError(word)  # NaN and Infinity are no JSON (RFC 8259 6)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()
