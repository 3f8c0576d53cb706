"""The address table of rehearsals without privilege."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire.reach import Reach


def test_without_a_lane_everything_is_itself() -> None:
    reach = Reach(None, ["192.168.124.0/24"])
    assert reach("192.168.124.10", 67) == ("192.168.124.10", 67)
    assert reach.back("192.168.124.81") == "192.168.124.81"


@pytest.mark.parametrize(
    ("address", "port", "there"),
    [
        ("192.168.124.10", 67, ("127.7.124.10", 20067)),
        ("192.168.124.10", 69, ("127.7.124.10", 20069)),
        ("192.168.124.10", 80, ("127.7.124.10", 20080)),
        ("192.168.124.81", 22, ("127.7.124.81", 20022)),
        ("192.168.124.10", 4011, ("127.7.124.10", 4011)),
        ("192.168.125.21", 623, ("127.7.125.21", 21000 + 125 * 256 + 21)),
        ("10.0.200.9", 623, ("127.7.200.9", 21000 + (200 * 256 + 9) % 40000)),
        ("192.168.124.10", 1023, ("127.7.124.10", 21023)),
        ("192.168.124.10", 1024, ("127.7.124.10", 1024)),
        ("192.168.124.10", 0, ("127.7.124.10", 0)),
    ],
)
def test_lane(address: str, port: int, there: tuple[str, int]) -> None:
    assert Reach(7)(address, port) == there


def test_back_knows_the_site() -> None:
    reach = Reach(7, ["192.168.124.0/24", "10.20.125.0/25"])
    assert reach.back("127.7.124.10") == "192.168.124.10"
    assert reach.back("127.7.125.21") == "10.20.125.21"
    assert reach.back("127.7.125.129") == "127.7.125.129"
    assert reach.back("127.8.124.10") == "127.8.124.10"
    assert reach.back("::1") == "::1"


@given(lane=st.integers(1, 254), low=st.integers(0, 0x3FFF), port=st.integers(0, 65535))
def test_back_undoes_reach_and_ports_stay_legal(lane: int, low: int, port: int) -> None:
    reach = Reach(lane, ["172.16.64.0/18"])
    address = f"172.16.{64 + (low >> 8)}.{low & 255}"
    host, there = reach(address, port)
    assert reach.back(host) == address
    assert 0 <= there <= 65535
    assert not 0 < there < 1024


def test_bmcs_of_a_network_have_a_port_each() -> None:
    reach = Reach(3)
    ports = {reach(f"192.168.{c}.{d}", 623)[1] for c in range(124, 132) for d in range(256)}
    assert len(ports) == 8 * 256


@pytest.mark.parametrize(
    ("lane", "subnets", "words"),
    [
        (0, [], "not in 1..254"),
        (255, [], "not in 1..254"),
        (1, ["10.0.0.0/8"], "wider than /16"),
        (1, ["192.168.124.0/24", "10.1.124.128/25"], "share their last two octets"),
        (1, ["10.1.0.0/16", "192.168.3.0/24"], "share their last two octets"),
    ],
)
def test_refused(lane: int, subnets: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Reach(lane, subnets)


def test_the_same_subnet_twice_is_one() -> None:
    assert Reach(1, ["192.168.124.0/24", "192.168.124.0/24"]).back("127.1.124.9") == "192.168.124.9"


def test_bad_port_and_address_are_refused() -> None:
    with pytest.raises(ValueError, match="not a port"):
        Reach(1)("10.0.0.1", 65536)
    with pytest.raises(ValueError, match="nonsense"):
        Reach(1)("nonsense", 80)
