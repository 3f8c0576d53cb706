"""What the roles of OpenStack say to services: HTTP with JSON, and Keystone's API (version 3). `cloud.py` uses it, and travels with it."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REGION = "RegionOne"
CALL_S = 120.0
"""Seconds for one request. A service that has just started imports its code while the first one waits."""


class Fault(Exception):
    """What is wrong, in one line."""


class Http(Exception):
    """An answer other than a good one."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text[:300]}")
        self.status = status


@dataclass(frozen=True)
class Entry:
    """What Keystone knows of a service: its account in the project `service`, and its endpoints."""

    user: str
    password: str
    type: str = ""
    """Empty: an account only."""
    url: str = ""
    """Inside of the rack."""
    public: str = ""
    roles: Sequence[str] = ("admin", "service")


def http(
    method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None, ca: str = "", timeout: float = CALL_S
) -> tuple[Mapping[str, str], Any]:
    """Headers and body: JSON if it is some, else bytes. `ca`: PEM of the authority for https. Raises Http, Fault."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    known = dict(headers or {})
    if data is not None and "Content-Type" not in known:
        known["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=data, method=method, headers=known)
    context = ssl.create_default_context(cadata=ca) if ca else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return answer.headers, _body(answer.read(64 << 20), answer.headers.get("Content-Type", ""))
    except urllib.error.HTTPError as error:
        if error.code == 300:  # a list of versions
            said: Any = error.headers
            return said, _body(error.read(1 << 20), error.headers.get("Content-Type", ""))
        raise Http(error.code, f"{method} {url}: {error.read(2000).decode('utf-8', 'replace')}") from None
    except (OSError, ValueError) as error:
        raise Fault(f"{method} {url}: {getattr(error, 'reason', error)}") from None


def _body(data: bytes, kind: str) -> Any:
    if not kind.startswith("application/json"):
        return data
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data


class Keystone:
    """Keystone's API, version 3, as the administrator. One token for a whole run."""

    def __init__(self, url: str, password: str, user: str = "admin", project: str = "admin") -> None:
        self.url, self._password, self._user, self._project = url, password, user, project
        self._token = ""
        self.catalog: list[Any] = []

    def token(self) -> str:
        if not self._token:
            user = {"name": self._user, "domain": {"name": "Default"}, "password": self._password}
            scope = {"project": {"name": self._project, "domain": {"name": "Default"}}}
            body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
            headers, said = http("POST", f"{self.url}/auth/tokens", body)
            self._token = headers["X-Subject-Token"]
            self.catalog = said["token"]["catalog"]
        return self._token

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """`path` below /v3, or a whole URL of another service."""
        url = path if path.startswith("http") else self.url + path
        return http(method, url, body, {**(headers or {}), "X-Auth-Token": self.token()})[1]

    def endpoint(self, kind: str, interface: str = "internal") -> str:
        """URL of a service by the catalogue. Raises Fault."""
        self.token()
        for service in self.catalog:
            for one in service["endpoints"] if service["type"] == kind else ():
                if one["interface"] == interface:
                    return str(one["url"]).rstrip("/")
        raise Fault(f"Keystone's catalogue has no {interface} endpoint of the type {kind}")

    def ensure(self, plural: str, query: Mapping[str, str], more: Mapping[str, object] | None = None) -> Any:
        """The object that has these values, made if there is none, changed if it has other values of `more`."""
        asked = "&".join(f"{key}={urllib.parse.quote(value, safe='')}" for key, value in query.items())
        one = plural.removesuffix("s")
        found = self.call("GET", f"/{plural}?{asked}")[plural]
        if not found:
            print(f"keystone: {one} {' '.join(query.values())}")
            return self.call("POST", f"/{plural}", {one: {**query, **(more or {})}})[one]
        differs = {key: value for key, value in (more or {}).items() if key != "password" and found[0].get(key) != value}
        if differs:
            return self.call("PATCH", f"/{plural}/{found[0]['id']}", {one: differs})[one]
        return found[0]

    def enter(self, entry: Entry) -> None:
        project = self.ensure("projects", {"name": "service", "domain_id": "default"})
        user = self.ensure("users", {"name": entry.user, "domain_id": "default"}, {"password": entry.password})
        try:
            Keystone(self.url, entry.password, entry.user, "service").token()
        except Http as wrong:
            if wrong.status != 401:
                raise
            self.call("PATCH", f"/users/{user['id']}", {"user": {"password": entry.password}})
            for role in entry.roles:
                known = self.ensure("roles", {"name": role})
                self.call("PUT", f"/projects/{project['id']}/users/{user['id']}/roles/{known['id']}")
        if not entry.type:
            return
        service = self.ensure("services", {"name": entry.user, "type": entry.type})
        for interface, url in (("public", entry.public or entry.url), ("internal", entry.url), ("admin", entry.url)):
            self.ensure("endpoints", {"service_id": service["id"], "interface": interface, "region_id": REGION}, {"url": url})

    def has(self, entry: Entry) -> None:
        """Raises Fault if the entry is not there as described."""
        try:
            Keystone(self.url, entry.password, entry.user, "service").token()
        except Http as wrong:
            raise Fault(f"Keystone does not take the account {entry.user}: {wrong}") from None
        for interface, url in (("public", entry.public or entry.url), ("internal", entry.url)) if entry.type else ():
            self.has_endpoint(entry.type, interface, url)

    def has_endpoint(self, kind: str, interface: str, url: str) -> None:
        """Raises Fault if the catalogue has another one. A part such as `%(project_id)s` stands for the project that asks."""
        found = self.endpoint(kind, interface)
        if not found.startswith(url.partition("%(")[0].rstrip("/")):
            raise Fault(f"Keystone's catalogue has {found} as the {interface} endpoint of the type {kind}, not {url}")
