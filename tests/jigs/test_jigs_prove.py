"""A challenge in the mailbox of a node: for one boot, until its answer, and never a task's outcome."""

from __future__ import annotations

from pathlib import Path

import pytest
from jig_orders import Inbox, order

from engine.jigs.agent import AgentJig
from engine.jigs.logs import Logs
from engine.quirks import PROOF_PRODUCTS, PROOF_WAYS, proof_ways
from engine.wire.agent import Ended, Prove, Run


def challenge(number: int) -> Prove:
    return Prove(id=f"prove-{number}", text="abcdefghij234", ways="system-name sel-entry")


class Rig:
    def __init__(self, folder: Path) -> None:
        self.inbox, self.now = Inbox(), 100.0
        self.jig = AgentJig(self.inbox, Logs(folder / "logs"), lambda: self.now)

    def take(self, boot_id: str = "boot-1") -> object:
        return self.jig.take("n1", boot_id)[0]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_it_is_handed_out_until_it_is_answered(rig: Rig) -> None:
    answer = rig.jig.prove("n1", "boot-1", challenge(1))
    assert rig.take() == challenge(1)
    assert rig.take() is None
    rig.now += 1.0
    assert rig.take() == challenge(1)
    assert rig.jig.posted("n1", "prove-1", Ended(state="running")) == "told"
    assert not answer.done()
    assert rig.jig.posted("n1", "prove-1", Ended(exit=0, gives={"way": "system-name"})) == "told"
    assert answer.result(0).gives == {"way": "system-name"}
    rig.now += 60.0
    assert rig.take() is None
    assert rig.jig.posted("n1", "prove-1", Ended(exit=1)) == "told", "once more"
    assert answer.result(0).exit == 0
    assert rig.inbox.outcomes == []


def test_a_later_one_takes_its_place(rig: Rig) -> None:
    older, newer = rig.jig.prove("n1", "boot-1", challenge(1)), rig.jig.prove("n1", "boot-1", challenge(2))
    assert rig.take() == challenge(2)
    rig.jig.posted("n1", "prove-1", Ended(exit=0))
    rig.jig.posted("n1", "prove-2", Ended(exit=0))
    assert (older.done(), newer.done()) == (False, True)


def test_another_boot_and_another_node_do_not_see_it(rig: Rig) -> None:
    answer = rig.jig.prove("n1", "boot-1", challenge(1))
    assert rig.jig.take("n2", "boot-1")[0] is None
    rig.jig.posted("n2", "prove-1", Ended(exit=0))
    assert not answer.done()
    assert rig.take("boot-2") is None
    assert rig.take() is None, "the newest hello empties the commands of older boots"


def test_it_comes_before_a_task_that_is_ordered_later(rig: Rig) -> None:
    rig.jig.prove("n1", "boot-1", challenge(1))
    rig.jig.start(order())
    assert rig.take() == challenge(1)
    assert isinstance(rig.take(), Run)


def test_a_deleted_node_has_none(rig: Rig) -> None:
    answer = rig.jig.prove("n1", "boot-1", challenge(1))
    rig.jig.forget("n1")
    assert rig.take() is None
    rig.jig.posted("n1", "prove-1", Ended(exit=0))
    assert not answer.done()


def test_the_ways_of_a_product() -> None:
    assert proof_ways("", "") == proof_ways("Dell Inc.", "PowerEdge R650") == ("system-name", "sel-entry")
    assert {way for row in PROOF_WAYS.values() for way in row.value} == set(PROOF_WAYS)


def test_of_several_rows_of_a_product_the_longest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for line, way in (("acme", "sel-entry"), ("acme server x2", "system-name"), ("acme server x", "sel-entry")):
        monkeypatch.setitem(PROOF_PRODUCTS, line, way)
    assert proof_ways("ACME", "Server X100") == ("sel-entry",)
    assert proof_ways("Acme", "Server X2 Plus") == ("system-name", "sel-entry")
    assert proof_ways("", "Server X100") == proof_ways("Not Acme", "Server X100") == ("system-name", "sel-entry")
