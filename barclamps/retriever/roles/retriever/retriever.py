"""The page of the retriever, and a proof that it works: a picture goes into Swift and comes back as the page would fetch it.

HAProxy serves the page's four files out of its memory. It is on the nodes of a cloud anyway, so no other web server is needed. It is a
process of its own: `openstack-front` may be on the same node, and owns the usual one. Browsers see the page by that, with TLS.
"""

import hashlib
import json
import struct
import urllib.parse
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloud import PORTS, Check, File, Service, Site
from cloud_api import Fault, Http, http

HERE = Path(__file__).parent / "page"
FOLDER = "/etc/crowbar-retriever"
KINDS = {"index.html": "text/html; charset=utf-8", "retriever.js": "text/javascript", "retriever.css": "text/css"}
UNIT = "/etc/systemd/system/crowbar-retriever.service"
USER, ACCOUNT = "rack:retriever", "/v1/TEMP_rack"
CONTAINER, PICTURE = "crowbar-pictures", "rack.png"
FIELDS = ("X-Storage-Url", "X-Auth-Token", "X-Subject-Token")
"""Headers of answers that the page must be able to read."""


def service(site: Site) -> Service:
    return Service(
        files={
            **{f"{FOLDER}/{name}": File((HERE / name).read_text(encoding="utf-8"), mode=0o644) for name in KINDS},
            f"{FOLDER}/settings.json": File(json.dumps(_settings(site), indent=1) + "\n", mode=0o644),
            f"{FOLDER}/haproxy.cfg": File(_haproxy(site), mode=0o644),
            UNIT: File(_unit(), mode=0o644),
        },
        units=["crowbar-retriever"],
        checks=[
            Check("a browser gets the page", lambda: _page(site)),
            Check("the page's steps with Keystone", lambda: _by_keystone(site)),
            Check("the page's steps in Swift's old way", lambda: _old_way(site)),
        ],
    )


def _settings(site: Site) -> dict[str, str]:
    return {
        "page": site.public_url("retriever"),
        "keystone": site.public_url("keystone", "/v3"),
        "swift": site.public_url("swift"),
        "user": USER,
    }


def _unit() -> str:
    lines = [
        "# Written by Crowbar. A change here is overwritten.",
        "[Unit]",
        "Description=The page of the retriever",
        "After=network-online.target",
        "[Service]",
        "Type=notify",
        f"ExecStart=/usr/sbin/haproxy -Ws -f {FOLDER}/haproxy.cfg",
        "KillMode=mixed",
        "SuccessExitStatus=143",
        "Restart=on-failure",
        "DynamicUser=yes",
        "ProtectHome=yes",
        "PrivateDevices=yes",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _haproxy(site: Site) -> str:
    settings = _settings(site)
    policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    policy += f"frame-ancestors 'none'; connect-src 'self' {settings['swift']} {_origin(settings['keystone'])}"
    head = f'hdr Content-Security-Policy "{policy}" hdr X-Content-Type-Options nosniff hdr Referrer-Policy no-referrer'
    head += " hdr Cache-Control no-cache"
    lines = [
        "# Written by Crowbar. A change here is overwritten.",
        "global",
        "    # A file must fit into a buffer.",
        "    tune.bufsize 65536",
        "defaults",
        "    mode http",
        "    timeout client 30s",
        "    timeout connect 5s",
        "    timeout server 30s",
        "frontend page",
        f"    bind {site.address}:{PORTS['retriever']}",
    ]
    for name, kind in {**KINDS, "settings.json": "application/json"}.items():
        paths = f"/ /{name}" if name == "index.html" else f"/{name}"
        lines.append(f'    http-request return status 200 content-type "{kind}" file {FOLDER}/{name} {head} if {{ path {paths} }}')
    lines.append('    http-request return status 404 content-type "text/plain" string "There is no such page."')
    return "\n".join(lines) + "\n"


def _origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url))


def _page(site: Site) -> None:
    base = site.public_url("retriever")
    for path, content in (("/", (HERE / "index.html").read_bytes()), ("/retriever.js", (HERE / "retriever.js").read_bytes())):
        headers, body = http("GET", base + path, ca=site("site-authority"), timeout=60)
        if body != content or "connect-src" not in headers.get("Content-Security-Policy", ""):
            raise Fault(f"{base}{path} is another page")


