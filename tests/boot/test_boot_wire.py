"""Everything that a machine and the engine sent each other from power on to a task, taken off the wire: no key, token or credential is in it, and
the nonce of its kernel line is worth nothing afterwards."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from boot_rig import Site, hello, nic, pc
from net_lab import ADMIN, program, wait_for

from engine.trust.tokens import site_keys

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.client]


def test_a_boot_leaves_no_secret_on_the_wire(begin: Callable[..., Site], tmp_path: Path) -> None:
    if not program("curl"):
        pytest.skip("not installed: curl")
    site = begin()
    wire = tmp_path / "wire.pcap"
    console = hello(site, *pc(), *nic(), "-object", f"filter-dump,id=f1,netdev=n0,file={wire}")
    node = wait_for(site.nodes, "a node")[0]
    sent = wire.read_bytes()
    assert b"crowbar.nonce=" in sent  # it is the real wire
    folder = Path(str(site.store) + ".keys")
    keys = site_keys(folder)
    token = keys.token(node["id"], node["boot_id"], safe=True)
    secrets = {"token": token, "its secret part": token.rpartition(".")[2], "credential": keys.credential(node["id"])}
    secrets |= {
        f"line {i} of {file}": line for file in ("ca.key", "server.pem", "engine_ed25519") for i, line in enumerate(lines(folder / file))
    }
    secrets |= {name: (folder / name).read_text().strip() for name in ("site.key", "seal.key")}
    places = {"wire": sent, "console": console.encode(), "engine's log": (tmp_path / "engine.log").read_bytes()}
    places |= {str(file): file.read_bytes() for file in site.store.rglob("*") if file.is_file() and "images" not in file.parts}
    assert len(places) >= 4
    assert [(what, where) for what, secret in secrets.items() for where, body in places.items() if secret.encode() in body] == []
    found = re.search(rb"crowbar\.nonce=([0-9a-f]+)", sent)
    assert found is not None
    nonce = found[1].decode()
    assert nonce.encode() not in places["engine's log"]
    assert not any(nonce.encode() in body for where, body in places.items() if where not in ("wire", "console"))
    # Whoever listened says hello with it: refused, and shown on the node.
    assert keys.check_nonce(nonce) == node["claim"]  # its public half
    said = {
        "nonce": nonce,
        "boot_id": "another",
        "environment": "sledgehammer",
        "uuid": node["uuid"],
        "serial": "SN1",
        "macs": node["macs"],
    }
    words = (
        "curl",
        "-s",
        "-w",
        "%{http_code}",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps(said),
        f"http://{ADMIN}/agent/hello",
    )
    answer = site.lab.run("server", *words).stdout
    assert answer.endswith("403"), answer
    assert "second_claim" in answer
    assert wait_for(lambda: site.nodes()[0]["notice"], "it is shown")["code"] == "second_claim"


def lines(file: Path) -> list[str]:
    """Of private keys in PEM; certificates are public."""
    text = file.read_text().partition("-----BEGIN CERTIFICATE")[0]
    return [line for line in text.splitlines() if not line.startswith("---") and len(line) >= 40]


def test_the_site_s_initramfs_holds_what_is_public(begin: Callable[..., Site]) -> None:
    if not program("curl"):
        pytest.skip("not installed: curl")
    site = begin()
    site.lab.run("server", "curl", "-s", "-o", str(site.folder / "site.img"), f"http://{ADMIN}/boot/site.img")
    inside = gzip.decompress((site.folder / "site.img").read_bytes())
    assert b"BEGIN CERTIFICATE" in inside
    assert b"PRIVATE" not in inside
