"""`crowbar packages`, and what `crowbar status` says of the package cache, on a running engine."""

from __future__ import annotations

import socket

import pytest
from cli_store import Run, objects

from engine.runtime.engine import Engine

DEB = "debian-12/debian/pool/main/h/hello/hello_1_all.deb"


@pytest.fixture()
def lacking(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> str:
    """A node has asked for a package, and the proxy is not there. The node's name."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    world = engine.world
    address, node = next((one.address, world.nodes[one.node]) for one in world.allocations.values() if one.network == "admin")
    source, _ = engine.config.reach(address, 1)
    with socket.create_connection(engine.config.reach("10.0.0.1", 80), 60.0, (source, 0)) as client:
        client.sendall(f"GET /packages/{DEB} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        client.settimeout(60.0)
        assert client.recv(64).startswith(b"HTTP/1.1 502")
    return node.name


def test_what_is_missing_is_shown_with_node_and_age(lacking: str, crowbar: Run) -> None:
    code, out, _ = crowbar("packages", "--json")
    assert code == 1
    (row,) = objects(out)
    (missing,) = row["missing"]
    assert (row["type"], missing["path"], missing["node"], missing["count"]) == ("packages", DEB, lacking, 1)
    code, out, _ = crowbar("packages")
    assert code == 1
    assert out.startswith("0 files, 0 bytes of 20 GiB; 0 answers from the cache, ")
    assert f"{lacking} did not get the package {DEB} for " in out
    assert "deb.debian.org does not answer for " in out
    code, out, _ = crowbar("status")
    assert f"{lacking} did not get the package {DEB}" in out
    (status,) = objects(crowbar("status", "--json")[1])
    assert status["packages"]["missing"][0]["node"] == lacking


def test_nothing_is_missing(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("packages")
    assert code == 0
    assert out.splitlines() == ["0 files, 0 bytes of 20 GiB; 0 answers from the cache, 0 from the bundle, 0 requests to mirrors"]


def test_without_an_engine(store: object, crowbar: Run) -> None:
    code, _, err = crowbar("packages")
    assert code in (1, 2)
    assert "no engine" in err


@pytest.mark.parametrize(("address", "status"), [("10.0.0.1", b"404"), ("10.0.200.9", b"403")])
def test_the_admin_node_may_read_packages_and_a_stranger_may_not(engine: Engine, address: str, status: bytes) -> None:
    source, _ = engine.config.reach(address, 1)
    with socket.create_connection(engine.config.reach("10.0.0.1", 80), 60.0, (source, 0)) as client:
        client.sendall(b"GET /packages/no-mirror/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        client.settimeout(60.0)
        assert client.recv(64).split()[1] == status
