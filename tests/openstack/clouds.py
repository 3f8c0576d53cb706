"""A small cloud on one node: database, cache, Keystone, the front with TLS, Swift with one storage node, and the retriever."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from nodes import Node

PASSWORDS = (
    "database-admin-password",
    "keystone-database-password",
    "cloud-admin-password",
    "swift-hash-suffix",
    "swift-hash-prefix",
    "swift-password",
    "retriever-password",
)


def certificate(folder: Path, address: str) -> dict[str, str]:
    """`node-certificate` and `site-authority`, as the engine makes them."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    constraints = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test", *constraints)
    openssl("req", *key, "-keyout", "node.key", "-out", "node.csr", "-subj", f"/CN={address}")
    (folder / "ext").write_text(f"subjectAltName=IP:{address}\n")
    openssl("x509", "-req", "-in", "node.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "node.pem", "-days", "2", "-extfile", "ext")
    pair = (folder / "node.key").read_text() + (folder / "node.pem").read_text()
    return {"node-certificate": pair, "site-authority": (folder / "ca.pem").read_text()}


class Cloud:
    """One node with everything. `attributes` are those of all roles: a role reads only what it knows."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self.attributes: dict[str, Any] = {
            "admin-network": {"address": node.address, "mask": "255.0.0.0", "router": ""},
            "cloud-profile": "rehearsal",
            "token-hours": 4,
            "swift-disks": [],
            "swift-part-power": 6,
            "swift-replicas": 3,
            "swift-min-part-hours": 1,
            "swift-accept-loss": False,
            **{name: f"{name}-12345" for name in PASSWORDS},
            **certificate(folder, node.address),
        }
        one = [{"node": "control.test", "role": "any", "value": self.attributes["admin-network"]}]
        self.attributes["cloud"] = dict.fromkeys(("database", "cache", "keystone", "front", "swift", "retriever"), one)
        self.attributes["swift"] = {"nodes": one}

    def apply(self, *roles: str) -> None:
        for role in roles:
            self.attributes.update(self.node.apply(role, self.attributes))

    def up(self) -> Cloud:
        self.apply("openstack-database", "openstack-cache", "openstack-front", "keystone")
        self.apply("swift-storage", "swift-rings", "swift-servers", "swift-proxy")
        return self
