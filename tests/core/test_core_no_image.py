"""A machine whose image is missing or damaged is not powered on: it would boot into nothing. Told on the node, and tried again later."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
from boots_rig import needs_boot, rig

from engine import reasons
from engine.effects import BootNode
from engine.events import Event, Powered
from engine.model import Way
from engine.runtime.last_values import LastValues
from engine.runtime.power_orders import PowerOrders
from engine.runtime.runner import Ports, Runner
from engine.wire.reach import Reach

DAMAGED = reasons.image_damaged(image="sledgehammer")
WHOLE = {"debian-12"}


class Power:
    """Notes whose button was pressed."""

    def __init__(self) -> None:
        self.pressed: list[Way] = []

    def carry_out(self, order: BootNode, node: Any) -> Powered:
        self.pressed.append(order.way)
        return Powered(node=order.node, generation=order.generation)


def carried_out(order: BootNode, world: Any, power: Power) -> Powered:
    """What comes of an order where all images but WHOLE are damaged."""
    said: list[Event] = []
    there = threading.Event()

    def submit(event: Event) -> bool:
        said.append(event)
        there.set()
        return True

    def nothing(*_: Any) -> Any:
        raise AssertionError("not to be called")

    ports = Ports(
        submit=submit,
        world=lambda: world,
        send_dhcp=nothing,
        answer=nothing,
        jigs={},
        power=cast(PowerOrders, power),
        proofs=cast(Any, None),
        is_there=nothing,
        open_handle=nothing,
        secrets=tuple,
        reach=Reach(),
        last_values=LastValues(lambda: 0.0, lambda: 0.0),
        no_image=lambda name: None if name in WHOLE else reasons.image_damaged(image=name),
    )
    runner = Runner(ports)
    runner.run([order])
    assert there.wait(30)
    runner.close()
    (event,) = said
    assert isinstance(event, Powered)
    return event


def test_no_power_without_an_image() -> None:
    d, power = rig(), Power()
    order = needs_boot(d)
    outcome = carried_out(order, d.world, power)
    assert (outcome.failure, power.pressed) == (DAMAGED, [])
    d.feed(outcome)
    boot = d.node().boot
    assert boot is not None
    assert boot.failure == DAMAGED, "told, and tried again when the deadline has passed"


@pytest.mark.parametrize("way", [Way.DISK, Way.KEXEC, Way.OWN])
def test_what_is_on_the_disk_needs_no_image(way: Way) -> None:
    d, power = rig(), Power()
    order = BootNode(node="n1", generation=1, way=way, environment="debian-12", tries=1)
    assert carried_out(order, d.world, power).failure is None
    assert power.pressed == [way]


def test_an_installer_is_an_image_as_well() -> None:
    d, power = rig(), Power()
    order = BootNode(node="n1", generation=1, way=Way.INSTALLER, environment="debian-12-installer", tries=1)
    assert carried_out(order, d.world, power).failure == reasons.image_damaged(image="debian-12-installer")
    assert power.pressed == []
