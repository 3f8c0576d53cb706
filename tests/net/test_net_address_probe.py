"""The engine asks the network for an address before a node gets it: another machine on a real switch has it, or nobody."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
from net_lab import ADMIN, HERE, Lab, why_no_lab

from engine.events import AddressTaken
from engine.runtime.address_probe import LOOKS, AddressProbe, Neighbours

WHY = why_no_lab()

PROGRAM = """
import json, sys, time
from engine.runtime.address_probe import AddressProbe
found = []
probe = AddressProbe(sys.argv[1], "br0", lambda: sys.argv[2:], lambda event: not found.append([event.address, event.mac]))
end = time.monotonic() + 60
while time.monotonic() < end and (probe._open or not probe._done):
    probe()
    time.sleep(0.2)
print(json.dumps({"found": found, "done": sorted(probe._done)}))
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("one") as made:
        yield made


@pytest.mark.net
@pytest.mark.skipif(bool(WHY), reason=f"no lab: {WHY}")
def test_a_machine_that_has_the_address_is_found(lab: Lab) -> None:
    lab.run("one", "ip", "address", "add", "192.168.124.101/24", "dev", "c0")
    said = lab.run("server", sys.executable, "-c", PROGRAM, ADMIN, "192.168.124.101", "192.168.124.102", cwd=HERE.parents[1]).stdout
    assert json.loads(said) == {"found": [["192.168.124.101", lab.mac("one")]], "done": ["192.168.124.101", "192.168.124.102"]}


class Network:
    """The kernel's table, as the test says."""

    def __init__(self, *, full: bool = False) -> None:
        self.table: Neighbours = {}
        self.asked: list[str] = []
        self.told: list[AddressTaken] = []
        self.wanted = ["10.0.0.1"]
        self.full = full
        self.probe = AddressProbe("10.0.0.9", "eth0", lambda: self.wanted, self.submit, self.ask, lambda _: self.table)

    def submit(self, event: AddressTaken) -> bool:
        if not self.full:
            self.told.append(event)
        return not self.full

    def ask(self, own: str, addresses: object) -> None:
        assert own == "10.0.0.9"
        self.asked += list(addresses)  # type: ignore[call-overload]  # a list


def test_each_address_is_asked_for_once() -> None:
    net = Network()
    for _ in range(3):
        net.probe()
    assert (net.asked, net.told) == (["10.0.0.1"], [])
    net.wanted = ["10.0.0.1", "10.0.0.2"]
    net.probe()
    assert net.asked == ["10.0.0.1", "10.0.0.2"]


def test_what_the_kernel_remembers_is_no_answer() -> None:
    net = Network()
    net.probe()
    net.table = {"10.0.0.1": ("52:54:00:00:00:07", "STALE")}
    net.probe()
    net.table = {"10.0.0.1": ("52:54:00:00:00:07", "PROBE")}
    net.probe()
    assert net.told == []
    net.table = {"10.0.0.1": ("52:54:00:00:00:07", "REACHABLE")}
    net.probe()
    assert net.told == [AddressTaken(address="10.0.0.1", mac="52:54:00:00:00:07")]


def test_a_kernel_that_never_decides_is_not_waited_for() -> None:
    net = Network()
    net.table = {"10.0.0.1": ("", "INCOMPLETE")}
    for _ in range(LOOKS + 2):
        net.probe()
    net.table = {"10.0.0.1": ("52:54:00:00:00:07", "REACHABLE")}
    net.probe()
    assert net.told == []


def test_an_answer_that_the_engine_has_no_room_for_is_told_again() -> None:
    net = Network(full=True)
    net.probe()
    net.table = {"10.0.0.1": ("52:54:00:00:00:07", "REACHABLE")}
    net.probe()
    net.full = False
    net.probe()
    assert [event.address for event in net.told] == ["10.0.0.1"]
