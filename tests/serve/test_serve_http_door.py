"""Who gets a connection, who makes room, and who never does."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from noted import Noted

from engine.serve.http_door import Door, Guest
from engine.serve.standing import Standing


class FixedStandings:
    def of_mac(self, mac: str) -> Standing:
        return Standing.STRANGER

    def of_address(self, peer: str) -> Standing:
        """By the first letter: `node-1`, `leased-1`, `other-1`."""
        return {"n": Standing.KNOWN, "l": Standing.SEEN}.get(peer[0], Standing.STRANGER)


class Hall:
    """A door with room for 16: 4 for strangers, 12 with the leased. Descriptors are numbers."""

    def __init__(self, connections: int = 16, per_peer: int = 8) -> None:
        self.counters: Counter[str] = Counter()
        self.record = Names()
        self.now = 0.0
        self.door = Door(FixedStandings(), self.record, self.counters, lambda: self.now)
        self.door.open_for(connections, per_peer)
        self.cut: list[int] = []
        self.number = 0

    def comes(self, peer: str) -> int:
        """Its descriptor; 0: refused."""
        self.now += 1
        self.number += 1
        return self.number if self.door.enters(Fake(self, self.number), peer) else 0

    def busy(self, descriptor: int) -> None:
        self.door.busy(self.guest(descriptor))

    def idle(self, descriptor: int) -> None:
        self.door.idle(self.guest(descriptor))

    def known(self, descriptor: int) -> None:
        self.door.known(self.guest(descriptor))

    def guest(self, descriptor: int) -> Guest:
        found = self.door.guest(descriptor)
        assert found is not None
        return found


class Fake:
    """As much of a socket as the door needs."""

    def __init__(self, hall: Hall, number: int) -> None:
        self.hall, self.number = hall, number

    def fileno(self) -> int:
        return self.number

    def shutdown(self, how: int) -> None:
        self.hall.cut.append(self.number)


class Names(Noted):
    def of(self, address: str) -> bytes:
        return address.encode()


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_a_new_stranger_takes_the_place_of_the_oldest_idle_one_of_the_busiest_peer(hall: Hall) -> None:
    a1, b1, b2, b3 = (hall.comes(peer) for peer in ("other-a", "other-b", "other-b", "other-b"))
    assert hall.comes("other-c")
    assert hall.cut == [b1]
    hall.busy(b2)
    assert hall.comes("other-d")
    assert hall.cut == [b1, b3], "an idle one first"
    assert hall.comes("other-e"), "each has one now: the oldest idle one goes"
    assert hall.cut == [b1, b3, a1]
    assert hall.counters["cut_for_another"] == 3
    assert hall.record.floods[0][:2] == ("connections", "other-b")
    assert hall.door.open == 4


def test_a_peer_takes_no_place_of_those_who_have_fewer(hall: Hall) -> None:
    for peer in ("other-a", "other-b", "other-c", "other-c"):
        assert hall.comes(peer)
    assert not hall.comes("other-c")
    assert hall.counters["too_many_connections"] == 1
    assert not hall.cut


def test_where_all_work_only_a_peer_with_more_gives_way(hall: Hall) -> None:
    four = [hall.comes(peer) for peer in ("other-a", "other-a", "other-b", "other-c")]
    for one in four:
        hall.busy(one)
    assert hall.comes("other-d")
    assert hall.cut == [four[0]]
    hall.idle(four[1])
    assert hall.comes("other-e")
    assert hall.cut == [four[0], four[1]]


def test_a_node_always_finds_a_place_among_others(hall: Hall) -> None:
    for i in range(40):
        hall.comes(f"leased-{i % 5}")
        hall.comes(f"other-{i % 5}")
    assert hall.door.open == 12, "the last places are for nodes"
    assert all(hall.comes(f"node-{i % 3}") for i in range(16))
    assert hall.door.open == 16
    assert not hall.comes("leased-9"), "and it gives none of them away"
    assert not hall.comes("other-9")


def test_a_valid_token_is_as_good_as_a_node_s_address(hall: Hall) -> None:
    one = hall.comes("other-a")
    hall.known(one)
    for i in range(9):
        hall.comes(f"other-{i}")
    assert one not in hall.cut
    hall.door.leaves(one)
    assert hall.door.open == 4


def test_connections_of_one_peer_are_bounded() -> None:
    hall = Hall(100, 3)
    assert [bool(hall.comes("node-1")) for _ in range(5)] == [True] * 3 + [False] * 2
    assert hall.counters["too_many_of_a_peer"] == 2
    assert not hall.record.floods, "a node is not named as a flood"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["other", "leased", "node"]), st.integers(0, 9), st.sampled_from(["comes", "busy", "idle", "leaves", "known"])
        ),
        max_size=150,
    )
)
def test_whatever_comes_the_counts_hold(steps: list[tuple[str, int, str]]) -> None:
    hall = Hall(16, 4)
    there: list[int] = []
    for kind, number, what in steps:
        if what == "comes":
            one = hall.comes(f"{kind}-{number}")
            there += [one] if one else []
        elif there:
            one = there[number % len(there)]
            getattr(hall.door if what == "leaves" else hall, what)(one)
            if what == "leaves":
                there.remove(one)
        there = [one for one in there if one not in hall.cut]
        assert hall.door.open == len(there) <= 16
    for one in (*there, *hall.cut):
        hall.door.leaves(one)
    assert hall.door.open == 0
    assert not hall.door._peers
    assert not hall.door._by_descriptor


def test_a_guest_that_is_gone_changes_no_count(hall: Hall) -> None:
    """Its descriptor may be another connection's by now."""
    one = hall.comes("other-a")
    gone = hall.guest(one)
    hall.door.leaves(one)
    hall.number = one - 1
    assert hall.comes("other-b") == one
    for what in (hall.door.busy, hall.door.idle, hall.door.known):
        what(gone)
    assert hall.guest(one) is not gone
    assert (hall.door.open, hall.guest(one).idle, hall.guest(one).standing) == (1, True, Standing.STRANGER)
