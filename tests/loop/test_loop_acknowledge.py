"""The jigs that can keep an attempt are notified when its outcome is recorded (`JigKind.serves`). One that does not keep it does nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from world_rig import WorldRig

from engine.definitions import JIGS
from engine.effects import Acknowledge
from engine.model import Kind
from engine.runtime.last_values import LastValues
from engine.runtime.power_orders import PowerOrders
from engine.runtime.runner import Ports, Runner
from engine.wire.reach import Reach


class Noted:
    """A jig that notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def acknowledge(self, attempt: str, node: str) -> None:
        self.told.append((attempt, node))

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "runs", "jig"),
    [
        (Kind.ADMIN, "", "local"),
        (Kind.DEVICE, "", "device"),
        (Kind.SERVER, "sledgehammer", "agent"),
        (Kind.SERVER, "debian-12", "script"),
        (Kind.JOINED, "debian-12", "script"),
    ],
)
def test_the_jig_of_the_node_is_told(kind: Kind, runs: str, jig: str) -> None:
    d = WorldRig()
    d.server("n1", kind=kind, runs=runs)
    jigs = {name: Noted() for name in JIGS}
    ports = Ports(
        submit=lambda _: True,
        world=lambda: d.world,
        send_dhcp=lambda _: None,
        answer=lambda _: None,
        jigs=cast(Any, jigs),
        power=cast(PowerOrders, None),
        proofs=cast(Any, None),
        is_there=lambda *_: False,
        open_handle=lambda *_: None,
        secrets=lambda: (),
        reach=Reach(None),
        last_values=LastValues(lambda: 0.0, lambda: 0.0),
    )
    runner = Runner(ports)
    try:
        runner.run([Acknowledge(attempt="i1.1", node="n1")])
    finally:
        runner.close()
    assert {name: noted.told for name, noted in jigs.items() if noted.told} == {
        name: [("i1.1", "n1")] for name, one in JIGS.items() if one.serves == JIGS[jig].serves
    }
