"""A person's approval is for the disks that were shown: what becomes of it when an inventory finds others."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import INVENTORY, catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.roles.guards import blockers
from engine.events import Outcome
from engine.model import State
from engine.plan import Approve

WIPE = role("wipe", flags=["destructive"])


def disk(name: str, serial: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "serial": serial, "size": 10**12, "transport": "sata", "signature": ""} | more


A, B = disk("sda", "A"), disk("sdb", "B")
SWAPPED = [disk("sda", "B"), disk("sdb", "A")]


@pytest.mark.parametrize(
    ("approved", "state", "before", "after", "left"),
    [
        ("op", State.WAITING, [A, B], [A, B], "op"),
        ("op", State.WAITING, [A, B], SWAPPED, "op"),
        ("op", State.WAITING, [A, B], [A], "op"),
        ("op", State.WAITING, [A, B], [A | {"signature": "gpt"}, B], "op"),
        ("op", State.WAITING, [A], [A, B], ""),
        ("op", State.WAITING, [A], [disk("sda", "B")], ""),
        ("op", State.WAITING, [A], [A | {"size": 2 * 10**12}], ""),
        ("op", State.ERROR, [A], [B], ""),
        ("op", State.WAITING, None, [A], ""),
        ("", State.WAITING, [A], [B], ""),
    ],
)
def test_an_approval_is_for_the_disks_that_were_shown(approved: str, state: State, before: Any, after: Any, left: str) -> None:
    d = WorldRig(catalog(INVENTORY, WIPE), replace(plan({}), approve=Approve(wipe="nothing")))
    d.server(stage="hardware", allocated=True)
    gave = {name: "" for name in INVENTORY.gives if name != "disks"}
    d.role("wipe", state=state, approved=approved, retry_at=10.0**9)
    known = {} if before is None else {"disks": before}
    d.role("inventory", state=State.TRANSITION, attempt="i-1", leg=1, action="run", gave=known)
    d.feed(Outcome(attempt="i-1.1", node="n1", what="done", gives=gave | {"disks": after}))
    assert d.at("inventory").gave["disks"] == after
    assert d.at("wipe").approved == left
    assert ("approval" in [r.code for r in blockers(d.world, d.at("wipe"))]) == (not left)


@pytest.mark.parametrize(
    ("wipe", "state", "approved", "after", "left"),
    [
        ("blank", State.WAITING, "plan", [B], "plan"),
        ("blank", State.WAITING, "plan", [B | {"signature": "gpt"}], ""),
        ("blank", State.ERROR, "plan", [A, B | {"signature": "ext4"}], ""),
        ("blank", State.WAITING, "", [B], "plan"),
        ("blank", State.WAITING, "op", [B], "plan"),
        ("blank", State.WAITING, "op", [A | {"signature": "gpt"}], "op"),
        ("blank", State.ACTIVE, "", [B], ""),
        ("all", State.WAITING, "plan", [B | {"signature": "gpt"}], "plan"),
        ("nothing", State.WAITING, "plan", [B], ""),
    ],
)
def test_the_plan_is_asked_anew_when_an_inventory_tells_of_disks(wipe: Any, state: State, approved: str, after: Any, left: str) -> None:
    d = WorldRig(catalog(INVENTORY, WIPE), replace(plan({}), approve=Approve(wipe=wipe)))
    d.server(stage="hardware", allocated=True)
    gave = {name: "" for name in INVENTORY.gives if name != "disks"}
    d.role("wipe", state=state, approved=approved, retry_at=10.0**9)
    d.role("inventory", state=State.TRANSITION, attempt="i-1", leg=1, action="run", gave={"disks": [A]})
    d.feed(Outcome(attempt="i-1.1", node="n1", what="done", gives=gave | {"disks": after}))
    assert d.at("wipe").approved == left
