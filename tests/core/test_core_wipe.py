"""Which disks are wiped, who may approve it, how many at once, and what becomes of a node whose wipe fails for good."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import INSTALL, INVENTORY, RAID, catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.hardware.disks import read
from engine.core.hardware.wipe_choice import targets
from engine.core.roles.attributes import effective
from engine.core.roles.derive import resources, size
from engine.core.roles.guards import blockers
from engine.events import Outcome
from engine.files.catalog import shipped
from engine.model import State
from engine.plan import Approve
from engine.reasons import sentence

GB = 10**9


def told(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "size": 960 * GB, "serial": f"S-{name}", "wwn": f"naa.{name}", "signature": "gpt", "transport": "sata"} | more


@pytest.mark.parametrize(
    ("disks", "named", "taken", "left"),
    [
        ([told("sda"), told("sdb")], [], "sda sdb", {}),
        ([told("sda"), told("sdb")], ["S-sdb"], "sdb", {"sda": "wipe_not_named"}),
        ([told("sda"), told("sdb")], ["naa.sda"], "sda", {"sdb": "wipe_not_named"}),
        ([told("sda"), told("sdb", transport="fc")], [], "sda", {"sdb": "wipe_remote"}),
        ([told("sda"), told("sdb", transport="nvme-tcp")], [], "sda", {"sdb": "wipe_remote"}),
        ([told("sda"), told("sdb", serial="")], [], "sda", {"sdb": "wipe_nameless"}),
        ([told("sda", wwn="")], [], "sda", {}),
        ([told("sda"), told("sdb", used="/")], [], "sda", {"sdb": "disk_used"}),
        ([told("sda"), told("sdb", transport="usb")], [], "sda", {"sdb": "wipe_usb"}),
        ([told("sda"), told("sdb", transport="usb")], ["S-sdb"], "sdb", {"sda": "wipe_not_named"}),
        ([told("sda"), told("sdb", read_only=True)], [], "sda", {"sdb": "disk_read_only"}),
        ([told("sda", state="failing")], [], "sda", {}),
        ([told("sda"), told("sdb", size=0)], [], "sda", {"sdb": "wipe_sizeless"}),
        ([told("sdz"), told("sda", serial="L", wwn="naa.6", transport="sas"), told("sdb", serial="L", wwn="naa.6", transport="sas")], [], "sdz",
         {"sda": "disk_paths"}),
        ([told("sdz"), told("sda", serial="C", wwn="naa.5"), told("sdb", serial="C", wwn="naa.5")], [], "sdz",
         {"sda": "disk_twin", "sdb": "disk_twin"}),
        ([told("nvme0n1", transport="nvme", paths=["nvme0c0n1", "nvme0c1n1"])], [], "nvme0n1", {}),
    ],
)  # fmt: skip
def test_which_disks(disks: list[dict[str, Any]], named: list[str], taken: str, left: dict[str, str]) -> None:
    found = targets("n1", read(disks), named)
    assert found.refused is None
    assert " ".join(one.name for one in found.taken) == taken
    assert {one.disk.name: one.reason.code for one in found.left} == left


@pytest.mark.parametrize(
    ("disks", "named", "code", "says"),
    [
        ([], [], "wipe_none", "it has no disk"),
        ([told("sda")], ["sda"], "wipe_unknown", "sda"),  # a kernel's name is no name
        ([told("sda")], ["S-gone"], "wipe_unknown", "S-gone"),
        ([told("sda"), told("sdb", transport="fc")], ["S-sda", "S-sdb"], "wipe_none", "sdb: a remote disk"),
        ([told("sda", serial="")], [], "wipe_none", "no serial number"),
    ],
)
def test_nothing_is_wiped(disks: list[dict[str, Any]], named: list[str], code: str, says: str) -> None:
    found = targets("n1", read(disks), named)
    assert found.taken == ()
    assert found.refused is not None
    assert found.refused.code == code
    assert says in sentence(found.refused)


WIPE = role(
    "disk-wipe",
    flags=["destructive", "quarantine"],
    wants=["wipe-wanted", "wipe-disks", "wipe-most", "disks"],
    gives=("wipe-certificates",),
    attempts=2,
    holds=("wipes",),
)


def rig(approve: str = "all", most: int = 36, disks: int = 2, wanted: dict[str, Any] | None = None) -> WorldRig:
    defaults = {"wipe-most": most, "wipe-wanted": wanted or {}}
    what = catalog(INVENTORY, WIPE, RAID, INSTALL, defaults=defaults)
    d = WorldRig(what, replace(plan({"disk-wipe": ("all",)}), approve=Approve(wipe=approve)))  # type: ignore[arg-type]
    d.server(stage="hardware", allocated=True)
    gave = {name: "" for name in INVENTORY.gives if name != "disks"}
    d.role("disk-wipe", state=State.WAITING, retry_at=None)
    d.role("inventory", state=State.TRANSITION, attempt="i-1", leg=1, action="run")
    listed = [told(f"sd{chr(97 + n)}") for n in range(disks)]
    d.feed(Outcome(attempt="i-1.1", node="n1", what="done", gives=gave | {"disks": listed}))
    return d


@pytest.mark.parametrize(("most", "approved"), [(36, "plan"), (2, "plan"), (1, "")])
def test_a_plan_approves_no_more_disks_than_the_ceiling(most: int, approved: str) -> None:
    d = rig(most=most)
    assert d.at("disk-wipe").approved == approved
    assert ("approval" in [one.code for one in blockers(d.world, d.at("disk-wipe"))]) == (not approved)


def test_the_node_is_told_the_names_of_each_disk_and_who_approved() -> None:
    value = effective((d := rig()).world, d.at("disk-wipe"), "wipe-disks")
    assert isinstance(value, dict)
    assert (value["who"], value["machine-serial"], value["blank"]) == ("plan", "SN1", False)
    assert [(one["serial"], one["wwn"], one["size"]) for one in value["disks"]] == [
        ("S-sda", "naa.sda", 960 * GB),
        ("S-sdb", "naa.sdb", 960 * GB),
    ]


@pytest.mark.parametrize(
    ("state", "wanted", "left"),
    [
        (State.ACTIVE, {}, {"sda": "wipe_system"}),
        (State.ACTIVE, {"system": True}, {}),
        (State.WAITING, {}, {}),  # the install runs again: its system is lost anyway
    ],
)
def test_the_disk_with_the_system_is_kept(state: State, wanted: dict[str, Any], left: dict[str, str]) -> None:
    from engine.core.hardware.wipe_choice import wipe_choice

    d = rig(wanted=wanted)
    d.role(
        "os-install", state=state, gave={"installed": {"os": "debian-12", "disk": "sda", "root": "u", "wwn": "naa.sda", "serial": "S-sda"}}
    )
    found = wipe_choice(d.world, d.world.nodes["n1"], wanted)
    assert {one.disk.name: one.reason.code for one in found.left} == left


def test_members_of_a_volume_are_kept_while_it_is_there() -> None:
    from engine.core.hardware.wipe_choice import wipe_choice

    d = rig()
    d.role("raid-configure", state=State.ACTIVE, gave={"volumes": [{"name": "md0", "level": "raid1", "disks": ["sda"], "size": 1}]})
    found = wipe_choice(d.world, d.world.nodes["n1"], {})
    assert {one.disk.name: one.reason.code for one in found.left} == {"sda": "disk_member"}


def test_so_many_machines_at_once() -> None:
    d = rig()
    definition = d.world.catalog.roles["disk-wipe"]
    assert "wipes" in resources(definition, d.at("disk-wipe"))
    assert size(d.world, "wipes") == 4
    assert shipped().roles["disk-wipe"].holds == ("wipes",)


def fail(d: WorldRig, attempt: str) -> None:
    d.role("disk-wipe", state=State.TRANSITION, attempt=attempt, leg=1, action="run", approved="op", tries=d.at("disk-wipe").tries)
    d.feed(Outcome(attempt=f"{attempt}.1", node="n1", what="failed"))


def test_a_node_whose_last_attempt_failed_is_put_on_hold() -> None:
    d = rig()
    fail(d, "w-1")
    assert not d.world.nodes["n1"].hold, "another attempt is left"
    fail(d, "w-2")
    node = d.world.nodes["n1"]
    assert (d.at("disk-wipe").state, node.hold) == (State.ERROR, True)
    assert node.notice is not None
    assert "disk-wipe failed 2 times on n1.r1.example.net, so the engine put the node on hold" in sentence(node.notice)
    assert {"failed", "on_hold"} <= {one.code for one in blockers(d.world, d.at("disk-wipe"))}


def test_a_failed_role_without_the_flag_holds_nothing() -> None:
    d = rig()
    d.role("raid-configure", state=State.TRANSITION, attempt="r-1", leg=1, action="run", approved="op")
    d.feed(Outcome(attempt="r-1.1", node="n1", what="failed"))
    assert (d.at("raid-configure").state, d.world.nodes["n1"].hold) == (State.ERROR, False)
