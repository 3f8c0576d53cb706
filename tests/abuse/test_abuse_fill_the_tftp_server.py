"""Goal: no boot ROM can load its loader. Means: transfers that are begun and not continued, from many addresses and ports."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from engine.serve.standing import Standing
from engine.serve.tftp import OF_PEER, Refusal, TftpFile, TftpService
from engine.wire import tftp

PATIENCE_S = 60.0
PLACES = 64
NODE, BOOTS = "127.0.0.30", "127.0.0.40"


class FixedStandings:
    def of_mac(self, mac: str) -> Standing:
        return Standing.STRANGER

    def of_address(self, peer: str) -> Standing:
        if peer.startswith("127.0.2."):
            return Standing.SEEN
        return {NODE: Standing.KNOWN, BOOTS: Standing.SEEN}.get(peer, Standing.STRANGER)


def resolve(name: str, peer: str) -> TftpFile | Refusal:
    return TftpFile(body=b"x" * 4096) if name == "loader" else Refusal()


@pytest.fixture
def service() -> Iterator[TftpService]:
    made = TftpService(
        bind=("127.0.0.1", 0), resolve=resolve, fetched=lambda *_: None, max_transfers=PLACES, max_per_peer=8, standings=FixedStandings()
    )
    made.start()
    yield made
    made.stop()


def begin(service: TftpService, source: str) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind((source, 0))
    client.settimeout(PATIENCE_S)
    client.sendto(tftp.encode(tftp.Read(filename="loader")), service.address)
    return client


def first_block(client: socket.socket) -> bytes:
    with client:
        packet = client.recv(2048)
        return packet[:4]


def test_strangers_never_take_the_last_places(service: TftpService) -> None:
    with contextlib.ExitStack() as held:
        for i in range(40):
            for _ in range(4):
                held.enter_context(begin(service, f"127.0.1.{i + 1}"))
        assert first_block(begin(service, BOOTS)) == b"\0\3\0\1", "a machine that boots for the first time"
        assert service.counters.active <= PLACES // 8 + 1
        for i in range(40):
            for _ in range(4):
                held.enter_context(begin(service, f"127.0.2.{i + 1}"))
        assert first_block(begin(service, NODE)) == b"\0\3\0\1", "and a node, where others have leases too"
        assert service.counters.active <= PLACES * 7 // 8 + 1
        assert service.counters.refused["busy"] > 100


def test_an_address_may_ask_only_so_often(service: TftpService) -> None:
    many = 500
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.66", 0))
        for _ in range(many):
            client.sendto(tftp.encode(tftp.Read(filename="nothing")), service.address)
        assert first_block(begin(service, NODE)) == b"\0\3\0\1"
    counted = service.counters.refused
    assert counted["too_often"] > many // 2
    assert counted["not_offered"] <= OF_PEER[Standing.STRANGER].burst + PATIENCE_S * OF_PEER[Standing.STRANGER].per_s
