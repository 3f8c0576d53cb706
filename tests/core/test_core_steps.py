"""How long each step of the bring-up took, from the times of the roles' last attempts."""

from __future__ import annotations

import pytest
from catalogs import catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig

from engine.files.catalog import shipped
from engine.model import State
from engine.views.steps import STEPS, step_of, steps

TIMES = {
    "inventory": (10, 20),
    "lldp": (12, 30),
    "bios-configure": (50, 60),
    "os-install": (70, 100),
    "ntp-client": (110, 112),
    "keystone": (120, 150),
    "retriever": (160, 170),
}


def rig(times: dict[str, tuple[int, int]]) -> WorldRig:
    names = {name: shipped().roles[name] for name in TIMES}
    made = catalog(*(replace(role(name, one.stage), tools=one.tools, validates=one.validates, jig=one.jig) for name, one in names.items()))
    d = WorldRig(made, plan({}))
    d.server("n1", stage="system", runs="debian-13", allocated=True, serial="S1")
    for name, (begun, ended) in times.items():
        d.role(name, state=State.ACTIVE, succeeded=True, started=float(begun), ended=float(ended))
    return d


def test_the_steps_of_a_node() -> None:
    assert steps(rig(TIMES).world) == {
        "discovery": 10,
        "topology": 18,
        "selection": 20,
        "bios-raid": 10,
        "os": 30,
        "services": 2,
        "openstack": 30,
        "application": 10,
    }


def test_a_step_goes_from_the_first_begin_to_the_last_end_on_all_nodes() -> None:
    d = rig(TIMES)
    d.server("n2", stage="system", runs="debian-13", allocated=True, serial="S2")
    d.role("os-install", "n2", state=State.ACTIVE, succeeded=True, started=80.0, ended=130.0)
    assert steps(d.world)["os"] == 60


@pytest.mark.parametrize("times", [{}, {"inventory": (0, 0)}, {"inventory": (10, 0)}])
def test_what_has_not_ended_has_no_seconds(times: dict[str, tuple[int, int]]) -> None:
    assert steps(rig(times).world) == {}


def test_every_shipped_role_belongs_to_a_step() -> None:
    found = {name: step_of(one) for name, one in shipped().roles.items()}
    assert set(found.values()) <= set(STEPS)
    assert {name for name, step in found.items() if step == "application"} == {"retriever"}
    assert found["swift-proxy"] == found["openstack-database"] == "openstack"
    assert found["etcd-ready"] == found["dns-client"] == "services"
