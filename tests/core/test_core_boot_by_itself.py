"""Boots that the engine did not order."""

from __future__ import annotations

import pytest
from boots_rig import ask, disk_hello, hello, needs_boot, rig, script

from engine import reasons
from engine.core.boot.signals import SIGNALS
from engine.effects import BootNode, BootScript, Ignore, Probe, Refuse, Start
from engine.events import (
    Bye,
    NodeDue,
    Probed,
    Started,
)
from engine.model import State, Way


def test_a_boot_rom_that_nobody_expects_is_a_question_and_a_death_if_nobody_answers_it() -> None:
    d = rig()
    d.role("work", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    d.feed(ask())
    assert d.one(Probe).node == "n1"
    assert (d.node().runs, d.node().alive, d.at("work").resume) == ("sledgehammer", True, False)
    d.feed(script())
    assert d.one(BootScript).environment == "sledgehammer"
    d.feed(hello())
    assert d.one(Refuse).reason.code == "live_claim", "the agent asks again"
    d.nobody_answers()
    assert d.at("work").resume
    assert not d.node().alive
    d.feed(hello())
    assert [(s.role, s.resume) for s in d.all(Start)] == [("work", True)]


def test_a_new_boot_id_that_nobody_expects_is_a_death() -> None:
    d = rig(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    d.feed(disk_hello("b2"))
    assert d.at("serve").resume
    assert not d.node().alive, "alive is what was asked over SSH"
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=True))
    assert [(s.role, s.resume) for s in d.all(Start)] == [("serve", True)]


def test_an_installed_node_that_asks_the_network_boots_its_disk() -> None:
    d = rig(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.feed(ask())
    d.feed(script())
    answer = d.one(BootScript)
    assert (answer.disk, answer.nonce) == (True, "")


def test_a_machine_that_is_gone_gets_the_time_of_one_boot_to_come_back_and_is_booted_then() -> None:
    d = rig()
    d.role("work", state=State.WAITING)
    d.feed(ask())
    d.nobody_answers()
    waits = sum(seconds for _, seconds in SIGNALS[Way.NETWORK])
    assert not d.all(BootNode)
    d.tick("n1", waits - 1.0)
    assert not d.all(BootNode)
    d.tick("n1", 1.0)
    d.nobody_answers()
    assert d.one(BootNode).environment == "sledgehammer"
    assert d.node().rumour is None


def test_in_the_system_stage_it_is_left_to_a_person() -> None:
    d = rig(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.feed(Bye(node="n1", boot_id="b1"))
    assert NodeDue("n1") in [due for _, due in d.wakes], "its deadline is watched"
    d.tick("n1", 899.0)
    assert d.node().problem is None
    d.tick("n1", 1.0)
    assert not d.all(BootNode)
    assert d.node().problem == reasons.boot_timeout(expected="hello", seconds=900.0, signal="opened", tries=1)


def test_bye_is_known_at_once_and_that_of_an_older_boot_is_not_believed() -> None:
    d = rig(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    d.feed(Bye(node="n1", boot_id="b0"))
    assert d.one(Ignore).reason == reasons.old_boot()
    assert d.node().alive
    d.feed(Bye(node="n1", boot_id="b1"))
    assert not d.node().alive
    assert d.at("serve").resume
    assert d.node().notice == reasons.died(environment="debian-12")


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_the_fourth_wrong_environment_in_a_row_is_a_problem(times: int) -> None:
    d = rig()
    needs_boot(d)
    for number in range(times):
        d.feed(disk_hello(f"w{number}"))
    if times < 4:
        assert d.one(BootNode).environment == "sledgehammer"
        assert d.node().problem is None
    else:
        assert not d.all(BootNode)
        assert d.node().problem == reasons.wrong_environment(runs="debian-12", wants="sledgehammer", count=4)


def test_the_right_environment_in_between_starts_the_count_again() -> None:
    d = rig()
    needs_boot(d)
    d.feed(disk_hello("w1"))
    d.feed(script())
    d.feed(hello("b5"))
    assert d.node().misboots == 0
