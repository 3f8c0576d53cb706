"""Certificates of the nodes' services: signed by the site's authority, the same until a name or an address changes, sealed in the store."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from engine.core.world.load import load_world
from engine.files.catalog import shipped
from engine.model import Node
from engine.runtime.handles import Handles
from engine.trust.authority import site_authority
from engine.trust.node_certificates import node_certificate
from engine.trust.tokens import Keys
from engine.trust.vault import Vault

NAMES, ADDRESSES = ["control-1.r1.test", "control-1"], ["127.0.0.1", "fd00::1"]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    for name in ("store", "other"):
        (tmp_path / name).mkdir()
    return Vault(tmp_path / "store", tmp_path / "keys")


def meets(pem: str, ca: str, name: str, tmp_path: Path) -> str:
    """What a client says that expects this name. Empty: nothing wrong."""
    (tmp_path / "pem").write_text(pem)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=ca)
    server.load_cert_chain(tmp_path / "pem")
    left, right = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(left, server_side=True).close()
        except OSError:
            left.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(right, server_hostname=name).close()
    except ssl.SSLError as error:
        right.close()
        return str(error)
    finally:
        thread.join(60)
    return ""


def test_a_client_that_trusts_the_site_takes_it_for_its_names_only(vault: Vault, tmp_path: Path) -> None:
    site = site_authority(tmp_path / "keys")
    pem, ca = node_certificate(vault, site, "n1", NAMES, ADDRESSES), site.pem.decode()
    for name in (*NAMES, *ADDRESSES):
        assert meets(pem, ca, name, tmp_path) == ""
    assert "mismatch" in meets(pem, ca, "control-2.r1.test", tmp_path)
    other = site_authority(tmp_path / "other").pem.decode()
    assert "self-signed" in meets(pem, other, NAMES[0], tmp_path) or "unable to get" in meets(pem, other, NAMES[0], tmp_path)


def test_it_stays_until_a_name_an_address_or_the_authority_changes(vault: Vault, tmp_path: Path) -> None:
    site = site_authority(tmp_path / "keys")
    first = node_certificate(vault, site, "n1", NAMES, ADDRESSES)
    again = Vault(tmp_path / "store", tmp_path / "keys")
    assert node_certificate(again, site, "n1", NAMES, ADDRESSES) == first
    made = {
        first,
        node_certificate(again, site, "n2", NAMES, ADDRESSES),
        node_certificate(again, site, "n1", ["x.r1.test"], ADDRESSES),
        node_certificate(again, site, "n1", NAMES, ADDRESSES[:1]),
        node_certificate(again, site_authority(tmp_path / "other"), "n1", NAMES, ADDRESSES),
    }
    assert len(made) == 5
    key = first.splitlines()[1]
    assert key.encode() not in (tmp_path / "store" / "sealed.json").read_bytes()
    assert first in vault.values(), "logs are masked"


def test_the_engine_opens_the_handles(vault: Vault, tmp_path: Path) -> None:
    handles = Handles(keys=Keys(b"k" * 32), vault=vault, public_key="", images=lambda: None, folder=tmp_path / "keys")
    node = Node(id="n1", name="control-1.r1.test")
    world = load_world(shipped(), {"nodes": {"n1": node}})
    ca = handles.open(world, node, {"$engine": "authority"})
    pem = handles.open(world, node, {"$secret": "certificate"})
    assert meets(str(pem), str(ca), "control-1.r1.test", tmp_path) == ""
    made = handles.open(world, node, {"$secret": "made/messages-password"})
    assert len(str(made)) == 16
    assert handles.open(world, node, {"$secret": "made/messages-password"}) == made
    assert handles.open(world, node, {"$secret": "made/other-password"}) != made
