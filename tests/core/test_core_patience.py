"""What the plan's patience lengthens on the nodes, and never shortens."""

from __future__ import annotations

from typing import Any

import pytest
from attempts_rig import outcome, rig
from catalogs import USUAL, plan
from world_rig import WorldRig

from engine import reasons
from engine.core.roles.attributes import effective, inputs
from engine.effects import Start
from engine.model import Allocation


@pytest.mark.parametrize(("patience", "limit"), [(0.05, 100.0), (1.0, 100.0), (3.0, 300.0)])
def test_a_patient_plan_gives_roles_more_time_and_an_impatient_one_not_less(patience: float, limit: float) -> None:
    for late, failure in ((-1, None), (1, reasons.timed_out(role="work", seconds=limit))):
        d = rig("work", patience=patience)
        assert d.one(Start).role == "work"
        d.now += limit + late
        outcome(d, "work", "again", after=5.0)
        assert d.at("work").failure == failure


@pytest.mark.parametrize(("patience", "wait"), [(0.05, 40), (1.0, 40), (4.0, 160)])
def test_a_node_waits_longer_for_the_call_of_a_patient_engine(patience: float, wait: int) -> None:
    def network(patience: float) -> tuple[Any, Any]:
        d = WorldRig(USUAL, plan(patience=patience))
        d.server(allocated=True)
        d.put(Allocation(address="10.0.0.101", network="admin", range="host", node="n1"))
        role = d.role("network-admin")
        return effective(d.world, role, "network"), inputs(d.world, role)

    value, counts = network(patience)
    assert value["wait"] == wait
    assert counts == network(1.0)[1], "another patience runs no role again"