class Steps:
    """What the page asks, with the header that a browser adds. Each answer must allow the page to read it."""

    def __init__(self, site: Site) -> None:
        self._site, self._origin = site, site.public_url("retriever")

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: object = None) -> tuple[Mapping[str, str], Any]:
        self._allowed(method, url, headers)
        said, content = http(method, url, body, {**headers, "Origin": self._origin}, ca=self._site("site-authority"), timeout=60)
        if said.get("Access-Control-Allow-Origin") != self._origin:
            raise Fault(f"{method} {url}: a browser would not let the page read the answer (CORS)")
        shown = said.get("Access-Control-Expose-Headers", "").lower()
        hidden = [name for name in FIELDS if name in said and name.lower() not in shown]
        if hidden:
            raise Fault(f"{method} {url}: a browser would hide the header {hidden[0]} from the page (CORS)")
        return said, content

    def _allowed(self, method: str, url: str, headers: Mapping[str, str]) -> None:
        """The question that a browser asks first (preflight)."""
        names = ",".join(sorted(name.lower() for name in headers))
        asked = {"Origin": self._origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
        said, _body = http("OPTIONS", url, headers=asked, ca=self._site("site-authority"), timeout=60)
        known = {one.strip().lower() for one in said.get("Access-Control-Allow-Headers", "").split(",")}
        if method not in said.get("Access-Control-Allow-Methods", "") or not {name.lower() for name in headers} <= known:
            raise Fault(f"{method} {url}: a browser would not send the page's request (CORS)")


def _by_keystone(site: Site) -> None:
    steps = Steps(site)
    scope = {"project": {"name": "admin", "domain": {"name": "Default"}}}
    user = {"name": "admin", "domain": {"name": "Default"}, "password": site("cloud-admin-password")}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    headers, said = steps.ask("POST", site.public_url("keystone", "/v3/auth/tokens"), {"Content-Type": "application/json"}, body)
    found = [one for service in said["token"]["catalog"] if service["type"] == "object-store" for one in service["endpoints"]]
    urls = [str(one["url"]) for one in found if one["interface"] == "public"]
    if not urls:
        raise Fault("Keystone's catalogue has no public object store")
    _fetches(steps, urls[0], headers["X-Subject-Token"])


def _old_way(site: Site) -> None:
    steps = Steps(site)
    known = {"X-Storage-User": USER, "X-Storage-Pass": site("retriever-password")}
    headers, _body = steps.ask("GET", site.public_url("swift", "/auth/v1.0"), known)
    if headers["X-Storage-Url"] != site.public_url("swift", ACCOUNT):
        raise Fault(f"Swift's old way gives the URL {headers['X-Storage-Url']}")
    _fetches(steps, headers["X-Storage-Url"], headers["X-Auth-Token"])


def _fetches(steps: Steps, url: str, token: str) -> None:
    """Puts the picture there if it is not, and fetches it in the page's steps."""
    known, content = {"X-Auth-Token": token}, picture()
    place = f"{url}/{CONTAINER}/{PICTURE}"
    try:
        there = steps.ask("GET", place, known)[1]
    except Http as wrong:
        if wrong.status != 404:
            raise
        there = b""
    if there != content:
        steps.ask("PUT", f"{url}/{CONTAINER}", known)
        steps.ask("PUT", place, {**known, "Content-Type": "image/png"}, content)
    containers = [one["name"] for one in steps.ask("GET", f"{url}?format=json&limit=1000", known)[1]]
    files = [one["name"] for one in steps.ask("GET", f"{url}/{CONTAINER}?format=json&limit=1000", known)[1]]
    if CONTAINER not in containers or PICTURE not in files:
        raise Fault(f"{place} is in no list")
    headers, same = steps.ask("GET", place, known)
    if same != content or headers["Content-Type"] != "image/png":
        raise Fault(f"{place} has other octets than were put there ({hashlib.sha256(content).hexdigest()[:12]})")


def picture() -> bytes:
    """A small PNG: a rack at dusk, 96 x 64."""
    rows = []
    for y in range(64):
        row = bytearray([0])
        for x in range(96):
            unit = 16 <= x < 80 and 6 <= y < 58 and y % 6 in (1, 2, 3, 4)
            light = unit and y % 6 == 2 and x in (20, 24 + (y * 7) % 9)
            row += bytes((120, 220, 150) if light else (52, 60, 76) if unit else (24 + y, 28 + y // 2, 60 + x // 3))
        rows.append(bytes(row))
    head = struct.pack("!IIBBBBB", 96, 64, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data)) for kind, data in parts
    )
