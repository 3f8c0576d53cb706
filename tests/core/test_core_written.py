"""What `raid` and `os-install` reported: one record each, whatever a machine says."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from hypothesis import given
from hypothesis import strategies as st
from world_rig import WorldRig

from engine.core.hardware.written import InstalledSystem, Volume, odd_writes, system_in, volumes_in, volumes_of
from engine.core.roles.stages import installed_system
from engine.model import State
from engine.reasons import sentence
from engine.views.facts import node_facts

MIRROR = {"name": "md0", "level": "raid1", "disks": ["sda", "sdb"], "size": 1 << 40}
SYSTEM = {"os": "debian-12", "disk": "md0", "root": "r", "serial": "S1"}
CATALOG = catalog(role("raid-configure", "hardware"), role("os-install", "install", wants=["target-os"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "disks", "os", "size", "x"]), inner, max_size=3),
    max_leaves=8,
)


def rig(volumes: Any = None, installed: Any = None) -> WorldRig:
    out = WorldRig(CATALOG, plan({}))
    out.server("n1")
    out.role("raid-configure", state=State.ACTIVE, succeeded=True, gave={} if volumes is None else {"volumes": volumes})
    out.role("os-install", state=State.ACTIVE, succeeded=True, gave={} if installed is None else {"installed": installed})
    return out


def test_records() -> None:
    d = rig([MIRROR], SYSTEM)
    assert volumes_of(d.world, "n1") == [Volume(name="md0", level="raid1", disks=("sda", "sdb"), size=1 << 40)]
    assert system_in({"installed": SYSTEM}) == InstalledSystem(os="debian-12", disk="md0", root="r", serial="S1")
    assert installed_system(d.world, d.world.nodes["n1"]) == "debian-12"
    assert odd_writes(d.world, "n1") == []


@pytest.mark.parametrize(
    ("volumes", "left"),
    [
        (None, []),
        ({"name": "md0"}, []),
        ([7, None, "md0"], []),
        ([{"name": "md0"}], []),
        ([MIRROR | {"disks": "sda"}], []),
        ([MIRROR | {"size": "big", "name": 7}], [Volume(level="raid1", disks=("sda", "sdb"))]),
        ([{}, MIRROR | {"size": 1}], [Volume(name="md0", level="raid1", disks=("sda", "sdb"), size=1)]),
    ],
)
def test_an_odd_volume_costs_itself_only(volumes: Any, left: list[Volume]) -> None:
    assert volumes_in({} if volumes is None else {"volumes": volumes}) == left


@pytest.mark.parametrize(
    ("installed", "left"),
    [
        ("debian-12", None),
        ([], None),
        ({}, InstalledSystem()),
        (SYSTEM | {"disk": 7, "more": 1}, InstalledSystem(os="debian-12", root="r", serial="S1")),
    ],
)
def test_an_odd_system_keeps_what_fits(installed: Any, left: InstalledSystem | None) -> None:
    assert system_in({"installed": installed}) == left


@pytest.mark.parametrize(
    ("volumes", "installed", "said"),
    [
        ([MIRROR | {"size": "big"}], SYSTEM, "barclamp raid reported a wrong value for volumes: "),
        ([MIRROR], SYSTEM | {"disk": None}, "barclamp os-install reported a wrong value for installed: "),
    ],
)
def test_a_wrong_type_is_a_fact_that_names_the_barclamp(volumes: Any, installed: Any, said: str) -> None:
    d = rig(volumes, installed)
    (reason,) = odd_writes(d.world, "n1")
    assert sentence(reason).startswith(said)
    assert [text for label, text in node_facts(d.world, d.world.nodes["n1"]) if label == "inventory"] == [sentence(reason)]


@given(JSON, JSON)
def test_no_machine_s_word_stops_the_core(volumes: Any, installed: Any) -> None:
    volumes_in({"volumes": volumes})
    system_in({"installed": installed})
