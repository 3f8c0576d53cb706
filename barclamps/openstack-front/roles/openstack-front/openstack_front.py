"""HAProxy: one port with TLS for each service that the plan gives to nodes, and these nodes behind it."""

from cloud import PORTS, PUBLIC, Check, File, Service, Site
from cloud_api import Fault, Http, http

ASKED_BY_PAGES = ("keystone", "swift")
"""Services that the page of the role `retriever` asks from a browser. A browser asks only who allows the page's origin (CORS). Keystone and
Swift's old way to log in do not know such pages, so HAProxy answers for them."""
HEADERS = "Content-Type, X-Auth-Token, X-Storage-User, X-Storage-Pass"
SHOWN = "X-Subject-Token, X-Auth-Token, X-Storage-Url, X-Openstack-Request-Id, X-Trans-Id, ETag"
CERTIFICATE = "/etc/haproxy/crowbar.pem"
GLOBAL = """\
# Written by Crowbar. A change here is overwritten.
global
    log /dev/log local0
    user haproxy
    group haproxy
    stats socket /run/haproxy/admin.sock mode 660 level admin
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    log global
    mode http
    option httplog
    option dontlognull
    timeout connect 10s
    # A service that has just started imports its code while the first request waits.
    timeout client 10m
    timeout server 10m
"""


def service(site: Site) -> Service:
    parts = [GLOBAL]
    for name in PORTS:
        servers = site.addresses(f"cloud/{name}")
        if servers:
            parts.append(_front(site, name, servers))
    return Service(
        files={
            CERTIFICATE: File(site("node-certificate"), group="haproxy"),
            "/etc/haproxy/haproxy.cfg": File("\n".join(parts), mode=0o644),
        },
        units=["haproxy"],
        checks=[Check("HAProxy shows the certificate of the site's authority", lambda: _proof(site))],
    )


def _front(site: Site, name: str, servers: list[str]) -> str:
    lines = [
        f"listen {name}",
        f"    bind {site.address}:{PUBLIC + PORTS[name]} ssl crt {CERTIFICATE}",
        "    http-request set-header X-Forwarded-Proto https",
        "    option forwardfor",
    ]
    if name in ASKED_BY_PAGES and site.addresses("cloud/retriever"):
        lines += _allow(f"https://{site.address}:{PUBLIC + PORTS['retriever']}")
    # Without `check`: one node has nowhere else to go, and its own answer says more than HAProxy's.
    check = " check" if len(servers) > 1 else ""
    lines += [f"    server {name}-{number} {address}:{PORTS[name]}{check}" for number, address in enumerate(servers, 1)]
    return "\n".join(lines) + "\n"


def _allow(origin: str) -> list[str]:
    """The page of this origin may ask, and no other."""
    page = "{ var(txn.origin) -m str " + origin + " }"
    allowed = f"hdr Access-Control-Allow-Origin {origin} hdr Vary Origin hdr Access-Control-Max-Age 600"
    allowed += f' hdr Access-Control-Allow-Methods "GET, HEAD, POST, PUT, DELETE" hdr Access-Control-Allow-Headers "{HEADERS}"'
    return [
        "    http-request set-var(txn.origin) req.hdr(Origin)",
        f"    http-request return status 204 {allowed} if METH_OPTIONS {page}",
        f"    http-after-response set-header Access-Control-Allow-Origin {origin} if {page}",
        f'    http-after-response set-header Access-Control-Expose-Headers "{SHOWN}" if {page}',
        f"    http-after-response set-header Vary Origin if {page}",
    ]


def _proof(site: Site) -> None:
    for name in PORTS:
        if not site.addresses(f"cloud/{name}"):
            continue
        url = f"https://{site.address}:{PUBLIC + PORTS[name]}/"
        try:
            http("GET", url, ca=site("site-authority"), timeout=60)
        except Http:
            continue  # the service's own affair
        except Fault as wrong:
            raise Fault(f"{name}: {wrong}") from None
