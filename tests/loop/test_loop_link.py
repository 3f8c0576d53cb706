"""The interface that is served: what is said of it, and when its sockets are opened again. Faked looks; a real one is in tests/net."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

from catalogs import USUAL, plan
from world_rig import WorldRig

from engine.files.paths import keys_beside
from engine.reasons import KINDS, needs_person
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.runtime.link import Link, Seen, seen
from engine.serve import ServiceError
from engine.store.store import Store

GOOD = Seen(4)


class Machine:
    """What a look finds, how often the sockets were opened again, and why they cannot be."""

    def __init__(self) -> None:
        self.now, self.opened, self.refuses = GOOD, 0, ""
        self.link = Link("eth1", "10.0.0.1", self._again, lambda _name, _address: self.now)

    def _again(self) -> None:
        if self.refuses:
            raise ServiceError(self.refuses)
        self.opened += 1

    def looks(self, now: Seen) -> str:
        self.now = now
        self.link()
        return str(self.link.as_json()["code"])


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (GOOD, ""),
        (Seen(0), "interface_gone"),
        (Seen(0, address=False), "interface_gone"),
        (Seen(4, up=False, link=False), "interface_down"),
        (Seen(4, address=False), "interface_no_address"),
        (Seen(4, link=False), "interface_no_link"),
    ],
)
def test_each_state_has_its_reason(now: Seen, code: str) -> None:
    machine = Machine()
    assert machine.looks(now) == code
    assert machine.opened == 0, "the same interface keeps its sockets"
    told = machine.link.as_json()
    assert bool(told["sentence"]) == bool(told["advice"]) == bool(told["since"]) == bool(code)
    assert not code or needs_person(code)
    assert machine.looks(GOOD) == ""
    assert machine.link.as_json()["since"] == 0.0


def test_an_interface_that_was_made_again_gets_sockets_when_it_can_serve() -> None:
    machine = Machine()
    machine.looks(Seen(0))
    machine.looks(Seen(9, up=False, address=False))
    machine.looks(Seen(9, address=False))
    assert machine.opened == 0
    assert machine.looks(Seen(9)) == ""
    assert machine.looks(Seen(9)) == ""
    assert machine.opened == 1
    assert machine.looks(Seen(11, link=False)) == "interface_no_link", "made again between two looks"
    assert machine.opened == 2


def test_what_cannot_be_opened_is_told_and_tried_again() -> None:
    machine = Machine()
    machine.refuses = "DHCP cannot listen on udp port 67 of 0.0.0.0: it is in use"
    for _ in range(2):
        assert machine.looks(Seen(9)) == "interface_not_served"
    assert machine.refuses in str(machine.link.as_json()["sentence"])
    machine.refuses = ""
    assert machine.looks(Seen(9)) == ""
    assert machine.opened == 1


def test_a_look_that_fails_changes_nothing() -> None:
    def look(_name: str, _address: str) -> Seen:
        if looks:
            raise OSError(24, "Too many open files")
        looks.append(1)
        return GOOD

    looks: list[int] = []
    link = Link("eth1", "10.0.0.1", lambda: None, look)
    link()
    assert link.trouble is None


def test_a_real_look() -> None:
    assert seen("lo", "127.0.0.1") == Seen(1)
    assert seen("", "127.0.0.1") == Seen(1)
    assert seen("", "192.0.2.1") == Seen(1, address=False)
    assert seen("no-such-if0", "127.0.0.1") == Seen(0)


def test_the_reasons_are_there() -> None:
    assert {code for code in KINDS if code.startswith("interface_")} == {
        f"interface_{word}" for word in ("gone", "down", "no_address", "no_link", "not_served")
    }


def test_nobody_is_believed_dead_while_nobody_can_be_heard(tmp_path: Path) -> None:
    """A cable that is pulled at the admin node says nothing about thirty machines."""
    rig = WorldRig(USUAL, plan({}))
    rig.server("n1", stage="system", runs="debian-12")
    engine = Engine(Config(store=tmp_path / "store", keys=keys_beside(tmp_path / "store")), USUAL)
    with Store.open(tmp_path / "store") as engine._store:
        engine._make(rig.world)
        machine = Machine()
        engine.services.link = machine.link
        assert [missed.node for missed in engine._watch._silent()] == ["n1"]
        machine.looks(Seen(0))
        assert engine._watch._silent() == []
        machine.looks(GOOD)
        assert [missed.node for missed in engine._watch._silent()] == ["n1"]
