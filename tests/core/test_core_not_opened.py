"""A task whose image is damaged as it shall begin: its node role fails with that reason, and nothing is sent to the node."""

from __future__ import annotations

import threading
from typing import Any, cast

from catalogs import catalog, plan, role
from world_rig import WorldRig

from engine import reasons
from engine.effects import Start
from engine.events import Event, Outcome, Started
from engine.model import State
from engine.runtime.handles import NotOpened
from engine.runtime.last_values import LastValues
from engine.runtime.power_orders import PowerOrders
from engine.runtime.runner import Ports, Runner
from engine.wire.reach import Reach

DAMAGED = reasons.image_damaged(image="debian-12")


class Jig:
    """Is not to be asked for anything."""

    def start(self, order: Any) -> None:
        raise AssertionError(order)

    def close(self) -> None:
        """Has nothing to close."""


def test_an_image_that_is_damaged_as_its_task_begins() -> None:
    d = WorldRig(catalog(role("write", wants=["image"]), defaults={"image": {"$image": "debian-12"}}), plan({}))
    d.server(stage="hardware", allocated=True)
    d.role("write", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    said: list[Event] = []
    there = threading.Event()

    def submit(event: Event) -> bool:
        said.append(event)
        there.set()
        return True

    def nothing(*_: Any) -> Any:
        raise AssertionError("not to be called")

    def shut(*_: Any) -> Any:
        raise NotOpened(DAMAGED)

    ports = Ports(
        submit=submit,
        world=lambda: d.world,
        send_dhcp=nothing,
        answer=nothing,
        jigs=cast(Any, {"agent": Jig()}),
        power=cast(PowerOrders, None),
        proofs=cast(Any, None),
        is_there=nothing,
        open_handle=shut,
        secrets=tuple,
        reach=Reach(),
        last_values=LastValues(lambda: 0.0, lambda: 0.0),
    )
    runner = Runner(ports)
    runner.run([d.one(Start)])
    assert there.wait(30)
    runner.close()
    (event,) = said
    assert isinstance(event, Outcome)
    assert event.failure == DAMAGED
    d.feed(event)
    assert d.at("write").state is State.ERROR
