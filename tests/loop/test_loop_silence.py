"""Installed systems that fell silent are asked before it is an event; agents speak by themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

from catalogs import USUAL, plan
from world_rig import WorldRig

from engine.events import Event, Missed
from engine.model import Node
from engine.runtime.contact import silent_nodes
from engine.runtime.last_values import LastValues
from engine.runtime.power_orders import PowerOrders
from engine.runtime.runner import Ports, Runner
from engine.wire.reach import Reach


class Later:
    """A pool whose work is done when the test says so."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []
        self.closed = False

    def submit(self, call: Callable[..., None], *arguments: Any) -> None:
        if self.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self.work.append(lambda: call(*arguments))

    def all(self) -> None:
        work, self.work = self.work, []
        for one in work:
            one()


class Rig:
    def __init__(self) -> None:
        d = WorldRig(USUAL, plan({}))
        d.server("n1", stage="discovery")
        d.server("n2", stage="system", runs="debian-12")
        self.events: list[Event] = []
        self.answers: bool | Exception = True
        self.last_values = LastValues(lambda: 0.0, lambda: 7.0)
        ports = Ports(
            submit=self.submit,
            world=lambda: d.world,
            send_dhcp=lambda _: None,
            answer=lambda _: None,
            jigs={},
            power=cast(PowerOrders, None),
            proofs=cast(Any, None),
            is_there=self.is_there,
            open_handle=lambda *_: None,
            secrets=lambda: (),
            reach=Reach(None),
            last_values=self.last_values,
        )
        self.runner, self.pool = Runner(ports), Later()
        self.runner._pool = cast(Any, self.pool)
        self.silent = sorted(silent_nodes(d.world, self.last_values.last_contact, 100.0, 90.0), key=lambda one: one.node)

    def submit(self, event: Event) -> bool:
        self.events.append(event)
        return True

    def is_there(self, _node: Node, _target: Any) -> bool:
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers

    def ask(self) -> list[Event]:
        self.runner.ask(self.silent)
        self.pool.all()
        return self.events


def test_a_silent_agent_is_missed_and_an_installed_system_that_answers_is_not() -> None:
    rig = Rig()
    assert [one.node for one in rig.silent] == ["n1", "n2"]
    assert rig.ask() == [Missed(node="n1")]
    assert (rig.last_values.last_contact("n1"), rig.last_values.last_contact("n2")) == (None, 7.0)


@pytest.mark.parametrize("answers", [False, OSError("no route")])
def test_an_installed_system_that_does_not_answer_is_missed(answers: bool | Exception) -> None:
    rig = Rig()
    rig.answers = answers
    assert rig.ask() == [Missed(node="n1"), Missed(node="n2", asked=True)]
    assert rig.last_values.last_contact("n2") is None


def test_nobody_is_asked_twice_at_a_time_and_each_again_afterwards() -> None:
    rig = Rig()
    rig.runner.ask(rig.silent)
    rig.runner.ask(rig.silent)
    assert len(rig.pool.work) == 1
    rig.pool.all()
    rig.runner.ask(rig.silent)
    assert len(rig.pool.work) == 1


def test_an_engine_that_stops_asks_nobody() -> None:
    rig = Rig()
    rig.pool.closed = True
    assert rig.ask() == [Missed(node="n1")]
