"""The rings on a storage node, and Swift's servers of accounts, containers and objects with their daemons.

Debian's units start only where the rings are. The servers notice new rings by themselves; nothing is started again for them.
"""

import hashlib

from cloud import Act, Answer, Check, File, Service, Site
from cloud_api import Fault, http
from cloud_rings import DEVICES, SERVERS, SHARED, has_rings, put_rings, ring_files, swift_conf

DAEMONS = {
    "account": ["replicator", "reaper", "auditor"],
    "container": ["replicator", "updater", "auditor"],
    "object": ["replicator", "updater", "auditor"],
}


def service(site: Site) -> Service:
    rings = site("swift-ring")
    units = [f"swift-{kind}" for kind in SERVERS]
    units += [f"swift-{kind}-{daemon}" for kind in SERVERS for daemon in _daemons(site, kind)]
    return Service(
        files={
            "/etc/swift/swift.conf": swift_conf(site),
            **{f"/etc/swift/{kind}-server.conf": File(_server(site, kind), group="swift") for kind in SERVERS},
            f"{SHARED}/rings": File(rings, mode=0o644, restarts=False),
        },
        steps=[Act("rings", lambda: put_rings(rings))],
        units=units,
        answers=[Answer(f"http://{site.address}:{port}/healthcheck") for port in SERVERS.values()],
        checks=[
            Check("the node has the rings of swift-rings", lambda: has_rings(rings)),
            Check("the servers know these rings", lambda: _proof(site, rings)),
        ],
    )


def _daemons(site: Site, kind: str) -> list[str]:
    """A rehearsal has no auditors: they read all data again and again."""
    return [one for one in DAEMONS[kind] if not (site.small and one == "auditor")]


def _server(site: Site, kind: str) -> dict[str, dict[str, object]]:
    sections: dict[str, dict[str, object]] = {
        "DEFAULT": {
            "bind_ip": site.address,
            "bind_port": SERVERS[kind],
            "user": "swift",
            "devices": DEVICES,
            # A device that is a folder is never a mount point. Such a node has one device, and no disk to confuse it with.
            "mount_check": not any(one["name"].startswith("f") for one in site("swift-devices")),
            "workers": site.workers,
            "disable_fallocate": "true" if site.small else None,
        },
        "pipeline:main": {"pipeline": f"healthcheck recon backend_ratelimit {kind}-server"},
        f"app:{kind}-server": {"use": f"egg:swift#{kind}"},
        **{f"filter:{name}": {"use": f"egg:swift#{name}"} for name in ("healthcheck", "recon", "backend_ratelimit")},
    }
    for daemon in DAEMONS[kind]:
        sections[f"{kind}-{daemon}"] = {}
    return sections


def _proof(site: Site, rings: str) -> None:
    """What the servers loaded, as they say it themselves (the middleware recon)."""
    mine = {path: hashlib.md5(content).hexdigest() for path, content in ring_files(rings).items()}
    for port in SERVERS.values():
        _headers, said = http("GET", f"http://{site.address}:{port}/recon/ringmd5", timeout=30)
        wrong = [path for path, checksum in mine.items() if said.get(path) != checksum]
        if wrong:
            raise Fault(f"the server on port {port} has another {wrong[0]}")
