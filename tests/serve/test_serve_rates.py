"""Rates of packets, and what strangers share of DHCP."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.serve.rates import AGAIN_S, AWAY, OF_ALL, OF_MAC, OF_PORT, OF_SOURCE, DhcpShares, Rate, Rates
from engine.serve.standing import Standing

STRANGER, SEEN, KNOWN = Standing.STRANGER, Standing.SEEN, Standing.KNOWN


def mac(number: int) -> str:
    return f"06:00:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from("abc")), max_size=200), st.integers(1, 20), st.floats(0.1, 10))
def test_no_source_gets_more_than_its_rate_and_none_takes_another_s(steps: list[tuple[float, str]], burst: int, per_s: float) -> None:
    rates: Rates[str] = Rates(Rate(burst, per_s), 10)
    now, passed, asked = 100.0, {"a": 0, "b": 0, "c": 0}, {"a": 0, "b": 0, "c": 0}
    for wait, source in steps:
        now += wait
        asked[source] += 1
        could = rates.has(source, now)
        assert rates.take(source, now) is could
        passed[source] += could
    for source, many in passed.items():
        assert many <= burst + (now - 100.0) * per_s + 1e-6
        assert many >= min(asked[source], burst)


def test_inventing_sources_costs_no_memory() -> None:
    rates: Rates[int] = Rates(Rate(1, 1), 100)
    for source in range(10_000):
        assert rates.take(source, 0.0)
    assert len(rates) == 100


def test_known_machines_always_pass() -> None:
    shares = DhcpShares()
    for i in range(20_000):
        shares.admits(mac(i), STRANGER, "eth1", "", 0.0)
    assert all(shares.admits("52:54:00:00:00:01", KNOWN, "eth1", "", 0.0) for _ in range(10_000))


def test_a_thousand_machines_may_boot_for_the_first_time_at_once() -> None:
    """Each asks twice, since the engine is slow, and takes its offer; firmware, loader and kernel do so."""
    shares = DhcpShares()
    for at in (0.0, 2.0):
        assert all(shares.admits(mac(i), STRANGER, "eth1", "", at) for i in range(1_000))
    for at in (4.0, 10.0, 20.0):
        assert all(shares.admits(mac(i), SEEN, "eth1", "", at) for i in range(1_000) for _ in range(4))


def test_of_those_who_never_asked_before_a_source_gets_its_rate() -> None:
    shares = DhcpShares()
    passed = sum(shares.admits(mac(i), STRANGER, "192.168.124.1", "", i / 10_000) for i in range(100_000))
    rate = OF_SOURCE[STRANGER]
    assert rate.burst <= passed <= rate.burst + 10 * rate.per_s + 1
    passed = sum(shares.admits(mac(10**6 + i), STRANGER, f"192.168.{i % 250}.1", "", 10.0) for i in range(100_000))
    assert passed <= OF_ALL[STRANGER].burst, "sources can be invented too"


def test_a_machine_that_asks_again_passes_where_invented_ones_do_not() -> None:
    shares = DhcpShares()
    i = 0
    for at, passes in ((0.0, False), (0.2, False), (0.2 + AGAIN_S, True)):
        for _ in range(15_000):
            i += 1
            shares.admits(mac(i), STRANGER, "eth1", "", at)
        assert shares.admits("52:54:00:00:00:01", STRANGER, "eth1", "", at) is passes


def test_a_flood_behind_one_port_hurts_only_that_port() -> None:
    shares = DhcpShares()
    passed = sum(shares.admits(mac(i), STRANGER, "192.168.124.1", "tor1:swp9", i / 1_000) for i in range(10_000))
    assert passed <= OF_PORT.burst + 10 * OF_PORT.per_s + 1
    assert all(shares.admits(mac(10**6 + i), STRANGER, "192.168.124.1", f"tor1:swp{i % 8}", 10.0) for i in range(900))


def test_one_mac_gets_its_own_rate() -> None:
    shares = DhcpShares()
    assert sum(shares.admits(mac(1), SEEN, "eth1", "", 0.0) for _ in range(1_000)) == OF_MAC.burst
    assert shares.admits(mac(2), SEEN, "eth1", "", 0.0)


def test_what_was_turned_away_is_remembered_within_bounds() -> None:
    shares = DhcpShares()
    for i in range(3 * AWAY):
        shares.admits(mac(i), STRANGER, "eth1", "", 0.0)
    assert len(shares._turned_away) <= 2 * AWAY
