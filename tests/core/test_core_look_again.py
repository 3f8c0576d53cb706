"""A boot of discovery looks again at what a machine did not show before, such as a BMC that was silent."""

from __future__ import annotations

from typing import Any

import pytest
from boots_rig import disk_hello, hello, script
from catalogs import USUAL, plan
from world_rig import WorldRig

from engine import reasons
from engine.effects import Start
from engine.model import State

SILENT = reasons.script_failed(role="bmc-discover", exit=1, line="the BMC does not answer on the machine's own bus")


def rig(role: str = "bmc-discover", **fields: Any) -> WorldRig:
    out = WorldRig(USUAL, plan({}))
    out.server(**fields)
    out.role("inventory", state=State.ACTIVE)
    out.role(role, state=State.ERROR, tries=4, failure=SILENT)
    return out


def test_in_the_next_boot_a_discovery_role_that_failed_looks_again() -> None:
    d = rig()
    d.feed(script("h2"))
    d.nobody_answers()
    assert d.at("bmc-discover").state is State.ERROR, "it has not booted yet"
    d.feed(hello("b2", nonce="h2"))
    assert [s.role for s in d.all(Start)][-1] == "bmc-discover"
    looked = d.at("bmc-discover")
    assert (looked.state, looked.tries, looked.failure) == (State.TRANSITION, 0, None)


def test_a_hello_that_is_repeated_is_no_boot() -> None:
    d = rig()
    d.feed(script("h2"))
    d.feed(hello("b2", nonce="h2"))
    d.change(role="bmc-discover", state=State.ERROR, tries=4, failure=SILENT)
    d.feed(hello("b2", nonce="h2"))
    assert d.at("bmc-discover").state is State.ERROR


@pytest.mark.parametrize("role", ["bios-configure", "os-install"])
def test_what_changes_the_machine_waits_for_a_person(role: str) -> None:
    d = rig(role)
    d.feed(script("h2"))
    d.feed(hello("b2", nonce="h2"))
    assert d.at(role).state is State.ERROR


def test_an_installed_system_is_not_discovery() -> None:
    d = rig(stage="system", runs="debian-12")
    d.feed(disk_hello("b2"))
    assert d.at("bmc-discover").state is State.ERROR
