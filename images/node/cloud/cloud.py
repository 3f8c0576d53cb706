"""The words in which the roles of OpenStack describe a service on a node, and what a role's attributes say (`Site`). `cloud_run.py` does
what a description says.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud_api import REGION, Entry, Fault, Keystone

PORTS = {
    "keystone": 5000,
    "glance": 9292,
    "placement": 8778,
    "nova": 8774,
    "metadata": 8775,
    "neutron": 9696,
    "swift": 8080,
    "cinder": 8776,
    "novnc": 6080,
    "horizon": 8000,
    "retriever": 8090,
}
"""Each service's usual port, where it answers inside of the rack."""
PUBLIC = 10000
"""What the port of a service's public endpoint (TLS) is above its usual one. Both may be on one address."""
WITHIN_S = 900.0
"""Seconds until a unit that was started answers."""
_REQUIRED = object()
_UWSGI = (
    "plugins = python3",
    "master = true",
    "lazy-apps = true",
    "enable-threads = true",
    "thunder-lock = true",
    "no-orphans = true",
    "die-on-term = true",
    "close-on-exec = true",
    "close-on-exec2 = true",
    "paste-logger = true",
    "buffer-size = 65535",
    "rem-header = Content-Length",
    "listen = 100",
)
"""Debian's settings of uWSGI for services of OpenStack."""


# -- the description ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """A file that is ours as a whole. `content`: its text; or sections of an INI file, each a map of keys to values."""

    content: str | Mapping[str, Mapping[str, object]]
    owner: str = "root"
    group: str = "root"
    mode: int = 0o640
    restarts: bool = True
    """A change restarts the service's units."""

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        lines = ["# Written by Crowbar. A change here is overwritten."]
        for section, keys in self.content.items():
            lines += [f"[{section}]", *(f"{key} = {_ini(value)}" for key, value in keys.items() if value is not None)]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Database:
    """A database of MariaDB and the account that has all rights in it."""

    name: str
    user: str
    password: str
    server: str
    """Address."""
    admin_password: str
    """Of the account `crowbar`, which makes databases."""


@dataclass(frozen=True)
class Step:
    """A program that runs before the units start."""

    name: str
    argv: Sequence[str]
    user: str = ""
    unless: Callable[[], bool] | None = None
    """True: it was done already."""
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""


@dataclass(frozen=True)
class Act:
    """A step in Python. It raises Fault, or changes only what differs."""

    name: str
    act: Callable[[], None]


@dataclass(frozen=True)
class Answer:
    """A URL that answers with one of these statuses while the service is at work."""

    url: str
    status: Sequence[int] = (200,)
    within: float = WITHIN_S


@dataclass(frozen=True)
class Check:
    """A proof that the service does what it was configured for. `proof` raises Fault or Http, or returns nothing."""

    name: str
    proof: Callable[[], None]


@dataclass(frozen=True)
class Service:
    databases: Sequence[Database] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    steps: Sequence[Step | Act] = ()
    units: Sequence[str] = ()
    """They run, from each start of the machine on."""
    answers: Sequence[Answer] = ()
    entries: Sequence[Entry] = ()
    keystone: Keystone | None = None
    """Where the entries go."""
    after: Sequence[Step | Act] = ()
    """What is done when the units answer."""
    checks: Sequence[Check] = ()
    gives: Callable[[], Mapping[str, object]] = dict


