"""A client of the HTTP API, for programs on other machines. It needs only the standard library and msgspec.

    with HttpClient("https://192.168.124.10:8443", token, ca="ca.crt") as engine:  # or certificate=("alice.crt", "alice.key")
        for node in engine.nodes():
            print(node["name"], node["state"])
        engine.operate("power", "node-3", value="on")

Not for two threads at once.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from ..attach.place import POWER_S
from ..definitions import Json
from ..rest.messages import Refused
from ..rest.table import BASE

PATIENCE_S = POWER_S + 10.0
"""Seconds. Longer than the engine takes for the slowest order."""


ANSWER = 256 * 1024 * 1024
"""Most octets of an answer. The nodes and roles of 16,000 machines have about 50 MB."""
IDLE_S = 15.0
"""A connection that was idle for so many seconds is not used again, because the engine may be closing it (after 30 s)."""


class HttpApiError(Exception):
    """The engine cannot be reached, or the answer is not the API's. The text is one sentence with advice."""


class Refusal(Exception):
    """The API refused a request: `status`, and its `reason` with code, fields, sentence and advice."""

    def __init__(self, status: int, reason: Refused) -> None:
        super().__init__(reason.sentence)
        self.status = status
        self.reason = reason


class HttpClient:
    """A connection to the API. Methods return plain data as docs/api.md says. They raise Refusal and HttpApiError."""

    def __init__(
        self,
        url: str,
        token: str = "",
        ca: Path | str | None = None,
        timeout_s: float = PATIENCE_S,
        certificate: tuple[Path | str, Path | str] | None = None,
    ) -> None:
        """`ca`: file of the site's authority (`ca.crt`), needed for https. `certificate`: files of the operator's certificate and private
        key, instead of a token or beside it; only for https. Raises HttpApiError."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise HttpApiError(f"{url} is not the address of an API: give one like https://192.168.124.10:8443")
        self._url, self._token, self._certified = url, token, certificate is not None
        if certificate is not None and parts.scheme != "https":
            raise HttpApiError(f"{url} is not TLS, so it takes no certificate: use a token there")
        self._used = time.monotonic()
        self._connection: http.client.HTTPConnection
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=ca)
                if certificate is not None:
                    context.load_cert_chain(*certificate)
                self._connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
            else:
                self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        except (OSError, ValueError) as error:
            raise HttpApiError(
                f"cannot use {url} with these files ({error}): copy ca.crt from the admin node, and check the certificate"
            ) from error

    def __repr__(self) -> str:
        return f"HttpClient({self._url!r})"

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def cut(self) -> None:
        """From another thread: ends the request under way, however slowly its answer comes. It raises HttpApiError."""
        with contextlib.suppress(OSError, AttributeError):  # it ends just now
            self._connection.sock.shutdown(socket.SHUT_RDWR)

    def request(self, method: str, path: str, body: Json = None, query: dict[str, Any] | None = None) -> Any:
        """Any request. `path` is without `/api/v1`; `body` is plain data. An order is never sent a second time."""
        target = BASE + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        if time.monotonic() - self._used > IDLE_S:
            self.close()
        try:
            self._connection.request(method, target, data, headers)
            response = self._connection.getresponse()
            data = response.read(ANSWER + 1)
            if len(data) > ANSWER:
                raise ValueError(f"its answer has more than {ANSWER} octets")
            status, found = response.status, msgspec.json.decode(data)
            self._used = time.monotonic()
            if status != 200:
                raise Refusal(status, msgspec.convert(found, Refused))
        except (OSError, ValueError, RecursionError, http.client.HTTPException, msgspec.MsgspecError) as error:
            self.close()
            what = str(error) or type(error).__name__
            if self._certified and isinstance(error, (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError)):
                words = "it may not accept the client certificate, and the engine's health page says why"
                raise HttpApiError(f"the API at {self._url} ended the connection without an answer ({what}): {words}") from error
            raise HttpApiError(f"the API at {self._url} does not answer ({what}): check its address, and that the engine runs") from error
        return found

    # -- what it reads ---------------------------------------------------------------------------------------------

    def about(self) -> Any:
        return self.request("GET", "")

    def openapi(self) -> Any:
        return self.request("GET", "/openapi.json")

    def status(self) -> Any:
        return self.request("GET", "/status")

    def health(self) -> Any:
        return self.request("GET", "/health")

    def nodes(self) -> Any:
        return self.request("GET", "/nodes")

    def node(self, node: str) -> Any:
        return self.request("GET", _path("nodes", node))

    def roles(self, node: str) -> Any:
        return self.request("GET", _path("nodes", node, "roles"))

    def role(self, node: str, role: str) -> Any:
        return self.request("GET", _path("nodes", node, "roles", role))

    def reasons(self, node: str) -> Any:
        return self.request("GET", _path("nodes", node, "reasons"))

    def journal(self, after: int = 0, limit: int = 200, wait: float = 0.0) -> Any:
        """`wait`: seconds that the engine waits for a row if there is none yet, 30 at most."""
        return self.request("GET", "/journal", query={"after": after, "limit": limit, "wait": wait})

    def plan(self) -> Any:
        return self.request("GET", "/plan")

    def revisions(self) -> Any:
        return self.request("GET", "/revisions")

    def revision(self, number: int) -> Any:
        return self.request("GET", _path("revisions", str(number)))

    def diff(self, plan: str, name: str = "plan") -> Any:
        """`plan`: the text of a plan file."""
        return self.request("POST", "/plan/diff", {"plan": plan, "name": name})

    def deployments(self) -> Any:
        return self.request("GET", "/deployments")

    def deployment(self, name: str) -> Any:
        return self.request("GET", _path("deployments", name))

    def proposals(self) -> Any:
        return self.request("GET", "/proposals")

    def diff_proposals(self, *deployments: str) -> Any:
        """What a commit of the waiting edits of these deployments would change."""
        return self.request("POST", "/proposals/diff", {"deployments": deployments})

    def attributes(self, scope: str) -> Any:
        """`scope`: `NODE`, `NODE/ROLE`, or `deployment:NAME`."""
        return self.request("GET", _scope(scope) + "/attributes")

    # -- what it orders --------------------------------------------------------------------------------------------

    def operate(self, verb: str, node: str, role: str = "", value: Json = None, yes: bool = False) -> str:
        """The receipt. `yes`: disks may lose their data."""
        body: dict[str, Json] = {"yes": True} if yes else {}
        if value is not None:
            body["value"] = value
        path = _path("nodes", node, "roles", role, verb) if role else _path("nodes", node, verb)
        return str(self.request("POST", path, body)["message"])

    def commit(self, plan: str, name: str = "plan", secrets: dict[str, str] | None = None, if_revision: int | None = None) -> str:
        """The receipt. `plan`: the text of a plan file. `secrets`: name -> value. `if_revision`: the revision that must be in force."""
        body = {"plan": plan, "name": name, "secrets": secrets or {}, "if_revision": if_revision}
        return str(self.request("POST", "/plan", body)["message"])

    def propose(self, deployment: str, definition: str, base: int = 0, over: float | None = None) -> str:
        """The receipt. `definition`: YAML, as it stands under the deployment's name in a plan."""
        body: dict[str, Json] = {"definition": definition, "base": base, "over": over}
        return str(self.request("PUT", _path("deployments", deployment, "proposal"), body)["message"])

    def propose_deletion(self, deployment: str) -> str:
        return str(self.request("DELETE", _path("deployments", deployment))["message"])

    def propose_back(self, deployment: str, revision: int) -> str:
        """The deployment as it was in an earlier revision."""
        return str(self.request("POST", _path("deployments", deployment, "back"), {"revision": revision})["message"])

    def recall(self, deployment: str) -> str:
        return str(self.request("DELETE", _path("deployments", deployment, "proposal"))["message"])

    def commit_proposals(self, *deployments: str, seen: dict[str, float] | None = None) -> str:
        """The receipt. `seen`: deployment -> `at` of the edit that you saw."""
        return str(self.request("POST", "/proposals/commit", {"deployments": deployments, "seen": seen or {}})["message"])

    def set_attribute(self, scope: str, name: str, value: Json, pointer: str = "") -> str:
        """The receipt. `scope`: as for `attributes`. `pointer`: only this place in the value, by JSON pointer."""
        body: dict[str, Json] = {"value": value, "pointer": pointer}
        return str(self.request("PUT", _scope(scope) + _path("attributes", name), body)["message"])

    def set_secret(self, scope: str, name: str, secret: str) -> str:
        """The same for an attribute that holds a secret."""
        return str(self.request("PUT", _scope(scope) + _path("attributes", name), {"secret": secret})["message"])

    def clear_attribute(self, scope: str, name: str, pointer: str = "") -> str:
        query: dict[str, Json] = {"pointer": pointer} if pointer else {}
        return str(self.request("DELETE", _scope(scope) + _path("attributes", name), query=query)["message"])


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part, safe=':')}" for part in parts)


def _scope(scope: str) -> str:
    kind, colon, name = scope.partition(":")
    if colon and kind == "deployment":
        return _path("deployments", name)
    node, slash, role = scope.partition("/")
    return _path("nodes", node, "roles", role) if slash else _path("nodes", node)