def _ini(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Site:
    """What the role's attributes say."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def __call__(self, path: str, default: Any = _REQUIRED) -> Any:
        """The value at a path `a/b/c` of attributes.json."""
        place: Any = self._document
        for part in path.split("/"):
            place = place.get(part) if isinstance(place, dict) else None
        if place is None and default is _REQUIRED:
            raise Fault(f"the attribute {path} has no value for this node")
        return default if place is None else place

    @property
    def address(self) -> str:
        """This node's own, on the admin network."""
        return str(self("admin-network/address"))

    @property
    def name(self) -> str:
        return socket.gethostname().split(".")[0]

    def all(self, path: str) -> list[tuple[str, Any]]:
        """What a `collects` found: node and value of each node that has one, in the order of the nodes' names."""
        found = self(path, [])
        return sorted((str(one["node"]), one["value"]) for one in found if one.get("value"))

    def addresses(self, path: str) -> list[str]:
        return [str(value["address"]) for _node, value in self.all(path)]

    def one(self, path: str) -> str:
        """The address of the first of these nodes."""
        found = self.addresses(path)
        if not found:
            raise Fault(f"no node runs what {path} names: give its role to a node in the plan")
        return found[0]

    @property
    def small(self) -> bool:
        """A rehearsal: as few processes, and as cheap hashes, as work."""
        return bool(self("cloud-profile", "rack") == "rehearsal")

    @property
    def workers(self) -> int:
        """Processes of one API: one for each 8 GiB of memory, at most one for each processor."""
        if self.small:
            return 1
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        return max(1, min(os.cpu_count() or 1, pages * size // (8 << 30)))

    # -- parts that many services have --

    def keystone_url(self) -> str:
        return f"http://{self.one('cloud/keystone')}:{PORTS['keystone']}/v3"

    def url(self, service: str, path: str = "") -> str:
        """Of this node's own service, inside of the rack."""
        return f"http://{self.address}:{PORTS[service]}{path}"

    def public_url(self, service: str, path: str = "") -> str:
        return f"https://{self.one('cloud/front')}:{PUBLIC + PORTS[service]}{path}"

    def account(self, user: str, password: str) -> dict[str, object]:
        """Keys by which a service logs in to Keystone."""
        return {
            "auth_url": self.keystone_url(),
            "auth_type": "password",
            "project_domain_name": "Default",
            "user_domain_name": "Default",
            "project_name": "service",
            "username": user,
            "password": password,
            "region_name": REGION,
        }

    def authtoken(self, user: str, password: str) -> dict[str, object]:
        """The section keystone_authtoken: how a service checks the tokens of its users."""
        return {
            **self.account(user, password),
            "www_authenticate_uri": self.public_url("keystone", "/v3"),
            "memcached_servers": ",".join(f"{one}:11211" for one in self.addresses("cloud/cache")),
            "service_token_roles_required": "true",
        }

    def tables(self, user: str, *argv: str) -> Step:
        """The step that makes a database's tables, or brings them to the version of the packages."""
        return Step("tables", argv, user)

    def daemon(self, unit: str, user: str, *words: str) -> dict[str, File]:
        """The file by which a unit starts its program `/usr/bin/UNIT`, with `words`.

        Debian's init scripts name the packaged file as `--config-file`, and oslo.config then reads that one after `PROJECT.conf.d`.
        Without the option it is read first. No limit for the start: a slow machine takes minutes."""
        line = " ".join((f"/usr/bin/{unit}", f"--log-file=/var/log/{user}/{unit}.log", *words))
        start = f"[Service]\nExecStart=\nExecStart={line}\nTimeoutStartSec=infinity\n"
        return {f"/etc/systemd/system/{unit}.service.d/crowbar.conf": File(start, mode=0o644)}

    def sql(self, name: str, user: str, password: str) -> str:
        return f"mysql+pymysql://{user}:{password}@{self.one('cloud/database')}/{name}?charset=utf8mb4"

    def database(self, name: str, user: str, password: str) -> Database:
        return Database(name, user, password, self.one("cloud/database"), self("database-admin-password"))

    def messages(self) -> str:
        """transport_url of oslo.messaging."""
        servers = self.addresses("cloud/messages")
        if not servers:
            raise Fault("no node runs openstack-messages: give it to a node in the plan")
        password = self("messages-password")
        return "rabbit://" + ",".join(f"openstack:{password}@{one}:5672" for one in servers) + "/"

    def uwsgi(self, service: str, unit: str, user: str, *more: str) -> dict[str, File]:
        """Files by which uWSGI serves an API on this node's address, with as many processes as fit. `more`: lines like `wsgi-file = PATH`.

        Debian's init scripts add `--http-socket :PORT`, which listens on every address. So the unit starts uWSGI itself."""
        ini = f"/etc/{user}/{unit}-uwsgi.ini"
        lines = [
            "# Written by Crowbar. A change here is overwritten.",
            "[uwsgi]",
            *_UWSGI,
            f"processes = {self.workers}",
            f"threads = {4 if self.small else 32}",
            f"http-socket = {self.address}:{PORTS[service]}",
            f"name = {unit}",
            f"logto = /var/log/{user}/{unit}.log",
            f"chdir = /var/lib/{user}",
            *more,
        ]
        start = f"[Service]\nExecStart=\nExecStart=/usr/bin/uwsgi_python3 --ini {ini}\n"
        return {
            ini: File("\n".join(lines) + "\n", mode=0o644),
            f"/etc/systemd/system/{unit}.service.d/crowbar.conf": File(start, mode=0o644),
        }

    def keystone(self) -> Keystone:
        return Keystone(self.keystone_url(), self("cloud-admin-password"))
